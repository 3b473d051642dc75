// Tritsmith: types a command-line word can become.

/// A value that one word of the command line can express.
///
/// An enum with string raw values and `CaseIterable` gets everything for free; its cases appear in help, in completions
/// and in the error for a word that is none of them.
package protocol ExpressibleByArgument {
  /// Reads the word; nil when it expresses no value of the type.
  init?(argument: String)

  /// The value as it would be typed, shown in help as the default.
  var argumentDescription: String { get }

  /// Every accepted word, or empty when there is no such list.
  static var allowedArguments: [String] { get }

  /// What a word must be, completing "expected …".
  static var argumentExpectation: String { get }

  /// Why words that people know from elsewhere are no values, by those words in lower case.
  static var refusals: [String: String] { get }

  /// What the shell offers unless the declaration says otherwise.
  static var defaultCompletion: CompletionKind { get }

  /// What stands for such a value in help, without angle brackets; nil leaves it to the name of the option.
  static var valueName: String? { get }
}

extension ExpressibleByArgument {
  /// The value's own description.
  package var argumentDescription: String { String(describing: self) }
  /// No list.
  package static var allowedArguments: [String] { [] }
  /// The type's name, for want of better words.
  package static var argumentExpectation: String { "a value of type \(Self.self)" }
  /// Every word that is no value is mistyped.
  package static var refusals: [String: String] { [:] }
  /// The allowed words, or nothing.
  package static var defaultCompletion: CompletionKind {
    allowedArguments.isEmpty ? .none : .list(allowedArguments)
  }
  /// Left to the option.
  package static var valueName: String? { nil }
}

extension ExpressibleByArgument where Self: RawRepresentable, RawValue == String {
  /// The case with that raw value.
  package init?(argument: String) { self.init(rawValue: argument) }
  /// The raw value.
  package var argumentDescription: String { rawValue }
}

extension ExpressibleByArgument where Self: RawRepresentable & CaseIterable, RawValue == String {
  /// The case with that raw value, in either case: names of types and layouts are written both ways.
  package init?(argument: String) {
    let wanted = argument.lowercased()
    guard let found = Self.allCases.first(where: { $0.rawValue.lowercased() == wanted }) else { return nil }
    self = found
  }
  /// The raw values in declaration order.
  package static var allowedArguments: [String] { allCases.map(\.rawValue) }
  /// The list itself.
  package static var argumentExpectation: String { "one of " + allowedArguments.joined(separator: ", ") }
}

extension String: ExpressibleByArgument {
  /// Any word, the empty one included.
  package init?(argument: String) { self = argument }
  /// The string itself.
  package var argumentDescription: String { self }
  /// Plain words.
  package static var argumentExpectation: String { "text" }
}

extension ExpressibleByArgument where Self: FixedWidthInteger {
  /// A decimal integer in the range of the type.
  package init?(argument: String) { self.init(argument, radix: 10) }
  /// What the type can hold.
  package static var argumentExpectation: String {
    Self.isSigned ? "a whole number" : "a whole number from 0 to \(Self.max)"
  }
}

extension Int: ExpressibleByArgument {}
extension Int64: ExpressibleByArgument {}
extension UInt32: ExpressibleByArgument {}
extension UInt64: ExpressibleByArgument {}

extension ExpressibleByArgument where Self: BinaryFloatingPoint & LosslessStringConvertible {
  /// A finite decimal number; "nan" and "inf" are refused because no option of a tool means them.
  package init?(argument: String) {
    guard let value = Self(argument), value.isFinite else { return nil }
    self = value
  }
  /// Plain words.
  package static var argumentExpectation: String { "a number" }
}

extension Double: ExpressibleByArgument {}
extension Float: ExpressibleByArgument {}
