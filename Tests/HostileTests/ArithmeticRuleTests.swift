// Tritsmith: arithmetic on what a file says is done in one place.

import Testing
import TritTestSupport
import VisibleText

/// The readers' sources may not contain what goes around `Checked`: wrapping operators, overflow tests of their own, and
/// conversions to narrower integers that say nothing of what happens to a value that does not fit.
@Suite("Arithmetic on sizes from files")
struct ArithmeticRuleTests {
  /// Folders whose code meets numbers that nobody has proved yet.
  private static let readers = [
    "TritFormats", "TritTokenizer/Loading", "TritCore/JSON", "TritCore/FileAccess", "TritModel/GGUF",
    "TritModel/Description", "TritDiff", "TritCertificates", "TritMerge", "TritVerification/Rules",
    "TritInspection/Check", "TritInspection/Compare", "TritInspection/Family", "TritHub",
  ]
  /// Folders of code that is handed sizes by those: products and sums of what was proved to be in the file do not
  /// overflow, but a size from a header, a configuration or a caller may be anything above 0, or 0.
  private static let users = [
    "TritSurvey", "TritVerification", "TritConversion", "TritEvaluation", "TritInspection", "TritMerge",
    "TritCertificates", "TritDiff", "TritModel", "TritInference", "TritQuantizers",
    "TritLayers",
  ]
  /// What sums may be rounded up to and strides may have without a word: constants, and bands of at least one row or
  /// byte made from constants. Everything else goes through `Checked.parts`, or says why here.
  private static let provedSteps = [
    "sumBlock", "step", "bandBytes", "bandElements", "blockBytes", "blockElements", "unit", "rowBytes", "pieceBytes",
    "rowsPerBand", "perByte", "size", "tensorLimit", "spread", "wave", "width", "BytePlanes.piece", "chunk",
    "logitsBlock", "block", "scalarCount", "longestRow", "Int(window)", "Int(clamping: window)",
    // `PerplexityWindow.windows` refuses a window below 2, `CalibrationStatistics` as well, and `--context` too.
    "window - 1", "context", "window",
    // Groups of a quantizer are 64 or 128 by its name.
    "group",
  ]
  /// Codings that are arithmetic modulo 2ⁿ by their definition; what they calculate with are numbers, no sizes or places.
  private static let modular = ["Diff/DiffAnalysis.swift", "Diff/PatchedTensor.swift"]
  private static let sources = Fixtures.path("../Sources")
  /// Text to a number: nil for what does not fit.
  private static let parsing = ["Int(text)", "Int(String(", "Int(entry.key)", "Int(rest[", "Int(parts["]

  private static let wrapping = ["&+", "&-", "&*", "&<<", "&>>"]
  private static let conversions = ["Int(", "Int8(", "Int16(", "Int32("]
  // A `Regex` is not Sendable, but nothing changes these; written inside a function they are parsed for every line.
  nonisolated(unsafe) private static let conversion =
    /\bInt(?:8|16|32)?\((?!exactly:|clamping:|truncatingIfNeeded:|bitPattern:|littleEndian:|Int32\.)/
  nonisolated(unsafe) private static let rounding = /\+ ([A-Za-z.]+) - 1\) \/ ([A-Za-z.]+)/
  nonisolated(unsafe) private static let striding = /stride\(.*by: ([^)]*\)?)\)/

  /// Names of the rules a line breaks.
  static func broken(_ line: Substring) -> [String] {
    // Bytes are compared far faster than characters, and few lines go on.
    guard
      wrapping.contains(where: line.contains(text:)) || conversions.contains(where: line.contains(text:))
        || line.contains(text: "Overflow"),
      !line.drop(while: { $0 == " " }).hasPrefix("//")
    else { return [] }
    var result: [String] = []
    if wrapping.contains(where: line.contains(text:)) { result.append("wraps") }
    if line.contains(text: "ReportingOverflow") { result.append("tests overflow by itself") }
    var line = line
    for known in parsing {
      while let range = line.firstRange(of: known) { line.removeSubrange(range) }
    }
    if line.contains(conversion) { result.append("converts without saying how") }
    return result
  }

  /// Names of the rules a line of other code breaks.
  static func unproved(_ line: Substring) -> [String] {
    guard line.contains(text: "- 1) /") || line.contains(text: "stride("),
      !line.drop(while: { $0 == " " }).hasPrefix("//")
    else {
      return []
    }
    var result: [String] = []
    // (a + size − 1) / size overflows for a size near 2⁶³, whatever a is; and a group of columns may be that.
    for match in line.matches(of: rounding) where match.1 == match.2 {
      let name = match.1.split(separator: ".").last.map(String.init) ?? ""
      if name == "size" && line.contains("columns +") || !provedSteps.contains(name) { result.append("rounds up") }
    }
    for match in line.matches(of: striding) {
      let step = String(match.1)
      let name = step.contains("(") ? step : step.split(separator: ".").last.map(String.init) ?? ""
      if Int(step) == nil && Int(step.replacing("-", with: "")) == nil && !provedSteps.contains(name)
        && !provedSteps.contains(step)
      {
        result.append("strides by what may be 0")
      }
    }
    return result
  }

  @Test(
    "sizes that may be anything are rounded up by Checked.parts, and strides are by sizes above 0", arguments: users)
  func uses(_ folder: String) {
    let files = Disk.swiftFiles(Self.sources + "/" + folder)
    #expect(!files.isEmpty)
    for file in files {
      for (number, line) in Self.lines(file).enumerated() {
        let rules = Self.unproved(line)
        if !rules.isEmpty { Issue.record("\(file):\(number + 1): \(rules): \(line)") }
      }
    }
  }

  private static func lines(_ file: String) -> [Substring] {
    let text = String(decoding: Disk.bytes(file), as: UTF8.self)
    return text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { Substring($0) }
  }

  @Test("readers calculate with Checked", arguments: readers)
  func rules(_ folder: String) {
    let files = Disk.swiftFiles(Self.sources + "/" + folder)
    #expect(!files.isEmpty)
    for file in files where !Self.modular.contains(where: file.hasSuffix) {
      for (number, line) in Self.lines(file).enumerated() {
        let rules = Self.broken(line)
        if !rules.isEmpty { Issue.record("\(file):\(number + 1): \(rules): \(line)") }
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
    for line in [
      "let groups = (columns + size - 1) / size", "(a + groupColumns - 1) / groupColumns",
      "for start in stride(from: 0, to: count, by: groupColumns) {", "stride(from: 0, to: n, by: context - 1).map {",
    ] {
      #expect(!Self.unproved(line[...]).isEmpty, "\(line)")
    }
    for line in [
      "Checked.parts(columns, of: size)", "(count + bandBytes - 1) / bandBytes", "stride(from: 0, to: n, by: step)",
      "stride(from: 56, through: 0, by: -8)", "stride(from: 0, to: ids.count, by: Session.chunk) {",
    ] {
      #expect(Self.unproved(line[...]).isEmpty, "\(line)")
    }
    for line in ["let n = Int(exactly: length)", "// a &+ b", "let n = Checked.sum(a, b)", "return Int(text)"] {
      #expect(Self.broken(line[...]).isEmpty, "\(line)")
    }
  }
}
