// Tritsmith: the digest of a file that comes in pieces.

#if !TRITSMITH_NO_NETWORK
  import TritCore

  /// SHA-256 of a file whose pieces come roughly from front to back, each byte hashed once.
  ///
  /// Pieces ahead of the place wait; where too many do, or some never come, there is no digest. The hash is of this
  /// value alone, and whoever has the value guards it.
  struct RunningDigest: @unchecked Sendable {
    private var hash: SHA256? = SHA256()
    private var position: UInt64 = 0
    private var waiting: [UInt64: [UInt8]] = [:]
    private var waitingBytes = 0
    /// What workers of a conversion can be ahead of each other, and more.
    private static let limit = 64 << 20

    /// Goes on with a piece.
    ///
    /// - Returns: the digest, once, when the last byte was there.
    mutating func add(_ bytes: UnsafeRawBufferPointer, at offset: UInt64, of byteCount: UInt64) -> Digest? {
      guard let hash, offset + UInt64(bytes.count) > position else { return nil }
      guard offset <= position else {
        guard waiting[offset]?.count ?? 0 < bytes.count else { return nil }
        waitingBytes += bytes.count - (waiting[offset]?.count ?? 0)
        waiting[offset] = Array(bytes)
        if waitingBytes > RunningDigest.limit { end() }
        return nil
      }
      take(bytes, at: offset, hash)
      while let next = waiting.keys.filter({ $0 <= position }).min(), let piece = waiting.removeValue(forKey: next) {
        waitingBytes -= piece.count
        piece.withUnsafeBytes { take($0, at: next, hash) }
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
#endif
