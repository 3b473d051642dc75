// Tritsmith: the layers of a decoder, one chunk of tokens at a time.

import TritCore
import TritKernels
import TritModel

/// One chunk of tokens going through the layers; the same code for every family and arithmetic mode but the products.
struct ForwardPass {
  let model: LanguageModel
  let mode: ArithmeticMode
  let engine: InferenceEngine
  let space: ForwardWorkspace
  /// Position of the first token in the context.
  let start: Int
  /// Tokens of this chunk.
  let count: Int
  let observer: (any ForwardObserver)?

  private var configuration: ModelDescription { model.configuration }

  /// Rows of the embedding, widened.
  func embed(_ ids: [Int]) throws {
    let width = configuration.hiddenSize
    ForwardWorkspace.grow(&space.hidden, to: count * width)
    for (index, id) in ids.enumerated() {
      space.hidden.replaceSubrange(index * width..<(index + 1) * width, with: try model.embedding.row(id, engine))
    }
    if let basis = model.embeddingBasis {
      ForwardWorkspace.grow(&space.normed, to: count * width)
      basis.change(space.hidden, rows: count, .outOf, engine, into: &space.normed)
      swap(&space.hidden, &space.normed)
    }
    multiply(&space.hidden, by: configuration.multipliers.embedding, width)
    try observe("embed", width, &space.hidden)
  }

  /// h += output(attention(…norm(h))) · multiplier
  func attend(
    _ layer: DecoderLayer, _ attention: AttentionWeights, _ index: Int, _ cache: inout KeyValueCache,
    _ cosines: [Float], _ sines: [Float]
  ) throws {
    let hidden = configuration.hiddenSize
    let shape = configuration.attention
    norm(space.hidden, hidden, layer.inputNorm, into: &space.normed)
    try observe("input_layernorm", index, hidden, &space.normed)

    try projectQueryKeyValue(attention, index)
    if attention.isGated { partQueries(shape) }
    try normHeads(attention, index)
    rotate(&space.query, heads: shape.heads, cosines, sines)
    rotate(&space.key, heads: shape.keyValueHeads, cosines, sines)
    cache.write(layer: index, keys: space.key, values: space.value, tokens: count)

    ForwardWorkspace.grow(&space.attended, to: count * shape.queryWidth)
    engine.attention(
      space.query, keys: cache.keys[index].values, values: cache.values[index].values, reserved: cache.reserved, shape,
      first: start, tokens: count, into: &space.attended)
    try observe("self_attn.attended", index, shape.queryWidth, &space.attended)
    if attention.isGated {
      engine.sigmoidGate(&space.attended, by: space.gate, count: count * shape.queryWidth)
      try observe("self_attn.gated", index, shape.queryWidth, &space.attended)
    }
    if let subNorm = attention.subNorm, let name = configuration.architecture.module(.attentionSubNorm)?.path {
      norm(space.attended, shape.queryWidth, subNorm, into: &space.query)
      try observe(name, index, shape.queryWidth, &space.query)
      try project(attention.output, index, space.query, .new, into: &space.added)
    } else {
      try project(attention.output, index, space.attended, .new, into: &space.added)
    }
    try observe("self_attn", index, hidden, &space.added)
    addToResidual()
  }

  /// h += output(gated norm(delta rule(convolution(…norm(h))))) · multiplier
  func recur(
    _ layer: DecoderLayer, _ net: DeltaNetWeights, _ index: Int, _ shape: DeltaNetShape, _ state: inout DeltaState
  ) throws {
    let hidden = configuration.hiddenSize
    norm(space.hidden, hidden, layer.inputNorm, into: &space.normed)
    try observe("input_layernorm", index, hidden, &space.normed)

    try projectTwo(net.input, net.gate, index, into: &space.mixed, &space.gate)
    try project(net.rate, index, space.normed, .sameAsBefore, into: &space.rate)
    try project(net.decay, index, space.normed, .sameAsBefore, into: &space.decay)
    ForwardWorkspace.grow(&space.up, to: count * shape.channels)
    engine.deltaConvolution(space.mixed, weight: net.convolution, shape, &state, tokens: count, into: &space.up)
    try observe("linear_attn.conv", index, shape.channels, &space.up)
    engine.sigmoid(&space.rate, count: count * shape.valueHeads)
    try observe("linear_attn.beta", index, shape.valueHeads, &space.rate)
    engine.logDecay(&space.decay, decayLog: net.decayLog, bias: net.decayBias, tokens: count)
    try observe("linear_attn.log_decay", index, shape.valueHeads, &space.decay)
    ForwardWorkspace.grow(&space.attended, to: count * shape.valueWidth)
    engine.deltaRule(
      space.up, logDecay: space.decay, rate: space.rate, shape, &state, tokens: count, into: &space.attended)
    try observe("linear_attn.delta_rule", index, shape.valueWidth, &space.attended)
    engine.gatedNorm(
      &space.attended, by: space.gate, rows: count * shape.valueHeads, columns: shape.valueDimension,
      weight: net.norm.values, epsilon: net.norm.epsilon)
    try observe("linear_attn.gated", index, shape.valueWidth, &space.attended)
    try project(net.output, index, space.attended, .new, into: &space.added)
    try observe("linear_attn", index, hidden, &space.added)
    addToResidual()
  }

  /// h += down(activation(gate(m)) · up(m)) · multiplier, m = norm(h)
  func feedForward(_ layer: DecoderLayer, _ index: Int) throws {
    let hidden = configuration.hiddenSize
    let inner = configuration.intermediateSize
    norm(space.hidden, hidden, layer.feedForwardNorm, into: &space.normed)
    try observe("post_attention_layernorm", index, hidden, &space.normed)

    try projectGateUp(layer, index)
    engine.gate(configuration.activation, &space.gate, with: space.up, count: count * inner)
    try observe("mlp.gated", index, inner, &space.gate)
    if let subNorm = layer.feedForwardSubNorm, let name = configuration.architecture.module(.feedForwardSubNorm)?.path {
      norm(space.gate, inner, subNorm, into: &space.up)
      try observe(name, index, inner, &space.up)
      try project(layer.down, index, space.up, .new, into: &space.added)
    } else {
      try project(layer.down, index, space.gate, .new, into: &space.added)
    }
    try observe("mlp", index, hidden, &space.added)
    addToResidual()
    if observer != nil { try observe("block\(index)", hidden, &space.hidden) }
  }

  /// The last norm, of every token, and its division for the head.
  func finish() throws {
    norm(space.hidden, configuration.hiddenSize, model.finalNorm, into: &space.normed)
    try observe("final_norm", configuration.hiddenSize, &space.normed)
    let divisor = configuration.multipliers.headDivisor
    if divisor != 1 { for place in 0..<count * configuration.hiddenSize { space.normed[place] /= divisor } }
    if let basis = model.headBasis {
      ForwardWorkspace.grow(&space.added, to: count * configuration.hiddenSize)
      basis.change(space.normed, rows: count, .into, engine, into: &space.added)
      swap(&space.normed, &space.added)
    }
  }

  /// Logits of some tokens of the chunk, `[rows.count, vocabulary]`.
  func logits(_ rows: Range<Int>) throws {
    let width = configuration.hiddenSize
    let head = model.head
    ForwardWorkspace.grow(&space.logits, to: rows.count * head.rows)
    switch (head, mode) {
    case (.dense(let head), _):
      try head.withBytes { bytes in
        engine.floatProduct(
          bytes, head.element, rows: head.rows, columns: width, space.normed, tokens: rows, into: &space.logits)
      }
    case (.grouped(let matrix), .reference):
      engine.widenedProduct(matrix, space.normed, tokens: rows, into: &space.logits)
    case (.grouped(let matrix), .fast):
      space.forgetInput()
      engine.quantize(space.normed, rows: rows, for: matrix.shape, .group, into: &space.grouped)
      engine.groupedProduct(matrix, space.grouped, into: &space.logits)
    }
  }

  // MARK: - Steps

  /// Parts every head's query from what its output is gated by.
  private func partQueries(_ shape: AttentionShape) {
    swap(&space.query, &space.mixed)
    ForwardWorkspace.grow(&space.query, to: count * shape.queryWidth)
    ForwardWorkspace.grow(&space.gate, to: count * shape.queryWidth)
    engine.partHeads(
      space.mixed, rows: count, heads: shape.heads, dimension: shape.headDimension, into: &space.query, &space.gate)
  }

  func norm(_ input: [Float], _ width: Int, _ weights: NormWeights, into output: inout [Float]) {
    ForwardWorkspace.grow(&output, to: count * width)
    engine.rmsNorm(
      input, rows: count, columns: width, weight: weights.values, epsilon: weights.epsilon, into: &output)
  }

  private func rotate(_ x: inout [Float], heads: Int, _ cosines: [Float], _ sines: [Float]) {
    engine.rotate(
      &x, rows: count, heads: heads, headDimension: configuration.attention.headDimension,
      columns: configuration.rotaryDimension, cosines: cosines, sines: sines)
  }

  /// Norms of query and key heads, for a family that has them.
  private func normHeads(_ layer: AttentionWeights, _ index: Int) throws {
    let shape = configuration.attention
    let table = configuration.architecture
    if let weights = layer.queryNorm, let name = table.module(.queryNorm)?.path {
      normHeads(of: &space.query, shape.heads, shape.headDimension, weights)
      try observe(name, index, shape.queryWidth, &space.query)
    }
    if let weights = layer.keyNorm, let name = table.module(.keyNorm)?.path {
      normHeads(of: &space.key, shape.keyValueHeads, shape.headDimension, weights)
      try observe(name, index, shape.keyValueWidth, &space.key)
    }
  }

  private func normHeads(of x: inout [Float], _ heads: Int, _ width: Int, _ weights: NormWeights) {
    ForwardWorkspace.grow(&space.added, to: count * heads * width)
    engine.rmsNorm(
      x, rows: count * heads, columns: width, weight: weights.values, epsilon: weights.epsilon, into: &space.added)
    swap(&x, &space.added)
  }

  private func multiply(_ x: inout [Float], by factor: Float, _ width: Int) {
    guard factor != 1 else { return }
    for place in 0..<count * width { x[place] *= factor }
  }

  private func addToResidual() {
    multiply(&space.added, by: configuration.multipliers.residual, configuration.hiddenSize)
    engine.add(space.added, to: &space.hidden, count: count * configuration.hiddenSize)
  }

  // MARK: - Observing

  var tokens: Range<Int> { start..<start + count }

  private func observe(_ name: String, _ width: Int, _ values: inout [Float]) throws {
    guard let observer else { return }
    try observer.observe(name, tokens: tokens, width: width, values.span.extracting(0..<count * width))
    if let corrector = observer as? any ForwardCorrector {
      try corrector.correct(name, tokens: tokens, width: width, &values)
    }
  }

  func observe(_ name: String, _ layer: Int, _ width: Int, _ values: inout [Float]) throws {
    // Names are built for an observer only.
    guard observer != nil else { return }
    try observe("block\(layer).\(name)", width, &values)
  }
}
