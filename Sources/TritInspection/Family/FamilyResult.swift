// Tritsmith: which checkpoints are forms of one model.

import TritCore
import TritSurvey
import TritVerification

/// A member as it was found.
package struct FamilyMember: Sendable {
  package var path: String
  package var format: String
  /// Nil for a member that cannot be read.
  package var kind: ModelKind?
  /// Identity of trits and scales; nil for latent and ordinary weights.
  package var codeStream: Digest?
  /// Family it belongs to, counted from 1; members of one family are forms of one model. 0 where it cannot be read.
  package var family = 0
  /// Why it cannot be read, and what to do; nil for a member that was compared.
  package var fault: String?
}

/// What holds, or does not, between two members.
package struct FamilyProof: Sendable {
  /// Places of the two among the members that can be read.
  package var first: Int
  package var second: Int
  /// The equation that was checked: `trits(quantize(prequantized)) = trits(bitnet)`.
  package var equation: String
  package var holds: Bool
  /// False where one of the two cannot be read.
  package var isCompared = true
  /// Ternary tensors that were compared.
  package var tensors: Int
  package var trits: Int
  package var mismatches: Int
  /// Whether all scales agree; nil when trits were not comparable.
  package var scalesAgree: Bool?
  /// The first tensor that does not fit, and what is wrong with it; nil when all do.
  package var firstTensor: String?
  package var detail: String
  /// Weights, description, tokenizer and companions apart.
  package var parts = PartFindings([], needed: [.weights])

  /// Parts beside the weights that differ where nothing of the weights does; empty otherwise.
  var differingParts: [ModelPart] {
    let failing = parts.failing
    guard isCompared, parts[.weights]?.holds == true, failing.allSatisfy({ $0.outcome == .differs }) else { return [] }
    return failing.map(\.part)
  }
}

/// What a family check found.
package struct FamilyResult: Sendable {
  package var members: [FamilyMember]
  /// For every pair, in order.
  package var proofs: [FamilyProof]
  /// Folders that were looked into and hold no model.
  package var notes: [String]

  package var families: Int { members.map(\.family).max() ?? 0 }
  /// Members that were compared.
  package var readable: Int { members.count { $0.fault == nil } }
  /// All members are forms of one model.
  package var passed: Bool { members.count > 1 && readable == members.count && proofs.allSatisfy(\.holds) }
}
