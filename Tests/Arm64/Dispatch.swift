// Tritsmith: the part of the module Dispatch that Tritsmith uses, over the C functions of libdispatch.
//
// Debian's library for arm64 has that module only as another compiler wrote it. .ci/arm64-program compiles this one in
// its place; nothing else does.

import CDispatch

/// A closure that a C function is handed, and lets go when it has run.
private final class Work: Sendable {
  let body: @Sendable () -> Void

  init(_ body: @escaping @Sendable () -> Void) {
    self.body = body
  }
}

private func runWork(_ context: UnsafeMutableRawPointer?) {
  guard let context else { return }
  Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
}

/// A closure that is called several times while its caller waits.
private final class Loop {
  let body: (Int) -> Void

  init(_ body: @escaping (Int) -> Void) {
    self.body = body
  }
}

private func runIteration(_ context: UnsafeMutableRawPointer?, _ index: Int) {
  guard let context else { return }
  Unmanaged<Loop>.fromOpaque(context).takeUnretainedValue().body(index)
}

/// What work is for; nothing depends on it here.
public struct DispatchQoS: Sendable {
  public static let userInitiated = DispatchQoS()
  public static let unspecified = DispatchQoS()
}

/// Pieces of work that are waited for together.
public final class DispatchGroup: @unchecked Sendable {
  fileprivate let group: UnsafeMutableRawPointer

  public init() {
    group = dispatch_group_create()
  }

  deinit {
    dispatch_release(group)
  }

  /// Counts one more, until `leave` is called for it.
  public func enter() {
    dispatch_group_enter(group)
  }

  public func leave() {
    dispatch_group_leave(group)
  }

  /// Returns when all of them are done.
  public func wait() {
    _ = dispatch_group_wait(group, .max)
  }
}

/// A number that threads wait for.
public final class DispatchSemaphore: @unchecked Sendable {
  private let semaphore: UnsafeMutableRawPointer

  public init(value: Int) {
    semaphore = dispatch_semaphore_create(value)
  }

  deinit {
    dispatch_release(semaphore)
  }

  /// Returns when the number is above 0, and takes 1 from it.
  public func wait() {
    _ = dispatch_semaphore_wait(semaphore, .max)
  }

  /// Adds 1.
  @discardableResult public func signal() -> Int {
    dispatch_semaphore_signal(semaphore)
  }
}

/// Where work is carried out.
public final class DispatchQueue: @unchecked Sendable {
  private let queue: UnsafeMutableRawPointer

  private init(_ queue: UnsafeMutableRawPointer) {
    self.queue = queue
  }

  /// A queue whose work is done in order.
  public init(label: String, qos: DispatchQoS = .unspecified) {
    queue = dispatch_queue_create(label, nil)
  }

  deinit {
    dispatch_release(queue)
  }

  /// The queue of all threads.
  public static func global() -> DispatchQueue {
    DispatchQueue(dispatch_get_global_queue(0, 0))
  }

  /// Has work done beside the caller's.
  public func async(group: DispatchGroup? = nil, execute body: @escaping @Sendable () -> Void) {
    let context = Unmanaged.passRetained(Work(body)).toOpaque()
    if let group {
      dispatch_group_async_f(group.group, queue, context, runWork)
    } else {
      dispatch_async_f(queue, context, runWork)
    }
  }

  /// Does work in its turn, while the caller waits.
  public func sync<Result>(execute body: () -> Result) -> Result {
    withoutActuallyEscaping(body) { body in
      var results: [Result] = []
      let once = Loop { _ in results.append(body()) }
      withExtendedLifetime(once) {
        dispatch_sync_f(queue, Unmanaged.passUnretained(once).toOpaque()) { runIteration($0, 0) }
      }
      return results[0]
    }
  }

  /// Calls `body` with 0, 1, … on several threads, and returns when all calls have.
  public static func concurrentPerform(iterations: Int, execute body: (Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      let loop = Loop(body)
      withExtendedLifetime(loop) {
        dispatch_apply_f(iterations, nil, Unmanaged.passUnretained(loop).toOpaque(), runIteration)
      }
    }
  }
}
