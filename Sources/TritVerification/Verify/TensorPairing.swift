// Tritsmith: tensors of two models by their names.

import TritCore
import TritModel

/// A tensor of the source and what became of it, or of one model and another, by their places in the manifests.
package struct TensorPair {
  package var source: Int
  package var converted: Int
  /// Which plane of a sum of ternary matrices `converted` is.
  var plane = 0
}

/// Tensors of two models by their names, and what has no partner.
package struct TensorPairing {
  /// Places, not copies: a table of descriptors takes many times the memory of the file's own.
  package private(set) var pairs: [TensorPair] = []
  /// Pairs that are none: their shapes differ.
  package private(set) var reshaped: [TensorPair] = []
  /// Of the first model alone, and of the second.
  package private(set) var absent: [TensorDescriptor] = []
  package private(set) var extra: [TensorDescriptor] = []
  /// Names of what only one has and no forward pass reads.
  package private(set) var setAside: [String] = []

  /// - Parameters:
  ///   - only: names of the first model's tensors that are looked for; nil means all.
  ///   - hasPlanes: a ternary tensor of the second model may have another one that is added to it.
  package init(
    _ first: any TensorSource, _ second: any TensorSource, only: Set<ExactString>? = nil, hasPlanes: Bool = false
  ) throws {
    let (tensors, others) = (first.manifest.tensors, second.manifest.tensors)
    let unread = try [first, second].map(TensorInventory.setAside)
    pairs.reserveCapacity(tensors.count)
    var rest = Dictionary(
      others.indices.lazy.map { (ExactString(others[$0].name), $0) }, uniquingKeysWith: { first, _ in first })
    for (index, tensor) in tensors.enumerated() where only?.contains(ExactString(tensor.name)) ?? true {
      guard let place = rest.removeValue(forKey: ExactString(tensor.name)) else {
        if unread[0].contains(ExactString(tensor.name)) {
          setAside.append(tensor.name)
        } else {
          absent.append(tensor)
        }
        continue
      }
      guard others[place].shape == tensor.shape else {
        reshaped.append(TensorPair(source: index, converted: place))
        continue
      }
      pairs.append(TensorPair(source: index, converted: place))
      if hasPlanes, others[place].encoding.isTernary,
        let plane = rest.removeValue(forKey: ExactString(TritPlanes.second(of: tensor.name)))
      {
        pairs.append(TensorPair(source: index, converted: plane, plane: 1))
      }
    }
    for tensor in rest.values.sorted().lazy.map({ others[$0] }) {
      if unread[1].contains(ExactString(tensor.name)) {
        setAside.append(tensor.name)
      } else {
        extra.append(tensor)
      }
    }
  }
}
