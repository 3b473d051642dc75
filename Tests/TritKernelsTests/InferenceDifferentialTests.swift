// Tritsmith tests: every kernel of the forward pass against its scalar definition, bit for bit.

import LibC
import Synchronization
import Testing
import TritCore
import TritTestSupport

@testable import TritKernels

@Suite("Forward pass kernels give the bits of their definition")
struct InferenceDifferentialTests {
  static let native = InferenceEngine.kernelNames.filter { $0 != "scalar" }
  static let lengths = Array(1...130) + [255, 256, 257, 1000, 2048, 2049, 4100]
  let scalar = ScalarInference()

  func kernels(_ name: String) throws -> any InferenceKernels {
    try #require(InferenceEngine.allKernels.first { $0.name == name })
  }

  @Test("the definition is always there, and the best comes first")
  func names() {
    #expect(InferenceEngine.kernelNames.last == "scalar")
    #expect(InferenceEngine(threads: 1, kernelsNamed: "no such") == nil)
    #expect(InferenceEngine(threads: 1, kernelsNamed: "scalar")?.kernelName == "scalar")
  }

  @Test("int8 activations", arguments: native)
  func quantizeRow(_ name: String) throws {
    let kernels = try kernels(name)
    var generator = SeededGenerator(seed: 1)
    for length in Self.lengths {
      var x = generator.floats(length)
      switch length % 7 {
      // Exact ties after scaling, all zeros, values below the bound, and what is no number.
      case 1: x = x.map { ($0 * 4).rounded() / 2 }
      case 2: x = x.map { _ in 0 }
      case 3: x = x.map { $0 * 1e-9 }
      case 4: x[length / 2] = .nan
      case 5: x[length - 1] = -.infinity
      default: break
      }
      func run(_ kernels: any InferenceKernels) -> ([Int8], UInt32, Int32) {
        var q = [Int8](repeating: 77, count: length + 8)
        let scale = kernels.quantizeRow(x, length, into: &q)
        return (q, scale.scale.bitPattern, scale.sum)
      }
      #expect(run(kernels) == run(scalar), "\(length)")
    }
  }

  /// Rows of activations as the engine keeps them: zero past the last column.
  private func activations(_ rows: Int, _ columns: Int, _ generator: inout SeededGenerator) -> (q: [Int8], stride: Int)
  {
    let stride = paddedActivationWidth(columns)
    var q = [Int8](repeating: 0, count: rows * stride)
    for row in 0..<rows {
      // The largest magnitudes everywhere in some rows: narrow accumulators must not overflow.
      for column in 0..<columns {
        q[row * stride + column] = row % 3 == 2 ? -128 : Int8(truncatingIfNeeded: generator.next())
      }
    }
    return (q, stride)
  }

  @Test("joined and split rows, in place", arguments: native)
  func dots(_ name: String) throws {
    let kernels = try kernels(name)
    var generator = SeededGenerator(seed: 2)
    for length in Self.lengths + [8192] {
      let (q, _) = activations(1, 4 * length, &generator)
      for rows in [1, 3] {
        // All codes, and none but 3, which weighs most.
        let bytes = length % 2 == 0 ? generator.bytes(rows * length) : [UInt8](repeating: 0xFF, count: rows * length)
        func joined(_ kernels: any InferenceKernels) -> [Int32] {
          var sums = [Int32](repeating: 5, count: 4 * rows + 2)
          kernels.joinedDot(bytes, rows: rows, columns: length, q, into: &sums, planeStride: rows)
          return sums
        }
        // The definition needs zeros past `length` no more than its own columns do.
        var padded = q
        for index in length..<padded.count { padded[index] = 0 }
        func joinedPadded(_ kernels: any InferenceKernels) -> [Int32] {
          var sums = [Int32](repeating: 5, count: 4 * rows + 2)
          kernels.joinedDot(bytes, rows: rows, columns: length, padded, into: &sums, planeStride: rows)
          return sums
        }
        #expect(joinedPadded(kernels) == joined(scalar), "\(rows) joined rows of \(length)")
        func split(_ kernels: any InferenceKernels) -> [Int32] {
          var sums = [Int32](repeating: 5, count: rows + 2)
          kernels.splitDot(bytes, rows: rows, part: length, q, into: &sums)
          return sums
        }
        #expect(split(kernels) == split(scalar), "\(rows) split rows of \(length)")
      }
    }
  }

  @Test("rows so long that sums are made in blocks", arguments: native)
  func longRows(_ name: String) throws {
    let kernels = try kernels(name)
    // Blocks end at 2^20 and 2^23 bytes; 3 × −128 in every column makes the largest sums, which wrap as those of the
    // definition do.
    for length in [1 << 20 + 65, 1 << 23 + 33] {
      let bytes = [UInt8](repeating: 0xFF, count: length)
      var q = [Int8](repeating: -128, count: length)
      q += [Int8](repeating: 0, count: 64)
      func joined(_ kernels: any InferenceKernels) -> [Int32] {
        var sums = [Int32](repeating: 5, count: 4)
        kernels.joinedDot(bytes, rows: 1, columns: length, q, into: &sums, planeStride: 1)
        return sums
      }
      #expect(joined(kernels) == joined(scalar), "\(length)")
    }
    let part = 1 << 20 + 65
    let bytes = [UInt8](repeating: 0xFF, count: part)
    var q = [Int8](repeating: 127, count: 4 * part)
    q += [Int8](repeating: 0, count: 64)
    func split(_ kernels: any InferenceKernels) -> [Int32] {
      var sums: [Int32] = [5]
      kernels.splitDot(bytes, rows: 1, part: part, q, into: &sums)
      return sums
    }
    #expect(split(kernels) == split(scalar))
  }

  @Test("trits as Floats", arguments: native)
  func widened(_ name: String) throws {
    let kernels = try kernels(name)
    var generator = SeededGenerator(seed: 3)
    for length in Self.lengths {
      let bytes = generator.bytes(length)
      for plane in 0..<4 {
        func widen(_ kernels: any InferenceKernels) -> [UInt32] {
          var out = [Float](repeating: 9, count: length + 70)
          kernels.widenTrits(bytes, length, plane: plane, value: 0.0537, into: &out)
          return out.map(\.bitPattern)
        }
        #expect(widen(kernels) == widen(scalar), "\(length), plane \(plane)")
      }
    }
  }

  @Test("packed rows with many tokens", arguments: native)
  func products(_ name: String) throws {
    let kernels = try kernels(name)
    var generator = SeededGenerator(seed: 7)
    for width in [1, 2, 3, 5, 31, 32, 33, 64, 127, 128, 129, 255, 256, 257, 513, 1025, 4097] {
      for rows in [1, 3, 4, 7, 8, 9, 15, 16] {
        let bytes = rows % 2 == 0 ? generator.bytes(rows * width) : [UInt8](repeating: 0xFF, count: rows * width)
        for tokens in [1, 2, 4, 5, 6, 7, 8, 11, 12, 13] where width < 600 || tokens % 6 == 1 {
          for order in [PackedTritOrder.joinedRows, .splitRows] {
            // A row of 4 · width − 3 columns has the least padding.
            let columns = order == .joinedRows ? width : 4 * width - 3
            let (q, stride) = activations(tokens, columns, &generator)
            func multiply(_ kernels: any InferenceKernels) -> [Int32] {
              var sums = [Int32](repeating: 5, count: 4 * tokens * tileRows + 1)
              kernels.packedProduct(
                bytes, rows: rows, width: width, order, q, qStride: stride, tokens: tokens, into: &sums)
              return sums
            }
            #expect(
              multiply(kernels) == multiply(scalar), "\(order), \(rows) rows of \(width) bytes, \(tokens) tokens")
          }
        }
      }
    }
  }

  @Test("float dots of every type, and weighted sums", arguments: native)
  func floats(_ name: String) throws {
    let kernels = try kernels(name)
    var generator = SeededGenerator(seed: 4)
    for count in [1, 2, 7, 8, 9, 31, 32, 33, 64, 127, 128, 129, 255, 1000] {
      for rows in [1, 3, 4, 5, 9] {
        for tokens in [1, 2, 3, 5] {
          let x = generator.floats(tokens * count)
          for element in [FloatElement.bf16, .f16, .f32] {
            let bytes =
              element == .f32 ? FloatBytes.f32(generator.floats(rows * count)) : generator.halves(rows * count)
            func run(_ kernels: any InferenceKernels) -> [UInt32] {
              var y = [Float](repeating: 9, count: tokens * rows + 1)
              kernels.dot(
                bytes, element, rowBytes: count * element.byteCount, rows: rows, x, xStride: count, tokens: tokens,
                count: count, into: &y, yStride: rows)
              return y.map(\.bitPattern)
            }
            #expect(run(kernels) == run(scalar), "\(element), \(rows) rows of \(count), \(tokens) tokens")
          }
        }
        let weights = generator.floats(rows)
        let values = generator.floats(rows * (count + 3))
        func sum(_ kernels: any InferenceKernels) -> [UInt32] {
          var out = [Float](repeating: 9, count: count + 1)
          kernels.weightedSum(weights, values, vStride: count + 3, rows: rows, count: count, into: &out)
          return out.map(\.bitPattern)
        }
        #expect(sum(kernels) == sum(scalar), "\(rows) rows of \(count)")
      }
    }
  }

  @Test("exp of many numbers", arguments: native)
  func exponentials(_ name: String) throws {
    let kernels = try kernels(name)
    let numbers = (0..<4099).map { Float($0 - 2200) / 19 } + [.infinity, -.infinity, -0.0, 1e30, -1e30, 1e-30, .nan]
    func run(_ kernels: any InferenceKernels) -> [Float] {
      var x = numbers
      kernels.exponentials(&x, x.count)
      return x
    }
    let (native, defined) = (run(kernels), run(scalar))
    #expect(native.last?.isNaN == true && defined.last?.isNaN == true)
    #expect(native.dropLast().map(\.bitPattern) == defined.dropLast().map(\.bitPattern))
  }

  @Test("exp is the Double of the C library, rounded, but for numbers as near the middle of two Floats as its error")
  func exponential() {
    var count = 0
    var differing = 0
    for x in stride(from: Float(-105), through: 90, by: 0.0007) {
      let exact = exp(Double(x))
      let result = TritKernels.exponential(x)
      count += 1
      guard result != Float(exact) else { continue }
      differing += 1
      // Half a step of Floats is 2⁻²⁵ to 2⁻²⁴ of normal numbers, and larger below them.
      #expect(abs(Double(result) - exact) < max(exact * 0x1.01p-24, 0x1.01p-150), "\(x)")
    }
    // An error of 3e-10 crosses a middle of 1.2e-7 apart for one of 200.
    #expect(count > 270_000 && differing < count / 200, "\(differing) of \(count)")
    let ends: [(Float, Float)] = [(0, 1), (.infinity, .infinity), (-.infinity, 0), (88.75, .infinity), (-104, 0)]
    for (x, value) in ends { #expect(TritKernels.exponential(x) == value) }
    #expect(TritKernels.exponential(.nan).isNaN)
  }

  @Test("products are those of mathematics, whatever kernels, threads and number of tokens")
  func engines() throws {
    var generator = SeededGenerator(seed: 5)
    for (rows, columns) in [(4, 5), (8, 64), (12, 130), (64, 257), (132, 70)] {
      let trits = (0..<rows * columns).map { _ in Int(generator.next() % 3) - 1 }
      for order in [PackedTritOrder.joinedRows, .splitRows] {
        let bytes = pack(trits, rows, columns, order)
        for tokens in [1, 3, 5, 6, 13] {
          let x = generator.floats(tokens * columns)
          let operand = TernaryOperand(rows: rows, columns: columns, order: order, epilogue: .divide(by: [19.5]))
          var results: Set<[UInt32]> = []
          for name in InferenceEngine.kernelNames {
            for threads in 1...3 {
              let engine = try #require(InferenceEngine(threads: threads, kernelsNamed: name))
              var quantized = QuantizedRows()
              engine.quantize(x, rows: tokens, columns: columns, into: &quantized)
              var y = [Float](repeating: .nan, count: tokens * rows)
              engine.integerProduct(bytes.span.bytes, operand, quantized, into: &y)
              results.insert(y.map(\.bitPattern))
              for token in 0..<tokens {
                let q = quantized.values(row: token)
                for row in 0..<rows {
                  let sum = (0..<columns).reduce(0) { $0 + trits[row * columns + $1] * Int(q[$1]) }
                  #expect(y[token * rows + row] == Float(sum) / (quantized.scale(row: token) * 19.5))
                }
              }
            }
          }
          #expect(results.count == 1, "\(rows) × \(columns), \(order), \(tokens) tokens")
        }
      }
    }
  }

  @Test("products run together are those run one by one", arguments: [1, 4, 7])
  func together(_ tokens: Int) throws {
    var generator = SeededGenerator(seed: 6)
    let columns = 4096
    let x = generator.floats(tokens * columns)
    // More and fewer byte rows than a part has, scales and biases of every kind.
    let operands = [
      TernaryOperand(
        rows: 68, columns: columns, order: .joinedRows, epilogue: .divide(by: generator.floats(68)),
        bias: generator.floats(68)),
      TernaryOperand(
        rows: 5, columns: columns, order: .splitRows, epilogue: .multiply(by: [0.25]), bias: generator.floats(5)),
      TernaryOperand(rows: 33, columns: columns, order: .splitRows, epilogue: .weights(of: 0.0625)),
    ]
    let weights = operands.map { operand in
      generator.bytes(operand.order.byteCount(rows: operand.rows, columns: columns)).map { $0 & 0xAA }
    }
    for threads in 1...4 {
      let engine = try #require(InferenceEngine(threads: threads, kernelsNamed: InferenceEngine.kernelNames[0]))
      var quantized = QuantizedRows()
      engine.quantize(x, rows: tokens, columns: columns, into: &quantized)
      let alone = operands.indices.map { index -> [UInt32] in
        let operand = operands[index]
        var y = [Float](repeating: .nan, count: tokens * operand.rows)
        let bytes = weights[index]
        engine.integerProduct(bytes.span.bytes, operand, quantized, into: &y)
        // The epilogue by its formula, element by element.
        var plain = operand
        plain.epilogue = .weights(of: 1)
        plain.bias = nil
        var sums = [Float](repeating: .nan, count: tokens * operand.rows)
        engine.integerProduct(bytes.span.bytes, plain, quantized, into: &sums)
        for place in y.indices {
          let (scale, row) = (quantized.scale(row: place / operand.rows), place % operand.rows)
          // Sums are integers small enough for a Float to hold.
          let sum = (sums[place] * scale).rounded()
          let bias = operand.bias?[row] ?? 0
          switch operand.epilogue {
          case .divide(let stored): #expect(y[place] == sum / (scale * stored[row]) + bias)
          case .multiply(let stored): #expect(y[place] == (sum / scale + bias) * stored[0])
          case .weights(let value): #expect(y[place] == sum / scale * value + bias)
          }
        }
        return y.map(\.bitPattern)
      }
      var u = [Float](repeating: .nan, count: tokens * operands[0].rows)
      var v = [Float](repeating: .nan, count: tokens * operands[1].rows)
      var w = [Float](repeating: .nan, count: tokens * operands[2].rows)
      let (firstBytes, secondBytes, thirdBytes) = (weights[0], weights[1], weights[2])
      let (first, second, third) = (firstBytes.span.bytes, secondBytes.span.bytes, thirdBytes.span.bytes)
      engine.integerProducts(
        (first, operands[0]), (second, operands[1]), (third, operands[2]), quantized, into: &u, &v, &w)
      #expect([u, v, w].map { $0.map(\.bitPattern) } == alone, "\(threads) threads")
      engine.integerProducts((second, operands[1]), (third, operands[2]), quantized, into: &v, &w)
      #expect([v, w].map { $0.map(\.bitPattern) } == Array(alone[1...]), "\(threads) threads")
    }
  }

  @Test("every part is run once, whatever the threads", arguments: [1, 2, 3, 8])
  func parts(_ threads: Int) {
    let team = ThreadTeam(threads: threads)
    for parts in [0, 1, 2, 3, 7, 8, 9, 100, 1001] {
      for _ in 0..<50 {
        let counts = (0..<parts).map { _ in Counter() }
        team.run(parts) { counts[$0].value.wrappingAdd(1, ordering: .relaxed) }
        #expect(counts.allSatisfy { $0.value.load(ordering: .relaxed) == 1 }, "\(parts) parts")
      }
    }
  }

  private final class Counter: Sendable {
    let value = Atomic<Int>(0)
  }

  private func pack(_ trits: [Int], _ rows: Int, _ columns: Int, _ order: PackedTritOrder) -> [UInt8] {
    var bytes = [UInt8](repeating: order == .splitRows ? 0x55 : 0, count: order.byteCount(rows: rows, columns: columns))
    let part = (columns + 3) / 4
    for row in 0..<rows {
      for column in 0..<columns {
        let code = UInt8(trits[row * columns + column] + 1)
        switch order {
        case .joinedRows:
          bytes[row % (rows / 4) * columns + column] |= code << UInt8(2 * (row / (rows / 4)))
        case .splitRows:
          let place = row * part + column % part
          bytes[place] = bytes[place] & ~(3 << UInt8(2 * (column / part))) | code << UInt8(2 * (column / part))
        }
      }
    }
    return bytes
  }
}

extension SeededGenerator {
  /// Numbers of both signs and many sizes.
  mutating func floats(_ count: Int) -> [Float] {
    (0..<count).map { _ in
      let random = next()
      return Float(Int32(truncatingIfNeeded: random))
        * Float(sign: .plus, exponent: Int(random >> 40 % 12) - 36, significand: 1)
    }
  }

  /// Two-byte patterns that are finite as bfloat16 and as float16.
  mutating func halves(_ count: Int) -> [UInt8] {
    (0..<count).flatMap { _ -> [UInt8] in
      let bits = UInt16(truncatingIfNeeded: next()) & 0xBBFF
      return [UInt8(bits & 0xFF), UInt8(bits >> 8)]
    }
  }
}
