// Tritsmith: scales that stand among the codes.

import TritCore

/// Where a layout keeps its scales.
public enum ScalePlacement: Sendable, Hashable {
  /// In a tensor or section of their own; the layout knows nothing of them.
  case beside
  /// Among the codes, as multipliers: weight = trit × scale.
  case among(storage: DType, granularity: ScaleGranularity)
}

extension TernaryLayout {
  public var scalePlacement: ScalePlacement { .beside }

  public func scaleOffset(_ index: Int, _ shape: TensorShape) -> Int { 0 }

  public func checkForWriting(_ shape: TensorShape) throws(LayoutError) { try check(shape) }

  public func contiguousRowBytes(_ shape: TensorShape) -> Int? { nil }

  public var ggmlType: UInt32? { nil }

  /// Type and granularity of embedded scales; nil when they stand beside the codes.
  public var embeddedScale: (storage: DType, granularity: ScaleGranularity)? {
    if case .among(let storage, let granularity) = scalePlacement { (storage, granularity) } else { nil }
  }

  /// Puts the scales of a packed band among its codes, rounded to the layout's storage type.
  ///
  /// - Parameters:
  ///   - scale: one scale for the tensor, one a row, or one a group of exactly the layout's size.
  ///   - band: rows and bytes of the band.
  ///   - shape: the tensor's, in trits.
  ///   - bytes: the band as `pack` left it.
  public func embed(
    _ scale: TernaryScale, _ band: LayoutBand, _ shape: TensorShape, into bytes: inout MutableSpan<UInt8>
  ) {
    guard let (storage, granularity) = embeddedScale else { return }
    func put(_ index: Int, _ value: Float, _ bytes: inout MutableSpan<UInt8>) {
      let place = scaleOffset(index, shape)
      guard band.bytes.contains(place) else { return }
      let start = place - band.bytes.lowerBound
      if storage == .f16 {
        let bits = HalfFloat(value).bits
        for byte in 0..<2 { bytes[start + byte] = UInt8(truncatingIfNeeded: bits >> (8 * UInt16(byte))) }
      } else {
        for byte in 0..<4 { bytes[start + byte] = UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32(byte))) }
      }
    }
    guard granularity != .tensor else { return put(0, scale.multiplier(), &bytes) }
    let perRow = granularity.count(rows: 1, columns: shape.columns)
    let multipliers = scale.multipliers
    for row in band.rows.joined() {
      for index in row * perRow..<(row + 1) * perRow {
        let value =
          switch scale.granularity {
          case .tensor: multipliers[0]
          case .row: multipliers[row]
          case .group: multipliers[index]
          }
        put(index, value, &bytes)
      }
    }
  }

  /// Reads an embedded scale.
  ///
  /// - Parameters:
  ///   - index: which one, in row-major order of the scales.
  ///   - shape: the tensor's, in trits.
  ///   - bytes: a part of the tensor that holds the scale whole.
  ///   - start: offset of that part from the tensor's first byte.
  public func readScale(_ index: Int, _ shape: TensorShape, from bytes: RawSpan, at start: Int) -> Float {
    let place = scaleOffset(index, shape) - start
    switch embeddedScale?.storage {
    case .f16:
      return HalfFloat(
        bits: UInt16(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: place, as: UInt16.self))
      ).float
    default:
      return Float(
        bitPattern: UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: place, as: UInt32.self)))
    }
  }
}
