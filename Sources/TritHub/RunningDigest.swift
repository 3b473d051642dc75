// Tritsmith: the digest of a file that comes in pieces.

#if !TRITSMITH_NO_NETWORK
  import Dispatch
  import Synchronization
  import TritCore

  /// SHA-256 of a file whose pieces come roughly from front to back, each byte hashed once.
  ///
  /// Pieces ahead of the place wait; where too many do, or some never come, there is no digest. The hash is of this
  /// value alone, and whoever has the value guards it.
  struct RunningDigest: @unchecked Sendable {
    /// Bytes of a copy, or of somebody's memory.
    private struct Piece {
      let copy: [UInt8]
      let held: HubHeld?

      var count: Int { held?.range.count ?? copy.count }

      func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
        guard let held else { return copy.withUnsafeBytes(body) }
        body(UnsafeRawBufferPointer(held.memory))
      }
    }

    private var hash: SHA256? = SHA256()
    private var position: UInt64 = 0
    private var waiting: [UInt64: Piece] = [:]
    private var waitingBytes = 0
    /// What workers of a conversion can be ahead of each other, and more.
    private static let limit = 64 << 20

    /// Goes on with a piece.
    ///
    /// - Parameter held: what the bytes are in; kept where they must wait. Else they are copied.
    /// - Returns: the digest, once, when the last byte was there.
    mutating func add(
      _ bytes: UnsafeRawBufferPointer, at offset: UInt64, of byteCount: UInt64, in held: HubHeld? = nil
    ) -> Digest? {
      guard let hash, offset + UInt64(bytes.count) > position else { return nil }
      guard offset <= position else {
        guard waiting[offset]?.count ?? 0 < bytes.count else { return nil }
        waitingBytes += bytes.count - (waiting[offset]?.count ?? 0)
        waiting[offset] = held.map { Piece(copy: [], held: $0) } ?? Piece(copy: Array(bytes), held: nil)
        if waitingBytes > RunningDigest.limit { end() }
        return nil
      }
      take(bytes, at: offset, hash)
      while let next = waiting.keys.filter({ $0 <= position }).min(), let piece = waiting.removeValue(forKey: next) {
        waitingBytes -= piece.count
        piece.withBytes { take($0, at: next, hash) }
      }
      guard position >= byteCount else { return nil }
      end()
      return hash.finalize()
    }

    private mutating func take(_ bytes: UnsafeRawBufferPointer, at offset: UInt64, _ hash: SHA256) {
      let known = Int(clamping: position - offset)
      guard known < bytes.count else { return }
      hash.update(UnsafeRawBufferPointer(rebasing: bytes[known...]).bytes)
      position = offset + UInt64(bytes.count)
    }

    private mutating func end() {
      hash = nil
      waiting = [:]
    }
  }

  /// Holds a file that is read as a whole, roughly from front to back, against the digest that the Hub lists.
  ///
  /// What is held is hashed beside whoever works with it; the last piece waits for the outcome.
  final class DigestFollower: Sendable {
    private let expected: Digest
    private let byteCount: UInt64
    private let queue = DispatchQueue(label: "tritsmith.digest")
    private let running = Mutex(RunningDigest())
    /// Bytes that were given, twice where they came twice: before all are there no digest can be.
    private let given = Atomic<UInt64>(0)
    private let wrong = Mutex<Digest?>(nil)

    init(_ expected: Digest, of byteCount: UInt64) {
      self.expected = expected
      self.byteCount = byteCount
    }

    /// - Returns: the digest of the whole file, once it is known and not the one that is listed.
    func add(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) -> Digest? {
      given.add(UInt64(bytes.count), ordering: .relaxed)
      return queue.sync {
        note(running.withLock { $0.add(bytes, at: offset, of: byteCount) })
        return wrong.withLock { $0 }
      }
    }

    /// The same of what is held; its bytes are hashed later, unless they may be the last.
    func add(_ held: HubHeld) -> Digest? {
      let all = given.add(UInt64(held.range.count), ordering: .relaxed).newValue
      queue.async(group: held.following) { [self] in
        let memory = UnsafeRawBufferPointer(held.memory)
        note(running.withLock { $0.add(memory, at: held.range.lowerBound, of: byteCount, in: held) })
      }
      return all >= byteCount ? outcome : nil
    }

    /// What is known when all that was given is hashed.
    var outcome: Digest? { queue.sync { wrong.withLock { $0 } } }

    private func note(_ found: Digest?) {
      guard let found, found != expected else { return }
      wrong.withLock { $0 = found }
    }
  }
#endif
