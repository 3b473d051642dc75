// Tritsmith: bands on several threads.

import Synchronization
import Testing
import TritCore

@Suite struct ParallelTests {
  struct Failure: Error, Equatable {
    var band: Int
  }

  @Test(arguments: 1...8)
  func everyBandRunsOnce(_ threads: Int) throws {
    for count in [0, 1, 2, 7, 8, 9, 1000] {
      let runs = Mutex([Int](repeating: 0, count: count))
      try Parallelism(threads: threads).forEachBand(count) { band in runs.withLock { $0[band] += 1 } }
      #expect(runs.withLock { $0 } == [Int](repeating: 1, count: count), "\(count) bands")
    }
  }

  @Test(arguments: 1...8)
  func aWorkspaceForEachWorker(_ threads: Int) throws {
    final class Space: Sendable {
      let isBusy = Atomic<Bool>(false)
      let bands = Atomic<Int>(0)
    }
    let made = Mutex<[Space]>([])
    let shared = Atomic<Bool>(false)
    let makeSpace: @Sendable () -> Space = {
      let space = Space()
      made.withLock { $0.append(space) }
      return space
    }
    try Parallelism(threads: threads).forEachBand(200, workspace: makeSpace()) { _, space in
      if space.isBusy.exchange(true, ordering: .sequentiallyConsistent) {
        shared.store(true, ordering: .sequentiallyConsistent)
      }
      space.bands.wrappingAdd(1, ordering: .sequentiallyConsistent)
      space.isBusy.store(false, ordering: .sequentiallyConsistent)
    }
    let spaces = made.withLock { $0 }
    #expect(spaces.count == threads)
    let wasShared = shared.load(ordering: .sequentiallyConsistent)
    #expect(!wasShared, "no workspace is used by two bands at once")
    #expect(spaces.reduce(0) { $0 + $1.bands.load(ordering: .sequentiallyConsistent) } == 200)
  }

  @Test func noMoreWorkersThanBands() throws {
    let made = Atomic<Int>(0)
    let makeSpace: @Sendable () -> Int = { made.wrappingAdd(1, ordering: .relaxed).oldValue }
    try Parallelism(threads: 8).forEachBand(3, workspace: makeSpace()) { _, _ in }
    let count = made.load(ordering: .relaxed)
    #expect(count == 3)
  }

  @Test func threadCounts() {
    #expect(Parallelism(threads: 3).threads == 3)
    #expect(Parallelism(threads: 0).threads == Platform.processorCount)
    #expect(Parallelism(threads: 100_000).threads == 256)
  }

  @Test(arguments: 1...8)
  func theErrorOfTheOneBadBandIsThrown(_ threads: Int) {
    for bad in [0, 1, 17, 99] {
      #expect(throws: Failure(band: bad)) {
        try Parallelism(threads: threads).forEachBand(100) { band in if band == bad { throw Failure(band: band) } }
      }
    }
  }

  /// Band 0 fails only after band 1 has, yet its error is the one to be seen.
  @Test(arguments: 1...8)
  func theLowestBandThatFailedWins(_ threads: Int) {
    let laterFailed = Atomic<Bool>(false)
    #expect(throws: Failure(band: 0)) {
      try Parallelism(threads: threads).forEachBand(2) { band in
        if band == 1 {
          laterFailed.store(true, ordering: .sequentiallyConsistent)
          throw Failure(band: 1)
        }
        // With one worker band 1 never starts; wait a bounded time for it.
        let end = Platform.monotonicSeconds + 0.2
        while !laterFailed.load(ordering: .sequentiallyConsistent), Platform.monotonicSeconds < end {}
        throw Failure(band: 0)
      }
    }
  }

  @Test func noBandStartsAfterAFailure() {
    let started = Mutex<[Int]>([])
    #expect(throws: Failure(band: 3)) {
      try Parallelism(threads: 1).forEachBand(1000) { band in
        started.withLock { $0.append(band) }
        if band == 3 { throw Failure(band: band) }
      }
    }
    #expect(started.withLock { $0 } == [0, 1, 2, 3])
  }

  @Test(arguments: 1...8)
  func cancellingStopsBetweenBands(_ threads: Int) {
    let flag = CancellationFlag()
    let runs = Atomic<Int>(0)
    #expect(throws: CancellationFailure()) {
      try Parallelism(threads: threads, cancellation: flag).forEachBand(100_000) { _ in
        if runs.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue == 5 { flag.cancel() }
      }
    }
    #expect(flag.isCancelled)
    // Each worker may be inside one band, or past the check, when the flag goes up; it starts no second one.
    let started = runs.load(ordering: .sequentiallyConsistent)
    #expect(started <= 5 + threads)
  }

  @Test func nothingRunsWhenCancelledBefore() {
    let flag = CancellationFlag()
    flag.cancel()
    let runs = Atomic<Int>(0)
    #expect(throws: CancellationFailure()) {
      try Parallelism(threads: 4, cancellation: flag).forEachBand(10) { _ in runs.wrappingAdd(1, ordering: .relaxed) }
    }
    let started = runs.load(ordering: .relaxed)
    #expect(started == 0)
  }

  @Test func anOutsideSignalCancelsToo() {
    final class Signal: Sendable { let isSet = Atomic<Bool>(false) }
    let signal = Signal()
    let flag = CancellationFlag(alsoWhen: { signal.isSet.load(ordering: .relaxed) })
    #expect(throws: Never.self) { try flag.check() }
    signal.isSet.store(true, ordering: .relaxed)
    #expect(throws: CancellationFailure()) { try flag.check() }
    #expect(CancellationFailure().category == .interrupted)
  }

  @Test func theSameResultForAnyNumberOfThreads() throws {
    // Bands write their own place; the order of joining is the order of bands.
    func result(_ threads: Int) throws -> [UInt64] {
      let results = Mutex([UInt64](repeating: 0, count: 64))
      try Parallelism(threads: threads).forEachBand(64) { band in
        let value = (0..<100).reduce(UInt64(band)) { $0 &* 6_364_136_223_846_793_005 &+ UInt64($1) }
        results.withLock { $0[band] = value }
      }
      return results.withLock { $0 }
    }
    let one = try result(1)
    for threads in 2...8 { #expect(try result(threads) == one) }
  }

  @Test("work beside the caller's is done once, and says how it ended as often as it is asked")
  func background() throws {
    for index in 0..<200 {
      let count = Mutex(0)
      let work = BackgroundWork {
        count.withLock { $0 += 1 }
        if index % 2 == 1 { throw Failure(band: index) }
      }
      for _ in 0..<2 {
        if index % 2 == 1 {
          #expect(throws: Failure(band: index)) { try work.wait() }
        } else {
          try work.wait()
        }
      }
      #expect(count.withLock { $0 } == 1)
    }
  }

  @Test("what work uses is let go before the wait for it ends")
  func backgroundLetsGo() throws {
    final class Probe: Sendable {
      let count: Mutex<Int>
      init() { count = Mutex(0) }
    }
    // Kept a moment too long in one run of some thousands: tried often enough to be seen.
    for index in 0..<20_000 {
      weak var probe: Probe?
      let work: BackgroundWork
      do {
        let made = Probe()
        probe = made
        work = BackgroundWork {
          made.count.withLock { $0 += 1 }
          if index % 2 == 1 { throw Failure(band: index) }
        }
      }
      _ = try? work.wait()
      let isKept = probe != nil
      if isKept { Issue.record("round \(index)") }
    }
  }
}
