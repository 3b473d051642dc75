// Tritsmith: one piece of work beside the caller's.

import Dispatch
import Synchronization

/// Work that goes on beside the caller's, such as waiting for a disk.
public final class BackgroundWork: Sendable {
  private let group = DispatchGroup()
  private let failure = Mutex<(any Error)?>(nil)

  /// Starts `body`.
  public init(_ body: @escaping @Sendable () throws -> Void) {
    DispatchQueue.global().async(group: group) { [self] in
      do { try body() } catch { failure.withLock { $0 = error } }
    }
  }

  /// Returns when the work is done, and throws what it threw.
  public func wait() throws {
    group.wait()
    if let error = failure.withLock({ $0 }) { throw error }
  }
}
