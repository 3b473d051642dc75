// Tritsmith: how far a step may be off, by what its weights are stored in.

import TritCore
import TritModel
import TritSurvey
import TritVerification

/// Largest relative error of a step's worst unit that passes.
///
/// From equal inputs a step without a matrix gives equal bits, and so does a matrix held in the same form. What passes
/// otherwise is the rounding of stored numbers. One wrong trit moves its unit by 1/√(columns · share of codes that are
/// not 0): by 0.011 where rows have 12,288 columns.
struct StepBounds {
  /// Norms, attention, the gated product, sums: nothing is stored in two types that the two sides read otherwise, but for
  /// norms that hold 1 + w, a sum of F16 in some files.
  static let exact = 1e-6

  private let reference: RunnableModel
  private let model: RunnableModel
  /// Those that run, which may take inputs rounded to int8 where the models' own projections do not.
  private let pair: (LanguageModel, LanguageModel)

  init(_ reference: RunnableModel, _ model: RunnableModel, running pair: (LanguageModel, LanguageModel)) {
    (self.reference, self.model, self.pair) = (reference, model, pair)
  }

  func bound(_ name: String) -> Double { rounding(name)?.stepBound ?? StepBounds.exact }

  /// How the weights of a step were rounded apart; nil for one without a matrix.
  func rounding(_ name: String) -> StoredRounding? {
    switch name {
    case "embed":
      return unfolded(.embedding, nil) ?? blocks(.embedding, nil) ?? StepBounds.of(pair.0.embeddingForm(beside: pair.1))
    case "logits": return unfolded(.head, nil) ?? blocks(.head, nil) ?? StepBounds.of(pair.0.headForm(beside: pair.1))
    default:
      guard let (layer, kind) = StepBounds.projection(name) else {
        // Equal norms give equal bits.
        return pair.0.normForm(ofState: name, beside: pair.1) == .rounded ? .types : nil
      }
      if let unfolded = unfolded(.projection(kind), layer) { return unfolded }
      // Two stored scales that no rounding takes to each other excuse nothing.
      if scalesAgree(.projection(kind), layer) == false { return StoredRounding.none }
      return blocks(.projection(kind), layer) ?? pair.0.form(ofLayer: layer, kind, beside: pair.1).map(StepBounds.of)
    }
  }

  /// What the reference adds to the product of a step.
  func bias(of name: String) -> [Float]? {
    StepBounds.projection(name).flatMap { pair.0.addedBias(ofLayer: $0.0, $0.1) }
  }

  private static func of(_ form: StoredForm) -> StoredRounding {
    switch form {
    case .same: .none
    case .rounded: .types
    }
  }

  /// Whether rounding by types explains the scales of a matrix that both sides store as trits; nil where one does not.
  private func scalesAgree(_ part: ModulePart, _ layer: Int?) -> Bool? {
    let scales = [reference, model].compactMap { side -> (scale: TernaryScale, shape: TensorShape)? in
      guard let module = side.model.configuration.architecture.module(part),
        let tensor = side.source.manifest.tensor(named: ModulePlace(module, layer: layer, piece: .weight).name),
        tensor.encoding.isTernary, let scale = try? side.source.scale(of: tensor)
      else { return nil }
      return (scale, tensor.shape)
    }
    guard scales.count == 2, scales[0].shape == scales[1].shape else { return nil }
    let live = LiveUnits(all: ScaleGrid(scales[0].scale.granularity, scales[1].scale.granularity, scales[0].shape))
    return ScaleAgreement(scales[0].scale, scales[1].scale, live, origin: .either).agrees
  }

  /// The coarser of the block types in which the two sides store a matrix; nil for one type, or plain numbers.
  private func blocks(_ part: ModulePart, _ layer: Int?) -> StoredRounding? {
    let names = [reference, model].map { side in blockType(part, layer, side) }
    guard names[0] != names[1] else { return nil }
    return names.compactMap { $0.flatMap(StoredRounding.init(blocks:)) }.max()
  }

  /// How a matrix that one side alone stores rotated is rounded: on the other it was unfolded and stored in another type
  /// than the sums it is made of. Nil where both sides or none are rotated.
  private func unfolded(_ part: ModulePart, _ layer: Int?) -> StoredRounding? {
    let isRotated = [reference, model].map { side in
      guard let view = side.source as? any ModelView, let tensor = matrix(part, layer, side) else { return false }
      return view.rotation(of: tensor) != nil || view.unfoldedBlock(of: tensor) != nil
    }
    return isRotated[0] == isRotated[1] ? nil : max(.types, blocks(part, layer) ?? .types)
  }

  private func matrix(_ part: ModulePart, _ layer: Int?, _ side: RunnableModel) -> TensorDescriptor? {
    let description = side.model.configuration
    let used: ModulePart = part == .head && description.tiesEmbeddings ? .embedding : part
    return description.architecture.module(used).flatMap {
      side.source.manifest.tensor(named: ModulePlace($0, layer: layer, piece: .weight).name)
    }
  }

  private func blockType(_ part: ModulePart, _ layer: Int?, _ side: RunnableModel) -> String? {
    matrix(part, layer, side).flatMap { StepBounds.blockType(of: $0, in: side.source) }
  }

  /// The block type a GGUF file stores a matrix of numbers in; nil for plain numbers and for trits.
  static func blockType(of tensor: TensorDescriptor, in source: any TensorSource) -> String? {
    guard let view = source as? GGUFModelView, case .opaque(let name) = view.stored(tensor).encoding else { return nil }
    return name
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
