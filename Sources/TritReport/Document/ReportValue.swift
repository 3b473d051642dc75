// Tritsmith: what a fact or a cell can hold.

/// A typed value; renderers decide how it looks, never the code that reports it.
package enum ReportValue: Sendable, Hashable {
  case text(String)
  case integer(Int64)
  case unsigned(UInt64)
  case number(Double)
  /// A size in bytes.
  case bytes(UInt64)
  case bool(Bool)
  /// A short list such as a shape.
  case list([ReportValue])
  /// A long list of whole numbers, such as token ids, shown as a list is.
  case integers([Int])
  /// Not known or not applicable; never an empty text.
  case missing

  /// A whole number of any width; one beyond 64 bits becomes the nearest double.
  package static func integer(_ value: some BinaryInteger) -> ReportValue {
    if let exact = Int64(exactly: value) { return .integer(exact) }
    if let exact = UInt64(exactly: value) { return .unsigned(exact) }
    return .number(Double(value))
  }

  /// A text, or missing when there is none.
  package static func optional(_ text: String?) -> ReportValue {
    text.map(ReportValue.text) ?? .missing
  }

  /// A number, or missing when there is none.
  package static func optional(_ number: Double?) -> ReportValue {
    number.map(ReportValue.number) ?? .missing
  }
}

extension ReportValue: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByNilLiteral
{
  /// A text.
  package init(stringLiteral value: String) { self = .text(value) }
  /// A whole number.
  package init(integerLiteral value: Int64) { self = .integer(value) }
  /// A number.
  package init(floatLiteral value: Double) { self = .number(value) }
  /// A truth value.
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  /// A list.
  package init(arrayLiteral elements: ReportValue...) { self = .list(elements) }
  /// Missing.
  package init(nilLiteral: ()) { self = .missing }
}

/// How the values of a column or fact are shown; machine formats carry the full value whatever the kind.
package enum ReportKind: Sendable, Hashable {
  case text
  case integer
  /// Human size in tables (2.9 MB), human and exact size in facts.
  case bytes
  /// A fixed count of digits after the point.
  case decimal(digits: Int)
  /// A count of significant digits; very small and large values get an exponent.
  case significant(digits: Int)
  /// A share of one, shown in percent with that many digits.
  case fraction(digits: Int)
  /// Hexadecimal text that may be cut at its end.
  case hash
  case bool
  /// Seconds, shown in the unit that fits.
  case duration
  /// Text that is one of the raw values of `ReportSeverity`; pages colour it.
  case severity
  /// A name of machine formats: JSON says `block0.mlp` and `not_exact`, people read "layer 0 mlp" and "not exact".
  case state
  /// A line for a shell, which a terminal gets whole: a line break in it would break what is pasted.
  case command

  /// Numbers read best when their last digits stand below each other.
  package var defaultAlignment: ReportAlignment {
    switch self {
    case .text, .hash, .bool, .severity, .state, .command: .left
    case .integer, .bytes, .decimal, .significant, .fraction, .duration: .right
    }
  }
}

/// The side a column leans to.
package enum ReportAlignment: Sendable, Hashable {
  case left
  case right
}
