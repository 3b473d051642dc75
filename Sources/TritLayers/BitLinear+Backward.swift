// Tritsmith: gradients of a BitLinear layer.

import TritKernels

/// Gradients of a loss.
public struct BitLinearGradients: Sendable {
  /// With respect to the layer's input, `[tokens, inputs]`.
  public var input: [Float]
  /// With respect to the latent weights, `[outputs, inputs]`; nil for packed weights, which have none.
  public var weight: [Float]?
  /// With respect to the bias; nil without one.
  public var bias: [Float]?
}

extension BitLinear {
  /// Backward through the straight-through estimator: rounding counts as the identity, also where it clips.
  ///
  ///     dx = g · W_q      dW = gᵀ · x_q      db = Σ g over tokens
  ///
  /// with the quantized values of the forward pass: what PyTorch computes for `x + (quant(x) − x).detach()`.
  ///
  /// - Parameters:
  ///   - x: the input of the forward pass, `[tokens, inputs]`.
  ///   - gradient: of the loss with respect to the output, `[tokens, outputs]`.
  ///   - engine: threads and kernels; results do not depend on them.
  public func backward(_ x: [Float], gradient: [Float], _ engine: InferenceEngine) -> BitLinearGradients {
    precondition(inputs > 0 && x.count % inputs == 0, "input is whole rows")
    let tokens = x.count / inputs
    precondition(gradient.count == tokens * outputs, "a gradient has the shape of the output")
    var input = [Float](repeating: 0, count: tokens * inputs)
    let columns = BitLinear.transposed(quantizedValues, rows: outputs, columns: inputs)
    engine.floatProduct(
      columns.span.bytes, .f32, rows: inputs, columns: outputs, gradient, tokens: 0..<tokens, into: &input)
    var result = BitLinearGradients(input: input)
    if case .latent = weights {
      let quantized = QuantizedActivation(x, columns: inputs, arithmetic).values()
      let byFeature = BitLinear.transposed(quantized, rows: tokens, columns: inputs)
      let byOutput = BitLinear.transposed(gradient, rows: tokens, columns: outputs)
      var weight = [Float](repeating: 0, count: outputs * inputs)
      engine.floatProduct(
        byFeature.span.bytes, .f32, rows: inputs, columns: tokens, byOutput, tokens: 0..<outputs, into: &weight)
      result.weight = weight
    }
    if bias != nil {
      // Of packed weights that multiply, the bias is scaled too.
      var unit: Float = 1
      if case .packed(_, _, let scale) = weights, scale.convention == .multiply { unit = scale.stored[0] }
      result.bias = (0..<outputs).map { output in
        (0..<tokens).reduce(Float(0)) { $0 + gradient[$1 * outputs + output] } * unit
      }
    }
    return result
  }

  private static func transposed(_ matrix: [Float], rows: Int, columns: Int) -> [Float] {
    var result = [Float](repeating: 0, count: matrix.count)
    for row in 0..<rows {
      for column in 0..<columns { result[column * rows + row] = matrix[row * columns + column] }
    }
    return result
  }
}
