// Tritsmith: scales a plan has read whole tensors for, kept for their conversion.

import Synchronization
import TritCore

/// What the plan found of tensors it had to read whole, such as an embedding that might be ternary: nobody need read them
/// for it again. That the source has not changed since is checked before an output is put in place, and the audit finds
/// out for itself what stands there.
final class FoundScales: Sendable {
  private let scales = Mutex<[ExactString: TernaryScale]>([:])

  /// Keeps the scales of dense weights that are ternary as they stand, in the weights' own type.
  func keep(_ scale: TernaryScale, of tensor: TensorDescriptor) {
    scales.withLock { $0[ExactString(tensor.name)] = scale }
  }

  /// The scales of a tensor, which are forgotten here: there may be millions.
  func take(_ tensor: TensorDescriptor) -> TernaryScale? {
    scales.withLock { $0.removeValue(forKey: ExactString(tensor.name)) }
  }
}
