// Tritsmith: number lines of plots.

import Testing

@testable import TritReport

@Suite struct PlotScaleTests {
  private func scale(_ values: [Double], log: Bool = false, zero: Bool = false, tight: Bool = false) -> PlotScale {
    PlotScale(
      over: values, ReportAxis("x", scale: log ? .log : .linear), includesZero: zero, isTight: tight)
  }

  @Test(arguments: [
    (1.0, 5, 0.2), (10, 5, 2), (0.037, 5, 0.01), (7, 7, 1), (1000, 3, 500), (3e-9, 4, 1e-9), (0, 5, 1),
    (.infinity, 5, 1),
  ])
  func steps(span: Double, count: Int, step: Double) {
    #expect(abs(niceStep(span, about: count) - step) < 1e-9 * step)
  }

  @Test func linearTicksAreRoundAndInside() {
    let axis = scale([0.13, 0.87])
    #expect((axis.lower, axis.upper) == (0, 1))
    let ticks = axis.ticks(about: 5, wholeNumbers: false)
    #expect(
      zip(ticks.values, [0, 0.2, 0.4, 0.6, 0.8, 1]).allSatisfy { abs($0 - $1) < 1e-12 } && ticks.values.count == 6)
    #expect(scale([3, 9], tight: true).lower == 3)
    #expect(scale([3, 9], zero: true).lower == 0)
    // One tick tells no scale.
    #expect(scale([-3, 3], tight: true).ticks(about: 2, wholeNumbers: false).values == [-2, 0, 2])
    #expect(scale([0, 3], tight: true).ticks(about: 10, wholeNumbers: true).values == [0, 1, 2, 3])
  }

  @Test func logTicksArePowersOfTen() {
    let axis = scale([0.002, 40], log: true)
    #expect(abs(axis.lower / 0.001 - 1) < 1e-12 && abs(axis.upper / 100 - 1) < 1e-12)
    let ticks = axis.ticks(about: 6, wholeNumbers: false).values
    #expect(ticks.count == 6 && zip(ticks, [0.001, 0.01, 0.1, 1, 10, 100]).allSatisfy { abs($0 / $1 - 1) < 1e-12 })
    #expect(scale([0, -3, 0.5], log: true).position(0) == nil)
  }

  @Test func placesAreProportional() {
    var axis = scale([0, 10], tight: true)
    (axis.start, axis.end) = (100, 300)
    #expect(axis.position(2.5) == 150)
    #expect(axis.position(.nan) == nil)
    #expect(axis.clamped(99) == 300 && axis.clamped(-99) == 100)
    var log = scale([1, 100], log: true)
    (log.start, log.end) = (0, 200)
    #expect(log.position(10).map { abs($0 - 100) < 1e-9 } == true)
  }

  @Test(arguments: [[], [Double.nan], [5], [0], [-1e300, 1e300], [.infinity, 1], [1e-320, 2e-320]] as [[Double]])
  func anyDataGivesAnAxis(values: [Double]) {
    for isLog in [false, true] {
      for isTight in [false, true] {
        let axis = scale(values, log: isLog, tight: isTight)
        #expect(axis.lower < axis.upper)
        #expect(axis.ticks(about: 5, wholeNumbers: false).values.count < 100)
      }
    }
  }

  @Test(
    arguments: [
      (0.25, 0.05, ReportKind.significant(digits: 4), "0.25"), (-3, 1, .significant(digits: 4), "−3"),
      (0.5, 0.1, .fraction(digits: 1), "50 %"), (20000, 5000, .integer, "20,000"), (2e6, 1e6, .bytes, "2.0 MB"),
      (0, 0.1, .significant(digits: 4), "0"),
    ] as [(Double, Double, ReportKind, String)])
  func labels(value: Double, step: Double, kind: ReportKind, text: String) {
    #expect(tickText(value, step: step, ReportAxis("x", kind: kind)) == text)
  }

  @Test(arguments: [(1e-4, "10⁻⁴"), (0.01, "0.01"), (1, "1"), (100, "100"), (1e7, "10⁷"), (0.5, "0.5")])
  func powers(value: Double, text: String) {
    #expect(tickText(value, step: nil, ReportAxis("x", scale: .log)) == text)
  }

  @Test(arguments: [(0, "0"), (1, "1"), (-1.25, "-1.3"), (0.04, "0"), (12.06, "12.1"), (-0.5, "-0.5"), (.nan, "0")])
  func pixelText(value: Double, text: String) {
    #expect(pixels(value) == text)
  }
}
