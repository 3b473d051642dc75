// Tritsmith: carrying out a conversion.

import Synchronization
import TritCore
import TritFormats
import TritLayouts
import TritQuantizers

/// What a conversion did.
public struct ConversionResult: Sendable {
  public var plan: ConversionPlan
  /// Dense tensors that were ternary already and were taken as they are.
  public var recognised: [String]
  public var audit: VerifyResult
  /// Bytes of everything written.
  public var writtenBytes: UInt64
  public var seconds: Double
}

/// Converts a model: plan, stream, audit, put in place.
///
/// Tensors are streamed one at a time, bands of rows in parallel; what is resident does not grow with the model. The
/// output is built under a temporary name, reopened, compared with the source by an independent decoder, and renamed
/// only when everything is equal.
public struct ConvertWorkflow: Sendable {
  public let request: ConversionRequest
  let work: WorkOptions

  public init(_ request: ConversionRequest, work: WorkOptions = WorkOptions()) {
    self.request = request
    self.work = work
  }

  /// The plan alone: nothing is written.
  public func plan() throws -> ConversionPlan {
    let source = try FormatRegistry.open(request.input, request.open)
    return try Planner(source, request).plan()
  }

  /// Converts.
  ///
  /// - Parameter announce: called with the plan before anything is written.
  public func run(announce: (ConversionPlan) -> Void = { _ in }) throws -> ConversionResult {
    let start = Platform.monotonicSeconds
    try OutputPlace.check(request)
    let source = try FormatRegistry.open(request.input, request.open)
    let plan = try Planner(source, request).plan()
    announce(plan)
    try OutputPlace.checkSpace(for: plan)
    try source.checkIntegrity(work.parallelism, work.progress)
    let writer = try OutputWriter(plan, source: source, work: work)
    let recognised = try stream(plan, source, to: writer)
    try writer.finish()
    try source.checkUnchanged()
    let audit = try audit(plan, source, writer)
    guard audit.passed else {
      throw WorkflowError(.auditFailed(audit.firstProblem ?? "it differs from its source"), file: request.output)
    }
    try work.parallelism.cancellation.check()
    try writer.staging.commit()
    return ConversionResult(
      plan: plan, recognised: recognised, audit: audit, writtenBytes: writer.writtenBytes,
      seconds: Platform.monotonicSeconds - start)
  }

  // MARK: - Streaming

  private func stream(
    _ plan: ConversionPlan, _ source: any TensorSource, to writer: OutputWriter
  ) throws -> [String] {
    var recognised: [String] = []
    // A ternary tensor is read twice: once for its mean, once for its trits.
    let total = plan.tensors.reduce(UInt64(0)) {
      $0 + UInt64($1.source.location.byteCount) * ($1.step == .quantize || $1.step == .snap ? 2 : 1)
    }
    work.progress.began(ProgressPhase(name: "converting", totalBytes: total))
    defer { work.progress.ended() }
    for (index, tensor) in plan.tensors.enumerated() {
      work.progress.reached(tensor.source.name, number: index + 1, of: plan.tensors.count)
      guard tensor.becomesTernary else {
        try copy(tensor.source, source, to: writer)
        continue
      }
      let weight = try TernaryWeight(source, tensor.source, quantizer: plan.quantizer, work: work)
      if case .recognised = weight.origin { recognised.append(tensor.source.name) }
      let scale = try weight.scale(plan.convention)
      switch tensor.encoding {
      case .ternary(let id): try pack(weight, id, scale, to: writer)
      default: try densify(weight, scale, to: writer)
      }
    }
    return recognised
  }

  private func copy(_ tensor: TensorDescriptor, _ source: any TensorSource, to writer: OutputWriter) throws {
    let count = tensor.location.byteCount
    try work.parallelism.forEachBand((count + bandBytes - 1) / bandBytes) { band in
      let range = band * bandBytes..<min(count, (band + 1) * bandBytes)
      try source.withBytes(range, of: tensor) { try writer.write($0, to: tensor.name, at: range.lowerBound) }
      source.release(range, of: tensor)
      work.progress.advanced(by: range.count)
    }
  }

  /// Buffers of one worker.
  private struct Buffers {
    var trits: [Int8] = []
    var bytes: [UInt8] = []
    var values: [UInt16] = []
  }

  private func pack(
    _ weight: TernaryWeight, _ id: LayoutID, _ scale: TernaryScale, to writer: OutputWriter
  ) throws {
    guard let layout = LayoutRegistry.layout(id) else { preconditionFailure("layout \(id) was planned") }
    let shape = weight.tensor.shape
    let columns = shape.columns
    let bands = layout.bands(shape, rowsPerBand: max(1, bandBytes / 2 / max(1, columns)))
    try work.parallelism.forEachBand(bands.count, workspace: Buffers()) { index, buffers in
      let band = bands[index]
      resize(&buffers.trits, to: band.rowCount * columns, filler: 0)
      resize(&buffers.bytes, to: band.bytes.count, filler: 0)
      var position = 0
      for rows in band.rows {
        try weight.read(rows, into: &buffers.trits, at: position)
        weight.release(rows)
        position += rows.count * columns
      }
      pack(buffers.trits, band, shape, layout, into: &buffers.bytes)
      try writer.write(buffers.bytes.span.bytes, to: weight.tensor.name, at: band.bytes.lowerBound)
      work.progress.advanced(by: progressBytes(weight, rows: band.rowCount))
    }
    let scaleBytes = scale.storedBytes
    try writer.writeScale(scaleBytes, of: weight.tensor.name)
  }

  private func pack(
    _ trits: [Int8], _ band: LayoutBand, _ shape: TensorShape, _ layout: any TernaryLayout, into bytes: inout [UInt8]
  ) {
    var output = bytes.mutableSpan
    layout.pack(trits.span, band, shape, with: work.kernels, into: &output)
  }

  /// trit × scale as dense bfloat16.
  private func densify(_ weight: TernaryWeight, _ scale: TernaryScale, to writer: OutputWriter) throws {
    let shape = weight.tensor.shape
    let columns = shape.columns
    let rowsPerBand = max(1, bandBytes / 2 / max(1, columns))
    let bandCount = (shape.rows + rowsPerBand - 1) / rowsPerBand
    try work.parallelism.forEachBand(bandCount, workspace: Buffers()) { band, buffers in
      let rows = band * rowsPerBand..<min(shape.rows, (band + 1) * rowsPerBand)
      resize(&buffers.values, to: rows.count * columns, filler: 0)
      if try !weight.snap(rows, to: scale, into: &buffers.values) {
        resize(&buffers.trits, to: rows.count * columns, filler: 0)
        try weight.read(rows, into: &buffers.trits, at: 0)
        DenseTernary.fill(&buffers.values, from: buffers.trits, scale, firstRow: rows.lowerBound, columns: columns)
      }
      weight.release(rows)
      try writer.write(buffers.values.span.bytes, to: weight.tensor.name, at: rows.lowerBound * columns * 2)
      work.progress.advanced(by: progressBytes(weight, rows: rows.count))
    }
  }

  private func progressBytes(_ weight: TernaryWeight, rows: Int) -> Int {
    weight.tensor.location.byteCount / max(1, weight.tensor.shape.rows) * rows
  }

  private func resize<Element>(_ buffer: inout [Element], to count: Int, filler: Element) {
    if buffer.count != count { buffer = [Element](repeating: filler, count: count) }
  }

  // MARK: - Audit

  private func audit(
    _ plan: ConversionPlan, _ source: any TensorSource, _ writer: OutputWriter
  ) throws -> VerifyResult {
    let output = try FormatRegistry.open(
      writer.auditPath, OpenOptions(access: request.open.access, scaleConvention: writer.auditConvention))
    try output.checkIntegrity(work.parallelism, SilentProgress())
    for tensor in plan.tensors {
      guard let written = output.manifest.tensor(named: tensor.source.name) else { continue }
      // A tensor of the wrong type is caught here even when its values are right.
      guard written.encoding == tensor.encoding, written.storedBytes == tensor.byteCount else {
        throw WorkflowError(
          .auditFailed("'\(tensor.source.name)' was written as \(written.encoding.name)"), file: request.output)
      }
    }
    return try VerifyWorkflow(
      source: source, converted: output,
      request: VerifyRequest(quantizer: plan.quantizer.id.rawValue, depth: .audit), work: work
    ).run()
  }
}
