// Tritsmith: what a copied tensor must hold, worked out while its bytes pass.

import Synchronization
import TritCore

/// Fingerprints of a tensor's bytes as they came from the source, for the audit of a model that is read over a network:
/// each byte is fetched once.
struct CopyWitness: Sendable {
  /// Bytes with a fingerprint of their own; the last are fewer.
  let bandBytes: Int
  /// XXH64 of each.
  let fingerprints: [UInt64]

  /// True when a written tensor has these bytes.
  func agrees(with tensor: TensorDescriptor, in source: any TensorSource, cancellation: CancellationFlag) throws -> Bool
  {
    let count = tensor.location.byteCount
    guard (count + bandBytes - 1) / bandBytes == fingerprints.count else { return false }
    for (index, fingerprint) in fingerprints.enumerated() {
      try cancellation.check()
      let range = index * bandBytes..<min(count, (index + 1) * bandBytes)
      guard try source.withBytes(range, of: tensor, { XXH64.hash($0) }) == fingerprint else { return false }
      source.release(range, of: tensor)
    }
    return true
  }
}

/// Gathers fingerprints from the threads that copy.
final class CopyFingerprints: Sendable {
  private let bandBytes: Int
  private let found: Mutex<[UInt64]>

  init(byteCount: Int, bandBytes: Int) {
    self.bandBytes = bandBytes
    found = Mutex(Array(repeating: 0, count: (byteCount + bandBytes - 1) / bandBytes))
  }

  func add(_ bytes: RawSpan, band: Int) {
    let hash = XXH64.hash(bytes)
    found.withLock { $0[band] = hash }
  }

  var witness: CopyWitness { CopyWitness(bandBytes: bandBytes, fingerprints: found.withLock { $0 }) }
}
