// Tritsmith: tests of argument types, names and edit distance.

import Testing
import VisibleText

@testable import CommandLineKit

@Suite struct ByteSizeTests {
  @Test(
    arguments: [
      ("0", 0), ("4096", 4096), ("17B", 17), ("512M", 512_000_000), ("5GB", 5_000_000_000), ("5gb", 5_000_000_000),
      ("1k", 1000), ("1KB", 1000), ("200MiB", 209_715_200), ("1Ki", 1024), ("1 GiB", 1_073_741_824),
      ("2T", 2_000_000_000_000),
      ("1TiB", 1_099_511_627_776), ("1.5G", 1_500_000_000), ("1.5KiB", 1536), ("0.0000001K", 0), ("2.", nil),
      (".5G", nil),
      ("", nil), ("M", nil), ("-1", nil), ("+1", nil), ("1.2.3", nil), ("5Q", nil), ("5 G B", nil), ("1e3", nil),
      ("18446744073709551615", UInt64.max), ("18446744073709551616", nil), ("18446744073709551615.5", UInt64.max),
      ("16777216TiB", nil), ("٣M", nil),
    ] as [(String, UInt64?)])
  func reads(text: String, bytes: UInt64?) {
    #expect(ByteSize(argument: text)?.bytes == bytes)
  }

  @Test(
    arguments: [
      (0, "0B"), (1, "1B"), (1000, "1K"), (1024, "1KiB"), (512_000_000, "512M"), (209_715_200, "200MiB"),
      (4097, "4097B"),
    ] as [(UInt64, String)])
  func describesItselfAsTyped(bytes: UInt64, text: String) {
    #expect(ByteSize(bytes: bytes).description == text)
    #expect(ByteSize(argument: text)?.bytes == bytes)
  }
}

@Suite struct NameTests {
  @Test(arguments: [
    ("maxTokens", "max-tokens"), ("output", "output"), ("GapReport", "gap-report"),
    ("useHTMLReport", "use-html-report"),
    ("top5", "top5"), ("a_b", "a-b"),
  ])
  func kebabCaseOfIdentifiers(identifier: String, name: String) {
    #expect(kebabCase(identifier) == name)
  }

  @Test(arguments: [
    ("", "", 0), ("a", "", 1), ("convert", "convert", 0), ("conver", "convert", 1), ("ocnvert", "convert", 1),
    ("kitten", "sitting", 3), ("inspect", "verify", 7), ("ca", "abc", 3),
  ])
  func editDistances(first: String, second: String, distance: Int) {
    #expect(editDistance(first, second) == distance)
    #expect(editDistance(second, first) == distance)
  }

  @Test(
    arguments: [
      ("conv", "convert"), ("inspcet", "inspect"), ("VERIFY", "verify"), ("gpa", "gap"), ("ls", nil), ("", nil),
      ("x", nil),
      ("insp", "inspect"),
      // Half of the letters differ.
      ("bogus", nil), ("veto", nil), ("-", nil),
    ] as [(String, String?)])
  func nearest(word: String, match: String?) {
    #expect(nearestMatch(to: word, among: ["convert", "inspect", "verify", "gap", "run", "logits", "-V"]) == match)
  }

  @Test func ofEquallyNearWordsTheOneWithTheSameFirstLetterIsNamed() {
    // Both are one letter away.
    #expect(nearestMatch(to: "fsh", among: ["bash", "zsh", "fish"]) == "fish")
    #expect(nearestMatch(to: "xsh", among: ["bash", "zsh", "fish"]) == "zsh")
  }

  @Test func aHugeWordIsNotCompared() {
    #expect(nearestMatch(to: String(repeating: "x", count: 100_000), among: ["convert"]) == nil)
  }
}
