// Tritsmith: the linear layer of BitNet models.

import TritCore
import TritKernels
import TritLayouts

/// y = activationQuant(x) · weightQuant(W)ᵀ + bias: the layer that takes the place of `nn.Linear` in a BitNet model.
///
///     let layer = try BitLinear(latent: weights, outputs: 64, inputs: 256, bias: nil, arithmetic: .kernel)
///     let y = layer.forward(x, engine)                       // [tokens, outputs]
///     let gradients = layer.backward(x, gradient: g, engine) // straight-through
///
/// Latent weights are trained and made ternary at every call; packed ones are what a converted model holds. Numbers are
/// Floats. Sums of products may be added in another order than a program adds them, so outputs agree to rounding.
public struct BitLinear: Sendable {
  /// What a layer holds its weights as.
  package enum Weights: Sendable {
    /// `[outputs, inputs]`.
    case latent([Float])
    /// Bytes of a layout, with one scale.
    case packed([UInt8], LayoutID, TernaryScale)
  }

  /// Rows of the weights.
  package let outputs: Int
  /// Columns of the weights.
  package let inputs: Int
  /// Latents, or packed trits with their scale.
  package let weights: Weights
  /// One number an output, or none. Of packed weights that multiply it is scaled with the product, as transformers'
  /// offline `AutoBitLinear` does.
  package let bias: [Float]?
  /// Whose rounding it follows.
  package let arithmetic: BitNetArithmetic

  /// A layer to train.
  ///
  /// - Throws: a `DiagnosticError`, `malformedInput`, when the sizes contradict each other or a weight is not finite.
  public init(
    latent weights: [Float], outputs: Int, inputs: Int, bias: [Float]? = nil, arithmetic: BitNetArithmetic
  ) throws {
    try BitLinear.check(weights.count, outputs * inputs, "weights", bias, outputs)
    if let index = weights.firstIndex(where: { !$0.isFinite }) { throw BitLinearError(.notFinite(index: index)) }
    self.weights = .latent(weights)
    (self.outputs, self.inputs, self.bias, self.arithmetic) = (outputs, inputs, bias, arithmetic)
  }

  /// A layer with weights as a converted model stores them.
  ///
  /// - Throws: a `DiagnosticError`, `malformedInput`, for an unknown layout, a matrix that does not fit it, sizes that
  ///   contradict each other, codes that are no trit, or more than one scale.
  public init(
    packed bytes: [UInt8], _ layout: LayoutID, _ scale: TernaryScale, outputs: Int, inputs: Int,
    bias: [Float]? = nil, arithmetic: BitNetArithmetic = .transformers
  ) throws {
    guard let found = LayoutRegistry.layout(layout), let shape = TensorShape(rows: outputs, columns: inputs) else {
      throw BitLinearError(.unknownLayout(layout.rawValue))
    }
    try found.check(shape)
    try BitLinear.check(bytes.count, found.byteCount(shape), "bytes", bias, outputs)
    guard scale.granularity == .tensor, scale.stored.count == 1, scale.multiplier().isFinite else {
      throw BitLinearError(.scale)
    }
    weights = .packed(bytes, layout, scale)
    (self.outputs, self.inputs, self.bias, self.arithmetic) = (outputs, inputs, bias, arithmetic)
    let (_, invalid) = unpacked(bytes, found, shape)
    guard invalid == 0 else { throw BitLinearError(.invalidCodes(invalid)) }
  }

  private static func check(
    _ found: Int, _ expected: Int, _ what: String, _ bias: [Float]?, _ outputs: Int
  ) throws(BitLinearError) {
    guard found == expected else { throw BitLinearError(.count(what, expected: expected, found: found)) }
    if let bias, bias.count != outputs {
      throw BitLinearError(.count("numbers of a bias", expected: outputs, found: bias.count))
    }
  }

  /// Trits and the number they are divided by; latent weights are made ternary.
  package var quantizedWeight: QuantizedWeight {
    switch weights {
    case .latent(let values): QuantizedWeight(values, arithmetic)
    case .packed(let bytes, let id, let scale):
      if let layout = LayoutRegistry.layout(id), let shape = TensorShape(rows: outputs, columns: inputs) {
        QuantizedWeight(
          trits: unpacked(bytes, layout, shape).trits,
          scale: scale.convention == .divide ? scale.stored[0] : 1 / scale.stored[0])
      } else {
        QuantizedWeight(trits: [], scale: 1)
      }
    }
  }

  private func unpacked(
    _ bytes: [UInt8], _ layout: any TernaryLayout, _ shape: TensorShape
  ) -> (trits: [Int8], invalid: Int) {
    var trits = [Int8](repeating: 0, count: shape.elementCount)
    var invalid = 0
    for run in layout.runs(0..<shape.rows, shape) {
      var output = trits.mutableSpan
      invalid += layout.unpack(
        bytes.span.bytes.extracting(run.bytes), run, shape, with: KernelChoice.best, into: &output,
        at: run.rows.lowerBound * shape.columns)
    }
    return (trits, invalid)
  }

  /// The dense matrix the layer multiplies with.
  var quantizedValues: [Float] {
    if case .packed(_, _, let scale) = weights, scale.convention == .multiply {
      return quantizedWeight.trits.map { Float($0) * scale.stored[0] }
    }
    return quantizedWeight.values()
  }

  /// The output of `[tokens, inputs]` activations, `[tokens, outputs]`.
  ///
  /// Packed weights under `transformers` are summed in integers; all else is a Float product of quantized values.
  public func forward(_ x: [Float], _ engine: InferenceEngine) -> [Float] {
    precondition(inputs > 0 && x.count % inputs == 0, "input is whole rows")
    let tokens = x.count / inputs
    var y = [Float](repeating: 0, count: tokens * outputs)
    if arithmetic == .transformers, case .packed(let bytes, let layout, let scale) = weights,
      let order = order(of: layout)
    {
      let epilogue: ProductEpilogue =
        scale.convention == .divide ? .divide(by: scale.stored) : .multiply(by: scale.stored)
      let operand = TernaryOperand(rows: outputs, columns: inputs, order: order, epilogue: epilogue, bias: bias)
      var quantized = QuantizedRows()
      engine.quantize(x, rows: tokens, columns: inputs, into: &quantized)
      engine.integerProduct(bytes.span.bytes, operand, quantized, into: &y)
      return y
    }
    let input = QuantizedActivation(x, columns: inputs, arithmetic).values()
    engine.floatProduct(
      quantizedValues.span.bytes, .f32, rows: outputs, columns: inputs, input, tokens: 0..<tokens,
      bias: scaledBias, into: &y)
    return y
  }

  private var scaledBias: [Float]? {
    guard case .packed(_, _, let scale) = weights, scale.convention == .multiply else { return bias }
    return bias.map { $0.map { $0 * scale.stored[0] } }
  }

  private func order(of layout: LayoutID) -> PackedTritOrder? {
    switch layout {
    case HFPacked.id: .joinedRows
    case SplitRow.twoBitID: .splitRows
    default: nil
    }
  }
}

/// A layer that cannot be.
package typealias BitLinearError = Diagnostic<BitLinearErrorKind>

package enum BitLinearErrorKind: DiagnosticKind {
  case count(String, expected: Int, found: Int)
  case notFinite(index: Int)
  case unknownLayout(String)
  case invalidCodes(Int)
  case scale

  package var summary: String {
    switch self {
    case .count(let what, let expected, let found): "expected \(expected) \(what), found \(found)"
    case .notFinite(let index): "weight \(index) is not finite"
    case .unknownLayout(let name): "layout '\(printable(name))' is not known, or its matrix is too large"
    case .invalidCodes(let count): "holds \(count) codes that are no trit"
    case .scale: "a packed layer has one finite scale"
    }
  }

  package var remedy: String? { nil }
  package var category: ErrorCategory { .malformedInput }
}
