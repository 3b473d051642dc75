// Tritsmith: what a model is, as one value.

import TritCore
import TritKernels

/// Token ids with a meaning, as the configuration states them.
package struct SpecialTokens: Sendable, Hashable {
  /// What a token is for.
  package enum Role: String, Sendable, Hashable, CaseIterable {
    case begin = "bos_token_id"
    case end = "eos_token_id"
    case padding = "pad_token_id"
  }

  package var begin: Int?
  /// Any of them ends a text.
  package var end: [Int]
  /// Nil where there is none: old configurations say −1.
  package var padding: Int?
  /// Roles the file says nothing of, for which loaders take the tokens of the class. Null says that there is none.
  package var unstated: Set<Role>

  package init(begin: Int? = nil, end: [Int] = [], padding: Int? = nil, unstated: Set<Role> = []) {
    self.begin = begin
    self.end = end
    self.padding = padding
    self.unstated = unstated
  }

  /// The ids of a role; empty where there is none.
  package subscript(_ role: Role) -> [Int] {
    switch role {
    case .begin: begin.map { [$0] } ?? []
    case .end: end
    case .padding: padding.map { [$0] } ?? []
    }
  }
}

/// What a decoder multiplies its residual stream by; 1 where it does not.
package struct StreamMultipliers: Sendable, Hashable {
  /// Embeddings are multiplied by it.
  package var embedding: Float
  /// What every sub-block adds is multiplied by it.
  package var residual: Float
  /// What the head multiplies is divided by it.
  package var headDivisor: Float

  package init(embedding: Float = 1, residual: Float = 1, headDivisor: Float = 1) {
    self.embedding = embedding
    self.residual = residual
    self.headDivisor = headDivisor
  }
}

/// What a model is, whatever file it came from: with the bytes of its tensors, enough to compute logits.
///
/// One reader for each container makes it, one writer says it completely or refuses. Commands that compute, convert or
/// prove go by this value alone.
package struct ModelDescription: Sendable {
  package var architecture: any Architecture
  package var hiddenSize: Int
  package var intermediateSize: Int
  package var layers: Int
  package var attention: AttentionShape
  /// Which layers have a delta net in the place of attention, and its sizes; nil where none has.
  package var layerPattern = LayerPattern.every(1)
  package var deltaNet: DeltaNetShape?
  /// Rows of the embedding and of the head.
  package var vocabularySize: Int
  /// Tokens the model was made for.
  package var contextLength: Int
  /// Added to the mean square of every norm.
  package var normEpsilon: Float
  package var activation: GateActivation
  /// Whether the head is the embedding.
  package var tiesEmbeddings: Bool
  package var hasAttentionBias: Bool
  package var hasFeedForwardBias: Bool
  package var rotary: RotaryEmbedding
  package var multipliers = StreamMultipliers()
  /// How projections compute, and which the configuration leaves alone.
  package var quantization: QuantizationScheme
  package var specialTokens: SpecialTokens
  /// How the tensors are rotated that stand for the weights; nil where they are the weights.
  package var rotation: WeightRotation?
  /// Settings the file leaves out, with the default taken: "rope_theta = 10000.0".
  package var assumed: [String]

  /// What a container says of a model.
  package struct Reading {
    /// As far as it is understood: sizes, names and shapes of tensors are.
    package var description: ModelDescription
    /// The first setting that is not: whoever computes with the model or writes it in another form must throw it.
    package var problem: ModelError?
  }

  /// The description of an opened model, whatever its container.
  ///
  /// - Parameter chosen: the family to go by instead of the one a `config.json` names.
  /// - Throws: `ModelError` for the first setting that is missing or not understood: any could change logits.
  package static func read(
    _ source: any TensorSource, architecture chosen: (any Architecture)? = nil
  ) throws(ModelError) -> ModelDescription {
    let reading = try reading(source, architecture: chosen)
    if let problem = reading.problem { throw problem }
    return reading.description
  }

  /// The same as far as it is understood.
  ///
  /// - Throws: `ModelError` where the family is not known or its sizes cannot be read.
  package static func reading(
    _ source: any TensorSource, architecture chosen: (any Architecture)? = nil
  ) throws(ModelError) -> Reading {
    if let view = source as? GGUFModelView { return try view.descriptionReading() }
    var result = try configured(source, architecture: chosen)
    // A configuration without an entry says nothing of packed trits, as a GGUF file without our keys does not.
    let description = result.description
    if description.architecture.defaults.packedProjections == .linear, description.quantization.projections == .linear,
      source.manifest.tensors.contains(where: { $0.encoding.isTernary })
    {
      result.description.quantization.isWeightOnly = true
    }
    return result
  }

  /// What `config.json` says.
  private static func configured(
    _ source: any TensorSource, architecture chosen: (any Architecture)?
  ) throws(ModelError) -> Reading {
    if let view = source as? CheckpointView { return try view.descriptionReading(architecture: chosen) }
    let manifest = source.manifest
    guard let object = manifest.configuration else {
      throw ModelError(.noConfiguration, file: manifest.path)
    }
    let file = FileSystem.join(manifest.path, "config.json")
    if let rotation = try MLXRotation(object, file: file) {
      throw ModelError(
        .rotatedModules(count: rotation.modules.count { $0.blockSize > 0 }), file: file, field: "modules")
    }
    return try HuggingFaceDescription.reading(object, file: file, architecture: chosen)
  }
}

// MARK: - Comparing

/// A setting two models do not share.
package struct DescriptionDifference: Sendable, Hashable {
  /// By its name in `config.json`.
  package var key: String
  package var first: String
  package var second: String

  package init(key: String, first: String, second: String) {
    self.key = key
    self.first = first
    self.second = second
  }
}

extension ModelDescription {
  /// Every setting that changes logits, by its name in `config.json`.
  ///
  /// Where a graph computes in Float, so does the text: a GGUF file holds the same number then. How projections compute
  /// is not among them: a file of another form of the same weights computes in another arithmetic by design.
  var settings: [(key: String, value: String)] {
    [
      ("architectures", architecture.className), ("hidden_size", "\(hiddenSize)"),
      ("intermediate_size", "\(intermediateSize)"), ("num_hidden_layers", "\(layers)"),
      ("num_attention_heads", "\(attention.heads)"), ("num_key_value_heads", "\(attention.keyValueHeads)"),
      ("head_dim", "\(attention.headDimension)"), ("vocab_size", "\(vocabularySize)"),
      ("max_position_embeddings", "\(contextLength)"), ("rms_norm_eps", "\(normEpsilon)"),
      ("hidden_act", activation.rawValue), ("tie_word_embeddings", "\(tiesEmbeddings)"),
      ("attention_bias", "\(hasAttentionBias)"), ("mlp_bias", "\(hasFeedForwardBias)"),
      ("rope_theta", "\(Float(rotary.theta))"), ("rope_scaling", rotary.scaling.text),
      ("partial_rotary_factor", "\(rotaryDimension) of \(attention.headDimension)"),
      ("layer_types", deltaNet == nil ? "full_attention" : layerPattern.text),
      ("linear_attn", deltaNet?.text ?? "none"),
      ("scale_emb", "\(multipliers.embedding)"), ("scale_depth ÷ √layers", "\(multipliers.residual)"),
      ("hidden_size ÷ dim_model_base", "\(multipliers.headDivisor)"),
      ("quantization_config.use_rms_norm", quantization.inputNormEpsilon.map { "epsilon \($0)" } ?? "false"),
    ]
  }

  /// Columns of a head that are rotated, the first ones.
  package var rotaryDimension: Int { rotary.columns ?? attention.headDimension }

  /// How many settings `differences(from:)` compares.
  package var settingCount: Int { settings.count + (rotation == nil ? 0 : 1) }

  /// Settings that are not the same, in the order of the table.
  package func differences(from other: ModelDescription) -> [DescriptionDifference] {
    let rotations = [rotation, other.rotation].map { $0?.text ?? "none" }
    return zip(settings, other.settings).filter {
      $0.value != $1.value && !($0.key == "rope_scaling" && hasScaling(of: other))
    }.map {
      DescriptionDifference(key: $0.key, first: $0.value, second: $1.value)
    }
      + (rotation == other.rotation
        ? []
        : [
          DescriptionDifference(
            key: "prism.hadamard", first: rotations[0],
            second: rotations[0] == rotations[1] ? rotations[1] + ", but others" : rotations[1])
        ])
  }

  /// The ids of a role in rising order, as loaders take them: what the file says, else those of its class. One of the
  /// class that is no row of the embeddings stands for none.
  package func tokens(_ role: SpecialTokens.Role) -> [Int] {
    guard specialTokens.unstated.contains(role) else { return specialTokens[role].sorted() }
    return architecture.defaults.specialTokens[role].filter { $0 < vocabularySize }.sorted()
  }

  /// Special tokens that are not the same; none is a value of its own.
  package func tokenDifferences(from other: ModelDescription) -> [DescriptionDifference] {
    SpecialTokens.Role.allCases.compactMap { role in
      let (mine, theirs) = (tokens(role), other.tokens(role))
      guard mine != theirs else { return nil }
      return DescriptionDifference(
        key: role.rawValue, first: SpecialTokens.text(mine), second: SpecialTokens.text(theirs))
    }
  }
}

extension SpecialTokens {
  /// Ids for people.
  package static func text(_ ids: [Int]) -> String {
    ids.isEmpty ? "none" : ids.map(String.init).joined(separator: ", ")
  }
}
