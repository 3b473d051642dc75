// Tritsmith: a decoder with its weights.

import TritCore
import TritFormats
import TritKernels
import TritModel

/// Weights of attention.
struct AttentionWeights: Sendable {
  var query: Projection
  var key: Projection
  var value: Projection
  var queryNorm: NormWeights?
  var keyNorm: NormWeights?
  var subNorm: NormWeights?
  var output: Projection
  /// Whether the query projection holds what the output is gated by, too.
  var isGated: Bool
}

/// Weights of a gated delta net.
struct DeltaNetWeights: Sendable {
  /// Query, key and value in one.
  var input: Projection
  var gate: Projection
  var rate: Projection
  var decay: Projection
  var decayLog: [Float]
  var decayBias: [Float]
  /// `[channels, convolution]`.
  var convolution: [Float]
  var norm: NormWeights
  var output: Projection
}

/// What mixes the tokens of a layer.
enum TokenMixer: Sendable {
  case attention(AttentionWeights)
  case deltaNet(DeltaNetWeights, DeltaNetShape)

  var isAttention: Bool {
    if case .attention = self { true } else { false }
  }
}

/// A block of a decoder.
struct DecoderLayer: Sendable {
  var inputNorm: NormWeights
  var mixer: TokenMixer
  var feedForwardNorm: NormWeights
  var gate: Projection
  var up: Projection
  var feedForwardSubNorm: NormWeights?
  var down: Projection

  /// Every projection, those without a kind too.
  var projections: [Projection] {
    switch mixer {
    case .attention(let a): [a.query, a.key, a.value, a.output, gate, up, down]
    case .deltaNet(let net, _): [net.input, net.gate, net.rate, net.decay, net.output, gate, up, down]
    }
  }

  /// Nil for a kind the layer has not.
  subscript(kind: ProjectionKind) -> Projection? {
    get {
      switch (kind, mixer) {
      case (.query, .attention(let weights)): weights.query
      case (.key, .attention(let weights)): weights.key
      case (.value, .attention(let weights)): weights.value
      case (.output, .attention(let weights)): weights.output
      case (.deltaInput, .deltaNet(let net, _)): net.input
      case (.deltaGate, .deltaNet(let net, _)): net.gate
      case (.deltaOutput, .deltaNet(let net, _)): net.output
      case (.gate, _): gate
      case (.up, _): up
      case (.down, _): down
      default: nil
      }
    }
    set {
      guard let newValue else { return }
      switch kind {
      case .gate: gate = newValue
      case .up: up = newValue
      case .down: down = newValue
      default:
        switch mixer {
        case .attention(var weights):
          switch kind {
          case .query: weights.query = newValue
          case .key: weights.key = newValue
          case .value: weights.value = newValue
          case .output: weights.output = newValue
          default: return
          }
          mixer = .attention(weights)
        case .deltaNet(var net, let shape):
          switch kind {
          case .deltaInput: net.input = newValue
          case .deltaGate: net.gate = newValue
          case .deltaOutput: net.output = newValue
          default: return
          }
          mixer = .deltaNet(net, shape)
        }
      }
    }
  }

  /// The same with another epsilon in every norm.
  func with(epsilon: Float) -> DecoderLayer {
    var result = self
    result.inputNorm.epsilon = epsilon
    result.feedForwardNorm.epsilon = epsilon
    result.feedForwardSubNorm?.epsilon = epsilon
    switch mixer {
    case .attention(var weights):
      weights.queryNorm?.epsilon = epsilon
      weights.keyNorm?.epsilon = epsilon
      weights.subNorm?.epsilon = epsilon
      result.mixer = .attention(weights)
    case .deltaNet(var net, let shape):
      net.norm.epsilon = epsilon
      result.mixer = .deltaNet(net, shape)
    }
    return result
  }
}

/// A decoder: configuration and weights, checked against each other. Sessions share it.
///
/// Packed and dense weights stay in their source and are read in place (see `WeightResidency`). Norms, latents that are
/// made ternary, packings other than two bits a trit, and trits with scales of groups are held in memory.
///
///     let engine = try InferenceEngine(threads: 2)
///     let model = try LanguageModel(source, engine: engine)
///     let session = try Session(model, mode: .fast, engine: engine)
///     let logits = try session.prefill([1, 47, 287])
package struct LanguageModel: Sendable {
  package private(set) var configuration: ModelDescription
  /// Things done to the weights, and settings assumed, that a user should know.
  package let notes: [String]
  let embedding: TokenWeights
  private(set) var layers: [DecoderLayer]
  private(set) var finalNorm: NormWeights
  /// The embedding itself when embeddings are tied.
  let head: TokenWeights
  /// The bases of embedding and head where they are stored rotated.
  let embeddingBasis: WeightBasis?
  let headBasis: WeightBasis?

  /// Reads the configuration of a source and finds every tensor.
  ///
  /// - Throws: `ModelError` for a configuration or tensors that do not describe a model of a known class, and what the
  ///   source throws when it cannot be read.
  package init(_ source: any TensorSource, options: LoadOptions = LoadOptions(), engine: InferenceEngine) throws {
    try self.init(source, ModelDescription.read(source), options: options, engine: engine)
  }

  /// The same with a configuration of the caller's.
  package init(
    _ source: any TensorSource, _ configuration: ModelDescription, options: LoadOptions = LoadOptions(),
    engine: InferenceEngine
  ) throws {
    var binder = TensorBinder(source, engine, options.residency)
    var modules = ModuleBinder(configuration, options, engine, layer: nil)
    // Tied, the embedding is the head as well, which every token reads whole.
    embedding = try modules.tokens(.embedding, &binder, isTable: !configuration.tiesEmbeddings)
    // Not `map`: the number comes from the file, and the first missing tensor must end the loop.
    var layers: [DecoderLayer] = []
    for index in 0..<configuration.layers {
      modules.layer = index
      layers.append(try LanguageModel.layer(modules, &binder))
    }
    modules.layer = nil
    self.layers = layers
    finalNorm = try modules.norm(.finalNorm, &binder)
    embeddingBasis = try binder.basis(of: modules.place(.embedding).name)
    if configuration.tiesEmbeddings {
      head = embedding
      headBasis = embeddingBasis
      // One of the same numbers is the same head.
      try TiedHead.check(source, configuration)
      let name = try modules.place(.head).name
      if binder.has(name) {
        binder.markUsed(name)
        binder.note("\(name) is not used: the configuration ties it to the embeddings")
      }
    } else {
      head = try modules.tokens(.head, &binder)
      headBasis = try binder.basis(of: modules.place(.head).name)
    }
    if configuration.quantization.convertsHead, case .dense = head {
      throw ModelError(
        .contradiction(
          expected: "\"\(HFQuantization.head)\" in the list, since the head is no ternary layer",
          found: "a list that does not name it"),
        location: ErrorLocation(
          file: source.manifest.path, field: "\(MLXQuantization.copyKey).\(HFQuantization.listKey)"))
    }
    try binder.finish()
    self.configuration = configuration
    notes = configuration.assumed.map { "assumed \($0)" } + binder.notes
  }

  private static func layer(_ modules: ModuleBinder, _ binder: inout TensorBinder) throws -> DecoderLayer {
    func project(_ kind: ProjectionKind) throws -> Projection { try modules.projection(kind, &binder) }
    return DecoderLayer(
      inputNorm: try modules.norm(.inputNorm, &binder), mixer: try mixer(modules, &binder),
      feedForwardNorm: try modules.norm(.feedForwardNorm, &binder),
      gate: try project(.gate), up: try project(.up),
      feedForwardSubNorm: try modules.optionalNorm(.feedForwardSubNorm, &binder),
      down: try project(.down))
  }

  private static func mixer(_ modules: ModuleBinder, _ binder: inout TensorBinder) throws -> TokenMixer {
    func project(_ kind: ProjectionKind) throws -> Projection { try modules.projection(kind, &binder) }
    guard let shape = modules.deltaNet else {
      return .attention(
        AttentionWeights(
          query: try project(.query), key: try project(.key), value: try project(.value),
          queryNorm: try modules.optionalNorm(.queryNorm, &binder),
          keyNorm: try modules.optionalNorm(.keyNorm, &binder),
          subNorm: try modules.optionalNorm(.attentionSubNorm, &binder),
          output: try project(.output), isGated: try modules.place(.projection(.query)).template.rows == .gatedQueries))
    }
    return .deltaNet(
      DeltaNetWeights(
        input: try project(.deltaInput), gate: try project(.deltaGate),
        rate: try modules.product(.rate, &binder), decay: try modules.product(.decay, &binder),
        decayLog: try modules.numbers(.decayLog, &binder), decayBias: try modules.numbers(.decayBias, &binder),
        convolution: try modules.numbers(.convolution, &binder), norm: try modules.norm(.deltaNorm, &binder),
        output: try project(.deltaOutput)),
      shape)
  }

  /// The kinds of projections its layers have, in the order of the list.
  package var projectionKinds: [ProjectionKind] {
    ProjectionKind.allCases.filter { kind in layers.contains { $0[kind] != nil } }
  }

  /// Projections of all layers that have a kind.
  package var projectionCount: Int {
    layers.reduce(0) { count, layer in count + ProjectionKind.allCases.count { layer[$0] != nil } }
  }

  /// The first layer of each kind: one, or of a hybrid the first delta net and the first attention, ascending.
  package var firstLayersOfKinds: [Int] {
    [true, false].compactMap { kind in layers.firstIndex { $0.mixer.isAttention == kind } }.sorted()
  }

  /// Whether no projection rounds its inputs to int8.
  package var roundsNoInputs: Bool { layers.allSatisfy { $0.projections.allSatisfy { $0.inputs == .none } } }

  /// The classes its projections compute as, each once, in order of first use.
  package var projectionClasses: [ProjectionClass] {
    var result: [ProjectionClass] = []
    for projection in layers.flatMap(\.projections) where !result.contains(projection.projectionClass) {
      result.append(projection.projectionClass)
    }
    return result
  }

  /// Columns that share an activation scale in fast arithmetic where the model does not round inputs at all: its
  /// products with group scales, at most. Nil where there are none.
  package var roundedGroups: Int? { roundedGroupsOfProducts.compactMap(\.self).max() }

  /// The same of every product, projections in order and the head behind them; nil for one that does not round so.
  package var roundedGroupsOfProducts: [Int?] {
    let groups = layers.flatMap(\.projections).map { projection -> Int? in
      guard case .grouped(let matrix, _) = projection.weights, projection.inputs == .none else { return nil }
      return matrix.shape.groupColumns
    }
    if case .grouped(let matrix) = head { return groups + [matrix.shape.groupColumns] }
    return groups + [nil]
  }

  /// Bytes of weights that one decoded token reads: every projection and the head.
  package var weightBytesPerToken: Int {
    layers.flatMap(\.projections).reduce(head.byteCount) { total, projection in
      switch projection.weights {
      case .dense(let weights, _, _): total + weights.byteCount
      case .ternary(_, let operand): total + operand.order.byteCount(rows: operand.rows, columns: operand.columns)
      case .grouped(let matrix, _): total + matrix.byteCount
      }
    }
  }
}

extension LanguageModel {
  /// This model with some projections of another in place of its own.
  ///
  /// Weights are shared with both models, none is copied; embeddings, norms and head stay this model's.
  ///
  /// - Throws: `ModelError` when the other model has fewer layers, or a projection of another shape.
  package func taking(
    from other: LanguageModel, where isTaken: (_ layer: Int, _ kind: ProjectionKind) -> Bool
  ) throws(ModelError) -> LanguageModel {
    var result = self
    for layer in layers.indices {
      for kind in ProjectionKind.allCases where isTaken(layer, kind) {
        guard layer < other.layers.count else {
          throw ModelError(
            .contradiction(expected: "\(layers.count) layers in both models", found: "\(other.layers.count)"))
        }
        // Layers of another kind have other projections, and lack these.
        guard let old = layers[layer][kind] else { continue }
        guard let new = other.layers[layer][kind] else {
          throw ModelError(
            .contradiction(expected: "\(old.name) in layer \(layer) of both models", found: "none in the other"))
        }
        guard old.rows == new.rows, old.columns == new.columns else {
          throw ModelError(
            .contradiction(
              expected: "\(old.name) of layer \(layer) with shape [\(old.rows), \(old.columns)]",
              found: "[\(new.rows), \(new.columns)]"))
        }
        result.layers[layer][kind] = new
      }
    }
    return result
  }
}

extension LanguageModel {
  /// This model with inputs rounded to int8 also where only those of another model are.
  ///
  /// Two forms of one model that differ in nothing but this then compute the same. Weights are shared.
  ///
  /// - Returns: nil when no projection changes.
  package func roundingInputs(as other: LanguageModel) -> LanguageModel? { taking(.int8, from: other) }

  /// This model without rounding inputs where those of another model are not rounded; nil when no projection changes.
  package func plainInputs(as other: LanguageModel) -> LanguageModel? { taking(.none, from: other) }

  private func taking(_ inputs: InputRounding, from other: LanguageModel) -> LanguageModel? {
    var result = self
    var isChanged = false
    for layer in layers.indices where layer < other.layers.count {
      for kind in ProjectionKind.allCases
      where layers[layer][kind].map({ $0.inputs != inputs }) == true && other.layers[layer][kind]?.inputs == inputs {
        result.layers[layer][kind]?.inputs = inputs
        isChanged = true
      }
    }
    return isChanged ? result : nil
  }
}

extension LanguageModel {
  /// Numbers of a layer's delta net that no product holds: taps of its convolution, row by row, or what its decay is made
  /// of besides; nil for another part, and for a layer without a delta net.
  package func deltaNumbers(_ part: ModulePart, ofLayer index: Int) -> [Float]? {
    guard layers.indices.contains(index), case .deltaNet(let net, _) = layers[index].mixer else { return nil }
    return switch part {
    case .convolution: net.convolution
    case .decayLog: net.decayLog
    case .decayBias: net.decayBias
    default: nil
    }
  }

  /// Puts such numbers of another model in the place of its own, which must be as many.
  package mutating func takeDeltaNumbers(_ part: ModulePart, ofLayer index: Int, from other: LanguageModel) {
    guard let values = other.deltaNumbers(part, ofLayer: index),
      values.count == deltaNumbers(part, ofLayer: index)?.count,
      case .deltaNet(var net, let shape) = layers[index].mixer
    else { return }
    switch part {
    case .convolution: net.convolution = values
    case .decayLog: net.decayLog = values
    case .decayBias: net.decayBias = values
    default: return
    }
    layers[index].mixer = .deltaNet(net, shape)
  }
}

extension LanguageModel {
  /// This model computing with the settings of another: rotary embedding, epsilon, activation, how widths are cut into
  /// heads. Weights are shared.
  ///
  /// - Returns: nil where those settings ask for other tensors than this model has.
  package func withSettings(of other: LanguageModel) -> LanguageModel? {
    let (mine, theirs) = (configuration, other.configuration)
    guard mine.architecture.className == theirs.architecture.className, mine.layers == theirs.layers,
      mine.hiddenSize == theirs.hiddenSize, mine.intermediateSize == theirs.intermediateSize,
      mine.vocabularySize == theirs.vocabularySize, mine.attention.queryWidth == theirs.attention.queryWidth,
      mine.attention.keyValueWidth == theirs.attention.keyValueWidth, mine.tiesEmbeddings == theirs.tiesEmbeddings,
      mine.architecture.module(.queryNorm) == nil || mine.attention.headDimension == theirs.attention.headDimension,
      mine.hasAttentionBias == theirs.hasAttentionBias, mine.hasFeedForwardBias == theirs.hasFeedForwardBias,
      mine.quantization.inputNormEpsilon == theirs.quantization.inputNormEpsilon,
      // Weights of a delta net say its sizes.
      mine.deltaNet == nil && theirs.deltaNet == nil
        || mine.deltaNet == theirs.deltaNet && mine.layerPattern == theirs.layerPattern
    else { return nil }
    var result = self
    result.configuration = theirs
    result.finalNorm.epsilon = theirs.normEpsilon
    result.layers = layers.map { $0.with(epsilon: theirs.normEpsilon) }
    return result
  }
}
