// Tritsmith: tensors of two models that have no partner, told as a person would tell them.

import TritCore
import TritModel
import VisibleText

/// Sentences about tensors that only one of two models has, or that have another shape: layers of which nothing is
/// there once, then matrices, then the rest.
package struct UnpairedTensors {
  /// How many tensors they are.
  package private(set) var count = 0
  private var told: [(rank: Int, text: String)] = []

  package init() {}

  /// The most telling ones first, those alike in their order.
  package var lines: [String] { (0...2).flatMap { rank in told.filter { $0.rank == rank }.map(\.text) } }

  /// A tensor of which there is something to say alone.
  package mutating func add(_ tensor: TensorDescriptor, _ text: String) {
    count += 1
    told.append((tensor.shape.isMatrix ? 1 : 2, text))
  }

  /// Tensors that the other model lacks.
  ///
  /// - Parameters:
  ///   - other: all of the other model's tensors.
  ///   - layers: a sentence about "layer 7" or "layers 7 to 9".
  package mutating func add(
    _ absent: [TensorDescriptor], lackedBy other: [TensorDescriptor], layers: (String) -> String,
    single: (TensorDescriptor) -> String
  ) {
    guard !absent.isEmpty else { return }
    let known = Set(other.lazy.compactMap { UnpairedTensors.layer(of: $0.name) })
    var sizes: [Int: Int] = [:]
    for tensor in absent {
      if let layer = UnpairedTensors.layer(of: tensor.name), !known.contains(layer) { sizes[layer, default: 0] += 1 }
    }
    // One tensor is named better than its layer.
    let whole = sizes.filter { $0.value > 1 }
    for run in consecutiveRuns(whole.keys.sorted()) {
      let name = run.count == 1 ? "layer \(run.lowerBound)" : "layers \(run.lowerBound) to \(run.upperBound)"
      told.append((0, layers(name)))
    }
    for tensor in absent {
      if let layer = UnpairedTensors.layer(of: tensor.name), whole[layer] != nil {
        count += 1
      } else {
        add(tensor, single(tensor))
      }
    }
  }

  private static func layer(of name: String) -> Int? {
    let prefix = ModulePlace.layerPrefix
    guard name.hasPrefix(prefix) else { return nil }
    return UInt32(name.dropFirst(prefix.count).prefix { $0 != "." }).flatMap { Int(exactly: $0) }
  }
}
