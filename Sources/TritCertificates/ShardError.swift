// Tritsmith: what can be wrong with a conversion in parts.

import TritCore

/// A worker cannot do its part, or the parts do not make a whole.
package typealias ShardError = Diagnostic<ShardErrorKind>

package enum ShardErrorKind: DiagnosticKind {
  /// The source is not the one that was planned.
  case sourceChanged(String)
  case noParts
  /// Workers that have not delivered, the first `listed` of them, and how many tensors are missing.
  case missing(workers: [String], tensors: Int)
  case otherPlan
  case damagedPart(expected: String, found: String)
  /// What an interrupted run left is not of this conversion.
  case otherConversion(String)
  /// Nothing is where the plan reads its model.
  case noInput(String)
  /// Parts stay for the next run.
  case interrupted(done: Int, of: Int)

  /// Workers a message names at most.
  package static let listed = 20

  package var summary: String {
    switch self {
    case .sourceChanged(let what): "the model is not the one that was planned: \(what)"
    case .noParts: "no worker has delivered a part"
    case .missing(let workers, let tensors):
      "\(tensors) tensors are missing"
        + (workers.isEmpty ? "" : "; not delivered: worker " + workers.joined(separator: ", "))
        + (workers.count < ShardErrorKind.listed ? "" : " and perhaps more")
    case .otherPlan: "it belongs to another plan"
    case .otherConversion(let what): "an interrupted conversion stands here, and not this one: \(what)"
    case .noInput(let path): "the plan reads \(printable(path)), and nothing is there"
    case .interrupted(let done, let count): "interrupted; \(done) of \(count) parts are complete and stay here"
    case .damagedPart(let expected, let found): "the part is damaged: expected SHA-256 \(expected), found \(found)"
    }
  }

  package var remedy: String? {
    switch self {
    case .sourceChanged: "restore the model, or make the plan again and run every worker"
    case .noParts, .missing: "run the missing workers; each can be run again at any time"
    case .otherPlan: "remove it and run its worker again"
    case .damagedPart: "run this worker again"
    case .otherConversion: "give its input and options to go on with it, or remove the folder to begin anew"
    case .noInput: "put the model there again, or make the plan anew with the place where it is"
    case .interrupted: "run the same again with --resume, or remove the folder"
    }
  }

  package var category: ErrorCategory {
    switch self {
    case .interrupted: .interrupted
    case .otherConversion: .cannotCreate
    case .noInput: .cannotOpen
    default: .checkFailed
    }
  }
}
