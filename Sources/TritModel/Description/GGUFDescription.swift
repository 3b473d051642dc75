// Tritsmith: GGUF metadata as a model's description, and back.

import TritCore
import TritKernels

/// Reads and writes a description as the keys of a GGUF file.
package enum GGUFDescription {
  /// The family of a GGUF file by its `general.architecture`; nil for one that is not known.
  package static func architecture(_ manifest: ModelManifest) -> (any Architecture)? {
    guard let name = manifest.entry(architectureKey)?.string else { return nil }
    return ArchitectureRegistry.all.first {
      $0.gguf.map { $0.architecture == name || $0.aliases.contains(name) } == true
    }
  }

  package static let architectureKey = "general.architecture"

  /// Whether a key says something of the model itself, not of the file, its tokenizer or where it comes from.
  package static func describes(_ key: String) -> Bool {
    key == architectureKey
      || !["general.", "tokenizer.", "split.", "quantize.", "tritsmith."].contains(where: key.hasPrefix)
  }

  /// Keys of an architecture that a description is made of, or that change no logits.
  private static let knownKeys: Set<String> = [
    "block_count", "context_length", "embedding_length", "feed_forward_length", "vocab_size", "attention.head_count",
    "attention.head_count_kv", "attention.key_length", "attention.value_length", "attention.layer_norm_rms_epsilon",
    "attention.causal", "rope.dimension_count", "tensor_data_layout",
    // Written with 0 by some converters for models without experts.
    "expert_count", "expert_used_count",
  ]

  /// Multipliers, and what llama.cpp takes where a file of family `minicpm` lacks them.
  private enum MultiplierKeys {
    static let embedding = "embedding_scale"
    static let residual = "residual_scale"
    /// What the head's input is divided by.
    static let head = "logit_scale"
    static let all: Set<String> = [embedding, residual, head]
  }
}

// MARK: - Reading

extension GGUFDescription {
  /// Reads the keys of a file, and of its tensors what GGUF says by their presence: tied head, biases.
  ///
  /// - Throws: `GGUFModelError` where even the sizes cannot be read.
  static func read(
    _ manifest: ModelManifest, _ architecture: any Architecture, _ rotaryTensors: RotaryTensors
  ) throws(GGUFModelError) -> ModelDescription.Reading {
    let prefix = (manifest.entry(architectureKey)?.string ?? "") + "."
    let keys = GGUFKeyReader(manifest: manifest, prefix: prefix)
    if let error = GGUFKeyTypes.mismatch(manifest) { throw error }
    let attention = try readAttention(keys)
    guard let epsilon = try keys.positive("attention.layer_norm_rms_epsilon") else {
      throw GGUFModelError(.missingKey(prefix + "attention.layer_norm_rms_epsilon"), file: manifest.path)
    }
    func tensor(_ part: ModulePart, _ piece: ModulePlace.Piece) -> TensorDescriptor? {
      let place = architecture.module(part).map { ModulePlace($0, layer: part.isInLayers ? 0 : nil, piece: piece) }
      return place?.storedName.flatMap { manifest.tensor(named: $0) }
    }
    let vocabularySize = try readVocabularySize(keys, embedding: tensor(.embedding, .weight))
    let contextLength = try keys.needed("context_length")
    let (layers, blocks) = try readLayers(keys, architecture)
    var assumed = keys.value("rope.freq_base") == nil ? ["rope.freq_base = 10000.0"] : []
    let nets = try readDeltaNets(keys, architecture, layers: layers, blocks: blocks, &assumed)
    let rotated = try readRotatedColumns(keys, architecture, headDimension: attention.headDimension, &assumed)
    var rotary = try GGUFRotary(
      keys, rotaryTensors, headDimension: rotated.columns ?? attention.headDimension, contextLength: contextLength)
    (rotary.rotary.columns, rotary.rotary.sections) = rotated
    let arithmetic = Result { () throws(ModelError) in try GGUFArithmetic(manifest) }
    let multipliers = Result { () throws(ModelError) in
      try readMultipliers(keys, architecture, layers: layers, &assumed)
    }
    let description = ModelDescription(
      architecture: architecture, hiddenSize: try keys.needed("embedding_length"),
      intermediateSize: try keys.needed("feed_forward_length"), layers: layers, attention: attention,
      layerPattern: nets?.pattern ?? .every(1), deltaNet: nets?.shape, vocabularySize: vocabularySize,
      contextLength: contextLength, normEpsilon: Float(epsilon),
      activation: architecture.gguf?.activation ?? architecture.defaults.activation,
      tiesEmbeddings: tensor(.head, .weight) == nil, hasAttentionBias: tensor(.projection(.query), .bias) != nil,
      hasFeedForwardBias: tensor(.projection(.gate), .bias) != nil,
      rotary: rotary.rotary, multipliers: (try? multipliers.get()) ?? StreamMultipliers(),
      quantization: (try? arithmetic.get())?.scheme(architecture) ?? unstatedScheme(manifest, architecture),
      specialTokens: specialTokens(manifest),
      assumed: assumed)
    var problem = problem(manifest, prefix, description) ?? rotary.problem
    if problem == nil, case .failure(let error) = multipliers { problem = error }
    if problem == nil, case .failure(let error) = arithmetic { problem = error }
    return ModelDescription.Reading(description: description, problem: problem)
  }

  /// The rows of the embedding, or the tokens, before what the key says.
  private static func readVocabularySize(
    _ keys: GGUFKeyReader, embedding: TensorDescriptor?
  ) throws(GGUFModelError) -> Int {
    let tokens = keys.manifest.entry("tokenizer.ggml.tokens")?.array?.count
    if let size = embedding?.shape.rows ?? tokens { return size }
    return try keys.needed("vocab_size")
  }

  private static func readAttention(_ keys: GGUFKeyReader) throws(GGUFModelError) -> AttentionShape {
    let heads = try keys.needed("attention.head_count")
    let keyValueHeads = try keys.integer("attention.head_count_kv") ?? heads
    guard heads % keyValueHeads == 0 else {
      throw keys.bad("attention.head_count_kv", "a divisor of head_count, \(heads)", "\(keyValueHeads)")
    }
    let hiddenSize = try keys.needed("embedding_length")
    let headSize = try keys.integer("attention.key_length") ?? hiddenSize / heads
    guard headSize > 0, headSize % 2 == 0, Checked.product(heads, headSize) != nil else {
      throw keys.bad("attention.key_length", "an even head size", "\(headSize)")
    }
    return AttentionShape(heads: heads, keyValueHeads: keyValueHeads, headDimension: headSize)
  }

  /// The model's layers, and how many blocks there are with those behind them that draft tokens.
  private static func readLayers(
    _ keys: GGUFKeyReader, _ architecture: any Architecture
  ) throws(GGUFModelError) -> (layers: Int, blocks: Int) {
    let drafting = try draftingLayers(keys, architecture)
    let blocks = try keys.needed("block_count")
    guard drafting < blocks else {
      throw keys.bad(DeltaKeys.drafting, "fewer layers than block_count, \(blocks)", "\(drafting)")
    }
    let layers = blocks - drafting
    if let block = DraftingBlocks.first(withoutPartIn: layers..<blocks, of: keys.manifest) {
      throw keys.bad(
        DeltaKeys.drafting, "blocks with tensors 'nextn', from block \(layers) on", "a block \(block) without one")
    }
    return (layers, blocks)
  }

  /// How projections compute where the file does not say: beside packed ones a dense one is an ordinary product; a file
  /// of dense ones alone is as the class says.
  private static func unstatedScheme(
    _ manifest: ModelManifest, _ architecture: any Architecture
  ) -> QuantizationScheme {
    guard manifest.tensors.contains(where: { $0.encoding.isTernary }) else {
      return QuantizationScheme(projections: architecture.defaults.latentProjections)
    }
    var scheme = QuantizationScheme(projections: .linear)
    scheme.isWeightOnly = architecture.defaults.packedProjections == .linear
    return scheme
  }

  /// Keys that end a text beside `eos`: of a turn, of a message. llama.cpp stops at each of them.
  package static let furtherEnds = ["eot", "eom"]

  /// Tokens that end a text: the tokenizer's own, and others.
  package static func ends(_ manifest: ModelManifest) -> (own: Int?, further: [Int]) {
    let own = token("eos", manifest)
    var further: [Int] = []
    for id in furtherEnds.compactMap({ token($0, manifest) }) where id != own && !further.contains(id) {
      further.append(id)
    }
    return (own, further)
  }

  /// Whether a file has a vocabulary: its special tokens stand beside it.
  package static func hasVocabulary(_ manifest: ModelManifest) -> Bool {
    manifest.entry("tokenizer.ggml.tokens") != nil
  }

  private static func token(_ name: String, _ manifest: ModelManifest) -> Int? {
    manifest.entry("tokenizer.ggml.\(name)_token_id")?.integer
  }

  private static func specialTokens(_ manifest: ModelManifest) -> SpecialTokens {
    let ends = ends(manifest)
    return SpecialTokens(
      begin: token("bos", manifest), end: (ends.own.map { [$0] } ?? []) + ends.further,
      padding: token("padding", manifest), unstated: hasVocabulary(manifest) ? [] : Set(SpecialTokens.Role.allCases))
  }

  private static func readMultipliers(
    _ keys: GGUFKeyReader, _ architecture: any Architecture, layers: Int, _ assumed: inout [String]
  ) throws(ModelError) -> StreamMultipliers {
    guard architecture.keys.multipliers == .miniCPM else { return StreamMultipliers() }
    func number(_ key: String, default standard: Float?) throws(ModelError) -> Float {
      guard let value = keys.value(key) else {
        guard let standard else {
          throw keys.unsupported(key, "a number, as programs take different ones without it")
        }
        assumed.append("\(key) = \(standard)")
        return standard
      }
      guard let number = value.double.map(Float.init), number.isFinite, number > 0 else {
        throw keys.unsupported(key, "a finite number above 0")
      }
      return number
    }
    return StreamMultipliers(
      embedding: try number(MultiplierKeys.embedding, default: 12),
      residual: try number(MultiplierKeys.residual, default: Float(1.4 / Double(layers).squareRoot())),
      // Without the key older graphs divide by width/256, newer ones by 256/width.
      headDivisor: try number(MultiplierKeys.head, default: nil))
  }

  /// The first setting that the description does not hold.
  private static func problem(
    _ manifest: ModelManifest, _ prefix: String, _ description: ModelDescription
  ) -> ModelError? {
    let head = description.attention.headDimension
    let hasNets = description.deltaNet != nil
    if let problem = sectionsProblem(manifest, prefix, description) { return problem }
    if hasNets, description.normEpsilon != description.deltaNet?.epsilon {
      // The graph takes the epsilon of norms for queries and keys as well.
      return ModelError(
        .unsupportedValue(expected: "1e-06, which queries and keys have", found: "\(description.normEpsilon)"),
        location: ErrorLocation(file: manifest.path, field: prefix + "attention.layer_norm_rms_epsilon"))
    }
    for entry in manifest.entries where entry.key.hasPrefix(prefix) {
      let location = ErrorLocation(file: manifest.path, field: entry.key)
      let key = String(entry.key.dropFirst(prefix.count))
      let isMultiplier =
        description.architecture.keys.multipliers != .none && MultiplierKeys.all.contains(key)
      guard
        knownKeys.contains(key) || GGUFRotary.keys.contains(key) || isMultiplier
          || hasNets && DeltaKeys.all.contains(key)
      else {
        return ModelError(.unknownKey, location: location)
      }
      let expected: String?
      switch key {
      case "attention.value_length":
        expected = entry.value.integer == head ? nil : "\(head), the head's size"
      case "rope.dimension_count":
        let columns = description.rotaryDimension
        expected = entry.value.integer == columns ? nil : "\(columns), the head's size"
      case "vocab_size":
        expected =
          entry.value.integer == description.vocabularySize
          ? nil : "\(description.vocabularySize), the rows of the embedding"
      case "attention.causal": expected = entry.value == .bool(true) ? nil : "true"
      case "expert_count", "expert_used_count": expected = entry.value.integer == 0 ? nil : "0"
      default: expected = nil
      }
      if let expected {
        return ModelError(.unsupportedValue(expected: expected, found: entry.value.text()), location: location)
      }
    }
    return nil
  }
}

// MARK: - Reading keys

/// Reads keys of an architecture.
struct GGUFKeyReader {
  let manifest: ModelManifest
  let prefix: String

  func value(_ key: String) -> MetadataValue? { manifest.entry(prefix + key) }

  func bad(_ key: String, _ expected: String, _ found: String) -> GGUFModelError {
    GGUFModelError(.badValue(expected: expected, found: found), file: manifest.path, field: prefix + key)
  }

  /// A value that is not understood.
  func unsupported(_ key: String, _ expected: String) -> ModelError {
    ModelError(
      .unsupportedValue(expected: expected, found: value(key)?.text() ?? "nothing"),
      location: ErrorLocation(file: manifest.path, field: prefix + key))
  }

  func integer(_ key: String) throws(GGUFModelError) -> Int? {
    guard let found = value(key) else { return nil }
    guard let number = found.integer ?? found.commonInteger, number > 0, number <= Int(Int32.max) else {
      throw bad(
        key, "a positive integer" + (found.integers == nil ? "" : ", the same in every layer"), found.text())
    }
    return number
  }

  func needed(_ key: String) throws(GGUFModelError) -> Int {
    guard let number = try integer(key) else {
      throw GGUFModelError(.missingKey(prefix + key), file: manifest.path)
    }
    return number
  }

  /// A number above 0, which epsilons and bases are.
  func positive(_ key: String) throws(GGUFModelError) -> Double? {
    guard let number = try number(key) else { return nil }
    guard number > 0 else { throw bad(key, "a number above 0", "\(number)") }
    return number
  }

  /// JSON has no spelling for infinities and NaN, and no model has such settings.
  func number(_ key: String) throws(GGUFModelError) -> Double? {
    guard let found = value(key)?.double else { return nil }
    let number = HuggingFaceDescription.shortest(Float(found))
    guard number.isFinite else { throw bad(key, "a finite number", "\(found)") }
    return number
  }
}

// MARK: - Writing

extension GGUFDescription {
  /// Keys of the architecture, in the order they are written: every setting GGUF has a key for.
  ///
  /// - Parameter name: of the source, for errors.
  /// - Throws: `GGUFModelError` for a setting that GGUF cannot say: its readers would take another value.
  package static func entries(
    _ description: ModelDescription, name: String
  ) throws(GGUFModelError) -> [MetadataEntry] {
    let architecture = description.architecture
    guard let form = architecture.gguf else { throw GGUFModelError(.unknownFamily(architecture.className), file: name) }
    func refuse(_ field: String, _ found: String, _ graph: String) -> GGUFModelError {
      GGUFModelError(.notSayable(found: found, graph: graph), file: name, field: field)
    }
    try checkGraph(form, computes: description, refuse)
    let prefix = form.architecture + "."
    var result: [MetadataEntry] = []
    func add(_ key: String, _ value: MetadataValue) { result.append(MetadataEntry(prefix + key, value)) }
    func add(_ key: String, _ value: Int) throws(GGUFModelError) {
      guard let number = UInt32(exactly: value) else {
        throw GGUFModelError(.badValue(expected: "a number below 2^32", found: "\(value)"), file: name, field: key)
      }
      add(key, .uint32(number))
    }
    let attention = description.attention
    try add("block_count", description.layers)
    try add("context_length", description.contextLength)
    try add("embedding_length", description.hiddenSize)
    try add("feed_forward_length", description.intermediateSize)
    try add("attention.head_count", attention.heads)
    try add("attention.head_count_kv", attention.keyValueHeads)
    try add("attention.key_length", attention.headDimension)
    try add("attention.value_length", attention.headDimension)
    add("attention.layer_norm_rms_epsilon", .float32(description.normEpsilon))
    try add("rope.dimension_count", description.rotaryDimension)
    add("rope.freq_base", .float32(Float(description.rotary.theta)))
    do throws(GGUFModelError) {
      for (key, value) in try GGUFRotary.entries(description, form) { add(key, value) }
    } catch {
      throw GGUFModelError(error.kind, file: name, field: error.location.field)
    }
    for (key, value) in try deltaEntries(description, refuse) { add(key, value) }
    for (key, value) in try multiplierEntries(description, form, refuse) { add(key, value) }
    try add("vocab_size", description.vocabularySize)
    return result
  }

  /// Refuses what a family's graph does not compute.
  private static func checkGraph(
    _ form: GGUFForm, computes description: ModelDescription, _ refuse: (String, String, String) -> GGUFModelError
  ) throws(GGUFModelError) {
    guard description.activation == form.activation else {
      throw refuse(
        "hidden_act", description.activation.rawValue,
        "the graph of '\(form.architecture)' computes \(form.activation.rawValue)")
    }
    if !form.hasBiases, description.hasAttentionBias || description.hasFeedForwardBias {
      throw refuse(
        description.hasAttentionBias ? "attention_bias" : "mlp_bias", "true",
        "the graph of '\(form.architecture)' adds no biases")
    }
    if description.quantization.inputNormEpsilon != nil {
      throw refuse(
        "quantization_config.use_rms_norm", "true", "no graph has a norm in front of every projection")
    }
    if description.rotation != nil {
      throw refuse("prism.hadamard", "rotated weights", "their keys come along from GGUF files alone")
    }
  }

  private static func multiplierEntries(
    _ description: ModelDescription, _ form: GGUFForm, _ refuse: (String, String, String) -> GGUFModelError
  ) throws(GGUFModelError) -> [(key: String, value: MetadataValue)] {
    let factors = description.multipliers
    switch description.architecture.keys.multipliers {
    case .none:
      guard factors == StreamMultipliers() else {
        throw refuse("scale_emb", "\(factors)", "the graph of '\(form.architecture)' has no multipliers")
      }
      return []
    case .miniCPM:
      return [
        (MultiplierKeys.embedding, .float32(factors.embedding)), (MultiplierKeys.residual, .float32(factors.residual)),
        (MultiplierKeys.head, .float32(factors.headDivisor)),
      ]
    }
  }
}
