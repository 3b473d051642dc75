// Tritsmith: the one place where sizes from files are multiplied and added.

/// Arithmetic on sizes read from files: an overflow gives nil instead of a trap or a wrapped value.
@usableFromInline package enum Checked {
  /// The product in 64 unsigned bits, multiplied left to right as the safetensors reader does.
  ///
  /// `[2^63 − 1, 4, 0]` therefore overflows and `[0, 2^63 − 1, 4]` does not.
  @usableFromInline package static func product(_ factors: some Sequence<UInt64>) -> UInt64? {
    var result: UInt64 = 1
    for factor in factors {
      let (value, overflow) = result.multipliedReportingOverflow(by: factor)
      if overflow { return nil }
      result = value
    }
    return result
  }

  /// a × b; nil when it does not fit.
  @usableFromInline package static func product(_ left: Int, _ right: Int) -> Int? {
    let (value, overflow) = left.multipliedReportingOverflow(by: right)
    return overflow ? nil : value
  }

  /// a × b; nil when it does not fit.
  @usableFromInline package static func product(_ left: UInt64, _ right: UInt64) -> UInt64? {
    let (value, overflow) = left.multipliedReportingOverflow(by: right)
    return overflow ? nil : value
  }

  /// a + b; nil when it does not fit.
  @usableFromInline package static func sum(_ left: Int, _ right: Int) -> Int? {
    let (value, overflow) = left.addingReportingOverflow(right)
    return overflow ? nil : value
  }

  /// a + b; nil when it does not fit.
  @usableFromInline package static func sum(_ left: UInt64, _ right: UInt64) -> UInt64? {
    let (value, overflow) = left.addingReportingOverflow(right)
    return overflow ? nil : value
  }

  /// The sum of numbers above or equal to 0, or the largest number there is: for totals that are only shown, or compared.
  package static func clampedSum<Number: FixedWidthInteger>(_ values: some Sequence<Number>) -> Number {
    var result: Number = 0
    for value in values {
      let (sum, overflow) = result.addingReportingOverflow(value)
      if overflow { return .max }
      result = sum
    }
    return result
  }

  /// How many parts of a size it takes to hold a count; unlike (count + size − 1) / size it overflows for no size.
  @usableFromInline package static func parts(_ count: Int, of size: Int) -> Int {
    count / size + (count % size == 0 ? 0 : 1)
  }

  /// `value` rounded up to a multiple of `alignment`, nil when that overflows.
  package static func aligned(_ value: Int, to alignment: Int) -> Int? {
    guard let raised = sum(value, alignment - 1) else { return nil }
    return raised / alignment * alignment
  }

  /// `value` rounded up to a multiple of `alignment`, nil when that overflows.
  package static func aligned(_ value: UInt64, to alignment: UInt64) -> UInt64? {
    guard let raised = sum(value, alignment - 1) else { return nil }
    return raised / alignment * alignment
  }
}
