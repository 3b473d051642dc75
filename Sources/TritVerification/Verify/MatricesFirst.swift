// Tritsmith: what of a failure is told first.

import TritCore

extension Array {
  /// Matrices before the rest, each in their order: they weigh more than norms.
  package func matricesFirst(_ shape: (Element) -> TensorShape) -> [Element] {
    filter { shape($0).isMatrix } + filter { !shape($0).isMatrix }
  }
}
