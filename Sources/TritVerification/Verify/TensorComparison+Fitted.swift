// Tritsmith: comparing a fitted tensor with its source.

import TritCore
import TritFormats
import TritModel
import TritQuantizers
import TritSurvey

extension VerifyWorkflow {
  /// What a quantizer that looks at activations needs; nil for others.
  ///
  /// - Throws: `QuantizerError` when the text is missing, or not the one the converted model records.
  func calibration(_ quantizer: any Quantizer) throws -> CalibrationStatistics? {
    guard (quantizer as? any FittingQuantizer)?.needsCalibration == true else { return nil }
    if let given { return given }
    guard let text = request.calibration else {
      throw QuantizerError(.fit(.calibrationMissing, quantizer: quantizer.id.rawValue))
    }
    let result = try CalibrationStatistics(source.manifest.path, request.open, text, work: work)
    if let recorded = Recipe.origin(of: converted)?["calibration"]?.object?["ids_sha256"]?.string,
      recorded != result.digest.description
    {
      throw QuantizerError(
        .calibrationDiffers(recorded: recorded, found: result.digest.description), file: converted.manifest.path)
    }
    return result
  }
}

extension TensorComparison {
  /// Compares with a fresh fit: packed planes trit by trit, dense results value by value.
  func fitted(
    _ requantized: TernaryWeight, _ matrix: FittedMatrix, _ blank: TensorVerification
  ) throws -> (TensorVerification, ErrorSums?) {
    var result = blank
    result.name = found.name
    let isPacked = found.encoding.isTernary
    let convention = isPacked && !comparesMultipliers ? found.scale?.convention ?? defaultConvention : .multiply
    var expectedScale = matrix.scale(plane, convention)
    if isPacked {
      let foundScale = try converted.scale(of: found)
      if comparesMultipliers { expectedScale = matrix.scale(plane, .multiply) }
      result.expectedScale = expectedScale
      result.foundScale = foundScale
      if expectedScale.granularity != foundScale.granularity, !comparesMultipliers {
        return (
          differs(
            result,
            "a scale for each \(foundScale.granularity.noun), expected for each \(expectedScale.granularity.noun)"), nil
        )
      }
    }
    var live = LiveUnits(
      ScaleGrid(expectedScale.granularity, result.foundScale?.granularity ?? .tensor, expected.shape))
    let sums = try compareFitted(requantized, matrix, convention, isPacked: isPacked, &live, &result)
    if result.mismatches > 0, let mismatch = result.firstMismatch {
      let element = "row \(mismatch.row), column \(mismatch.column)"
      let what = isPacked ? "trits" : "values"
      return (differs(result, "\(result.mismatches) \(what) differ from a fresh fit, first at \(element)"), sums)
    }
    if isPacked, let foundScale = result.foundScale,
      let difference = fittedDifference(matrix, expectedScale, foundScale, live, &result)
    {
      return (try differing(result, difference, expectedScale, foundScale, live) { try foundTrits($0, nil) }, sums)
    }
    result.outcome = .equal
    result.detail =
      (isPacked ? "trits and scales equal a fresh fit" : "values equal a fresh fit")
      + (result.scaleRounding.map { "; " + $0.phrase } ?? "")
    return (result, sums)
  }

  /// How the scale of a packed plane differs from that of a fresh fit; nil where it does not.
  private func fittedDifference(
    _ matrix: FittedMatrix, _ expectedScale: TernaryScale, _ foundScale: TernaryScale, _ live: LiveUnits,
    _ result: inout TensorVerification
  ) -> String? {
    guard comparesMultipliers else { return storedDifference(expectedScale, foundScale, live) }
    // On its way to GGUF the model may have been a file that stores divisors, which rounds the inverse.
    let agreements = [expectedScale, matrix.scale(plane, .divide)].map {
      ScaleAgreement($0, foundScale, live, origin: .first)
    }
    let agreement = agreements.first(where: \.agrees) ?? agreements[0]
    result.scaleRounding = agreement.rounding
    return agreement.difference
  }

  /// Compares packed trits with dense numbers where a row has more than one scale, value by value: what is dense then
  /// holds more than three values, and its trits cannot be read back.
  func expanded(
    _ requantized: TernaryWeight, _ scale: TernaryScale, _ blank: TensorVerification
  ) throws -> (TensorVerification, ErrorSums?) {
    guard case .dense(let dtype) = found.encoding else { return (differs(blank, "is not dense"), nil) }
    var result = blank
    // What is dense holds the multiplier rounded to its type. A scale the type has no number for is no rounding: nothing
    // equals NaN.
    let rounded = TernaryScale(
      stored: scale.multipliers.map { $0 == 0 ? 0 : ScaleAgreement.held($0, dtype) ?? .nan }, storage: .f32,
      convention: .multiply, granularity: scale.granularity
    ).grid(columns: expected.shape.columns)
    var live = LiveUnits(ScaleGrid(scale.granularity, scale.granularity, expected.shape))
    for band in expected.shape.bands(elements: 1 << 18) {
      try work.parallelism.cancellation.check()
      let trits = try requantized.trits(band)
      live.add(trits, band)
      try compare(rounded.values(trits, band), band, &result)
      requantized.release(band)
    }
    if result.mismatches > 0, let mismatch = result.firstMismatch {
      let element = "row \(mismatch.row), column \(mismatch.column)"
      let values = plural(result.mismatches, "value is", "values are")
      return (differs(result, "\(values) not trit times scale, first at \(element)"), nil)
    }
    result.outcome = .equal
    var worst = 0.0
    for (index, pair) in zip(scale.multipliers, rounded.multipliers).enumerated()
    where pair.0 != pair.1 && live.isLive[index] {
      worst = max(worst, abs(Double(pair.0) - Double(pair.1)) / Double(abs(pair.0)))
    }
    result.detail = "every value is trit times scale"
    if worst > 0 {
      result.detail += "; scales rounded to \(dtype.rawValue), by at most \(ScaleRounding.parts(worst))"
      result.scaleRounding = ScaleRounding(storage: dtype, relative: worst, isSpread: true)
    }
    return (result, nil)
  }

  private func compareFitted(
    _ requantized: TernaryWeight, _ matrix: FittedMatrix, _ convention: ScaleConvention, isPacked: Bool,
    _ live: inout LiveUnits, _ result: inout TensorVerification
  ) throws -> ErrorSums? {
    let (rows, columns) = (expected.shape.rows, expected.shape.columns)
    let hash = SHA256()
    // Errors are those of the sum of planes, told once.
    let measuresError = depth == .full && plane == 0
    let scales = matrix.planes.indices.map { matrix.scale($0, convention).grid(columns: columns) }
    var sums = ErrorSums()
    // A fit is of whole rows.
    for band in expected.shape.bands(elements: 1 << 18) {
      try work.parallelism.cancellation.check()
      let values = matrix.values(band.rows, scales)
      if isPacked {
        let left = try requantized.trits(band)
        let right = try foundTrits(band, nil)
        if left != right { count(left, right, band, &result) }
        live.add(right, band)
        if depth == .full {
          hash.update(right.span.bytes)
          result.zeros += right.count { $0 == 0 }
        }
      } else {
        let dtype = found.encoding.dtype ?? .bf16
        try compare(values.map { TernaryScale.rounded($0, to: dtype) }, band, &result)
      }
      if measuresError, case .dense(let dtype) = expected.encoding {
        let width = dtype.bits / 8
        let bytes = band.elements.lowerBound * width..<band.elements.upperBound * width
        let original = try source.withBytes(bytes, of: expected) { DenseValues.floats($0, dtype) }
        sums.add(original) { values[$0] }
      }
      requantized.release(band)
    }
    if isPacked { converted.release(0..<found.location.byteCount, of: found) }
    if depth == .full, isPacked, let scale = result.foundScale {
      result.stream = CodeStream(trits: hash.finalize(), rows: rows, columns: columns, scale: scale)
    }
    guard measuresError else { return nil }
    result.error = sums.result
    return sums
  }

  /// Dense values of a band against those expected, as their type holds them; −0 counts as 0.
  private func compare(
    _ wanted: [Float], _ band: MatrixBand, _ result: inout TensorVerification
  ) throws {
    guard case .dense(let dtype) = found.encoding, dtype.isFloatWeight else {
      throw WorkflowError(.unsupportedEncoding(found: found.encoding.name, wanted: "BF16"), tensor: found.name)
    }
    let width = dtype.bits / 8
    let bytes = band.elements.lowerBound * width..<band.elements.upperBound * width
    let values = try converted.withBytes(bytes, of: found) { DenseValues.floats($0, dtype) }
    let columns = max(1, expected.shape.columns)
    for index in wanted.indices where wanted[index] != values[index] {
      result.mismatches += 1
      if result.firstMismatch == nil {
        let (row, column) = (band.elements.lowerBound + index).quotientAndRemainder(dividingBy: columns)
        result.firstMismatch = .init(row: row, column: column, expected: 0, found: 0)
      }
    }
    result.zeros += values.count { $0 == 0 }
  }
}
