// Tritsmith: comparing one tensor with what was seen while it was written.

import TritCore
import TritQuantizers
import TritSurvey

extension TensorComparison {
  /// Where trits or scale differ from the witness's, the source is read again to say which.
  func byWitness(_ witness: AuditWitness) throws -> TensorVerification {
    let scales: WeightScales
    switch witness.scales {
    case .one(let one): scales = one
    case .spread(let spread): return try bySpread(witness, spread) ?? compare().0
    }
    guard !involvesGGUF, found.encoding.isTernary, let scale = witness.stored else {
      return try byMultiplier(witness, scales) ?? compare().0
    }
    let agrees = try witness.agrees(
      with: found, scale, in: converted, cancellation: work.parallelism.cancellation
    ) { try foundTrits($0, nil) }
    guard agrees else {
      let (result, _) = try compare()
      return result.outcome == .differs
        ? result : differs(result, "its trits or scale are not those the audit's own arithmetic gives")
    }
    return equal(scales, scale, scale, nil)
  }

  /// Scales of other types, and those of containers that do not say their meaning, are judged by what they multiply by.
  ///
  /// - Returns: nil where the witness does not prove that they are equal.
  private func byMultiplier(_ witness: AuditWitness, _ scales: WeightScales) throws -> TensorVerification? {
    let dense =
      found.encoding.isTernary ? nil : try TernaryWeight(converted, found, quantizer: AbsMean.float32, work: work)
    if case .quantized? = dense?.origin { return nil }
    let foundScale =
      try dense.map { $0.magnitude ?? .none(found.encoding.dtype ?? .f32) } ?? converted.scale(of: found)
    let candidates = try expectedScales(scales, isDense: dense != nil)
    var live = LiveUnits(ScaleGrid(candidates[0].granularity, foundScale.granularity, expected.shape))
    let hasTrits = try witness.agrees(cancellation: work.parallelism.cancellation) {
      try foundTrits($0, dense)
    } look: { trits, band, _ in
      live.add(trits, band)
    }
    converted.release(0..<found.location.byteCount, of: found)
    guard hasTrits else { return nil }
    for scale in candidates {
      let finding = finding(scale, foundScale, live, isDense: dense != nil)
      guard finding.difference == nil else { continue }
      let rounding = finding.rounding ?? roundedMagnitude(scales.magnitude, foundScale)
      return equal(scales, scale, foundScale, rounding)
    }
    return nil
  }

  func equal(
    _ scales: WeightScales, _ scale: TernaryScale, _ foundScale: TernaryScale, _ rounding: ScaleRounding?
  ) -> TensorVerification {
    var result = blank
    result.isTernary = true
    result.outcome = .equal
    result.expectedScale = scale
    result.foundScale = foundScale
    result.scaleRounding = rounding
    result.detail = scales.origin + (rounding.map { "; " + $0.phrase } ?? "")
    return result
  }
}
