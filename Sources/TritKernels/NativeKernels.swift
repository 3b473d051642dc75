// Tritsmith: the kernels in C with SIMD intrinsics.

import CTritKernels
import TritCore

/// Kernels over C function pointers, chosen once for this CPU.
package struct NativeKernels: Kernels {
  // The table is constant data of the C target.
  nonisolated(unsafe) private let table: UnsafePointer<trit_kernel_table>

  /// Nil when this CPU has none of the instruction sets the C target knows.
  package init?() {
    guard let table = trit_native_kernels() else { return nil }
    self.table = table
  }

  package var name: String { String(cString: table.pointee.name) }

  package func summarize(bf16: RawSpan, blockSums: inout MutableSpan<Double>) -> MagnitudeSummary {
    let count = bf16.byteCount / 2
    precondition(blockSums.count == (count + sumBlock - 1) / sumBlock, "one sum for each block")
    var largest: UInt16 = 0
    var smallestLessOne = UInt16.max
    bf16.withUnsafeBytes { bytes in
      for block in 0..<blockSums.count {
        let start = block * sumBlock
        var lanes = SIMD8<Double>.zero
        withUnsafeMutableBytes(of: &lanes) { lanes in
          table.pointee.summarize_bf16(
            bytes.baseAddress?.advanced(by: 2 * start), min(sumBlock, count - start),
            lanes.assumingMemoryBound(to: Double.self).baseAddress, &largest, &smallestLessOne)
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
        table.pointee.quantize_bf16(
          bytes.baseAddress, range.count, thresholds.positive, thresholds.negative,
          trits.baseAddress?.advanced(by: range.lowerBound))
      }
    }
  }

  package func snap(
    bf16: RawSpan, _ thresholds: TritThresholds, to value: BFloat16, into output: inout MutableSpan<UInt16>
  ) {
    precondition(bf16.byteCount == 2 * output.count, "one value for each weight")
    bf16.withUnsafeBytes { bytes in
      output.withUnsafeMutableBufferPointer { output in
        table.pointee.snap_bf16(
          bytes.baseAddress, output.count, thresholds.positive, thresholds.negative, value.bits, output.baseAddress)
      }
    }
  }

  package func packFour(
    _ planes: [Int], from trits: Span<Int8>, into bytes: inout MutableSpan<UInt8>, _ range: Range<Int>
  ) {
    pack(planes, count: 4, from: trits, into: &bytes, range) { table.pointee.pack_four($0, $1, $2) }
  }

  package func packFive(
    _ planes: [Int], from trits: Span<Int8>, into bytes: inout MutableSpan<UInt8>, _ range: Range<Int>
  ) {
    pack(planes, count: 5, from: trits, into: &bytes, range) { table.pointee.pack_five($0, $1, $2) }
  }

  package func unpackFour(_ bytes: RawSpan, plane: Int, into trits: inout MutableSpan<Int8>, at start: Int) -> Int {
    precondition((0..<4).contains(plane), "a byte has four 2-bit places")
    precondition(start >= 0 && start + bytes.byteCount <= trits.count, "output inside the buffer")
    return bytes.withUnsafeBytes { bytes in
      trits.withUnsafeMutableBufferPointer { trits in
        table.pointee.unpack_four(
          bytes.assumingMemoryBound(to: UInt8.self).baseAddress, bytes.count, UInt32(plane),
          trits.baseAddress?.advanced(by: start))
      }
    }
  }

  package func unpackFive(_ bytes: RawSpan, plane: Int, into trits: inout MutableSpan<Int8>, at start: Int) -> Int {
    precondition((0..<5).contains(plane), "a byte has five base-3 places")
    precondition(start >= 0 && start + bytes.byteCount <= trits.count, "output inside the buffer")
    return bytes.withUnsafeBytes { bytes in
      trits.withUnsafeMutableBufferPointer { trits in
        table.pointee.unpack_five(
          bytes.assumingMemoryBound(to: UInt8.self).baseAddress, bytes.count, UInt32(plane),
          trits.baseAddress?.advanced(by: start))
      }
    }
  }

  package func histogram(_ values: RawSpan, into counts: inout MutableSpan<UInt32>) {
    precondition(counts.count == 4 * 65536, "four tables")
    values.withUnsafeBytes { bytes in
      counts.withUnsafeMutableBufferPointer { counts in
        table.pointee.histogram16(bytes.baseAddress, bytes.count / 2, counts.baseAddress)
      }
    }
  }

  private func pack(
    _ planes: [Int], count: Int, from trits: Span<Int8>, into bytes: inout MutableSpan<UInt8>, _ range: Range<Int>,
    _ kernel: (UnsafePointer<UnsafePointer<Int8>?>?, Int, UnsafeMutablePointer<UInt8>?) -> Void
  ) {
    precondition(planes.count == count, "one plane for each place")
    precondition(planes.allSatisfy { $0 >= 0 && $0 + range.count <= trits.count }, "planes inside the buffer")
    precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "output inside the buffer")
    trits.withUnsafeBufferPointer { trits in
      bytes.withUnsafeMutableBufferPointer { bytes in
        let starts: [UnsafePointer<Int8>?] = planes.map { trits.baseAddress?.advanced(by: $0) }
        let output = bytes.baseAddress?.advanced(by: range.lowerBound)
        starts.withUnsafeBufferPointer { kernel($0.baseAddress, range.count, output) }
      }
    }
  }
}
