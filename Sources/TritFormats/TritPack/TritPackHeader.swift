// Tritsmith: the JSON header of a TritPack file.

import TritCore
import TritLayouts

/// What the header of a TritPack file says, proved against the file's size.
struct TritPackHeader: Sendable {
  struct Tensor: Sendable {
    var name: String
    var shape: TensorShape
    var encoding: TensorEncoding
    var section: Int
    var scale: Scale?
  }

  struct Scale: Sendable {
    var storage: DType
    var granularity: ScaleGranularity
    var convention: ScaleConvention
    var section: Int
  }

  struct File: Sendable {
    var name: String
    var section: Int
  }

  var generator: String
  /// What made the file: tool, quantizer, arithmetic, source files with SHA-256. Free form, kept as written.
  var recipe: JSONObject
  var metadata: [(key: String, value: String)]
  var tensors: [Tensor]
  var files: [File]
  var sections: [TritPackSection]
}

// MARK: - Writing

extension TritPackHeader {
  var json: JSONValue {
    .object(
      [
        "format": "tritpack",
        "version": .string("\(TritPackPreamble.major).\(TritPackPreamble.minor)"),
        "generator": .string(generator),
        "recipe": .object(recipe),
        "metadata": .object(
          JSONObject(entries: metadata.map { .init(key: $0.key, value: .string($0.value)) })),
        "tensors": .array(tensors.map(\.json)),
        "files": .array(
          files.map { .object(["name": .string($0.name), "section": .number(JSONNumber($0.section))]) }),
        "sections": .array(sections.map(\.json)),
      ])
  }
}

extension TritPackHeader.Tensor {
  var json: JSONValue {
    var object: JSONObject = [
      "name": .string(name), "shape": .array(shape.dimensions.map { .number(JSONNumber($0)) }),
    ]
    func add(_ key: String, _ value: JSONValue) { object.entries.append(.init(key: key, value: value)) }
    switch encoding {
    case .ternary(let layout): add("ternary", .string(layout.rawValue))
    case .dense(let dtype): add("dense", .string(dtype.rawValue))
    case .opaque(let name): add("opaque", .string(name))
    }
    add("section", .number(JSONNumber(section)))
    if let scale { add("scale", scale.json) }
    return .object(object)
  }
}

extension TritPackHeader.Scale {
  var json: JSONValue {
    var object: JSONObject = [
      "convention": .string(convention.rawValue), "dtype": .string(storage.rawValue),
      "granularity": .string(granularity.name), "section": .number(JSONNumber(section)),
    ]
    if case .group(let columns) = granularity {
      object.entries.append(.init(key: "group_columns", value: .number(JSONNumber(columns))))
    }
    return .object(object)
  }
}

extension ScaleGranularity {
  var name: String {
    switch self {
    case .tensor: "tensor"
    case .row: "row"
    case .group: "group"
    }
  }
}

// MARK: - Reading

/// Reads a header and proves it: names, shapes, sizes, and that sections tile the file.
struct TritPackHeaderReader {
  let path: String
  let headerOffset: UInt64

  func read(_ json: [UInt8]) throws -> TritPackHeader {
    let root: JSONValue
    do {
      root = try JSONValue.parse(json)
    } catch {
      throw FormatError(.json(error), file: path, byteOffset: headerOffset + UInt64(error.offset))
    }
    let object = try self.object(root, "header")
    let sections = try list(object, "sections").enumerated().map { try section($1, "sections[\($0)]") }
    try checkTiling(sections)
    let tensors = try list(object, "tensors").enumerated().map { try tensor($1, sections, "tensors[\($0)]") }
    let files = try list(object, "files").enumerated().map { try file($1, sections, "files[\($0)]") }
    try checkUse(sections.count, tensors, files)
    var metadata: [(key: String, value: String)] = []
    for entry in object["metadata"]?.object?.entries ?? [] {
      metadata.append((entry.key, try string(entry.value, "metadata." + entry.key)))
    }
    return TritPackHeader(
      generator: object["generator"]?.string ?? "", recipe: object["recipe"]?.object ?? JSONObject(),
      metadata: metadata, tensors: tensors, files: files, sections: sections)
  }

  // MARK: Parts

  private func section(_ value: JSONValue, _ field: String) throws -> TritPackSection {
    let object = try self.object(value, field)
    let offset = try unsigned(object, "offset", field)
    let stored = try unsigned(object, "stored_bytes", field)
    let bytes = try integer(object, "bytes", field)
    let name = try string(object["compression"] ?? .null, field + ".compression")
    guard let compression = TritPackSection.Compression(rawValue: name) else {
      throw wrong("'none' or 'zstd'", "'\(name)'", field + ".compression")
    }
    guard let digest = Digest(hex: try string(object["sha256"] ?? .null, field + ".sha256")) else {
      throw wrong("64 hexadecimal digits", "something else", field + ".sha256")
    }
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

  private func tensor(
    _ value: JSONValue, _ sections: [TritPackSection], _ field: String
  ) throws -> TritPackHeader.Tensor {
    let object = try self.object(value, field)
    let name = try string(object["name"] ?? .null, field + ".name")
    var dimensions: [Int] = []
    for element in try list(object, "shape", field) {
      guard let unsigned = element.number?.unsigned, let dimension = Int(exactly: unsigned) else {
        throw wrong("non-negative integers", element.kindName, field + ".shape")
      }
      dimensions.append(dimension)
    }
    guard let shape = TensorShape(dimensions) else {
      throw FormatError(.overflow(shape: "\(dimensions)"), file: path, tensor: name, field: field + ".shape")
    }
    let index = try sectionIndex(object, sections, field)
    var scale: TritPackHeader.Scale?
    let encoding: TensorEncoding
    let expected: Int?
    if let layoutName = object["ternary"]?.string {
      guard let layout = LayoutRegistry.layout(LayoutID(rawValue: layoutName)) else {
        throw FormatError(.unknownLayout(layoutName), file: path, tensor: name, field: field + ".ternary")
      }
      do throws(LayoutError) {
        try layout.check(shape)
      } catch {
        let location = ErrorLocation(file: path, tensor: name, field: field)
        throw LayoutError(error.kind, layout: layout.id, location: location)
      }
      encoding = .ternary(layout.id)
      expected = layout.byteCount(shape)
      scale = try self.scale(object["scale"] ?? .null, shape, sections, field + ".scale")
    } else {
      let dtypeName = try string(object["dense"] ?? .null, field + ".dense")
      guard let dtype = DType(rawValue: dtypeName) else {
        throw FormatError(.unknownDType(dtypeName), file: path, tensor: name, field: field + ".dense")
      }
      encoding = .dense(dtype)
      let bits = Checked.product(shape.elementCount, dtype.bits)
      expected = bits.flatMap { $0 % 8 == 0 ? $0 / 8 : nil }
    }
    try checkExpansion(sections[index], .streamed, field)
    guard
      sections[index].compression == .none || shape.columns <= TritPackSection.compressedColumnLimit
        || !shape.isMatrix
    else {
      let limit = TritPackSection.compressedColumnLimit
      throw bad("a compressed matrix of \(shape.columns) columns; \(limit) are allowed", field)
    }
    guard expected == sections[index].bytes else {
      throw FormatError(
        .sizeMismatch(expected: UInt64(expected ?? 0), found: UInt64(sections[index].bytes)), file: path, tensor: name,
        field: field)
    }
    return TritPackHeader.Tensor(name: name, shape: shape, encoding: encoding, section: index, scale: scale)
  }

  private func scale(
    _ value: JSONValue, _ shape: TensorShape, _ sections: [TritPackSection], _ field: String
  ) throws -> TritPackHeader.Scale {
    let object = try self.object(value, field)
    let conventionName = try string(object["convention"] ?? .null, field + ".convention")
    guard let convention = ScaleConvention(rawValue: conventionName) else {
      throw wrong("'multiply' or 'divide'", "'\(conventionName)'", field + ".convention")
    }
    let dtypeName = try string(object["dtype"] ?? .null, field + ".dtype")
    guard let dtype = DType(rawValue: dtypeName), [.bf16, .f16, .f32].contains(dtype) else {
      throw wrong("BF16, F16 or F32", "'\(dtypeName)'", field + ".dtype")
    }
    let granularity: ScaleGranularity
    switch try string(object["granularity"] ?? .null, field + ".granularity") {
    case "tensor": granularity = .tensor
    case "row": granularity = .row
    case "group":
      let columns = try integer(object, "group_columns", field)
      guard columns > 0 else { throw wrong("at least 1", "\(columns)", field + ".group_columns") }
      granularity = .group(columns: columns)
    case let other: throw wrong("'tensor', 'row' or 'group'", "'\(other)'", field + ".granularity")
    }
    let index = try sectionIndex(object, sections, field)
    try checkExpansion(sections[index], .whole, field)
    let count = granularity.count(rows: shape.rows, columns: shape.columns)
    guard let bytes = Checked.product(count, dtype.bits / 8), bytes == sections[index].bytes else {
      throw bad("\(count) scales of \(dtype.rawValue) do not fill a section of \(sections[index].bytes) bytes", field)
    }
    return TritPackHeader.Scale(storage: dtype, granularity: granularity, convention: convention, section: index)
  }

  private func file(_ value: JSONValue, _ sections: [TritPackSection], _ field: String) throws -> TritPackHeader.File {
    let object = try self.object(value, field)
    let name = try string(object["name"] ?? .null, field + ".name")
    guard FileSystem.isPlainName(name) else { throw FormatError(.unsafeName(name), file: path, field: field + ".name") }
    let index = try sectionIndex(object, sections, field)
    // Files are read whole, so a small compressed section must not stand for a huge one.
    try checkExpansion(sections[index], .whole, field)
    guard UInt64(sections[index].bytes) <= ModelFolder.companionLimit else {
      throw bad("an embedded file of \(sections[index].bytes) bytes; \(ModelFolder.companionLimit) are allowed", field)
    }
    return TritPackHeader.File(name: name, section: index)
  }

  private func checkExpansion(
    _ section: TritPackSection, _ expansion: TritPackSection.Expansion, _ field: String
  ) throws(FormatError) {
    let limit = expansion.limit(stored: section.storedBytes)
    guard section.compression == .none || UInt64(section.bytes) <= limit else {
      throw bad("\(section.storedBytes) stored bytes unpack to \(section.bytes); \(limit) are allowed", field)
    }
  }

  // MARK: Structure

  /// Sections follow each other from byte 64 to the header, each on the next multiple of 64.
  private func checkTiling(_ sections: [TritPackSection]) throws(FormatError) {
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

  /// Every section serves one purpose, every name stands once.
  private func checkUse(
    _ sectionCount: Int, _ tensors: [TritPackHeader.Tensor], _ files: [TritPackHeader.File]
  ) throws(FormatError) {
    var used = [Bool](repeating: false, count: sectionCount)
    let indices = tensors.flatMap { [$0.section] + ($0.scale.map { [$0.section] } ?? []) } + files.map(\.section)
    for index in indices {
      guard !used[index] else { throw bad("section \(index) is used twice", "sections[\(index)]") }
      used[index] = true
    }
    if let unused = used.firstIndex(of: false) {
      throw bad("section \(unused) is used by nothing", "sections[\(unused)]")
    }
    var names: Set<ExactString> = []
    for tensor in tensors where !names.insert(ExactString(tensor.name)).inserted {
      throw FormatError(.duplicateTensor, file: path, tensor: tensor.name)
    }
    var fileNames: Set<ExactString> = []
    for file in files where !fileNames.insert(ExactString(file.name)).inserted {
      throw bad("the file '\(printable(file.name))' stands twice", "files")
    }
  }

  // MARK: Values

  private func sectionIndex(_ object: JSONObject, _ sections: [TritPackSection], _ field: String) throws -> Int {
    let index = try integer(object, "section", field)
    guard index < sections.count else {
      throw bad("section \(index) of \(sections.count) is named", field + ".section")
    }
    return index
  }

  private func object(_ value: JSONValue, _ field: String) throws(FormatError) -> JSONObject {
    guard let object = value.object else { throw wrong("an object", value.kindName, field) }
    if let key = object.duplicateKeys.first {
      throw FormatError(.duplicateField, file: path, field: field + "." + key)
    }
    return object
  }

  private func list(_ object: JSONObject, _ key: String, _ field: String = "header") throws -> [JSONValue] {
    guard let list = object[key]?.array else {
      throw wrong("an array", object[key]?.kindName ?? "nothing", "\(field).\(key)")
    }
    return list
  }

  private func string(_ value: JSONValue, _ field: String) throws(FormatError) -> String {
    guard let string = value.string else { throw wrong("a string", value.kindName, field) }
    return string
  }

  private func unsigned(_ object: JSONObject, _ key: String, _ field: String) throws(FormatError) -> UInt64 {
    guard let value = object[key]?.number?.unsigned else {
      throw wrong("a non-negative integer", object[key]?.kindName ?? "nothing", "\(field).\(key)")
    }
    return value
  }

  private func integer(_ object: JSONObject, _ key: String, _ field: String) throws(FormatError) -> Int {
    guard let value = Int(exactly: try unsigned(object, key, field)) else {
      throw wrong("an integer below 2^63", "a larger one", "\(field).\(key)")
    }
    return value
  }

  private func wrong(_ expected: String, _ found: String, _ field: String) -> FormatError {
    FormatError(.wrongType(expected: expected, found: found), file: path, field: field)
  }

  private func bad(_ detail: String, _ field: String) -> FormatError {
    FormatError(.badSection(detail), file: path, field: field)
  }
}
