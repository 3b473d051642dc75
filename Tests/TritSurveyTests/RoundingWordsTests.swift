// Tritsmith: counts in sentences about rounding.

import Testing
import TritSurvey

@Suite("Words of rounding")
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
}
