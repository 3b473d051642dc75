// Tritsmith: model families.

import TritCore
import TritKernels

/// The projections of a transformer block: seven with attention, six with a gated delta net in its place.
package enum ProjectionKind: String, Sendable, Hashable, CaseIterable, Codable {
  case query = "q_proj"
  case key = "k_proj"
  case value = "v_proj"
  case output = "o_proj"
  case gate = "gate_proj"
  case up = "up_proj"
  case down = "down_proj"
  /// Query, key and value of a delta net in one.
  case deltaInput = "in_proj_qkv"
  /// What a delta net's output is gated by.
  case deltaGate = "in_proj_z"
  case deltaOutput = "out_proj"
}

/// What a tensor does in its model.
package enum TensorRole: Sendable, Hashable {
  case embedding
  case outputHead
  case norm
  /// A matrix BitNet training makes ternary.
  case projection(layer: Int, kind: ProjectionKind)
  case bias
  case other

  /// A word for tables.
  package var name: String {
    switch self {
    case .embedding: "embedding"
    case .outputHead: "head"
    case .norm: "norm"
    case .projection: "projection"
    case .bias: "bias"
    case .other: "other"
    }
  }

  package var isProjection: Bool {
    if case .projection = self { true } else { false }
  }
}

/// What a configuration class of transformers takes where `config.json` says nothing.
package struct ClassDefaults: Sendable {
  package var activation: GateActivation
  package var normEpsilon: Double
  package var rotaryTheta: Double
  /// Nil where the class takes the number of query heads.
  package var keyValueHeads: Int?
  package var contextLength: Int
  /// Width of a head; nil where the class takes hidden size ÷ heads.
  package var headDimension: Int?
  /// Whether the head is the embedding.
  package var tiesEmbeddings: Bool
  /// How dense projections compute when the file has no `quantization_config`.
  package var latentProjections: ProjectionClass
  /// How latents compute that are known to be latents: as the family's packing tool, or its modelling code, does.
  package var onlineProjections: ProjectionClass
  /// How packed trits compute in a GGUF file that does not say it. The families of BitNet round inputs to int8, in their
  /// source and in every runtime.
  package var packedProjections: ProjectionClass
  /// Source: `LlamaConfig`, and MiniCPM's own class; others say so.
  package var specialTokens: SpecialTokens

  package init(
    activation: GateActivation = .silu, normEpsilon: Double = 1e-6, rotaryTheta: Double = 10000,
    keyValueHeads: Int? = nil, contextLength: Int = 2048, headDimension: Int? = nil, tiesEmbeddings: Bool = false,
    latentProjections: ProjectionClass = .linear, onlineProjections: ProjectionClass = .bitLinearOnline,
    packedProjections: ProjectionClass = .autoBitLinearOffline,
    specialTokens: SpecialTokens = SpecialTokens(begin: 1, end: [2])
  ) {
    self.activation = activation
    self.normEpsilon = normEpsilon
    self.rotaryTheta = rotaryTheta
    self.keyValueHeads = keyValueHeads
    self.contextLength = contextLength
    self.headDimension = headDimension
    self.tiesEmbeddings = tiesEmbeddings
    self.latentProjections = latentProjections
    self.onlineProjections = onlineProjections
    self.packedProjections = packedProjections
    self.specialTokens = specialTokens
  }
}

/// Keys of `config.json` that a class reads in a way of its own.
package struct ClassKeys: Sendable {
  /// What `sliding_window` does.
  package enum SlidingWindow: Sendable {
    /// The class has none: one that is given belongs to another class.
    case unknown
    /// It counts where `use_sliding_window` is true; `layer_types` names the layers.
    case switched
  }

  /// What `mlp_bias` does.
  package enum FeedForwardBias: Sendable {
    case stated
    /// The class has no such biases, and no key for them.
    case never
  }

  /// How the class says by what it multiplies its residual stream.
  package enum Multipliers: Sendable {
    case none
    /// `scale_emb`, `scale_depth`, `dim_model_base`.
    case miniCPM
  }

  /// What stands in the place of attention in some layers.
  package enum LayerKinds: Sendable {
    /// Nothing: `layer_types` may say so.
    case attention
    /// Gated delta nets: `layer_types`, or every layer but each `full_attention_interval`th, 4 where nothing is said.
    case deltaNets
  }

  /// Which columns of a head are rotated.
  package enum RotatedColumns: Sendable {
    case all
    /// `partial_rotary_factor` of them, the first ones; positions may have three parts, which a text has equal.
    case part(standard: Double)
  }

  package var slidingWindow: SlidingWindow
  package var feedForwardBias: FeedForwardBias
  package var multipliers: Multipliers
  package var layerKinds: LayerKinds
  package var rotatedColumns: RotatedColumns
  /// Keys that change no logits of this class.
  package var irrelevant: Set<String>
  /// Keys this class refuses to be null, and what belongs there, beside those that every class refuses.
  package var neverNull: [(key: String, expected: String)]

  package init(
    slidingWindow: SlidingWindow = .unknown, feedForwardBias: FeedForwardBias = .stated,
    multipliers: Multipliers = .none, layerKinds: LayerKinds = .attention, rotatedColumns: RotatedColumns = .all,
    irrelevant: Set<String> = [], neverNull: [(key: String, expected: String)] = []
  ) {
    self.slidingWindow = slidingWindow
    self.feedForwardBias = feedForwardBias
    self.multipliers = multipliers
    self.layerKinds = layerKinds
    self.rotatedColumns = rotatedColumns
    self.irrelevant = irrelevant
    self.neverNull = neverNull
  }
}

/// A class that holds the family's models as one part, beside others that a text does not need.
package struct CompoundClass: Sendable {
  /// As in `architectures` of its `config.json`.
  package var className: String
  package var modelType: String
  /// The key of the part's configuration.
  package var key: String
  /// Keys beside it that speak of the other parts.
  package var otherKeys: Set<String>

  package init(className: String, modelType: String, key: String, otherKeys: Set<String>) {
    self.className = className
    self.modelType = modelType
    self.key = key
    self.otherKeys = otherKeys
  }
}

/// Names of tensors that a family's files have beside Hugging Face's own.
package struct OtherNames: Sendable {
  /// What stands before the names of a part, and what does without the other parts.
  package var prefixes: [(found: String, ours: String)]
  /// What the names of tensors begin with that no text needs, and what they are for.
  package var setAside: [(prefix: String, what: String)]

  package init(prefixes: [(found: String, ours: String)] = [], setAside: [(prefix: String, what: String)] = []) {
    self.prefixes = prefixes
    self.setAside = setAside
  }
}

/// A model family as GGUF programs know it: what its graph computes whatever the file says.
///
/// Source: llama.cpp `llama-arch.cpp` and the graphs of each architecture; bitnet.cpp for `bitnet-b1.58`.
package struct GGUFForm: Sendable {
  /// `general.architecture` as written.
  package var architecture: String
  /// Other values of `general.architecture` that mean this family.
  package var aliases: [String]
  /// The activation of the graph: GGUF has no key for another.
  package var activation: GateActivation
  /// Whether the graph adds biases where the file has them.
  package var hasBiases: Bool
  /// Written for readers that insist on it, such as the first graph of this family in llama.cpp.
  package var statesLinearRope: Bool
  /// Whether the graph divides rotary frequencies by what tensors of the file hold.
  package var rotaryFactors: RotaryFactors

  package enum RotaryFactors: Sendable {
    /// Such tensors are not loaded.
    case none
    case tensors
  }

  package init(
    architecture: String, aliases: [String] = [], activation: GateActivation, hasBiases: Bool,
    statesLinearRope: Bool = false, rotaryFactors: RotaryFactors = .none
  ) {
    self.architecture = architecture
    self.aliases = aliases
    self.activation = activation
    self.hasBiases = hasBiases
    self.statesLinearRope = statesLinearRope
    self.rotaryFactors = rotaryFactors
  }
}

/// A model family: its table of modules, what its files leave unsaid, and the habits of the tool that packs it.
package protocol Architecture: Sendable {
  /// The class name in `config.json` this family is known by.
  var className: String { get }
  /// `model_type` in `config.json`.
  var modelType: String { get }
  /// Other spellings found in published files.
  var aliases: [String] { get }
  /// A line for people.
  var family: String { get }
  /// The quantizer of the family's own packing tool.
  var defaultQuantizer: String { get }
  /// What the stored scale means in the family's packed checkpoints.
  var packedConvention: ScaleConvention { get }
  /// What the configuration class takes where the file says nothing.
  var defaults: ClassDefaults { get }
  /// What the class reads in a way of its own.
  var keys: ClassKeys { get }
  /// Every module a forward pass reads, in the order GGUF files are written in.
  var modules: [ModuleTemplate] { get }
  /// How GGUF says this family; nil when it does not.
  var gguf: GGUFForm? { get }
  /// The class that holds such a model beside other parts; nil where there is none.
  var compound: CompoundClass? { get }
  var otherNames: OtherNames { get }
  /// What the weights of its norms are multiplied with as.
  var normWeights: NormMeaning { get }
  /// How mlx-lm takes this family.
  var mlx: MLXSupport { get }
}

/// What the stored weights of a family's norms mean. Norms of a delta net's output are factors in every family.
package enum NormMeaning: Sendable, Hashable {
  case factor
  /// w stands for 1 + w.
  case aboveOne
}

extension Architecture {
  package var aliases: [String] { [] }
  package var defaults: ClassDefaults { ClassDefaults() }
  package var compound: CompoundClass? { nil }
  package var otherNames: OtherNames { OtherNames() }
  package var normWeights: NormMeaning { .factor }

  /// Whether a `model_type` is one this family's files have.
  package func isModelType(_ name: String) -> Bool { name == modelType || aliases.contains(name) }
  package var keys: ClassKeys { ClassKeys() }
}
