// Tritsmith: the parts of a forward pass that are no matrix product.

import TritCore

/// The activation function of a gated feed-forward block.
package enum GateActivation: String, Sendable, Hashable, CaseIterable {
  /// x / (1 + exp(−x)).
  case silu
  /// max(x, 0)².
  case squaredReLU = "relu2"
}

extension InferenceEngine {
  /// Root mean square norm of rows: weight · (x · (1 / √(mean x² + ε))); may work in place.
  ///
  /// Squares are summed in eight Double lanes and rounded to Float once: torch's own order of Float additions is not
  /// defined, and the exact sum is the closest to any of them.
  package func rmsNorm(
    _ x: [Float], rows: Int, columns: Int, weight: [Float], epsilon: Float, into y: inout [Float]
  ) {
    precondition(x.count >= rows * columns && y.count >= rows * columns && weight.count == columns, "shapes fit")
    x.withUnsafeBufferPointer { x in
      weight.withUnsafeBufferPointer { weight in
        y.withUnsafeMutableBufferPointer { y in
          team.forEach(rows, grain: 4) { range in
            for row in range {
              let start = row * columns
              let mean = Float(
                sumOfSquares(UnsafeBufferPointer(rebasing: x[start..<start + columns]))
                  / Double(columns))
              let factor = 1 / (mean + epsilon).squareRoot()
              for column in 0..<columns { y[start + column] = weight[column] * (x[start + column] * factor) }
            }
          }
        }
      }
    }
  }

  /// x += y for the first `count` values.
  package func add(_ y: [Float], to x: inout [Float], count: Int) {
    precondition(x.count >= count && y.count >= count, "shapes fit")
    y.withUnsafeBufferPointer { y in
      x.withUnsafeMutableBufferPointer { x in
        for index in 0..<count { x[index] += y[index] }
      }
    }
  }

  /// gate = activation(gate) · up for the first `count` values.
  package func gate(
    _ activation: GateActivation, _ gate: inout [Float], with up: [Float], count: Int
  ) {
    precondition(gate.count >= count && up.count >= count, "shapes fit")
    up.withUnsafeBufferPointer { up in
      gate.withUnsafeMutableBufferPointer { gate in
        switch activation {
        case .silu:
          forEachOpposite(of: UnsafeBufferPointer(gate), count) { index, opposite in
            gate[index] = gate[index] / (1 + opposite) * up[index]
          }
        case .squaredReLU:
          team.forEach(count, grain: 2048) { range in
            for index in range {
              // A NaN must stay one, so it is not compared away.
              let positive: Float = gate[index] < 0 ? 0 : gate[index]
              gate[index] = positive * positive * up[index]
            }
          }
        }
      }
    }
  }

  /// Gives `body` the indices of `count` values with exp(−value), of which sigmoids are made.
  @inline(__always)
  func forEachOpposite(
    of x: UnsafeBufferPointer<Float>, _ count: Int, _ body: (_ index: Int, _ opposite: Float) -> Void
  ) {
    team.forEach(count, grain: 2048) { range in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: range.count) { opposites in
        guard let start = opposites.baseAddress else { return }
        for index in range { opposites[index - range.lowerBound] = -x[index] }
        kernels.exponentials(start, range.count)
        for index in range { body(index, opposites[index - range.lowerBound]) }
      }
    }
  }

  /// Rotary embedding of rows of heads, halves rotated: pairs (i, i + D/2) of the first D values of a head.
  ///
  /// `cosines` and `sines` are `[rows, D/2]`; D is the whole head where `columns` does not say it. Source: transformers
  /// `apply_rotary_pos_emb`.
  package func rotate(
    _ x: inout [Float], rows: Int, heads: Int, headDimension: Int, columns: Int? = nil, cosines: [Float],
    sines: [Float]
  ) {
    let half = (columns ?? headDimension) / 2
    precondition(2 * half <= headDimension, "no more columns than a head has")
    precondition(x.count >= rows * heads * headDimension, "input has every row")
    precondition(cosines.count >= rows * half && sines.count >= rows * half, "angles for every row")
    cosines.withUnsafeBufferPointer { cosines in
      sines.withUnsafeBufferPointer { sines in
        x.withUnsafeMutableBufferPointer { x in
          team.forEach(rows, grain: 8) { range in
            for row in range {
              for head in 0..<heads {
                let start = (row * heads + head) * headDimension
                for index in 0..<half {
                  let low = x[start + index]
                  let high = x[start + half + index]
                  let cosine = cosines[row * half + index]
                  let sine = sines[row * half + index]
                  x[start + index] = low * cosine - high * sine
                  x[start + half + index] = high * cosine + low * sine
                }
              }
            }
          }
        }
      }
    }
  }
}

private func sumOfSquares(_ x: UnsafeBufferPointer<Float>) -> Double {
  var low = SIMD4<Double>.zero
  var high = SIMD4<Double>.zero
  let whole = x.count / 8 * 8
  for start in stride(from: 0, to: whole, by: 8) {
    let a = SIMD4(Double(x[start]), Double(x[start + 1]), Double(x[start + 2]), Double(x[start + 3]))
    let b = SIMD4(Double(x[start + 4]), Double(x[start + 5]), Double(x[start + 6]), Double(x[start + 7]))
    low += a * a
    high += b * b
  }
  var sum = ((low[0] + low[1]) + (low[2] + low[3])) + ((high[0] + high[1]) + (high[2] + high[3]))
  for index in whole..<x.count { sum += Double(x[index]) * Double(x[index]) }
  return sum
}

/// Turns scores into probabilities: exp(x − max) / Σ.
func softmax(_ x: UnsafeMutableBufferPointer<Float>, _ kernels: any InferenceKernels) {
  guard var largest = x.first, let start = x.baseAddress else { return }
  for value in x where value > largest || value.isNaN { largest = value }
  for index in x.indices { x[index] -= largest }
  kernels.exponentials(start, x.count)
  var sum: Double = 0
  for value in x { sum += Double(value) }
  let total = Float(sum)
  for index in x.indices { x[index] /= total }
}
