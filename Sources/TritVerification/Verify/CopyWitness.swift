// Tritsmith: what a copied tensor must hold, worked out while its bytes pass.

import Synchronization
import TritCore
import TritModel

/// Fingerprints of a tensor's bytes as they came from the source, for the audit of a model that is read over a network:
/// each byte is fetched once.
package struct CopyWitness: Sendable {
  /// What the bytes are, as the file has them: blocks, which a view shows as Float, too.
  let encoding: TensorEncoding
  /// Bytes with a fingerprint of their own; the last are fewer.
  let bandBytes: Int
  /// XXH64 of each.
  let fingerprints: [UInt64]

  /// True when a written tensor has these bytes.
  func agrees(with tensor: TensorDescriptor, in source: any TensorSource, cancellation: CancellationFlag) throws -> Bool
  {
    let (source, tensor) = CopyWitness.stored(tensor, source)
    let count = tensor.location.byteCount
    guard tensor.encoding == encoding, (count + bandBytes - 1) / bandBytes == fingerprints.count else { return false }
    for (index, fingerprint) in fingerprints.enumerated() {
      try cancellation.check()
      let range = index * bandBytes..<min(count, (index + 1) * bandBytes)
      guard try source.withBytes(range, of: tensor, { XXH64.hash($0) }) == fingerprint else { return false }
      source.release(range, of: tensor)
    }
    return true
  }

  /// A tensor as its file has it.
  private static func stored(
    _ tensor: TensorDescriptor, _ source: any TensorSource
  ) -> (any TensorSource, TensorDescriptor) {
    guard let view = source as? GGUFModelView, view.stored(tensor).encoding.blockCodec != nil else {
      return (source, tensor)
    }
    return (view.base, view.stored(tensor))
  }
}

/// Gathers fingerprints from the threads that copy.
package final class CopyFingerprints: Sendable {
  private let encoding: TensorEncoding
  private let bandBytes: Int
  private let found: Mutex<[UInt64]>

  package init(_ tensor: TensorDescriptor, bandBytes: Int) {
    encoding = tensor.encoding
    self.bandBytes = bandBytes
    found = Mutex(Array(repeating: 0, count: (tensor.location.byteCount + bandBytes - 1) / bandBytes))
  }

  package func add(_ bytes: RawSpan, band: Int) {
    let hash = XXH64.hash(bytes)
    found.withLock { $0[band] = hash }
  }

  package var witness: CopyWitness {
    CopyWitness(encoding: encoding, bandBytes: bandBytes, fingerprints: found.withLock { $0 })
  }
}

/// What the audit need not read the source for; by the source's names.
package struct AuditWitnesses {
  package var ternary: [ExactString: AuditWitness] = [:]
  package var copies: [ExactString: CopyWitness] = [:]

  package init() {}
}
