// Tritsmith: the layers of a decoder, one chunk of tokens at a time.

import TritCore
import TritKernels
import TritModel

/// Buffers of a forward pass, `[tokens, width]` each, grown when needed and kept between calls.
final class ForwardWorkspace {
  /// The residual stream.
  var hidden: [Float] = []
  var normed: [Float] = []
  var query: [Float] = []
  var key: [Float] = []
  var value: [Float] = []
  var attended: [Float] = []
  var gate: [Float] = []
  var up: [Float] = []
  /// What a sub-block adds to the residual stream.
  var added: [Float] = []
  /// Input of a projection with a norm of its own.
  var projectionInput: [Float] = []
  /// What is still to be parted: queries with their gates, or channels of a delta net.
  var mixed: [Float] = []
  /// Numbers of value heads: what is left of their states, and how much of what is new goes in.
  var decay: [Float] = []
  var rate: [Float] = []
  /// The last input in the basis of rotated weights, and which that is; nil when it is stale.
  var rotated: [Float] = []
  private(set) var rotatedInto: WeightBasis?
  /// The basis of the input that the int8 forms below are of; nil for the ordinary one.
  private(set) var quantizedBasis: WeightBasis?
  var logits: [Float] = []
  var quantized = QuantizedRows()
  /// Whether `quantized` is the int8 form of the input the next projection shares with the one before.
  private(set) var quantizedState = QuantizedState.stale
  /// The int8 form of the same input for products with group scales, and how it was made; nil when it is stale.
  var grouped = GroupedRows()
  var groupedState: GroupedState?

  /// Forgets the int8 forms of the last input.
  func forgetQuantized() { (quantizedState, groupedState) = (.stale, nil) }

  /// Forgets all forms of the last input.
  func forgetInput() {
    forgetQuantized()
    (rotatedInto, quantizedBasis) = (nil, nil)
  }

  func hasRotated(into basis: WeightBasis) { rotatedInto = basis }

  /// Says in which basis the next product takes its input.
  func use(_ basis: WeightBasis?) {
    guard quantizedBasis !== basis else { return }
    forgetQuantized()
    quantizedBasis = basis
  }

  func hasQuantized() { quantizedState = .current }

  struct GroupedState: Equatable {
    var width: Int
    var units: GroupedRows.Units
  }

  enum QuantizedState {
    case stale
    case current
  }

  static func grow(_ buffer: inout [Float], to count: Int) {
    if buffer.count < count { buffer = [Float](repeating: 0, count: count) }
  }
}

/// One chunk of tokens going through the layers; the same code for every family and arithmetic mode but the products.
struct ForwardPass {
  let model: LanguageModel
  let mode: ArithmeticMode
  let engine: InferenceEngine
  let space: ForwardWorkspace
  /// Position of the first token in the context.
  let first: Int
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
      first: first, tokens: count, into: &space.attended)
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

  /// Whether projections one after the other read the same input, whose int8 form is then made once.
  private enum InputState {
    case new
    case sameAsBefore
  }

  private func project(
    _ projection: Projection, _ index: Int, _ input: [Float], _ state: InputState, into output: inout [Float]
  ) throws {
    var input = input
    if state == .new { space.forgetInput() }
    if let inputNorm = projection.inputNorm {
      norm(input, projection.columns, inputNorm, into: &space.projectionInput)
      input = space.projectionInput
      space.forgetInput()
    }
    defer { if projection.inputNorm != nil { space.forgetInput() } }
    if let observer {
      try observer.observeInput(
        "block\(index).\(projection.name)", tokens: tokens, width: projection.columns,
        input.span.extracting(0..<count * projection.columns))
    }
    input = inBasis(of: projection, input)
    ForwardWorkspace.grow(&output, to: count * projection.rows)
    switch projection.weights {
    case .dense(let weights, let scale, let bias):
      switch projection.inputs {
      case .none: try multiply(weights, input, bias, into: &output)
      case .int8:
        quantize(input, projection.columns)
        try multiply(weights, engine.referenceInput(space.quantized, raw: false), bias, into: &output)
      }
      if scale != 1 { for place in 0..<count * projection.rows { output[place] *= scale } }
    case .grouped(let matrix, let bias):
      switch (projection.inputs, mode) {
      case (.none, .reference):
        engine.widenedProduct(matrix, input, tokens: 0..<count, bias: bias, into: &output)
      case (.int8, .reference):
        quantize(input, projection.columns)
        engine.widenedProduct(
          matrix, engine.referenceInput(space.quantized, raw: false), tokens: 0..<count, bias: bias, into: &output)
      case (_, .fast):
        quantize(input, for: matrix, projection.inputs)
        engine.groupedProduct(matrix, space.grouped, bias: bias, into: &output)
      }
    case .ternary(let bytes, let operand):
      try bytes.withBytes(0..<operand.order.byteCount(rows: operand.rows, columns: operand.columns)) { bytes in
        switch (projection.inputs, mode) {
        case (.none, _): engine.plainProduct(bytes, operand, input, tokens: count, into: &output)
        case (.int8, .reference):
          quantize(input, projection.columns)
          engine.referenceProduct(bytes, operand, space.quantized, into: &output)
        case (.int8, .fast):
          quantize(input, projection.columns)
          engine.integerProduct(bytes, operand, space.quantized, into: &output)
        }
      }
    }
    try observe(projection.name, index, projection.rows, &output)
  }

  /// The input in the basis of a projection's weights.
  private func inBasis(of projection: Projection, _ input: [Float]) -> [Float] {
    space.use(projection.basis)
    guard let basis = projection.basis else { return input }
    if space.rotatedInto !== basis {
      ForwardWorkspace.grow(&space.rotated, to: count * projection.columns)
      basis.change(input, rows: count, .into, engine, into: &space.rotated)
      space.hasRotated(into: basis)
    }
    return space.rotated
  }

  /// Parts every head's query from what its output is gated by.
  private func partQueries(_ shape: AttentionShape) {
    swap(&space.query, &space.mixed)
    ForwardWorkspace.grow(&space.query, to: count * shape.queryWidth)
    ForwardWorkspace.grow(&space.gate, to: count * shape.queryWidth)
    engine.partHeads(
      space.mixed, rows: count, heads: shape.heads, dimension: shape.headDimension, into: &space.query, &space.gate)
  }

  /// Projections of one input; packed ones in one go, in which threads meet once.
  private func projectQueryKeyValue(_ layer: AttentionWeights, _ index: Int) throws {
    if let (query, key, value) = groupedWeights(layer.query, layer.key, layer.value) {
      ForwardWorkspace.grow(&space.query, to: count * layer.query.rows)
      ForwardWorkspace.grow(&space.key, to: count * layer.key.rows)
      ForwardWorkspace.grow(&space.value, to: count * layer.value.rows)
      space.forgetInput()
      quantize(inBasis(of: layer.query, space.normed), for: query.matrix, layer.query.inputs)
      engine.groupedProducts(query, key, value, space.grouped, into: &space.query, &space.key, &space.value)
      try observe(layer.query.name, index, layer.query.rows, &space.query)
      try observe(layer.key.name, index, layer.key.rows, &space.key)
      try observe(layer.value.name, index, layer.value.rows, &space.value)
      return
    }
    guard let query = integerWeights(layer.query), let key = integerWeights(layer.key),
      let value = integerWeights(layer.value)
    else {
      try project(layer.query, index, space.normed, .new, into: &space.query)
      try project(layer.key, index, space.normed, .sameAsBefore, into: &space.key)
      try project(layer.value, index, space.normed, .sameAsBefore, into: &space.value)
      return
    }
    ForwardWorkspace.grow(&space.query, to: count * layer.query.rows)
    ForwardWorkspace.grow(&space.key, to: count * layer.key.rows)
    ForwardWorkspace.grow(&space.value, to: count * layer.value.rows)
    quantizeNew(space.normed, layer.query.columns)
    try query.withBytes { queryBytes in
      try key.withBytes { keyBytes in
        try value.withBytes { valueBytes in
          engine.integerProducts(
            (queryBytes, query.operand), (keyBytes, key.operand), (valueBytes, value.operand), space.quantized,
            into: &space.query, &space.key, &space.value)
        }
      }
    }
    try observe(layer.query.name, index, layer.query.rows, &space.query)
    try observe(layer.key.name, index, layer.key.rows, &space.key)
    try observe(layer.value.name, index, layer.value.rows, &space.value)
  }

  private func projectGateUp(_ layer: DecoderLayer, _ index: Int) throws {
    try projectTwo(layer.gate, layer.up, index, into: &space.gate, &space.up)
  }

  /// Two projections of the normed state.
  private func projectTwo(
    _ first: Projection, _ second: Projection, _ index: Int, into firstOutput: inout [Float],
    _ secondOutput: inout [Float]
  ) throws {
    if let (one, two, _) = groupedWeights(first, second, second) {
      ForwardWorkspace.grow(&firstOutput, to: count * first.rows)
      ForwardWorkspace.grow(&secondOutput, to: count * second.rows)
      space.forgetInput()
      quantize(inBasis(of: first, space.normed), for: one.matrix, first.inputs)
      engine.groupedProducts(one, two, space.grouped, into: &firstOutput, &secondOutput)
      try observe(first.name, index, first.rows, &firstOutput)
      try observe(second.name, index, second.rows, &secondOutput)
      return
    }
    guard let one = integerWeights(first), let two = integerWeights(second) else {
      try project(first, index, space.normed, .new, into: &firstOutput)
      try project(second, index, space.normed, .sameAsBefore, into: &secondOutput)
      return
    }
    ForwardWorkspace.grow(&firstOutput, to: count * first.rows)
    ForwardWorkspace.grow(&secondOutput, to: count * second.rows)
    quantizeNew(space.normed, first.columns)
    try one.withBytes { oneBytes in
      try two.withBytes { twoBytes in
        engine.integerProducts(
          (oneBytes, one.operand), (twoBytes, two.operand), space.quantized, into: &firstOutput, &secondOutput)
      }
    }
    try observe(first.name, index, first.rows, &firstOutput)
    try observe(second.name, index, second.rows, &secondOutput)
  }

  private struct IntegerWeights {
    var bytes: WeightBytes
    var operand: TernaryOperand

    func withBytes(_ body: (RawSpan) throws -> Void) throws {
      try bytes.withBytes(0..<operand.order.byteCount(rows: operand.rows, columns: operand.columns), body)
    }
  }

  /// The packed weights of a projection that is an integer product of its input as it comes; nil for others.
  private func integerWeights(_ projection: Projection) -> IntegerWeights? {
    guard mode == .fast, projection.inputNorm == nil, projection.basis == nil, projection.inputs == .int8,
      case .ternary(let bytes, let operand) = projection.weights
    else { return nil }
    return IntegerWeights(bytes: bytes, operand: operand)
  }

  private typealias GroupedOperand = (matrix: GroupedMatrix, bias: [Float]?)

  /// The weights of projections that are integer products of one input with scales of groups; nil for others.
  private func groupedWeights(
    _ first: Projection, _ second: Projection, _ third: Projection
  ) -> (GroupedOperand, GroupedOperand, GroupedOperand)? {
    func operand(_ projection: Projection) -> GroupedOperand? {
      guard mode == .fast, observer == nil, projection.inputNorm == nil, projection.inputs == first.inputs,
        projection.basis === first.basis,
        case .grouped(let matrix, let bias) = projection.weights
      else { return nil }
      return (matrix, bias)
    }
    guard let a = operand(first), let b = operand(second), let c = operand(third),
      a.matrix.shape.groupColumns == b.matrix.shape.groupColumns,
      a.matrix.shape.groupColumns == c.matrix.shape.groupColumns
    else { return nil }
    return (a, b, c)
  }

  /// The int8 form of an input for a matrix with scales of groups. Inputs that the model does not round have a scale
  /// for each group.
  private func quantize(_ input: [Float], for matrix: GroupedMatrix, _ inputs: InputRounding) {
    let units: GroupedRows.Units = inputs == .int8 ? .token : .group
    let state = ForwardWorkspace.GroupedState(width: matrix.shape.groupColumns, units: units)
    guard space.groupedState != state else { return }
    engine.quantize(input, rows: 0..<count, for: matrix.shape, units, into: &space.grouped)
    space.groupedState = state
  }

  private func quantizeNew(_ input: [Float], _ columns: Int) {
    space.forgetInput()
    quantize(input, columns)
  }

  private func multiply(_ weights: FloatWeights, _ input: [Float], _ bias: [Float]?, into output: inout [Float]) throws
  {
    try weights.withBytes { bytes in
      engine.floatProduct(
        bytes, weights.element, rows: weights.rows, columns: weights.columns, input, tokens: 0..<count,
        bias: bias, into: &output)
    }
  }

  private func quantize(_ input: [Float], _ columns: Int) {
    guard space.quantizedState == .stale else { return }
    engine.quantize(input, rows: count, columns: columns, into: &space.quantized)
    space.hasQuantized()
  }

  private func norm(_ input: [Float], _ width: Int, _ weights: NormWeights, into output: inout [Float]) {
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

  private var tokens: Range<Int> { first..<first + count }

  private func observe(_ name: String, _ width: Int, _ values: inout [Float]) throws {
    guard let observer else { return }
    try observer.observe(name, tokens: tokens, width: width, values.span.extracting(0..<count * width))
    if let corrector = observer as? any ForwardCorrector {
      try corrector.correct(name, tokens: tokens, width: width, &values)
    }
  }

  private func observe(_ name: String, _ layer: Int, _ width: Int, _ values: inout [Float]) throws {
    // Names are built for an observer only.
    guard observer != nil else { return }
    try observe("block\(layer).\(name)", width, &values)
  }
}
