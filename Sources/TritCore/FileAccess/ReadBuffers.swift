// Tritsmith: buffers that reading threads share.

import Synchronization

/// Buffers kept for the next read: a fresh one costs a page fault for every 4 kB.
enum ReadBuffers {
  /// Memory nobody uses; only its owner touches it, so handing it between threads is safe.
  private struct Buffer: @unchecked Sendable {
    let memory: UnsafeMutableRawBufferPointer
  }

  private static let free = Mutex<[Buffer]>([])
  /// More buffers than threads read at once are not worth keeping, nor are large ones.
  private static let keptCount = 32
  private static let keptBytes = 8 << 20

  /// A buffer of at least `byteCount` bytes, 64-byte aligned.
  static func take(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
    let kept = free.withLock { free -> Buffer? in
      let fits = free.firstIndex {
        $0.memory.count >= byteCount && $0.memory.count / 4 <= max(1024, byteCount)
      }
      return fits.map { free.remove(at: $0) }
    }
    return kept?.memory ?? UnsafeMutableRawBufferPointer.allocate(byteCount: max(64, byteCount), alignment: 64)
  }

  static func giveBack(_ buffer: UnsafeMutableRawBufferPointer) {
    let returned = Buffer(memory: buffer)
    let isKept = free.withLock { free in
      guard returned.memory.count <= keptBytes, free.count < keptCount else { return false }
      free.append(returned)
      return true
    }
    if !isKept { buffer.deallocate() }
  }
}
