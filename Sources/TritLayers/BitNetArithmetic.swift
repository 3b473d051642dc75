// Tritsmith: absmean and absmax quantization as three published programs round.

import TritCore
import TritQuantizers

/// Whose rounding a BitNet layer follows.
///
///     kernel        onebitllms' Triton kernels: floor(v + ½); 127 / max is one division; mean and 1/mean in Double
///     reference     the BitNet reference in PyTorch: half to even; 1/max, then times 127; every step in the element type
///     transformers  the reference in Float whatever the element type, the result rounded to the element type
///
/// In Float the last two are the same; with bfloat16 elements all three differ.
public enum BitNetArithmetic: String, Sendable, CaseIterable {
  case kernel
  case reference
  case transformers

  func quantizer(_ element: LayerElement) -> AbsMean {
    switch self {
    case .kernel: .kernel
    case .reference: element == .bf16 ? .bf16 : .float32
    case .transformers: .float32
    }
  }
}

/// The type a layer's numbers are held in; they are passed as Floats that are exact in it.
public enum LayerElement: String, Sendable, CaseIterable {
  case float32
  case bf16

  /// A Float rounded to this type.
  @inline(__always)
  func rounded(_ value: Float) -> Float { self == .bf16 ? BFloat16.rounded(value) : value }
}

/// A weight matrix made ternary.
package struct QuantizedWeight: Sendable, Equatable {
  /// As many as there were weights, in their order.
  package var trits: [Int8]
  /// What trits are divided by: 1 / mean |w|.
  package var scale: Float

  /// trit / scale in the element type: what a layer multiplies with.
  package func values(_ element: LayerElement = .float32) -> [Float] {
    let unit = element.rounded(1 / scale)
    return trits.map { Float($0) * unit }
  }
}

extension QuantizedWeight {
  package init(_ weights: [Float], _ arithmetic: BitNetArithmetic, element: LayerElement = .float32) {
    let quantizer = arithmetic.quantizer(element)
    let inverse = quantizer.decide(WeightSummary(of: weights)).inverse
    self.init(trits: weights.map { quantizer.trit($0, inverse: inverse) }, scale: inverse)
  }
}

/// trit = clip(round(w · s), −1, 1), s = 1 / max(mean |w|, 1e-5), over all weights.
///
/// Sources: onebitllms `_weight_quant` and `weight_quant_triton`, transformers `WeightQuant`.
///
/// - Parameters:
///   - weights: finite numbers, exact in `element`; a matrix in any order.
///   - arithmetic: whose rounding.
///   - element: the type the program holds them in.
/// - Returns: as many trits as there are weights, in their order, and s, what they are divided by.
public func weightQuant(
  _ weights: [Float], _ arithmetic: BitNetArithmetic, element: LayerElement = .float32
) -> (trits: [Int8], scale: Float) {
  let result = QuantizedWeight(weights, arithmetic, element: element)
  return (result.trits, result.scale)
}

/// Activations made int8, a scale for each row.
package struct QuantizedActivation: Sendable, Equatable {
  /// `[rows, columns]`; 0 in a row that holds a NaN or infinity, whose scale is then NaN or 0.
  package var codes: [Int8]
  /// What codes are divided by: 127 / max |x| of a row.
  package var scales: [Float]

  /// code / scale in the element type: what a layer multiplies with. NaN throughout a row that held no finite maximum.
  package func values(_ element: LayerElement = .float32) -> [Float] {
    let columns = codes.count / max(1, scales.count)
    return codes.indices.map { element.rounded(Float(codes[$0]) / scales[$0 / columns]) }
  }
}

extension QuantizedActivation {
  package init(_ x: [Float], columns: Int, _ arithmetic: BitNetArithmetic, element: LayerElement = .float32) {
    precondition(columns > 0 && x.count % columns == 0, "input is whole rows")
    let rows = x.count / columns
    self.init(codes: [Int8](repeating: 0, count: x.count), scales: [Float](repeating: 0, count: rows))
    // `reference` rounds every step to the element type; the others compute in Float.
    let step: LayerElement = arithmetic == .reference ? element : .float32
    // The kernels keep the maximum in the element type between them.
    let floor: Float = arithmetic == .transformers ? 1e-5 : element.rounded(1e-5)
    for row in 0..<rows {
      let range = row * columns..<(row + 1) * columns
      var top = floor
      for value in x[range] { top = value.isNaN ? .nan : max(top, abs(value)) }
      if x[range].contains(where: \.isNaN) { top = .nan }
      let scale = arithmetic == .kernel ? 127 / top : step.rounded(step.rounded(1 / top) * 127)
      scales[row] = scale
      guard top.isFinite else { continue }
      for index in range {
        let product = step.rounded(x[index] * scale)
        let whole = arithmetic == .kernel ? (product + 0.5).rounded(.down) : product.rounded(.toNearestOrEven)
        codes[index] = Int8(max(-128, min(127, whole)))
      }
    }
  }
}

/// code = clip(round(x · s), −128, 127), s = 127 / max(max |x|, 1e-5) of each row.
///
/// Sources: onebitllms `activation_quant_triton`, transformers `ActQuant` and `BitLinear.activation_quant`.
///
/// - Parameters:
///   - x: `[rows, columns]`, exact in `element`.
///   - columns: numbers that share a scale.
///   - arithmetic: whose rounding.
///   - element: the type the program holds them in.
/// - Returns: codes, `[rows, columns]`, and s of each row, what they are divided by. A row that holds a NaN or infinity has
///   codes of 0 and a scale of NaN or 0.
public func activationQuant(
  _ x: [Float], columns: Int, _ arithmetic: BitNetArithmetic, element: LayerElement = .float32
) -> (codes: [Int8], scales: [Float]) {
  let result = QuantizedActivation(x, columns: columns, arithmetic, element: element)
  return (result.codes, result.scales)
}
