// Tritsmith: sentences about rounding, and about scales that are others.

import Testing
import TritCore
import TritSurvey

@Suite("Words of rounding and of scales")
struct RoundingWordsTests {
  @Test("values that became 0 are told in singular and plural", arguments: [(1, "1 is"), (2, "2 are")])
  func vanished(_ count: Int, _ words: String) {
    var report = RoundingReport()
    report.count = 1000
    for _ in 0..<count { report.add(0.25, 0) }
    var rounding = WeightRounding()
    rounding.add(nil, report)
    #expect(rounding.phrase == "values of 1 tensor (at most 0.2500, \(words) 0 now)")
    let verb = words.drop { $0 != " " }
    #expect(report.phrase("to F16").hasSuffix("; \(count) of them\(verb) 0 now"), "\(report.phrase("to F16"))")
  }

  /// "is multiplied by 0.5, expected 0.5" said nothing.
  @Test("one scale where the other side has several is told by all three numbers")
  func severalForOne() throws {
    let shape = try #require(TensorShape(rows: 1, columns: 256))
    func scale(_ numbers: [Float], _ granularity: ScaleGranularity) -> TernaryScale {
      TernaryScale(stored: numbers, storage: .f32, convention: .multiply, granularity: granularity)
    }
    let (one, two) = (scale([0.5], .row), scale([0.25, 0.5], .group(columns: 128)))
    for (a, b, side, other) in [(one, two, "first", "second"), (two, one, "second", "first")] {
      var live = LiveUnits(ScaleGrid(a.granularity, b.granularity, shape))
      live.add([Int8](repeating: 1, count: 256), shape.band(0..<1))
      let found = ScaleAgreement(a, b, live, origin: .either)
      let text =
        "where the \(side) has one scale, 0.5, the \(other) has 0.25, and for a trit of row 0, column 128 0.5"
      #expect(found.difference == text)
    }
  }
}
