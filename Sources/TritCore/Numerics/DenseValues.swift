// Tritsmith: numbers of any dense type.

/// Decodes dense elements; every type of the format that is a number.
package enum DenseValues {
  /// Elements as Float. Exact for BF16, F16 and F32; F64 is rounded once, as `.float()` of torch does.
  package static func floats(_ bytes: RawSpan, _ dtype: DType) -> [Float] {
    decode(bytes, dtype) { $0 }
  }

  /// Elements as Double. Exact for all but integers above 2^53.
  package static func doubles(_ bytes: RawSpan, _ dtype: DType) -> [Double] {
    if dtype == .f64 { return map(bytes, UInt64.self) { Double(bitPattern: $0) } }
    if dtype == .i64 { return map(bytes, UInt64.self) { Double(Int64(bitPattern: $0)) } }
    if dtype == .u64 { return map(bytes, UInt64.self) { Double($0) } }
    if dtype == .i32 { return map(bytes, UInt32.self) { Double(Int32(bitPattern: $0)) } }
    if dtype == .u32 { return map(bytes, UInt32.self) { Double($0) } }
    return decode(bytes, dtype) { Double($0) }
  }

  private static func decode<Value>(
    _ bytes: RawSpan, _ dtype: DType, _ convert: (Float) -> Value
  ) -> [Value] {
    switch dtype {
    case .bf16: map(bytes, UInt16.self) { convert(BFloat16(bits: $0).float) }
    case .f16: map(bytes, UInt16.self) { convert(HalfFloat(bits: $0).float) }
    case .f32: map(bytes, UInt32.self) { convert(Float(bitPattern: $0)) }
    case .f64: map(bytes, UInt64.self) { convert(Float(Double(bitPattern: $0))) }
    case .bool, .u8: map(bytes, UInt8.self) { convert(Float($0)) }
    case .i8: map(bytes, UInt8.self) { convert(Float(Int8(bitPattern: $0))) }
    case .u16: map(bytes, UInt16.self) { convert(Float($0)) }
    case .i16: map(bytes, UInt16.self) { convert(Float(Int16(bitPattern: $0))) }
    case .u32: map(bytes, UInt32.self) { convert(Float($0)) }
    case .i32: map(bytes, UInt32.self) { convert(Float(Int32(bitPattern: $0))) }
    case .u64: map(bytes, UInt64.self) { convert(Float($0)) }
    case .i64: map(bytes, UInt64.self) { convert(Float(Int64(bitPattern: $0))) }
    default: preconditionFailure("\(dtype.rawValue) is listed, not decoded; callers check isDecodable")
    }
  }

  private static func map<Pattern: FixedWidthInteger & BitwiseCopyable, Value>(
    _ bytes: RawSpan, _: Pattern.Type, _ value: (Pattern) -> Value
  ) -> [Value] {
    let width = MemoryLayout<Pattern>.size
    let count = bytes.byteCount / width
    return [Value](unsafeUninitializedCapacity: count) { values, initialized in
      for index in 0..<count {
        let pattern = bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index &* width, as: Pattern.self)
        values.initializeElement(at: index, to: value(Pattern(littleEndian: pattern)))
      }
      initialized = count
    }
  }

  /// bfloat16 patterns of Float values.
  package static func bfloat16(_ values: [Float]) -> [UInt16] {
    values.map { BFloat16($0).bits.littleEndian }
  }
}
