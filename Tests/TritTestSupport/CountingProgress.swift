// Tritsmith: an observer that adds up.

import Synchronization
import TritCore

/// Adds up what phases announce and what is then done.
public final class CountingProgress: ProgressObserver {
  private struct State {
    var phases: [ProgressPhase] = []
    var advanced = 0
    var ended = 0
  }

  private let state = Mutex(State())

  public init() {}

  public var phases: [ProgressPhase] { state.withLock { $0.phases } }
  public var total: Int { phases.reduce(0) { $0 + Int($1.total) } }
  public var advanced: Int { state.withLock { $0.advanced } }
  /// As many phases have ended as have begun, and some did.
  public var hasEnded: Bool { state.withLock { $0.ended > 0 && $0.ended == $0.phases.count } }

  public func began(_ phase: ProgressPhase) { state.withLock { $0.phases.append(phase) } }
  public func advanced(by amount: Int) { state.withLock { $0.advanced += amount } }
  public func ended() { state.withLock { $0.ended += 1 } }
}
