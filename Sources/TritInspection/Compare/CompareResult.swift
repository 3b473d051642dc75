// Tritsmith: what a comparison of two models found.

import TritCore
import TritSurvey
import TritVerification

/// How strictly two models are compared.
package struct CompareRequest: Sendable {
  /// Rounding by a storage type counts as a difference.
  package var isExact: Bool
  /// Differences listed for each tensor.
  package var limit: Int
  /// Parts the verdict is limited to.
  package var parts: Set<ModelPart>

  package init(isExact: Bool = false, limit: Int = 3, parts: Set<ModelPart> = ModelPart.needed) {
    self.isExact = isExact
    self.limit = limit
    self.parts = parts
  }
}

/// What was found for one tensor of both models.
package struct ComparedTensor: Sendable {
  /// How two tensors of one name stand to each other.
  package enum Outcome: String, Sendable, Hashable {
    /// The same numbers.
    case equal
    /// The same but for what storing them in another type did.
    case rounded
    case different
  }

  /// One place where the two differ.
  package struct Difference: Sendable, Hashable {
    package var row: Int
    package var column: Int
    package var first: String
    package var second: String
  }

  package var name: String
  package var shape: TensorShape
  package var firstEncoding: String
  package var secondEncoding: String
  package var outcome: Outcome
  /// For people.
  package var detail: String
  /// Codes, or dense values, that are not the same.
  package var count = 0
  package var differences: [Difference] = []
  package var isTernary = false
  /// Whether blocks hold the other side's numbers only as far as their steps tell.
  package var areBlocksOpen = false

  /// What few tensors have beside.
  private struct Findings: RareFindings {
    var firstScale: TernaryScale?
    var secondScale: TernaryScale?
    var scaleRounding: ScaleRounding?
    var rounding: RoundingReport?
    var scaleLossPercent: Double?
  }

  @HeldApart private var findings: Findings

  init(
    name: String, shape: TensorShape, firstEncoding: String, secondEncoding: String, outcome: Outcome, detail: String
  ) {
    self.name = name
    self.shape = shape
    self.firstEncoding = firstEncoding
    self.secondEncoding = secondEncoding
    self.outcome = outcome
    self.detail = detail
  }

  /// Whether it differs as a whole, so that no number was counted: trits beside latents, values that cannot be read.
  package var isUncounted: Bool { outcome == .different && count == 0 && firstScale == nil }

  package var firstScale: TernaryScale? {
    get { findings.firstScale }
    set { findings.firstScale = newValue }
  }
  package var secondScale: TernaryScale? {
    get { findings.secondScale }
    set { findings.secondScale = newValue }
  }
  /// What storing the scale, or the values, in another type did; nil when it did nothing.
  package var scaleRounding: ScaleRounding? {
    get { findings.scaleRounding }
    set { findings.scaleRounding = newValue }
  }
  package var rounding: RoundingReport? {
    get { findings.rounding }
    set { findings.rounding = newValue }
  }
  /// Where the codes are equal and one side has a scale for several of the other's: the mean error in percent.
  package var scaleLossPercent: Double? {
    get { findings.scaleLossPercent }
    set { findings.scaleLossPercent = newValue }
  }
}

/// What was found for two models.
public struct CompareResult: Sendable {
  package var first: String
  package var second: String
  /// Tensors that only one has, or that have another shape, in sentences.
  package var structure: [String]
  /// How many these are.
  package var unpairedCount: Int
  /// In the first model's order.
  package var tensors: [ComparedTensor]
  package var isExact: Bool
  /// Hashes of trits and scales, the same for the same model in any format; nil without ternary tensors.
  package var firstHash: Digest?
  package var secondHash: Digest?
  /// What may be behind the differences, for people.
  package var hints: [String] = []

  /// Tensors that only one has and no forward pass reads, by their names.
  package var setAside: [String] = []
  package var parts = PartFindings([], needed: [.weights])

  var weightsAreSame: Bool {
    structure.isEmpty && tensors.allSatisfy { $0.outcome == .equal || $0.outcome == .rounded && !isExact }
  }

  /// Whether every part that was asked for is the same in both models.
  public var isSame: Bool { (weightsAreSame || !parts.needed.contains(.weights)) && parts.holds }

  /// The weights as a part beside the others.
  var weightsFinding: PartFinding {
    if tensors.isEmpty, structure.isEmpty { return PartFinding(.weights, .none, "neither has tensors") }
    guard !weightsAreSame else {
      return PartFinding(
        weights: plural(tensors.count, "tensor"),
        tensors.reduce(into: WeightRounding()) { $0.add($1.scaleRounding, $1.rounding) })
    }
    let wrong = tensors.filter(isWrong).matricesFirst(\.shape).first
    let error = tensors.compactMap(\.scaleLossPercent).max().map { ", mean error \(ScaleLoss.text($0)) at most" } ?? ""
    return PartFinding(
      .weights, .differs,
      structure.first ?? wrong.map { "tensor '\(printable($0.name))': \($0.detail)\(error)" } ?? "")
  }

  /// Whether a tensor is not what was asked for: equal, or equal but for rounding.
  func isWrong(_ tensor: ComparedTensor) -> Bool {
    tensor.outcome == .different || isExact && tensor.outcome == .rounded
  }
}
