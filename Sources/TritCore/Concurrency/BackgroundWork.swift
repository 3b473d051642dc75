// Tritsmith: one piece of work beside the caller's.

import Dispatch
import Synchronization

/// Work that goes on beside the caller's, such as waiting for a disk.
///
/// Where the system gives no thread, libdispatch goes on asking for one: work that nobody has begun when it is waited for
/// is done by who waits.
package final class BackgroundWork: Sendable {
  private let group = DispatchGroup()
  private let failure = Mutex<(any Error)?>(nil)
  /// Nil once it has begun, so that nothing it uses is kept by a queue that never runs.
  private let body: Mutex<(@Sendable () throws -> Void)?>

  /// Starts `body`.
  package init(_ body: @escaping @Sendable () throws -> Void) {
    self.body = Mutex(body)
    group.enter()
    DispatchQueue.global().async { [self] in begin() }
  }

  /// What the work uses is let go before anybody hears that it is done: an output that is dropped then is removed by who
  /// drops it, and not by this thread some time later.
  private func begin() {
    if perform() { group.leave() }
  }

  /// Does the work, when nobody has begun it.
  @inline(never)
  private func perform() -> Bool {
    let taken = body.withLock { body in
      defer { body = nil }
      return body
    }
    guard let taken else { return false }
    do { try taken() } catch { failure.withLock { $0 = error } }
    return true
  }

  /// Returns when the work is done, and throws what it threw.
  package func wait() throws {
    begin()
    group.wait()
    if let error = failure.withLock({ $0 }) { throw error }
  }
}
