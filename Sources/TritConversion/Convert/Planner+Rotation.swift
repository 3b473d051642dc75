// Tritsmith: planning conversions of rotated weights.

import TritCore
import TritModel
import TritSurvey

extension Planner {
  /// Refuses outputs that could not say that their weights are rotated, and what unfolding does not go with.
  ///
  /// - Returns: the rotation the output keeps; nil where its weights are ordinary ones.
  func checkRotation() throws -> WeightRotation? {
    let path = source.manifest.path
    // Kept key for key, the keys would stay and the weights become something else.
    if case .failure(let error) = survey.description, case .rotatedModules = error.kind { throw error }
    let rotation = (source as? GGUFModelView)?.rotation
    let isRotated = (source as? any ModelView)?.storedRotation != nil
    guard request.unfolds else {
      // Its signs are tensors, for which no output has a place.
      if let view = source as? CheckpointView, let found = view.storedRotation {
        throw ModelError(.rotatedModules(count: found.count), file: path, field: "modules")
      }
      guard let rotation else { return nil }
      guard request.target == .gguf else {
        throw WorkflowError(.rotatedWeights(rotation, target: request.target.rawValue), file: path)
      }
      return rotation
    }
    guard isRotated else { throw WorkflowError(.notRotated, file: path) }
    let asked =
      switch request.target {
      case .dense: request.recipe.map { "--recipe \($0.rawValue)" }
      case .gguf: request.gguf.layout.map { "--layout \($0.rawValue)" }
      case .hfPacked, .tritpack, .mlx, .trainable: "--to \(request.target.rawValue)"
      }
    if let asked = asked ?? (request.quantize.isEmpty ? nil : "--quantize") {
      throw WorkflowError(.unfoldsToDense(asked: asked), file: path)
    }
    return nil
  }

  /// Whether dense weights that stay rotated are trits as they are stored, which they stay in other forms.
  func holdsRotatedTrits() throws -> Bool {
    guard let view = source as? any ModelView else { return false }
    let rotated = zip(source.manifest.tensors, survey.roles).filter { tensor, role in
      role.isProjection && tensor.encoding.dtype?.isFloatWeight == true && view.rotation(of: tensor) != nil
    }.map(\.0)
    guard !rotated.isEmpty else { return false }
    let sample = try NativenessProbe(.usual).sample(source, rotated)
    return sample.ternary == sample.tensors
  }

  /// Whether a tensor was rotated and is read as the ordinary matrix.
  func isUnfolded(_ tensor: TensorDescriptor) -> Bool {
    (source as? any ModelView)?.unfoldedBlock(of: tensor) != nil
  }
}

extension WeightRotation {
  /// Throws where the keys would name a tensor that the output has not: its readers refuse such a file.
  func checkKept(_ tensors: [PlannedTensor], file: String) throws(WorkflowError) {
    let written = Set(tensors.map { ExactString($0.name) })
    guard let lost = names.first(where: { !written.contains(ExactString($0)) }) else { return }
    throw WorkflowError(.rotatedTensorLeftOut, file: file, tensor: lost)
  }
}
