// Tritsmith: threads that stay awake between the small steps of a forward pass.

import CTritKernels
import Dispatch
import Synchronization

/// Worker threads for work that comes in hundreds of pieces of some ten microseconds, as decoding does.
///
/// `Parallelism.forEachBand` wakes sleeping threads for every call, which costs about as much as such a piece. Here
/// workers spin for a short while before they sleep.
///
/// Every thread, the caller's too, has a run of consecutive parts and takes them in order; weights then pass by it as
/// one stream, which the hardware prefetches (parts dealt out in turn halved the bandwidth of two threads). Who is done
/// takes the last parts of the others: nobody waits for a thread that the system has not scheduled, only for parts
/// already begun.
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
    precondition(parts < 1 << 32, "a lane holds two numbers in 64 bits")
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

  /// The same of several jobs, whose ranges are shared out together. `body` gets the index of a job and a range of it.
  ///
  /// Jobs with references, such as existentials, are best reached by pointer: threads that copy them count references in
  /// one cache line.
  func forEach(_ jobs: [(count: Int, grain: Int)], _ body: (_ job: Int, _ range: Range<Int>) -> Void) {
    // Parts of a job are numbered behind those of the jobs before it.
    var ends: [Int] = []
    for job in jobs { ends.append((ends.last ?? 0) + (job.count + job.grain - 1) / job.grain) }
    run(ends.last ?? 0) { part in
      var index = 0
      while part >= ends[index] { index += 1 }
      let (count, grain) = jobs[index]
      let start = (part - (index == 0 ? 0 : ends[index - 1])) * grain
      body(index, start..<min(count, start + grain))
    }
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
  private let lanes: [Lane]
  /// Workers inside the job; the leader leaves when there are none.
  private let inside = Atomic<Int>(0)
  // Written by the leader while the phase is even and nobody is inside.
  nonisolated(unsafe) private var body: ((Int) -> Void)?

  /// About 50 µs of waiting: longer than the serial steps between two products, shorter than a person notices.
  private static let spinLimit = 1500

  init(workers: Int) {
    self.workers = (0..<workers).map { _ in Worker() }
    lanes = (0...workers).map { _ in Lane() }
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
    self.body = body
    for index in lanes.indices {
      lanes[index].fill(parts * index / lanes.count..<parts * (index + 1) / lanes.count)
    }
    phase.wrappingAdd(1, ordering: .sequentiallyConsistent)
    wake()
    takeParts(0)
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
      if phase.load(ordering: .sequentiallyConsistent) & 1 == 1 { takeParts(index + 1) }
      inside.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    }
  }

  /// Never inlined: what it holds of the closure is gone when it returns, before the leader is told.
  @inline(never)
  private func takeParts(_ own: Int) {
    guard let body else { return }
    let lane = lanes[own]
    while let part = lane.takeFirst() { body(part) }
    for distance in 1..<lanes.count {
      let other = lanes[(own + distance) % lanes.count]
      while let part = other.takeLast() { body(part) }
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

/// Consecutive parts that belong to one thread until others run out of theirs.
private final class Lane: Sendable {
  /// The first part left in the lower half, the end in the upper.
  private let bounds = Atomic<UInt64>(0)
  // Two lanes are never in one cache line: their threads write them every microsecond.
  private let padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0
  )

  func fill(_ parts: Range<Int>) {
    bounds.store(UInt64(parts.upperBound) << 32 | UInt64(parts.lowerBound), ordering: .relaxed)
  }

  func takeFirst() -> Int? {
    take { ($0, $0 + 1, $1) }
  }

  func takeLast() -> Int? {
    take { ($1 - 1, $0, $1 - 1) }
  }

  @inline(__always)
  private func take(_ choose: (_ first: UInt64, _ end: UInt64) -> (part: UInt64, first: UInt64, end: UInt64)) -> Int? {
    var old = bounds.load(ordering: .relaxed)
    while true {
      let (first, end) = (old & 0xFFFF_FFFF, old >> 32)
      guard first < end else { return nil }
      let taken = choose(first, end)
      let (exchanged, current) = bounds.weakCompareExchange(
        expected: old, desired: taken.end << 32 | taken.first, ordering: .relaxed)
      if exchanged { return Int(taken.part) }
      old = current
    }
  }
}
