// Tritsmith: options that several commands share.

/// Joins the arguments of another type to a command: `@OptionGroup(title: "Memory") var memory: MemoryOptions`.
@propertyWrapper
package struct OptionGroup<Group: ParsableArguments>: DeclaredGroup {
  private final class Slot {
    var group: Group
    init(_ group: Group) { self.group = group }
  }

  private var slot: Slot
  /// The heading of the group's options in help; the general one when absent.
  package let title: String?

  /// The group with its parsed values.
  package var wrappedValue: Group {
    get { slot.group }
    set { slot = Slot(newValue) }
  }

  /// Declares a group.
  package init(title: String? = nil) {
    slot = Slot(Group())
    self.title = title
  }

  var members: Any { slot.group }
  func validate() throws { try slot.group.validate() }
}

/// What the schema needs of a group, whatever its type.
protocol DeclaredGroup: DeclaredProperty {
  var title: String? { get }
  var members: Any { get }
  func validate() throws
}
