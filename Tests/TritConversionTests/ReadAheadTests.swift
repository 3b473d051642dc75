// Tritsmith: what a conversion fetches ahead, in which order, and how much of it.

import Dispatch
import Synchronization
import Testing
import TritTestSupport

@testable import TritConversion
@testable import TritCore

/// A file of the network that has no bytes: it notes what is held and what is asked for.
private final class NotedFile: RemoteFile, RemoteFolder {
  struct State {
    var asked: [Range<UInt64>] = []
    var held: [Range<UInt64>] = []
    var mostBytes = 0
    var failing: Range<UInt64>?
    /// Comes never, until it is unwanted.
    var stuck: Range<UInt64>?
  }

  let byteCount: UInt64 = 1 << 40
  let namedDigest: Digest? = nil
  let shownName = "noted"
  let state = Mutex(State())

  func kind(of inner: String) -> FileKind? { inner == "data" ? .file : nil }
  func size(of inner: String) -> UInt64? { byteCount }
  func names(in inner: String) -> [String] { ["data"] }
  func open(_ inner: String) throws(TensorIOError) -> any RemoteFile { self }
  func expect(_ inner: [String]) throws(TensorIOError) {}
  static func expect(_ ranges: [(file: any RemoteFile, range: Range<UInt64>)]) throws(TensorIOError) {}
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(TensorIOError) {}
  func checkUnchanged() throws(TensorIOError) {}

  func hold(_ range: Range<UInt64>, unless isUnwanted: CancellationFlag?) throws(TensorIOError) {
    let (fails, sticks) = state.withLock { state in
      state.asked.append(range)
      return (state.failing?.overlaps(range) == true, state.stuck?.overlaps(range) == true)
    }
    while sticks, isUnwanted?.isCancelled == false { _ = DispatchSemaphore(value: 0).wait(timeout: .now() + 0.001) }
    if fails || sticks { throw TensorIOError(.readFailed(errno: sticks ? 4 : 5), path: "data") }
    state.withLock { state in
      state.held.append(range)
      state.mostBytes = max(state.mostBytes, state.held.reduce(0) { $0 + $1.count })
    }
  }

  func letGo(_ range: Range<UInt64>) {
    state.withLock { state in
      if let index = state.held.firstIndex(of: range) { state.held.remove(at: index) }
    }
  }

  var asked: [Range<UInt64>] { state.withLock { $0.asked.sorted { $0.lowerBound < $1.lowerBound } } }
  var held: Int { state.withLock { $0.held.count } }

  /// Waits until so many ranges are held; false after ten seconds.
  func holds(_ count: Int) -> Bool {
    for _ in 0..<10_000 where held != count { _ = DispatchSemaphore(value: 0).wait(timeout: .now() + 0.001) }
    return held == count
  }
}

@Suite("What a conversion fetches ahead of its work")
struct ReadAheadTests {
  private static let megabyte: UInt64 = 1 << 20

  /// A file under a path of its own.
  private static func mount(_ name: String) throws -> (noted: NotedFile, file: InputFile) {
    let noted = NotedFile()
    let root = RemoteFolders.scheme + "noted-" + name
    RemoteFolders.mount(noted, at: root)
    return (noted, try InputFile(path: root + "/data"))
  }

  /// Reads of so many megabytes, one after the other in the file.
  private static func needs(_ sizes: [UInt64], _ file: InputFile, gap: UInt64 = 0) -> [ReadAhead.Need] {
    var position: UInt64 = 4096
    return sizes.map { size in
      defer { position += size * megabyte + gap }
      return .places([FileRange(file, position..<position + size * megabyte)])
    }
  }

  @Test func smallNeighboursComeTogetherAndEveryByteOnce() throws {
    let (noted, file) = try Self.mount("small")
    let ahead = ReadAhead(Self.needs([UInt64](repeating: 3, count: 20), file), limit: 100 << 20)
    for read in 0..<20 { try ahead.during(read) {} }
    ahead.stop()
    // Five of 3 MB are what 16 MB hold.
    #expect(noted.asked.map(\.count) == [Int](repeating: 15 << 20, count: 4))
    #expect(noted.asked.first?.lowerBound == 4096)
    #expect(zip(noted.asked, noted.asked.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
    #expect(noted.held == 0)
  }

  @Test func aSmallOneComesWithTheLargeOneBehindIt() throws {
    let (noted, file) = try Self.mount("large")
    let ahead = ReadAhead(Self.needs([1, 40, 1, 40, 12], file), limit: 200 << 20)
    for read in 0..<5 { try ahead.during(read) {} }
    ahead.stop()
    #expect(noted.asked.map { $0.count >> 20 } == [41, 41, 12])
  }

  @Test func whatIsApartInTheFileComesApart() throws {
    let (noted, file) = try Self.mount("apart")
    let ahead = ReadAhead(Self.needs([2, 2, 2], file, gap: Self.megabyte), limit: 100 << 20)
    for read in 0..<3 { try ahead.during(read) {} }
    ahead.stop()
    #expect(noted.asked.map(\.count) == [2 << 20, 2 << 20, 2 << 20])
  }

  @Test func partsOfOneTensorComeOnce() throws {
    let (noted, file) = try Self.mount("shared")
    let place = FileRange(file, 0..<30 * Self.megabyte)
    let ahead = ReadAhead([.places([place]), .places([place]), .places([place])], limit: 100 << 20)
    for read in 0..<3 { try ahead.during(read) {} }
    ahead.stop()
    #expect(noted.asked == [place.range])
  }

  @Test("what comes next is fetched while a read goes on, and no more than memory allows")
  func bound() throws {
    let (noted, file) = try Self.mount("bound")
    let ahead = ReadAhead(Self.needs([UInt64](repeating: 20, count: 30), file), limit: 50 << 20)
    for read in 0..<30 {
      try ahead.enter(read)
      #expect(noted.holds(min(2, 30 - read)), "the next one comes while this one is read")
      ahead.leave(read)
    }
    ahead.stop()
    #expect(ahead.mostBytes == 40 << 20 && noted.state.withLock { $0.mostBytes } == 40 << 20)
    #expect(noted.asked.count == 30 && noted.held == 0)
  }

  @Test func whatIsLargerThanTheBoundComesAlone() throws {
    let (noted, file) = try Self.mount("alone")
    let ahead = ReadAhead(Self.needs([20, 20, 20], file), limit: 10 << 20)
    for read in 0..<3 { try ahead.during(read) { #expect(noted.held == 1) } }
    ahead.stop()
    #expect(ahead.mostBytes == 20 << 20)
  }

  /// Readers of bands are inside several reads at once.
  @Test func readersWaitForNothingThatCannotCome() throws {
    let (noted, file) = try Self.mount("several")
    let ahead = ReadAhead(Self.needs([20, 20, 20, 20, 20, 20], file), limit: 10 << 20)
    try Parallelism(threads: 3).forEachBand(6) { read in try ahead.during(read) {} }
    ahead.stop()
    #expect(noted.asked.count == 6 && noted.held == 0)
  }

  @Test("a fault in what is fetched ahead is the error of its reader, and of nobody before", arguments: 1..<5)
  func fault(_ failing: Int) throws {
    let (noted, file) = try Self.mount("fault-\(failing)")
    let start = 4096 + UInt64(failing) * 20 * Self.megabyte
    noted.state.withLock { $0.failing = start..<start + 1 }
    let ahead = ReadAhead(Self.needs([UInt64](repeating: 20, count: 8), file), limit: 50 << 20)
    for read in 0..<failing { try ahead.during(read) {} }
    for read in failing..<8 {
      // What was on its way beside may have come.
      if read == failing + 1, (try? ahead.during(read) {}) != nil { continue }
      let error = #expect(throws: TensorIOError.self) { try ahead.enter(read) }
      #expect(error?.kind == .readFailed(errno: 5))
    }
    ahead.stop()
    #expect(noted.held == 0)
  }

  @Test func whatCannotBeFetchedAheadKeepsItsPlaceInTheOrder() throws {
    let (noted, file) = try Self.mount("order")
    var needs = Self.needs([20, 20, 20], file)
    needs.insert(.unknown, at: 1)
    let ahead = ReadAhead(needs, limit: 100 << 20)
    try ahead.during(0) {}
    try ahead.enter(1)
    #expect(noted.asked.count == 1)
    ahead.leave(1)
    #expect(noted.holds(2))
    for read in 2..<4 { try ahead.during(read) {} }
    ahead.stop()
    #expect(noted.held == 0)
  }

  @Test func whatIsOnItsWayEndsWhenNobodyWantsIt() throws {
    let (noted, file) = try Self.mount("stop")
    let start = 4096 + 20 * Self.megabyte
    noted.state.withLock { $0.stuck = start..<start + 1 }
    let ahead = ReadAhead(Self.needs([20, 20, 20, 20], file), limit: 100 << 20)
    try ahead.during(0) {}
    // It would never come.
    ahead.stop()
    #expect(noted.held == 0)
    #expect(throws: TensorIOError.self) { try ahead.enter(1) }
  }
}
