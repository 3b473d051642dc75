// Tritsmith: which parts of two models were compared, and what each costs.

import TritCore
import TritModel

/// A part in which two models can differ.
public enum ModelPart: String, Sendable, Hashable, CaseIterable {
  /// The projections of all blocks, as they compute.
  case weights
  /// Embeddings, norms, biases and head.
  case otherTensors = "other_tensors"
  /// Inputs of projections, rounded to int8 or not.
  case activations
  /// Settings of the configuration that change logits.
  case description
  case tokenizer

  /// At the beginning of a sentence.
  public var title: String {
    switch self {
    case .weights: "Weights of projections"
    case .otherTensors: "Other tensors"
    case .activations: "Inputs rounded to int8"
    case .description: "Settings"
    case .tokenizer: "Tokenizers"
    }
  }
}

/// What was found of a part.
public struct PartFinding: Sendable, Hashable {
  /// Whether a part was looked at, and what came out.
  public enum State: String, Sendable, Hashable {
    case equal
    case differs
    case notCompared = "not_compared"
  }

  /// What a part costs on its own.
  public struct Cost: Sendable, Hashable {
    /// KL between two models that differ in this part only, in nats a token.
    public var meanKL: Double
    /// Which two models those are.
    public var between: String
  }

  public var part: ModelPart
  public var state: State
  /// What was compared and how, or why not.
  public var detail: String
  /// Nil when it was not measured.
  public var cost: Cost?

  init(_ part: ModelPart, _ state: State, _ detail: String) {
    (self.part, self.state, self.detail) = (part, state, detail)
  }
}

/// Says of every part what the findings of a gap report tell about it.
struct ModelParts {
  let reference: RunnableModel
  let candidate: RunnableModel
  let sides: (reference: GapSide, candidate: GapSide)
  /// Nil when tensors were not compared.
  let tensors: [TensorGap]?
  let fidelity: ConversionFidelity?
  let tokenizer: PartFinding

  var findings: [PartFinding] { [weights, otherTensors, activations, description, tokenizer] }

  private var weights: PartFinding {
    if let left = sides.reference.codeStream, let right = sides.candidate.codeStream, left == right {
      return PartFinding(.weights, .equal, "one code stream: all trits, and all scales as bfloat16 numbers")
    }
    let classes = reference.model.projectionClasses
    let isOnline = classes.contains(.bitLinearOnline) || classes.contains(.autoBitLinearOnline)
    if isOnline, sides.candidate.codeStream != nil { return onlineWeights(classes) }
    guard let tensors else { return PartFinding(.weights, .notCompared, "left out with --no-tensors") }
    return compared(.weights, tensors.filter(\.role.isProjection))
  }

  /// Latents that compute as trits: the conversion that was redone tells whether the candidate's trits are those.
  private func onlineWeights(_ classes: [ProjectionClass]) -> PartFinding {
    guard let fidelity else {
      return PartFinding(.weights, .notCompared, "latents against trits: left out with --no-fidelity")
    }
    let used =
      classes.contains(.bitLinearOnline)
      ? reference.model.configuration.architecture.defaultQuantizer : "absmean-float32"
    switch fidelity.verdict {
    case .notApplicable: return PartFinding(.weights, .notCompared, fidelity.detail)
    case .differs: return PartFinding(.weights, .differs, fidelity.detail)
    case .exact:
      guard fidelity.quantizer == used else {
        return PartFinding(
          .weights, .differs,
          "the reference runs with trits of \(used), the candidate holds those of \(fidelity.quantizer ?? "another")")
      }
      guard classes.contains(.bitLinearOnline) else {
        return PartFinding(
          .weights, .differs,
          "trits are equal (\(used), redone); the reference runs with scales in float32, the candidate's are rounded")
      }
      return PartFinding(.weights, .equal, "trits and scales of the reference as it runs (\(used), redone)")
    }
  }

  private var otherTensors: PartFinding {
    guard let tensors else { return PartFinding(.otherTensors, .notCompared, "left out with --no-tensors") }
    return compared(.otherTensors, tensors.filter { !$0.role.isProjection })
  }

  private func compared(_ part: ModelPart, _ tensors: [TensorGap]) -> PartFinding {
    guard !tensors.isEmpty else { return PartFinding(part, .notCompared, "no tensor is in both") }
    let different = tensors.filter { !($0.maximumError == 0) }
    guard let first = different.first else {
      return PartFinding(part, .equal, "every value of \(tensors.count) tensors")
    }
    return PartFinding(
      part, .differs, "values of \(different.count) of \(tensors.count) tensors, the first '\(printable(first.name))'")
  }

  private var activations: PartFinding {
    let (p, q) = (reference.model, candidate.model)
    let left = p.roundingInputs(as: q) != nil
    let right = q.roundingInputs(as: p) != nil
    switch (left, right) {
    case (false, false):
      let isRounded = q.projectionClasses.contains(where: \.quantizesInputs)
      return PartFinding(
        .activations, .equal, "inputs of projections are rounded to int8 in \(isRounded ? "both" : "neither")")
    case (true, false): return PartFinding(.activations, .differs, "only the candidate rounds inputs to int8")
    case (false, true): return PartFinding(.activations, .differs, "only the reference rounds inputs to int8")
    case (true, true): return PartFinding(.activations, .differs, "each rounds inputs of other projections to int8")
    }
  }

  /// The one place where settings of two configurations are to be compared.
  private var description: PartFinding {
    PartFinding(.description, .notCompared, "settings of the two configurations are not compared by this command")
  }
}
