// Tritsmith: comparing one tensor with its source.

import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritQuantizers
import TritSurvey

/// Compares one converted tensor with its source, on one thread and in bounded memory.
package struct TensorComparison {
  let source: any TensorSource
  let converted: any TensorSource
  let expected: TensorDescriptor
  let found: TensorDescriptor
  let role: TensorRole
  let quantizer: any Quantizer
  let depth: VerifyRequest.Depth
  let work: WorkOptions
  /// Which plane of a sum of ternary matrices `found` is.
  let plane: Int
  let calibration: CalibrationStatistics?
  /// What to find, when a conversion has worked it out from the source already.
  let witness: AuditWitness?
  /// The same of a tensor that was copied.
  let copy: CopyWitness?
  /// Which tensors may be dense or ternary; nil where none was to be made ternary.
  let permission: DensePermission?
  /// What makes the converted side's latents ternary again, where it was made to be trained; nil elsewhere.
  let restoring: (any Quantizer)?
  /// What became of dense weights that were ternary before.
  let recognition: TernaryRecognition
  /// This program has just written the converted side: nothing but its own encoders' bytes will do.
  let isOwnOutput: Bool

  package init(
    source: any TensorSource, converted: any TensorSource, expected: TensorDescriptor, found: TensorDescriptor,
    role: TensorRole, quantizer: any Quantizer, depth: VerifyRequest.Depth, work: WorkOptions, plane: Int = 0,
    calibration: CalibrationStatistics? = nil, witness: AuditWitness? = nil, copy: CopyWitness? = nil,
    permission: DensePermission? = nil, restoring: (any Quantizer)? = nil,
    recognition: TernaryRecognition = .takenAsTheyAre, isOwnOutput: Bool = false
  ) {
    (self.source, self.converted, self.expected, self.found) = (source, converted, expected, found)
    (self.role, self.quantizer, self.depth, self.work) = (role, quantizer, depth, work)
    (self.plane, self.calibration, self.witness, self.copy) = (plane, calibration, witness, copy)
    (self.permission, self.restoring) = (permission, restoring)
    (self.recognition, self.isOwnOutput) = (recognition, isOwnOutput)
  }

  /// Whether a copied tensor is its source, byte by byte.
  package static func findsSameBytes(
    _ tensor: TensorDescriptor, _ source: any TensorSource, _ found: TensorDescriptor, _ output: any TensorSource,
    _ work: WorkOptions
  ) throws -> Bool {
    let comparison = TensorComparison(
      source: source, converted: output, expected: tensor, found: found, role: .other, quantizer: AbsMean.float32,
      depth: .audit, work: work)
    return try comparison.run().0.outcome == .identical
  }

  private var blank: TensorVerification {
    TensorVerification(
      name: expected.name, role: role, shape: expected.shape, outcome: .identical, detail: "same bytes")
  }

  package func run() throws -> (TensorVerification, ErrorSums?) {
    if let unfolded = try unfolded() { return (unfolded, nil) }
    if depth == .audit, let witness { return (try byWitness(witness), nil) }
    return try compare()
  }

  /// The verdict on a tensor that is rotated on one side; nil for the others.
  ///
  /// What a conversion has just unfolded must be the number itself, in the type it is stored in.
  private func unfolded() throws -> TensorVerification? {
    if isOwnOutput {
      guard (source as? any ModelView)?.unfoldedBlock(of: expected) != nil, found.encoding.dtype != nil else {
        return nil
      }
      return try DenseComparison(source: source, converted: converted, work: work, isOwnOutput: true)
        .run(expected, found, blank)
    }
    guard let comparison = try UnfoldedComparison(source, expected, converted, found, work) else { return nil }
    var result = blank
    switch try comparison.run() {
    case .same(let report, let detail):
      result.outcome = report.changed == 0 ? .equal : .rounded
      result.rounding = report.changed == 0 ? nil : report
      result.detail = detail
    case .other(_, let detail): return differs(result, detail)
    }
    return result
  }

  /// Where trits or scale differ from the witness's, the source is read again to say which.
  private func byWitness(_ witness: AuditWitness) throws -> TensorVerification {
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

  private func equal(
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

  private func compare() throws -> (TensorVerification, ErrorSums?) {
    // Equal bytes are no equal weights where no weight is known.
    if [expected, found].contains(where: { $0.encoding == ForeignPacking.withoutScale }) {
      return (differs(blank, "packed trits whose scale is not there: no weight of it is known"), nil)
    }
    switch (expected.encoding, found.encoding) {
    case (_, .ternary), (.ternary, .dense): return try ternary()
    case (.dense(let from), .dense(let to)):
      // Binary weights are numbers like others: they have no zeros.
      let isBinary = ModelSurvey.binaryType(of: expected, source) != nil
      let isMatrix = expected.shape.isMatrix && from.isFloatWeight && to.isFloatWeight && !isBinary
      let permitted = isMatrix && role.isProjection ? permission?.reason(expected.name) : .source
      let mustBeTernary = permission != nil && permitted == nil
      var blank = blank
      blank.isKept = permitted == .user
      if from == to, !(mustBeTernary && recognition == .quantizedAgain), try sameBytes() {
        guard mustBeTernary, try !isTernary(converted, found) else { return (blank, nil) }
        return (differs(blank, "the same bytes as the source: it was to be made ternary and was not"), nil)
      }
      if isMatrix, let rounded = try roundedToBlocks(blank) { return (rounded, nil) }
      if isMatrix, role.isProjection, try mustBeTernary || isTernary(converted, found) { return try ternary() }
      // This program keeps the types of what it copies, or writes bfloat16, as onebitllms does.
      if isOwnOutput, from != to, to != .bf16, !involvesGGUF {
        return (differs(blank, "stored as \(to.rawValue), expected \(from.rawValue)"), nil)
      }
      let result = try DenseComparison(
        source: source, converted: converted, work: work, isOwnOutput: isOwnOutput
      ).run(expected, found, blank)
      return result.outcome == .differs && isMatrix && isNowTernary ? try ternary() : (result, nil)
    default:
      return (try DenseComparison(source: source, converted: converted, work: work).run(expected, found, blank), nil)
    }
  }

  /// The verdict on weights that are ternary in the source and stood in blocks of another program's afterwards, such as
  /// Q8_0, which round trit × scale; nil where rounding does not explain what is there. Blocks of 32 such numbers hold
  /// trits with scales of their own, which are no scales of the source.
  private func roundedToBlocks(_ blank: TensorVerification) throws -> TensorVerification? {
    guard !isOwnOutput, let view = converted as? GGUFModelView, view.stored(found).encoding.blockCodec != nil,
      try isTernary(source, expected)
    else { return nil }
    let result = try DenseComparison(source: source, converted: converted, work: work).run(expected, found, blank)
    return result.outcome == .differs ? nil : result
  }

  /// A dense tensor that differs from its source may have been made ternary on request.
  private var isNowTernary: Bool { (try? isTernary(converted, found)) ?? false }

  private func isTernary(_ source: any TensorSource, _ tensor: TensorDescriptor) throws -> Bool {
    guard tensor.shape.isMatrix, tensor.encoding.dtype?.isFloatWeight == true else { return false }
    let pass = try WeightPass(source, tensor, roundsToBFloat16: false, kernels: work.kernels)
    return try pass.ternaryScale(work.parallelism, SilentProgress()) != nil
      || pass.findings(work.parallelism, SilentProgress()).largest == 0
  }

  /// GGUF stores scales and dense numbers in other types than checkpoints, so bytes cannot be compared.
  var involvesGGUF: Bool {
    [source, converted].contains { $0.manifest.format == GGUFFormat.id }
  }

  /// Whether a side holds multipliers in a type or for groups of its own, so that stored numbers cannot be compared.
  var comparesMultipliers: Bool {
    involvesGGUF || [expected, found].contains { $0.encoding == .ternary(MLXTwoBit.id) }
  }

  private func sameBytes() throws -> Bool {
    if let copy, expected.location.byteCount == found.location.byteCount,
      try copy.agrees(with: found, in: converted, cancellation: work.parallelism.cancellation)
    {
      return true
    }
    return try StoredBytes.areEqual(
      expected, in: source, found, in: converted, cancellation: work.parallelism.cancellation)
  }

  // MARK: - Ternary tensors

  private func ternary() throws -> (TensorVerification, ErrorSums?) {
    try source.holding(expected) { try converted.holding(found) { try ternaryAtHand() } }
  }

  private func ternaryAtHand() throws -> (TensorVerification, ErrorSums?) {
    if let proved = try byNumbers() { return (proved, nil) }
    var result = blank
    result.isTernary = true
    var fresh = try TernaryWeight(
      source, expected, quantizer: quantizer, calibration: calibration, recognition: recognition, work: work)
    if case .fitted(_, let matrix) = fresh.origin {
      fresh.plane = plane
      return try fitted(fresh, matrix, result)
    }
    if fresh.isPacked, !found.encoding.isTernary {
      let scale = try fresh.scale(expected.scale?.convention ?? defaultConvention)
      if scale.granularity != .tensor { return try expanded(fresh, scale, result) }
    }
    if !isOwnOutput, recognition == .takenAsTheyAre, case .quantized = fresh.origin,
      permission?.allowsTrits(expected.name, role) == false, try !isAllZero(fresh)
    {
      return (
        differs(
          result, "made ternary, and its source computes it as ordinary numbers; --quantize says that it was meant"),
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
    let isDense = dense != nil && !isLatent
    let candidates = try expectedScales(WeightScales(fresh), isDense: isDense)
    let foundScale =
      if let dense, isLatent {
        try dense.scale(candidates[0].convention)
      } else if let dense {
        dense.magnitude ?? .none(found.encoding.dtype ?? .f32)
      } else {
        try converted.scale(of: found)
      }
    var live = LiveUnits(ScaleGrid(candidates[0].granularity, foundScale.granularity, expected.shape))
    let sums = try compareTrits(fresh, dense, foundScale, &live, &result)
    // Which of the two meanings a new scale was made for is not in every file: the multiplier of either is right.
    let findings = candidates.map { finding($0, foundScale, live, isDense: isDense) }
    let choice = findings.firstIndex { $0.difference == nil } ?? 0
    result.expectedScale = candidates[choice]
    result.foundScale = foundScale
    if result.mismatches > 0, let first = result.firstMismatch {
      let text =
        first.found == IndependentDecoder.invalid ? "an invalid code" : "\(first.found)"
      let place = "row \(first.row), column \(first.column): expected \(first.expected), found \(text)"
      return (differs(result, "\(grouped(result.mismatches)) trits differ, first at \(place)"), sums)
    }
    if let detail = findings[choice].difference {
      let lost = try differing(result, detail, candidates[choice], foundScale, live) { try foundTrits($0, dense) }
      return (lost, sums)
    }
    result.outcome = .equal
    let how =
      isLatent
      ? "latents that give the same trits and scale when made ternary again" : WeightScales(fresh).origin
    result.scaleRounding = findings[choice].rounding ?? roundedMagnitude(fresh.magnitude, foundScale)
    result.detail = how + (result.scaleRounding.map { "; " + $0.phrase } ?? "")
    return (result, sums)
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
  private func expectedScales(_ fresh: WeightScales, isDense: Bool) throws -> [TernaryScale] {
    let stated = involvesGGUF ? nil : found.scale?.convention
    let convention = stated ?? expected.scale?.convention ?? defaultConvention
    // Dense numbers and GGUF hold multipliers: of weights that are ternary already, the magnitude itself.
    if let magnitude = fresh.magnitude {
      if isDense || comparesMultipliers { return [magnitude] }
      // A checkpoint stores it as bfloat16; one that stores Float may hold it whole.
      return try [fresh.of(convention)] + (convention == .multiply ? [magnitude] : [])
    }
    guard involvesGGUF, !fresh.isPacked else { return [try fresh.of(convention)] }
    return try ([convention] + ScaleConvention.allCases.filter { $0 != convention }).map { try fresh.of($0) }
  }

  private func finding(
    _ expected: TernaryScale, _ found: TernaryScale, _ live: LiveUnits, isDense: Bool
  ) -> (difference: String?, rounding: ScaleRounding?) {
    if isDense || comparesMultipliers {
      let agreement = ScaleAgreement(expected, found, live, origin: .first, mendsDivisors: isOwnOutput)
      return (agreement.difference, agreement.rounding)
    }
    return (storedDifference(expected, found, live), nil)
  }

  /// What storing the magnitude of weights that were ternary already did to it; nil when nothing.
  private func roundedMagnitude(_ magnitude: TernaryScale?, _ found: TernaryScale) -> ScaleRounding? {
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
      return "\(found.stored.count) scales, expected \(expected.stored.count)"
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
    _ fresh: TernaryWeight, _ dense: TernaryWeight?, _ scale: TernaryScale, _ live: inout LiveUnits,
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
      try fresh.read(band, into: &left, at: 0)
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
      fresh.release(band)
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

  func differs(_ result: TensorVerification, _ detail: String) -> TensorVerification {
    var result = result
    result.outcome = .differs
    result.detail = detail
    return result
  }
}
