// Tritsmith: which checkpoints are forms of one model.

import TritCore
import TritSurvey
import TritVerification

/// A member as it was found.
public struct FamilyMember: Sendable {
  public var path: String
  public var format: String
  public var kind: ModelKind
  /// Identity of trits and scales; nil for latent and ordinary weights.
  public var codeStream: Digest?
  /// Family it belongs to, counted from 1; members of one family are forms of one model.
  public var family = 0
}

/// What holds, or does not, between two members.
public struct FamilyProof: Sendable {
  public var first: Int
  public var second: Int
  /// The equation that was checked: `trits(quantize(prequantized)) = trits(bitnet)`.
  public var equation: String
  public var holds: Bool
  /// False where one of the two cannot be read.
  public var isCompared = true
  /// Ternary tensors that were compared.
  public var tensors: Int
  public var trits: Int
  public var mismatches: Int
  /// Whether all scales agree; nil when trits were not comparable.
  public var scalesAgree: Bool?
  /// The first tensor that does not fit, and what is wrong with it; nil when all do.
  public var firstTensor: String?
  public var detail: String
  /// Weights, description, tokenizer and companions apart.
  public var parts = PartFindings([], needed: [.weights])

  /// Parts beside the weights that differ where nothing of the weights does; empty otherwise.
  var differingParts: [ModelPart] {
    let failing = parts.failing
    guard isCompared, parts[.weights]?.holds == true, failing.allSatisfy({ $0.outcome == .differs }) else { return [] }
    return failing.map(\.part)
  }
}

/// What a family check found.
public struct FamilyResult: Sendable {
  public var members: [FamilyMember]
  /// For every pair, in order.
  public var proofs: [FamilyProof]
  /// Folders that were looked into and hold no model.
  public var notes: [String]

  public var families: Int { members.map(\.family).max() ?? 0 }
  /// All members are forms of one model.
  public var passed: Bool { members.count > 1 && proofs.allSatisfy(\.holds) }
}
