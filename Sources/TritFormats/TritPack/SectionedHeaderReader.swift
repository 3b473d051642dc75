// Tritsmith: reading JSON headers over sections.

import TritCore

/// What readers of TritPack and TritDiff headers share: values with their fields in errors, and the list of sections.
protocol SectionedHeaderReader {
  var path: String { get }
  var headerOffset: UInt64 { get }
}

extension SectionedHeaderReader {
  /// The header, proved to be a JSON object.
  func root(_ json: [UInt8]) throws -> JSONDocument {
    let root: JSONDocument?
    do {
      root = try JSONDocument(parsing: json)
    } catch {
      throw FormatError(.json(error), file: path, byteOffset: headerOffset + UInt64(error.offset))
    }
    guard let root else { throw wrong("an object", "something else", "header") }
    try checkKeys(root.duplicateKeys, "header")
    return root
  }

  func section(_ value: JSONValue, _ field: String) throws -> TritPackSection {
    let object = try self.object(value, field)
    let offset = try unsigned(object, "offset", field)
    let stored = try unsigned(object, "stored_bytes", field)
    let bytes = try integer(object, "bytes", field)
    let name = try string(object["compression"] ?? .null, field + ".compression")
    guard let compression = TritPackSection.Compression(rawValue: name) else {
      throw wrong("'none' or 'zstd'", "'\(name)'", field + ".compression")
    }
    let digest = try self.digest(object["sha256"] ?? .null, field + ".sha256")
    if compression == .none, UInt64(bytes) != stored {
      throw bad("an uncompressed section of \(bytes) bytes stores \(stored)", field)
    }
    // Each chunk costs at least its entry in the table and the smallest zstd frame.
    if compression == .zstd, UInt64(TritPackSection.chunkCount(bytes)) > stored / 4 {
      throw bad("\(stored) stored bytes cannot hold \(bytes)", field)
    }
    return TritPackSection(
      offset: offset, storedBytes: stored, bytes: bytes, compression: compression, digest: digest)
  }

  /// Sections follow each other from byte 64 to the header, each on the next multiple of 64.
  func checkTiling(_ sections: [TritPackSection]) throws(FormatError) {
    var position = TritPackPreamble.byteCount
    for (index, section) in sections.enumerated() {
      guard section.offset == position, let end = Checked.sum(section.offset, section.storedBytes),
        end <= headerOffset
      else {
        throw bad(
          "expected to begin at \(position) and end by \(headerOffset), found \(section.storedBytes) bytes at "
            + "\(section.offset)", "sections[\(index)]")
      }
      position = (end + TritPackPreamble.alignment - 1) / TritPackPreamble.alignment * TritPackPreamble.alignment
    }
    guard position == headerOffset else {
      throw bad("the sections end at \(position), the header begins at \(headerOffset)", "sections")
    }
  }

  func sectionIndex(_ object: JSONObject, _ sections: [TritPackSection], _ field: String) throws -> Int {
    try sectionIndex(object["section"], sections, field + ".section")
  }

  func sectionIndex(_ value: JSONValue?, _ sections: [TritPackSection], _ field: String) throws(FormatError) -> Int {
    let index = try integer(value, field)
    guard index < sections.count else { throw bad("section \(index) of \(sections.count) is named", field) }
    return index
  }

  /// The shape of a tensor, whose size fits 63 bits.
  func shape(_ value: JSONValue?, _ field: String, of tensor: String) throws(FormatError) -> TensorShape {
    guard let list = value?.array else { throw wrong("an array", value?.kindName ?? "nothing", field) }
    var dimensions: [Int] = []
    for element in list {
      guard let unsigned = element.number?.unsigned, let dimension = Int(exactly: unsigned) else {
        throw wrong("non-negative integers", element.kindName, field)
      }
      dimensions.append(dimension)
    }
    guard let shape = TensorShape(dimensions) else {
      throw FormatError(.overflow(shape: "\(dimensions)"), file: path, tensor: tensor, field: field)
    }
    return shape
  }

  func object(_ value: JSONValue, _ field: String) throws(FormatError) -> JSONObject {
    guard let object = value.object else { throw wrong("an object", value.kindName, field) }
    try checkKeys(object.duplicateKeys, field)
    return object
  }

  /// An object of the header whose lists are long.
  func part(_ header: JSONDocument, _ key: String) throws(FormatError) -> JSONDocument {
    guard let part = header.object(key) else { throw wrong("an object", header[key]?.kindName ?? "nothing", key) }
    try checkKeys(part.duplicateKeys, key)
    return part
  }

  private func checkKeys(_ duplicates: [String], _ field: String) throws(FormatError) {
    guard let key = duplicates.first else { return }
    throw FormatError(.duplicateField, file: path, field: field + "." + key)
  }

  /// Reads the entries of a list, one after the other.
  func list<Element>(
    _ header: JSONDocument, _ key: String, _ field: String = "header", _ read: (JSONValue, Int) throws -> Element
  ) throws -> [Element] {
    guard var elements = header.elements(key) else {
      throw wrong("an array", header[key]?.kindName ?? "nothing", "\(field).\(key)")
    }
    var result: [Element] = []
    while let element = elements.next() {
      result.append(try read(element, result.count))
      // A long list gets its whole place at once, and at most four times what its text has: growing by doubling would
      // take up to three times as much.
      if result.count == 4096 {
        result.reserveCapacity(
          result.count + elements.countToCome(smallest: max(2, MemoryLayout<Element>.stride / 4)))
      }
    }
    return result
  }

  func string(_ value: JSONValue, _ field: String) throws(FormatError) -> String {
    guard let string = value.string else { throw wrong("a string", value.kindName, field) }
    return string
  }

  func unsigned(_ object: JSONObject, _ key: String, _ field: String) throws(FormatError) -> UInt64 {
    try unsigned(object[key], "\(field).\(key)")
  }

  func unsigned(_ value: JSONValue?, _ field: String) throws(FormatError) -> UInt64 {
    guard let number = value?.number?.unsigned else {
      throw wrong("a non-negative integer", value?.kindName ?? "nothing", field)
    }
    return number
  }

  func integer(_ object: JSONObject, _ key: String, _ field: String) throws(FormatError) -> Int {
    try integer(object[key], "\(field).\(key)")
  }

  func integer(_ value: JSONValue?, _ field: String) throws(FormatError) -> Int {
    guard let integer = Int(exactly: try unsigned(value, field)) else {
      throw wrong("an integer below 2^63", "a larger one", field)
    }
    return integer
  }

  /// 64 digits.
  func digest(_ value: JSONValue, _ field: String) throws(FormatError) -> Digest {
    guard let digest = Digest(hex: try string(value, field)) else {
      throw wrong("64 hexadecimal digits", "something else", field)
    }
    return digest
  }

  func wrong(_ expected: String, _ found: String, _ field: String) -> FormatError {
    FormatError(.wrongType(expected: expected, found: found), file: path, field: field)
  }

  func bad(_ detail: String, _ field: String) -> FormatError {
    FormatError(.badSection(detail), file: path, field: field)
  }

  /// Convention, dtype and granularity of scales.
  func scaleMeaning(
    _ object: JSONObject, _ field: String
  ) throws -> (convention: ScaleConvention, storage: DType, granularity: ScaleGranularity) {
    let conventionName = try string(object["convention"] ?? .null, field + ".convention")
    guard let convention = ScaleConvention(rawValue: conventionName) else {
      throw wrong("'multiply' or 'divide'", "'\(conventionName)'", field + ".convention")
    }
    let dtype = try scaleType(object["dtype"] ?? .null, field + ".dtype")
    let kind = try string(object["granularity"] ?? .null, field + ".granularity")
    let columns = kind == "group" ? try integer(object, "group_columns", field) : nil
    return (convention, dtype, try granularity(kind, columns: columns, field))
  }

  /// The type of stored scales.
  func scaleType(_ value: JSONValue, _ field: String) throws(FormatError) -> DType {
    let name = try string(value, field)
    guard let dtype = DType(rawValue: name), [.bf16, .f16, .f32].contains(dtype) else {
      throw wrong("BF16, F16 or F32", "'\(name)'", field)
    }
    return dtype
  }

  /// Granularity by its name; `field` is that of the scales.
  func granularity(_ kind: String, columns: Int?, _ field: String) throws(FormatError) -> ScaleGranularity {
    switch kind {
    case "tensor": return .tensor
    case "row": return .row
    case "group":
      let columns = columns ?? 0
      guard columns > 0 else { throw wrong("at least 1", "\(columns)", field + ".group_columns") }
      return .group(columns: columns)
    default: throw wrong("'tensor', 'row' or 'group'", "'\(kind)'", field + ".granularity")
    }
  }
}
