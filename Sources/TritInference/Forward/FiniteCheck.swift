// Tritsmith: where a model's numbers stop being finite.

import TritCore
import TritKernels
import TritModel

extension LanguageModel {
  /// Runs a text again and looks at every state; nil when all of them, and all logits, are finite.
  ///
  /// Every state is looked at after the one it is computed from, so the first one is where something is wrong: a weight
  /// that is no number, or one so large that a sum is infinite.
  package func firstNonFinite(
    in ids: [Int], mode: ArithmeticMode, engine: InferenceEngine
  ) throws -> NonFiniteState? {
    let watch = FiniteWatch()
    do {
      let session = try Session(self, mode: mode, contextCapacity: ids.count, engine: engine)
      try session.prefill(ids, logits: .all, observer: watch) { position, row in
        try watch.observe("logits", tokens: position..<position + 1, width: row.count, row)
      }
    } catch is FiniteWatch.Found {
      return watch.found
    }
    return nil
  }

  /// Throws `ModelError.notFiniteState` when a row of logits, one of those of `ids`, holds an infinity or no number.
  package func checkFinite(
    _ logits: Span<Float>, of ids: [Int], mode: ArithmeticMode, engine: InferenceEngine
  ) throws {
    guard !logits.isFinite else { return }
    let found = try firstNonFinite(in: ids, mode: mode, engine: engine)
    throw ModelError(.notFiniteState(found ?? NonFiniteState(name: "logits", token: ids.count - 1, value: "nan")))
  }
}

extension Span<Float> {
  /// Whether no element is an infinity or not a number.
  package var isFinite: Bool {
    for index in indices where !self[index].isFinite { return false }
    return true
  }
}

/// Stops a forward pass at the first state that is not finite.
private final class FiniteWatch: ForwardObserver {
  struct Found: Error {}

  private(set) var found: NonFiniteState?

  func observe(_ name: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws {
    for index in values.indices where !values[index].isFinite {
      found = NonFiniteState(name: name, token: tokens.lowerBound + index / max(1, width), value: "\(values[index])")
      throw Found()
    }
  }
}
