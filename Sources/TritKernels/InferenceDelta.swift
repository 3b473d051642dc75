// Tritsmith: gated delta nets: attention in whose place a state of one size is kept.

import LibC
import TritCore

/// Sizes of a gated delta net.
package struct DeltaNetShape: Sendable, Hashable {
  package var keyHeads: Int
  /// A multiple of `keyHeads`; value head h reads key head h / (valueHeads / keyHeads).
  package var valueHeads: Int
  package var keyDimension: Int
  package var valueDimension: Int
  /// Tokens that the convolution sees, the current one among them.
  package var convolution: Int
  /// Added to the sum of squares of a query or key before it is divided by its root.
  package var epsilon: Float

  package init(
    keyHeads: Int, valueHeads: Int, keyDimension: Int, valueDimension: Int, convolution: Int, epsilon: Float = 1e-6
  ) {
    precondition(keyHeads > 0 && valueHeads % keyHeads == 0, "value heads share key heads evenly")
    self.keyHeads = keyHeads
    self.valueHeads = valueHeads
    self.keyDimension = keyDimension
    self.valueDimension = valueDimension
    self.convolution = convolution
    self.epsilon = epsilon
  }

  package var keyWidth: Int { keyHeads * keyDimension }
  package var valueWidth: Int { valueHeads * valueDimension }
  /// Queries, keys and values side by side.
  package var channels: Int { 2 * keyWidth + valueWidth }
  /// Value heads of a key head.
  var turns: Int { valueHeads / keyHeads }
}

/// What a delta net keeps of the tokens it has seen.
package struct DeltaState: Sendable {
  /// The inputs of the convolution of the last tokens, the oldest first: `[convolution − 1, channels]`.
  fileprivate var window: [Float]
  /// `[valueHeads, keyDimension, valueDimension]`.
  fileprivate var memory: [Float]

  package init(_ shape: DeltaNetShape) {
    window = [Float](repeating: 0, count: (shape.convolution - 1) * shape.channels)
    memory = [Float](repeating: 0, count: shape.valueHeads * shape.keyDimension * shape.valueDimension)
  }
}

extension InferenceEngine {
  /// SiLU of the causal convolution of every channel over the last tokens, those of `state` before those of `x`.
  ///
  /// - Parameters:
  ///   - x: `[tokens, channels]`.
  ///   - weight: `[channels, convolution]`, the last one of a channel that of the current token.
  package func deltaConvolution(
    _ x: [Float], weight: [Float], _ shape: DeltaNetShape, _ state: inout DeltaState, tokens: Int,
    into y: inout [Float]
  ) {
    let (channels, reach) = (shape.channels, shape.convolution)
    precondition(x.count >= tokens * channels && y.count >= tokens * channels, "shapes fit")
    precondition(weight.count == channels * reach && state.window.count == (reach - 1) * channels, "shapes fit")
    let window = state.window
    x.withUnsafeBufferPointer { x in
      window.withUnsafeBufferPointer { window in
        weight.withUnsafeBufferPointer { weight in
          y.withUnsafeMutableBufferPointer { y in
            team.forEach(channels, grain: 256) { range in
              for token in 0..<tokens {
                for channel in range {
                  var sum: Float = 0
                  for place in 0..<reach {
                    // Tokens before this call stand in the window.
                    let source = token + place - (reach - 1)
                    let value =
                      source >= 0
                      ? x[source * channels + channel] : window[(source + reach - 1) * channels + channel]
                    sum += weight[channel * reach + place] * value
                  }
                  y[token * channels + channel] = silu(sum)
                }
              }
            }
          }
        }
      }
    }
    for place in 0..<reach - 1 {
      let source = tokens + place - (reach - 1)
      let target = place * channels
      for channel in 0..<channels {
        state.window[target + channel] =
          source >= 0 ? x[source * channels + channel] : window[(source + reach - 1) * channels + channel]
      }
    }
  }

  /// −exp(decayLog) · softplus(a + bias): the logarithm of what is left of the state, one a value head; in place.
  package func logDecay(
    _ a: inout [Float], decayLog: [Float], bias: [Float], tokens: Int
  ) {
    let heads = decayLog.count
    precondition(a.count >= tokens * heads && bias.count == heads, "shapes fit")
    let factors = decayLog.map { Float(-exp(Double($0))) }
    for token in 0..<tokens {
      for head in 0..<heads {
        let x = a[token * heads + head] + bias[head]
        // torch leaves a softplus of more than 20 as it is.
        let soft = x > 20 ? x : Float(log1p(exp(Double(x))))
        a[token * heads + head] = factors[head] * soft
      }
    }
  }

  /// 1 / (1 + exp(−x)) of the first `count` values, in place.
  package func sigmoid(_ x: inout [Float], count: Int) {
    precondition(x.count >= count, "shapes fit")
    for index in 0..<count { x[index] = 1 / (1 + exponential(-x[index])) }
  }

  /// x · sigmoid(gate) for the first `count` values.
  package func sigmoidGate(_ x: inout [Float], by gate: [Float], count: Int) {
    precondition(x.count >= count && gate.count >= count, "shapes fit")
    gate.withUnsafeBufferPointer { gate in
      x.withUnsafeMutableBufferPointer { x in
        forEachOpposite(of: gate, count) { index, opposite in x[index] *= 1 / (1 + opposite) }
      }
    }
  }

  /// The gated delta rule, token by token: for every value head with its state S
  ///
  ///     S ← exp(g)·S;   S ← S + k ⊗ β·(v − Sᵀk);   output Sᵀq
  ///
  /// q and k are divided by √(their sum of squares + ε), q by √dimension as well.
  ///
  /// - Parameters:
  ///   - mixed: `[tokens, channels]`: queries, keys, values.
  ///   - logDecay: g, `[tokens, valueHeads]`.
  ///   - rate: β, `[tokens, valueHeads]`.
  ///   - output: `[tokens, valueWidth]`.
  package func deltaRule(
    _ mixed: [Float], logDecay: [Float], rate: [Float], _ shape: DeltaNetShape, _ state: inout DeltaState,
    tokens: Int, into output: inout [Float]
  ) {
    precondition(mixed.count >= tokens * shape.channels && output.count >= tokens * shape.valueWidth, "shapes fit")
    precondition(logDecay.count >= tokens * shape.valueHeads && rate.count >= tokens * shape.valueHeads, "shapes fit")
    mixed.withUnsafeBufferPointer { mixed in
      logDecay.withUnsafeBufferPointer { logDecay in
        rate.withUnsafeBufferPointer { rate in
          state.memory.withUnsafeMutableBufferPointer { memory in
            output.withUnsafeMutableBufferPointer { output in
              guard let mixed = mixed.baseAddress, let logDecay = logDecay.baseAddress, let rate = rate.baseAddress,
                let memory = memory.baseAddress, let output = output.baseAddress
              else { return }
              let pass = DeltaPass(
                shape: shape, mixed: mixed, logDecay: logDecay, rate: rate, memory: memory, output: output,
                tokens: tokens)
              team.run(shape.valueHeads) { pass.run(head: $0) }
            }
          }
        }
      }
    }
  }

  /// Root mean square norm of rows, times weights, times SiLU of a gate; in place.
  package func gatedNorm(
    _ x: inout [Float], by gate: [Float], rows: Int, columns: Int, weight: [Float], epsilon: Float
  ) {
    precondition(x.count >= rows * columns && gate.count >= rows * columns && weight.count == columns, "shapes fit")
    var normed = [Float](repeating: 0, count: rows * columns)
    rmsNorm(x, rows: rows, columns: columns, weight: weight, epsilon: epsilon, into: &normed)
    gate.withUnsafeBufferPointer { gate in
      normed.withUnsafeBufferPointer { normed in
        x.withUnsafeMutableBufferPointer { x in
          forEachOpposite(of: gate, rows * columns) { index, opposite in
            x[index] = normed[index] * (gate[index] / (1 + opposite))
          }
        }
      }
    }
  }

  /// Parts rows of heads of two vectors each, `[heads, 2, dimension]`, into those of the first and those of the second.
  package func partHeads(
    _ x: [Float], rows: Int, heads: Int, dimension: Int, into first: inout [Float], _ second: inout [Float]
  ) {
    let count = rows * heads * dimension
    precondition(x.count >= 2 * count && first.count >= count && second.count >= count, "shapes fit")
    for head in 0..<rows * heads {
      for index in 0..<dimension {
        first[head * dimension + index] = x[2 * head * dimension + index]
        second[head * dimension + index] = x[(2 * head + 1) * dimension + index]
      }
    }
  }
}

@inline(__always)
private func silu(_ x: Float) -> Float { x / (1 + exponential(-x)) }

private struct DeltaPass {
  var shape: DeltaNetShape
  var mixed: UnsafePointer<Float>
  var logDecay: UnsafePointer<Float>
  var rate: UnsafePointer<Float>
  var memory: UnsafeMutablePointer<Float>
  var output: UnsafeMutablePointer<Float>
  var tokens: Int

  func run(head: Int) {
    let (keys, values) = (shape.keyDimension, shape.valueDimension)
    let keyHead = head / shape.turns
    let state = memory + head * keys * values
    let scaling = Float(1 / Double(keys).squareRoot())
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * keys + values) { buffer in
      guard let q = buffer.baseAddress else { return }
      let k = q + keys
      let change = k + keys
      for token in 0..<tokens {
        let row = mixed + token * shape.channels
        unit(row + keyHead * keys, scaling, into: q)
        unit(row + shape.keyWidth + keyHead * keys, 1, into: k)
        let value = row + 2 * shape.keyWidth + head * values
        let place = token * shape.valueHeads + head
        let kept = Float(exp(Double(logDecay[place])))
        let result = output + token * shape.valueWidth + head * values
        // What the state says of this key, before it is changed.
        change.update(repeating: 0, count: values)
        for index in 0..<keys {
          let line = state + index * values
          let factor = k[index]
          for column in 0..<values {
            let old = line[column] * kept
            line[column] = old
            change[column] += old * factor
          }
        }
        for column in 0..<values { change[column] = (value[column] - change[column]) * rate[place] }
        result.update(repeating: 0, count: values)
        for index in 0..<keys {
          let line = state + index * values
          let (factor, share) = (k[index], q[index])
          for column in 0..<values {
            let new = line[column] + factor * change[column]
            line[column] = new
            result[column] += new * share
          }
        }
      }
    }
  }

  private func unit(_ x: UnsafePointer<Float>, _ scaling: Float, into y: UnsafeMutablePointer<Float>) {
    var sum = 0.0
    for index in 0..<shape.keyDimension { sum += Double(x[index]) * Double(x[index]) }
    let factor = 1 / (Float(sum) + shape.epsilon).squareRoot()
    for index in 0..<shape.keyDimension { y[index] = x[index] * factor * scaling }
  }
}

// MARK: - Rotated weights

extension InferenceEngine {
  /// Rows in the basis that rotated weights are stored in, or back.
  ///
  ///     into it      y = H(s ∘ x), x in the order of the stored columns
  ///     out of it    x = s ∘ (H y), the same the other way round
  ///
  /// - Parameter order: for each stored column the one of the ordinary matrix; nil where all stay.
  package func changeBasis(
    _ x: [Float], rows: Int, columns: Int, block: Int, signs: [Float]?, order: [Int]?, _ direction: BasisChange,
    into y: inout [Float]
  ) {
    precondition(x.count >= rows * columns && y.count >= rows * columns, "shapes fit")
    precondition(block > 0 && block & (block - 1) == 0 && columns % block == 0, "whole blocks of a power of two")
    precondition(signs.map { $0.count == columns } ?? true && order.map { $0.count == columns } ?? true, "shapes fit")
    let blocks = columns / block
    let norm = Float(1 / Double(block).squareRoot())
    x.withUnsafeBufferPointer { x in
      y.withUnsafeMutableBufferPointer { y in
        team.run(rows * blocks) { part in
          let (row, number) = part.quotientAndRemainder(dividingBy: blocks)
          let (start, first) = (row * columns, number * block)
          withUnsafeTemporaryAllocation(of: Float.self, capacity: block) { values in
            guard let values = values.baseAddress else { return }
            for index in 0..<block {
              let column = first + index
              switch direction {
              case .into: values[index] = x[start + (order?[column] ?? column)] * (signs?[column] ?? 1)
              case .outOf: values[index] = x[start + column]
              }
            }
            walsh(values, block)
            for index in 0..<block {
              let column = first + index
              switch direction {
              case .into: y[start + column] = values[index] * norm
              case .outOf: y[start + (order?[column] ?? column)] = values[index] * norm * (signs?[column] ?? 1)
              }
            }
          }
        }
      }
    }
  }
}

/// Which way rows are rotated.
package enum BasisChange: Sendable, Hashable {
  /// From the ordinary basis into that of the stored weights.
  case into
  case outOf
}

/// H without its factor, in place.
private func walsh(_ values: UnsafeMutablePointer<Float>, _ count: Int) {
  var half = 1
  while half < count {
    for start in stride(from: 0, to: count, by: 2 * half) {
      for index in start..<start + half {
        let (a, b) = (values[index], values[index + half])
        values[index] = a + b
        values[index + half] = a - b
      }
    }
    half *= 2
  }
}
