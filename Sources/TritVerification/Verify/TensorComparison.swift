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

  var blank: TensorVerification {
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

  func compare() throws -> (TensorVerification, ErrorSums?) {
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

  func differs(_ result: TensorVerification, _ detail: String) -> TensorVerification {
    var result = result
    result.outcome = .differs
    result.detail = detail
    return result
  }
}
