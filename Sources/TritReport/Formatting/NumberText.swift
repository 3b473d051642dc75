// Tritsmith: numbers as text, without Foundation and without locales.

/// Formats numbers; the same value gives the same text on every machine.
package enum NumberText {
  /// A number with a fixed count of digits after the point, correctly rounded; exact ties go to the even digit.
  ///
  /// A value that rounds to zero loses its sign. Non-finite values read `nan`, `inf`, `-inf`.
  package static func fixed(_ value: Double, digits count: Int) -> String {
    if let special = nonFinite(value) { return special }
    var expansion = DecimalExpansion(magnitudeOf: value)
    expansion.round(toFractionDigits: count)
    return sign(value, expansion) + positional(expansion, fractionDigits: count)
  }

  /// A number with a count of significant digits, correctly rounded; an exponent (`1.50e-7`) below 1e-4 and
  /// from 1e6 or 10^count on, whichever is larger.
  package static func significant(_ value: Double, digits count: Int) -> String {
    if let special = nonFinite(value) { return special }
    let count = max(1, count)
    var expansion = DecimalExpansion(magnitudeOf: value)
    if expansion.isZero { return "0" }
    expansion.round(toFractionDigits: count - 1 - expansion.exponent)
    let exponent = expansion.exponent
    if (-4..<max(count, 6)).contains(exponent) {
      return sign(value, expansion) + positional(expansion, fractionDigits: max(0, count - 1 - exponent))
    }
    let shown = (0..<count).map { $0 < expansion.digits.count ? expansion.digits[$0] : 0 }
    let text = shown.map { String($0) }
    let fraction = count > 1 ? "." + text[1...].joined() : ""
    return sign(value, expansion) + text[0] + fraction + "e\(exponent)"
  }

  /// A share of one in percent: `31.0 %`.
  package static func percent(_ fraction: Double, digits count: Int = 1) -> String {
    if let special = nonFinite(fraction) { return special }
    // Two places to the right in the exact digits, so that no multiplication rounds first.
    var expansion = DecimalExpansion(magnitudeOf: fraction)
    expansion.round(toFractionDigits: count + 2)
    let shifted = positional(expansion, fractionDigits: count + 2, movedRight: 2)
    return sign(fraction, expansion) + shifted + " %"
  }

  /// A whole number with commas between thousands: `2,912,345`.
  ///
  /// So stands every count that a person reads, in cells, facts and sentences. Machine formats have plain digits, and so
  /// have places (rows, elements, bytes, ids), shapes, and what a file spells itself.
  package static func grouped(_ value: some BinaryInteger) -> String {
    let digits = String(value.magnitude)
    var result = value < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0 && (digits.count - index).isMultiple(of: 3) { result += "," }
      result.append(digit)
    }
    return result
  }

  /// A number with a fixed count of digits after the point, and commas between thousands before it: `2,556.9`.
  package static func groupedFixed(_ value: Double, digits count: Int) -> String {
    withCommas(fixed(value, digits: count))
  }

  /// A number and its error, both to the second digit of the error: `20.90 ± 0.33`, `1,300 ± 1,600`.
  package static func measured(_ value: Double, _ error: Double) -> String {
    guard value.magnitude < 1e9, error > 0, error < 1e9 else {
      return significant(value, digits: 5) + " ± " + significant(error, digits: 2)
    }
    var expansion = DecimalExpansion(magnitudeOf: error)
    expansion.round(toFractionDigits: 1 - expansion.exponent)
    let place = 1 - expansion.exponent
    let texts = [value, error].map { number in
      var expansion = DecimalExpansion(magnitudeOf: number)
      expansion.round(toFractionDigits: place)
      return withCommas(sign(number, expansion) + positional(expansion, fractionDigits: max(0, place)))
    }
    return texts.joined(separator: " ± ")
  }

  private static func withCommas(_ text: String) -> String {
    let whole = text.prefix { $0 != "." }
    return Int64(whole).map { number in
      // Of a number between 0 and -1 the sign is not that of its whole part.
      (number == 0 && whole.hasPrefix("-") ? "-" : "") + grouped(number) + text.dropFirst(whole.count)
    } ?? text
  }

  /// A size in decimal units with one digit after the point: `999 B`, `2.9 MB`, `1.2 GB`; halves round up.
  package static func bytes(_ count: UInt64) -> String {
    guard count >= 1000 else { return "\(count) B" }
    var unit: UInt64 = 1000
    for name in ["kB", "MB", "GB", "TB", "PB"] {
      // Tenths of the unit, without overflowing for sizes near 2^64.
      let tenths = count / (unit / 10) + (count % (unit / 10) >= unit / 20 ? 1 : 0)
      if tenths < 10_000 { return "\(tenths / 10).\(tenths % 10) \(name)" }
      unit *= 1000
    }
    let tenths = count / (unit / 10) + (count % (unit / 10) >= unit / 20 ? 1 : 0)
    return "\(tenths / 10).\(tenths % 10) EB"
  }

  /// A human size with the exact count behind it: `2.9 MB (2,912,345 bytes)`.
  package static func exactBytes(_ count: UInt64) -> String {
    count < 1000 ? "\(count) bytes" : "\(bytes(count)) (\(grouped(count)) bytes)"
  }

  /// Seconds in the unit that fits: `850 µs`, `12.3 ms`, `4.56 s`, `2 min 05 s`, `3 h 07 min`.
  package static func duration(_ seconds: Double) -> String {
    if let special = nonFinite(seconds) { return special }
    if seconds < 0 { return "-" + duration(-seconds) }
    switch seconds {
    case 0: return "0 s"
    case ..<0.9995e-3: return significantUnit(seconds * 1e6) + " µs"
    case ..<0.9995: return significantUnit(seconds * 1e3) + " ms"
    case ..<59.95: return significantUnit(seconds) + " s"
    case ..<8.64e14: break
    default: return significant(seconds, digits: 3) + " s"
    }
    let total = Int64(seconds.rounded())
    if total < 3600 { return "\(total / 60) min \(twoDigits(total % 60)) s" }
    let minutes = Int64((seconds / 60).rounded())
    return "\(minutes / 60) h \(twoDigits(minutes % 60)) min"
  }

  // MARK: - Pieces

  /// Three digits: 4.56, 45.6, 456.
  private static func significantUnit(_ value: Double) -> String {
    fixed(value, digits: value < 9.995 ? 2 : value < 99.95 ? 1 : 0)
  }

  private static func twoDigits(_ value: Int64) -> String {
    value < 10 ? "0\(value)" : "\(value)"
  }

  private static func nonFinite(_ value: Double) -> String? {
    if value.isNaN { return "nan" }
    return value.isInfinite ? (value < 0 ? "-inf" : "inf") : nil
  }

  private static func sign(_ value: Double, _ expansion: DecimalExpansion) -> String {
    value < 0 && !expansion.digits.allSatisfy { $0 == 0 } ? "-" : ""
  }

  /// Digits with a point, padded with zeros on both sides; `movedRight` shifts the point, multiplying by a power of ten.
  private static func positional(_ expansion: DecimalExpansion, fractionDigits: Int, movedRight shift: Int = 0)
    -> String
  {
    var digits = expansion.digits
    if expansion.scale < fractionDigits {
      digits += [UInt8](repeating: 0, count: fractionDigits - expansion.scale)
    } else if expansion.scale > fractionDigits {
      digits.removeLast(min(digits.count, expansion.scale - fractionDigits))
    }
    let fraction = fractionDigits - shift
    // The places before the point carry no leading zeros but for the one that must stand there.
    digits = Array(digits.drop { $0 == 0 })
    if digits.count <= fraction { digits = [UInt8](repeating: 0, count: fraction + 1 - digits.count) + digits }
    let text = digits.map { String($0) }
    let whole = text.dropLast(fraction).joined()
    return (whole.isEmpty ? "0" : whole) + (fraction > 0 ? "." + text.suffix(fraction).joined() : "")
  }
}
