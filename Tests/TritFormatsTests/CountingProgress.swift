// Tritsmith: an observer that adds up.

import Synchronization
import TritCore

final class CountingProgress: ProgressObserver {
  private struct State {
    var total = 0
    var advanced = 0
    var hasEnded = false
  }

  private let state = Mutex(State())

  var total: Int { state.withLock { $0.total } }
  var advanced: Int { state.withLock { $0.advanced } }
  var hasEnded: Bool { state.withLock { $0.hasEnded } }

  func began(_ phase: ProgressPhase) { state.withLock { $0.total += Int(phase.total) } }
  func advanced(by amount: Int) { state.withLock { $0.advanced += amount } }
  func ended() { state.withLock { $0.hasEnded = true } }
}
