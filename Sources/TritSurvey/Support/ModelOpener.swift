// Tritsmith: opening models, whatever they are.

import TritCore
import TritFormats
import TritModel

/// Opens a model under Hugging Face's names, whatever its format calls its tensors.
///
/// Rotated weights are those of the ordinary model, unless the options say otherwise.
package enum ModelOpener {
  /// - Parameters:
  ///   - path: a file or a folder.
  ///   - options: how it is read, and what its files leave open.
  ///   - hasCompanions: also rebuild tokenizer files of formats that hold the tokenizer in another form; proofs need them,
  ///     weights alone do not.
  package static func open(
    _ path: String, _ options: OpenOptions = OpenOptions(), hasCompanions: Bool = true
  ) throws -> any TensorSource {
    let source = try FormatRegistry.open(path, options)
    guard source.manifest.format == GGUFFormat.id else {
      let numbers = MLXBinaryView(source) ?? source
      return try CheckpointView(numbers, keepsRotation: options.keepsRotation) ?? numbers
    }
    return try GGUFModelView(
      source, hasCompanions: hasCompanions, preTokenizer: options.preTokenizer, keepsRotation: options.keepsRotation)
  }

  /// A model to compute with. Rotated weights stay as they are stored where inputs can be rotated instead: where the
  /// model takes them as they are.
  package static func toRun(_ path: String, _ options: OpenOptions) throws -> any TensorSource {
    let source = try open(path, options.keepingRotation)
    guard let view = source as? any ModelView, view.storedRotation != nil else { return source }
    let description = try ModelDescription.read(source)
    let takesInputs =
      description.architecture.defaults.packedProjections == .linear && description.quantization.projections == .linear
    return takesInputs ? source : try view.asOrdinary()
  }

  /// Models to be held against each other. Where all are rotated in one way, what they store is compared; else rotated
  /// ones are unfolded. Their notes say so.
  package static func alike(
    _ models: [(path: String, options: OpenOptions)], hasCompanions: Bool = true
  ) throws -> [any TensorSource] {
    try alike(models.map { try open($0.path, $0.options.keepingRotation, hasCompanions: hasCompanions) })
  }

  /// The same of models that are open, rotated weights as they are stored.
  package static func alike(_ opened: [any TensorSource]) throws -> [any TensorSource] {
    let rotations = opened.map { ($0 as? any ModelView)?.storedRotation }
    if rotations.allSatisfy({ $0 == rotations.first }) { return opened }
    return try opened.map { try ($0 as? any ModelView)?.asOrdinary() ?? $0 }
  }

  /// What was done to rotated models that are held against each other, for people.
  package static func rotationNotes(_ models: [any TensorSource]) -> [String] {
    models.compactMap { source in
      guard let view = source as? any ModelView, let rotation = view.storedRotation else { return nil }
      return "the weights of \(printable(source.manifest.path)) are rotated (\(rotation.text)): "
        + (view.keepsRotation ? "compared as they are stored, as all are rotated alike" : "unfolded first")
    }
  }

  /// Two models to be compared. GGUF files of which no model can be made keep their own names and row order, both of
  /// them: each tensor and key can still be held against the other's.
  ///
  /// - Parameter hints: says why, where that is so.
  package static func openPair(
    _ first: (path: String, options: OpenOptions), _ second: (path: String, options: OpenOptions),
    hints: inout [String]
  ) throws -> (any TensorSource, any TensorSource) {
    do {
      let models = try alike([first, second])
      return (models[0], models[1])
    } catch let error as GGUFModelError where error.category == .malformedInput {
      let stored = try [first, second].map { try FormatRegistry.open($0.path, $0.options) }
      guard stored.allSatisfy({ $0.manifest.format == GGUFFormat.id }) else { throw error }
      hints.append("compared under the names of the files, since no model can be made of them: \(error.placedSummary)")
      return (stored[0], stored[1])
    }
  }
}

extension OpenOptions {
  /// The same meaning of numbers, files got at as `other` says: of a model that no option says anything of.
  package func reading(like other: OpenOptions) -> OpenOptions {
    var result = self
    (result.access, result.followsLinks) = (other.access, other.followsLinks)
    result.scaleOption = nil
    return result
  }

  /// The same with rotated weights as they are stored.
  package var keepingRotation: OpenOptions {
    var result = self
    result.keepsRotation = true
    return result
  }
}
