// Tritsmith: the identity of a model's ternary weights, without comparing it with anything.

import Synchronization
import TritCore
import TritModel
import TritQuantizers
import TritSurvey

extension CodeStream {
  /// The hash of a model's ternary tensors; nil when it has none, or latent ones.
  ///
  /// Packed weights are unpacked, dense projections recognised by their three values: two forms of one model get one
  /// hash, but where an embedding or a head is packed in one of them and dense in the other.
  package static func model(of source: any TensorSource, _ work: WorkOptions) throws -> Digest? {
    let survey = try ModelSurvey(of: source)
    guard survey.kind == .packed || survey.kind == .ternaryDense else { return nil }
    let id = QuantizerID(rawValue: survey.family.defaultQuantizer)
    guard let quantizer = QuantizerRegistry.quantizer(id) else { return nil }
    let tensors = zip(source.manifest.tensors, survey.roles).filter { tensor, role in
      tensor.encoding.isTernary
        || role.isProjection && tensor.shape.isMatrix && tensor.encoding.dtype?.isFloatWeight == true
    }.map(\.0)
    let streams = Mutex<[(name: String, stream: CodeStream)]>([])
    let single = work.silentSingle
    try work.parallelism.forEachBand(tensors.count) { index in
      let tensor = tensors[index]
      guard let stream = try CodeStream(of: tensor, in: source, quantizer, single) else { return }
      streams.withLock { $0.append((tensor.name, stream)) }
    }
    let found = streams.withLock { $0 }
    return found.isEmpty ? nil : CodeStream.model(found)
  }

  /// The hash of one tensor; nil for dense weights of more than three values.
  private init?(
    of tensor: TensorDescriptor, in source: any TensorSource, _ quantizer: any Quantizer, _ work: WorkOptions
  ) throws {
    let weight = try TernaryWeight(source, tensor, quantizer: quantizer, work: work)
    let scale: TernaryScale
    switch weight.origin {
    case .packed: scale = try source.scale(of: tensor)
    case .recognised(_, let found) where found.granularity != .tensor: scale = found
    case .recognised:
      let multiplier = BFloat16.rounded(try weight.scale(.multiply).multiplier())
      scale = TernaryScale(stored: multiplier, storage: .bf16, convention: .multiply)
    case .quantized, .fitted: return nil
    }
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    let hash = SHA256()
    for band in tensor.shape.bands(elements: 1 << 18) {
      try work.parallelism.cancellation.check()
      let trits = try weight.trits(band)
      hash.update(trits.span.bytes)
      weight.release(band)
    }
    self.init(trits: hash.finalize(), rows: rows, columns: columns, scale: scale)
  }
}
