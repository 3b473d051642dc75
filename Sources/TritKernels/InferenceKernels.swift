// Tritsmith: the arithmetic of a forward pass, row by row.

import CTritKernels
import TritCore

/// Bytes of an int8 activation row: a multiple of 64, with 64 more that vector code may read.
func paddedActivationWidth(_ columns: Int) -> Int { (columns + 63) / 64 * 64 + 64 }

/// Rows of bytes that `packedProduct` takes at most; it has room for the sums of as many.
package let tileRows = 16

/// One row's activations in int8 terms: x ≈ q / scale.
package struct ActivationScale: Sendable, Equatable {
  /// 127 / max |x| as torch computes it: the reciprocal of max(max |x|, 1e-5) times 127, two roundings.
  package var scale: Float
  /// Sum of the quantized values; products use codes 0…2 for trits −1…1 and subtract it.
  package var sum: Int32
}

/// Single-threaded operations on raw rows; every implementation gives the same bits as `ScalarInference`.
///
/// Trit bytes hold four 2-bit codes (trit + 1), place 0 lowest. Activation rows are zero from the last column to
/// `paddedActivationWidth`.
package protocol InferenceKernels: Sendable {
  var name: String { get }

  /// int8 activations of a row. A NaN or infinity makes all of them 0 and leaves the scale NaN or 0, so that what is
  /// divided by it becomes NaN, as it does in transformers.
  func quantizeRow(_ x: UnsafePointer<Float>, _ count: Int, into q: UnsafeMutablePointer<Int8>) -> ActivationScale

  /// Σ code·q for layouts that join four rows in a byte: `sums[k * planeStride + r]` from place k of byte row r.
  func joinedDot(
    _ w: UnsafePointer<UInt8>, rows: Int, columns: Int, _ q: UnsafePointer<Int8>,
    into sums: UnsafeMutablePointer<Int32>, planeStride: Int)

  /// Σ code·q for layouts that cut a row in four parts of `part` bytes: place k belongs to column k·part + m.
  func splitDot(
    _ w: UnsafePointer<UInt8>, rows: Int, part: Int, _ q: UnsafePointer<Int8>, into sums: UnsafeMutablePointer<Int32>)

  /// The same of at most `tileRows` rows of `width` bytes and any number of tokens.
  ///
  /// Joined rows have `sums[(k * tokens + t) * tileRows + r]` from place k of byte row r, split rows
  /// `sums[t * tileRows + r]`. Sums of rows from `rows` to `tileRows` are 0.
  func packedProduct(
    _ w: UnsafePointer<UInt8>, rows: Int, width: Int, _ order: PackedTritOrder, _ q: UnsafePointer<Int8>, qStride: Int,
    tokens: Int, into sums: UnsafeMutablePointer<Int32>)

  /// Products of rows of `GroupedMatrix`, from the first of a panel on, with tokens: `y[t * yStride + r]`, r < rows,
  /// t < tokens.
  ///
  /// Group g adds Float(Σ code·q − Σ q) · unit · scale, each product rounded, to lane g mod 8; lanes join as those of
  /// `dot`. Integer sums are exact, so the bits do not depend on the processor.
  func groupedDot(
    _ w: UnsafePointer<UInt8>, rows: Int, _ shape: GroupedShape, _ scales: GroupedScales.Pointer, _ x: GroupedInput,
    tokens: Range<Int>, into y: UnsafeMutablePointer<Float>, yStride: Int)

  /// (code − 1)·value of one place as Floats.
  func widenTrits(
    _ w: UnsafePointer<UInt8>, _ count: Int, plane: Int, value: Float, into out: UnsafeMutablePointer<Float>)

  /// Dots of weight rows with tokens: `y[t * yStride + r]`, r < rows, t < tokens.
  ///
  /// Product i is rounded to Float and added to lane i mod 8; lanes join as ((0+1)+(2+3))+((4+5)+(6+7)). Nothing is
  /// fused, so the bits do not depend on the processor.
  func dot(
    _ w: UnsafeRawPointer, _ element: FloatElement, rowBytes: Int, rows: Int, _ x: UnsafePointer<Float>, xStride: Int,
    tokens: Int, count: Int, into y: UnsafeMutablePointer<Float>, yStride: Int)

  /// Σ weight[r]·v[r * vStride + i], added in order of r.
  func weightedSum(
    _ weight: UnsafePointer<Float>, _ v: UnsafePointer<Float>, vStride: Int, rows: Int, count: Int,
    into out: UnsafeMutablePointer<Float>)

  /// x[i] = exp(x[i]), by `exponential`.
  func exponentials(_ x: UnsafeMutablePointer<Float>, _ count: Int)
}

/// Element types a float product reads without a copy.
package enum FloatElement: Sendable, Hashable {
  case bf16, f16, f32

  package var byteCount: Int { self == .f32 ? 4 : 2 }

  /// The element at `index`, widened exactly.
  @inline(__always)
  func load(_ base: UnsafeRawPointer, _ index: Int) -> Float {
    switch self {
    case .bf16: BFloat16(bits: base.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self).littleEndian).float
    case .f16: HalfFloat(bits: base.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self).littleEndian).float
    case .f32:
      Float(bitPattern: base.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self).littleEndian)
    }
  }
}

extension KernelChoice {
  /// - Throws: `KernelError` when native kernels are demanded and this CPU has none.
  func inferenceKernels() throws(KernelError) -> any InferenceKernels {
    switch self {
    case .scalar: return ScalarInference()
    case .auto: return NativeInference(rank: 0) ?? ScalarInference()
    case .native:
      guard let native = NativeInference(rank: 0) else { throw KernelError() }
      return native
    }
  }
}
