// Tritsmith: an observer that adds up.

import Synchronization
import TritCore

/// Adds up what phases announce and what is then done.
package final class CountingProgress: ProgressObserver {
  private struct State {
    var phases: [ProgressPhase] = []
    var advanced = 0
    var ended = 0
  }

  private let state = Mutex(State())

  package init() {}

  package var phases: [ProgressPhase] { state.withLock { $0.phases } }
  package var total: Int { phases.reduce(0) { $0 + Int($1.total) } }
  package var advanced: Int { state.withLock { $0.advanced } }
  /// As many phases have ended as have begun, and some did.
  package var hasEnded: Bool { state.withLock { $0.ended > 0 && $0.ended == $0.phases.count } }

  package func began(_ phase: ProgressPhase) { state.withLock { $0.phases.append(phase) } }
  package func advanced(by amount: Int) { state.withLock { $0.advanced += amount } }
  package func ended() { state.withLock { $0.ended += 1 } }
}
