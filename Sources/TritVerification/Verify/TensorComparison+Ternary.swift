// Tritsmith: comparing trits and scales of one tensor.

import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritQuantizers
import TritSurvey

extension TensorComparison {
  func ternary() throws -> (TensorVerification, ErrorSums?) {
    try source.holding(expected) { try converted.holding(found) { try ternaryAtHand() } }
  }

  private func ternaryAtHand() throws -> (TensorVerification, ErrorSums?) {
    if let proved = try byNumbers() { return (proved, nil) }
    var result = blank
    result.isTernary = true
    var requantized = try TernaryWeight(
      source, expected, quantizer: quantizer, calibration: calibration, recognition: recognition, work: work)
    if case .fitted(_, let matrix) = requantized.origin {
      requantized.plane = plane
      return try fitted(requantized, matrix, result)
    }
    if requantized.isPacked, !found.encoding.isTernary {
      let scale = try requantized.scale(expected.scale?.convention ?? defaultConvention)
      if scale.granularity != .tensor { return try expanded(requantized, scale, result) }
    }
    if !isOwnOutput, recognition == .takenAsTheyAre, case .quantized = requantized.origin,
      permission?.allowsTrits(expected.name, role) == false, try !isAllZero(requantized)
    {
      return (
        differs(
          // Whole in a line of a screen, with the remedy.
          result, "made ternary of ordinary numbers; if that was meant: --quantize"),
        nil
      )
    }
    // Dense results are read through the same view; packed ones by the independent decoder.
    let dense =
      found.encoding.isTernary
      ? nil : try TernaryWeight(converted, found, quantizer: restoring ?? AbsMean.float32, work: work)
    var isLatent = false
    if let dense, case .quantized = dense.origin, try !isAllZero(dense) {
      isLatent = restoring != nil
      guard isLatent else { return (differs(result, "holds more than three values"), nil) }
    }
    let candidates = try expectedScales(WeightScales(requantized), isDense: dense != nil && !isLatent)
    let foundScale =
      if let dense, isLatent {
        try dense.scale(candidates[0].convention)
      } else if let dense {
        dense.magnitude ?? .none(found.encoding.dtype ?? .f32)
      } else {
        try converted.scale(of: found)
      }
    var live = LiveUnits(ScaleGrid(candidates[0].granularity, foundScale.granularity, expected.shape))
    let sums = try compareTrits(requantized, dense, foundScale, &live, &result)
    result.foundScale = foundScale
    return (try judged(result, requantized, dense, isLatent: isLatent, candidates, foundScale, live), sums)
  }

  /// The verdict on trits and scales that were compared.
  private func judged(
    _ compared: TensorVerification, _ requantized: TernaryWeight, _ dense: TernaryWeight?, isLatent: Bool,
    _ candidates: [TernaryScale], _ foundScale: TernaryScale, _ live: LiveUnits
  ) throws -> TensorVerification {
    var result = compared
    // Which of the two meanings a new scale was made for is not in every file: the multiplier of either is right.
    let findings = candidates.map { finding($0, foundScale, live, isDense: dense != nil && !isLatent) }
    let choice = findings.firstIndex { $0.difference == nil } ?? 0
    result.expectedScale = candidates[choice]
    if result.mismatches > 0, let mismatch = result.firstMismatch {
      let text = mismatch.found == IndependentDecoder.invalid ? "an invalid code" : "\(mismatch.found)"
      let place = "row \(mismatch.row), column \(mismatch.column): expected \(mismatch.expected), found \(text)"
      return differs(result, plural(result.mismatches, "trit differs", "trits differ") + ", first at \(place)")
    }
    if let detail = findings[choice].difference {
      return try differing(result, detail, candidates[choice], foundScale, live) { try foundTrits($0, dense) }
    }
    result.outcome = .equal
    let how =
      isLatent
      ? "latents that give the same trits and scale when made ternary again" : WeightScales(requantized).origin
    result.scaleRounding = findings[choice].rounding ?? roundedMagnitude(requantized.magnitude, foundScale)
    result.detail = how + (result.scaleRounding.map { "; " + $0.phrase } ?? "")
    return result
  }

  /// Weights that were ternary as they stood, and are what the output just written says, number by number.
  ///
  /// - Returns: nil where that is not so or not asked: the comparison of trits and scales says what is.
  private func byNumbers() throws -> TensorVerification? {
    guard depth == .audit, isOwnOutput, recognition == .takenAsTheyAre, plane == 0, comparesMultipliers,
      found.encoding.isTernary, expected.encoding.dtype != nil,
      let comparison = NumberComparison(source, expected, packed: try converted.scale(of: found)),
      try comparison.agrees(work.parallelism.cancellation, { try foundTrits($0, nil) })
    else { return nil }
    converted.release(0..<found.location.byteCount, of: found)
    let scales = WeightScales(isPacked: false, magnitude: comparison.scale) { _ in comparison.scale }
    return equal(scales, comparison.scale, comparison.scale, nil)
  }

  /// What the scale may be: of weights quantized anew, in each meaning a GGUF file may have been made for.
  func expectedScales(_ scales: WeightScales, isDense: Bool) throws -> [TernaryScale] {
    let stated = involvesGGUF ? nil : found.scale?.convention
    let convention = stated ?? expected.scale?.convention ?? defaultConvention
    // Dense numbers and GGUF hold multipliers: of weights that are ternary already, the magnitude itself.
    if let magnitude = scales.magnitude {
      if isDense { return [magnitude] }
      if comparesMultipliers {
        // A checkpoint divides by a bfloat16 number, which need not give back a magnitude of more digits.
        let isDivisor = found.scale?.convention == .divide && found.scale?.storage == .bf16
        return try [magnitude] + (isDivisor && magnitude.granularity == .tensor ? [scales.of(.divide)] : [])
      }
      // A checkpoint stores it as bfloat16; one that stores Float may hold it whole.
      return try [scales.of(convention)] + (convention == .multiply ? [magnitude] : [])
    }
    guard involvesGGUF, !scales.isPacked else { return [try scales.of(convention)] }
    return try ([convention] + ScaleConvention.allCases.filter { $0 != convention }).map { try scales.of($0) }
  }

  func finding(
    _ expected: TernaryScale, _ found: TernaryScale, _ live: LiveUnits, isDense: Bool
  ) -> (difference: String?, rounding: ScaleRounding?) {
    if isDense || comparesMultipliers {
      let agreement = ScaleAgreement(expected, found, live, origin: .first, mendsDivisors: isOwnOutput)
      return (agreement.difference, agreement.rounding)
    }
    return (storedDifference(expected, found, live), nil)
  }

  /// What storing the magnitude of weights that were ternary already did to it; nil when nothing.
  func roundedMagnitude(_ magnitude: TernaryScale?, _ found: TernaryScale) -> ScaleRounding? {
    guard let scale = magnitude, scale.granularity == .tensor, found.granularity == .tensor,
      let magnitude = scale.stored.first, magnitude > 0
    else { return nil }
    let multiplier = found.multiplier()
    // A divisor stands for the magnitude when a dense bfloat16 checkpoint made with it holds that.
    guard multiplier != magnitude, BFloat16.rounded(multiplier) != magnitude else { return nil }
    let change = abs(Double(multiplier) - Double(magnitude)) / Double(magnitude)
    return ScaleRounding(storage: found.storage, relative: change)
  }

  var defaultConvention: ScaleConvention {
    let name = ArchitectureRegistry.className(in: source.manifest.configuration)
    let quantization = source.manifest.configuration.flatMap { try? HFQuantization(configuration: $0, file: "") }
    return ModelSurvey.newScaleConvention(quantization, name.flatMap(ArchitectureRegistry.architecture(named:)))
  }

  private func isAllZero(_ weight: TernaryWeight) throws -> Bool {
    guard case .quantized(let pass, _, _) = weight.origin else { return false }
    return try pass.findings(work.parallelism, SilentProgress()).largest == 0
  }

  /// How the stored numbers of packed weights differ; nil when all that weights depend on are the same.
  func storedDifference(_ expected: TernaryScale, _ found: TernaryScale, _ live: LiveUnits) -> String? {
    if expected.convention != found.convention {
      return "scales \(found.convention.rawValue), expected to \(expected.convention.rawValue)"
    }
    guard expected.stored.count == found.stored.count, expected.granularity == found.granularity else {
      return plural(found.stored.count, "scale") + ", expected \(expected.stored.count)"
    }
    if let index = expected.stored.indices.first(where: {
      expected.dividesByZero(at: $0) != found.dividesByZero(at: $0)
        && !(isOwnOutput && expected.dividesByZero(at: $0))
    }) {
      return ScaleAgreement.zeroDivisor(isFirst: expected.dividesByZero(at: index))
    }
    let differing = expected.stored.indices.first {
      // An infinity times 0 is no number: it matters even over zeros.
      expected.stored[$0] != found.stored[$0]
        && (live.isLive[$0] || !found.multiplier(at: $0).isFinite || !expected.multiplier(at: $0).isFinite)
    }
    guard let index = differing else { return nil }
    return "scale \(index) is \(found.stored[index]), expected \(expected.stored[index])"
  }

  /// Band by band: trits, hash, errors.
  private func compareTrits(
    _ requantized: TernaryWeight, _ dense: TernaryWeight?, _ scale: TernaryScale, _ live: inout LiveUnits,
    _ result: inout TensorVerification
  ) throws -> ErrorSums? {
    let (rows, columns) = (expected.shape.rows, expected.shape.columns)
    let hash = SHA256()
    // A divisor whose inverse is infinite leaves no weights to measure.
    let measuresError =
      depth == .full && expected.encoding.dtype != nil && scale.multipliers.allSatisfy(\.isFinite)
    let grid = scale.grid(columns: columns)
    var sums = ErrorSums()
    var left: [Int8] = []
    for band in expected.shape.bands(elements: 1 << 18) {
      try work.parallelism.cancellation.check()
      if band.count != left.count { left = [Int8](repeating: 0, count: band.count) }
      try requantized.read(band, into: &left, at: 0)
      let right = try foundTrits(band, dense)
      if !left.span.bytes.isByteEqual(to: right.span.bytes) { count(left, right, band, &result) }
      live.add(right, band)
      if depth == .full {
        hash.update(right.span.bytes)
        result.zeros += right.count { $0 == 0 }
      }
      if measuresError, case .dense(let dtype) = expected.encoding {
        let width = dtype.bits / 8
        let bytes = band.elements.lowerBound * width..<band.elements.upperBound * width
        let values = try source.withBytes(bytes, of: expected) { DenseValues.floats($0, dtype) }
        addErrors(values, right, grid, firstElement: band.elements.lowerBound, &sums)
      }
      requantized.release(band)
      dense?.release(band)
    }
    if found.encoding.isTernary { converted.release(0..<found.location.byteCount, of: found) }
    if depth == .full {
      result.stream = CodeStream(trits: hash.finalize(), rows: rows, columns: columns, scale: scale)
    }
    guard measuresError else { return nil }
    result.error = sums.result
    return sums
  }

  func foundTrits(_ band: MatrixBand, _ dense: TernaryWeight?) throws -> [Int8] {
    if let dense { return try dense.trits(band) }
    guard let decoded = try IndependentDecoder.trits(band, of: found, in: converted) else {
      throw WorkflowError(
        .unsupportedEncoding(found: found.encoding.name, wanted: "a layout with an independent decoder"),
        tensor: found.name)
    }
    return decoded
  }

  private func addErrors(
    _ values: [Float], _ trits: [Int8], _ grid: MultiplierGrid, firstElement: Int, _ sums: inout ErrorSums
  ) {
    if let multiplier = grid.uniform {
      sums.add(values, trits) { _ in multiplier }
    } else {
      sums.add(values, trits) { grid.multiplier(at: firstElement + $0) }
    }
  }

  func count(
    _ left: [Int8], _ right: [Int8], _ band: MatrixBand, _ result: inout TensorVerification
  ) {
    let columns = max(1, expected.shape.columns)
    for index in left.indices where left[index] != right[index] {
      result.mismatches += 1
      if result.firstMismatch == nil {
        result.firstMismatch = TensorVerification.Mismatch(
          row: (band.elements.lowerBound + index) / columns, column: (band.elements.lowerBound + index) % columns,
          expected: left[index], found: right[index])
      }
    }
  }
}
