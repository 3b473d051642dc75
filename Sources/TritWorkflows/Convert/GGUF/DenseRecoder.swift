// Tritsmith: dense numbers in another type.

import TritCore
import TritLayouts
import TritReport

/// How far values moved when they were stored in another type.
public struct RoundingReport: Sendable, Hashable {
  public var count = 0
  /// Values that are not the same any more.
  public var changed = 0
  /// max |before − after|; infinite when a number has become an infinity or NaN.
  public var largest = 0.0
  /// Of those that changed, how many are 0 now.
  public var vanished = 0
  /// Of those that changed, how many ggml's own encoder would have stored as another number.
  public var otherEncoder = 0
  /// Of those that changed, how many are one number in a GGUF file, which holds another in their place.
  public var roundTripped = 0
  /// The numbers that GGUF files hold others for, where any were round-tripped.
  var roundTripName: String?

  mutating func add(_ other: RoundingReport) {
    count += other.count
    changed += other.changed
    largest = max(largest, other.largest)
    vanished += other.vanished
    otherEncoder += other.otherEncoder
    roundTripped += other.roundTripped
    roundTripName = roundTripName ?? other.roundTripName
  }

  mutating func add(_ before: Float, _ after: Float) {
    guard before != after else { return }
    changed += 1
    if after == 0 { vanished += 1 }
    largest = before.isFinite && after.isFinite ? max(largest, abs(Double(before) - Double(after))) : .infinity
  }

  /// A size of rounding for people.
  static func text(_ value: Double) -> String { NumberText.significant(value, digits: 4) }

  /// For people; `how` names the types.
  func phrase(_ how: String) -> String {
    let roundTrip = "equal after the GGUF round trip of \(roundTripName ?? "the tensor")"
    if roundTripped == changed, changed > 0 {
      return
        "\(grouped(changed)) of \(grouped(count)) values \(roundTrip), by at most \(RoundingReport.text(largest))"
    }
    var text =
      "\(grouped(changed)) of \(grouped(count)) values rounded \(how), by at most \(RoundingReport.text(largest))"
    if vanished > 0 { text += "; \(grouped(vanished)) of them are 0 now" }
    if roundTripped > 0 { text += "; \(grouped(roundTripped)) of them \(roundTrip)" }
    if otherEncoder > 0 { text += "; \(otherEncoder) as another encoder than ggml's reference rounds them" }
    return text
  }
}

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
