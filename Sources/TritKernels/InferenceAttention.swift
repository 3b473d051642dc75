// Tritsmith: causal attention over a key/value cache.

import TritCore

/// Sizes of an attention layer.
package struct AttentionShape: Sendable, Hashable {
  package var heads: Int
  /// Divides `heads`; query head h reads key/value head h / (heads / keyValueHeads).
  package var keyValueHeads: Int
  package var headDimension: Int

  package init(heads: Int, keyValueHeads: Int, headDimension: Int) {
    precondition(keyValueHeads > 0 && heads % keyValueHeads == 0, "heads share key/value heads evenly")
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headDimension = headDimension
  }

  package var queryWidth: Int { heads * headDimension }
  package var keyValueWidth: Int { keyValueHeads * headDimension }
  var group: Int { heads / keyValueHeads }
}

extension InferenceEngine {
  /// softmax(q·kᵀ · D^−½) · v with a causal mask; `output` and `q` are `[tokens, queryWidth]`.
  ///
  /// `keys` and `values` are `[keyValueHeads, reserved, headDimension]`, of which the first `first + tokens` positions
  /// are filled, those of these tokens too: token t stands at position `first + t` and sees positions 0…first + t.
  package func attention(
    _ q: [Float], keys: [Float], values: [Float], reserved: Int, _ shape: AttentionShape, first: Int, tokens: Int,
    into output: inout [Float]
  ) {
    precondition(q.count >= tokens * shape.queryWidth && output.count >= tokens * shape.queryWidth, "shapes fit")
    precondition(first + tokens <= reserved, "the cache holds every position")
    let needed = reserved * shape.keyValueWidth
    precondition(keys.count >= needed && values.count >= needed, "the cache holds every head")
    q.withUnsafeBufferPointer { q in
      keys.withUnsafeBufferPointer { keys in
        values.withUnsafeBufferPointer { values in
          output.withUnsafeMutableBufferPointer { output in
            guard let q = q.baseAddress, let keys = keys.baseAddress, let values = values.baseAddress,
              let output = output.baseAddress
            else { return }
            let pass = AttentionPass(
              kernels: kernels, shape: shape, q: q, keys: keys, values: values, reserved: reserved,
              first: first, output: output)
            if tokens == 1 {
              // Heads of a group read the same keys: they are the rows of one product.
              team.run(shape.keyValueHeads) { pass.oneToken(keyValueHead: $0) }
            } else {
              let blocks = (tokens + tokenBlock - 1) / tokenBlock
              // Later blocks see more positions; they go first so that the last parts are small.
              team.run(shape.heads * blocks) { part in
                let block = blocks - 1 - part / shape.heads
                pass.block(
                  head: part % shape.heads, block * tokenBlock..<min(tokens, (block + 1) * tokenBlock))
              }
            }
          }
        }
      }
    }
  }
}

private struct AttentionPass {
  var kernels: any InferenceKernels
  var shape: AttentionShape
  var q: UnsafePointer<Float>
  var keys: UnsafePointer<Float>
  var values: UnsafePointer<Float>
  /// Positions from one head's rows to the next head's.
  var reserved: Int
  var first: Int
  var output: UnsafeMutablePointer<Float>

  func oneToken(keyValueHead: Int) {
    let head = keyValueHead * shape.group
    attend(
      keyValueHead, positions: first + 1, start: head * shape.headDimension, step: shape.headDimension,
      rows: shape.group, visible: { _ in first + 1 })
  }

  func block(head: Int, _ tokens: Range<Int>) {
    attend(
      head / shape.group, positions: first + tokens.upperBound,
      start: tokens.lowerBound * shape.queryWidth + head * shape.headDimension, step: shape.queryWidth,
      rows: tokens.count, visible: { first + tokens.lowerBound + $0 + 1 })
  }

  /// Rows of queries (tokens of one head, or heads of one token) that share a key/value head.
  private func attend(
    _ keyValueHead: Int, positions: Int, start: Int, step: Int, rows: Int, visible: (Int) -> Int
  ) {
    let dimension = shape.headDimension
    let head = keyValueHead * reserved * dimension
    // transformers multiplies the product by head_dim ** -0.5.
    let scaling = Float(1 / Double(dimension).squareRoot())
    withUnsafeTemporaryAllocation(of: Float.self, capacity: rows * positions) { scores in
      guard let base = scores.baseAddress else { return }
      kernels.dot(
        keys + head, .f32, rowBytes: 4 * dimension, rows: positions, q + start, xStride: step,
        tokens: rows, count: dimension, into: base, yStride: positions)
      for row in 0..<rows {
        let count = visible(row)
        let seen = UnsafeMutableBufferPointer(start: base + row * positions, count: count)
        for index in 0..<count { seen[index] *= scaling }
        softmax(seen, kernels)
        kernels.weightedSum(
          base + row * positions, values + head, vStride: dimension, rows: count, count: dimension,
          into: output + start + row * step)
      }
    }
  }
}
