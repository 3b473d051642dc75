// Tritsmith: the forward pass's operations in C with SIMD intrinsics.

import CTritKernels
import TritCore

/// `InferenceKernels` over C function pointers, chosen for this CPU.
struct NativeInference: InferenceKernels {
  // The table is constant data of the C target.
  nonisolated(unsafe) private let table: UnsafePointer<trit_inference_table>

  /// Rank 0 is the best table this CPU can run; nil past the last.
  init?(rank: Int) {
    guard let table = trit_inference_kernels(UInt32(rank)) else { return nil }
    self.table = table
  }

  var name: String { String(cString: table.pointee.name) }

  func quantizeRow(_ x: UnsafePointer<Float>, _ count: Int, into q: UnsafeMutablePointer<Int8>) -> ActivationScale {
    var result = ActivationScale(scale: 0, sum: 0)
    table.pointee.quantize_row(x, count, q, &result.scale, &result.sum)
    return result
  }

  func joinedDot(
    _ w: UnsafePointer<UInt8>, rows: Int, columns: Int, _ q: UnsafePointer<Int8>,
    into sums: UnsafeMutablePointer<Int32>, planeStride: Int
  ) {
    table.pointee.joined_dot(w, rows, columns, q, sums, planeStride)
  }

  func splitDot(
    _ w: UnsafePointer<UInt8>, rows: Int, part: Int, _ q: UnsafePointer<Int8>, into sums: UnsafeMutablePointer<Int32>
  ) {
    table.pointee.split_dot(w, rows, part, q, sums)
  }

  func packedProduct(
    _ w: UnsafePointer<UInt8>, rows: Int, width: Int, _ order: PackedTritOrder, _ q: UnsafePointer<Int8>, qStride: Int,
    tokens: Int, into sums: UnsafeMutablePointer<Int32>
  ) {
    table.pointee.packed_product(w, rows, width, order == .splitRows ? 1 : 0, q, qStride, tokens, sums)
  }

  func groupedDot(
    _ w: UnsafePointer<UInt8>, rows: Int, _ shape: GroupedShape, _ scales: GroupedScales.Pointer, _ x: GroupedInput,
    tokens: Range<Int>, into y: UnsafeMutablePointer<Float>, yStride: Int
  ) {
    let first = tokens.lowerBound
    table.pointee.grouped_dot(
      w, rows, shape.blocks, UInt32(shape.cuts), scales.base, scales.isHalf ? 1 : 0, x.values + first * x.stride,
      x.stride, x.sums + first * x.groups, x.units + first * x.groups, x.groups, tokens.count, y, yStride)
  }

  func widenTrits(
    _ w: UnsafePointer<UInt8>, _ count: Int, plane: Int, value: Float, into out: UnsafeMutablePointer<Float>
  ) {
    table.pointee.widen_trits(w, count, UInt32(plane), value, out)
  }

  func dot(
    _ w: UnsafeRawPointer, _ element: FloatElement, rowBytes: Int, rows: Int, _ x: UnsafePointer<Float>, xStride: Int,
    tokens: Int, count: Int, into y: UnsafeMutablePointer<Float>, yStride: Int
  ) {
    switch element {
    case .bf16: table.pointee.dot_bf16(w, rowBytes, rows, x, xStride, tokens, count, y, yStride)
    case .f16: table.pointee.dot_f16(w, rowBytes, rows, x, xStride, tokens, count, y, yStride)
    case .f32: table.pointee.dot_f32(w, rowBytes, rows, x, xStride, tokens, count, y, yStride)
    }
  }

  func weightedSum(
    _ weight: UnsafePointer<Float>, _ v: UnsafePointer<Float>, vStride: Int, rows: Int, count: Int,
    into out: UnsafeMutablePointer<Float>
  ) {
    table.pointee.weighted_sum(weight, v, vStride, rows, count, out)
  }

  func exponentials(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
    table.pointee.exponentials(x, count)
  }
}
