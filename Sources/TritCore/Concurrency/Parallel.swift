// Tritsmith: the only parallel primitive.

import Dispatch
import Synchronization

/// Set when the user wants to stop; checked between bands.
public final class CancellationFlag: Sendable {
  private let flag = Atomic<Bool>(false)
  private let external: (@Sendable () -> Bool)?

  /// `external` is asked too, such as a signal handler's flag.
  public init(alsoWhen external: (@Sendable () -> Bool)? = nil) {
    self.external = external
  }

  /// Asks the work to stop; any thread may.
  public func cancel() {
    flag.store(true, ordering: .relaxed)
  }

  /// Whether the flag is set, or the condition it was made with holds. Any thread may ask.
  public var isCancelled: Bool {
    flag.load(ordering: .relaxed) || external?() == true
  }

  /// - Throws: `CancellationFailure` once the flag is set.
  package func check() throws(CancellationFailure) {
    if isCancelled { throw CancellationFailure() }
  }
}

/// Work was stopped by the user before it was done.
package struct CancellationFailure: DiagnosticError, Equatable {
  package init() {}

  package var summary: String { "interrupted; nothing was left behind" }
  package var location: ErrorLocation { ErrorLocation() }
  package var remedy: String? { nil }
  package var category: ErrorCategory { .interrupted }
}

/// How much of the machine a piece of work may use.
package struct Parallelism: Sendable {
  package let threads: Int
  package let cancellation: CancellationFlag

  /// `threads` 0 means as many as there are processors.
  package init(threads: Int = 0, cancellation: CancellationFlag = CancellationFlag()) {
    self.threads = threads > 0 ? min(threads, 256) : Platform.processorCount
    self.cancellation = cancellation
  }

  /// Runs `body` once for every band, on several threads, each with a workspace of its own.
  ///
  /// Bands are handed out in order. After a failure no new band starts, and the error of the lowest-numbered band
  /// that failed is thrown: which error a user sees does not depend on timing when only one band is bad.
  ///
  /// Not task groups: bands block on page faults and use non-escaping spans, a poor fit for the cooperative pool.
  package func forEachBand<Workspace>(
    _ count: Int, workspace: @autoclosure @Sendable () -> Workspace,
    _ body: @Sendable (Int, inout Workspace) throws -> Void
  ) throws {
    guard count > 0 else { return }
    let next = Atomic<Int>(0)
    let failure = Mutex<(band: Int, error: any Error)?>(nil)
    let failed = Atomic<Bool>(false)
    @Sendable func work() {
      var space = workspace()
      while !failed.load(ordering: .relaxed) {
        let band = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard band < count else { return }
        do {
          try cancellation.check()
          try body(band, &space)
        } catch {
          failed.store(true, ordering: .relaxed)
          failure.withLock { if $0.map({ band < $0.band }) ?? true { $0 = (band, error) } }
          return
        }
      }
    }
    let workers = min(threads, count)
    if workers == 1 {
      work()
    } else {
      DispatchQueue.concurrentPerform(iterations: workers) { _ in work() }
    }
    if let error = failure.withLock({ $0?.error }) { throw error }
  }

  /// The same without a workspace.
  package func forEachBand(_ count: Int, _ body: @Sendable (Int) throws -> Void) throws {
    try forEachBand(count, workspace: ()) { band, _ in try body(band) }
  }
}
