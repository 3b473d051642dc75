// Tritsmith: choosing a projection's arithmetic from its tensor and the configuration.

import TritCore
import TritKernels

/// How projections compute, when a user wants another way than the configuration's.
public enum ProjectionOverride: String, Sendable, CaseIterable {
  /// As the configuration says.
  case asConfigured = "as-configured"
  /// Dense weights as ordinary matrices, whatever the configuration says.
  case plain
  /// Dense weights as latents, made ternary by absmean in float32, with int8 activations.
  case online
}

/// Where weights are while a model runs.
public enum WeightResidency: String, Sendable, CaseIterable {
  /// Used where the source has them when it has them mapped as they are; else copied to memory once.
  case inPlace = "in-place"
  /// Copied to memory once, whatever the source.
  case copied
}

/// What to do differently when a model is loaded.
public struct LoadOptions: Sendable {
  public var projections: ProjectionOverride
  public var residency: WeightResidency

  public init(projections: ProjectionOverride = .asConfigured, residency: WeightResidency = .inPlace) {
    self.projections = projections
    self.residency = residency
  }
}

extension TensorBinder {
  /// The projection whose weight stands at a place of the table.
  mutating func projection(
    _ place: ModulePlace, _ description: ModelDescription, _ override: ProjectionOverride, _ engine: InferenceEngine
  ) throws -> Projection {
    let module = place.module
    let weight = place.name
    let shape = description.shape(place.template)
    let tensor = try tensor(weight, shape)
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    func piece(_ piece: ModulePlace.Piece) -> String {
      ModulePlace(place.template, layer: place.layer, piece: piece).name
    }
    let bias = description.hasBias(place.template.part) ? try vector(piece(.bias), count: rows) : nil
    let scheme = description.quantization
    let excluded = scheme.excludes(module)

    var result = Projection(
      name: place.template.path, rows: rows, columns: columns, inputNorm: nil,
      weights: .ternary(
        .memory([]), TernaryOperand(rows: 0, columns: 0, order: .splitRows, epilogue: .weights(of: 1))),
      projectionClass: .linear)
    switch tensor.encoding {
    case .ternary(let layout):
      guard override == .asConfigured else {
        throw ModelError(
          .tensorEncoding(expected: "dense weights, to compute '\(override.rawValue)'", found: tensor.encoding.name),
          location: location(weight))
      }
      if let expanded = try expandedPlanes(tensor) {
        result.weights = .denseQuantizedInput(expanded, scale: 1, bias: bias)
        result.projectionClass = .autoBitLinearOffline
      } else {
        let (bytes, operand, projectionClass) = try ternary(tensor, layout, rows: rows, columns: columns, bias: bias)
        result.weights = .ternary(bytes, operand)
        result.projectionClass = projectionClass
      }
    case .dense, .opaque:
      let dense = try matrix(weight, rows: rows, columns: columns)
      let wanted: ProjectionClass =
        switch override {
        case .asConfigured: excluded ? .linear : scheme.projections
        case .plain: .linear
        case .online: excluded ? .linear : .autoBitLinearOnline
        }
      result.projectionClass = wanted
      result.weights = try denseWeights(dense, wanted, module, rows: rows, bias, engine)
    }
    if result.projectionClass != .linear, !excluded, let epsilon = scheme.inputNormEpsilon {
      result.inputNorm = try norm(piece(.inputNorm), count: columns, epsilon: epsilon)
    }
    return result
  }

  private mutating func denseWeights(
    _ dense: FloatWeights, _ projectionClass: ProjectionClass, _ module: String, rows: Int, _ bias: [Float]?,
    _ engine: InferenceEngine
  ) throws -> Projection.Weights {
    switch projectionClass {
    case .linear:
      return .dense(dense, bias: bias)
    case .autoBitLinearOnline:
      guard
        let latents = try dense.withBytes({
          engine.quantizeLatents($0, dense.element, rows: dense.rows, columns: dense.columns)
        })
      else { throw ModelError(.notFinite, location: location(module + ".weight")) }
      dense.bytes.release()
      note("latent weights are made ternary (absmean, float32) once, when the model is loaded")
      return .ternary(
        .memory(latents.bytes),
        TernaryOperand(
          rows: dense.rows, columns: dense.columns, order: .splitRows, epilogue: .weights(of: latents.value),
          bias: bias))
    case .autoBitLinearOffline:
      // Unpacked trits with the scale beside them.
      let scale = try vector(module + ".weight_scale", count: 1)
      guard let value = scale.first, value.isFinite else {
        throw ModelError(
          .scale(expected: "a finite number", found: "\(scale)"), location: location(module + ".weight_scale"))
      }
      return .denseQuantizedInput(dense, scale: value, bias: bias)
    case .bitLinear:
      throw ModelError(
        .tensorEncoding(expected: "packed trits (U8), as linear_class bitlinear means", found: "\(dense.element)"),
        location: location(module + ".weight"))
    }
  }
}
