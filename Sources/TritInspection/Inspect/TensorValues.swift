// Tritsmith: the values of one tensor, for other programs.

import TritConversion
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritQuantizers
import TritReport
import TritSurvey

/// Gives the values of one tensor, row after row, every number little-endian.
///
/// Ternary tensors are trit × multiplier, and numbers in blocks what the blocks decode to, both as F32: what they stand
/// for has no other name outside of this program. Dense tensors are the stored bytes, so that nothing is rounded; the
/// result says their type. Names, order of rows and rotation are those of the file, as `inspect` lists them.
package struct TensorValuesWorkflow: Sendable {
  let path: String
  let pattern: Glob
  let open: OpenOptions
  let work: WorkOptions

  /// - Parameters:
  ///   - path: a model.
  ///   - pattern: a tensor's name, or a pattern that matches one name and no other.
  ///   - open: how the model is read, and what its files leave open.
  ///   - work: how the machine is used.
  package init(
    path: String, tensor pattern: Glob, open: OpenOptions = OpenOptions(), work: WorkOptions = WorkOptions()
  ) {
    self.path = path
    self.pattern = pattern
    self.open = open
    self.work = work
  }

  /// Writes a file that appears complete or not at all.
  ///
  /// - Throws: `WorkflowError` when not one tensor matches, or it holds no numbers; `TensorIOError` when the file
  ///   cannot be written, or is one that was read.
  package func write(to output: String, replacing: Bool) throws -> TensorValues {
    // A place that cannot be written is known before the work.
    try ReadFiles.check(output, before: [path])
    let staging = try StagedOutput(.file, at: output, replacing: replacing)
    let file = try staging.createFile()
    let reader = try ValueReader(self)
    try OutputPlace.checkSpace(UInt64(reader.result.byteCount), for: output)
    var position: UInt64 = 0
    try reader.forEachBand { bytes in
      try file.write(bytes, at: position)
      position += UInt64(bytes.byteCount)
    }
    try file.sync()
    try work.parallelism.cancellation.check()
    try staging.commit()
    var result = reader.result
    result.output = output
    return result
  }

  /// Hands out the bytes in order, a few million at a time.
  ///
  /// A failure may come after the first of them: who takes a stream is done only when this returns.
  package func stream(_ receive: (RawSpan) throws -> Void) throws -> TensorValues {
    let reader = try ValueReader(self)
    try reader.forEachBand(receive)
    return reader.result
  }

  fileprivate func tensor(of manifest: ModelManifest) throws(WorkflowError) -> TensorDescriptor {
    // A name may hold a star of its own.
    if let named = manifest.tensor(named: pattern.pattern) { return named }
    var (count, first) = (0, [TensorDescriptor]())
    for tensor in manifest.tensors where pattern.matches(tensor.name) {
      count += 1
      if first.count < 3 { first.append(tensor) }
    }
    guard let only = first.first else { throw WorkflowError(.globWithoutMatch(pattern.pattern), file: path) }
    guard count == 1 else {
      throw WorkflowError(.globOfSeveral(pattern.pattern, count: count, first: first.map(\.name)), file: path)
    }
    return only
  }
}

/// What was given of a tensor.
package struct TensorValues: Sendable, Hashable {
  package var path: String
  package var tensor: TensorDescriptor
  /// What the file stores it in.
  package var encoding: TensorEncoding
  /// Of the numbers as they were given.
  package var dtype: DType
  /// What the stored scales of a ternary tensor mean; nil for other tensors.
  package var convention: ScaleConvention?
  package var byteCount: Int
  /// The file; nil for a stream.
  package var output: String?
}

/// Reads a tensor band by band.
private struct ValueReader {
  let source: any TensorSource
  let work: WorkOptions
  let result: TensorValues
  private let ternary: (weight: TernaryWeight, grid: MultiplierGrid)?
  private let codec: (any BlockCodec.Type)?

  init(_ workflow: TensorValuesWorkflow) throws {
    work = workflow.work
    let stored = try FormatRegistry.open(workflow.path, workflow.open)
    source = MLXBinaryView(stored) ?? stored
    let tensor = try workflow.tensor(of: source.manifest)
    let file = source.manifest.files[tensor.location.file].path
    codec = tensor.encoding.blockCodec
    var (dtype, convention) = (DType.f32, ScaleConvention?.none)
    var byteCount = Checked.product(4, tensor.shape.elementCount)
    switch tensor.encoding {
    case .dense(let stored):
      dtype = stored
      byteCount = tensor.location.byteCount
      ternary = nil
    case .ternary:
      // The quantizer is for latents: packed trits are read as they are.
      let weight = try TernaryWeight(source, tensor, quantizer: AbsMean.bf16, work: work)
      let scale = try weight.scale(.multiply)
      convention = scale.convention
      ternary = (weight, scale.grid(columns: tensor.shape.columns))
    case .opaque(let name):
      guard codec != nil else {
        throw WorkflowError(
          .unsupportedEncoding(found: name, wanted: "a type that can be decoded"), file: file, tensor: tensor.name)
      }
      ternary = nil
    }
    guard let counted = byteCount else {
      throw WorkflowError(
        .unsupportedEncoding(
          found: "\(tensor.shape.elementCount) numbers", wanted: "a tensor whose bytes can be counted"),
        file: file, tensor: tensor.name)
    }
    result = TensorValues(
      path: workflow.path, tensor: tensor, encoding: source.fileEncoding(of: tensor), dtype: dtype,
      convention: convention, byteCount: counted)
  }

  /// Gives `body` all values in order.
  func forEachBand(_ body: (RawSpan) throws -> Void) throws {
    let tensor = result.tensor
    try source.checkIntegrity(of: tensor, work.parallelism, work.progress)
    work.progress.began(ProgressPhase(name: "reading weights", totalBytes: UInt64(result.byteCount)))
    defer { work.progress.ended() }
    if let ternary {
      for band in tensor.shape.bands(elements: bandBytes / 4) {
        try work.parallelism.cancellation.check()
        let trits = try ternary.weight.trits(band)
        ternary.weight.release(band)
        try give(ternary.grid.values(trits, band), body)
      }
    } else if let codec {
      let step = max(1, bandBytes / 4 / codec.blockElements) * codec.blockBytes
      try forEachBytes(step: step) { range in
        try give(try source.withBytes(range, of: tensor) { codec.decode($0) }, body)
      }
    } else {
      try forEachBytes(step: bandBytes) { range in
        try source.withBytes(range, of: tensor, body)
        work.progress.advanced(by: range.count)
      }
    }
    try source.checkUnchanged()
  }

  private func give(_ values: [Float], _ body: (RawSpan) throws -> Void) throws {
    try body(values.span.bytes)
    work.progress.advanced(by: 4 * values.count)
  }

  private func forEachBytes(step: Int, _ body: (Range<Int>) throws -> Void) throws {
    let tensor = result.tensor
    for start in stride(from: 0, to: tensor.location.byteCount, by: step) {
      try work.parallelism.cancellation.check()
      let range = start..<min(tensor.location.byteCount, start + step)
      try body(range)
      source.release(range, of: tensor)
    }
  }
}

extension TensorValues {
  /// The report of `tritsmith inspect --raw`, schema `tritsmith.tensor` 1.
  package var report: ReportDocument {
    var report = ReportDocument(title: "Values of \(tensor.name)", schema: ReportSchema("tritsmith.tensor", version: 1))
    let place = output.map { " in '\(printable($0))'" } ?? ""
    report.verdict = ReportVerdict(.info, "The values of '\(printable(tensor.name))'\(place)")
    report.append(
      ReportFacts(
        key: "tensor",
        [
          ReportFact("Model", .text(path)),
          ReportFact("Name", .text(tensor.name)),
          ReportFact("Shape", .integers(tensor.shape.dimensions)),
          ReportFact("Encoding", .text(encoding.name), note: "as it is stored"),
          ReportFact("Type", .text(dtype.rawValue), key: "dtype", note: "of the values, little-endian, row by row"),
          ReportFact("Scale convention", .optional(convention?.rawValue)),
          ReportFact("Bytes", .bytes(UInt64(byteCount))),
          ReportFact("Output", .optional(output)),
        ]))
    return report
  }
}
