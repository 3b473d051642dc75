// Tritsmith: NaN and infinity in bytes that pass by.

import Synchronization
import TritCore
import TritLayouts
import TritModel

/// What happens to a tensor that is copied and holds NaN or infinity.
package enum NonFinitePolicy: String, Sendable, Hashable, CaseIterable {
  /// It is an error: every logit of such a model is NaN.
  case refuse
  /// It is copied as it is, and said.
  case carry
}

/// Finds NaN and infinity by their bits.
package enum NonFinite {
  /// True when any element is NaN or infinite.
  ///
  /// Adding one unit of the exponent's last place to an exponent of all ones carries into the sign's place, and to no
  /// other; four, two or one elements are looked at in one 64-bit word, and the compiler makes vectors of the words.
  static func isIn(_ bytes: RawSpan, _ dtype: DType) -> Bool {
    guard let masks = masks(dtype) else { return firstByte(bytes, dtype) != nil }
    return carries(bytes, masks.mask, masks.unit, masks.sign)
  }

  /// True when any element is 2¹⁶ or more, NaN and infinity too; nil for types without such numbers, and those that are
  /// not looked at. It costs what `isIn` costs.
  static func isLarge(_ bytes: RawSpan, _ dtype: DType) -> Bool? {
    guard dtype == .bf16 || dtype == .f32, let masks = masks(dtype) else { return nil }
    // Exponents from 127 + 16 on carry.
    return carries(bytes, masks.mask, masks.unit * (256 - 127 - 16), masks.sign)
  }

  /// Whether adding a number to an exponent carries into the sign's place, anywhere.
  private static func carries(_ bytes: RawSpan, _ mask: UInt64, _ unit: UInt64, _ sign: UInt64) -> Bool {
    let words = bytes.byteCount / 8
    var found: UInt64 = 0
    for index in 0..<words {
      found |= (bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index * 8, as: UInt64.self) & mask) &+ unit
    }
    var last: UInt64 = 0
    for index in words * 8..<bytes.byteCount {
      last |=
        UInt64(bytes.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)) << (8 * UInt64(index - words * 8))
    }
    found |= (last & mask) &+ unit
    return found & sign != 0
  }

  /// The first element that is NaN or infinite, and its value.
  package static func first(in bytes: RawSpan, _ dtype: DType) -> (index: Int, value: String)? {
    guard isIn(bytes, dtype) else { return nil }
    if let index = firstByte(bytes, dtype) { return (index, "NaN or infinity of \(dtype.rawValue)") }
    let numbers = dtype == .c64 ? DType.f32 : dtype
    guard masks(numbers) != nil else { return nil }
    let values = DenseValues.doubles(bytes, numbers)
    guard let index = values.firstIndex(where: { !$0.isFinite }) else { return nil }
    return (dtype == .c64 ? index / 2 : index, "\(values[index])")
  }

  /// Exponent, one in its last place, and sign, in every element of a word.
  private static func masks(_ dtype: DType) -> (mask: UInt64, unit: UInt64, sign: UInt64)? {
    switch dtype {
    case .bf16: (0x7F80_7F80_7F80_7F80, 0x0080_0080_0080_0080, 0x8000_8000_8000_8000)
    case .f16: (0x7C00_7C00_7C00_7C00, 0x0400_0400_0400_0400, 0x8000_8000_8000_8000)
    case .f32, .c64: (0x7F80_0000_7F80_0000, 0x0080_0000_0080_0000, 0x8000_0000_8000_0000)
    case .f64: (0x7FF0_0000_0000_0000, 0x0010_0000_0000_0000, 0x8000_0000_0000_0000)
    default: nil
    }
  }

  /// The first element of the first block whose scale is NaN or infinite.
  ///
  /// - Parameter start: of the bytes in the tensor, even, so that they hold each scale whole or not at all.
  static func firstScale(
    in bytes: RawSpan, from start: Int, _ codec: any BlockCodec.Type
  ) -> (index: Int, value: String)? {
    let offsets = codec.scaleOffsets
    for block in start / codec.blockBytes...(start + bytes.byteCount) / codec.blockBytes {
      for offset in offsets {
        let place = block * codec.blockBytes + offset - start
        guard place >= 0, place + 2 <= bytes.byteCount else { continue }
        let scale = codec.half(bytes, at: place)
        if !scale.isFinite { return (block * codec.blockElements, "of a block whose scale is \(scale)") }
      }
    }
    return nil
  }

  /// The first element of a type of eight bits that is no number. Source: the OCP FP8 specification, and ml_dtypes.
  private static func firstByte(_ bytes: RawSpan, _ dtype: DType) -> Int? {
    let isBad: (UInt8) -> Bool
    switch dtype {
    case .f8E4M3: isBad = { $0 & 0x7F == 0x7F }
    case .f8E5M2: isBad = { $0 & 0x7C == 0x7C }
    case .f8E4M3FNUZ, .f8E5M2FNUZ: isBad = { $0 == 0x80 }
    case .f8E8M0: isBad = { $0 == 0xFF }
    default: return nil
    }
    return (0..<bytes.byteCount).first { isBad(bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self)) }
  }
}

/// Whether numbers have passed of which a product may not be finite: those of trained models are far below.
package final class LargeNumbers: Sendable {
  private let found = Mutex(false)
  /// Trits are multiplied by less than 1 in nearly every model.
  private static let limit: Float = 16

  package init() {}

  func note() { found.withLock { $0 = true } }

  package func look(at scale: TernaryScale) {
    if scale.multipliers.contains(where: { $0 > LargeNumbers.limit }) { note() }
  }

  package var areThere: Bool { found.withLock { $0 } }
}

/// Refuses NaN and infinity in the bytes of one tensor on their way into an output.
package struct FiniteCheck: Sendable {
  private enum Form: Sendable {
    case elements(DType)
    case blocks(any BlockCodec.Type)
  }

  private let form: Form
  private let tensor: TensorDescriptor
  private let source: any TensorSource
  /// The largest magnitude a norm's weight may have; nil for other tensors.
  private let limit: Float?
  private let large: LargeNumbers?

  /// Nil when nothing is to be refused.
  ///
  /// What a norm multiplies is up to √n, where one of n numbers is all there is: above the largest Float ÷ √n it computes
  /// infinities from numbers that are finite.
  package init?(
    _ tensor: TensorDescriptor, of source: any TensorSource, _ policy: NonFinitePolicy, role: TensorRole,
    large: LargeNumbers? = nil
  ) {
    guard policy == .refuse else { return nil }
    self.large = large
    limit = role == .norm ? .greatestFiniteMagnitude / Float(max(1, tensor.shape.elementCount)).squareRoot() : nil
    if let dtype = tensor.encoding.dtype {
      form = .elements(dtype)
    } else if let codec = tensor.encoding.blockCodec {
      form = .blocks(codec)
    } else {
      return nil
    }
    self.tensor = tensor
    self.source = source
  }

  /// - Parameter start: of the bytes in the tensor, at the beginning of an element; in blocks at any even number.
  package func look(at bytes: RawSpan, from start: Int) throws(WorkflowError) {
    let found: (index: Int, value: String)?
    switch form {
    case .elements(let dtype):
      if let isLarge = NonFinite.isLarge(bytes, dtype) {
        // What is not finite is large.
        guard isLarge else { return }
        large?.note()
      }
      guard let first = NonFinite.first(in: bytes, dtype) ?? tooLarge(bytes, dtype) else { return }
      found = (start / (dtype.bits / 8) + first.index, first.value)
    case .blocks(let codec): found = NonFinite.firstScale(in: bytes, from: start, codec)
    }
    guard let found else { return }
    // Of numbers that stand for others the file's own are spoken of.
    let held = (source as? GGUFModelView)?.storedNumber(found.index, of: tensor)
    throw WorkflowError(
      .copiesNotFinite(index: held?.index ?? found.index, value: held?.lacks ?? found.value),
      file: source.manifest.files[tensor.location.file].path, tensor: held?.tensor ?? tensor.name)
  }

  private func tooLarge(_ bytes: RawSpan, _ dtype: DType) -> (index: Int, value: String)? {
    guard let limit, dtype.isFloatWeight else { return nil }
    let values = DenseValues.floats(bytes, dtype)
    guard let index = values.firstIndex(where: { $0.magnitude > limit }) else { return nil }
    return (index, "\(values[index]), which a norm multiplies beyond the largest Float")
  }
}
