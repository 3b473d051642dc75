// Tritsmith: the header of a safetensors file.

import TritCore

/// The header of a safetensors file, proved against the file's size.
///
///     u64 LE length N · N bytes of JSON · data
///
/// Once a header exists, every tensor's bytes lie inside the file, begin where the last ended, and are as many as
/// shape and dtype need. Verdicts follow the reference reader (safetensors 0.8.0); the differences, all towards
/// refusing, are listed in Docs/Formats/Safetensors.md.
package struct SafetensorsHeader: Sendable {
  /// A tensor as the header describes it.
  package struct Entry: Sendable, Hashable {
    package var name: String
    package var dtype: DType
    package var shape: TensorShape
    /// From the start of the data.
    package var begin: UInt64
    package var end: UInt64
  }

  /// Sorted by position in the data.
  package let entries: [Entry]
  /// `__metadata__`, in file order, the last of equal keys; nil when absent or null.
  package let metadata: [(key: String, value: String)]?
  /// Bytes before the data: 8 + N.
  package let byteCount: UInt64

  /// The largest header the reference reader takes.
  package static let lengthLimit: UInt64 = 100_000_000

  /// The most dimensions a tensor may have; numpy and torch stop at 64.
  package static let rankLimit = 64

  /// Reads and proves the header of a file.
  package init(of file: InputFile) throws {
    guard file.byteCount >= 8 else {
      throw FormatError(file.byteCount == 0 ? .emptyFile : .headerTooSmall(found: file.byteCount), file: file.path)
    }
    let length = try file.bytes(0..<8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= SafetensorsHeader.lengthLimit else {
      // Text in place of the file has bytes there that no length has.
      if let standIn = try file.standIn() { throw FormatError(.standIn(standIn), file: file.path, byteOffset: 0) }
      let kind = FormatError.Kind.headerTooLarge(length: length, limit: SafetensorsHeader.lengthLimit)
      throw FormatError(kind, file: file.path, byteOffset: 0)
    }
    guard length <= file.byteCount - 8 else {
      let kind = FormatError.Kind.headerPastEnd(length: length, available: file.byteCount - 8)
      throw FormatError(kind, file: file.path, byteOffset: 0)
    }
    try self.init(json: file.bytes(8..<8 + length), fileSize: file.byteCount, path: file.path)
  }

  /// Proves header text; `fileSize` is that of the whole file.
  package init(json: [UInt8], fileSize: UInt64, path: String) throws(FormatError) {
    let reader = HeaderReader(path: path)
    let root: JSONValue
    do {
      root = try JSONValue.parse(json)
    } catch {
      throw FormatError(.json(error), file: path, byteOffset: 8 + UInt64(error.offset))
    }
    guard let object = root.object else {
      throw FormatError(.wrongType(expected: "an object of tensors", found: root.kindName), file: path, byteOffset: 8)
    }
    var metadata: [(key: String, value: String)]?
    var seenMetadata = false
    var names: Set<ExactString> = []
    var entries: [Entry] = []
    for item in object.entries {
      if item.key == "__metadata__" {
        guard !seenMetadata else { throw reader.error(.duplicateField, item, field: "__metadata__") }
        seenMetadata = true
        metadata = try reader.metadata(item)
        continue
      }
      guard names.insert(ExactString(item.key)).inserted else { throw reader.error(.duplicateTensor, item) }
      entries.append(try reader.entry(item))
    }
    entries.sort { ($0.begin, $0.end) < ($1.begin, $1.end) }
    byteCount = 8 + UInt64(json.count)
    self.metadata = metadata
    self.entries = entries
    try check(fileSize: fileSize, reader)
  }

  /// The reference's checks on the sorted entries, in its order.
  private func check(fileSize: UInt64, _ reader: HeaderReader) throws(FormatError) {
    var position: UInt64 = 0
    for entry in entries {
      guard entry.end >= entry.begin else {
        throw reader.error(.invertedOffsets(begin: entry.begin, end: entry.end), entry.name)
      }
      guard entry.begin == position else {
        throw reader.error(.hole(expectedBegin: position, begin: entry.begin), entry.name)
      }
      guard let bits = Checked.product(UInt64(entry.shape.elementCount), UInt64(entry.dtype.bits)) else {
        throw reader.error(.overflow(shape: entry.shape.description), entry.name)
      }
      guard bits % 8 == 0 else { throw reader.error(.fractionalBytes(bits: bits), entry.name) }
      guard entry.end - entry.begin == bits / 8 else {
        throw reader.error(.sizeMismatch(expected: bits / 8, found: entry.end - entry.begin), entry.name)
      }
      position = entry.end
    }
    guard let end = Checked.sum(position, byteCount), end == fileSize else {
      let end = Checked.sum(position, byteCount) ?? UInt64.max
      let kind = FormatError.Kind.notCovered(dataEnd: end, fileSize: fileSize)
      throw FormatError(kind, file: reader.path, byteOffset: min(end, fileSize))
    }
  }
}

/// Reads the entries of a header object.
private struct HeaderReader {
  let path: String

  func metadata(_ item: JSONObject.Entry) throws(FormatError) -> [(key: String, value: String)]? {
    if item.value.isNull { return nil }
    guard let object = item.value.object else {
      throw error(.wrongType(expected: "an object of strings", found: item.value.kindName), item, field: "__metadata__")
    }
    var result: [(key: String, value: String)] = []
    for entry in object.entries {
      guard let value = entry.value.string else {
        let kind = FormatError.Kind.wrongType(expected: "a string", found: entry.value.kindName)
        throw error(kind, entry, field: "__metadata__." + entry.key)
      }
      result.append((entry.key, value))
    }
    // The last of equal keys, found in one pass from the end: a header may hold millions.
    var seen: Set<ExactString> = []
    return result.reversed().filter { seen.insert(ExactString($0.key)).inserted }.reversed()
  }

  func entry(_ item: JSONObject.Entry) throws(FormatError) -> SafetensorsHeader.Entry {
    guard let fields = item.value.object else {
      throw error(.wrongType(expected: "an object with dtype, shape, data_offsets", found: item.value.kindName), item)
    }
    for name in ["dtype", "shape", "data_offsets"] {
      let count = fields.entries.count { $0.key == name }
      guard count > 0 else { throw error(.missingField, item, field: name) }
      guard count == 1 else { throw error(.duplicateField, item, field: name) }
    }
    let dtypeValue = fields["dtype"] ?? .null
    guard let dtypeName = dtypeValue.string else {
      throw error(.wrongType(expected: "the name of a dtype", found: dtypeValue.kindName), item, field: "dtype")
    }
    guard let dtype = DType(rawValue: dtypeName) else { throw error(.unknownDType(dtypeName), item, field: "dtype") }
    // No array library takes more dimensions, and each would cost many times the two bytes it has in the file.
    let rank = fields["shape"]?.array?.count ?? 0
    guard rank <= SafetensorsHeader.rankLimit else {
      let kind = FormatError.Kind.wrongType(
        expected: "at most \(SafetensorsHeader.rankLimit) dimensions", found: "\(rank)")
      throw error(kind, item, field: "shape")
    }
    let dimensions = try integers(fields["shape"] ?? .null, item, field: "shape")
    let offsets = try integers(fields["data_offsets"] ?? .null, item, field: "data_offsets")
    guard offsets.count == 2 else {
      let kind = FormatError.Kind.wrongType(expected: "two offsets", found: "\(offsets.count)")
      throw error(kind, item, field: "data_offsets")
    }
    // The product is checked here in 64 unsigned bits as the reference does, and must then fit a signed size.
    let signed = dimensions.compactMap { Int(exactly: $0) }
    guard Checked.product(dimensions) != nil, signed.count == dimensions.count, let shape = TensorShape(signed) else {
      throw error(.overflow(shape: "\(dimensions)"), item, field: "shape")
    }
    return SafetensorsHeader.Entry(name: item.key, dtype: dtype, shape: shape, begin: offsets[0], end: offsets[1])
  }

  private func integers(
    _ value: JSONValue, _ item: JSONObject.Entry, field: String
  ) throws(FormatError) -> [UInt64] {
    guard let elements = value.array else {
      throw error(.wrongType(expected: "an array of integers", found: value.kindName), item, field: field)
    }
    var result: [UInt64] = []
    for element in elements {
      guard let integer = element.number?.unsigned else {
        let found = element.number.map { "the number \($0.text)" } ?? element.kindName
        throw error(.wrongType(expected: "a non-negative integer", found: found), item, field: field)
      }
      result.append(integer)
    }
    return result
  }

  func error(_ kind: FormatError.Kind, _ item: JSONObject.Entry, field: String? = nil) -> FormatError {
    FormatError(
      kind, file: path, tensor: item.key == "__metadata__" ? nil : item.key, byteOffset: 8 + UInt64(item.offset),
      field: field)
  }

  func error(_ kind: FormatError.Kind, _ tensor: String) -> FormatError {
    FormatError(kind, file: path, tensor: tensor, field: "data_offsets")
  }
}
