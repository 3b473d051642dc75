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

  func began(_ phase: ProgressPhase) { state.withLock { $0.total += Int(phase.totalBytes) } }
  func advanced(by bytes: Int) { state.withLock { $0.advanced += bytes } }
  func ended() { state.withLock { $0.hasEnded = true } }
}
