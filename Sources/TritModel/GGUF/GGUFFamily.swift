// Tritsmith: what model families are called in GGUF, and how their tensors are named and ordered there.

import TritCore

/// A model family as GGUF knows it.
///
/// Tensor names, metadata keys and row order differ from Hugging Face's; they belong to the family, because llama.cpp
/// rotates adjacent pairs of query and key rows for `llama` and halves for `bitnet`.
public struct GGUFFamily: Sendable, Hashable {
  /// `general.architecture` as written.
  public var architecture: String
  /// Other values of `general.architecture` that mean this family.
  public var aliases: [String]
  /// The class name of Hugging Face.
  public var className: String
  /// `model_type` of Hugging Face.
  public var modelType: String
  /// `hidden_act` of Hugging Face.
  public var activation: String
  /// True when query and key rows are stored in another order than Hugging Face's.
  public var permutesRows: Bool
  /// Hugging Face names of the norms before the output and down projections; nil when the family has none.
  public var attentionSubNorm: String?
  public var feedForwardSubNorm: String?
  /// Written for readers that insist on it, such as the first graph of this family in llama.cpp.
  public var statesLinearRope: Bool

  /// Every family; one entry each.
  public static let all: [GGUFFamily] = [
    GGUFFamily(
      architecture: "llama", aliases: [], className: "LlamaForCausalLM", modelType: "llama", activation: "silu",
      permutesRows: true, attentionSubNorm: nil, feedForwardSubNorm: nil, statesLinearRope: false),
    GGUFFamily(
      architecture: "bitnet-b1.58", aliases: ["bitnet-25"], className: "BitNetForCausalLM", modelType: "bitnet",
      activation: "relu2", permutesRows: false, attentionSubNorm: "self_attn.attn_sub_norm",
      feedForwardSubNorm: "mlp.ffn_sub_norm", statesLinearRope: false),
    GGUFFamily(
      architecture: "bitnet", aliases: [], className: "BitnetForCausalLM", modelType: "llama", activation: "silu",
      permutesRows: false, attentionSubNorm: "self_attn.inner_attn_ln", feedForwardSubNorm: "mlp.ffn_layernorm",
      statesLinearRope: true),
  ]

  /// The family of a GGUF file.
  public static func family(architecture: String) -> GGUFFamily? {
    all.first { $0.architecture == architecture || $0.aliases.contains(architecture) }
  }

  /// The family of a Hugging Face class.
  public static func family(className: String) -> GGUFFamily? {
    all.first { $0.className == className }
  }
}

// MARK: - Names

extension GGUFFamily {
  private static let outer = [
    ("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"), ("lm_head", "output"),
  ]

  /// Modules of a block in the order they are written: Hugging Face's name, GGUF's name.
  private var modules: [(String, String)] {
    var result = [
      ("input_layernorm", "attn_norm"), ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"),
      ("self_attn.v_proj", "attn_v"), ("self_attn.o_proj", "attn_output"), ("post_attention_layernorm", "ffn_norm"),
      ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down"),
    ]
    if let attentionSubNorm { result.append((attentionSubNorm, "attn_sub_norm")) }
    if let feedForwardSubNorm { result.append((feedForwardSubNorm, "ffn_sub_norm")) }
    return result
  }

  /// A name without its last part, and that part: `weight` or `bias`.
  private func split(_ name: String) -> (module: String, suffix: String)? {
    for suffix in ["weight", "bias"] where name.hasSuffix("." + suffix) {
      return (String(name.dropLast(suffix.count + 1)), suffix)
    }
    return nil
  }

  /// `prefix`NUMBER.REST as NUMBER and REST; nil for names of another kind.
  private func numbered(_ name: String, after prefix: String) -> (number: Int, rest: String)? {
    guard name.hasPrefix(prefix) else { return nil }
    let rest = name.dropFirst(prefix.count)
    guard let dot = rest.firstIndex(of: "."), let number = Int(rest[..<dot]), number >= 0,
      String(number) == rest[..<dot]
    else { return nil }
    return (number, String(rest[rest.index(after: dot)...]))
  }

  /// The GGUF name of a Hugging Face tensor; nil when GGUF has none for it.
  public func storedName(of name: String) -> String? {
    guard let (module, suffix) = split(name) else { return nil }
    if let outer = GGUFFamily.outer.first(where: { $0.0 == module }) { return outer.1 + "." + suffix }
    guard let (layer, rest) = numbered(module, after: "model.layers."),
      let inner = modules.first(where: { $0.0 == rest })
    else { return nil }
    return "blk.\(layer).\(inner.1).\(suffix)"
  }

  /// The Hugging Face name of a GGUF tensor; nil when it has none.
  public func name(ofStored stored: String) -> String? {
    guard let (module, suffix) = split(stored) else { return nil }
    if let outer = GGUFFamily.outer.first(where: { $0.1 == module }) { return outer.0 + "." + suffix }
    guard let (layer, rest) = numbered(module, after: "blk."), let inner = modules.first(where: { $0.1 == rest })
    else { return nil }
    return "model.layers.\(layer).\(inner.0).\(suffix)"
  }

  /// Where a tensor stands in a written file: embedding, norm and head first, then block by block.
  ///
  /// The order does not depend on the source's, so that the same model gives the same file whatever it came from.
  public func position(ofStored stored: String) -> [Int] {
    guard let (module, suffix) = split(stored) else { return [Int.max] }
    let last = suffix == "weight" ? 0 : 1
    if let index = GGUFFamily.outer.firstIndex(where: { $0.1 == module }) { return [0, index, 0, last] }
    guard let (layer, rest) = numbered(module, after: "blk."), let index = modules.firstIndex(where: { $0.1 == rest })
    else { return [Int.max] }
    return [1, layer, index, last]
  }

  /// Buffers that are derived from the configuration and have no place in a GGUF file.
  public func isDerivedBuffer(_ name: String) -> Bool { name.hasSuffix("rotary_emb.inv_freq") }
}

// MARK: - Row order

/// The order of query and key rows in GGUF files of family `llama`.
///
/// Hugging Face rotates column i of a head with column i + D/2; llama.cpp rotates 2i with 2i + 1. With D rows a head:
/// stored row h·D + 2i + p is Hugging Face row h·D + p·D/2 + i, for p in 0, 1 and i below D/2.
public struct RowPermutation: Sendable, Hashable {
  public let headRows: Int

  /// Nil when rows cannot be cut into heads of an even number of rows.
  public init?(rows: Int, heads: Int) {
    guard heads > 0, rows > 0, rows % heads == 0, rows / heads % 2 == 0 else { return nil }
    headRows = rows / heads
  }

  /// The Hugging Face row that is stored at a row.
  public func row(ofStored stored: Int) -> Int {
    let place = stored % headRows
    return stored - place + place % 2 * (headRows / 2) + place / 2
  }

  /// The row a Hugging Face row is stored at.
  public func storedRow(of row: Int) -> Int {
    let place = row % headRows
    let half = headRows / 2
    return row - place + 2 * (place % half) + place / half
  }
}

extension GGUFFamily {
  /// The row order of a stored tensor; nil when it is Hugging Face's.
  ///
  /// - Throws: `GGUFModelError` when rows and heads do not fit.
  public func permutation(
    ofStored stored: String, rows: Int, heads: Int, keyHeads: Int
  ) throws(GGUFModelError) -> RowPermutation? {
    guard permutesRows, let (module, _) = split(stored), let (_, rest) = numbered(module, after: "blk."),
      rest == "attn_q" || rest == "attn_k"
    else { return nil }
    let count = rest == "attn_q" ? heads : keyHeads
    guard let permutation = RowPermutation(rows: rows, heads: count) else {
      throw GGUFModelError(.headsDoNotFit(rows: rows, heads: count), tensor: stored)
    }
    return permutation
  }
}
