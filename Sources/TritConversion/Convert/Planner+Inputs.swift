// Tritsmith: what the output of a conversion takes otherwise than its source: inputs of projections, and text.

import TritCore
import TritModel
import TritSurvey

extension Planner {
  /// Whether trits take inputs as they are in the source: an entry that says otherwise would make another model of it.
  func takesPlainInputs(_ tensors: [PlannedTensor]) -> Bool {
    guard let description = try? survey.description.get(), description.quantization.projections == .linear else {
      return false
    }
    let ternary = packedProjections(tensors)
    let isOwn = description.architecture.defaults.packedProjections == .linear
    switch survey.kind {
    case .packed: return description.quantization.takesPlainInputs(ternary.map(\.source), in: source)
    case .ternaryDense:
      return isOwn || ternary.allSatisfy { if case .group = $0.scaleGranularity { true } else { false } }
    case .ordinary: return isOwn
    case .latent, .undetermined: return false
    }
  }

  private func packedProjections(_ tensors: [PlannedTensor]) -> [PlannedTensor] {
    tensors.filter { $0.role.isProjection && $0.encoding.isTernary }
  }

  /// Refuses an output whose layers round inputs to int8 where those of the source do not and are trits already.
  ///
  /// MLX holds models of BitNet as well and rounds no inputs: packed anew, those of its families are what they were, and
  /// the plan says so. So are dense forms of them.
  func checkInputs(_ tensors: [PlannedTensor], _ warnings: inout [String]) throws {
    let ternary = packedProjections(tensors)
    guard !ternary.isEmpty, survey.kind == .packed || survey.kind == .ternaryDense, takesPlainInputs(tensors),
      let description = try? survey.description.get()
    else { return }
    let isOwn = description.architecture.defaults.packedProjections == .linear
    switch request.target {
    case .hfPacked:
      guard !isOwn || survey.kind != .packed else {
        throw WorkflowError(.roundsInputs(target: request.target.rawValue), file: source.manifest.path)
      }
      guard isOwn || survey.kind == .packed else { return }
    case .tritpack:
      // Trits with scales of groups take inputs as they are in every family.
      guard !isOwn, survey.kind == .packed,
        try ternary.contains(where: { if case .group = try granularity(of: $0.source) { false } else { true } })
      else { return }
    case .dense, .trainable, .gguf, .mlx: return
    }
    warnings.append(
      "packed layers of this output round inputs to int8, projections of the source take them as they are: logits will "
        + "not be quite the same")
  }

  /// A file of a tokenizer says whether text is brought into NFC, and so settles what a GGUF file may leave open.
  func warnNormalization(_ files: [CompanionFile], _ warnings: inout [String]) {
    guard let view = source as? GGUFModelView, view.leavesNormalizationOpen, !request.isBareFile,
      files.contains(where: { $0.name == "tokenizer.json" })
    else { return }
    let place =
      request.target == .tritpack
      ? "in tokenizer.json of an output of --to dense, and convert that" : "in tokenizer.json of the output"
    warnings.append(
      "the input does not say whether text is brought into NFC, and the output says it is not: where the model was "
        + "trained on NFC, put \"normalizer\": {\"type\": \"NFC\"} \(place)")
  }
}
