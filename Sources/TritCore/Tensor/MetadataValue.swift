// Tritsmith: typed metadata of containers.

/// One key of a container's metadata.
package struct MetadataEntry: Sendable, Hashable {
  package var key: String
  package var value: MetadataValue

  package init(_ key: String, _ value: MetadataValue) {
    self.key = key
    self.value = value
  }
}

/// A typed value of a container's metadata, as GGUF has them.
package enum MetadataValue: Sendable, Hashable {
  case uint8(UInt8)
  case int8(Int8)
  case uint16(UInt16)
  case int16(Int16)
  case uint32(UInt32)
  case int32(Int32)
  case uint64(UInt64)
  case int64(Int64)
  case float32(Float)
  case float64(Double)
  case bool(Bool)
  case string(String)
  case array(MetadataArray)
}

/// An array of one element type; held unboxed, because a vocabulary has more than a hundred thousand.
package enum MetadataArray: Sendable, Hashable {
  case uint8([UInt8])
  case int8([Int8])
  case uint16([UInt16])
  case int16([Int16])
  case uint32([UInt32])
  case int32([Int32])
  case uint64([UInt64])
  case int64([Int64])
  case float32([Float])
  case float64([Double])
  case bool([Bool])
  case string([String])

  package var count: Int {
    switch self {
    case .uint8(let values): values.count
    case .int8(let values): values.count
    case .uint16(let values): values.count
    case .int16(let values): values.count
    case .uint32(let values): values.count
    case .int32(let values): values.count
    case .uint64(let values): values.count
    case .int64(let values): values.count
    case .float32(let values): values.count
    case .float64(let values): values.count
    case .bool(let values): values.count
    case .string(let values): values.count
    }
  }

  /// The first elements as text.
  package func texts(limit: Int = .max) -> [String] {
    switch self {
    case .uint8(let values): values.prefix(limit).map { "\($0)" }
    case .int8(let values): values.prefix(limit).map { "\($0)" }
    case .uint16(let values): values.prefix(limit).map { "\($0)" }
    case .int16(let values): values.prefix(limit).map { "\($0)" }
    case .uint32(let values): values.prefix(limit).map { "\($0)" }
    case .int32(let values): values.prefix(limit).map { "\($0)" }
    case .uint64(let values): values.prefix(limit).map { "\($0)" }
    case .int64(let values): values.prefix(limit).map { "\($0)" }
    case .float32(let values): values.prefix(limit).map { "\($0)" }
    case .float64(let values): values.prefix(limit).map { "\($0)" }
    case .bool(let values): values.prefix(limit).map { "\($0)" }
    case .string(let values): Array(values.prefix(limit))
    }
  }
}

extension MetadataValue {
  /// The value as an integer, whatever its width and sign; nil when it is none or does not fit.
  package var integer: Int? {
    switch self {
    case .uint8(let value): Int(value)
    case .int8(let value): Int(value)
    case .uint16(let value): Int(value)
    case .int16(let value): Int(value)
    case .uint32(let value): Int(value)
    case .int32(let value): Int(value)
    case .uint64(let value): Int(exactly: value)
    case .int64(let value): Int(value)
    default: nil
    }
  }

  /// The value as a number; nil for text, booleans and arrays.
  package var double: Double? {
    switch self {
    case .float32(let value): Double(value)
    case .float64(let value): value
    default: integer.map(Double.init)
    }
  }

  package var string: String? {
    if case .string(let value) = self { value } else { nil }
  }

  package var bool: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  package var array: MetadataArray? {
    if case .array(let value) = self { value } else { nil }
  }

  package var strings: [String]? {
    if case .array(.string(let values)) = self { values } else { nil }
  }

  /// Elements of an integer array as Int; nil for other values.
  package var integers: [Int]? {
    switch self {
    case .array(.int32(let values)): values.map(Int.init)
    case .array(.uint32(let values)): values.map(Int.init)
    case .array(.int64(let values)): values.map(Int.init)
    case .array(.int16(let values)): values.map(Int.init)
    case .array(.uint16(let values)): values.map(Int.init)
    case .array(.int8(let values)): values.map(Int.init)
    case .array(.uint8(let values)): values.map(Int.init)
    default: nil
    }
  }

  /// The one value of all elements of an integer array: files may give a setting layer by layer. Nil where they differ.
  package var commonInteger: Int? {
    guard let values = integers, let first = values.first, values.allSatisfy({ $0 == first }) else { return nil }
    return first
  }

  /// The type's name for tables: `u32`, `str`, `arr[str]`.
  package var typeName: String {
    switch self {
    case .uint8: "u8"
    case .int8: "i8"
    case .uint16: "u16"
    case .int16: "i16"
    case .uint32: "u32"
    case .int32: "i32"
    case .uint64: "u64"
    case .int64: "i64"
    case .float32: "f32"
    case .float64: "f64"
    case .bool: "bool"
    case .string: "str"
    case .array(let array): "arr[\(array.elementTypeName)]"
    }
  }

  /// The value as text; a long array is cut after `limit` elements.
  package func text(limit: Int = 6) -> String {
    switch self {
    case .uint8(let value): return "\(value)"
    case .int8(let value): return "\(value)"
    case .uint16(let value): return "\(value)"
    case .int16(let value): return "\(value)"
    case .uint32(let value): return "\(value)"
    case .int32(let value): return "\(value)"
    case .uint64(let value): return "\(value)"
    case .int64(let value): return "\(value)"
    case .float32(let value): return "\(value)"
    case .float64(let value): return "\(value)"
    case .bool(let value): return "\(value)"
    case .string(let value): return value
    case .array(let array):
      let shown = array.texts(limit: limit).map { array.elementTypeName == "str" ? "\"\($0)\"" : $0 }
      let rest = array.count > limit ? ", … (\(array.count))" : ""
      return "[" + shown.joined(separator: ", ") + rest + "]"
    }
  }
}

extension MetadataArray {
  package var elementTypeName: String {
    switch self {
    case .uint8: "u8"
    case .int8: "i8"
    case .uint16: "u16"
    case .int16: "i16"
    case .uint32: "u32"
    case .int32: "i32"
    case .uint64: "u64"
    case .int64: "i64"
    case .float32: "f32"
    case .float64: "f64"
    case .bool: "bool"
    case .string: "str"
    }
  }
}
