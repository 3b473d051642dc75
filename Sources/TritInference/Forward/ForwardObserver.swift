// Tritsmith: looking into a forward pass.

import TritCore

/// How the ternary products of a forward pass are computed; every output names it.
public enum ArithmeticMode: String, Sendable, CaseIterable, Codable {
  /// Float32 as transformers computes it on a CPU: activations are quantized to int8 and widened again, and products
  /// are sums of Floats.
  case reference
  /// int8 activations times trits, summed in integers; everything else as in `reference`.
  case fast
}

/// Sees the hidden states of a forward pass.
package protocol ForwardObserver: AnyObject {
  /// A state of some tokens, `[tokens.count, width]`; `tokens` are positions in the context.
  ///
  /// Names, in this order: `embed`; for every block i `block<i>.input_layernorm`, `block<i>.self_attn.q_proj`,
  /// `…k_proj`, `…v_proj` (before the rotary embedding), `…q_norm` and `…k_norm` of a family that has norms of its heads, `block<i>.self_attn.attended` (values weighted by attention),
  /// the attention sub-norm if there is one, `block<i>.self_attn.o_proj`, `block<i>.self_attn`,
  /// `block<i>.post_attention_layernorm`, `block<i>.mlp.gate_proj` (before the activation function), `…up_proj`,
  /// `block<i>.mlp.gated` (their product after it), the feed-forward sub-norm, `…down_proj`, `block<i>.mlp`, and
  /// `block<i>`, the residual stream after the block; last `final_norm`. `self_attn` and `mlp` are what the sub-blocks
  /// add to the residual stream, before a multiplier of the family.
  func observe(_ name: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws

  /// What a projection multiplies, before it is made int8: `block<i>.self_attn.q_proj` and so on. Query, key and value
  /// share an input, and so do gate and up, unless they have norms of their own.
  func observeInput(_ projection: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws
}

extension ForwardObserver {
  package func observeInput(_ projection: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws {}
}

/// An observer that may put other values in the place of a state: what follows is computed from them.
package protocol ForwardCorrector: ForwardObserver {
  /// A state that was just observed; the first `tokens.count * width` values are it.
  func correct(_ name: String, tokens: Range<Int>, width: Int, _ values: inout [Float]) throws
}

/// Which tokens of a prompt get logits.
package enum LogitsSelection: Sendable {
  case all
  case last
}
