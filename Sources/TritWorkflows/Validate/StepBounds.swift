// Tritsmith: how far a step may be off, by what its weights are stored in.

import TritCore
import TritModel

/// Largest relative error of a step's worst unit that passes.
///
/// From equal inputs a step without a matrix gives equal bits, and so does a matrix held in the same form. What passes
/// otherwise is the rounding of stored numbers: 2⁻⁹ for bfloat16, which two sides may both have done. One wrong trit moves
/// its unit by 1/√(columns · share of codes that are not 0): by 0.011 where rows have 12,288 columns.
struct StepBounds {
  /// Norms, attention, the gated product, sums: nothing is stored in two types that the two sides read otherwise.
  static let exact = 1e-6
  /// Matrices of one form, whose sums may be added in another order: the two arithmetic modes differ by 2e-6.
  static let sameForm = 3e-5
  /// Scales or values of two types.
  static let rounded = 5e-3
  /// Blocks of 8 bits on one side.
  static let blocks = 3e-2

  private let reference: RunnableModel
  private let model: RunnableModel
  /// Those that run, which may take inputs rounded to int8 where the models' own projections do not.
  private let pair: (LanguageModel, LanguageModel)

  init(_ reference: RunnableModel, _ model: RunnableModel, running pair: (LanguageModel, LanguageModel)) {
    (self.reference, self.model, self.pair) = (reference, model, pair)
  }

  func bound(_ name: String) -> Double {
    switch name {
    case "embed": return isInBlocks("model.embed_tokens.weight") ? StepBounds.blocks : of(embedding)
    case "logits": return isInBlocks("lm_head.weight", "model.embed_tokens.weight") ? StepBounds.blocks : of(head)
    default:
      guard let (layer, kind) = StepBounds.projection(name),
        let form = pair.0.form(ofLayer: layer, kind, beside: pair.1)
      else { return StepBounds.exact }
      return of(form)
    }
  }

  private var embedding: StoredForm { pair.0.embeddingForm(beside: pair.1) }
  private var head: StoredForm { pair.0.headForm(beside: pair.1) }

  private func of(_ form: StoredForm) -> Double {
    switch form {
    case .same: StepBounds.sameForm
    case .rounded: StepBounds.rounded
    }
  }

  /// Whether one side, and not the other, stores the first of these tensors it has in blocks that are no plain numbers.
  private func isInBlocks(_ names: String...) -> Bool {
    func type(_ source: any TensorSource) -> String? {
      let tensor = names.lazy.compactMap { source.manifest.tensor(named: $0) }.first
      guard let tensor, let stored = (source as? GGUFModelView)?.stored(tensor) else { return nil }
      if case .opaque(let name) = stored.encoding { return name }
      return nil
    }
    return type(reference.source) != type(model.source)
  }

  /// `block3.mlp.up_proj` is layer 3, `up_proj`; `block3.self_attn` no projection.
  private static func projection(_ name: String) -> (Int, ProjectionKind)? {
    let parts = name.split(separator: ".")
    guard parts.count == 3, parts[0].hasPrefix("block"), let layer = Int(parts[0].dropFirst(5)),
      let kind = ProjectionKind(rawValue: String(parts[2]))
    else { return nil }
    return (layer, kind)
  }
}
