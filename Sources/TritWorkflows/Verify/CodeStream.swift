// Tritsmith: the identity of ternary weights.

import TritCore

/// A hash of trits and scales that does not depend on the format that holds them.
///
///     trits   SHA-256 of the row-major matrix as int8 (−1, 0, 1), which numpy computes in one line
///     tensor  SHA-256 of "tritsmith code stream 1\n" rows "x" columns "\n" trits(hex) "\n" and, for every scale, the
///             bfloat16 nearest to its multiplier, two bytes little-endian
///     model   SHA-256 of name "\0" tensor(hex) "\n" for every ternary tensor, sorted by the bytes of the name
///
/// The scale enters as the bfloat16 nearest to what a trit is multiplied by: the precision the field stores scales
/// in. A packed checkpoint with divisor s and the dense one that holds bf16(1/s) are then the same model, and so is a
/// GGUF that holds 1/s in Float. `verify` compares scales exactly, beside this hash.
public struct CodeStream: Sendable, Hashable {
  /// Of the trits alone.
  public let trits: Digest
  /// Of trits and scales.
  public let digest: Digest

  init(trits: Digest, rows: Int, columns: Int, scale: TernaryScale) {
    self.trits = trits
    let hash = SHA256()
    hash.update("tritsmith code stream 1\n\(rows)x\(columns)\n\(trits)\n")
    hash.update(scale.multipliers.flatMap { littleEndianBytes(BFloat16($0).bits) })
    digest = hash.finalize()
  }

  /// The hash of a model's ternary tensors.
  static func model(_ tensors: [(name: String, stream: CodeStream)]) -> Digest {
    let hash = SHA256()
    for tensor in tensors.sorted(by: { ExactString($0.name) < ExactString($1.name) }) {
      hash.update(tensor.name + "\0" + tensor.stream.digest.description + "\n")
    }
    return hash.finalize()
  }
}
