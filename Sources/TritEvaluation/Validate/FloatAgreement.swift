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
  /// Norms hold sums 1 + w of F16; w of the checkpoint had more digits where llama.cpp's converter added up.
  case sums

  /// Largest relative error of a hidden state that is the same.
  var hiddenBound: Double {
    switch self {
    // Measured: 1e-6 after 4 layers of 256, in Float against transformers.
    case .exact: 1e-4
    case .sums: ValidateRequest.defaultHiddenBound
    }
  }
}

extension RunnableModel {
  /// How closely it should agree with logits of a file; nil where inputs, or weights in blocks, are rounded.
  ///
  /// The numbers alone count, in whatever file they stand: those of 16 bits may be all that the model ever had.
  var agreementWithFile: FloatAgreement? {
    guard takesInputsAsTheyAre, !hasRoundedBlocks else { return nil }
    guard !model.hasSumsOfHalves else { return .sums }
    let halves = source.manifest.tensors.filter(\.shape.isMatrix).compactMap(HalfType.init)
    return .exact(stored: halves.contains(.bf16) ? .bf16 : halves.first)
  }

  /// What adding up 1 + w in F16 may have taken of the norms, in the mean, as a share of each, by the state behind it.
  var sharesOfSums: [String: Float] {
    let states = source.manifest.tensors.filter { !$0.shape.isMatrix }.compactMap { state(behindNorm: $0.name) }
    return Dictionary(states.map { ($0, HalfType.f16.meanShare) }, uniquingKeysWith: max)
  }

  /// The state that a norm gives, as `ForwardObserver` names it; nil for another tensor, and for a norm that holds w.
  private func state(behindNorm tensor: String) -> String? {
    guard tensor.hasSuffix("norm.weight") else { return nil }
    let table = model.configuration.architecture
    if tensor == table.module(.finalNorm).map({ ModulePlace($0, layer: nil, piece: .weight).name }) {
      return "final_norm"
    }
    guard tensor.hasPrefix(ModulePlace.layerPrefix), !tensor.contains(".linear_attn.") else { return nil }
    return "block" + tensor.dropFirst(ModulePlace.layerPrefix.count).dropLast(".weight".count)
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
    switch floats {
    case .sums:
      let measured = RoundingNoise(
        source: "norms 1 + w added up in F16",
        try agreement(found.prompts, model, StateNoise(steps: model.sharesOfSums)))
      let again = gates(found, noise: [], ofDifference: [measured])
      let explanation = RoundingExplanation(
        type: HalfType.f16.rawValue, maximumDifference: measured.maximumDifference, isShown: true)
      return GateFindings(
        results: again, noise: [measured], explanation: again.allSatisfy(\.passed) ? explanation : nil)
    case .exact(let stored):
      let measured = try noise(.none)
      let again = gates(found, noise: [], ofDifference: [measured])
      var result = GateFindings(results: again, noise: [measured])
      guard let stored, !again.allSatisfy(\.passed) else { return result }
      // A failure all the same: nothing says that numbers were rounded.
      let rounded = try noise(stored.rounding)
      if found.total.result.maximumDifference <= ValidationGates.factor * rounded.maximumDifference {
        result.explanation = RoundingExplanation(
          type: stored.rawValue, maximumDifference: rounded.maximumDifference, isShown: false)
      }
      return result
    }
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
