// Tritsmith: a GGUF file under newer type numbers.

import TritCore
import TritFormats
import TritReport
import TritSurvey
import TritVerification
import VisibleText

/// What changing type numbers did.
package struct RetagResult: Sendable {
  package var input: String
  package var output: String
  /// Names of the tensors under the newer number.
  package var tensors: [String]
  /// How it was told what the older number means.
  package var evidence: String
  /// Bytes that were compared and are the same as the input's.
  package var sameBytes: UInt64
  /// Bytes of the header that changed.
  package var changedBytes: Int
  package var seconds: Double
}

/// Writes a GGUF file again under newer type numbers: old `Q2_0` of 128 weights becomes `PQ2_0`, by the header alone.
///
/// The output is read back: every byte but the type numbers must be the input's, and the file must open as what it says.
package struct RetagWorkflow: Sendable {
  let input: String
  let output: String
  let open: OpenOptions
  let replaces: Bool
  let work: WorkOptions

  package init(
    input: String, output: String, open: OpenOptions = OpenOptions(), replaces: Bool = false,
    work: WorkOptions = WorkOptions()
  ) {
    self.input = input
    self.output = output
    self.open = open
    self.replaces = replaces
    self.work = work
  }

  package func run() throws -> RetagResult {
    let start = Platform.monotonicSeconds
    try OutputPlace.check(output, input: input, replaces: replaces)
    let retagging = try GGUFRetagging(path: input, open)
    let file = retagging.file
    try OutputPlace.checkSpace(file.byteCount, for: output)
    let staging = try StagedOutput(.file, at: output, replacing: replaces)
    let target = try staging.createFile()
    work.progress.began(ProgressPhase(name: "copying", totalBytes: file.byteCount))
    try forEachBand(file.byteCount) { range in
      var bytes = try file.bytes(range)
      retagging.apply(to: &bytes, at: range.lowerBound)
      try target.write(bytes, at: range.lowerBound)
    }
    work.progress.ended()
    try file.checkUnchanged()
    // The disk writes while the audit reads.
    let syncing = BackgroundWork { try target.sync() }
    let audited = Result { try audit(staging.stagingPath, retagging) }
    try syncing.wait()
    try audited.get()
    try work.parallelism.cancellation.check()
    try staging.commit()
    let changed = retagging.patches.reduce(0) { $0 + $1.bytes.count }
    return RetagResult(
      input: input, output: output, tensors: retagging.tensors, evidence: retagging.evidence,
      sameBytes: file.byteCount - UInt64(changed), changedBytes: changed,
      seconds: Platform.monotonicSeconds - start)
  }

  /// Reads the staged file and compares every byte of it.
  private func audit(_ path: String, _ retagging: GGUFRetagging) throws {
    let (before, after) = (retagging.file, try InputFile(path: path, mode: open.access))
    guard before.byteCount == after.byteCount else {
      throw WorkflowError(.auditFailed("it has \(after.byteCount) bytes of \(before.byteCount)"), file: output)
    }
    work.progress.began(ProgressPhase(name: "auditing", totalBytes: before.byteCount))
    defer { work.progress.ended() }
    try forEachBand(before.byteCount) { range in
      var wanted = try before.bytes(range)
      // What follows the header holds no type number.
      if range.lowerBound < retagging.dataOffset { retagging.apply(to: &wanted, at: range.lowerBound) }
      let isSame = try after.withBytes(range) { $0.isByteEqual(to: wanted.span.bytes) }
      guard isSame else {
        throw WorkflowError(
          .auditFailed("bytes \(range.lowerBound) to \(range.upperBound - 1) are not the input's"), file: output)
      }
      after.release(range)
    }
    // The same tensors in the same places, under the newer name.
    let (old, new) = (try GGUFSource(path: input, options: open), try GGUFSource(path: path, options: open))
    let same = zip(old.manifest.tensors, new.manifest.tensors).allSatisfy {
      $0.name == $1.name && $0.shape == $1.shape && $0.encoding == $1.encoding && $0.location == $1.location
    }
    guard same, old.manifest.tensors.count == new.manifest.tensors.count,
      Set(new.manifest.typeFindings.map(\.id)).isDisjoint(with: [42])
    else { throw WorkflowError(.auditFailed("it does not open as the same tensors"), file: output) }
  }

  private func forEachBand(_ byteCount: UInt64, _ body: @Sendable (Range<UInt64>) throws -> Void) throws {
    let step = UInt64(bandBytes)
    let count = byteCount / step + (byteCount % step == 0 ? 0 : 1)
    try work.parallelism.forEachBand(Int(clamping: count)) { band in
      let start = UInt64(band) * step
      let range = start..<min(start + step, byteCount)
      try body(range)
      work.progress.advanced(by: range.count)
    }
  }
}

extension RetagResult {
  /// What was done in a line, with the file's name alone where the path does not fit.
  package func line(width: Int? = nil) -> String {
    let facts = [
      NumberText.bytes(sameBytes + UInt64(changedBytes)), plural(tensors.count, "tensor") + " now PQ2_0", "audited",
      NumberText.duration(seconds),
    ]
    let lines = [output, FileSystem.name(of: output)].map { "✓ " + ([printable($0)] + facts).joined(separator: "  ") }
    let fitting = lines.first { line in width.map { line.count <= $0 } ?? true }
    return (fitting ?? lines[1]) + "\n"
  }

  /// The report of `tritsmith convert --retag`, schema `tritsmith.retag` 1.
  package var report: ReportDocument {
    var report = ReportDocument(title: "Newer type numbers", schema: ReportSchema("tritsmith.retag", version: 1))
    report.append(
      ReportFacts(
        key: "retag",
        [
          ReportFact("Input", .text(input)),
          ReportFact("Output", .text(output)),
          ReportFact("Type before", .text("Q2_0 in blocks of 128 (42)"), note: evidence),
          ReportFact("Type now", .text("PQ2_0 (142)")),
          ReportFact("Tensors", .integer(tensors.count)),
          ReportFact("Bytes changed", .integer(changedBytes), note: "type numbers in the header"),
          ReportFact("Bytes the same", .bytes(sameBytes), note: "compared one by one after writing"),
          ReportFact("Seconds", .number(seconds), kind: .decimal(digits: 2)),
        ]))
    report.note(
      .pass,
      plural(tensors.count, "tensor is", "tensors are")
        + " called PQ2_0 now; every byte of their data is the input's, as "
        + "all else but \(changedBytes) bytes of type numbers")
    return report
  }
}
