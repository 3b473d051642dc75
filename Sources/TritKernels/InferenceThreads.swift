// Tritsmith: threads that stay awake between the small steps of a forward pass.

import CTritKernels
import Dispatch
import Synchronization

/// Worker threads for work that comes in hundreds of pieces of some ten microseconds, as decoding does.
///
/// `Parallelism.forEachBand` wakes sleeping threads for every call, which costs about as much as such a piece. Here
/// workers spin for a short while before they sleep. Parts are handed out in order from one counter, and the caller
/// takes parts too: it never waits for a worker that the system has not scheduled, only for parts already begun.
final class ThreadTeam: Sendable {
  let threads: Int
  private let shared: Shared

  init(threads: Int) {
    self.threads = max(1, threads)
    shared = Shared(workers: self.threads - 1)
    for index in 0..<(self.threads - 1) {
      let shared = shared
      DispatchQueue(label: "tritsmith.forward.\(index)", qos: .userInitiated).async { shared.workerLoop(index) }
    }
  }

  deinit {
    shared.stop()
  }

  /// Runs `body` once for every part; returns when all are done. Results must not depend on which thread runs a part.
  func run(_ parts: Int, _ body: (Int) -> Void) {
    // A second caller at the same time works alone: correct, and rare enough not to need more.
    guard parts > 1, threads > 1, shared.acquire() else {
      for part in 0..<parts { body(part) }
      return
    }
    withoutActuallyEscaping(body) { shared.lead(parts, $0) }
    shared.release()
  }

  /// Runs `body` for consecutive ranges of at most `grain` that cover `count`.
  func forEach(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    let grain = max(1, grain)
    run((count + grain - 1) / grain) { part in body(part * grain..<min(count, (part + 1) * grain)) }
  }
}

/// What the threads of a team share.
private final class Shared: Sendable {
  private final class Worker: Sendable {
    let semaphore = DispatchSemaphore(value: 0)
    let isAsleep = Atomic<Bool>(false)
  }

  private let workers: [Worker]
  private let isBusy = Atomic<Bool>(false)
  private let isStopped = Atomic<Bool>(false)
  /// Odd while a job takes workers, even between jobs; grows by two a job.
  private let phase = Atomic<Int>(0)
  private let next = Atomic<Int>(0)
  /// Workers inside the job; the leader leaves when there are none.
  private let inside = Atomic<Int>(0)
  // Written by the leader while the phase is even and nobody is inside.
  nonisolated(unsafe) private var parts = 0
  nonisolated(unsafe) private var body: ((Int) -> Void)?

  /// About 50 µs of waiting: longer than the serial steps between two products, shorter than a person notices.
  private static let spinLimit = 1500

  init(workers: Int) {
    self.workers = (0..<workers).map { _ in Worker() }
  }

  func acquire() -> Bool {
    isBusy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
  }

  func release() {
    isBusy.store(false, ordering: .releasing)
  }

  func stop() {
    isStopped.store(true, ordering: .sequentiallyConsistent)
    wake()
  }

  func lead(_ parts: Int, _ body: @escaping (Int) -> Void) {
    self.parts = parts
    self.body = body
    next.store(0, ordering: .relaxed)
    phase.wrappingAdd(1, ordering: .sequentiallyConsistent)
    wake()
    takeParts()
    // A worker enters by adding to `inside` and then reading the phase; the leader writes the phase and then reads
    // `inside`. One of the two sees the other, so nobody is in a job that has ended.
    phase.wrappingAdd(1, ordering: .sequentiallyConsistent)
    while inside.load(ordering: .sequentiallyConsistent) != 0 { trit_spin_hint() }
    self.body = nil
  }

  func workerLoop(_ index: Int) {
    var seen = 0
    while let current = waitForJob(after: seen, workers[index]) {
      seen = current
      inside.wrappingAdd(1, ordering: .sequentiallyConsistent)
      if phase.load(ordering: .sequentiallyConsistent) & 1 == 1 { takeParts() }
      inside.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    }
  }

  /// Never inlined: what it holds of the closure is gone when it returns, before the leader is told.
  @inline(never)
  private func takeParts() {
    guard let body else { return }
    while true {
      let part = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard part < parts else { return }
      body(part)
    }
  }

  /// The phase of a job not taken part in yet, nil when the team ends.
  private func waitForJob(after seen: Int, _ worker: Worker) -> Int? {
    while true {
      for _ in 0..<Shared.spinLimit {
        if isStopped.load(ordering: .relaxed) { return nil }
        let current = phase.load(ordering: .sequentiallyConsistent)
        if current & 1 == 1, current != seen { return current }
        trit_spin_hint()
      }
      worker.isAsleep.store(true, ordering: .sequentiallyConsistent)
      let current = phase.load(ordering: .sequentiallyConsistent)
      let mustStay = isStopped.load(ordering: .sequentiallyConsistent) || (current & 1 == 1 && current != seen)
      if mustStay,
        worker.isAsleep.compareExchange(expected: true, desired: false, ordering: .sequentiallyConsistent).exchanged
      {
        continue
      }
      // Either nothing happened, or the leader has taken the flag and its signal is on the way.
      worker.semaphore.wait()
    }
  }

  private func wake() {
    for worker in workers
    where worker.isAsleep.compareExchange(expected: true, desired: false, ordering: .sequentiallyConsistent).exchanged {
      worker.semaphore.signal()
    }
  }
}
