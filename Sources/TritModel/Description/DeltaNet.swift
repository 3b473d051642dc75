// Tritsmith: sizes of gated delta nets, and which layers have them.

import TritCore
import TritKernels

/// Which layers have attention among those that have a gated delta net in its place.
package enum LayerPattern: Sendable, Hashable {
  /// Every one of that many, the last of each run; 1 is all of them.
  case every(Int)
  case listed([LayerKind])

  /// The pattern of a list, the same for every way to say it.
  package init(_ kinds: [LayerKind]) {
    let interval = (kinds.firstIndex(of: .attention) ?? kinds.count) + 1
    let regular = LayerPattern.every(interval)
    self = kinds.indices.allSatisfy { regular.kind(ofLayer: $0) == kinds[$0] } ? regular : .listed(kinds)
  }

  package func kind(ofLayer layer: Int) -> LayerKind {
    switch self {
    case .every(let interval): (layer + 1) % max(1, interval) == 0 ? .attention : .deltaNet
    case .listed(let kinds): kinds.indices.contains(layer) ? kinds[layer] : .attention
    }
  }

  /// For people.
  var text: String {
    switch self {
    case .every(let interval): "full_attention in every \(interval)th layer"
    case .listed(let kinds):
      "full_attention in layers "
        + kinds.indices.filter { kinds[$0] == .attention }.map(String.init).joined(separator: ", ")
    }
  }
}

extension DeltaNetShape {
  /// For people.
  var text: String {
    "\(keyHeads) key heads of \(keyDimension), \(valueHeads) value heads of \(valueDimension), a convolution of "
      + "\(convolution), epsilon \(epsilon)"
  }
}
