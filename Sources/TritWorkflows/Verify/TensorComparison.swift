// Tritsmith: comparing one tensor with its source.

import TritCore
import TritFormats
import TritModel
import TritQuantizers

/// Compares one converted tensor with its source, on one thread and in bounded memory.
struct TensorComparison {
  let source: any TensorSource
  let converted: any TensorSource
  let expected: TensorDescriptor
  let found: TensorDescriptor
  let role: TensorRole
  let quantizer: any Quantizer
  let depth: VerifyRequest.Depth
  let work: WorkOptions
  /// Which plane of a sum of ternary matrices `found` is.
  var plane = 0
  var calibration: CalibrationStatistics?
  /// What to find, when a conversion has worked it out from the source already.
  var witness: AuditWitness?

  private var blank: TensorVerification {
    TensorVerification(
      name: expected.name, role: role, shape: expected.shape, outcome: .identical, detail: "same bytes")
  }

  func run() throws -> (TensorVerification, ErrorSums?) {
    if depth == .audit, let witness, found.encoding.isTernary { return (try byWitness(witness), nil) }
    return try compare()
  }

  /// Where trits or scale differ from the witness's, the source is read again to say which.
  private func byWitness(_ witness: AuditWitness) throws -> TensorVerification {
    guard try witness.agrees(with: found, in: converted, cancellation: work.parallelism.cancellation) else {
      let (result, _) = try compare()
      return result.outcome == .differs
        ? result : differs(result, "its trits or scale are not those the audit's own arithmetic gives")
    }
    var result = blank
    result.isTernary = true
    result.outcome = .equal
    result.detail = "trits and scale equal a fresh quantization"
    result.expectedScale = witness.scale
    result.foundScale = witness.scale
    return result
  }

  private func compare() throws -> (TensorVerification, ErrorSums?) {
    switch (expected.encoding, found.encoding) {
    case (_, .ternary), (.ternary, .dense): return try ternary()
    case (.dense(let from), .dense(let to)):
      if from == to, try sameBytes() { return (blank, nil) }
      if involvesGGUF, try !role.isProjection || !expected.shape.isMatrix || !isTernary(converted, found) {
        return (try DenseComparison(source: source, converted: converted, work: work).run(expected, found, blank), nil)
      }
      guard role.isProjection || isNowTernary, expected.shape.isMatrix, from.isFloatWeight, to.isFloatWeight else {
        let detail = from == to ? "bytes differ" : "stored as \(to.rawValue), expected \(from.rawValue)"
        return (differs(blank, detail), nil)
      }
      return try ternary()
    default: return (differs(blank, "stored as \(found.encoding.name), which cannot be compared"), nil)
    }
  }

  /// A dense tensor that differs from its source may have been made ternary on request.
  private var isNowTernary: Bool { (try? isTernary(converted, found)) ?? false }

  private func isTernary(_ source: any TensorSource, _ tensor: TensorDescriptor) throws -> Bool {
    guard tensor.shape.isMatrix, tensor.encoding.dtype?.isFloatWeight == true else { return false }
    let pass = try WeightPass(source, tensor, roundsToBFloat16: false, kernels: work.kernels)
    let findings = try pass.findings(work.parallelism, SilentProgress())
    return findings.ternaryMagnitude != nil || findings.largest == 0
  }

  /// GGUF stores scales and dense numbers in other types than checkpoints, so bytes cannot be compared.
  var involvesGGUF: Bool {
    [source, converted].contains { $0.manifest.format == GGUFFormat.id }
  }

  private func sameBytes() throws -> Bool {
    let count = expected.location.byteCount
    guard count == found.location.byteCount else { return false }
    for start in stride(from: 0, to: count, by: bandBytes) {
      let range = start..<min(start + bandBytes, count)
      let same = try source.withBytes(range, of: expected) { left in
        try converted.withBytes(range, of: found) { right in left.isByteEqual(to: right) }
      }
      source.release(range, of: expected)
      converted.release(range, of: found)
      guard same else { return false }
    }
    return true
  }

  // MARK: - Ternary tensors

  private func ternary() throws -> (TensorVerification, ErrorSums?) {
    var result = blank
    result.isTernary = true
    var fresh = try TernaryWeight(source, expected, quantizer: quantizer, calibration: calibration, work: work)
    if case .fitted(_, let matrix) = fresh.origin {
      fresh.plane = plane
      return try fitted(fresh, matrix, result)
    }
    if fresh.isPacked, !found.encoding.isTernary {
      let scale = try fresh.scale(expected.scale?.convention ?? defaultConvention)
      if scale.granularity != .tensor { return try expanded(fresh, scale, result) }
    }
    // Dense results are read through the same view; packed ones by the independent decoder.
    let dense = found.encoding.isTernary ? nil : try TernaryWeight(converted, found, quantizer: quantizer, work: work)
    if let dense, case .quantized = dense.origin {
      guard try isAllZero(dense) else { return (differs(result, "holds more than three values"), nil) }
    }
    let convention =
      involvesGGUF ? defaultConvention : found.scale?.convention ?? expected.scale?.convention ?? defaultConvention
    var expectedScale = try fresh.scale(convention)
    let foundScale: TernaryScale
    if let dense, involvesGGUF, case .recognised(_, let magnitude) = dense.origin {
      foundScale = TernaryScale(stored: magnitude, storage: found.encoding.dtype ?? .f32, convention: .multiply)
    } else if let dense {
      // A dense result holds bf16(1/s) or bf16(s): compare what trits are multiplied by.
      let multiplier = BFloat16.rounded(try dense.scale(.multiply).multiplier())
      foundScale = TernaryScale(stored: multiplier, storage: .bf16, convention: .multiply)
    } else {
      foundScale = try converted.scale(of: found)
    }
    if involvesGGUF, !ScaleAgreement(expectedScale, foundScale, shape: expected.shape).agrees {
      // Which of the two meanings a new scale was made for is not in a GGUF file: the multiplier of either is right.
      for other in ScaleConvention.allCases where !fresh.isPacked {
        let candidate = try fresh.scale(other)
        if ScaleAgreement(candidate, foundScale, shape: expected.shape).agrees { expectedScale = candidate }
      }
    }
    result.expectedScale = expectedScale
    result.foundScale = foundScale
    let sums = try compareTrits(fresh, dense, foundScale, &result)
    if result.mismatches > 0, let first = result.firstMismatch {
      let text =
        first.found == IndependentDecoder.invalid ? "an invalid code" : "\(first.found)"
      let place = "row \(first.row), column \(first.column): expected \(first.expected), found \(text)"
      return (differs(result, "\(result.mismatches) trits differ, first at \(place)"), sums)
    }
    if let detail = scaleDifference(expectedScale, foundScale, isDense: dense != nil, allZero: result.zeros) {
      return (differs(result, detail), sums)
    }
    result.outcome = .equal
    let rounding =
      involvesGGUF ? ScaleAgreement(expectedScale, foundScale, shape: expected.shape).note : nil
    let how =
      switch fresh.origin {
      case .packed: "trits and scale equal"
      case .recognised: "source is ternary already; trits and scale equal"
      case .quantized, .fitted: "trits and scale equal a fresh quantization"
      }
    result.detail = how + (rounding.map { "; " + $0 } ?? "")
    return (result, sums)
  }

  var defaultConvention: ScaleConvention {
    let name = ArchitectureRegistry.className(in: source.manifest.configuration)
    return (name.flatMap(ArchitectureRegistry.architecture(named:)) ?? Llama()).packedConvention
  }

  private func isAllZero(_ weight: TernaryWeight) throws -> Bool {
    guard case .quantized(let pass, _, _) = weight.origin else { return false }
    return try pass.findings(work.parallelism, SilentProgress()).largest == 0
  }

  func scaleDifference(
    _ expected: TernaryScale, _ found: TernaryScale, isDense: Bool, allZero zeros: Int
  ) -> String? {
    // Without a single ±1 a dense tensor carries no scale.
    if isDense, zeros == self.expected.shape.elementCount { return nil }
    if involvesGGUF { return ScaleAgreement(expected, found, shape: self.expected.shape).difference }
    if isDense {
      let wanted = expected.multipliers.map { BFloat16.rounded($0) }
      return wanted == found.multipliers ? nil : "value is ±\(found.multiplier()), expected ±\(wanted[0])"
    }
    if expected.convention != found.convention {
      return "scales \(found.convention.rawValue), expected to \(expected.convention.rawValue)"
    }
    guard expected.stored.count == found.stored.count else {
      return "\(found.stored.count) scales, expected \(expected.stored.count)"
    }
    let differing = expected.stored.indices.first { expected.stored[$0] != found.stored[$0] }
    guard let index = differing else { return nil }
    return "scale \(index) is \(found.stored[index]), expected \(expected.stored[index])"
  }

  /// Row by row: trits, hash, errors.
  private func compareTrits(
    _ fresh: TernaryWeight, _ dense: TernaryWeight?, _ scale: TernaryScale, _ result: inout TensorVerification
  ) throws -> ErrorSums? {
    let (rows, columns) = (expected.shape.rows, expected.shape.columns)
    let step = max(1, (1 << 18) / max(1, columns))
    let hash = SHA256()
    let measuresError = depth == .full && expected.encoding.dtype != nil
    var sums = ErrorSums()
    var left = [Int8](repeating: 0, count: min(step, rows) * columns)
    for start in stride(from: 0, to: rows, by: step) {
      try work.parallelism.cancellation.check()
      let range = start..<min(start + step, rows)
      if range.count * columns != left.count { left = [Int8](repeating: 0, count: range.count * columns) }
      try fresh.read(range, into: &left, at: 0)
      let right = try foundTrits(range, dense)
      if !left.span.bytes.isByteEqual(to: right.span.bytes) { count(left, right, firstRow: start, columns, &result) }
      if depth == .full {
        hash.update(right.span.bytes)
      }
      if depth == .full || dense != nil { result.zeros += right.count { $0 == 0 } }
      if measuresError, case .dense(let dtype) = expected.encoding {
        let width = columns * (dtype.bits / 8)
        let values = try source.withBytes(range.lowerBound * width..<range.upperBound * width, of: expected) {
          DenseValues.floats($0, dtype)
        }
        addErrors(values, right, scale, firstRow: start, columns, &sums)
      }
      fresh.release(range)
      dense?.release(range)
    }
    if found.encoding.isTernary { converted.release(0..<found.location.byteCount, of: found) }
    if depth == .full {
      result.stream = CodeStream(trits: hash.finalize(), rows: rows, columns: columns, scale: scale)
    }
    guard measuresError else { return nil }
    result.error = sums.result
    return sums
  }

  func foundTrits(_ rows: Range<Int>, _ dense: TernaryWeight?) throws -> [Int8] {
    if let dense {
      var trits = [Int8](repeating: 0, count: rows.count * found.shape.columns)
      try dense.read(rows, into: &trits, at: 0)
      return trits
    }
    guard let decoded = try IndependentDecoder.trits(rows, of: found, in: converted) else {
      throw WorkflowError(
        .unsupportedEncoding(found: found.encoding.name, wanted: "a layout with an independent decoder"),
        tensor: found.name)
    }
    return decoded
  }

  private func addErrors(
    _ values: [Float], _ trits: [Int8], _ scale: TernaryScale, firstRow: Int, _ columns: Int, _ sums: inout ErrorSums
  ) {
    let multipliers = scale.multipliers
    switch scale.granularity {
    case .tensor:
      let multiplier = multipliers[0]
      sums.add(values, trits) { _ in multiplier }
    case .row: sums.add(values, trits) { multipliers[firstRow + $0 / columns] }
    case .group(let size):
      let groups = (columns + size - 1) / size
      sums.add(values, trits) { multipliers[(firstRow + $0 / columns) * groups + $0 % columns / size] }
    }
  }

  func count(
    _ left: [Int8], _ right: [Int8], firstRow: Int, _ columns: Int, _ result: inout TensorVerification
  ) {
    for index in left.indices where left[index] != right[index] {
      result.mismatches += 1
      if result.firstMismatch == nil {
        result.firstMismatch = TensorVerification.Mismatch(
          row: firstRow + index / columns, column: index % columns, expected: left[index], found: right[index])
      }
    }
  }

  func differs(_ result: TensorVerification, _ detail: String) -> TensorVerification {
    var result = result
    result.outcome = .differs
    result.detail = detail
    return result
  }
}

extension RawSpan {
  /// True when both hold the same bytes.
  func isByteEqual(to other: RawSpan) -> Bool {
    guard byteCount == other.byteCount else { return false }
    let words = byteCount / 8
    var difference: UInt64 = 0
    for index in 0..<words {
      difference |=
        unsafeLoadUnaligned(fromUncheckedByteOffset: 8 * index, as: UInt64.self)
        ^ other.unsafeLoadUnaligned(fromUncheckedByteOffset: 8 * index, as: UInt64.self)
    }
    for index in 8 * words..<byteCount {
      difference |= UInt64(
        unsafeLoad(fromByteOffset: index, as: UInt8.self) ^ other.unsafeLoad(fromByteOffset: index, as: UInt8.self))
    }
    return difference == 0
  }
}
