// Tritsmith: dense weights that are trits times scales.

import Synchronization
import TritCore
import TritKernels

/// The trits of dense weights: their signs.
struct UnpackedTrits: TritRows {
  let weights: FloatWeights

  func read(_ rows: Range<Int>, into trits: inout MutableSpan<Int8>) throws {
    try weights.signs(rows, into: &trits)
  }
}

extension FloatWeights {
  /// The smallest group scales are looked for in.
  private static let finestGroup = 64

  /// The scales of a matrix of −a, 0 and +a with one a in each group of 64 columns or more; nil for any other matrix.
  ///
  /// Read in bands in parallel; the first group with two magnitudes ends it.
  func ternaryScale(_ parallelism: Parallelism) throws -> TernaryScale? {
    let perRow = (columns + FloatWeights.finestGroup - 1) / FloatWeights.finestGroup
    let bandRows = max(1, (1 << 20) / max(1, columns))
    let bands = stride(from: 0, to: rows, by: bandRows).map { $0..<min(rows, $0 + bandRows) }
    let results = Mutex([[Float]?](repeating: nil, count: bands.count))
    // Ordinary weights differ in the first group: one row tells before the matrix is read.
    guard rows > 0, columns > 0, try magnitudes(0..<1) != nil else { return nil }
    let isOther = Atomic<Bool>(false)
    try parallelism.forEachBand(bands.count) { band in
      guard !isOther.load(ordering: .relaxed) else { return }
      let found = try magnitudes(bands[band])
      if found == nil { isOther.store(true, ordering: .relaxed) }
      results.withLock { $0[band] = found }
    }
    guard !isOther.load(ordering: .relaxed) else { return nil }
    let stored = results.withLock { $0.flatMap { $0 ?? [] } }
    guard stored.count == rows * perRow else { return nil }
    let size = FloatWeights.finestGroup
    let granularity: ScaleGranularity = columns > size ? .group(columns: size) : .row
    let dtype: DType =
      switch element {
      case .bf16: .bf16
      case .f16: .f16
      case .f32: .f32
      }
    return TernaryScale(stored: stored, storage: dtype, convention: .multiply, granularity: granularity)
      .coarsest(rows: rows, columns: columns)
  }

  /// The one magnitude of each group of some rows, 0 where all are zero; nil where a group has two, or one that is not
  /// finite.
  private func magnitudes(_ range: Range<Int>) throws -> [Float]? {
    let group = FloatWeights.finestGroup
    var result: [Float] = []
    result.reserveCapacity(range.count * ((columns + group - 1) / group))
    return try withRows(range) { bytes in
      for row in 0..<range.count {
        for start in stride(from: 0, to: columns, by: group) {
          let first = row * columns + start
          var (bits, others) = (UInt32(0), UInt32(0))
          for index in first..<first + min(group, columns - start) {
            let magnitude = pattern(bytes, index) & magnitudeMask
            // Zeros take the magnitude found so far, others must be it.
            if bits == 0 { bits = magnitude }
            others |= magnitude == 0 ? 0 : magnitude ^ bits
          }
          guard others == 0, bits < infinity else { return nil }
          result.append(value(bits))
        }
      }
      return result
    }
  }

  /// The signs of some rows as trits.
  fileprivate func signs(_ range: Range<Int>, into trits: inout MutableSpan<Int8>) throws {
    let sign = magnitudeMask + 1
    try withRows(range) { bytes in
      for index in 0..<range.count * columns {
        let bits = pattern(bytes, index)
        trits[index] = bits & magnitudeMask == 0 ? 0 : bits & sign == 0 ? 1 : -1
      }
    }
  }

  private func withRows<Result>(_ range: Range<Int>, _ body: (RawSpan) throws -> Result) throws -> Result {
    let width = columns * element.byteCount
    return try bytes.withBytes(range.lowerBound * width..<range.upperBound * width, body)
  }

  private var magnitudeMask: UInt32 { element == .f32 ? 0x7FFF_FFFF : 0x7FFF }

  private var infinity: UInt32 {
    switch element {
    case .bf16: 0x7F80
    case .f16: 0x7C00
    case .f32: 0x7F80_0000
    }
  }

  @inline(__always)
  private func pattern(_ bytes: RawSpan, _ index: Int) -> UInt32 {
    element == .f32
      ? UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
      : UInt32(UInt16(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
  }

  private func value(_ bits: UInt32) -> Float {
    switch element {
    case .bf16: BFloat16(bits: UInt16(truncatingIfNeeded: bits)).float
    case .f16: HalfFloat(bits: UInt16(truncatingIfNeeded: bits)).float
    case .f32: Float(bitPattern: bits)
    }
  }
}
