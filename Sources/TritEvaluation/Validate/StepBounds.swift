// Tritsmith: how far a step may be off, by what its weights are stored in.

import TritCore
import TritInference
import TritLayouts
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

  let reference: RunnableModel
  let model: RunnableModel
  /// How scales agree, by the step, where both sides store trits: `compareScales(of:)`.
  var scales: [String: ScaleAgreement] = [:]
  /// Those that no product holds.
  let vectors: RoundedVectors
  /// Those that run, which may take inputs rounded to int8 where the models' own projections do not.
  private let pair: (LanguageModel, LanguageModel)

  init(
    _ reference: RunnableModel, _ model: RunnableModel, _ vectors: RoundedVectors,
    running pair: (LanguageModel, LanguageModel)
  ) {
    (self.reference, self.model, self.vectors, self.pair) = (reference, model, vectors, pair)
  }

  /// The largest relative error of each unit of a step.
  ///
  /// - Parameters:
  ///   - sizes: Σ p² of each unit of the step.
  ///   - rounding: how its weights were rounded apart: `rounding(_:)`.
  ///   - measured: of its matrix; nil where its numbers were not, or cannot be, held against each other.
  func bounds(
    _ name: String, _ sizes: [Double], _ rounding: StoredRounding?, _ measured: MatrixRounding?
  ) -> UnitBounds {
    guard let rounding else { return UnitBounds(StepBounds.exact) }
    if rounding == .none { return .sums(sizes) }
    guard rounding.isOfNumbers else {
      guard let measured, measured.blocks == .proven else { return .blocks(rounding.stepBound, sizes) }
      return name == "embed" ? measured.boundsOfColumns(sizes) : measured.boundsOfRows(sizes)
    }
    guard place(name) != nil else { return UnitBounds(rounding.stepBound) }
    // Numbers that were not looked at may have been of another type before.
    guard let measured else { return UnitBounds(StoredRounding.bf16.stepBound) }
    // Two numbers that no rounding takes to each other excuse nothing.
    guard measured.isExplained else {
      return .sums(sizes, suspect: name == "embed" ? nil : measured.strangeRow)
    }
    return name == "embed" ? measured.boundsOfColumns(sizes) : measured.boundsOfRows(sizes)
  }

  /// How the weights of a step were rounded apart; nil for one without a matrix.
  func rounding(_ name: String) -> StoredRounding? {
    guard let (part, layer) = place(name) else {
      // Equal norms give equal bits.
      return pair.0.normForm(ofState: name, beside: pair.1) == .rounded ? .f16 : nil
    }
    if let unfolded = unfolded(part, layer) { return unfolded }
    // Two stored scales that no rounding takes to each other excuse nothing.
    if layer != nil, scales[name]?.agrees == false { return StoredRounding.none }
    if let blocks = blocks(part, layer) { return blocks }
    return form(part, layer).map { $0 == .same ? .none : types(part, layer) }
  }

  /// Whether both sides store a matrix in one type, which on one side may hold what another type had rounded before.
  func mayHoldOtherNumbers(_ name: String) -> Bool {
    guard let (part, layer) = place(name), unfolded(part, layer) == nil, blocks(part, layer) == nil else {
      return false
    }
    return scales[name]?.agrees != false && form(part, layer) == .same
  }

  /// Whether both sides store the matrix of a step as Floats, of which the next one is another number.
  func areFloats(_ name: String) -> Bool {
    guard let (part, layer) = place(name) else { return false }
    return sources.allSatisfy { source in
      matrix(part, layer, source).map { source.storedInGGUF($0).encoding.dtype == .f32 } ?? false
    }
  }

  /// The coarsest type of 16 bits that the matrix of a step is stored in.
  func types(_ name: String) -> StoredRounding? { place(name).map { types($0.0, $0.layer) } }

  /// What the reference adds to the product of a step.
  func bias(of name: String) -> [Float]? {
    StepBounds.projection(name).flatMap { pair.0.addedBias(ofLayer: $0.0, $0.1) }
  }

  var sources: [any TensorSource] { [reference.source, model.source] }

  /// Nil where one side lacks the matrix, or a delta net's small matrices are stored in one type: those give equal bits.
  private func form(_ part: ModulePart, _ layer: Int?) -> StoredForm? {
    switch part {
    case .embedding: return pair.0.embeddingForm(beside: pair.1)
    case .head: return pair.0.headForm(beside: pair.1)
    case .projection(let kind): return pair.0.form(ofLayer: layer ?? 0, kind, beside: pair.1)
    default:
      let types = sources.map { matrix(part, layer, $0)?.encoding.dtype }
      return types[0] == types[1] ? nil : .rounded
    }
  }

  /// The coarsest type of 16 bits that a matrix is stored in.
  private func types(_ part: ModulePart, _ layer: Int?) -> StoredRounding {
    let types = sources.compactMap { source in
      matrix(part, layer, source).map { tensor in
        let stored = source.storedInGGUF(tensor)
        return stored.encoding.dtype ?? stored.scale?.storage
      }
    }
    return types.contains(.f16) && !types.contains(.bf16) ? .f16 : .bf16
  }

  /// The coarser of the block types in which the two sides store a matrix; nil for one type, or plain numbers.
  func blocks(_ part: ModulePart, _ layer: Int?) -> StoredRounding? {
    let names = sources.map { source in
      matrix(part, layer, source).flatMap { StepBounds.blockType(of: $0, in: source) }
    }
    guard names[0] != names[1] else { return nil }
    return names.compactMap { $0.flatMap(StoredRounding.init(blocks:)) }.max()
  }

  /// How a matrix that one side alone stores rotated is rounded: on the other it was unfolded and stored in another type
  /// than the sums it is made of. Nil where both sides or none are rotated.
  func unfolded(_ part: ModulePart, _ layer: Int?) -> StoredRounding? {
    let isRotated = sources.map { source in
      guard let view = source as? any ModelView, let tensor = matrix(part, layer, source) else { return false }
      return view.rotation(of: tensor) != nil || view.unfoldedBlock(of: tensor) != nil
    }
    return isRotated[0] == isRotated[1] ? nil : blocks(part, layer) ?? types(part, layer)
  }

  func matrix(_ part: ModulePart, _ layer: Int?, _ source: any TensorSource) -> TensorDescriptor? {
    let description = reference.model.configuration
    let used: ModulePart = part == .head && description.tiesEmbeddings ? .embedding : part
    return description.architecture.module(used).flatMap {
      source.manifest.tensor(named: ModulePlace($0, layer: layer, piece: .weight).name)
    }
  }

  /// The block type a GGUF file stores a matrix of numbers in; nil for plain numbers and for trits.
  static func blockType(of tensor: TensorDescriptor, in source: any TensorSource) -> String? {
    guard let view = source as? GGUFModelView, case .opaque(let name) = view.stored(tensor).encoding else { return nil }
    return name
  }

  /// The matrix of a step: `block3.mlp.up_proj` is `up_proj` of layer 3; `block3.self_attn` has none.
  func place(_ name: String) -> (ModulePart, layer: Int?)? {
    if name == "embed" { return (.embedding, nil) }
    if name == "logits" { return (.head, nil) }
    if let (layer, kind) = StepBounds.projection(name) { return (.projection(kind), layer) }
    guard let (layer, state) = StepBounds.layer(of: name) else { return nil }
    let table = reference.model.configuration.architecture
    let small: [ModulePart] = [.decay, .rate]
    return small.first { table.module($0)?.path == state }.map { ($0, layer) }
  }

  private static func projection(_ name: String) -> (Int, ProjectionKind)? {
    guard let (layer, state) = layer(of: name) else { return nil }
    let parts = state.split(separator: ".")
    guard parts.count == 2, let kind = ProjectionKind(rawValue: String(parts[1])) else { return nil }
    return (layer, kind)
  }

  /// The layer of a state and its name there: 3 and "mlp.up_proj" of `block3.mlp.up_proj`; nil outside layers.
  static func layer(of name: String) -> (Int, state: String)? {
    let parts = name.split(separator: ".", maxSplits: 1)
    guard parts.count == 2, parts[0].hasPrefix("block"), let layer = Int(parts[0].dropFirst(5)) else { return nil }
    return (layer, String(parts[1]))
  }
}
