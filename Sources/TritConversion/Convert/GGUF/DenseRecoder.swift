// Tritsmith: dense numbers in another type.

import TritCore
import TritLayouts
import TritSurvey

/// Stores values in dense types and in blocks.
package enum DenseRecoder {
  /// Bytes of the values; the second result says what rounding did to them.
  package static func encode(_ values: [Float], to encoding: TensorEncoding) -> (
    bytes: [UInt8], rounding: RoundingReport
  ) {
    var rounding = RoundingReport()
    rounding.count = values.count
    switch encoding {
    case .dense(.f16): return (half(values, &rounding), rounding)
    case .dense(.bf16):
      var patterns = [UInt16](repeating: 0, count: values.count)
      for (index, value) in values.enumerated() {
        let stored = BFloat16(value)
        patterns[index] = stored.bits.littleEndian
        if stored.float != value { rounding.add(value, stored.float) }
      }
      return (patterns.span.bytes.copied, rounding)
    case .opaque:
      guard let codec = encoding.writableBlockCodec else {
        preconditionFailure("the planner chooses types that are written")
      }
      let bytes = codec.encode(values)
      let decoded = codec.decode(bytes.span.bytes)
      for (value, stored) in zip(values, decoded) { rounding.add(value, stored) }
      if values.contains(where: { !(abs($0) <= codec.largest) }) { rounding.largest = .infinity }
      return (bytes, rounding)
    default:
      let patterns = values.map { $0.bitPattern.littleEndian }
      return (patterns.span.bytes.copied, rounding)
    }
  }

  /// The values that encoded bytes stand for.
  static func decode(_ bytes: [UInt8], _ encoding: TensorEncoding) -> [Float] {
    if let codec = encoding.blockCodec { return codec.decode(bytes.span.bytes) }
    return encoding.dtype.map { DenseValues.floats(bytes.span.bytes, $0) } ?? []
  }

  private static func half(_ values: [Float], _ rounding: inout RoundingReport) -> [UInt8] {
    var patterns = [UInt16](repeating: 0, count: values.count)
    for (index, value) in values.enumerated() {
      let stored = HalfFloat(value)
      patterns[index] = stored.bits.littleEndian
      // Widening is only worth its time when bits were lost.
      if value.bitPattern & 0x1FFF != 0 || abs(value) < 0x1p-14 || abs(value) > 65504 {
        rounding.add(value, stored.float)
      }
    }
    return patterns.span.bytes.copied
  }

  /// True when every value is a bfloat16 number, so that storing it as one loses nothing.
  static func areBFloat16(_ values: [Float]) -> Bool {
    values.allSatisfy { $0.bitPattern & 0xFFFF == 0 }
  }
}
