// Tritsmith: the layer a tensor is of.

import TritModel

extension TensorRole {
  /// Of projections; 0 for all else.
  package var layer: Int {
    if case .projection(let layer, _) = self { layer } else { 0 }
  }
}
