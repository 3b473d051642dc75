// Tritsmith: how fast this machine reads memory at this moment.

import CommandLineKit
import TritCore

/// Reads a large buffer and a mapped model, as fast as plain loads go.
///
/// Mapped files may lie in larger pages than a buffer and then read faster, so both are measured and the faster counts.
final class MemoryBandwidth: Sendable {
  private let source: any TensorSource
  private let pieces: [(tensor: TensorDescriptor, range: Range<Int>)]
  private let words: [UInt64]
  private let parallelism: Parallelism
  private static let bufferBytes = 512 << 20
  private static let pieceBytes = 4 << 20
  private static let repetitions = 3

  init(_ source: any TensorSource, threads: Int) {
    self.source = source
    parallelism = Parallelism(threads: threads)
    pieces = source.manifest.tensors.filter(source.readsInPlace).flatMap { tensor in
      stride(from: 0, to: tensor.location.byteCount, by: MemoryBandwidth.pieceBytes).map {
        (tensor, $0..<min(tensor.location.byteCount, $0 + MemoryBandwidth.pieceBytes))
      }
    }
    // Written once, so that every page is one of its own.
    words = (0..<MemoryBandwidth.bufferBytes / 8).map { UInt64(truncatingIfNeeded: $0) }
  }

  /// GB/s, the best of three readings of each.
  func measure() throws -> Double {
    var best = 0.0
    let bytes = pieces.reduce(0) { $0 + $1.range.count }
    for _ in 0..<MemoryBandwidth.repetitions {
      best = max(
        best,
        try rate(bytes, pieces.count) { index in
          try source.withBytes(pieces[index].range, of: pieces[index].tensor) { MemoryBandwidth.touch($0) }
        })
      let count = MemoryBandwidth.pieceBytes
      best = max(
        best,
        try rate(MemoryBandwidth.bufferBytes, MemoryBandwidth.bufferBytes / count) { index in
          let words = words
          MemoryBandwidth.touch(words.span.bytes.extracting(index * count..<(index + 1) * count))
        })
    }
    return best
  }

  private func rate(_ bytes: Int, _ parts: Int, _ body: @Sendable (Int) throws -> Void) throws -> Double {
    let start = Platform.monotonicSeconds
    try parallelism.forEachBand(parts, body)
    return Double(bytes) / (Platform.monotonicSeconds - start) / 1e9
  }

  private static func touch(_ bytes: RawSpan) {
    var (first, second, third, fourth) = (
      SIMD4<UInt64>.zero, SIMD4<UInt64>.zero, SIMD4<UInt64>.zero, SIMD4<UInt64>.zero
    )
    for offset in stride(from: 0, to: bytes.byteCount - 127, by: 128) {
      first &+= bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: SIMD4<UInt64>.self)
      second &+= bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset + 32, as: SIMD4<UInt64>.self)
      third &+= bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset + 64, as: SIMD4<UInt64>.self)
      fourth &+= bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset + 96, as: SIMD4<UInt64>.self)
    }
    // A sum nobody can know keeps the reads.
    if (first &+ second &+ third &+ fourth).wrappedSum() == 1 { StandardError.write("") }
  }
}
