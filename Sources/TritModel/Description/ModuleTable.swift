// Tritsmith: the tensors a description asks for.

import TritCore

/// A tensor a model's description asks for.
package struct ExpectedTensor: Sendable, Hashable {
  package var place: ModulePlace
  /// Rows and columns before packing, or elements.
  package var shape: [Int]
  /// Whether a model cannot do without.
  package var isNeeded = true

  /// Hugging Face's name.
  package var name: String { place.name }
}

extension ModelDescription {
  /// A length of the table, in elements.
  package func count(_ length: ModuleTemplate.Length) -> Int {
    switch length {
    case .vocabulary: vocabularySize
    case .hidden: hiddenSize
    case .intermediate: intermediateSize
    case .queries: attention.queryWidth
    case .keys: attention.keyValueWidth
    case .head: attention.headDimension
    case .gatedQueries: 2 * attention.queryWidth
    case .deltaChannels: deltaNet?.channels ?? 0
    case .deltaValues: deltaNet?.valueWidth ?? 0
    case .deltaHead: deltaNet?.valueDimension ?? 0
    case .deltaHeads: deltaNet?.valueHeads ?? 0
    case .convolution: deltaNet?.convolution ?? 0
    }
  }

  /// What mixes the tokens of a layer.
  package func kind(ofLayer layer: Int) -> LayerKind {
    deltaNet == nil ? .attention : layerPattern.kind(ofLayer: layer)
  }

  /// The modules of a layer's table, or of what stands outside of the layers.
  func modules(ofLayer layer: Int?) -> [ModuleTemplate] {
    architecture.modules.filter { module in
      guard let layer else { return !module.part.isInLayers }
      return module.part.isInLayers && (module.layers.map { $0 == kind(ofLayer: layer) } ?? true)
    }
  }

  /// Rows and columns, or elements, of a module's weight.
  package func shape(_ module: ModuleTemplate) -> [Int] {
    [count(module.rows)] + (module.form == .convolution ? [1] : []) + (module.columns.map { [count($0)] } ?? [])
  }

  /// Whether a module's product has a bias.
  package func hasBias(_ part: ModulePart) -> Bool {
    guard case .projection(let kind) = part else { return false }
    switch kind {
    case .query, .key, .value, .output: return hasAttentionBias
    case .gate, .up, .down: return hasFeedForwardBias
    case .deltaInput, .deltaGate, .deltaOutput: return false
    }
  }

  /// Whether a module has a norm in front of its input quantization.
  func hasInputNorm(_ place: ModulePlace) -> Bool {
    guard case .projection = place.template.part else { return false }
    return quantization.inputNormEpsilon != nil && quantization.projections != .linear
      && !quantization.excludes(place.module)
  }

  /// Tensors in front of the layers and behind them.
  package var tensorsOutsideLayers: [ExpectedTensor] { tensors(ofLayer: nil) }

  /// Tensors of one layer. Of one only: how many there are is the word of a file.
  package func tensors(ofLayer layer: Int) -> [ExpectedTensor] { tensors(ofLayer: layer as Int?) }

  private func tensors(ofLayer layer: Int?) -> [ExpectedTensor] {
    modules(ofLayer: layer).flatMap { module in
      let place = ModulePlace(module, layer: layer, piece: module.piece)
      // A tied head may be stored as well; nothing reads it.
      var result = [
        ExpectedTensor(place: place, shape: shape(module), isNeeded: module.part != .head || !tiesEmbeddings)
      ]
      if hasBias(module.part) {
        result.append(
          ExpectedTensor(place: ModulePlace(module, layer: layer, piece: .bias), shape: [count(module.rows)]))
      }
      if hasInputNorm(place), let columns = module.columns {
        result.append(
          ExpectedTensor(place: ModulePlace(module, layer: layer, piece: .inputNorm), shape: [count(columns)]))
      }
      return result
    }
  }
}
