// Tritsmith: a tensor of a conversion written: copied, packed, or as dense numbers.

import TritCore
import TritLayouts
import TritSurvey
import TritVerification

extension ConvertWorkflow {
  /// - Returns: what the audit will find, of a model that is read over a network.
  func copy(
    _ planned: PlannedTensor, _ source: any TensorSource, _ copying: RemoteTensors.Copying, _ zeros: ZeroWatch,
    _ large: LargeNumbers, to writer: OutputWriter
  ) throws -> CopyWitness? {
    let (input, stored) = planned.copied(from: source)
    var bandBytes = bandBytes
    // Requests to a network are few and large.
    if case .asked = copying { bandBytes *= 8 }
    let witness = source.isRemote ? CopyFingerprints(stored, bandBytes: bandBytes) : nil
    let bands = PlannedTensor.bands(of: stored, bandBytes)
    // Bytes already in memory: looking at them costs a small part of reading them.
    let check = FiniteCheck(stored, of: input, request.nonFinite, role: planned.role, large: large)
    try work.parallelism.forEachBand(bands.count) { band in
      let range = bands[band]
      func pass() throws {
        try input.withBytes(range, of: stored) { bytes in
          try check?.look(at: bytes, from: range.lowerBound)
          witness?.add(bytes, band: band)
          zeros.look(at: bytes, as: stored.encoding)
          try writer.write(bytes, to: planned.name, at: range.lowerBound)
        }
      }
      if case .ahead(let ahead, let first) = copying {
        try ahead.during(first + band, pass)
      } else {
        try pass()
      }
      input.release(range, of: stored)
      work.progress.advanced(by: range.count)
    }
    return witness?.witness
  }

  /// Buffers of one worker.
  private struct Buffers {
    var trits: [Int8] = []
    var bytes: [UInt8] = []
    var values: [UInt16] = []
  }

  func pack(
    _ weight: TernaryWeight, _ planned: PlannedTensor, _ id: LayoutID, _ scale: TernaryScale, _ zeros: ZeroWatch,
    to writer: OutputWriter
  ) throws {
    guard let layout = LayoutRegistry.layout(id) else { preconditionFailure("layout \(id) was planned") }
    let shape = weight.tensor.shape
    let columns = shape.columns
    try refuseReordered(planned)
    let embedded = try embedded(scale, planned, layout, weight)?.grid(columns: columns)
    // A quarter of a band's trits stays in a core's cache between reading and packing.
    let bands = layout.bands(shape, rowsPerBand: max(1, bandBytes / 8 / max(1, columns)))
    try work.parallelism.forEachBand(bands.count, workspace: Buffers()) { index, buffers in
      let band = bands[index]
      resize(&buffers.trits, to: band.count(shape), filler: 0)
      resize(&buffers.bytes, to: band.bytes.count, filler: 0)
      var position = 0
      for part in band.parts(of: shape) {
        try weight.read(part, order: planned.rowOrder, into: &buffers.trits, at: position)
        weight.release(part)
        position += part.count
      }
      planned.columnOrder?.reorder(&buffers.trits, columns: columns)
      zeros.look(at: buffers.trits)
      pack(buffers.trits, band, shape, layout, embedded, into: &buffers.bytes)
      try writer.write(buffers.bytes.span.bytes, to: planned.name, at: band.bytes.lowerBound)
      work.progress.advanced(by: band.parts(of: shape).reduce(0) { $0 + progressBytes(weight, $1) })
    }
    if embedded == nil { try writer.writeScale(scale, of: planned.name) }
  }

  private func pack(
    _ trits: [Int8], _ band: LayoutBand, _ shape: TensorShape, _ layout: any TernaryLayout, _ scale: MultiplierGrid?,
    into bytes: inout [UInt8]
  ) {
    var output = bytes.mutableSpan
    layout.pack(trits.span, band, shape, with: work.kernels, into: &output)
    if let scale { layout.embed(scale, band, shape, into: &output) }
  }

  /// Columns in another order are put there row by row.
  private func refuseReordered(_ planned: PlannedTensor) throws {
    guard planned.columnOrder != nil, planned.source.shape.hasLongRows else { return }
    throw WorkflowError(.rowTooLong(columns: planned.source.shape.columns), tensor: planned.source.name)
  }

  /// The scale as a layout puts it among its codes, rows in the output's order; nil when it stands beside them.
  private func embedded(
    _ scale: TernaryScale, _ planned: PlannedTensor, _ layout: any TernaryLayout, _ weight: TernaryWeight
  ) throws -> TernaryScale? {
    guard let storage = layout.embeddedScale?.storage else { return nil }
    try refuseRounding(of: scale, to: storage, weight)
    let held = try weight.scale(
      try fitting(scale, storage, weight, .blocks), asHeldBy: layout, request.scaleLoss, planned.columnOrder)
    guard let order = planned.rowOrder else { return held }
    let shape = planned.source.shape
    return held.reordered(rows: shape.rows, columns: shape.columns) { order.row(ofStored: $0) }
  }

  /// trit × scale as dense numbers.
  func densify(
    _ weight: TernaryWeight, _ planned: PlannedTensor, _ scale: TernaryScale, to writer: OutputWriter
  ) throws {
    let scale = try planned.encoding.dtype.map { try fitting(scale, $0, weight, .dense(request.target)) } ?? scale
    let shape = weight.tensor.shape
    let columns = shape.columns
    let grid = scale.grid(columns: columns)
    let fitted = weight.fittedGrids(scale)
    try refuseReordered(planned)
    let bands = shape.bands(elements: bandBytes / 2)
    try work.parallelism.forEachBand(bands.count, workspace: Buffers()) { index, buffers in
      let band = bands[index]
      let start = planned.encoding.byteOffset(ofElement: band.elements.lowerBound)
      if planned.encoding == .dense(.bf16), planned.isInOrder {
        resize(&buffers.values, to: band.count, filler: 0)
        if let fitted = fitted.flatMap({ weight.fittedValues(band, $0) }) {
          buffers.values = fitted
        } else if try !weight.snap(band, to: scale, into: &buffers.values) {
          resize(&buffers.trits, to: band.count, filler: 0)
          try weight.read(band, into: &buffers.trits, at: 0)
          DenseTernary.fill(&buffers.values, from: buffers.trits, grid, band)
        }
        try writer.write(buffers.values.span.bytes, to: planned.name, at: start)
      } else {
        resize(&buffers.trits, to: band.count, filler: 0)
        try weight.read(band, order: planned.rowOrder, into: &buffers.trits, at: 0)
        var values = DenseTernary.values(buffers.trits, grid, band, order: planned.rowOrder)
        planned.columnOrder?.reorder(&values, columns: columns)
        let (bytes, _) = DenseRecoder.encode(values, to: planned.encoding)
        try writer.write(bytes.span.bytes, to: planned.name, at: start)
      }
      weight.release(band)
      work.progress.advanced(by: progressBytes(weight, band))
    }
  }

  private func progressBytes(_ weight: TernaryWeight, _ band: MatrixBand) -> Int {
    weight.tensor.shape.byteShare(band, of: weight.tensor.location.byteCount)
  }

  private func resize<Element>(_ buffer: inout [Element], to count: Int, filler: Element) {
    if buffer.count != count { buffer = [Element](repeating: filler, count: count) }
  }
}
