// Tritsmith tests: findings that few elements have take no memory in the others.

import Testing

@testable import TritSurvey

@Suite("Findings held apart")
struct HeldApartTests {
  private struct Findings: RareFindings {
    var count: Int?
    var name: String?
  }

  private struct Element {
    @HeldApart var findings: Findings
    var isHeld: Bool { _findings.isHeld }
  }

  @Test("nothing is held where nothing was found, or all of it was taken away")
  func memory() {
    var element = Element()
    #expect(!element.isHeld && element.findings == Findings())
    element.findings.count = nil
    #expect(!element.isHeld)
    element.findings.name = "a"
    let copy = element
    element.findings.count = 3
    #expect(element.isHeld && element.findings == Findings(count: 3, name: "a") && copy.findings.count == nil)
    element.findings = Findings()
    #expect(!element.isHeld && copy.findings.name == "a")
  }
}
