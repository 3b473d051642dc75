// Tritsmith: arithmetic on what a file says is done in one place.

import Testing
import TritCore
import TritTestSupport

/// The readers' sources may not contain what goes around `Checked`: wrapping operators, overflow tests of their own, and
/// conversions to narrower integers that say nothing of what happens to a value that does not fit.
@Suite("Arithmetic on sizes from files")
struct ArithmeticRuleTests {
  /// Folders whose code meets numbers that nobody has proved yet.
  private static let readers = [
    "TritFormats", "TritTokenizer/Loading", "TritCore/JSON", "TritCore/FileAccess", "TritModel/GGUF",
    "TritModel/Description",
  ]
  /// Codings that are arithmetic modulo 2ⁿ by their definition; what they calculate with are numbers, no sizes or places.
  private static let modular = ["TritDiff/ByteDifference.swift"]
  private static let sources = Fixtures.path("../Sources")
  /// Text to a number: nil for what does not fit.
  private static let parsing = ["Int(text)", "Int(String(", "Int(entry.key)", "Int(rest["]

  /// Names of the rules a line breaks.
  static func broken(_ line: Substring) -> [String] {
    guard !line.drop(while: { $0 == " " }).hasPrefix("//") else { return [] }
    var result: [String] = []
    if ["&+", "&-", "&*", "&<<", "&>>"].contains(where: line.contains) { result.append("wraps") }
    if line.contains("ReportingOverflow") { result.append("tests overflow by itself") }
    var line = line
    for known in parsing {
      while let range = line.firstRange(of: known) { line.removeSubrange(range) }
    }
    let conversion = /\bInt(?:8|16|32)?\((?!exactly:|clamping:|truncatingIfNeeded:|bitPattern:|littleEndian:|Int32\.)/
    if line.contains(conversion) { result.append("converts without saying how") }
    return result
  }

  private static func files(_ folder: String) throws -> [String] {
    try FileSystem.names(in: folder).flatMap { name -> [String] in
      let path = FileSystem.join(folder, name)
      return FileSystem.kind(of: path) == .folder ? try files(path) : name.hasSuffix(".swift") ? [path] : []
    }
  }

  @Test("readers calculate with Checked", arguments: readers)
  func rules(_ folder: String) throws {
    let files = try Self.files(FileSystem.join(Self.sources, folder))
    #expect(!files.isEmpty)
    for file in files where !Self.modular.contains(where: file.hasSuffix) {
      let text = String(decoding: Disk.bytes(file), as: UTF8.self)
      for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
        #expect(Self.broken(line).isEmpty, "\(file):\(number + 1): \(line)")
      }
    }
  }

  @Test("the rules notice what they are for")
  func examples() {
    for line in [
      "let end = offset &+ count", "let (x, overflow) = a.multipliedReportingOverflow(by: b)", "let n = Int(length)",
      "let n = Int32(id)",
    ] {
      #expect(!Self.broken(line[...]).isEmpty, "\(line)")
    }
    for line in ["let n = Int(exactly: length)", "// a &+ b", "let n = Checked.sum(a, b)", "return Int(text)"] {
      #expect(Self.broken(line[...]).isEmpty, "\(line)")
    }
  }
}
