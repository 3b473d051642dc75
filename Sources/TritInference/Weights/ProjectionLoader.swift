// Tritsmith: choosing a projection's arithmetic from its tensor and the configuration.

import TritCore
import TritKernels
import TritModel
import TritQuantizers

/// How projections compute, when a user wants another way than the model's own.
public enum ProjectionOverride: String, Sendable, CaseIterable {
  /// As the configuration says; where it is silent, latents as `online` and other dense weights as `plain`.
  case automatic = "auto"
  /// Dense weights as ordinary matrices, whatever the configuration says.
  case plain
  /// Dense weights as latents with int8 activations, made ternary as the family's own tool makes them.
  case online
  /// Dense weights as latents with int8 activations, made ternary in float32 as transformers' `AutoBitLinear` does.
  case onlineFloat32 = "online-float32"
}

/// Where weights are while a model runs.
package enum WeightResidency: String, Sendable, CaseIterable {
  /// Used where the source has them when it has them mapped as they are; else copied to memory once.
  case inPlace = "in-place"
  /// Copied to memory once, whatever the source.
  case copied
}

/// What to do differently when a model is loaded.
package struct LoadOptions: Sendable {
  package var projections: ProjectionOverride
  package var residency: WeightResidency
  /// What is known of the numbers of dense projections.
  package var dense: DenseProjections

  package init(
    projections: ProjectionOverride = .automatic, residency: WeightResidency = .inPlace,
    dense: DenseProjections = .ordinary
  ) {
    self.projections = projections
    self.residency = residency
    self.dense = dense
  }
}

extension TensorBinder {
  /// The projection whose weight stands at a place of the table.
  mutating func projection(
    _ place: ModulePlace, _ description: ModelDescription, _ options: LoadOptions, _ engine: InferenceEngine
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
    let (weights, projectionClass): (Projection.Weights, ProjectionClass)
    switch tensor.encoding {
    case .ternary(let layout):
      guard options.projections == .automatic else {
        throw ModelError(
          .tensorEncoding(
            expected: "dense weights, to compute '\(options.projections.rawValue)'", found: tensor.encoding.name),
          location: location(weight))
      }
      (weights, projectionClass) = try packed(tensor, layout, scheme, bias)
    case .dense, .opaque:
      let dense = try matrix(weight, rows: rows, columns: columns)
      projectionClass = denseClass(module, description, options)
      weights = try denseWeights(dense, projectionClass, module, bias, description.architecture, engine)
    }
    var result = Projection(
      name: place.template.path, rows: rows, columns: columns, inputNorm: nil, weights: weights,
      inputs: projectionClass.quantizesInputs ? .int8 : .none, projectionClass: projectionClass)
    if projectionClass != .linear, !scheme.excludes(module), let epsilon = scheme.inputNormEpsilon {
      result.inputNorm = try norm(piece(.inputNorm), count: columns, epsilon: epsilon)
    }
    result.basis = try basis(of: weight)
    guard result.basis == nil || result.inputs == .none else {
      throw ModelError(
        .contradiction(expected: "inputs as they are, beside rotated weights", found: "inputs rounded to int8"),
        location: location(weight))
    }
    return result
  }

  /// A product with inputs as they are, packed or not.
  mutating func product(_ place: ModulePlace, _ description: ModelDescription) throws -> Projection {
    let shape = description.shape(place.template)
    let tensor = try tensor(place.name, shape)
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    var weights: Projection.Weights
    if tensor.encoding.isTernary {
      switch try packedTokens(tensor) {
      case .grouped(let matrix): weights = .grouped(matrix, bias: nil)
      case .dense(let matrix): weights = .dense(matrix, bias: nil)
      }
    } else {
      weights = .dense(try matrix(place.name, rows: rows, columns: columns), bias: nil)
    }
    var result = Projection(
      name: place.template.path, rows: rows, columns: columns, inputNorm: nil, weights: weights, inputs: .none,
      projectionClass: .linear)
    result.basis = try basis(of: place.name)
    return result
  }

  private func denseClass(
    _ module: String, _ description: ModelDescription, _ options: LoadOptions
  ) -> ProjectionClass {
    let scheme = description.quantization
    if scheme.excludes(module) { return .linear }
    switch options.projections {
    case .automatic: return scheme.denseClass(of: module, options.dense, description.architecture)
    case .plain: return .linear
    case .online: return description.architecture.defaults.onlineProjections
    case .onlineFloat32: return .autoBitLinearOnline
    }
  }

  private mutating func denseWeights(
    _ dense: FloatWeights, _ projectionClass: ProjectionClass, _ module: String, _ bias: [Float]?,
    _ architecture: any Architecture, _ engine: InferenceEngine
  ) throws -> Projection.Weights {
    switch projectionClass {
    case .linear:
      return .dense(dense, bias: bias)
    case .linearQuantizedInput:
      note("dense projections take inputs rounded to int8, as the file says its source does")
      return .dense(dense, bias: bias)
    case .autoBitLinearOnline:
      let latents = try latents(dense, AbsMean.float32, module, engine)
      return latents.weights(of: dense, .weights(of: 1 / latents.inverse), bias)
    case .bitLinearOnline:
      let id = QuantizerID(rawValue: architecture.defaultQuantizer)
      guard let quantizer = QuantizerRegistry.quantizer(id) as? any ThresholdQuantizer else {
        throw ModelError(
          .contradiction(expected: "a quantizer of latents for \(architecture.className)", found: id.rawValue),
          location: location(module + ".weight"))
      }
      let latents = try latents(dense, quantizer, module, engine)
      let stored = BFloat16.rounded(latents.inverse)
      guard stored > 0, stored.isFinite else {
        throw ModelError(
          .scale(expected: "a finite number above 0 to divide by", found: "\(stored)"),
          location: location(module + ".weight"))
      }
      return latents.weights(of: dense, .divide(by: [stored]), bias)
    case .autoBitLinearOffline:
      // Unpacked trits with the scale beside them.
      let scale = try vector(module + ".weight_scale", count: 1)
      guard let value = scale.first, value.isFinite else {
        throw ModelError(
          .scale(expected: "a finite number", found: "\(scale)"), location: location(module + ".weight_scale"))
      }
      return .dense(dense, scale: value, bias: bias)
    case .bitLinear:
      throw ModelError(
        .tensorEncoding(expected: "packed trits (U8), as linear_class bitlinear means", found: "\(dense.element)"),
        location: location(module + ".weight"))
    }
  }

  private mutating func latents(
    _ dense: FloatWeights, _ quantizer: any ThresholdQuantizer, _ module: String, _ engine: InferenceEngine
  ) throws -> TernaryLatents {
    guard let latents = try dense.madeTernary(by: quantizer, engine) else {
      throw ModelError(.notFinite, location: location(module + ".weight"))
    }
    dense.bytes.release()
    note("dense weights are made ternary once, when the model is loaded: \(quantizer.summary)")
    return latents
  }
}

extension TernaryLatents {
  fileprivate func weights(
    of dense: FloatWeights, _ epilogue: ProductEpilogue, _ bias: [Float]?
  ) -> Projection.Weights {
    .ternary(
      .memory(bytes),
      TernaryOperand(rows: dense.rows, columns: dense.columns, order: .splitRows, epilogue: epilogue, bias: bias))
  }
}
