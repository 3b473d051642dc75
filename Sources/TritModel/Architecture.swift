// Tritsmith: what a tensor is for, by model family.

import TritCore
import TritKernels

/// The seven projections of a transformer block.
public enum ProjectionKind: String, Sendable, Hashable, CaseIterable, Codable {
  case query = "q_proj"
  case key = "k_proj"
  case value = "v_proj"
  case output = "o_proj"
  case gate = "gate_proj"
  case up = "up_proj"
  case down = "down_proj"
}

/// What a tensor does in its model.
public enum TensorRole: Sendable, Hashable {
  case embedding
  case outputHead
  case norm
  /// A matrix BitNet training makes ternary.
  case projection(layer: Int, kind: ProjectionKind)
  case bias
  case other

  /// A word for tables.
  public var name: String {
    switch self {
    case .embedding: "embedding"
    case .outputHead: "head"
    case .norm: "norm"
    case .projection: "projection"
    case .bias: "bias"
    case .other: "other"
    }
  }

  public var isProjection: Bool {
    if case .projection = self { true } else { false }
  }
}

/// How the decoder of a model family differs from the Llama block all of them share.
public struct DecoderFeatures: Sendable {
  /// Path in the layer of a norm between attention and its output projection; nil when there is none.
  public var attentionSubNorm: String?
  /// Path in the layer of a norm between the gated product and the down projection; nil when there is none.
  public var feedForwardSubNorm: String?
  /// What the configuration class takes when the file says nothing.
  public var activation: GateActivation
  public var normEpsilon: Double
  public var rotaryTheta: Double
  /// How dense projections compute when the file has no `quantization_config`.
  public var latentProjections: ProjectionClass
  /// How latents compute that are known to be latents: as the family's packing tool, or its modelling code, does.
  public var onlineProjections: ProjectionClass

  public init(
    attentionSubNorm: String? = nil, feedForwardSubNorm: String? = nil, activation: GateActivation = .silu,
    normEpsilon: Double = 1e-6, rotaryTheta: Double = 10000, latentProjections: ProjectionClass = .linear,
    onlineProjections: ProjectionClass = .bitLinearOnline
  ) {
    self.attentionSubNorm = attentionSubNorm
    self.feedForwardSubNorm = feedForwardSubNorm
    self.activation = activation
    self.normEpsilon = normEpsilon
    self.rotaryTheta = rotaryTheta
    self.latentProjections = latentProjections
    self.onlineProjections = onlineProjections
  }
}

/// A model family: the names of its tensors and the habits of the tool that packs it.
public protocol Architecture: Sendable {
  /// The class name in `config.json` this family is known by.
  var className: String { get }
  /// Other spellings found in published files.
  var aliases: [String] { get }
  /// A line for people.
  var family: String { get }
  /// The quantizer of the family's own packing tool.
  var defaultQuantizer: String { get }
  /// What the stored scale means in the family's packed checkpoints.
  var packedConvention: ScaleConvention { get }
  /// What its blocks have that a Llama block has not.
  var decoder: DecoderFeatures { get }
  /// The role of a tensor by its Hugging Face name.
  func role(of name: String) -> TensorRole
}

extension Architecture {
  /// A plain Llama decoder.
  public var decoder: DecoderFeatures { DecoderFeatures() }

  /// Hugging Face decoder names, which every family here shares; norms differ only in their names.
  public func role(of name: String) -> TensorRole {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard let last = parts.last else { return .other }
    if last == "bias" { return .bias }
    guard last == "weight", parts.count >= 2 else { return .other }
    let module = parts[parts.count - 2]
    switch module {
    case "embed_tokens": return .embedding
    case "lm_head": return .outputHead
    default: break
    }
    if let kind = ProjectionKind(rawValue: String(module)), let layer = layerNumber(parts) {
      return .projection(layer: layer, kind: kind)
    }
    if module.hasSuffix("norm") || module.hasSuffix("_ln") { return .norm }
    return .other
  }

  private func layerNumber(_ parts: [Substring]) -> Int? {
    guard let index = parts.firstIndex(of: "layers"), index + 1 < parts.count else { return nil }
    return Int(parts[index + 1])
  }
}
