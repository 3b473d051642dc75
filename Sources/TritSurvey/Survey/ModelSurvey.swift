// Tritsmith: what a model is.

import TritCore
import TritFormats
import TritKernels
import TritLayouts
import TritModel
import TritQuantizers
import TritReport

/// What the weights of a model are.
public enum ModelKind: String, Sendable, Hashable, CaseIterable, Codable {
  /// Packed trits with scales.
  case packed = "packed-ternary"
  /// Latent weights of a BitNet model, to be quantized or fine-tuned (`prequantized`).
  case latent = "latent"
  /// Dense numbers that already hold only −a, 0, +a (`bfloat16`).
  case ternaryDense = "ternary-dense"
  /// Weights of an ordinary model.
  case ordinary = "dense"
  case undetermined = "undetermined"

  /// A phrase for people.
  package var phrase: String {
    switch self {
    case .packed: "packed ternary"
    case .latent: "latent weights of a BitNet model (prequantized)"
    case .ternaryDense: "dense, already ternary"
    case .ordinary: "ordinary dense"
    case .undetermined: "undetermined"
    }
  }
}

/// What a model is, from its headers and a bounded sample of its weights.
package struct ModelSurvey: Sendable {
  package var kind: ModelKind
  /// Reasons for `kind`, for people.
  package var evidence: [String]
  /// The family; nil when the configuration is missing or names an unknown class.
  package var architecture: (any Architecture)?
  /// The class name the configuration gives.
  package var className: String?
  package var quantization: HFQuantization?
  /// What the model is, or the first setting that is not understood.
  package var description: Result<ModelDescription, ModelError>
  /// The description as far as it is understood: it says which tensors a model has. Nil where even that is not known.
  package private(set) var structure: ModelDescription?
  /// One for each tensor of the manifest.
  package var roles: [TensorRole]
  /// How many weights share an a in dense numbers that are ternary, where the fewest do; nil for other models, and where
  /// a small sample only says that it is fewer than a tensor has.
  package private(set) var finest: ScaleGranularity?
  /// Whether the latents are trits times a scale, which every loader makes the same trits of: `--to trainable`.
  package private(set) var isRestored = false
  /// Whether some of the sampled projections hold ordinary numbers in a model whose others are ternary.
  package private(set) var isMixed = false
  /// The binary type projections are stored in, which has no zeros; nil for other models.
  package private(set) var binaryType: String?

  /// How much of the weights is looked at.
  package enum Sample: Sendable {
    /// At most 16 tensors, 16 × 4096 values each.
    case usual
    /// At most 8 tensors, 2048 values each: 32 kB of bfloat16 for a look over a network.
    case small
  }

  /// Looks at a model.
  ///
  /// - Parameters:
  ///   - source: the model, under Hugging Face's names.
  ///   - chosen: the family the user chose instead of the configuration's.
  ///   - size: what is sampled of dense weights.
  package init(
    of source: any TensorSource, architecture chosen: (any Architecture)? = nil, sample size: Sample = .usual
  ) throws {
    let manifest = source.manifest
    className = ArchitectureRegistry.className(in: manifest.configuration)
    let architecture = chosen ?? className.flatMap(ArchitectureRegistry.architecture(named:))
    self.architecture = architecture
    // Without a configuration the tables of all families tell roles.
    roles = manifest.tensors.map { architecture?.role(of: $0.name) ?? ArchitectureRegistry.role(of: $0.name) }
    do throws(ModelError) {
      let reading = try ModelDescription.reading(source, architecture: chosen)
      structure = reading.description
      description = reading.problem.map { .failure($0) } ?? .success(reading.description)
    } catch {
      description = .failure(error)
    }
    quantization = try manifest.configuration.flatMap {
      try HFQuantization(configuration: $0, file: FileSystem.join(manifest.path, "config.json"))
    }
    (kind, evidence) = (.undetermined, [])
    try classify(source, size)
  }

  /// The family whose rules hold: of a class that is not known, Llama's.
  package var family: any Architecture { ModelSurvey.family(architecture) }

  private static func family(_ architecture: (any Architecture)?) -> any Architecture { architecture ?? Llama() }

  /// What makes dense weights ternary where nobody chooses, and why: as they run, or as the family's own tool does.
  package var defaultQuantizer: (name: String, reason: String) {
    if quantization?.mode == .online {
      return (AbsMean.float32.id.rawValue, "as quantization_config says that the latents run")
    }
    let reason = architecture == nil ? "default where the class is not known" : "default of \(family.className)"
    return (family.defaultQuantizer, reason)
  }

  /// What new scales mean where nobody chooses.
  package var newScaleConvention: ScaleConvention { ModelSurvey.newScaleConvention(quantization, architecture) }

  package static func newScaleConvention(
    _ quantization: HFQuantization?, _ architecture: (any Architecture)?
  ) -> ScaleConvention {
    quantization?.linearClass.convention ?? family(architecture).packedConvention
  }

  private mutating func classify(_ source: any TensorSource, _ size: Sample) throws {
    let tensors = source.manifest.tensors
    let packed = tensors.count { $0.encoding.isTernary }
    let dense = tensors.indices.filter {
      roles[$0].isProjection && tensors[$0].shape.isMatrix && tensors[$0].encoding.dtype?.isFloatWeight == true
    }
    if packed > 0 {
      kind = .packed
      let rest = dense.isEmpty ? "" : ", " + plural(dense.count, "projection is", "projections are") + " dense"
      evidence = [plural(packed, "tensor holds", "tensors hold") + " packed trits" + rest]
      return
    }
    guard !dense.isEmpty else {
      let others = tensors.indices.filter { roles[$0].isProjection && tensors[$0].shape.isMatrix }
      let types = Dictionary(grouping: others) { tensors[$0].encoding.name }.sorted { $0.value[0] < $1.value[0] }
      let stored = types.enumerated().map { index, type in
        let count = type.value.count
        return (index == 0 ? plural(count, "projection is", "projections are") + " stored" : grouped(count))
          + " as \(type.key)"
      }
      evidence = [
        stored.isEmpty
          ? ModelSurvey.noProjection(among: matrices(of: source.manifest))
          : stored.joined(separator: ", ") + (types.count == 1 ? ", which is not read" : ", none of which is read")
      ]
      return
    }
    let projections = dense.map { tensors[$0] }
    if classify(projections, asStoredIn: source) { return }
    try classify(by: NativenessProbe(size).sample(source, projections), source, size)
  }

  /// What forms tell, whatever the numbers are; false where they tell nothing.
  private mutating func classify(_ dense: [TensorDescriptor], asStoredIn source: any TensorSource) -> Bool {
    // Turned back they are no latents and hold no trits, whatever they look like.
    let view = source as? any ModelView
    let rotated = dense.count { view?.rotation(of: $0) != nil }
    if rotated > 0 {
      kind = .ordinary
      evidence = [plural(rotated, "projection is", "projections are") + " rotated in the file"]
      return true
    }
    let unfolded = dense.count { view?.unfoldedBlock(of: $0) != nil }
    if unfolded > 0 {
      kind = .ordinary
      evidence = [
        unfolded == 1
          ? "1 projection is rotated in the file and was unfolded"
          : "\(grouped(unfolded)) projections are rotated in the file and were unfolded"
      ]
      return true
    }
    let binary = dense.compactMap { ModelSurvey.binaryType(of: $0, source) }
    if let type = binary.first {
      // Of plus and minus a scale and no zero: a model with such weights is none of trits, however its numbers look.
      (kind, binaryType) = (.ordinary, type)
      evidence = [
        "\(binary.count) of \(plural(dense.count, "projection")) \(binary.count == 1 ? "is" : "are") stored as \(type), "
          + "a binary type: +s and −s, no zeros"
      ]
      return true
    }
    return false
  }

  private mutating func classify(
    by sample: NativenessProbe.Sample, _ source: any TensorSource, _ size: Sample
  ) throws {
    if sample.ternary == sample.tensors {
      kind = .ternaryDense
      finest = sample.hasUnknownGroups ? nil : sample.finest
      let spread = sample.finest == .tensor ? "" : ", with one a for each \(sample.finest.noun)"
      evidence = ["all \(sample.tensors) sampled projections hold only −a, 0, +a" + spread]
      if size == .usual { try addEmbeddings(source) }
      return
    }
    if sample.restored > 0, sample.restored + sample.ternary == sample.tensors {
      (kind, isRestored) = (.latent, true)
      evidence = [
        "all \(sample.tensors) sampled projections hold 0 and one or two neighbouring magnitudes: latents made of trits"
      ]
      return
    }
    if quantization?.mode == .online {
      kind = .latent
      evidence.append("config.json has quantization_mode online: the file holds latent weights")
    } else if 2 * sample.ternary >= sample.tensors {
      (kind, isMixed) = (.ternaryDense, true)
      finest = sample.hasUnknownGroups ? nil : sample.finest
      evidence = [
        "\(sample.ternary) of \(sample.tensors) sampled projections hold only −a, 0, +a, the others ordinary numbers"
      ]
      return
    }
    let text = sample.edgeDensity.map { NumberText.fixed($0, digits: 2) }
    if let density = sample.edgeDensity, let text {
      let isLatent = density > NativenessProbe.modelThreshold
      let meaning = isLatent ? "BitNet training gathers them there" : "in an ordinary model they fall away"
      evidence.append(
        "weights at the edge between 0 and ±1 are \(text) times as dense as near 0 (median of "
          + "\(sample.tensors) sampled projections): \(meaning)")
      if kind == .undetermined { kind = isLatent ? .latent : .ordinary }
    } else {
      evidence.append("the sampled weights are too coarse or too sparse to tell latent from ordinary ones")
    }
  }
}

extension ModelSurvey {
  private static func noProjection(among matrices: Int) -> String {
    guard matrices > 0 else { return "there is no matrix" }
    return "no projection was found by name among \(plural(matrices, "matrix", "matrices"))"
  }

  /// How many tensors are matrices of weights; ids and masks are none.
  package func matrices(of manifest: ModelManifest) -> Int {
    manifest.tensors.count { $0.shape.isMatrix && $0.encoding.dtype?.isFloatWeight != false }
  }

  /// The binary type a tensor is stored in, whatever a view shows; nil for others.
  package static func binaryType(of tensor: TensorDescriptor, _ source: any TensorSource) -> String? {
    let stored = source.fileEncoding(of: tensor)
    return stored.blockCodec?.name == Q1_0.name || MLXPacking.isBinary(stored) ? stored.name : nil
  }

  /// Names embeddings and output matrices that are ternary as well: any matrix may be.
  fileprivate mutating func addEmbeddings(_ source: any TensorSource) throws {
    for (tensor, role) in zip(source.manifest.tensors, roles) where role == .embedding || role == .outputHead {
      guard tensor.encoding.dtype?.isFloatWeight == true else { continue }
      let pass = try WeightPass(source, tensor, roundsToBFloat16: false, kernels: KernelChoice.best)
      guard let found = try pass.sampledGranularity() else { continue }
      evidence.append(
        "'\(printable(tensor.name))' is ternary as well in the rows looked at, with one a for each \(found.noun)")
    }
  }
}

/// Tells latent BitNet weights from ordinary ones by where they gather.
package struct NativenessProbe {
  package struct Sample {
    package var tensors = 0
    /// Tensors of the sample that hold only −a, 0, +a.
    package var ternary = 0
    /// Tensors of the sample whose magnitudes are two neighbouring bfloat16 numbers: what `--to trainable` writes.
    var restored = 0
    /// How many weights share an a in the tensor where the fewest do.
    var finest = ScaleGranularity.tensor
    /// Whether some share it with fewer than all of a tensor, and it was not looked how many.
    var hasUnknownGroups = false
    /// Median over tensors; nil when none could tell.
    var edgeDensity: Double?
  }

  /// Above this median the model counts as trained for BitNet. The shipped ones have 4.5 and 7.5, the ordinary 0.93.
  package static let modelThreshold = 1.5
  private let size: ModelSurvey.Sample

  package init(_ size: ModelSurvey.Sample) { self.size = size }

  private var tensorLimit: Int { size == .usual ? 16 : 8 }
  private var blocks: Int { size == .usual ? 16 : 1 }
  private var blockElements: Int { size == .usual ? 4096 : 2048 }

  /// Samples tensors spread over the model, and blocks spread over each tensor.
  package func sample(_ source: any TensorSource, _ tensors: [TensorDescriptor]) throws -> Sample {
    let step = max(1, (tensors.count + tensorLimit - 1) / tensorLimit)
    let chosen = stride(from: 0, to: tensors.count, by: step).map { tensors[$0] }
    try source.expect(chosen.flatMap { tensor in ranges(of: tensor).map { ExpectedRange(tensor, $0) } })
    var result = Sample()
    var densities: [Double] = []
    for tensor in chosen {
      let histogram = try histogram(source, tensor)
      result.tensors += 1
      let magnitudes = NativenessProbe.magnitudes(histogram)
      if magnitudes.count <= 1 {
        result.ternary += 1
      } else if NativenessProbe.isRestored(magnitudes, tensor) {
        result.restored += 1
      } else if size == .small {
        if try hasOneMagnitudeInEachRun(source, tensor) {
          result.ternary += 1
          result.hasUnknownGroups = true
        }
      } else if let found = try WeightPass(
        source, tensor, roundsToBFloat16: false, kernels: KernelChoice.best
      ).sampledGranularity() {
        result.ternary += 1
        result.finest = NativenessProbe.finer(result.finest, found)
      }
      if let density = histogram.edgeDensity { densities.append(density) }
    }
    densities.sort()
    if !densities.isEmpty { result.edgeDensity = densities[densities.count / 2] }
    return result
  }

  /// Whether a sample of a tensor holds trits times scales, in a dense type.
  package static func isTernary(_ tensor: TensorDescriptor, _ source: any TensorSource) throws -> Bool {
    guard tensor.encoding.dtype?.isFloatWeight == true else { return false }
    let magnitudes = magnitudes(try NativenessProbe(.usual).histogram(source, tensor))
    if magnitudes.count <= 1 { return true }
    if isRestored(magnitudes, tensor) { return false }
    return try WeightPass(source, tensor, roundsToBFloat16: false, kernels: KernelChoice.best).sampledGranularity()
      != nil
  }

  private static func magnitudes(_ histogram: PatternHistogram) -> Set<Double> {
    Set(histogram.occupied.map { abs($0.value) }.filter { $0 > 0 })
  }

  /// Two neighbouring bfloat16 numbers: groups of a real model have more scales than that.
  private static func isRestored(_ magnitudes: Set<Double>, _ tensor: TensorDescriptor) -> Bool {
    guard tensor.encoding == .dense(.bf16), magnitudes.count == 2, let low = magnitudes.min(),
      let high = magnitudes.max()
    else { return false }
    return BFloat16(Float(high)).bits == BFloat16(Float(low)).bits + 1
  }

  private static func finer(_ a: ScaleGranularity, _ b: ScaleGranularity) -> ScaleGranularity {
    switch (a, b) {
    case (.tensor, _): b
    case (_, .tensor): a
    case (.row, _): b
    case (_, .row): a
    case (.group(let left), .group(let right)): left < right ? a : b
    }
  }

  /// The bytes of a tensor that are looked at.
  private func ranges(of tensor: TensorDescriptor) -> [Range<Int>] {
    guard let dtype = tensor.encoding.dtype else { return [] }
    let count = tensor.shape.elementCount
    let width = dtype.bits / 8
    let spread = max(blockElements, count / blocks)
    return stride(from: 0, to: count, by: spread).prefix(blocks + 1).map {
      $0 * width..<min($0 + blockElements, count) * width
    }
  }

  private func histogram(_ source: any TensorSource, _ tensor: TensorDescriptor) throws -> PatternHistogram {
    var histogram = PatternHistogram(.bfloat16)
    guard let dtype = tensor.encoding.dtype else { return histogram }
    for bytes in ranges(of: tensor) {
      try source.withBytes(bytes, of: tensor) { data in
        histogram.add(patterns: DenseValues.floats(data, dtype).map { BFloat16($0).bits })
      }
      source.release(bytes, of: tensor)
    }
    return histogram
  }

  /// Weights with a scale for each row or group: one magnitude in each run of the smallest group there is.
  private func hasOneMagnitudeInEachRun(_ source: any TensorSource, _ tensor: TensorDescriptor) throws -> Bool {
    guard let dtype = tensor.encoding.dtype, let bytes = ranges(of: tensor).first else { return false }
    let group = WeightPass.groupSizes[0]
    return try source.withBytes(bytes, of: tensor) { data in
      let values = DenseValues.floats(data, dtype)
      return stride(from: 0, to: values.count, by: group).allSatisfy { start in
        Set(values[start..<min(values.count, start + group)].map(\.magnitude).filter { $0 > 0 }).count <= 1
      }
    }
  }
}
