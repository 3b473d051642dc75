// Tritsmith: patterns for tensor names.

/// A shell-style pattern for tensor names: `*` is any run of characters, `?` any one, everything else itself.
///
/// A dot is nothing special: `*.down_proj.weight` names that projection in every layer.
public struct Glob: Sendable, Hashable {
  /// As given.
  package let pattern: String
  private let scalars: [UnicodeScalar]

  /// A pattern in which `*` stands for any characters, dots too, and `?` for one.
  public init(_ pattern: String) {
    self.pattern = pattern
    scalars = Array(pattern.unicodeScalars)
  }

  /// True when the pattern covers the whole name. Time is at most pattern length × name length.
  package func matches(_ name: String) -> Bool {
    let name = Array(name.unicodeScalars)
    var (p, n) = (0, 0)
    var star: (pattern: Int, name: Int)?
    while n < name.count {
      if p < scalars.count, scalars[p] == "*" {
        star = (p + 1, n)
        p += 1
      } else if p < scalars.count, scalars[p] == "?" || scalars[p] == name[n] {
        p += 1
        n += 1
      } else if let last = star {
        // Let the last star take one character more.
        star = (last.pattern, last.name + 1)
        p = last.pattern
        n = last.name + 1
      } else {
        return false
      }
    }
    return scalars[p...].allSatisfy { $0 == "*" }
  }
}
