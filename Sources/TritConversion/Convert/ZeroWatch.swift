// Tritsmith: tensors that hold nothing but zeros, found as their bytes pass by.

import Synchronization
import TritCore
import TritFormats
import TritModel
import TritSurvey
import TritVerification

/// Sees whether a tensor that is converted holds anything but zeros: the rule `tensor.all-zero` of `check`.
///
/// The first band of nearly every tensor settles it; the others are then not looked at.
final class ZeroWatch: Sendable {
  private let isLive = Atomic<Bool>(false)
  private let tensor: TensorDescriptor
  private let role: TensorRole

  init(_ tensor: TensorDescriptor, _ role: TensorRole) {
    (self.tensor, self.role) = (tensor, role)
  }

  /// - Parameters:
  ///   - bytes: whole elements of the tensor, or bytes of its blocks.
  ///   - encoding: what they are stored as.
  func look(at bytes: RawSpan, as encoding: TensorEncoding) {
    guard !isLive.load(ordering: .relaxed) else { return }
    let isZero: Bool
    if let dtype = encoding.dtype, dtype.isDecodable {
      isZero = DenseValues.floats(bytes, dtype).allSatisfy { $0 == 0 }
    } else {
      // Blocks that begin in one band and end in the next: where all bytes are zero, so are the values.
      isZero = (0..<bytes.byteCount).allSatisfy { bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) == 0 }
    }
    if !isZero { isLive.store(true, ordering: .relaxed) }
  }

  func look(at values: [Float]) {
    guard !isLive.load(ordering: .relaxed), values.contains(where: { $0 != 0 }) else { return }
    isLive.store(true, ordering: .relaxed)
  }

  func look(at trits: [Int8]) {
    guard !isLive.load(ordering: .relaxed), trits.contains(where: { $0 != 0 }) else { return }
    isLive.store(true, ordering: .relaxed)
  }

  /// What `check` says of the tensor, when all of it has been looked at; nil when it holds anything.
  var finding: CheckFinding? {
    isLive.load(ordering: .relaxed) ? nil : ValueCheck.allZero(tensor, role)
  }
}
