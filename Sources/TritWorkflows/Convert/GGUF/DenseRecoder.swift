// Tritsmith: dense numbers in another type.

import TritCore
import TritLayouts

/// How far values moved when they were stored in another type.
public struct RoundingReport: Sendable, Hashable {
  public var count = 0
  /// Values that are not the same any more.
  public var changed = 0
  /// max |before − after|
  public var largest = 0.0

  mutating func add(_ other: RoundingReport) {
    count += other.count
    changed += other.changed
    largest = max(largest, other.largest)
  }
}

/// Stores values in dense types and Q8_0.
enum DenseRecoder {
  /// Bytes of the values; the second result says what rounding did to them.
  static func encode(_ values: [Float], to encoding: TensorEncoding) -> (bytes: [UInt8], rounding: RoundingReport) {
    var rounding = RoundingReport()
    rounding.count = values.count
    func compare(_ value: Float, _ stored: Float) {
      guard value != stored else { return }
      rounding.changed += 1
      rounding.largest = max(rounding.largest, abs(Double(value) - Double(stored)))
    }
    switch encoding {
    case .dense(.f16): return (half(values, compare), rounding)
    case .dense(.bf16):
      var patterns = [UInt16](repeating: 0, count: values.count)
      for (index, value) in values.enumerated() {
        let stored = BFloat16(value)
        patterns[index] = stored.bits.littleEndian
        if stored.float != value { compare(value, stored.float) }
      }
      return (patterns.span.bytes.copied, rounding)
    case .opaque:
      let bytes = Q8_0.encode(values)
      let decoded = Q8_0.decode(bytes.span.bytes)
      for (value, stored) in zip(values, decoded) { compare(value, stored) }
      return (bytes, rounding)
    default:
      let patterns = values.map { $0.bitPattern.littleEndian }
      return (patterns.span.bytes.copied, rounding)
    }
  }

  private static func half(_ values: [Float], _ compare: (Float, Float) -> Void) -> [UInt8] {
    var patterns = [UInt16](repeating: 0, count: values.count)
    for (index, value) in values.enumerated() {
      let stored = HalfFloat(value)
      patterns[index] = stored.bits.littleEndian
      // Widening is only worth its time when bits were lost.
      if value.bitPattern & 0x1FFF != 0 || abs(value) < 0x1p-14 || abs(value) > 65504 {
        compare(value, stored.float)
      }
    }
    return patterns.span.bytes.copied
  }

  /// True when every value is a bfloat16 number, so that storing it as one loses nothing.
  static func areBFloat16(_ values: [Float]) -> Bool {
    values.allSatisfy { $0.bitPattern & 0xFFFF == 0 }
  }
}

extension RawSpan {
  /// A copy of the bytes.
  var copied: [UInt8] {
    var result = [UInt8](repeating: 0, count: byteCount)
    var output = result.mutableSpan
    for index in 0..<byteCount {
      output[unchecked: index] = unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
    }
    return result
  }
}
