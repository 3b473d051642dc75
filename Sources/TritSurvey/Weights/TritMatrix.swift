// Tritsmith: a ternary matrix in memory.

import TritCore
import TritKernels
import TritLayouts
import TritQuantizers
import TritReport

/// Trits and scales of a matrix in memory; a weight is trit × `scale.multiplier`.
///
///     let matrix = try TritMatrix(quantizing: weights, rows: 256, columns: 256)
///     let bytes = try matrix.packed(as: LayoutID(rawValue: "hf-packed"))
public struct TritMatrix: Sendable, Hashable {
  /// Outputs.
  public let rows: Int
  /// Inputs.
  public let columns: Int
  /// −1, 0 or 1, row-major.
  public let trits: [Int8]
  /// What trits are multiplied with: one number, one a row, or one a group.
  public let scale: TernaryScale

  /// - Precondition: there are rows × columns trits, and as many scales as the granularity says.
  public init(trits: [Int8], rows: Int, columns: Int, scale: TernaryScale) {
    precondition(trits.count == rows * columns, "a matrix of \(rows) × \(columns) has as many trits")
    precondition(scale.stored.count == scale.granularity.count(rows: rows, columns: columns), "scales do not fit")
    self.rows = rows
    self.columns = columns
    self.trits = trits
    self.scale = scale
  }

  /// Quantizes weights as `convert` does: weights that hold only −a, 0, +a already are taken as they are.
  ///
  /// - Parameters:
  ///   - weights: row-major.
  ///   - rows: outputs of the matrix.
  ///   - columns: inputs of the matrix.
  ///   - quantizer: nil means `absmean-bf16`, the arithmetic of onebitllms' `quantize_to_1bit`.
  ///   - convention: what the stored scale shall mean.
  /// - Throws: a `DiagnosticError`: `misuse` for an unknown quantizer, `malformedInput` for an infinity or NaN, or a
  ///   shape that does not fit.
  public init(
    quantizing weights: [Float], rows: Int, columns: Int, by quantizer: QuantizerID? = nil,
    convention: ScaleConvention = .divide
  ) throws {
    guard let shape = TensorShape(rows: rows, columns: columns), shape.elementCount == weights.count else {
      throw WorkflowError(
        .unsupportedEncoding(found: "\(weights.count) weights", wanted: "a matrix of \(rows) × \(columns)"))
    }
    let source = MemorySource(weights, shape)
    let weight = try TernaryWeight(
      source, source.manifest.tensors[0], quantizer: QuantizerRegistry.known(quantizer ?? AbsMean.bf16.id),
      work: WorkOptions())
    try self.init(weight, convention)
  }

  /// The trits of packed bytes.
  ///
  /// - Throws: a `DiagnosticError`, `malformedInput`, for an unknown layout, a shape it does not take, bytes that do not
  ///   fit, or codes no packer writes.
  public init(
    unpacking bytes: [UInt8], as id: LayoutID, rows: Int, columns: Int, scale: TernaryScale
  ) throws {
    let (layout, shape) = try TritMatrix.layout(id, rows, columns)
    guard bytes.count == layout.byteCount(shape) else {
      throw WorkflowError(
        .doesNotFit(layout: id.rawValue, detail: "expected \(layout.byteCount(shape)) bytes, found \(bytes.count)"))
    }
    var trits = [Int8](repeating: 0, count: shape.elementCount)
    var invalid = 0
    for run in layout.runs(0..<rows, shape) {
      let part = Array(bytes[run.bytes])
      var output = trits.mutableSpan
      invalid += layout.unpack(
        part.span.bytes, run, shape, with: KernelChoice.best, into: &output, at: run.rows.lowerBound * columns)
    }
    guard invalid == 0 else { throw WorkflowError(.invalidCodes(count: invalid)) }
    self.init(trits: trits, rows: rows, columns: columns, scale: scale)
  }

  /// The bytes of a layout, such as `hf-packed`, `base3` or `TQ2_0`; layouts that hold scales get them.
  ///
  /// - Throws: a `DiagnosticError`, `malformedInput`, for an unknown layout, or a shape it does not take.
  public func packed(as id: LayoutID) throws -> [UInt8] {
    let (layout, shape) = try TritMatrix.layout(id, rows, columns)
    try layout.checkForWriting(shape)
    var bytes = [UInt8](repeating: 0, count: layout.byteCount(shape))
    for band in layout.bands(shape, rowsPerBand: rows) {
      let part = band.parts(of: shape).flatMap { trits[$0.elements] }
      var output = [UInt8](repeating: 0, count: band.bytes.count)
      var span = output.mutableSpan
      layout.pack(part.span, band, shape, with: KernelChoice.best, into: &span)
      if layout.embeddedScale != nil { layout.embed(scale, band, shape, into: &span) }
      bytes.replaceSubrange(band.bytes, with: output)
    }
    return bytes
  }

  /// How many trits are −1, 0 and 1.
  public var counts: (negative: Int, zero: Int, positive: Int) {
    let negative = trits.count { $0 < 0 }
    let positive = trits.count { $0 > 0 }
    return (negative, trits.count - negative - positive, positive)
  }

  /// The share of trits that are 0; 0 for a matrix without any.
  public var zeroShare: Double { trits.isEmpty ? 0 : Double(counts.zero) / Double(trits.count) }

  /// trit × multiplier, row-major.
  public var values: [Float] {
    scale.grid(columns: columns).values(trits, firstRow: 0)
  }

  init(_ weight: TernaryWeight, _ convention: ScaleConvention) throws {
    let shape = weight.tensor.shape
    // Whoever wants a matrix in memory gets it, however long its rows are.
    var trits = [Int8](repeating: 0, count: shape.elementCount)
    for band in shape.bands(elements: bandBytes) { try weight.read(band, into: &trits, at: band.elements.lowerBound) }
    self.init(trits: trits, rows: shape.rows, columns: shape.columns, scale: try weight.scale(convention))
  }

  private static func layout(
    _ id: LayoutID, _ rows: Int, _ columns: Int
  ) throws -> (any TernaryLayout, TensorShape) {
    guard let layout = LayoutRegistry.layout(id) else {
      throw WorkflowError(.unsupportedEncoding(found: id.rawValue, wanted: "a known layout"))
    }
    guard let shape = TensorShape(rows: rows, columns: columns) else {
      throw WorkflowError(.doesNotFit(layout: id.rawValue, detail: "\(rows) × \(columns) is no shape"))
    }
    try layout.check(shape)
    return (layout, shape)
  }
}

/// One F32 matrix as a model, so that weights in memory go the way of weights on disk.
private struct MemorySource: TensorSource {
  let manifest: ModelManifest
  private let values: [Float]

  init(_ values: [Float], _ shape: TensorShape) {
    self.values = values
    let size = 4 * values.count
    manifest = ModelManifest(
      format: FormatID(rawValue: "memory"), path: "memory",
      files: [ManifestFile(path: "memory", byteCount: UInt64(size), headerByteCount: 0)],
      tensors: [
        TensorDescriptor(
          name: "weight", shape: shape, encoding: .dense(.f32),
          location: TensorLocation(file: 0, offset: 0, byteCount: size))
      ])
  }

  func withBytes<Result>(
    _ range: Range<Int>, of tensor: TensorDescriptor, _ body: (RawSpan) throws -> Result
  ) throws -> Result {
    try body(values.span.bytes.extracting(range))
  }

  func readsInPlace(_ tensor: TensorDescriptor) -> Bool { true }

  func release(_ range: Range<Int>, of tensor: TensorDescriptor) {}

  func scale(of tensor: TensorDescriptor) throws -> TernaryScale {
    throw WorkflowError(.unsupportedEncoding(found: "F32", wanted: "packed trits"))
  }

  func companion(named name: String) throws -> [UInt8] {
    throw TensorIOError(.cannotOpen(errno: 2), path: name)
  }

  func checkUnchanged() throws {}
}

extension TritMatrix: CustomStringConvertible {
  /// Such as `256 × 768 trits, 41.5 % zeros, ÷ 43.25 (BF16)`.
  public var description: String {
    "\(rows) × \(columns) trits, \(NumberText.fixed(100 * zeroShare, digits: 1)) % zeros, \(scale)"
  }
}
