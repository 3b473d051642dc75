// Tritsmith: tests of finding one text in another.

import Testing
import VisibleText

@Suite struct SubstringTests {
  @Test(
    arguments: [
      ("a--b---c", "--", ["a", "b", "-c"]), ("--a--", "--", ["", "a", ""]), ("aaa", "aa", ["", "a"]),
      ("a", "b", ["a"]), ("", "b", [""]), ("a", "", ["a"]), ("é|è", "|", ["é", "è"]), ("xé", "é", ["x", ""]),
      ("a\r\nb", "\n", ["a\r", "b"]), ("ababac", "abac", ["ab", ""]),
    ])
  func partsAreAsPythonSplits(text: String, separator: String, parts: [String]) {
    #expect(text.parts(between: separator).map(String.init) == parts)
    #expect(text.replacing(text: separator, with: "__") == parts.joined(separator: "__"))
    #expect(text.ranges(ofText: separator).count == parts.count - 1)
    #expect(text.contains(text: separator) == (parts.count > 1 || separator.isEmpty))
  }

  /// Against Swift's own search, on texts of two letters, where places overlap.
  @Test func firstPlacesAreThoseOfSwift() {
    func texts(_ length: Int) -> [String] {
      (0..<(1 << length)).map { bits in String((0..<length).map { bits >> $0 & 1 == 0 ? "a" : "b" }) }
    }
    for text in texts(7) + texts(4) {
      for wanted in texts(1) + texts(3) {
        #expect(text.firstRange(ofText: wanted) == text.firstRange(of: wanted), "\(wanted) in \(text)")
        #expect(text.dropFirst(2).firstRange(ofText: wanted) == text.dropFirst(2).firstRange(of: wanted))
      }
    }
  }
}
