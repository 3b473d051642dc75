// Tritsmith: the tensor now worked on, kept in memory between its passes.

import Synchronization
import TritCore

/// A view of a source that keeps one tensor in memory: its bytes come from the file once, however often they are read.
///
/// A tensor larger than the limit is passed through, and read anew in every pass. The memory is used again for the next
/// tensor. Any number of threads may read; only one may call `keep`, while nobody reads.
package final class HeldSource: TensorSource {
  let base: any TensorSource
  private let limit: Int
  /// Pieces are read whole, so they are no larger than what the first pass asks for: two threads that want the same piece
  /// read it twice.
  private static let pieceBytes = bandBytes / 8

  /// Owned by one value; freed with it.
  private final class Buffer: @unchecked Sendable {
    let memory: UnsafeMutableRawBufferPointer
    let pieces: [PieceState]

    init(byteCount: Int) {
      memory = .allocate(byteCount: max(64, byteCount), alignment: 64)
      pieces = (0..<(byteCount + pieceBytes - 1) / pieceBytes).map { _ in PieceState() }
    }

    deinit { memory.deallocate() }
  }

  private enum Piece { static let (missing, loading, loaded) = (0, 1, 2) }

  private final class PieceState: Sendable {
    let state = Atomic<Int>(Piece.missing)
  }

  private struct HeldTensor {
    var tensor: ExactString
    var buffer: Buffer
  }

  nonisolated(unsafe) private var held: HeldTensor?

  /// - Parameter limit: bytes of the largest tensor that is kept.
  package init(_ base: any TensorSource, limit: Int) {
    self.base = base
    self.limit = limit
  }

  package var manifest: ModelManifest { base.manifest }

  /// Forgets the tensor kept before; true when the new one will be kept.
  package func keep(_ tensor: TensorDescriptor) -> Bool {
    let count = tensor.location.byteCount
    guard count <= limit, count > 0 else {
      held = nil
      return false
    }
    if let buffer = held?.buffer, buffer.memory.count >= count {
      for piece in buffer.pieces { piece.state.store(Piece.missing, ordering: .relaxed) }
      held = HeldTensor(tensor: ExactString(tensor.name), buffer: buffer)
    } else {
      held = nil
      held = HeldTensor(tensor: ExactString(tensor.name), buffer: Buffer(byteCount: count))
    }
    return true
  }

  package func readsInPlace(_ tensor: TensorDescriptor) -> Bool {
    held?.tensor != ExactString(tensor.name) && base.readsInPlace(tensor)
  }

  package func withBytes<Result>(
    _ range: Range<Int>, of tensor: TensorDescriptor, _ body: (RawSpan) throws -> Result
  ) throws -> Result {
    guard let held, held.tensor == ExactString(tensor.name), try load(range, of: tensor, held.buffer) else {
      return try base.withBytes(range, of: tensor, body)
    }
    return try body(UnsafeRawBufferPointer(rebasing: held.buffer.memory[range]).bytes)
  }

  /// Reads what is missing of the pieces a range touches; false when another thread is reading one of them.
  private func load(_ range: Range<Int>, of tensor: TensorDescriptor, _ buffer: Buffer) throws -> Bool {
    guard !range.isEmpty else { return true }
    for index in range.lowerBound / Self.pieceBytes...(range.upperBound - 1) / Self.pieceBytes {
      let piece = buffer.pieces[index]
      if piece.state.load(ordering: .acquiring) == Piece.loaded { continue }
      let claim = piece.state.compareExchange(
        expected: Piece.missing, desired: Piece.loading, ordering: .acquiringAndReleasing)
      guard claim.exchanged else {
        if claim.original == Piece.loaded { continue }
        return false
      }
      do {
        let bytes = index * Self.pieceBytes..<min((index + 1) * Self.pieceBytes, tensor.location.byteCount)
        var target = UnsafeMutableRawBufferPointer(rebasing: buffer.memory[bytes]).mutableBytes
        try base.read(bytes, of: tensor, into: &target)
        base.release(bytes, of: tensor)
        piece.state.store(Piece.loaded, ordering: .releasing)
      } catch {
        piece.state.store(Piece.missing, ordering: .releasing)
        throw error
      }
    }
    return true
  }

  package func release(_ range: Range<Int>, of tensor: TensorDescriptor) {
    if held?.tensor != ExactString(tensor.name) { base.release(range, of: tensor) }
  }

  package func expect(_ ranges: [ExpectedRange]) throws { try base.expect(ranges) }
  package func remotePlaces(of tensor: TensorDescriptor) throws -> [FileRange] { try base.remotePlaces(of: tensor) }
  package func remotePlace(of range: Range<Int>, of tensor: TensorDescriptor) -> FileRange? {
    base.remotePlace(of: range, of: tensor)
  }
  package func scale(of tensor: TensorDescriptor) throws -> TernaryScale { try base.scale(of: tensor) }
  package func companion(named name: String) throws -> [UInt8] { try base.companion(named: name) }
  package func checkUnchanged() throws { try base.checkUnchanged() }
  package func checkIntegrity(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws {
    try base.checkIntegrity(parallelism, progress)
  }
  package func checkIntegrity(
    of tensor: TensorDescriptor, _ parallelism: Parallelism, _ progress: any ProgressObserver
  ) throws {
    try base.checkIntegrity(of: tensor, parallelism, progress)
  }
}
