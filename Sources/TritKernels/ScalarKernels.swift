// Tritsmith: the definition of every kernel, in plain Swift.

import TritCore

/// The definition of every operation; works on every machine.
package struct ScalarKernels: Kernels {
  package init() {}

  package var name: String { "scalar" }

  package func summarize(bf16: RawSpan, blockSums: inout MutableSpan<Double>) -> MagnitudeSummary {
    let count = bf16.byteCount / 2
    precondition(blockSums.count == (count + sumBlock - 1) / sumBlock, "one sum for each block")
    var largest: UInt16 = 0
    var smallestLessOne = UInt16.max
    bf16.withUnsafeBytes { bytes in
      for block in 0..<blockSums.count {
        var lanes = SIMD8<Double>.zero
        let start = block * sumBlock
        for index in start..<min(start + sumBlock, count) {
          let magnitude = pattern(bytes, index) & 0x7FFF
          largest = max(largest, magnitude)
          smallestLessOne = min(smallestLessOne, magnitude &- 1)
          lanes[(index - start) & 7] += Double(BFloat16(bits: magnitude).float)
        }
        blockSums[block] = joined(lanes)
      }
    }
    return MagnitudeSummary(largest: largest, smallestLessOne: smallestLessOne)
  }

  package func quantize(
    bf16: RawSpan, _ thresholds: TritThresholds, into trits: inout MutableSpan<Int8>, _ range: Range<Int>
  ) {
    precondition(bf16.byteCount == 2 * range.count, "one trit for each weight")
    precondition(range.lowerBound >= 0 && range.upperBound <= trits.count, "output inside the buffer")
    bf16.withUnsafeBytes { bytes in
      trits.withUnsafeMutableBufferPointer { trits in
        for index in 0..<range.count {
          let bits = pattern(bytes, index)
          let magnitude = bits & 0x7FFF
          if bits >> 15 == 0 {
            trits[range.lowerBound + index] = magnitude >= thresholds.positive ? 1 : 0
          } else {
            trits[range.lowerBound + index] = magnitude >= thresholds.negative ? -1 : 0
          }
        }
      }
    }
  }

  package func snap(
    bf16: RawSpan, _ thresholds: TritThresholds, to value: BFloat16, into output: inout MutableSpan<UInt16>
  ) {
    precondition(bf16.byteCount == 2 * output.count, "one value for each weight")
    bf16.withUnsafeBytes { bytes in
      output.withUnsafeMutableBufferPointer { output in
        for index in output.indices {
          let bits = pattern(bytes, index)
          let threshold = bits >> 15 == 0 ? thresholds.positive : thresholds.negative
          let level = bits & 0x7FFF >= threshold ? value.bits : 0
          output[index] = (level | bits & 0x8000).littleEndian
        }
      }
    }
  }

  package func packFour(
    _ planes: [Int], from trits: Span<Int8>, into bytes: inout MutableSpan<UInt8>, _ range: Range<Int>
  ) {
    pack(planes, places: [1, 4, 16, 64], from: trits, into: &bytes, range)
  }

  package func packFive(
    _ planes: [Int], from trits: Span<Int8>, into bytes: inout MutableSpan<UInt8>, _ range: Range<Int>
  ) {
    pack(planes, places: [1, 3, 9, 27, 81], from: trits, into: &bytes, range)
  }

  package func unpackFour(
    _ bytes: RawSpan, plane: Int, into trits: inout MutableSpan<Int8>, at start: Int
  ) -> Int {
    let shift = UInt8(2 * plane)
    return unpack(bytes, into: &trits, at: start, isValid: { $0 >> shift & 3 != 3 }, code: { $0 >> shift & 3 })
  }

  package func unpackFive(
    _ bytes: RawSpan, plane: Int, into trits: inout MutableSpan<Int8>, at start: Int
  ) -> Int {
    let place: UInt8 = [1, 3, 9, 27, 81][plane]
    return unpack(bytes, into: &trits, at: start, isValid: { $0 <= 242 }, code: { $0 / place % 3 })
  }

  package func histogram(_ values: RawSpan, into counts: inout MutableSpan<UInt32>) {
    precondition(counts.count == 4 * 65536, "four tables")
    values.withUnsafeBytes { bytes in
      counts.withUnsafeMutableBufferPointer { counts in
        for index in 0..<bytes.count / 2 { counts[Int(pattern(bytes, index))] &+= 1 }
      }
    }
  }

  // MARK: - Details

  private func pack(
    _ planes: [Int], places: [UInt8], from trits: Span<Int8>, into bytes: inout MutableSpan<UInt8>, _ range: Range<Int>
  ) {
    precondition(planes.count == places.count, "one plane for each place")
    precondition(planes.allSatisfy { $0 >= 0 && $0 + range.count <= trits.count }, "planes inside the buffer")
    precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "output inside the buffer")
    trits.withUnsafeBufferPointer { trits in
      bytes.withUnsafeMutableBufferPointer { bytes in
        for index in 0..<range.count {
          var byte: UInt8 = 0
          for (start, place) in zip(planes, places) {
            byte &+= UInt8(bitPattern: trits[start + index] &+ 1) &* place
          }
          bytes[range.lowerBound + index] = byte
        }
      }
    }
  }

  private func unpack(
    _ bytes: RawSpan, into trits: inout MutableSpan<Int8>, at start: Int, isValid: (UInt8) -> Bool,
    code: (UInt8) -> UInt8
  ) -> Int {
    precondition(start >= 0 && start + bytes.byteCount <= trits.count, "output inside the buffer")
    return bytes.withUnsafeBytes { bytes in
      trits.withUnsafeMutableBufferPointer { trits in
        var invalid = 0
        for index in bytes.indices {
          if !isValid(bytes[index]) { invalid += 1 }
          trits[start + index] = Int8(bitPattern: code(bytes[index])) &- 1
        }
        return invalid
      }
    }
  }

  private func pattern(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> UInt16 {
    UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
  }
}

/// Lanes of a block in their defined order.
func joined(_ lanes: SIMD8<Double>) -> Double {
  ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
}

extension MagnitudeSummary {
  /// From the running extremes: the smallest non-zero magnitude is kept minus 1, so that zero wraps to the top.
  init(largest: UInt16, smallestLessOne: UInt16) {
    self.init()
    self.largest = largest
    smallestNonzero = smallestLessOne &+ 1
  }
}
