// Tritsmith: whether what a model computes is finite.

import TritCore
import TritFormats
import TritKernels
import TritModel

/// Runs a few tokens through a model: every number of it can be finite, and a product of them is not.
struct ComputationCheck {
  let path: String
  let open: OpenOptions
  let work: WorkOptions

  /// Tokens that are run: enough for a token to look back at others.
  private static let tokens = 8

  /// - Throws: what reading throws, and `CancellationFailure`.
  func run() throws -> (findings: [CheckFinding], notes: [String]) {
    // Mapped, dense weights are used where they lie.
    var options = RunOptions(mode: .fast, open: open, cancellation: work.parallelism.cancellation)
    options.open.access = .mapped
    options.threads = work.parallelism.threads
    let model: RunnableModel
    do {
      model = try RunnableModel(path, options)
    } catch let error as any DiagnosticError where error.category == .malformedInput {
      return ([], ["what it computes was not looked at: \(error.placedSummary)"])
    }
    try work.parallelism.cancellation.check()
    let configuration = model.model.configuration
    let count = min(ComputationCheck.tokens, configuration.vocabularySize, configuration.contextLength)
    // Spread over the vocabulary: its beginning holds marks and single bytes only.
    let step = configuration.vocabularySize / count
    guard let state = try model.firstNonFinite(in: [(0..<count).map { $0 * step }]) else { return ([], []) }
    let detail = "\(state.value) at token \(state.token) of \(count), from numbers that are finite"
    return ([CheckFinding(.computation, state.name, detail)], [])
  }
}
