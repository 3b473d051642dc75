// Tritsmith: the arithmetic the rest of the project is built on.

import TritCore

/// What one pass over weights says about their magnitudes.
package struct MagnitudeSummary: Sendable, Equatable {
  /// Largest and smallest non-zero magnitude as bfloat16 patterns without sign; 0 when all are zero.
  package var largest: UInt16 = 0
  package var smallestNonzero: UInt16 = 0

  package init() {}

  /// False when an infinity or NaN is among the values.
  package var isFinite: Bool { largest < BFloat16.infinityMagnitude }

  /// True when only one magnitude occurs beside zero: the values are {−a, 0, +a}.
  package var isTernary: Bool { largest == smallestNonzero }

  /// Adds the summary of other values of the same tensor.
  package mutating func merge(_ other: MagnitudeSummary) {
    largest = max(largest, other.largest)
    if other.smallestNonzero != 0 {
      smallestNonzero = smallestNonzero == 0 ? other.smallestNonzero : min(smallestNonzero, other.smallestNonzero)
    }
  }
}

/// Magnitude patterns from which a weight becomes ±1, without sign.
///
/// For a finite weight every rounding rule in use is monotonic in the magnitude, so one comparison replaces the
/// arithmetic. The two sides differ only where a rule treats +½ and −½ differently.
package struct TritThresholds: Sendable, Equatable {
  package var positive: UInt16
  package var negative: UInt16

  package init(positive: UInt16, negative: UInt16) {
    self.positive = positive
    self.negative = negative
  }
}

/// Operations on contiguous memory; every implementation gives the same bits as `ScalarKernels`.
///
/// bfloat16 data is a `RawSpan` of little-endian 16-bit patterns, aligned or not.
package protocol Kernels: Sendable {
  /// Name for reports: `scalar`, `avx2`, `neon`.
  var name: String { get }

  /// Sums of magnitudes of blocks of `sumBlock` values, and the extremes of all.
  ///
  /// In a block, value i is added to Double lane i mod 8, lanes are joined as ((0+1)+(2+3))+((4+5)+(6+7)). Blocks
  /// are added in order by the caller, so the sum does not depend on bands or threads.
  func summarize(bf16: RawSpan, blockSums: inout MutableSpan<Double>) -> MagnitudeSummary

  /// Trits of bfloat16 weights by threshold, put to `range` of the output.
  func quantize(
    bf16: RawSpan, _ thresholds: TritThresholds, into trits: inout MutableSpan<Int8>, _ range: Range<Int>)

  /// ±value or ±0 for bfloat16 weights by threshold; zeros keep the weight's sign, as torch's rounding does.
  func snap(bf16: RawSpan, _ thresholds: TritThresholds, to value: BFloat16, into output: inout MutableSpan<UInt16>)

  /// Bytes of four planes of trits, 2 bits each, first plane lowest: code = trit + 1.
  ///
  /// Plane k starts at `planes[k]` in `trits`; the bytes go to `range` of the output, which sets the length.
  func packFour(
    _ planes: [Int], from trits: Span<Int8>, into bytes: inout MutableSpan<UInt8>, _ range: Range<Int>)

  /// Bytes of five planes of trits in base 3, first plane least significant.
  func packFive(
    _ planes: [Int], from trits: Span<Int8>, into bytes: inout MutableSpan<UInt8>, _ range: Range<Int>)

  /// Trits of one 2-bit plane (0…3), put at `start`. Returns how many codes were 3, which no packer writes.
  func unpackFour(_ bytes: RawSpan, plane: Int, into trits: inout MutableSpan<Int8>, at start: Int) -> Int

  /// Trits of one base-3 plane (0…4), put at `start`. Returns how many bytes were above 242.
  func unpackFive(_ bytes: RawSpan, plane: Int, into trits: inout MutableSpan<Int8>, at start: Int) -> Int

  /// Adds to the counts of all 65,536 patterns; `counts` has four tables whose sum is the result.
  func histogram(_ values: RawSpan, into counts: inout MutableSpan<UInt32>)
}

extension Kernels {
  /// Trits of bfloat16 weights that fill the output.
  package func quantize(bf16: RawSpan, _ thresholds: TritThresholds, into trits: inout MutableSpan<Int8>) {
    quantize(bf16: bf16, thresholds, into: &trits, 0..<trits.count)
  }
}

/// Values in one block of a magnitude sum.
package let sumBlock = 4096

/// Which implementation of the kernels to use.
public enum KernelChoice: String, Sendable, CaseIterable {
  case auto, native, scalar

  /// The kernels; `native` falls back to scalar only through `auto`.
  ///
  /// - Throws: `KernelError` when native kernels are demanded and this CPU has none.
  package func kernels() throws(KernelError) -> any Kernels {
    switch self {
    case .scalar: return ScalarKernels()
    case .auto: return KernelChoice.best
    case .native:
      guard let native = NativeKernels() else { throw KernelError() }
      return native
    }
  }

  /// The fastest kernels this CPU can run.
  package static var best: any Kernels { NativeKernels() ?? ScalarKernels() }
}

/// Native kernels were demanded where there are none.
package struct KernelError: DiagnosticError, Equatable {
  package init() {}
  package var summary: String {
    "this processor has none of the instruction sets native kernels exist for (AVX2 on x86-64, NEON on arm64)"
  }
  package var location: ErrorLocation { ErrorLocation() }
  package var remedy: String? { "use --kernels auto or scalar; the results are the same, slower" }
  package var category: ErrorCategory { .misuse }
}
