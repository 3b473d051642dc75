// Tritsmith: keys and values of the tokens seen so far.

import TritKernels

/// Keys and values of every layer, `[positions, keyValueWidth]` in Float.
///
/// Memory grows with the tokens seen, not with the capacity.
struct KeyValueCache {
  let capacity: Int
  private let width: Int
  private(set) var keys: [[Float]]
  private(set) var values: [[Float]]

  init(layers: Int, capacity: Int, shape: AttentionShape) {
    self.capacity = capacity
    width = shape.keyValueWidth
    keys = Array(repeating: [], count: layers)
    values = Array(repeating: [], count: layers)
  }

  mutating func append(layer: Int, keys newKeys: ArraySlice<Float>, values newValues: ArraySlice<Float>) {
    keys[layer] += newKeys
    values[layer] += newValues
  }

  /// Forgets every position from `position` on.
  mutating func truncate(to position: Int) {
    for layer in keys.indices {
      keys[layer].removeLast(max(0, keys[layer].count - position * width))
      values[layer].removeLast(max(0, values[layer].count - position * width))
    }
  }
}
