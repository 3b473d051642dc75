// Tritsmith: which parts of two models were compared, and what each costs.

import TritCore
import TritModel
import TritSurvey
import TritVerification

/// A part in which the predictions of two models can differ: finer than `ModelPart` in what is computed.
package enum GapPart: String, Sendable, Hashable, CaseIterable {
  /// The projections of all blocks, as they compute.
  case weights
  /// Embeddings, norms, biases and head.
  case otherTensors = "other_tensors"
  /// Inputs of projections, rounded to int8 or not.
  case activations
  /// Settings of the configuration that change logits.
  case description
  case tokenizer

  /// Whether it is compared as in a proof, not by what it computes.
  var isOfProof: Bool { self == .description || self == .tokenizer }

  /// At the beginning of a sentence.
  package var title: String {
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
package struct GapPartFinding: Sendable, Hashable {
  /// What a part costs on its own.
  package struct Cost: Sendable, Hashable {
    /// KL between two models that differ in this part only, in nats a token.
    package var meanKL: Double
    /// Which two models those are.
    package var between: String
  }

  package var part: GapPart
  package var outcome: PartFinding.Outcome
  /// What was compared and how, or why not.
  package var detail: String
  /// Nil when it was not measured.
  package var cost: Cost?

  init(_ part: GapPart, _ outcome: PartFinding.Outcome, _ detail: String) {
    (self.part, self.outcome, self.detail) = (part, outcome, detail)
  }

  /// A finding of a proof.
  init(_ part: GapPart, _ finding: PartFinding) { self.init(part, finding.outcome, finding.text) }
}

/// Says of every part what the findings of a gap report tell about it.
struct GapParts {
  let reference: RunnableModel
  let candidate: RunnableModel
  let sides: (reference: GapSide, candidate: GapSide)
  /// Nil when tensors were not compared.
  let tensors: [TensorGap]?
  let fidelity: ConversionFidelity?
  /// Of a proof: description, tokenizer.
  let proved: [PartFinding]

  var findings: [GapPartFinding] {
    [weights, otherTensors, activations, ofProof(.description, .description), ofProof(.tokenizer, .tokenizer)]
  }

  private func ofProof(_ part: GapPart, _ proved: ModelPart) -> GapPartFinding {
    self.proved.first { $0.part == proved }.map { GapPartFinding(part, $0) }
      ?? GapPartFinding(part, .notCompared, "not looked at")
  }

  private var weights: GapPartFinding {
    if let left = sides.reference.codeStream, let right = sides.candidate.codeStream, left == right {
      // The stream holds scales as bfloat16 numbers: finer differences are for those to tell who looked.
      if let rounding = fidelity?.parts.first(where: { $0.part == .weights })?.rounding, rounding.scales > 0 {
        return GapPartFinding(.weights, .rounded, "one code stream: all trits; rounded by types: \(rounding.phrase)")
      }
      if fidelity?.verdict == .exact {
        return GapPartFinding(.weights, .equal, "one code stream: all trits and every scale")
      }
      if let tensors { return compared(.weights, tensors.filter(\.role.isProjection)) }
      return GapPartFinding(.weights, .rounded, "one code stream: all trits, and all scales as bfloat16 numbers")
    }
    let classes = reference.model.projectionClasses
    let isOnline = classes.contains(.bitLinearOnline) || classes.contains(.autoBitLinearOnline)
    if isOnline, sides.candidate.codeStream != nil { return onlineWeights(classes) }
    guard let tensors else { return GapPartFinding(.weights, .notCompared, "left out with --no-tensors") }
    return compared(.weights, tensors.filter(\.role.isProjection))
  }

  /// Latents that compute as trits: the conversion that was redone tells whether the candidate's trits are those.
  private func onlineWeights(_ classes: [ProjectionClass]) -> GapPartFinding {
    guard let fidelity else {
      return GapPartFinding(.weights, .notCompared, "latents against trits: left out with --no-fidelity")
    }
    let used =
      classes.contains(.bitLinearOnline)
      ? reference.model.configuration.architecture.defaultQuantizer : "absmean-float32"
    guard let found = fidelity.parts.first(where: { $0.part == .weights }) else {
      return GapPartFinding(.weights, fidelity.verdict == .differs ? .differs : .notCompared, fidelity.detail)
    }
    // Of other tensors the finding speaks as well: it decides only where projections were not all held against trits.
    let count = reference.model.projectionCount
    if fidelity.tensors != count { return GapPartFinding(.weights, found) }
    guard fidelity.wrongTensors == 0 else {
      return GapPartFinding(.weights, .differs, "trits or scales of \(fidelity.wrongTensors) of \(count) tensors")
    }
    guard fidelity.quantizer == used else {
      return GapPartFinding(
        .weights, .differs,
        "the reference runs with trits of \(used), the candidate holds those of \(fidelity.quantizer ?? "another")")
    }
    guard classes.contains(.bitLinearOnline) else {
      return GapPartFinding(
        .weights, .differs,
        "trits are equal (\(used), redone); the reference runs with scales in float32, the candidate's are rounded")
    }
    let how = "trits and scales of the reference as it runs (\(used), redone)"
    guard let rounding = found.rounding, rounding.scales > 0 else { return GapPartFinding(.weights, .equal, how) }
    return GapPartFinding(.weights, .rounded, "\(how), rounded by types: \(rounding.phrase)")
  }

  private var otherTensors: GapPartFinding {
    guard let tensors else { return GapPartFinding(.otherTensors, .notCompared, "left out with --no-tensors") }
    return compared(.otherTensors, tensors.filter { !$0.role.isProjection })
  }

  private func compared(_ part: GapPart, _ tensors: [TensorGap]) -> GapPartFinding {
    guard !tensors.isEmpty else { return GapPartFinding(part, .notCompared, "no tensor is in both") }
    let different = tensors.filter { !($0.maximumError == 0) }
    guard let first = different.first else {
      return GapPartFinding(part, .equal, "every value of \(tensors.count) tensors")
    }
    return GapPartFinding(
      part, .differs, "values of \(different.count) of \(tensors.count) tensors, the first '\(printable(first.name))'")
  }

  private var activations: GapPartFinding {
    let (p, q) = (reference.model, candidate.model)
    let left = p.roundingInputs(as: q) != nil
    let right = q.roundingInputs(as: p) != nil
    switch (left, right) {
    case (false, false):
      let isRounded = q.projectionClasses.contains(where: \.quantizesInputs)
      return GapPartFinding(
        .activations, .equal, "inputs of projections are rounded to int8 in \(isRounded ? "both" : "neither")")
    case (true, false): return GapPartFinding(.activations, .differs, "only the candidate rounds inputs to int8")
    case (false, true): return GapPartFinding(.activations, .differs, "only the reference rounds inputs to int8")
    case (true, true): return GapPartFinding(.activations, .differs, "each rounds inputs of other projections to int8")
    }
  }
}
