// Tritsmith: what a verification found.

import TritCore
import TritFormats
import TritModel
import TritSurvey

/// What a verification compares.
package struct VerifyRequest: Sendable {
  /// How much is compared.
  package enum Depth: Sendable, Hashable {
    /// Structure, trits, scales and dense bytes: what decides whether an output may be put in place.
    case audit
    /// All of it, and round-trip errors and hashes.
    case full
  }

  /// The quantizer to redo; nil takes the one recorded in the converted model, then the family's default.
  package var quantizer: String?
  package var depth: Depth
  /// The text the conversion was calibrated with, for quantizers that look at activations.
  package var calibration: CalibrationRequest?
  /// How the source is opened once more to run it over that text.
  package var open = OpenOptions()
  /// Parts the verdict is limited to.
  package var parts = ModelPart.needed
  /// Projections that were left dense on purpose, beside those a recipe or a configuration names.
  package var keep: [Glob] = []
  /// Tensors that were made ternary on purpose, beside the projections.
  package var quantize: [Glob] = []
  /// The recipe the conversion followed; nil takes the one recorded in the converted model, if any.
  package var recipe: ConversionRecipe?
  /// Compare only these tensors of the source; nil for all.
  package var only: Set<ExactString>?
  /// What lost scales mean for the verdict: those of a conversion that was allowed to lose them are no fault of it.
  package var scaleLoss = ScaleLossPolicy.refuse
  /// Of a conversion whose audit this is: the tensors its plan leaves dense.
  package var plannedDense: Set<ExactString> = []
  /// This is the audit of a conversion: blocks must be the bytes of its own encoders.
  package var isAudit = false

  package init(quantizer: String? = nil, depth: Depth = .full) {
    self.quantizer = quantizer
    self.depth = depth
  }
}

/// How a dequantized tensor differs from its source. Sums are over all elements, in Double, row by row.
package struct RoundTripError: Sendable, Hashable {
  /// max |w − q|
  package var maximum = 0.0
  /// √(Σ(w − q)² / n)
  package var rmse = 0.0
  /// √(Σ(w − q)² / Σw²); nil when the source is all zero.
  package var relative: Double?
  /// Σwq / √(Σw² Σq²); nil when either is all zero.
  package var cosine: Double?
  /// 10 log₁₀(Σw² / Σ(w − q)²); nil when there is no error or no signal.
  package var sqnr: Double?
}

/// What was found for one tensor.
package struct TensorVerification: Sendable {
  /// How a tensor stands to its source.
  package enum Outcome: String, Sendable, Hashable {
    /// Dense, every byte equal.
    case identical
    /// Trits and scales equal a fresh quantization; dense, every value equal.
    case equal
    /// Dense, the same but for what storing it in another type did.
    case rounded
    /// Every code is right, and several scales of the source have become one.
    case scalesLost = "scales-lost"
    case differs
  }

  /// A trit that is not what its source gives.
  package struct Mismatch: Sendable, Hashable {
    package var row: Int
    package var column: Int
    package var expected: Int8
    package var found: Int8

    package init(row: Int, column: Int, expected: Int8, found: Int8) {
      (self.row, self.column, self.expected, self.found) = (row, column, expected, found)
    }
  }

  package var name: String
  package var role: TensorRole
  package var shape: TensorShape
  package var outcome: Outcome
  /// For people: how it was compared, or what differs.
  package var detail: String
  package var isTernary = false
  /// A projection that stays dense because the user says so, where the source would have it made ternary.
  package var isKept = false
  package var mismatches = 0
  package var zeros = 0

  /// Whether its trits were held against those of its source. Of one that was found to be no ternary tensor, or to have
  /// no scale, none was: a count of 0 would say that all are right.
  package var hasComparedTrits: Bool {
    isTernary && (mismatches > 0 || outcome != .differs || foundScale != nil || scaleChange != nil || stream != nil)
  }

  /// What ternary tensors have beside.
  private struct Findings: RareFindings {
    var firstMismatch: Mismatch?
    var expectedScale: TernaryScale?
    var foundScale: TernaryScale?
    var scaleChange: Double?
    var error: RoundTripError?
    var stream: CodeStream?
    var rounding: RoundingReport?
    var scaleRounding: ScaleRounding?
    var scaleLoss: ScaleLoss?
  }

  @HeldApart private var findings: Findings

  package var firstMismatch: Mismatch? {
    get { findings.firstMismatch }
    set { findings.firstMismatch = newValue }
  }
  /// The scale the source gives; nil where there was none to find, and in a result for tensors with several.
  package var expectedScale: TernaryScale? {
    get { findings.expectedScale }
    set { findings.expectedScale = newValue }
  }
  package var foundScale: TernaryScale? {
    get { findings.foundScale }
    set { findings.foundScale = newValue }
  }
  /// The largest change of what trits are multiplied by, relative to it; nil where no scales were compared one by one.
  package var scaleChange: Double? {
    get { findings.scaleChange }
    set { findings.scaleChange = newValue }
  }
  package var error: RoundTripError? {
    get { findings.error }
    set { findings.error = newValue }
  }
  package var stream: CodeStream? {
    get { findings.stream }
    set { findings.stream = newValue }
  }
  /// What storing a dense tensor in another type did to it; nil when it did nothing.
  package var rounding: RoundingReport? {
    get { findings.rounding }
    set { findings.rounding = newValue }
  }
  /// What storing the scales of a ternary tensor in another type did to them; nil when it did nothing.
  package var scaleRounding: ScaleRounding? {
    get { findings.scaleRounding }
    set { findings.scaleRounding = newValue }
  }
  /// What became of scales the converted model has no room for; nil where all are there.
  package var scaleLoss: ScaleLoss? {
    get { findings.scaleLoss }
    set { findings.scaleLoss = newValue }
  }

  /// Keeps of scales how much they changed: a model may have one for each few dozen weights.
  mutating func forgetSpreadScales() {
    guard let expected = expectedScale, let found = foundScale else { return }
    let (wanted, others) = (expected.multipliers, found.multipliers)
    if wanted == others {
      scaleChange = 0
    } else if wanted.count == others.count {
      scaleChange = zip(wanted, others).reduce(0) { largest, pair in
        pair.0 > 0 && pair.1 > 0
          ? max(largest, abs(Double(pair.1) - Double(pair.0)) / Double(pair.0)) : largest
      }
    }
    if expected.granularity != .tensor { expectedScale = nil }
    if found.granularity != .tensor { foundScale = nil }
  }

  package init(name: String, role: TensorRole, shape: TensorShape, outcome: Outcome, detail: String) {
    self.name = name
    self.role = role
    self.shape = shape
    self.outcome = outcome
    self.detail = detail
  }
}

/// What a verification found.
public struct VerifyResult: Sendable {
  package var source: String
  package var converted: String
  package var quantizer: String
  package var quantizerReason: String
  /// Whether the source holds numbers that it made ternary. Packed trits are taken as they are.
  package var usesQuantizer = true
  /// Tensors that are missing, too many, or of another shape.
  package var structure: [String]
  /// In the source's order.
  package var tensors: [TensorVerification]
  /// Of the converted model; nil for an audit.
  package var modelHash: Digest?
  /// Over all ternary tensors; nil for an audit.
  package var total: RoundTripError?
  /// What may be behind the differences, for people.
  package var hints: [String] = []
  /// Tensors that only one has and no forward pass reads, by their names.
  package var setAside: [String] = []
  /// Description, tokenizer and companions, with the weights as `structure` and `tensors` have them.
  package var parts = PartFindings([], needed: [.weights])

  /// Whether lost scales were allowed.
  var scaleLossPolicy = ScaleLossPolicy.refuse

  package init(
    source: String, converted: String, quantizer: String, quantizerReason: String, structure: [String],
    tensors: [TensorVerification]
  ) {
    (self.source, self.converted) = (source, converted)
    (self.quantizer, self.quantizerReason) = (quantizer, quantizerReason)
    (self.structure, self.tensors) = (structure, tensors)
  }

  /// Whether structure and all tensors are what the source gives.
  var weightsHold: Bool { structure.isEmpty && tensors.allSatisfy { !isFault($0) } }

  private func isFault(_ tensor: TensorVerification) -> Bool {
    tensor.outcome == .differs || tensor.outcome == .scalesLost && scaleLossPolicy == .refuse
  }

  /// What became of the scales of all tensors that lost any; nil when none did.
  package var scaleLossPercent: Double? {
    let losses = tensors.compactMap(\.scaleLoss)
    let magnitude = losses.reduce(0) { $0 + $1.magnitude }
    return magnitude > 0 ? 100 * losses.reduce(0) { $0 + $1.error } / magnitude : nil
  }

  /// True when nothing but lost scales stands between the weights and their source.
  var onlyScalesAreLost: Bool {
    structure.isEmpty && scaleLossPercent != nil && tensors.allSatisfy { $0.outcome != .differs }
  }

  /// Whether every part that was asked for holds.
  public var passed: Bool { (weightsHold || !parts.needed.contains(.weights)) && parts.holds }

  /// What storage types did to all tensors together.
  package var rounding: WeightRounding {
    tensors.reduce(into: WeightRounding()) { $0.add($1.scaleRounding, $1.rounding) }
  }

  /// The first thing that is wrong, for a message; nil when all is well.
  package var firstProblem: String? {
    if let weights = firstWeightsProblem, parts.needed.contains(.weights) { return weights }
    return parts.problem
  }

  var firstWeightsProblem: String? {
    let wrong =
      tensors.filter { $0.outcome == .differs }.matricesFirst(\.shape).first ?? tensors.first { isFault($0) }
    return structure.first ?? wrong.map { "tensor '\(printable($0.name))': \($0.detail)" }
  }

  /// The weights as a part beside the others.
  package var weightsFinding: PartFinding {
    if tensors.isEmpty, structure.isEmpty { return PartFinding(.weights, .none, "neither has tensors") }
    let ternary = tensors.count(where: \.isTernary)
    if weightsHold, let percent = scaleLossPercent {
      let lost = tensors.count { $0.outcome == .scalesLost }
      let note = rounding.isEmpty ? "" : "; rounded by types: \(rounding.phrase)"
      return PartFinding(
        .weights, .scalesLost, "\(ScaleLoss.phrase(percent)) in \(lost) of \(plural(tensors.count, "tensor"))\(note)")
    }
    return weightsHold
      ? PartFinding(weights: "\(plural(tensors.count, "tensor")), \(ternary) of them ternary", rounding)
      : PartFinding(.weights, .differs, firstWeightsProblem ?? "")
  }
}
