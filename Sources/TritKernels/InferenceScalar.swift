// Tritsmith: the definition of every operation of the forward pass, in plain Swift.

import TritCore

/// The definition of `InferenceKernels`; works on every machine.
struct ScalarInference: InferenceKernels {
  var name: String { "scalar" }

  func quantizeRow(_ x: UnsafePointer<Float>, _ count: Int, into q: UnsafeMutablePointer<Int8>) -> ActivationScale {
    // Patterns without sign order as numbers do, with NaN above infinity: a maximum that never loses a NaN.
    var bits: UInt32 = 0
    for index in 0..<count { bits = max(bits, x[index].bitPattern & 0x7FFF_FFFF) }
    let largest = Float(bitPattern: bits)
    let bound = largest < 1e-5 ? 1e-5 : largest
    let scale = (1 / bound) * 127
    guard bits < 0x7F80_0000 else {
      q.update(repeating: 0, count: count)
      return ActivationScale(scale: scale, sum: 0)
    }
    var sum: Int32 = 0
    for index in 0..<count {
      let rounded = (x[index] * scale).rounded(.toNearestOrEven)
      let value = Int8(max(-128, min(127, rounded)))
      q[index] = value
      sum &+= Int32(value)
    }
    return ActivationScale(scale: scale, sum: sum)
  }

  func joinedDot(
    _ w: UnsafePointer<UInt8>, rows: Int, columns: Int, _ q: UnsafePointer<Int8>,
    into sums: UnsafeMutablePointer<Int32>, planeStride: Int
  ) {
    for row in 0..<rows {
      let bytes = w + row * columns
      var total = SIMD4<Int32>.zero
      for column in 0..<columns {
        let value = Int32(q[column])
        let byte = bytes[column]
        total.x &+= Int32(byte & 3) &* value
        total.y &+= Int32(byte >> 2 & 3) &* value
        total.z &+= Int32(byte >> 4 & 3) &* value
        total.w &+= Int32(byte >> 6) &* value
      }
      for plane in 0..<4 { sums[plane * planeStride + row] = total[plane] }
    }
  }

  func splitDot(
    _ w: UnsafePointer<UInt8>, rows: Int, part: Int, _ q: UnsafePointer<Int8>, into sums: UnsafeMutablePointer<Int32>
  ) {
    for row in 0..<rows {
      let bytes = w + row * part
      var total: Int32 = 0
      for index in 0..<part {
        let byte = bytes[index]
        total &+= Int32(byte & 3) &* Int32(q[index])
        total &+= Int32(byte >> 2 & 3) &* Int32(q[part + index])
        total &+= Int32(byte >> 4 & 3) &* Int32(q[2 * part + index])
        total &+= Int32(byte >> 6) &* Int32(q[3 * part + index])
      }
      sums[row] = total
    }
  }

  func packedProduct(
    _ w: UnsafePointer<UInt8>, rows: Int, width: Int, _ order: PackedTritOrder, _ q: UnsafePointer<Int8>, qStride: Int,
    tokens: Int, into sums: UnsafeMutablePointer<Int32>
  ) {
    let planes = order == .joinedRows ? 4 : 1
    sums.update(repeating: 0, count: planes * tokens * tileRows)
    for token in 0..<tokens {
      let (input, sums) = (q + token * qStride, sums + token * tileRows)
      switch order {
      case .joinedRows:
        joinedDot(w, rows: rows, columns: width, input, into: sums, planeStride: tokens * tileRows)
      case .splitRows: splitDot(w, rows: rows, part: width, input, into: sums)
      }
    }
  }

  func groupedDot(
    _ w: UnsafePointer<UInt8>, rows: Int, _ shape: GroupedShape, _ scales: GroupedScales.Pointer, _ x: GroupedInput,
    tokens: Range<Int>, into y: UnsafeMutablePointer<Float>, yStride: Int
  ) {
    let width = shape.groupColumns
    for row in 0..<rows {
      for token in tokens {
        let q = x.values + token * x.stride
        var lanes = SIMD8<Float>.zero
        for group in 0..<shape.groups {
          var total: Int32 = 0
          for column in group * width..<(group + 1) * width {
            let (block, inside) = column.quotientAndRemainder(dividingBy: GroupedShape.blockColumns)
            let byte = w[shape.place(row: row, block: block, byte: inside % 32)]
            total &+= Int32(byte >> UInt8(2 * (inside / 32)) & 3) &* Int32(q[column])
          }
          let place = token * x.groups + group
          let sum = Float(total &- x.sums[place]) * x.units[place]
          lanes[group % 8] += sum * scales[shape.scalePlace(row: row, group: group)]
        }
        y[(token - tokens.lowerBound) * yStride + row] = joined(lanes)
      }
    }
  }

  func widenTrits(
    _ w: UnsafePointer<UInt8>, _ count: Int, plane: Int, value: Float, into out: UnsafeMutablePointer<Float>
  ) {
    let shift = UInt8(2 * plane)
    for index in 0..<count { out[index] = Float(Int(w[index] >> shift & 3) - 1) * value }
  }

  func dot(
    _ w: UnsafeRawPointer, _ element: FloatElement, rowBytes: Int, rows: Int, _ x: UnsafePointer<Float>, xStride: Int,
    tokens: Int, count: Int, into y: UnsafeMutablePointer<Float>, yStride: Int
  ) {
    let whole = count / 8 * 8
    for row in 0..<rows {
      let weights = w + row * rowBytes
      func weight(_ index: Int) -> Float { element.load(weights, index) }
      for token in 0..<tokens {
        let input = x + token * xStride
        var lanes = SIMD8<Float>.zero
        for start in stride(from: 0, to: whole, by: 8) {
          var left = SIMD8<Float>.zero
          var right = SIMD8<Float>.zero
          for lane in 0..<8 {
            left[lane] = weight(start + lane)
            right[lane] = input[start + lane]
          }
          lanes += left * right
        }
        for index in whole..<count { lanes[index - whole] += weight(index) * input[index] }
        y[token * yStride + row] = joined(lanes)
      }
    }
  }

  func weightedSum(
    _ weight: UnsafePointer<Float>, _ v: UnsafePointer<Float>, vStride: Int, rows: Int, count: Int,
    into out: UnsafeMutablePointer<Float>
  ) {
    out.update(repeating: 0, count: count)
    for row in 0..<rows {
      let factor = weight[row]
      for index in 0..<count { out[index] += factor * v[row * vStride + index] }
    }
  }

  func exponentials(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
    for index in 0..<count { x[index] = exponential(x[index]) }
  }
}

/// exp x, computed in Double and rounded once: what is too large is infinity, and a NaN stays one.
///
/// x = (n + r) · ln 2 with r from −½ to ½: 2ⁿ · exp(r · ln 2), by Taylor's terms to the eighth power, which are off by
/// 3e-10. A C library chooses its expf by the processor, which the bits of a forward pass must not depend on.
@inline(__always)
func exponential(_ x: Float) -> Float {
  // Beyond 200 a Float is 0 or infinity, and 2ⁿ is still a Double.
  var value = Double(x)
  value = value > 200 ? 200 : value
  value = value < -200 ? -200 : value
  let power = value * 0x1.71547652b82fep0
  // The last bits of a number and 1.5 · 2⁵² are the nearest integer.
  let shifted = power + 0x1.8p52
  let r = (power - (shifted - 0x1.8p52)) * 0x1.62e42fefa39efp-1
  var sum = r * (1.0 / 40320) + 1.0 / 5040
  sum = sum * r + 1.0 / 720
  sum = sum * r + 1.0 / 120
  sum = sum * r + 1.0 / 24
  sum = sum * r + 1.0 / 6
  sum = sum * r + 0.5
  sum = sum * r + 1
  sum = sum * r + 1
  return Float(sum * Double(bitPattern: (shifted.bitPattern &+ 1023) &<< 52))
}

/// Lanes joined in the order that pairwise adds give.
func joined(_ lanes: SIMD8<Float>) -> Float {
  ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
}
