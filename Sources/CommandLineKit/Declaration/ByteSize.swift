// Tritsmith: sizes such as 512M on the command line.

/// A number of bytes typed with a unit: `512M`, `5GB`, `200MiB`, `1.5 GiB`, `4096`.
///
/// Units without an "i" are decimal, as disks and file managers count them: `K`, `M`, `G`, `T`, with or without a
/// final `B`, are powers of 1000. `KiB`, `MiB`, `GiB`, `TiB` (final `B` optional) are powers of 1024. Case does not
/// matter. A fraction is exact and rounds down to whole bytes.
package struct ByteSize: Hashable, Sendable, Comparable, ExpressibleByArgument, CustomStringConvertible {
  /// The size in bytes.
  package var bytes: UInt64

  /// A size given as a plain count.
  package init(bytes: UInt64) {
    self.bytes = bytes
  }

  /// Reads a size; nil for an unknown unit, a sign, or a size beyond 64 bits.
  package init?(argument: String) {
    let text = argument.utf8
    let number = text.prefix { (0x30...0x39).contains($0) || $0 == 0x2E }
    let parts = number.split(separator: 0x2E, omittingEmptySubsequences: false)
    guard parts.count <= 2, let first = parts.first, !first.isEmpty, let whole = UInt64(String(Substring(first))),
      let multiplier = Self.multiplier(of: String(Substring(text.dropFirst(number.count))))
    else { return nil }
    var (total, overflow) = whole.multipliedReportingOverflow(by: multiplier)
    if parts.count == 2 {
      // Nine digits are finer than a byte for every unit up to giga; more would only invite overflow.
      let digits = parts[1]
      guard !digits.isEmpty, digits.count <= 9, let numerator = UInt64(String(Substring(digits))) else { return nil }
      let denominator = (0..<digits.count).reduce(UInt64(1)) { product, _ in product * 10 }
      let product = numerator.multipliedFullWidth(by: multiplier)
      let fraction = denominator.dividingFullWidth(product).quotient
      let sum = total.addingReportingOverflow(fraction)
      (total, overflow) = (sum.partialValue, overflow || sum.overflow)
    }
    if overflow { return nil }
    bytes = total
  }

  private static func multiplier(of suffix: String) -> UInt64? {
    var unit = Substring(suffix).drop { $0 == " " }.lowercased()[...]
    if unit.last == "b" { unit = unit.dropLast() }
    switch unit {
    case "": return 1
    case "k": return 1000
    case "m": return 1_000_000
    case "g": return 1_000_000_000
    case "t": return 1_000_000_000_000
    case "ki": return 1 << 10
    case "mi": return 1 << 20
    case "gi": return 1 << 30
    case "ti": return 1 << 40
    default: return nil
    }
  }

  /// The size in the largest unit that divides it: `512M`, `200MiB`, `4097B`.
  package var description: String {
    let units: [(String, UInt64)] = [
      ("T", 1_000_000_000_000), ("TiB", 1 << 40), ("G", 1_000_000_000), ("GiB", 1 << 30), ("M", 1_000_000),
      ("MiB", 1 << 20), ("K", 1000), ("KiB", 1 << 10),
    ]
    for (name, size) in units where bytes > 0 && bytes.isMultiple(of: size) { return "\(bytes / size)\(name)" }
    return "\(bytes)B"
  }

  /// What a size looks like.
  package static var argumentExpectation: String { "a size such as 512M, 5GB (decimal) or 200MiB (binary)" }

  /// Orders by bytes.
  package static func < (left: ByteSize, right: ByteSize) -> Bool { left.bytes < right.bytes }
}
