// Tritsmith: the sizes and settings of a decoder.

import TritCore
import TritKernels

/// Everything a forward pass needs to know beside the weights, read from `config.json`.
public struct TransformerConfiguration: Sendable {
  public var architecture: any Architecture
  public var hiddenSize: Int
  public var intermediateSize: Int
  public var layers: Int
  public var attention: AttentionShape
  public var vocabularySize: Int
  /// `max_position_embeddings`: the context the model was made for.
  public var contextLength: Int
  /// Added to the mean square of every norm.
  public var normEpsilon: Float
  public var activation: GateActivation
  public var tiesEmbeddings: Bool
  public var hasAttentionBias: Bool
  public var hasFeedForwardBias: Bool
  public var rotary: RotaryEmbedding
  public var quantization: QuantizationScheme
  /// Settings the file leaves out, with the class default taken: "rope_theta = 10000.0".
  public var assumed: [String]

  /// Reads a configuration strictly: a key that is not known, or a value that is not supported, is an error.
  ///
  /// Both spellings of transformers 4.x and 5.x are read. Missing settings take the defaults of the transformers
  /// class; missing sizes are errors.
  ///
  /// - Throws: `ModelError` naming the key, what is supported and what was found.
  public init(_ object: JSONObject, file: String) throws(ModelError) {
    let architecture = try ArchitectureRegistry.architecture(of: object, file: file)
    let decoder = architecture.decoder
    var reader = ConfigurationReader(object, file: file)
    reader.ignore(irrelevantConfigurationKeys)
    self.architecture = architecture

    hiddenSize = try reader.requiredInteger("hidden_size")
    intermediateSize = try reader.requiredInteger("intermediate_size")
    layers = try reader.requiredInteger("num_hidden_layers")
    vocabularySize = try reader.requiredInteger("vocab_size")
    contextLength = try reader.integer("max_position_embeddings", default: 2048)
    attention = try TransformerConfiguration.readAttention(&reader, hiddenSize: hiddenSize)
    normEpsilon = Float(try reader.positive("rms_norm_eps", default: decoder.normEpsilon))
    tiesEmbeddings = try reader.flag("tie_word_embeddings")
    hasAttentionBias = try reader.flag("attention_bias")
    hasFeedForwardBias = try reader.flag("mlp_bias")
    rotary = try RotaryEmbedding.read(&reader, defaultTheta: decoder.rotaryTheta)

    if let name = try reader.string("hidden_act") {
      guard let value = GateActivation(rawValue: name) else {
        let supported = GateActivation.allCases.map(\.rawValue).joined(separator: " or ")
        throw reader.error(.unsupportedValue(expected: supported, found: name), "hidden_act")
      }
      activation = value
    } else {
      activation = decoder.activation
      reader.noteAssumption("hidden_act = \(decoder.activation.rawValue)")
    }

    let scheme = try QuantizationScheme.read(&reader)
    // 1bitLLM's own way to say that latents are made ternary when used.
    try reader.mustBeOff("weight_bits", [1])
    try reader.mustBeOff("input_bits", [8])
    quantization = scheme ?? QuantizationScheme(projections: decoder.latentProjections)

    // Settings of neighbouring classes that would change the arithmetic.
    try reader.mustBeOff("sliding_window", [])
    try reader.mustBeOff("use_sliding_window")
    try reader.mustBeOff("partial_rotary_factor", [1])
    try reader.mustBeOff("is_decoder", [false, true])
    try reader.mustBeOff("is_encoder_decoder")
    try reader.mustBeOff("add_cross_attention")
    try reader.finish()
    assumed = reader.assumed
  }

  private static func readAttention(
    _ reader: inout ConfigurationReader, hiddenSize: Int
  ) throws(ModelError) -> AttentionShape {
    let heads = try reader.requiredInteger("num_attention_heads")
    let keyValueHeads = try reader.integer("num_key_value_heads") ?? heads
    guard heads % keyValueHeads == 0 else {
      throw reader.error(
        .contradiction(expected: "a divisor of num_attention_heads, \(heads)", found: "\(keyValueHeads)"),
        "num_key_value_heads")
    }
    let dimension: Int
    if let given = try reader.integer("head_dim") {
      dimension = given
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
