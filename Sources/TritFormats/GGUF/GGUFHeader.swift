// Tritsmith: the header of a GGUF file.

import TritCore

/// The header of a GGUF file of version 2 or 3, proved against the file's size.
///
///     "GGUF" · u32 version · u64 tensors · u64 keys
///     key:     string · u32 type · value
///     tensor:  string name · u32 dimensions · u64 each, contiguous first · u32 type · u64 offset
///     padding to the alignment · data
///
/// Specified in Docs/Formats/GGUF.md.
package struct GGUFHeader: Sendable {
  /// A tensor as the header lists it.
  package struct Tensor: Sendable, Hashable {
    package var name: String
    /// Contiguous dimension first, as stored.
    package var dimensions: [UInt64]
    package var type: UInt32
    /// From the start of the data.
    package var offset: UInt64
    /// Of this entry in the file.
    package var entryOffset: UInt64

    /// Of the type number in the file: after the length and text of the name, and the dimensions with their number.
    var typeOffset: UInt64 { entryOffset + 12 + UInt64(name.utf8.count) + 8 * UInt64(dimensions.count) }
  }

  package let version: UInt32
  package let entries: [MetadataEntry]
  package let tensors: [Tensor]
  package let alignment: UInt64
  /// From the start of the file.
  package let dataOffset: UInt64
  /// Keys whose text was not UTF-8 and was repaired.
  package let repaired: [String]

  /// Of the value of `general.file_type` in the file, where it is a u32.
  let fileTypeOffset: UInt64?

  static let magic: [UInt8] = Array("GGUF".utf8)
  static let alignmentKey = "general.alignment"
  static let fileTypeKey = "general.file_type"
  static let defaultAlignment: UInt64 = 32

  package init(of file: InputFile) throws {
    var cursor = GGUFCursor(file)
    let magic = try cursor.integer(UInt32.self, "the magic number")
    let magicBytes = littleEndianBytes(magic)
    guard magicBytes == GGUFHeader.magic else {
      if let standIn = try file.standIn() { throw FormatError(.standIn(standIn), file: file.path, byteOffset: 0) }
      let shown = Hexadecimal.text(magicBytes, separator: " ")
      throw cursor.error(.badMagic(found: "bytes " + shown), at: 0)
    }
    version = try cursor.integer(UInt32.self, "the version")
    // A version of the other byte order reads as a number without low bits.
    guard version == 0 || version & 0xFFFF != 0 else { throw cursor.error(.bigEndian, at: 4) }
    guard version == 2 || version == 3 else { throw cursor.error(.unsupportedVersion(version), at: 4) }
    let tensorCount = try cursor.integer(UInt64.self, "the number of tensors")
    let keyCount = try cursor.integer(UInt64.self, "the number of keys")
    // The smallest key has 13 bytes, the smallest tensor entry 24: counts the file cannot hold end here.
    guard keyCount <= cursor.remaining / 13 else {
      throw cursor.error(.tooMany(what: "keys", count: keyCount, limit: cursor.remaining / 13), at: 16)
    }
    guard tensorCount <= cursor.remaining / 24 else {
      throw cursor.error(.tooMany(what: "tensors", count: tensorCount, limit: cursor.remaining / 24), at: 8)
    }
    var repaired: [String] = []
    var places: [String: UInt64] = [:]
    entries = try GGUFHeader.entries(Int(clamping: keyCount), &cursor, &repaired, &places)
    self.repaired = repaired
    if case .uint32? = entries.first(where: { $0.key == GGUFHeader.fileTypeKey })?.value {
      // After the length and text of the key, and the number of the value's type.
      fileTypeOffset = places[GGUFHeader.fileTypeKey].map { $0 + 12 + UInt64(GGUFHeader.fileTypeKey.utf8.count) }
    } else {
      fileTypeOffset = nil
    }
    tensors = try GGUFHeader.tensors(Int(clamping: tensorCount), &cursor)
    alignment = try GGUFHeader.alignment(of: entries, cursor, at: places[GGUFHeader.alignmentKey] ?? 0)
    guard let start = Checked.aligned(cursor.offset, to: alignment) else {
      throw cursor.error(.badAlignment("\(alignment)"))
    }
    dataOffset = start
  }

  /// The value of a key.
  package func value(_ key: String) -> MetadataValue? {
    entries.first { ExactString($0.key) == ExactString(key) }?.value
  }

  private static func alignment(of entries: [MetadataEntry], _ cursor: GGUFCursor, at offset: UInt64) throws -> UInt64 {
    guard let value = entries.first(where: { $0.key == alignmentKey })?.value else { return defaultAlignment }
    guard case .uint32(let alignment) = value, alignment > 0, alignment & (alignment - 1) == 0 else {
      throw FormatError(
        .gguf(.badAlignment("\(value.typeName) \(value.text())")), file: cursor.file.path, byteOffset: offset,
        field: alignmentKey)
    }
    return UInt64(alignment)
  }

  // MARK: - Tensors

  private static func tensors(_ count: Int, _ cursor: inout GGUFCursor) throws -> [Tensor] {
    var names: Set<ExactString> = []
    var result: [Tensor] = []
    for _ in 0..<count {
      let start = cursor.offset
      let name = try cursor.string("a tensor's name").text
      guard names.insert(ExactString(name)).inserted else {
        throw FormatError(.duplicateTensor, file: cursor.file.path, tensor: name, byteOffset: start)
      }
      let rank = try cursor.integer(UInt32.self, "the number of dimensions of a tensor")
      guard rank <= 4 else { throw cursor.error(.tooManyDimensions(rank), at: start, tensor: name) }
      var dimensions: [UInt64] = []
      for _ in 0..<rank { dimensions.append(try cursor.integer(UInt64.self, "a dimension")) }
      let type = try cursor.integer(UInt32.self, "a tensor's type")
      let offset = try cursor.integer(UInt64.self, "a tensor's offset")
      result.append(Tensor(name: name, dimensions: dimensions, type: type, offset: offset, entryOffset: start))
    }
    return result
  }

  // MARK: - Metadata

  private static func entries(
    _ count: Int, _ cursor: inout GGUFCursor, _ repaired: inout [String], _ places: inout [String: UInt64]
  ) throws -> [MetadataEntry] {
    var keys: Set<ExactString> = []
    var result: [MetadataEntry] = []
    for _ in 0..<count {
      let start = cursor.offset
      let key = try cursor.string("a metadata key").text
      guard !key.isEmpty else { throw cursor.error(.emptyKey, at: start) }
      guard keys.insert(ExactString(key)).inserted else { throw cursor.error(.duplicateKey, at: start, field: key) }
      if key == alignmentKey || key == fileTypeKey { places[key] = start }
      var wasRepaired = false
      do {
        result.append(MetadataEntry(key, try value(&cursor, &wasRepaired)))
      } catch let error as FormatError {
        // The value reader knows the place; which key it belongs to is known here.
        throw error.placed(field: key)
      }
      if wasRepaired { repaired.append(key) }
    }
    return result
  }

  private static func value(_ cursor: inout GGUFCursor, _ repaired: inout Bool) throws -> MetadataValue {
    let place = cursor.offset
    switch try cursor.integer(UInt32.self, "a value's type") {
    case 0: return .uint8(try cursor.integer(UInt8.self, "a value"))
    case 1: return .int8(Int8(bitPattern: try cursor.integer(UInt8.self, "a value")))
    case 2: return .uint16(try cursor.integer(UInt16.self, "a value"))
    case 3: return .int16(Int16(bitPattern: try cursor.integer(UInt16.self, "a value")))
    case 4: return .uint32(try cursor.integer(UInt32.self, "a value"))
    case 5: return .int32(Int32(bitPattern: try cursor.integer(UInt32.self, "a value")))
    case 6: return .float32(Float(bitPattern: try cursor.integer(UInt32.self, "a value")))
    case 7: return .bool(try boolean(&cursor))
    case 8:
      let (text, wasRepaired) = try cursor.string("a text", repairs: true)
      repaired = repaired || wasRepaired
      return .string(text)
    case 9: return .array(try array(&cursor, &repaired))
    case 10: return .uint64(try cursor.integer(UInt64.self, "a value"))
    case 11: return .int64(Int64(bitPattern: try cursor.integer(UInt64.self, "a value")))
    case 12: return .float64(Double(bitPattern: try cursor.integer(UInt64.self, "a value")))
    case let other: throw cursor.error(.unknownValueType(other), at: place)
    }
  }

  private static func boolean(_ cursor: inout GGUFCursor) throws -> Bool {
    let place = cursor.offset
    let byte = try cursor.integer(UInt8.self, "a boolean")
    guard byte <= 1 else { throw cursor.error(.badBoolean(byte), at: place) }
    return byte == 1
  }

  /// Bytes of the smallest element of a type; nil for types an array cannot have.
  private static func smallestElement(_ type: UInt32) -> UInt64? {
    switch type {
    case 0, 1, 7: 1
    case 2, 3: 2
    case 4, 5, 6: 4
    case 8, 10, 11, 12: 8
    default: nil
    }
  }

  private static func array(_ cursor: inout GGUFCursor, _ repaired: inout Bool) throws -> MetadataArray {
    let place = cursor.offset
    let type = try cursor.integer(UInt32.self, "an array's type")
    let claimed = try cursor.integer(UInt64.self, "an array's length")
    guard type != 9 else { throw cursor.error(.nestedArray, at: place) }
    guard let smallest = smallestElement(type) else { throw cursor.error(.unknownValueType(type), at: place) }
    guard claimed <= cursor.remaining / smallest else {
      let limit = cursor.remaining / smallest
      throw cursor.error(.tooMany(what: "array elements", count: claimed, limit: limit), at: place)
    }
    let count = Int(clamping: claimed)
    func list<Element>(_ element: (inout GGUFCursor) throws -> Element) throws -> [Element] {
      var result: [Element] = []
      result.reserveCapacity(count)
      for _ in 0..<count { result.append(try element(&cursor)) }
      return result
    }
    let what = "an array element"
    switch type {
    case 0: return .uint8(try list { try $0.integer(UInt8.self, what) })
    case 1: return .int8(try list { Int8(bitPattern: try $0.integer(UInt8.self, what)) })
    case 2: return .uint16(try list { try $0.integer(UInt16.self, what) })
    case 3: return .int16(try list { Int16(bitPattern: try $0.integer(UInt16.self, what)) })
    case 4: return .uint32(try list { try $0.integer(UInt32.self, what) })
    case 5: return .int32(try list { Int32(bitPattern: try $0.integer(UInt32.self, what)) })
    case 6: return .float32(try list { Float(bitPattern: try $0.integer(UInt32.self, what)) })
    case 7: return .bool(try list { try boolean(&$0) })
    case 10: return .uint64(try list { try $0.integer(UInt64.self, what) })
    case 11: return .int64(try list { Int64(bitPattern: try $0.integer(UInt64.self, what)) })
    case 12: return .float64(try list { Double(bitPattern: try $0.integer(UInt64.self, what)) })
    default:
      return .string(
        try list {
          let (text, wasRepaired) = try $0.string("a text", repairs: true)
          repaired = repaired || wasRepaired
          return text
        })
    }
  }
}
