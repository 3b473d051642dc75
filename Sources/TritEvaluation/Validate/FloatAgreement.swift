// Tritsmith: how closely logits agree where nothing is rounded.

import TritCore
import TritModel
import TritSurvey
import TritVerification

/// A type of 16 bits.
enum HalfType: String, Sendable {
  case f16 = "F16"
  case bf16 = "BF16"

  var rounding: StoredRounding { self == .f16 ? .f16 : .bf16 }

  /// What rounding to it takes of many numbers in the mean: half a step is evenly spread, and beside numbers evenly spread
  /// over a power of two ∫x² is 7/3, so √(1/3 ÷ 7/3) of the largest share.
  var meanShare: Float { Float(rounding.share) * (1 / 7 as Float).squareRoot() }

  func holds(_ value: Float) -> Bool {
    self == .f16 ? HalfFloat.holds(value) : BFloat16.holds(value)
  }
}

/// What separates two sides none of which rounds the inputs of its projections: the order of sums, or little more.
enum FloatAgreement: Sendable {
  /// The same numbers, as far as files tell; `stored` is the coarsest type of 16 bits that weights are in.
  case exact(stored: HalfType?)
  /// Numbers of the model may have been rounded to this type after the reference was computed.
  case rounded(HalfType, RoundingReason)

  /// Largest relative error of a hidden state that is the same.
  var hiddenBound: Double {
    switch self {
    // Measured: 1e-6 after 4 layers of 256, in Float against transformers.
    case .exact: 1e-4
    case .rounded: ValidateRequest.defaultHiddenBound
    }
  }
}

/// Why numbers may have been rounded.
package enum RoundingReason: Sendable, Hashable {
  /// Norms hold 1 + w as numbers of F16; w of the checkpoint had more digits where llama.cpp's converter added up.
  case sums
  /// The types of a GGUF file are chosen by its converter.
  case types
}

extension RunnableModel {
  /// How closely it should agree with logits of a file; nil where inputs, or weights in blocks, are rounded.
  var agreementWithFile: FloatAgreement? {
    guard takesInputsAsTheyAre, !hasRoundedBlocks else { return nil }
    let hasGroups = hasScalesOfGroups
    let halves = source.manifest.tensors
      .filter { $0.shape.isMatrix && !(hasGroups && $0.encoding.isTernary) }.compactMap(HalfType.init)
    let coarsest = halves.contains(.bf16) ? HalfType.bf16 : halves.first
    guard source is GGUFModelView else { return .exact(stored: coarsest) }
    if let coarsest { return .rounded(coarsest, model.hasSumsOfHalves ? .sums : .types) }
    return model.hasSumsOfHalves ? .rounded(.f16, .sums) : .exact(stored: hasGroups ? .f16 : nil)
  }

  /// What storing may have taken of the numbers behind every state, in the mean, as a share of each: by the types of a
  /// GGUF file's tensors. One scale for many trits may have lost all that its type can take.
  var roundedShares: [String: Float] {
    let hasGroups = hasScalesOfGroups
    var result: [String: Float] = [:]
    for tensor in source.manifest.tensors {
      let isTernary = tensor.encoding.isTernary
      let isSum = !tensor.shape.isMatrix && tensor.name.hasSuffix("norm.weight") && model.hasSumsOfHalves
      guard tensor.shape.isMatrix && !(hasGroups && isTernary) || isSum,
        let type = isSum ? .f16 : HalfType(tensor)
      else { continue }
      let share = isTernary ? Float(type.rounding.share) : type.meanShare
      for state in states(behind: tensor.name) {
        // A norm and the head behind it are rounded apart.
        result[state] = (share * share + (result[state] ?? 0) * (result[state] ?? 0)).squareRoot()
      }
    }
    return result
  }

  /// The states that a tensor is a factor of, as `ForwardObserver` names them, and `logits`.
  private func states(behind tensor: String) -> [String] {
    let description = model.configuration
    func name(_ part: ModulePart) -> String? {
      description.architecture.module(part).map { ModulePlace($0, layer: nil, piece: .weight).name }
    }
    if tensor == name(.embedding) { return ["embed"] + (description.tiesEmbeddings ? ["logits"] : []) }
    if tensor == name(.head) { return ["logits"] }
    if tensor == name(.finalNorm) { return ["final_norm"] }
    guard tensor.hasPrefix(ModulePlace.layerPrefix), tensor.hasSuffix(".weight") else { return [] }
    return ["block" + tensor.dropFirst(ModulePlace.layerPrefix.count).dropLast(".weight".count)]
  }

  /// Whether groups have scales of their own: checkpoints have those in F16 as well, so none was rounded. One scale for a
  /// matrix is F32 or BF16 there.
  private var hasScalesOfGroups: Bool {
    let grouped = source.manifest.tensors.filter { tensor in
      if case .group? = tensor.scale?.granularity { tensor.encoding.isTernary } else { false }
    }
    guard let smallest = grouped.min(by: { $0.shape.elementCount < $1.shape.elementCount }),
      let scale = try? source.scale(of: smallest)
    else { return false }
    return scale.stored.contains { $0 != scale.stored.first }
  }

  /// Whether all that is rounded is sums.
  var takesInputsAsTheyAre: Bool { model.roundsNoInputs && groupsRoundedByMode == nil }

  private var hasRoundedBlocks: Bool {
    source.manifest.tensors.contains { StepBounds.blockType(of: $0, in: source) != nil }
  }
}

extension HalfType {
  /// The type of a tensor's numbers or scales; nil for one that is wider.
  fileprivate init?(_ tensor: TensorDescriptor) {
    switch tensor.encoding.dtype ?? tensor.scale?.storage {
    case .f16: self = .f16
    case .bf16: self = .bf16
    default: return nil
    }
  }
}

extension ValidateWorkflow {
  /// Gates against a file of logits, where the default bound of the largest difference does not hold.
  ///
  /// A deep model is noisier than those the default comes from. What is measured is what the two sides are known to do
  /// differently, so one wrong weight does not look like noise as it may among rounded inputs.
  func gatesOfFloats(_ found: Findings, _ model: RunnableModel, _ results: [GateResult]) throws -> GateFindings {
    let plain = GateFindings(results: results)
    guard let floats = found.floats, found.steps.isEmpty, found.total.nonFinite == 0,
      results.allSatisfy({ $0.passed || $0.name == GateResult.largestDifference && $0.basis == .standard }),
      !results.allSatisfy(\.passed)
    else { return plain }
    func noise(_ rounding: StoredRounding) throws -> RoundingNoise {
      let noise = StateNoise(embeddings: rounding.noise)
      return RoundingNoise(source: rounding.phrase, try agreement(found.prompts, model, noise))
    }
    // What the file can have been rounded in, tensor by tensor; nothing else is excused.
    let shares = if case .rounded = floats { model.roundedShares } else { [String: Float]() }
    let measured =
      shares.isEmpty
      ? try noise(.none)
      : RoundingNoise(
        source: "numbers rounded to F16 or BF16 where the file stores such",
        try agreement(found.prompts, model, StateNoise(steps: shares)))
    let again = gates(found, noise: [], ofDifference: [measured])
    var result = GateFindings(results: again, noise: [measured])
    if case .rounded(let type, let reason) = floats, again.allSatisfy(\.passed) {
      result.explanation = RoundingExplanation(
        type: type.rawValue, maximumDifference: measured.maximumDifference, reason: reason)
    }
    guard !again.allSatisfy(\.passed), case .exact(let stored?) = floats else { return result }
    // A failure all the same: nothing says that numbers were rounded.
    let rounded = try noise(stored.rounding)
    if found.total.result.maximumDifference <= ValidationGates.factor * rounded.maximumDifference {
      result.explanation = RoundingExplanation(
        type: stored.rawValue, maximumDifference: rounded.maximumDifference, reason: nil)
    }
    return result
  }
}

/// Types that all logits of a file can be numbers of.
struct LogitTypes {
  private var types = [HalfType.bf16, .f16]
  private var isEmpty = true

  mutating func add(_ row: [Float]) {
    isEmpty = false
    // The first row of Float sums leaves none.
    types.removeAll { type in !row.allSatisfy { type.holds($0) } }
  }

  /// What the engine rounded logits to; nil for Float.
  var rounded: HalfType? { isEmpty ? nil : types.first }
}
