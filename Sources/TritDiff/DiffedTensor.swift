// Tritsmith: tensors as a patch sees them.

import TritCore
import TritFormats
import TritLayouts
import TritQuantizers
import TritSurvey
import TritVerification

/// A tensor as patches see it: trits with scales beside them, or bytes.
struct DiffedTensor: Sendable {
  let source: any TensorSource
  let tensor: TensorDescriptor
  let work: WorkOptions
  private let weight: TernaryWeight?

  /// - Throws: `FormatError` for trits whose scale convention is not known.
  init(_ tensor: TensorDescriptor, in source: any TensorSource, _ work: WorkOptions) throws {
    self.source = source
    self.tensor = tensor
    self.work = work
    // Layouts that hold scales among their codes are taken byte by byte: what is between the codes counts too.
    weight =
      tensor.encoding.isTernary && tensor.hasScaleBeside
      ? try TernaryWeight(source, tensor, quantizer: AbsMean.float32, work: work) : nil
  }

  var isTernary: Bool { weight != nil }
  var byteCount: Int { tensor.location.byteCount }

  /// What is read at a time: about 2^18 trits.
  static func bands(_ shape: TensorShape) -> MatrixBands { shape.bands(elements: 1 << 18) }

  func trits(_ band: MatrixBand) throws -> [Int8] {
    try work.parallelism.cancellation.check()
    guard let weight else { preconditionFailure("'\(tensor.name)' holds no trits") }
    defer { weight.release(band) }
    return try weight.trits(band)
  }

  /// Pieces as `BytePlanes` takes them.
  static func pieces(_ byteCount: Int) -> [Range<Int>] {
    stride(from: 0, to: byteCount, by: BytePlanes.piece).map { $0..<min($0 + BytePlanes.piece, byteCount) }
  }

  func bytes(_ range: Range<Int>) throws -> [UInt8] {
    try work.parallelism.cancellation.check()
    let bytes = try source.withBytes(range, of: tensor) { span in span.withUnsafeBytes { Array($0) } }
    source.release(range, of: tensor)
    return bytes
  }

  /// The encoding as patches name it.
  var encoding: TensorEncoding {
    tensor.encoding.dtype == nil ? .opaque(tensor.encoding.name) : tensor.encoding
  }

  func scale() throws -> TernaryScale { try source.scale(of: tensor) }

  func identity(_ digest: Digest) throws -> TritDiffIdentity {
    TritDiffIdentity(
      name: tensor.name, shape: tensor.shape,
      content: isTernary
        ? .trits(digest, TritDiffScale(try scale())) : .bytes(encoding, count: byteCount, digest))
  }

  /// Reads the tensor for its hash.
  func identity() throws -> TritDiffIdentity {
    let hash = SHA256()
    if isTernary {
      for band in DiffedTensor.bands(tensor.shape) {
        let trits = try trits(band)
        hash.update(trits.span.bytes)
        work.progress.advanced(by: tensor.shape.byteShare(band, of: byteCount))
      }
    } else {
      for range in DiffedTensor.pieces(byteCount) {
        hash.update(try bytes(range))
        work.progress.advanced(by: range.count)
      }
    }
    return try identity(hash.finalize())
  }
}

extension TritDiffIdentity {
  /// The code stream of a ternary tensor with scales beside it.
  func codeStream(_ scale: TernaryScale) -> CodeStream? {
    guard case .trits(let digest, _) = content else { return nil }
    return CodeStream(trits: digest, rows: shape.rows, columns: shape.columns, scale: scale)
  }
}
