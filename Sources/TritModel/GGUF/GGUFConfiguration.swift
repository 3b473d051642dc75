// Tritsmith: config.json as GGUF metadata and back.

import TritCore

/// The sizes of a model that GGUF metadata and `config.json` both tell.
public struct GGUFConfiguration: Sendable, Hashable {
  public var contextLength: Int
  public var hiddenSize: Int
  public var layers: Int
  public var feedForward: Int
  public var heads: Int
  public var keyHeads: Int
  public var headSize: Int
  public var normEpsilon: Double
  public var ropeBase: Double
  /// Factor of linear rope scaling; nil when there is none.
  public var linearRope: Double?
  public var vocabulary: Int
}

// MARK: - From Hugging Face

extension GGUFConfiguration {
  /// Reads `config.json`.
  ///
  /// - Parameters:
  ///   - configuration: the object in the file.
  ///   - vocabulary: rows of the embedding, which is what readers compare the token list with.
  ///   - file: its name, for errors.
  public init(_ configuration: JSONObject, vocabulary: Int?, file: String) throws(GGUFModelError) {
    func integer(_ key: String) throws(GGUFModelError) -> Int? {
      guard let value = configuration[key], !value.isNull else { return nil }
      guard let number = value.number?.integer, number > 0, number <= Int(Int32.max) else {
        let found = value.number?.text ?? value.kindName
        throw GGUFModelError(.badValue(expected: "a positive integer", found: found), file: file, field: key)
      }
      return number
    }
    func needed(_ key: String) throws(GGUFModelError) -> Int {
      guard let value = try integer(key) else { throw GGUFModelError(.missingKey(key), file: file, field: key) }
      return value
    }
    func number(_ value: JSONValue?, _ key: String) throws(GGUFModelError) -> Double? {
      guard let value, !value.isNull else { return nil }
      guard let number = value.number?.double, number.isFinite, number > 0 else {
        let found = value.number?.text ?? value.kindName
        throw GGUFModelError(.badValue(expected: "a positive number", found: found), file: file, field: key)
      }
      return number
    }
    hiddenSize = try needed("hidden_size")
    layers = try needed("num_hidden_layers")
    feedForward = try needed("intermediate_size")
    heads = try needed("num_attention_heads")
    keyHeads = try integer("num_key_value_heads") ?? heads
    headSize = try integer("head_dim") ?? hiddenSize / heads
    contextLength = try needed("max_position_embeddings")
    guard let epsilon = try number(configuration["rms_norm_eps"], "rms_norm_eps") else {
      throw GGUFModelError(.missingKey("rms_norm_eps"), file: file, field: "rms_norm_eps")
    }
    normEpsilon = epsilon
    // transformers 5 moved the rope's base and scaling into one object; 4 has them apart.
    let parameters = configuration["rope_parameters"]?.object
    let scaling = configuration["rope_scaling"]?.object
    let newBase = try number(parameters?["rope_theta"], "rope_parameters.rope_theta")
    let oldBase = try number(configuration["rope_theta"], "rope_theta")
    ropeBase = newBase ?? oldBase ?? 10000
    let scalingObject = scaling ?? parameters
    let kind = scalingObject?["rope_type"]?.string ?? scalingObject?["type"]?.string ?? "default"
    switch kind {
    case "default": linearRope = nil
    case "linear": linearRope = try number(scalingObject?["factor"], "rope_scaling.factor") ?? 1
    default: throw GGUFModelError(.unsupportedRope(kind), file: file, field: "rope_scaling")
    }
    if let vocabulary { self.vocabulary = vocabulary } else { self.vocabulary = try needed("vocab_size") }
  }

  /// Keys of the architecture, in the order they are written.
  public func entries(_ family: GGUFFamily) -> [MetadataEntry] {
    let prefix = family.architecture + "."
    var result: [MetadataEntry] = []
    func add(_ key: String, _ value: MetadataValue) { result.append(MetadataEntry(prefix + key, value)) }
    add("block_count", .uint32(UInt32(layers)))
    add("context_length", .uint32(UInt32(contextLength)))
    add("embedding_length", .uint32(UInt32(hiddenSize)))
    add("feed_forward_length", .uint32(UInt32(feedForward)))
    add("attention.head_count", .uint32(UInt32(heads)))
    add("attention.head_count_kv", .uint32(UInt32(keyHeads)))
    add("attention.key_length", .uint32(UInt32(headSize)))
    add("attention.value_length", .uint32(UInt32(headSize)))
    add("attention.layer_norm_rms_epsilon", .float32(Float(normEpsilon)))
    add("rope.dimension_count", .uint32(UInt32(headSize)))
    add("rope.freq_base", .float32(Float(ropeBase)))
    if let factor = linearRope ?? (family.statesLinearRope ? 1 : nil) {
      add("rope.scaling.type", .string("linear"))
      add("rope.scaling.factor", .float32(Float(factor)))
    }
    add("vocab_size", .uint32(UInt32(vocabulary)))
    return result
  }
}

// MARK: - From GGUF

extension GGUFConfiguration {
  /// Reads metadata; `vocabulary` is the number of rows of the embedding.
  public init(_ manifest: ModelManifest, architecture: String, vocabulary: Int?) throws(GGUFModelError) {
    func value(_ key: String) -> MetadataValue? { manifest.entry(architecture + "." + key) }
    func integer(_ key: String) throws(GGUFModelError) -> Int? {
      guard let found = value(key) else { return nil }
      guard let number = found.integer, number > 0, number <= Int(Int32.max) else {
        let kind = GGUFModelError.Kind.badValue(expected: "a positive integer", found: found.text())
        throw GGUFModelError(kind, file: manifest.path, field: architecture + "." + key)
      }
      return number
    }
    func needed(_ key: String) throws(GGUFModelError) -> Int {
      guard let number = try integer(key) else {
        throw GGUFModelError(.missingKey(architecture + "." + key), file: manifest.path)
      }
      return number
    }
    contextLength = try needed("context_length")
    hiddenSize = try needed("embedding_length")
    layers = try needed("block_count")
    feedForward = try needed("feed_forward_length")
    heads = try needed("attention.head_count")
    keyHeads = try integer("attention.head_count_kv") ?? heads
    headSize = try integer("attention.key_length") ?? hiddenSize / heads
    /// JSON has no spelling for infinities and NaN, and no model has such settings.
    func number(_ key: String) throws(GGUFModelError) -> Double? {
      guard let found = value(key)?.double else { return nil }
      let number = GGUFConfiguration.shortest(found)
      guard number.isFinite else {
        let kind = GGUFModelError.Kind.badValue(expected: "a finite number", found: "\(found)")
        throw GGUFModelError(kind, file: manifest.path, field: architecture + "." + key)
      }
      return number
    }
    guard let epsilon = try number("attention.layer_norm_rms_epsilon") else {
      throw GGUFModelError(.missingKey(architecture + ".attention.layer_norm_rms_epsilon"), file: manifest.path)
    }
    normEpsilon = epsilon
    ropeBase = try number("rope.freq_base") ?? 10000
    let factor = try number("rope.scaling.factor")
    linearRope = value("rope.scaling.type")?.string == "linear" && factor != 1 ? factor : nil
    let known = vocabulary ?? manifest.entry("tokenizer.ggml.tokens")?.array?.count
    if let known { self.vocabulary = known } else { self.vocabulary = try needed("vocab_size") }
  }

  /// A Float's value as the shortest decimal that reads back as that Float: 1e-05, not 9.99999974e-06.
  private static func shortest(_ value: Double) -> Double { Double("\(Float(value))") ?? value }

  /// `config.json` of the model.
  public func json(
    _ family: GGUFFamily, manifest: ModelManifest, isTied: Bool, weightType: DType
  ) -> JSONObject {
    func number(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
    var result: JSONObject = [
      "architectures": .array([.string(family.className)]),
      "attention_bias": false,
      "head_dim": number(headSize),
      "hidden_act": .string(family.activation),
      "hidden_size": number(hiddenSize),
      "intermediate_size": number(feedForward),
      "max_position_embeddings": number(contextLength),
      "mlp_bias": false,
      "model_type": .string(family.modelType),
      "num_attention_heads": number(heads),
      "num_hidden_layers": number(layers),
      "num_key_value_heads": number(keyHeads),
      "rms_norm_eps": .number(JSONNumber(normEpsilon)),
      "rope_theta": .number(JSONNumber(ropeBase)),
      "tie_word_embeddings": .bool(isTied),
      "torch_dtype": .string(weightType == .f16 ? "float16" : weightType == .f32 ? "float32" : "bfloat16"),
      "vocab_size": number(vocabulary),
    ]
    for (key, name) in [("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding")] {
      if let id = manifest.entry("tokenizer.ggml.\(name)_token_id")?.integer { result[key] = number(id) }
    }
    result["rope_scaling"] =
      linearRope.map { .object(["type": "linear", "factor": .number(JSONNumber($0))]) } ?? .null
    return result
  }
}
