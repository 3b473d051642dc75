// Tritsmith: ranges of a file that are kept in memory for a while.

#if !TRITSMITH_NO_NETWORK
  import Dispatch
  import Synchronization
  import TritCore

  /// Memory that is used again for what is held next: fresh memory costs a page fault for every 4 kB.
  ///
  /// What is free is kept while something is in use, and only as far as both together are not more than was in use at
  /// once.
  final class HeldMemory: Sendable {
    static let shared = HeldMemory()

    /// Only its owner touches it, so handing it between threads is safe.
    private struct Block: @unchecked Sendable {
      let memory: UnsafeMutableRawBufferPointer
    }

    private struct State {
      var free: [Block] = []
      var freeBytes = 0
      var usedBytes = 0
      var mostBytes = 0

      mutating func removeFree(at index: Int) -> Block {
        freeBytes -= free[index].memory.count
        return free.remove(at: index)
      }
    }

    private let state = Mutex(State())

    /// Memory of at least so many bytes, and of no more than twice as many.
    func take(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
      let wanted = max(4096, byteCount)
      let (found, dropped) = state.withLock { state -> (Block?, [Block]) in
        let fits = state.free.indices.filter {
          state.free[$0].memory.count >= wanted && state.free[$0].memory.count / 2 <= wanted
        }
        let best = fits.min { state.free[$0].memory.count < state.free[$1].memory.count }
        let found = best.map { state.removeFree(at: $0) }
        state.usedBytes += found?.memory.count ?? wanted
        state.mostBytes = max(state.mostBytes, state.usedBytes)
        var dropped: [Block] = []
        while state.usedBytes + state.freeBytes > state.mostBytes { dropped.append(state.removeFree(at: 0)) }
        return (found, dropped)
      }
      for block in dropped { block.memory.deallocate() }
      return found?.memory ?? .allocate(byteCount: wanted, alignment: 64)
    }

    func giveBack(_ memory: UnsafeMutableRawBufferPointer) {
      let returned = Block(memory: memory)
      let dropped = state.withLock { state -> [Block] in
        state.usedBytes -= returned.memory.count
        state.free.append(returned)
        state.freeBytes += returned.memory.count
        guard state.usedBytes == 0 else { return [] }
        defer { state = State() }
        return state.free
      }
      for block in dropped { block.memory.deallocate() }
    }

    /// What is free and what is in use, for tests.
    var byteCounts: (free: Int, used: Int) { state.withLock { ($0.freeBytes, $0.usedBytes) } }
  }

  /// What was asked to be kept for a while: filled before it is listed, and read only from then on.
  final class HubHeld: @unchecked Sendable {
    let range: Range<UInt64>
    /// Its first bytes are those of the range.
    private let whole: UnsafeMutableRawBufferPointer
    /// Left when the file's digest has gone past it, or keeps it until it can.
    let following = DispatchGroup()

    init(_ range: Range<UInt64>) {
      self.range = range
      whole = HeldMemory.shared.take(range.count)
    }

    deinit { HeldMemory.shared.giveBack(whole) }

    var memory: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(rebasing: whole[..<range.count]) }

    func contains(_ other: Range<UInt64>) -> Bool {
      range.lowerBound <= other.lowerBound && other.upperBound <= range.upperBound
    }
  }

  /// What is held of one file.
  final class HubHoldings: Sendable {
    private let list = Mutex<[HubHeld]>([])

    func add(_ new: HubHeld) { list.withLock { $0.append(new) } }

    /// Holds once more what is held; false for what is not.
    func addAgain(_ range: Range<UInt64>) -> Bool {
      list.withLock { list in
        guard let known = list.first(where: { $0.range == range }) else { return false }
        list.append(known)
        return true
      }
    }

    /// Waits until the digest has its bytes, so that what is let go takes no more memory.
    func letGo(_ range: Range<UInt64>) {
      let known = list.withLock { list in
        list.firstIndex { $0.range == range }.map { list.remove(at: $0) }
      }
      known?.following.wait()
    }

    /// Gives `body` bytes that are held, where they are; nil where they are not.
    func with<Result>(_ range: Range<UInt64>, _ body: (RawSpan) throws -> Result) throws -> Result? {
      guard let found = list.withLock({ list in list.first { $0.contains(range) } }) else { return nil }
      return try withExtendedLifetime(found) {
        let start = Int(clamping: range.lowerBound - found.range.lowerBound)
        return try body(UnsafeRawBufferPointer(rebasing: found.memory[start..<start + range.count]).bytes)
      }
    }

    /// Copies what is held; false where it is not.
    func copy(_ range: Range<UInt64>, into buffer: UnsafeMutableRawBufferPointer) -> Bool {
      let copied = try? with(range) { bytes in
        bytes.withUnsafeBytes { buffer.copyMemory(from: $0) }
        return true
      }
      return copied == true
    }
  }
#endif
