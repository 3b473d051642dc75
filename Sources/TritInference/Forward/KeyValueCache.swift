// Tritsmith: keys and values of the tokens seen so far.

import TritKernels

/// Keys and values of every layer with attention in Float.
///
/// A head's positions follow each other, as attention reads them. Memory grows with the tokens seen, not with the
/// capacity.
struct KeyValueCache {
  /// What one layer holds: `[heads, reserved, head dimension]`, the first positions of each head filled.
  struct Rows {
    fileprivate(set) var values: [Float] = []

    /// Writes the rows of tokens, `[tokens, heads · dimension]`, from `first` on.
    fileprivate mutating func write(_ new: [Float], tokens: Int, at first: Int, reserved: Int, _ shape: AttentionShape)
    {
      let (heads, dimension) = (shape.keyValueHeads, shape.headDimension)
      for head in 0..<heads {
        for token in 0..<tokens {
          let source = (token * heads + head) * dimension
          let place = (head * reserved + first + token) * dimension
          for index in 0..<dimension { values[place + index] = new[source + index] }
        }
      }
    }

    /// Moves the first `used` positions of every head to where they are when `new` are reserved.
    fileprivate mutating func reserve(_ new: Int, from old: Int, used: Int, _ shape: AttentionShape) {
      let dimension = shape.headDimension
      var moved: [Float] = []
      moved.reserveCapacity(shape.keyValueHeads * new * dimension)
      for head in 0..<shape.keyValueHeads {
        let start = head * old * dimension
        moved += values[start..<start + used * dimension]
        moved += repeatElement(0, count: (new - used) * dimension)
      }
      values = moved
    }
  }

  let capacity: Int
  private let shape: AttentionShape
  /// Positions that every head of every layer has room for.
  private(set) var reserved = 0
  private var used = 0
  private(set) var keys: [Rows]
  private(set) var values: [Rows]
  private let layers: [Int]

  /// - Parameter attending: the layers that have attention, of all.
  init(layers: Int, attending: [Int], capacity: Int, shape: AttentionShape) {
    self.capacity = capacity
    self.layers = attending
    self.shape = shape
    keys = Array(repeating: Rows(), count: layers)
    values = Array(repeating: Rows(), count: layers)
  }

  /// Makes room for tokens that come after `position`; what lies behind it is forgotten.
  mutating func prepare(for tokens: Int, after position: Int) {
    used = position
    let needed = position + tokens
    guard needed > reserved else { return }
    let new = min(max(needed, 2 * reserved, 64), max(needed, capacity))
    for layer in layers {
      keys[layer].reserve(new, from: reserved, used: used, shape)
      values[layer].reserve(new, from: reserved, used: used, shape)
    }
    reserved = new
  }

  /// Writes a layer's rows of the tokens room was made for, `[tokens, keyValueWidth]`.
  mutating func write(layer: Int, keys newKeys: [Float], values newValues: [Float], tokens: Int) {
    keys[layer].write(newKeys, tokens: tokens, at: used, reserved: reserved, shape)
    values[layer].write(newValues, tokens: tokens, at: used, reserved: reserved, shape)
  }
}
