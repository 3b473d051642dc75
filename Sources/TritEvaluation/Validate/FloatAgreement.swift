// Tritsmith: how closely logits agree where nothing is rounded.

import TritCore
import TritModel
import TritSurvey
import TritVerification

/// A type of 16 bits.
enum HalfType: String, Sendable {
  case f16 = "F16"
  case bf16 = "BF16"

  /// What rounding to it changes a number by at most, as a share of the number.
  var noise: Float { self == .f16 ? 0x1p-11 : 0x1p-9 }

  /// `noise`, for people.
  var phrase: String {
    self == .f16
      ? "embeddings off by 2⁻¹¹, as a number rounded to F16 is" : StoredRounding.types.phrase
  }

  func holds(_ value: Float) -> Bool {
    self == .f16 ? HalfFloat(value).float == value : BFloat16.rounded(value) == value
  }
}

/// What separates two sides none of which rounds the inputs of its projections: the order of sums, or little more.
enum FloatAgreement: Sendable {
  /// The same numbers, as far as files tell; `stored` is the coarsest type of 16 bits that weights are in.
  case exact(stored: HalfType?)
  /// Numbers of the model may have been rounded to this type after the reference was computed.
  case rounded(HalfType, RoundingReason)

  /// What a default bound may grow to three times of.
  var noise: (size: Float, phrase: String) {
    switch self {
    case .exact: (StoredRounding.none.noise, StoredRounding.none.phrase)
    case .rounded(let type, _): (type.noise, type.phrase)
    }
  }

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
public enum RoundingReason: Sendable, Hashable {
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
    func noise(_ size: Float, _ phrase: String) throws -> RoundingNoise {
      let measured = try agreement(found.prompts, model, model.model, model.model, EmbeddingNoise(size))
      return RoundingNoise(source: phrase, measured)
    }
    let measured = try noise(floats.noise.size, floats.noise.phrase)
    let again = gates(found, noise: [], ofDifference: [measured])
    var result = GateFindings(results: again, noise: [measured])
    if case .rounded(let type, let reason) = floats, again.allSatisfy(\.passed) {
      result.explanation = RoundingExplanation(
        type: type.rawValue, maximumDifference: measured.maximumDifference, reason: reason)
    }
    guard !again.allSatisfy(\.passed), case .exact(let stored?) = floats else { return result }
    // A failure all the same: nothing says that numbers were rounded.
    let rounded = try noise(stored.noise, stored.phrase)
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
