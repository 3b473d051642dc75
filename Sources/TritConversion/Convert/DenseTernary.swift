// Tritsmith: trit × scale as dense bfloat16.

import TritCore
import TritModel
import TritQuantizers
import TritSurvey

extension TernaryWeight {
  /// A band of bfloat16 weights as ±bf16(multiplier) or ±0, zeros keeping the weight's sign.
  ///
  /// torch's `round` keeps −0, and onebitllms' `convert_to_bf16` divides it by the scale, so small negative latents
  /// become −0 there; with trits alone that sign is lost.
  ///
  /// - Returns: false when the weight is not quantized as bfloat16 or has more than one scale; nothing is written then.
  func snap(_ band: MatrixBand, to scale: TernaryScale, into values: inout [UInt16]) throws -> Bool {
    guard scale.granularity == .tensor, case .quantized(let pass, _, let decision) = origin, pass.isBFloat16 else {
      return false
    }
    let level = BFloat16(scale.multiplier())
    try source.withBytes(pass.byteRange(band), of: tensor) { data in
      var output = values.mutableSpan
      if pass.dtype == .bf16 {
        kernels.snap(bf16: data, decision.thresholds, to: level, into: &output)
      } else {
        let rounded = DenseValues.bfloat16(DenseValues.floats(data, pass.dtype))
        kernels.snap(bf16: rounded.span.bytes, decision.thresholds, to: level, into: &output)
      }
    }
    return true
  }
}

enum DenseTernary {
  /// trit × multiplier in Float, for a band of the output; `order` says which of the source's rows its rows are.
  static func values(
    _ trits: [Int8], _ grid: MultiplierGrid, _ band: MatrixBand, order: RowPermutation?
  ) -> [Float] {
    grid.values(trits, band) { order?.row(ofStored: $0) ?? $0 }
  }

  /// trit × multiplier, rounded to bfloat16.
  static func fill(_ values: inout [UInt16], from trits: [Int8], _ grid: MultiplierGrid, _ band: MatrixBand) {
    let products = grid.values(trits, band)
    for index in trits.indices { values[index] = BFloat16(products[index]).bits.littleEndian }
  }
}
