// Tritsmith: the identity of ternary weights.

import TritCore
import TritSurvey

/// A hash of trits and scales that does not depend on the format that holds them.
///
///     trits   SHA-256 of the row-major matrix as int8 (−1, 0, 1), which numpy computes in one line
///     tensor  SHA-256 of "tritsmith code stream 1\n" rows "x" columns "\n" trits(hex) "\n" and, for every scale of the
///             coarsest grid that holds them (`TernaryScale.coarsest`), the bfloat16 nearest to its multiplier,
///             two bytes little-endian
///     model   SHA-256 of name "\0" tensor(hex) "\n" for every ternary tensor, sorted by the bytes of the name
///
/// The scale enters as the bfloat16 nearest to what a trit is multiplied by: the precision the field stores scales
/// in. A packed checkpoint with divisor s and the dense one that holds bf16(1/s) are then the same model, and so is a
/// GGUF that holds 1/s in Float. One that holds it in f16 has been rounded before; where that f16 number is the inverse
/// of a bfloat16 s, bf16(1/s) enters, so that it is the same model too. `verify` compares scales exactly, beside this
/// hash.
package struct CodeStream: Sendable, Hashable {
  /// Of the trits alone.
  package let trits: Digest
  /// Of trits and scales.
  package let digest: Digest

  package init(trits: Digest, rows: Int, columns: Int, scale: TernaryScale) {
    self.trits = trits
    let hash = SHA256()
    hash.update("tritsmith code stream 1\n\(rows)x\(columns)\n\(trits)\n")
    // Formats hold the same scales once for a tensor, a row or a group: the fewest that say it are hashed.
    let scale = scale.coarsest(rows: rows, columns: columns, zeros: .isOwn)
    hash.update(scale.multipliers.flatMap { littleEndianBytes(CodeStream.canonical($0).bits) })
    digest = hash.finalize()
  }

  /// The bfloat16 a multiplier stands for, rounded once even when the multiplier is an f16 number already.
  static func canonical(_ multiplier: Float) -> BFloat16 {
    guard !BFloat16.holds(multiplier), HalfFloat.holds(multiplier),
      let divisor = TernaryScale.divisor(ofMultiplier: multiplier, storage: .f16)
    else { return BFloat16(multiplier) }
    return BFloat16(1 / divisor.float)
  }

  /// The hash of a model's ternary tensors.
  package static func model(_ tensors: [(name: String, stream: CodeStream)]) -> Digest {
    let hash = SHA256()
    for tensor in tensors.sorted(by: { ExactString($0.name) < ExactString($1.name) }) {
      hash.update(tensor.name + "\0" + tensor.stream.digest.description + "\n")
    }
    return hash.finalize()
  }
}
