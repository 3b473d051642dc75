// Tritsmith: weights that are ternary in a dense type, held against packed trits number by number.

import TritCore

/// The shortest proof that trits and multipliers are a dense source's weights: each weight is its trit × multiplier, bit
/// for bit. What the source's scales are, and for how many weights, need not be found out for it.
struct NumberComparison {
  let source: any TensorSource
  let tensor: TensorDescriptor
  /// What stands in the packed file.
  let scale: TernaryScale
  private let places: ScalePlaces
  /// Of the multipliers, in the source's type.
  private let magnitudes: [UInt16]

  /// Nil for sources of other types than F16 and BF16, for matrices that are not read by whole rows, and for multipliers
  /// the source's type cannot hold.
  init?(_ source: any TensorSource, _ tensor: TensorDescriptor, packed scale: TernaryScale) {
    guard let dtype = tensor.encoding.dtype, dtype == .f16 || dtype == .bf16, tensor.shape.isMatrix,
      !tensor.shape.hasLongRows
    else { return nil }
    var magnitudes: [UInt16] = []
    magnitudes.reserveCapacity(scale.stored.count)
    let multipliers = scale.multipliers
    for multiplier in multipliers {
      let (bits, held) = NumberComparison.held(multiplier, dtype)
      guard multiplier >= 0, multiplier.isFinite, held == multiplier else { return nil }
      magnitudes.append(bits & 0x7FFF)
    }
    self.source = source
    self.tensor = tensor
    self.scale = TernaryScale(
      stored: multipliers, storage: dtype, convention: .multiply, granularity: scale.granularity)
    self.magnitudes = magnitudes
    places = ScalePlaces(scale.granularity, columns: tensor.shape.columns)
  }

  /// A number in a type of 16 bits, and what it is there.
  private static func held(_ number: Float, _ dtype: DType) -> (bits: UInt16, value: Float) {
    if dtype == .f16 {
      let half = HalfFloat(number)
      return (half.bits, half.float)
    }
    let short = BFloat16(number)
    return (short.bits, short.float)
  }

  /// Whether every weight is its trit × multiplier; false also where all are zero, and where a trit is multiplied by 0.
  ///
  /// - Parameter trits: those of the packed file, in the source's order.
  func agrees(_ cancellation: CancellationFlag, _ trits: (MatrixBand) throws -> [Int8]) throws -> Bool {
    var holdsTrits = false
    for band in tensor.shape.bands(elements: 1 << 17) {
      try cancellation.check()
      let found = try trits(band)
      let bytes = band.elements.lowerBound * 2..<band.elements.upperBound * 2
      let agrees = try source.withBytes(bytes, of: tensor) { weights in
        self.agrees(weights, found.span, band, &holdsTrits)
      }
      source.release(bytes, of: tensor)
      guard agrees else { return false }
    }
    return holdsTrits
  }

  private func agrees(
    _ weights: RawSpan, _ trits: Span<Int8>, _ band: MatrixBand, _ holdsTrits: inout Bool
  ) -> Bool {
    precondition(band.isWhole && trits.count == band.count && weights.byteCount == 2 * band.count)
    var (first, agrees) = (0, true)
    for row in band.rows {
      places.forEachRun(ofRow: row) { columns, index in
        guard agrees else { return }
        agrees = run(weights, trits, first + columns.lowerBound..<first + columns.upperBound, index, &holdsTrits)
      }
      first += places.columns
    }
    return agrees
  }

  /// Weights that share a multiplier.
  private func run(
    _ weights: RawSpan, _ trits: Span<Int8>, _ run: Range<Int>, _ index: Int, _ holdsTrits: inout Bool
  ) -> Bool {
    let magnitude = magnitudes[index]
    // What is no trit differs from every weight: codes are 0, 1 and 2.
    var largest: UInt8 = 0
    for place in run { largest = max(largest, UInt8(bitPattern: trits[unchecked: place]) &+ 1) }
    var (difference, live): (UInt16, UInt16) = (0, 0)
    for place in run {
      let weight = UInt16(
        littleEndian: weights.unsafeLoadUnaligned(fromUncheckedByteOffset: 2 &* place, as: UInt16.self))
      let trit = UInt16(bitPattern: Int16(trits[unchecked: place]))
      let isZero: UInt16 = trit == 0 ? 0xFFFF : 0
      let wanted = magnitude & ~isZero | trit & 0x8000
      // A zero may have either sign.
      difference |= (weight ^ wanted) & ~(isZero & 0x8000)
      live |= trit
    }
    if live != 0 { holdsTrits = true }
    return largest <= 2 && difference == 0 && (live == 0 || magnitude != 0)
  }
}
