// Tritsmith: numbers as text, at the edges and against the C library.

import Testing

@testable import TritReport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct NumberTextTests {
  @Test(
    arguments: [
      (0.05, 1, "0.1"), (0.5, 0, "0"), (1.5, 0, "2"), (2.5, 0, "2"), (0.25, 1, "0.2"), (0.75, 1, "0.8"),
      (1.005, 2, "1.00"),
      (0.125, 2, "0.12"), (9.995, 2, "9.99"), (99.99, 1, "100.0"), (0.999, 0, "1"), (1e-7, 3, "0.000"),
      (1e-7, 7, "0.0000001"),
      (-0.0, 1, "0.0"), (-0.04, 1, "0.0"), (-0.06, 1, "-0.1"), (0, 0, "0"), (123456.789, 2, "123456.79"),
      (1e22, 1, "10000000000000000000000.0"), (.nan, 2, "nan"), (.infinity, 2, "inf"), (-.infinity, 2, "-inf"),
      (Double.leastNonzeroMagnitude, 2, "0.00"), (0.5000000000000001, 0, "1"), (-2.5, 0, "-2"),
    ] as [(Double, Int, String)])
  func fixed(value: Double, digits: Int, text: String) {
    #expect(NumberText.fixed(value, digits: digits) == text)
  }

  @Test func hugeNumbersAreExact() {
    let text = NumberText.fixed(1e300, digits: 1)
    #expect(text.count == 303)
    #expect(
      text.hasPrefix("1000000000000000052504760255204420248704468581108159154915854115511802457988908195786371375"))
  }

  @Test(
    arguments: [
      (1.0, 3, "1.00"), (0.0125, 3, "0.0125"), (0.00012345, 3, "0.000123"), (0.000012345, 3, "1.23e-5"),
      (1e-7, 3, "1.00e-7"),
      (9.999, 3, "10.0"), (99.95, 3, "100"), (123456, 3, "123000"), (999_999, 3, "1.00e6"), (1_234_567, 3, "1.23e6"),
      (1_234_567, 7, "1234567"), (1e300, 2, "1.0e300"), (Double.leastNonzeroMagnitude, 1, "5e-324"), (0, 4, "0"),
      (-0.0, 4, "0"),
      (-12.345, 3, "-12.3"), (.nan, 3, "nan"), (1.7976931348623157e308, 17, "1.7976931348623157e308"),
      (9.9999e-5, 2, "0.00010"),
    ] as [(Double, Int, String)])
  func significant(value: Double, digits: Int, text: String) {
    #expect(NumberText.significant(value, digits: digits) == text)
  }

  @Test(
    arguments: [
      (0.31, 1, "31.0 %"), (0.3125, 1, "31.2 %"), (1, 0, "100 %"), (0, 1, "0.0 %"), (0.0005, 1, "0.1 %"),
      (0.004, 0, "0 %"),
      (0.99999, 1, "100.0 %"), (12.5, 1, "1250.0 %"), (-0.25, 0, "-25 %"), (1e-9, 2, "0.00 %"), (.nan, 1, "nan"),
    ] as [(Double, Int, String)])
  func percent(value: Double, digits: Int, text: String) {
    #expect(NumberText.percent(value, digits: digits) == text)
  }

  @Test(arguments: [
    (0, "0"), (999, "999"), (1000, "1,000"), (-1000, "-1,000"), (-999, "-999"), (2_912_345, "2,912,345"),
    (Int.min, "-9,223,372,036,854,775,808"),
  ])
  func grouped(value: Int, text: String) {
    #expect(NumberText.grouped(value) == text)
  }

  @Test(
    arguments: [
      (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1049, "1.0 kB"), (1050, "1.1 kB"), (999_949, "999.9 kB"),
      (999_950, "1.0 MB"), (2_912_345, "2.9 MB"), (1_180_000_000, "1.2 GB"), (999_950_000_000_000, "1.0 PB"),
      (999_999_999_999_999_999, "1.0 EB"), (.max, "18.4 EB"),
    ] as [(UInt64, String)])
  func bytes(count: UInt64, text: String) {
    #expect(NumberText.bytes(count) == text)
  }

  @Test(
    arguments: [
      (0, "0 s"), (850e-6, "850 µs"), (1.5e-6, "1.50 µs"), (0.0123, "12.3 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"),
      (4.56, "4.56 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (125, "2 min 05 s"), (3599.6, "1 h 00 min"),
      (11_220, "3 h 07 min"), (-2, "-2.00 s"), (1e20, "1.00e20 s"), (.infinity, "inf"),
    ] as [(Double, String)])
  func durations(seconds: Double, text: String) {
    #expect(NumberText.duration(seconds) == text)
  }

  /// The C library rounds the exact value and ties to even, too.
  @Test func fixedAgreesWithTheCLibrary() {
    var generator = SplitMix(state: 0x5EED)
    for _ in 0..<3000 {
      let random = Double(bitPattern: generator.next())
      let small = Double(Int64(bitPattern: generator.next()) >> 40) / 1024
      for value in [random, small, small / 1000] where value.isFinite && abs(value) < 1e30 {
        let digits = Int(generator.next() % 12)
        let expected = cFormatted("%.\(digits)f", value)
        let isZero = expected.allSatisfy { "-0.".contains($0) }
        let ours = NumberText.fixed(value, digits: digits)
        #expect(ours == (isZero && expected.hasPrefix("-") ? String(expected.dropFirst()) : expected), "\(value)")
      }
    }
  }

  @Test func thousandsOfAMeasuredNumberAreApart() {
    #expect(NumberText.groupedFixed(2556.94, digits: 1) == "2,556.9")
    #expect(NumberText.groupedFixed(7269.5, digits: 1) == "7,269.5")
    #expect(NumberText.groupedFixed(282.2, digits: 1) == "282.2" && NumberText.groupedFixed(-0.5, digits: 1) == "-0.5")
    #expect(NumberText.groupedFixed(.infinity, digits: 1) == "inf")
    let counts: [ReportValue] = [.integer(39), .integer(1024), .number(39)]
    #expect(counts.map { ReportKind.significant(digits: 4).text(of: $0) } == ["39", "1,024", "39.00"])
  }

  /// Two digits of the error, as physicists write it.
  @Test(arguments: [
    (1265.0, 1600.0, "1,300 ± 1,600"), (20.9034, 0.3312, "20.90 ± 0.33"), (20.9034, 3.312, "20.9 ± 3.3"),
    (1265.4, 16.2, "1,265 ± 16"), (20.9034, 0.0998, "20.90 ± 0.10"), (7.0, 0.0, "7.0000 ± 0"),
  ])
  func numbersAndTheirErrorsAreRoundedAlike(value: Double, error: Double, text: String) {
    #expect(NumberText.measured(value, error) == text)
  }

  @Test func significantDigitsAgreeWithTheCLibrary() throws {
    var generator = SplitMix(state: 0xD161)
    for _ in 0..<2000 {
      let value = Double(bitPattern: generator.next())
      guard value.isFinite else { continue }
      let digits = 1 + Int(generator.next() % 17)
      // Same number whatever the notation: read both back.
      let expected = try #require(Double(cFormatted("%.\(digits - 1)e", value)))
      #expect(Double(NumberText.significant(value, digits: digits)) == expected, "\(value) to \(digits) digits")
    }
  }

  private func cFormatted(_ format: String, _ value: Double) -> String {
    var buffer = [CChar](repeating: 0, count: 512)
    let count = withVaList([value]) { vsnprintf(&buffer, buffer.count, format, $0) }
    return String(decoding: buffer.prefix(Int(count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// A small seeded generator, so that a failure repeats.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
