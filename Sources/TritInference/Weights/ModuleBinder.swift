// Tritsmith: weights by what they do, found by the table of a family.

import TritCore
import TritKernels
import TritModel

/// Finds the weights of modules, outside of the layers or in one of them.
struct ModuleBinder {
  let description: ModelDescription
  let options: LoadOptions
  let engine: InferenceEngine
  /// Nil outside of the layers.
  var layer: Int?

  init(_ description: ModelDescription, _ options: LoadOptions, _ engine: InferenceEngine, layer: Int?) {
    self.description = description
    self.options = options
    self.engine = engine
    self.layer = layer
  }

  /// Where a module's weight stands.
  ///
  /// - Throws: `ModelError` for a part the family has not, which only a faulty table leads to.
  func place(_ part: ModulePart) throws(ModelError) -> ModulePlace {
    guard let module = description.architecture.module(part) else {
      throw ModelError(
        .contradiction(expected: "a family with a module '\(part)'", found: description.architecture.family))
    }
    return ModulePlace(module, layer: layer, piece: module.piece)
  }

  /// The embedding or the head; a table is one of which a token reads a single row.
  func tokens(_ part: ModulePart, _ binder: inout TensorBinder, isTable: Bool = false) throws -> TokenWeights {
    let place = try place(part)
    let shape = description.shape(place.template)
    let tensor = try binder.tensor(place.name, shape)
    if tensor.encoding.isTernary { return try binder.packedTokens(tensor) }
    return .dense(
      isTable
        ? try binder.table(place.name, rows: shape[0], columns: shape[1])
        : try binder.matrix(place.name, rows: shape[0], columns: shape[1]))
  }

  func norm(_ part: ModulePart, _ binder: inout TensorBinder) throws -> NormWeights {
    let place = try place(part)
    var result = try binder.norm(
      place.name, count: description.count(place.template.rows), epsilon: description.normEpsilon)
    if part != .deltaNorm, description.architecture.normWeights == .aboveOne {
      result.values = result.values.map { 1 + $0 }
    }
    return result
  }

  /// The sizes of the delta net of this layer; nil for a layer with attention.
  var deltaNet: DeltaNetShape? {
    layer.map { description.kind(ofLayer: $0) } == .deltaNet ? description.deltaNet : nil
  }

  /// The numbers of a small tensor, widened.
  func numbers(_ part: ModulePart, _ binder: inout TensorBinder) throws -> [Float] {
    let place = try place(part)
    return try binder.numbers(place.name, description.shape(place.template))
  }

  /// An ordinary product, whatever projections compute.
  func product(_ part: ModulePart, _ binder: inout TensorBinder) throws -> Projection {
    try binder.product(place(part), description)
  }

  /// Nil for a family that has no such norm.
  func optionalNorm(_ part: ModulePart, _ binder: inout TensorBinder) throws -> NormWeights? {
    try description.architecture.module(part).map { _ in try norm(part, &binder) }
  }

  func projection(_ kind: ProjectionKind, _ binder: inout TensorBinder) throws -> Projection {
    try binder.projection(place(.projection(kind)), description, options, engine)
  }
}
