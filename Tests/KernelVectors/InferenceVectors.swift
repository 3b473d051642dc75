// Tritsmith: vectors of the forward pass (trit_inference.h).

import TritCore
import TritKernels
import TritTestSupport

extension VectorFile {
  private static let lengths = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255]
  // Blocks of narrow accumulators end at 512 and 1024 bytes.
  private static let longLengths = [256, 257, 511, 512, 513, 529, 1023, 1024, 1025, 1040, 2048, 2049, 4100]

  mutating func addInference(_ definition: any InferenceKernels) {
    var generator = SeededGenerator(seed: 72)
    for length in Self.lengths + Self.longLengths {
      for kind in 0..<6 { addQuantizeRow(definition, generator.row(length, kind: kind)) }
    }
    for length in Self.lengths + Self.longLengths {
      for rows in [1, 2, 3, 5] {
        for worst in [nil, -128, 127] as [Int8?] { addDots(definition, rows, length, worst, &generator) }
      }
    }
    addLongRows(definition)
    for length in Self.lengths + [1000] { addPlanes(definition, generator.bytes(length)) }
    for width in [1, 3, 31, 32, 33, 64, 127, 128, 129, 255, 256, 257, 600, 1025] {
      // Tiles have 16 rows, and six or fewer tokens.
      for (rows, tokens) in [(1, 1), (3, 2), (4, 5), (7, 6), (8, 7), (9, 8), (15, 3), (16, 6), (16, 13)] {
        for worst in [nil, -128, 127] as [Int8?] {
          addPackedProduct(definition, rows, width, tokens, worst, &generator)
        }
      }
    }
    addPackedProduct(definition, 16, 4097, 7, -128, &generator)
    addPackedProduct(definition, 5, 257, 65, nil, &generator)
    for blocks in [1, 2, 3, 4, 7, 8, 9, 16, 17] {
      for cuts in [1, 2, 4] {
        for isHalf in [true, false] {
          for worst in [nil, -128, 127] as [Int8?] {
            addGroupedDot(definition, 3, blocks, cuts, isHalf, worst, tokens: 1 + (blocks + cuts) % 5, &generator)
            addGroupedDot(definition, 16, blocks, cuts, isHalf, worst, tokens: 6 + (blocks + cuts) % 8, &generator)
          }
        }
      }
    }
    addGroupedDot(definition, 35, 9, 1, true, nil, tokens: 98, &generator)
    for element in [FloatElement.bf16, .f16, .f32] {
      for count in Self.lengths + [1000] {
        for (rows, tokens) in [(1, 1), (3, 2), (4, 1), (4, 2), (5, 3), (9, 5)] {
          addFloatDots(definition, element, rows, tokens, count, &generator)
        }
      }
      addSpecialDots(definition, element, &generator)
    }
    for count in Self.lengths + [1000] {
      for rows in [0, 1, 3, 10] { addWeightedSum(definition, rows, count, &generator) }
    }
    addExponentials(definition)
  }

  private mutating func addQuantizeRow(_ definition: any InferenceKernels, _ x: [Float]) {
    var q = [Int8](repeating: Self.untouchedTrit, count: x.count)
    let scale = definition.quantizeRow(x, x.count, into: &q)
    add(
      "quantize_row", [x.count], [.floats(x)], [.trits(q), .floats([scale.scale]), .sums([scale.sum])])
  }

  /// Activations of a row as the engine keeps them: zero from the last column on.
  private func activations(_ columns: Int, _ worst: Int8?, _ generator: inout SeededGenerator) -> [Int8] {
    let padded = (columns + 63) / 64 * 64 + 64
    return (0..<padded).map { $0 < columns ? worst ?? Int8(truncatingIfNeeded: generator.next() >> 9) : 0 }
  }

  private mutating func addDots(
    _ definition: any InferenceKernels, _ rows: Int, _ length: Int, _ worst: Int8?, _ generator: inout SeededGenerator
  ) {
    // All codes, or none but 3, which weighs most.
    let bytes = worst == nil ? generator.bytes(rows * length) : [UInt8](repeating: 0xFF, count: rows * length)
    let q = activations(length, worst, &generator)
    let stride = rows + 1
    var joined = [Int32](repeating: Self.untouchedSum, count: 4 * stride)
    definition.joinedDot(bytes, rows: rows, columns: length, q, into: &joined, planeStride: stride)
    add("joined_dot", [rows, length, stride], [.raw(bytes), .trits(q)], [.sums(joined)])
    // The last row of a matrix of 4 * length - 3 columns has the least padding.
    for columns in [4 * length - 3, 4 * length] {
      let q = activations(columns, worst, &generator)
      var split = [Int32](repeating: Self.untouchedSum, count: rows)
      definition.splitDot(bytes, rows: rows, part: length, q, into: &split)
      add("split_dot", [rows, length], [.raw(bytes), .trits(q)], [.sums(split)])
    }
  }

  /// Rows of bytes 255 longer than the blocks in which sums are made: 2^18, 2^20 and 2^23 bytes.
  private mutating func addLongRows(_ definition: any InferenceKernels) {
    for length in [1 << 18 + 33, 1 << 20 + 65, 1 << 23 + 33] {
      for value in [-128, 127] as [Int8] {
        let bytes = [UInt8](repeating: 0xFF, count: length)
        let padded = (length + 63) / 64 * 64 + 64
        let q = [Int8](repeating: value, count: padded)
        var sums = [Int32](repeating: Self.untouchedSum, count: 4)
        definition.joinedDot(bytes, rows: 1, columns: length, q, into: &sums, planeStride: 1)
        let filled: [Input] = [.filled(length, 0xFF), .filled(padded, UInt8(bitPattern: value))]
        add("joined_dot", [1, length, 1], filled, [.sums(sums)])
        guard length < 1 << 23 else { continue }
        let wide = [Int8](repeating: value, count: 4 * length + 64)
        var sum = [Self.untouchedSum]
        definition.splitDot(bytes, rows: 1, part: length, wide, into: &sum)
        add(
          "split_dot", [1, length], [.filled(length, 0xFF), .filled(wide.count, UInt8(bitPattern: value))],
          [.sums(sum)])
      }
    }
  }

  private mutating func addPlanes(_ definition: any InferenceKernels, _ bytes: [UInt8]) {
    for plane in 0..<4 {
      for value in [0.0537, -3, .infinity, .nan] as [Float] {
        var out = [Float](repeating: Self.untouchedFloat, count: bytes.count)
        definition.widenTrits(bytes, bytes.count, plane: plane, value: value, into: &out)
        add("widen_trits", [bytes.count, plane, Int(value.bitPattern)], [.raw(bytes)], [.floats(out)])
      }
    }
  }

  private mutating func addPackedProduct(
    _ definition: any InferenceKernels, _ rows: Int, _ width: Int, _ tokens: Int, _ worst: Int8?,
    _ generator: inout SeededGenerator
  ) {
    let bytes = worst == nil ? generator.bytes(rows * width) : [UInt8](repeating: 0xFF, count: rows * width)
    for order in [PackedTritOrder.joinedRows, .splitRows] {
      // A row of 4 * width - 3 columns has the least padding.
      let columns = order == .joinedRows ? width : 4 * width - 3
      let q = (0..<tokens).flatMap { _ in activations(columns, worst, &generator) }
      let planes = order == .joinedRows ? 4 : 1
      var sums = [Int32](repeating: Self.untouchedSum, count: planes * tokens * tileRows)
      definition.packedProduct(
        bytes, rows: rows, width: width, order, q, qStride: q.count / tokens, tokens: tokens, into: &sums)
      add(
        "packed_product", [rows, width, order == .splitRows ? 1 : 0, q.count / tokens, tokens],
        [.raw(bytes), .trits(q)], [.sums(sums)])
    }
  }

  private mutating func addGroupedDot(
    _ definition: any InferenceKernels, _ rows: Int, _ blocks: Int, _ cuts: Int, _ isHalf: Bool, _ worst: Int8?,
    tokens: Int, _ generator: inout SeededGenerator
  ) {
    let columns = 128 * blocks
    guard let shape = GroupedShape(rows: rows, columns: columns, .group(columns: 128 / cuts)) else {
      preconditionFailure("128, 64 and 32 columns are groups")
    }
    let groups = blocks * cuts
    // Whole panels of codes from 0 to 2, or none but 2, which weighs most.
    let panelRows = (rows + tileRows - 1) / tileRows * tileRows
    let bytes = (0..<panelRows * blocks * 32).map { _ -> UInt8 in
      guard worst == nil else { return 0xAA }
      return (0..<4).reduce(0) { byte, _ in byte << 2 | UInt8((generator.next() >> 9) % 3) }
    }
    let scales = generator.weights(isHalf ? .f16 : .f32, panelRows * groups)
    // Tokens and their groups lie further apart than they are long.
    let (qStride, groupStride, yStride) = (columns + 32, groups + 1, rows + 2)
    let q = (0..<(tokens - 1) * qStride + columns).map { _ in
      worst ?? Int8(truncatingIfNeeded: generator.next() >> 9)
    }
    let places = (tokens - 1) * groupStride + groups
    let sums = (0..<places).map { _ in Int32(truncatingIfNeeded: generator.next() % 8192) - 4096 }
    let units = generator.floats(places)
    var y = [Float](repeating: Self.untouchedFloat, count: tokens * yStride)
    q.withUnsafeBufferPointer { q in
      sums.withUnsafeBufferPointer { sums in
        units.withUnsafeBufferPointer { units in
          scales.withUnsafeBytes { scales in
            guard let q = q.baseAddress, let sums = sums.baseAddress, let units = units.baseAddress,
              let scales = scales.baseAddress
            else { return }
            definition.groupedDot(
              bytes, rows: rows, shape, GroupedScales.Pointer(base: scales, isHalf: isHalf),
              GroupedInput(values: q, stride: qStride, sums: sums, units: units, groups: groupStride),
              tokens: 0..<tokens, into: &y, yStride: yStride)
          }
        }
      }
    }
    add(
      "grouped_dot", [rows, blocks, cuts, isHalf ? 1 : 0, qStride, groupStride, tokens, yStride],
      [
        .raw(bytes), .raw(scales), .trits(q), .raw(sums.flatMap { LittleEndian.bytes(UInt32(bitPattern: $0)) }),
        .floats(units),
      ], [.floats(y)])
  }

  private mutating func addFloatDots(
    _ definition: any InferenceKernels, _ element: FloatElement, _ rows: Int, _ tokens: Int, _ count: Int,
    _ generator: inout SeededGenerator
  ) {
    // Rows an odd number of bytes apart: weights lie as they lie in a file.
    let rowBytes = count * element.byteCount + (count % 2 == 0 ? 0 : 3)
    var bytes: [UInt8] = []
    for row in 0..<rows {
      bytes += generator.weights(element, count)
      if row < rows - 1 { bytes += generator.bytes(rowBytes - count * element.byteCount) }
    }
    addFloatDots(definition, element, rowBytes, rows, bytes, tokens, count, generator.floats(tokens * (count + 2)))
  }

  private mutating func addFloatDots(
    _ definition: any InferenceKernels, _ element: FloatElement, _ rowBytes: Int, _ rows: Int, _ bytes: [UInt8],
    _ tokens: Int, _ count: Int, _ padded: [Float]
  ) {
    let xStride = count + 2
    let x = Array(padded[..<((tokens - 1) * xStride + count)])
    let yStride = rows + 1
    var y = [Float](repeating: Self.untouchedFloat, count: tokens * yStride)
    definition.dot(
      bytes, element, rowBytes: rowBytes, rows: rows, x, xStride: xStride, tokens: tokens, count: count, into: &y,
      yStride: yStride)
    let name =
      switch element {
      case .bf16: "dot_bf16"
      case .f16: "dot_f16"
      case .f32: "dot_f32"
      }
    add(name, [rowBytes, rows, xStride, tokens, count, yStride], [.raw(bytes), .floats(x)], [.floats(y)])
  }

  /// Every pattern of 16 bits times 1 and −0, alone and beside others; numbers that are none.
  private mutating func addSpecialDots(
    _ definition: any InferenceKernels, _ element: FloatElement, _ generator: inout SeededGenerator
  ) {
    let special: [Float] = [.nan, .infinity, -.infinity, 0, -0.0, .leastNonzeroMagnitude, 3e38, -3e38]
    for count in [1, 8, 11] {
      for value in special {
        var padded = generator.floats(2 * (count + 2))
        padded[count - 1] = value
        let bytes = generator.weights(element, 4 * count)
        addFloatDots(definition, element, count * element.byteCount, 4, bytes, 2, count, padded)
      }
    }
    guard element != .f32 else { return }
    for one in [1, -0.0] as [Float] {
      for start in stride(from: 0, to: 65536, by: 4096) {
        let bytes = (start..<start + 4096).flatMap { LittleEndian.bytes(UInt16($0)) }
        addFloatDots(definition, element, 2, 4096, bytes, 1, 1, [one, 0, 0])
      }
    }
  }

  private mutating func addWeightedSum(
    _ definition: any InferenceKernels, _ rows: Int, _ count: Int, _ generator: inout SeededGenerator
  ) {
    let weights = generator.floats(rows)
    let stride = count + 3
    let values = rows == 0 ? [] : generator.floats((rows - 1) * stride + count)
    var out = [Float](repeating: Self.untouchedFloat, count: count)
    definition.weightedSum(weights, values, vStride: stride, rows: rows, count: count, into: &out)
    add("weighted_sum", [stride, rows, count], [.floats(weights), .floats(values)], [.floats(out)])
  }

  private mutating func addExponentials(_ definition: any InferenceKernels) {
    let x = (0..<4099).map { Float($0 - 2200) / 19 } + [.infinity, -.infinity, -0.0, 1e30, -1e30, 1e-30]
    var out = x
    definition.exponentials(&out, out.count)
    add("exponentials", [x.count], [.floats(x)], [.floats(out)])
  }
}

extension SeededGenerator {
  /// Numbers of both signs and many sizes.
  fileprivate mutating func floats(_ count: Int) -> [Float] {
    (0..<count).map { _ in
      let random = next()
      return Float(Int32(truncatingIfNeeded: random))
        * Float(sign: .plus, exponent: Int(random >> 40 % 12) - 36, significand: 1)
    }
  }

  /// Finite weights, subnormal halves among them.
  fileprivate mutating func weights(_ element: FloatElement, _ count: Int) -> [UInt8] {
    if element == .f32 { return floats(count).flatMap { LittleEndian.bytes($0.bitPattern) } }
    return (0..<count).flatMap { _ in LittleEndian.bytes(UInt16(truncatingIfNeeded: next()) & 0xBBFF) }
  }

  /// Rows of activations: any numbers, exact ties after scaling, zeros, numbers below the bound, and what is no number.
  fileprivate mutating func row(_ count: Int, kind: Int) -> [Float] {
    var x = floats(count)
    switch kind {
    case 1:
      x = x.map { ($0 * 4).rounded() / 2 }
      x[count - 1] = 63.5
    case 2: x = x.map { _ in 0 }
    case 3: x = x.map { $0 * 1e-9 }
    case 4: x[count / 2] = .nan
    case 5: x[count - 1] = -.infinity
    default: break
    }
    return x
  }
}
