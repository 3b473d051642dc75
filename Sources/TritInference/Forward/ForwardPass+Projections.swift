// Tritsmith: products with the weights of a layer.

import TritCore
import TritKernels
import TritModel

extension ForwardPass {
  /// Whether projections one after the other read the same input, whose int8 form is then made once.
  enum InputState {
    case new
    case sameAsBefore
  }

  func project(
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
    ForwardWorkspace.grow(&output, to: count * projection.rows)
    try multiply(projection, inBasis(of: projection, input), into: &output)
    try observe(projection.name, index, projection.rows, &output)
  }

  /// The product of an input with the weights of a projection, in the arithmetic of the model and the mode.
  private func multiply(_ projection: Projection, _ input: [Float], into output: inout [Float]) throws {
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

  /// Projections of one input; packed ones in one go, in which threads meet once.
  func projectQueryKeyValue(_ layer: AttentionWeights, _ index: Int) throws {
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

  func projectGateUp(_ layer: DecoderLayer, _ index: Int) throws {
    try projectTwo(layer.gate, layer.up, index, into: &space.gate, &space.up)
  }

  /// Two projections of the normed state.
  func projectTwo(
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
}
