// Tritsmith: element types.

/// Element types of the safetensors format, in the reference writer's rank order, lowest first.
///
/// Source: safetensors 0.8.0, `tensor.rs`.
public enum DType: String, Sendable, Hashable, CaseIterable, Codable {
  case bool = "BOOL"
  case f4 = "F4"
  case f6E2M3 = "F6_E2M3"
  case f6E3M2 = "F6_E3M2"
  case u8 = "U8"
  case i8 = "I8"
  case f8E5M2 = "F8_E5M2"
  case f8E4M3 = "F8_E4M3"
  case f8E8M0 = "F8_E8M0"
  case f8E4M3FNUZ = "F8_E4M3FNUZ"
  case f8E5M2FNUZ = "F8_E5M2FNUZ"
  case i16 = "I16"
  case u16 = "U16"
  case f16 = "F16"
  case bf16 = "BF16"
  case i32 = "I32"
  case u32 = "U32"
  case f32 = "F32"
  case c64 = "C64"
  case f64 = "F64"
  case i64 = "I64"
  case u64 = "U64"

  /// Size of one element in bits; below 8 several elements share a byte.
  @usableFromInline package var bits: Int {
    switch self {
    case .f4: 4
    case .f6E2M3, .f6E3M2: 6
    case .bool, .u8, .i8, .f8E5M2, .f8E4M3, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ: 8
    case .i16, .u16, .f16, .bf16: 16
    case .i32, .u32, .f32: 32
    case .c64, .f64, .i64, .u64: 64
    }
  }

  /// Whether its numbers are whole: positions, ids, codes.
  package var isInteger: Bool {
    switch self {
    case .bool, .u8, .i8, .i16, .u16, .i32, .u32, .i64, .u64: true
    case .f4, .f6E2M3, .f6E3M2, .f8E5M2, .f8E4M3, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ, .f16, .bf16, .f32, .c64, .f64:
      false
    }
  }

  /// Position in the reference writer's order: data is written highest rank first.
  package var rank: Int { DType.allCases.firstIndex(of: self) ?? 0 }

  /// True for the types whose values this package can read as numbers.
  package var isDecodable: Bool {
    switch self {
    case .bf16, .f16, .f32, .f64, .bool, .u8, .i8, .u16, .i16, .u32, .i32, .u64, .i64: true
    default: false
    }
  }

  /// True for the types a weight matrix may be stored in before it is made ternary.
  package var isFloatWeight: Bool {
    switch self {
    case .bf16, .f16, .f32, .f64: true
    default: false
    }
  }
}
