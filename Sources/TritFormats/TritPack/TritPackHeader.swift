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
        "version": .string(TritPackPreamble.Kind.tritpack.version),
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
struct TritPackHeaderReader: SectionedHeaderReader {
  let path: String
  let headerOffset: UInt64

  func read(_ json: [UInt8]) throws -> TritPackHeader {
    let object = try root(json)
    let sections = try list(object, "sections") { try section($0, "sections[\($1)]") }
    try checkTiling(sections)
    let tensors = try list(object, "tensors") { try tensor($0, sections, "tensors[\($1)]") }
    let files = try list(object, "files") { try file($0, sections, "files[\($1)]") }
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

  private func tensor(
    _ value: JSONValue, _ sections: [TritPackSection], _ field: String
  ) throws -> TritPackHeader.Tensor {
    let object = try self.object(value, field)
    let name = try string(object["name"] ?? .null, field + ".name")
    let shape = try self.shape(object["shape"], field + ".shape", of: name)
    let index = try sectionIndex(object, sections, field)
    var scale: TritPackHeader.Scale?
    let encoding: TensorEncoding
    let expected: Int?
    if let layoutName = object["ternary"]?.string {
      let layout = try layout(layoutName, shape, of: name, field)
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

  private func layout(
    _ layoutName: String, _ shape: TensorShape, of name: String, _ field: String
  ) throws -> any TernaryLayout {
    guard let layout = LayoutRegistry.layout(LayoutID(rawValue: layoutName)) else {
      throw FormatError(.unknownLayout(layoutName), file: path, tensor: name, field: field + ".ternary")
    }
    do throws(LayoutError) {
      try layout.check(shape)
    } catch {
      let location = ErrorLocation(file: path, tensor: name, field: field)
      throw LayoutError(error.kind.reason, layout: layout.id, location: location)
    }
    return layout
  }

  private func scale(
    _ value: JSONValue, _ shape: TensorShape, _ sections: [TritPackSection], _ field: String
  ) throws -> TritPackHeader.Scale {
    let object = try self.object(value, field)
    let (convention, dtype, granularity) = try scaleMeaning(object, field)
    if case .group = granularity, shape.hasLongRows {
      throw bad("groups in rows of \(shape.columns) weights; \(TensorShape.longestRow) are allowed", field)
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
    guard CompanionPath.isValid(name) else { throw FormatError(.unsafeName(name), file: path, field: field + ".name") }
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
}
