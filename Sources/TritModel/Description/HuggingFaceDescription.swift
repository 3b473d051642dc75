// Tritsmith: config.json as a model's description, and back.

import TritCore
import TritFormats
import TritKernels

/// Reads and writes a description as the `config.json` of a Hugging Face model.
package enum HuggingFaceDescription {
  /// Reads a configuration strictly: a key that is not known, or a value that is not supported, is an error.
  ///
  /// Both spellings of transformers 4.x and 5.x are read. Missing settings take the defaults of the transformers
  /// class; missing sizes are errors, and so is null where the class computes with what stands there.
  ///
  /// - Parameter chosen: the family to go by instead of the one the file names.
  /// - Throws: `ModelError` naming the key, what is supported and what was found.
  package static func read(
    _ object: JSONObject, file: String, architecture chosen: (any Architecture)? = nil
  ) throws(ModelError) -> ModelDescription {
    let reading = try reading(object, file: file, architecture: chosen)
    if let problem = reading.problem { throw problem }
    return reading.description
  }

  /// The same, going on after the first setting that is not understood where the shapes of tensors do not depend on it.
  ///
  /// - Throws: `ModelError` where the class is not known or its sizes cannot be read.
  static func reading(
    _ whole: JSONObject, file: String, architecture chosen: (any Architecture)? = nil
  ) throws(ModelError) -> ModelDescription.Reading {
    let compound = try CompoundConfiguration(whole, file: file)
    let object = compound?.object ?? whole
    let architecture: any Architecture
    if let chosen {
      architecture = chosen
    } else {
      architecture = try ArchitectureRegistry.architecture(of: object, file: file)
    }
    var reader = ConfigurationReader(object, file: file, prefix: compound?.prefix ?? "")
    reader.ignore(irrelevantConfigurationKeys.union(architecture.keys.irrelevant))
    // A class chosen instead of the one that is named has a type of its own.
    let named = ArchitectureRegistry.className(in: object).flatMap(ArchitectureRegistry.architecture(named:))
    if named?.className == architecture.className { try checkModelType(&reader, architecture) }
    for (key, expected) in neverNull + architecture.keys.neverNull { try reader.refuseNull(key, expected) }
    // A class without such biases has no key for them that could be null.
    if architecture.keys.feedForwardBias == .stated { try reader.refuseNull("mlp_bias", "a boolean") }
    var description = try readShapes(&reader, architecture)
    let problem = readArithmetic(&reader, &description)
    description.assumed = reader.assumed
    return ModelDescription.Reading(description: description, problem: compound?.problem ?? problem)
  }

  /// Settings that names and shapes of tensors depend on, and those that are read with them; the rest is as the class
  /// has it.
  private static func readShapes(
    _ reader: inout ConfigurationReader, _ architecture: any Architecture
  ) throws(ModelError) -> ModelDescription {
    let (keys, defaults) = (architecture.keys, architecture.defaults)
    let hiddenSize = try reader.requiredInteger("hidden_size")
    let intermediateSize = try reader.requiredInteger("intermediate_size")
    let layers = try reader.requiredInteger("num_hidden_layers")
    let vocabularySize = try reader.requiredInteger("vocab_size")
    let contextLength = try reader.integer("max_position_embeddings", default: defaults.contextLength)
    let attention = try readAttention(&reader, hiddenSize: hiddenSize, defaults)
    let normEpsilon = Float(try reader.positive("rms_norm_eps", default: defaults.normEpsilon))
    if defaults.tiesEmbeddings, !reader.has("tie_word_embeddings") {
      reader.noteAssumption("tie_word_embeddings = true")
    }
    let tiesEmbeddings = try reader.flag("tie_word_embeddings", default: defaults.tiesEmbeddings)
    let hasAttentionBias = try reader.flag("attention_bias")
    if keys.feedForwardBias == .never { try reader.mustBeOff("mlp_bias") }
    let hasFeedForwardBias = try reader.flag("mlp_bias")
    let nets = try readDeltaNets(&reader, keys, layers: layers)
    return ModelDescription(
      architecture: architecture, hiddenSize: hiddenSize, intermediateSize: intermediateSize, layers: layers,
      attention: attention, layerPattern: nets?.pattern ?? .every(1), deltaNet: nets?.shape,
      vocabularySize: vocabularySize, contextLength: contextLength, normEpsilon: normEpsilon,
      activation: defaults.activation, tiesEmbeddings: tiesEmbeddings, hasAttentionBias: hasAttentionBias,
      hasFeedForwardBias: hasFeedForwardBias, rotary: RotaryEmbedding(theta: defaults.rotaryTheta),
      quantization: QuantizationScheme(projections: defaults.latentProjections), specialTokens: SpecialTokens(),
      assumed: [])
  }

  /// Settings that no shape depends on; one that is not understood stays as it is.
  ///
  /// - Returns: The first that is not understood.
  private static func readArithmetic(
    _ reader: inout ConfigurationReader, _ description: inout ModelDescription
  ) -> ModelError? {
    let architecture = description.architecture
    let (keys, defaults) = (architecture.keys, architecture.defaults)
    var problem: ModelError?
    func attempt(_ read: () throws(ModelError) -> Void) {
      do throws(ModelError) { try read() } catch { problem = problem ?? error }
    }
    attempt { () throws(ModelError) in
      description.rotary = try RotaryEmbedding.read(
        &reader, defaultTheta: defaults.rotaryTheta,
        RotaryEmbedding.Sizes(
          headDimension: description.attention.headDimension, contextLength: description.contextLength),
        keys.rotatedColumns)
    }
    attempt { () throws(ModelError) in
      description.multipliers = try readMultipliers(
        &reader, keys, hiddenSize: description.hiddenSize, layers: description.layers)
    }
    attempt { () throws(ModelError) in description.activation = try readActivation(&reader, defaults) }
    attempt { () throws(ModelError) in
      if let scheme = try QuantizationScheme.read(&reader) { description.quantization = scheme }
    }
    attempt { () throws(ModelError) in try KeyKinds.check(&reader, architecture) }
    attempt { () throws(ModelError) in try checkNeighbours(&reader, keys, layers: description.layers) }
    attempt { () throws(ModelError) in
      description.specialTokens = try readSpecialTokens(&reader, vocabularySize: description.vocabularySize)
    }
    if problem == nil { attempt { () throws(ModelError) in try reader.finish() } }
    return problem
  }

  private static func readSpecialTokens(
    _ reader: inout ConfigurationReader, vocabularySize: Int
  ) throws(ModelError) -> SpecialTokens {
    func id(_ role: SpecialTokens.Role) throws(ModelError) -> Int? {
      if let value = reader.value(role.rawValue), value.array != nil {
        throw reader.error(.wrongType(expected: "one token id", found: reader.describe(value)), role.rawValue)
      }
      return try reader.tokens(role.rawValue).first
    }
    let padding = try id(.padding)
    // Source: torch `Embedding`, whose padding_idx must be a row; transformers gives it this id.
    if let padding, padding >= vocabularySize {
      throw reader.error(
        .contradiction(expected: "below vocab_size, \(vocabularySize)", found: "\(padding)"),
        SpecialTokens.Role.padding.rawValue)
    }
    return SpecialTokens(
      begin: try id(.begin), end: try reader.tokens(SpecialTokens.Role.end.rawValue), padding: padding,
      unstated: Set(SpecialTokens.Role.allCases.filter { !reader.has($0.rawValue) }))
  }

  /// Settings of neighbouring classes that would change the arithmetic.
  private static func checkNeighbours(
    _ reader: inout ConfigurationReader, _ keys: ClassKeys, layers: Int
  ) throws(ModelError) {
    // 1bitLLM's own way to say that latents are made ternary when used.
    try reader.mustBeOff("weight_bits", [1])
    try reader.mustBeOff("input_bits", [8])
    try reader.mustBeOff("use_sliding_window")
    try checkLayerTypes(&reader, keys, layers: layers)
    switch keys.slidingWindow {
    case .unknown: try reader.mustBeOff("sliding_window", [])
    case .switched:
      // Without the switch the window counts for no layer.
      reader.ignore(["sliding_window", "max_window_layers"])
    }
    try checkDeltaNeighbours(&reader, keys)
    if case .all = keys.rotatedColumns { try reader.mustBeOff("partial_rotary_factor", [1]) }
    try reader.mustBeOff("is_decoder", [false, true])
    try reader.mustBeOff("is_encoder_decoder")
    try reader.mustBeOff("add_cross_attention")
  }

  /// Settings all classes of transformers refuse to be null. Source: `LlamaConfig`, `BitNetConfig`, `Qwen3Config` of
  /// transformers 5.23.
  private static let neverNull: [(key: String, expected: String)] = [
    ("max_position_embeddings", "a whole number"), ("rms_norm_eps", "a number"), ("hidden_act", "a string"),
    ("tie_word_embeddings", "a boolean"), ("attention_bias", "a boolean"),
    ("use_cache", "a boolean"), ("initializer_range", "a number"),
  ]

  /// Throws for a `model_type` that names another class: loaders go by it, and make the model that it says.
  private static func checkModelType(
    _ reader: inout ConfigurationReader, _ architecture: any Architecture
  ) throws(ModelError) {
    guard let stated = try reader.string("model_type"), !architecture.isModelType(stated) else { return }
    throw reader.error(
      .contradiction(
        expected: "\"\(architecture.modelType)\", as architectures says \(architecture.className)",
        found: "\"\(stated)\", which is what loaders go by"), "model_type")
  }

  /// Layers may be named in every class, all of them as what they are without the list. Source: `validate_layer_type`
  /// of transformers 5.23.
  private static func checkLayerTypes(
    _ reader: inout ConfigurationReader, _ keys: ClassKeys, layers: Int
  ) throws(ModelError) {
    guard keys.layerKinds == .attention else { return }
    _ = try readLayerTypes(&reader, of: [.attention], layers: layers)
  }

  private static func readMultipliers(
    _ reader: inout ConfigurationReader, _ keys: ClassKeys, hiddenSize: Int, layers: Int
  ) throws(ModelError) -> StreamMultipliers {
    guard keys.multipliers == .miniCPM else { return StreamMultipliers() }
    // Attention that leaves positions out; what is left is in no tensor.
    try reader.mustBeOff("sparse_config", [])
    let result = StreamMultipliers(
      embedding: Float(try reader.positive("scale_emb", default: 1)),
      residual: residual(depth: try reader.positive("scale_depth", default: 1), layers: layers),
      headDivisor: headDivisor(hiddenSize: hiddenSize, base: try reader.positive("dim_model_base", default: 1)))
    for (key, value) in [
      ("scale_emb", result.embedding), ("scale_depth", result.residual), ("dim_model_base", result.headDivisor),
    ] where !value.isFinite || value <= 0 {
      throw reader.error(.unsupportedValue(expected: "a number a Float can hold", found: "\(value)"), key)
    }
    return result
  }

  /// Source: MiniCPM's `MiniCPMDecoderLayer` and `MiniCPMForCausalLM`.
  private static func residual(depth: Double, layers: Int) -> Float { Float(depth / Double(layers).squareRoot()) }
  private static func headDivisor(hiddenSize: Int, base: Double) -> Float { Float(Double(hiddenSize) / base) }

  private static func readActivation(
    _ reader: inout ConfigurationReader, _ defaults: ClassDefaults
  ) throws(ModelError) -> GateActivation {
    guard let name = try reader.string("hidden_act") else {
      reader.noteAssumption("hidden_act = \(defaults.activation.rawValue)")
      return defaults.activation
    }
    // transformers' other name for it.
    guard let activation = name == "swish" ? .silu : GateActivation(rawValue: name) else {
      // Another that is computed here would be no less wrong for a model of this class.
      throw reader.error(
        .unsupportedValue(expected: "\(defaults.activation.rawValue), which its class has", found: name), "hidden_act")
    }
    return activation
  }

  private static func readAttention(
    _ reader: inout ConfigurationReader, hiddenSize: Int, _ defaults: ClassDefaults
  ) throws(ModelError) -> AttentionShape {
    let heads = try reader.requiredInteger("num_attention_heads")
    let standard = reader.has("num_key_value_heads") ? nil : defaults.keyValueHeads
    let keyValueHeads = try reader.integer("num_key_value_heads") ?? standard ?? heads
    if let standard { reader.noteAssumption("num_key_value_heads = \(standard)") }
    guard heads % keyValueHeads == 0 else {
      throw reader.error(
        .contradiction(expected: "a divisor of num_attention_heads, \(heads)", found: "\(keyValueHeads)"),
        "num_key_value_heads")
    }
    let dimension: Int
    if let given = try reader.integer("head_dim") {
      dimension = given
    } else if let standard = defaults.headDimension {
      dimension = standard
      reader.noteAssumption("head_dim = \(standard)")
    } else {
      guard hiddenSize % heads == 0 else {
        throw reader.error(
          .contradiction(expected: "a divisor of hidden_size, \(hiddenSize)", found: "\(heads)"), "num_attention_heads")
      }
      dimension = hiddenSize / heads
    }
    guard dimension % 2 == 0 else {
      throw reader.error(.contradiction(expected: "an even head dimension", found: "\(dimension)"), "head_dim")
    }
    guard Checked.product(heads, dimension) != nil else {
      throw reader.error(
        .contradiction(expected: "sizes whose product fits", found: "\(heads) × \(dimension)"), "head_dim")
    }
    return AttentionShape(heads: heads, keyValueHeads: keyValueHeads, headDimension: dimension)
  }
}

// MARK: - Writing

extension HuggingFaceDescription {
  /// `config.json` of a description: every setting, also those that equal a default.
  ///
  /// - Parameter weightType: of the embedding, for `torch_dtype`.
  package static func write(_ description: ModelDescription, weightType: DType) -> JSONObject {
    func number(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
    func number(_ value: Double) -> JSONValue { .number(JSONNumber(value)) }
    let attention = description.attention
    var result: JSONObject = [
      "architectures": .array([.string(description.architecture.className)]),
      "attention_bias": .bool(description.hasAttentionBias),
      "head_dim": number(attention.headDimension),
      "hidden_act": .string(description.activation.rawValue),
      "hidden_size": number(description.hiddenSize),
      "intermediate_size": number(description.intermediateSize),
      "max_position_embeddings": number(description.contextLength),
      "mlp_bias": .bool(description.hasFeedForwardBias),
      "model_type": .string(description.architecture.modelType),
      "num_attention_heads": number(attention.heads),
      "num_hidden_layers": number(description.layers),
      "num_key_value_heads": number(attention.keyValueHeads),
      "rms_norm_eps": number(shortest(description.normEpsilon)),
      "rope_theta": number(description.rotary.theta),
      "tie_word_embeddings": .bool(description.tiesEmbeddings),
      "torch_dtype": .string(weightType == .f16 ? "float16" : weightType == .f32 ? "float32" : "bfloat16"),
      "vocab_size": number(description.vocabularySize),
    ]
    for role in SpecialTokens.Role.allCases where !description.specialTokens.unstated.contains(role) {
      let ids = description.specialTokens[role]
      if ids.count == 1 { result[role.rawValue] = number(ids[0]) }
      if ids.count > 1 { result[role.rawValue] = .array(ids.map { number($0) }) }
      // Without the key loaders take the token of the class.
      if ids.isEmpty, !description.architecture.defaults.specialTokens[role].isEmpty { result[role.rawValue] = .null }
    }
    if description.rotary.columns == nil {
      result["rope_scaling"] = description.rotary.scaling.configuration
    } else {
      // The class of such a model has all of it in one place.
      result["rope_theta"] = nil
      result["rope_parameters"] = .object(description.rotary.parameters(description.attention.headDimension))
    }
    for (key, value) in deltaEntries(description) { result[key] = value }
    if description.architecture.keys.multipliers == .miniCPM {
      for (key, value) in multiplierEntries(description) { result[key] = .number(value) }
    }
    return result
  }

  /// Multipliers in the terms of MiniCPM's configuration.
  private static func multiplierEntries(_ description: ModelDescription) -> [(key: String, value: JSONNumber)] {
    let factors = description.multipliers
    let (layers, width) = (description.layers, description.hiddenSize)
    let depth = simplest(near: Double(factors.residual) * Double(layers).squareRoot()) {
      residual(depth: $0, layers: layers) == factors.residual
    }
    let base = simplest(near: Double(width) / Double(factors.headDivisor)) {
      headDivisor(hiddenSize: width, base: $0) == factors.headDivisor
    }
    return [
      ("scale_emb", plain(shortest(factors.embedding))), ("scale_depth", JSONNumber(depth)),
      ("dim_model_base", plain(base)),
    ]
  }

  /// The number of fewest digits near a value that a formula makes the wanted one of: 1.4, not 1.3999999761581421.
  private static func simplest(near value: Double, _ isExact: (Double) -> Bool) -> Double {
    guard value.isFinite, value > 0 else { return value }
    var unit = 1.0
    while unit < 1e12 {
      let rounded = (value * unit).rounded() / unit
      if rounded > 0, isExact(rounded) { return rounded }
      unit *= 10
    }
    return value
  }

  /// 256, not 256.0: some classes want whole numbers to be written so.
  static func plain(_ value: Double) -> JSONNumber { Int(exactly: value).map { JSONNumber($0) } ?? JSONNumber(value) }

  /// A Float's value as the shortest decimal that reads back as that Float: 1e-05, not 9.99999974e-06.
  static func shortest(_ value: Float) -> Double { Double("\(value)") ?? Double(value) }
}
