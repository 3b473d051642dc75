// Tritsmith: reading and proving TritDiff headers.

import TritCore
import TritLayouts

/// Reads a header and proves it: names, shapes, sizes, places, and that sections tile the file.
///
/// What a coding takes from the base is checked against the base when the patch is applied.
struct TritDiffHeaderReader: SectionedHeaderReader {
  let path: String
  let headerOffset: UInt64

  /// Reads the entries; `check` proves what they say together, when the text is no longer needed.
  func read(_ json: [UInt8]) throws -> TritDiffHeader {
    let root = try root(json)
    let sections = try list(root, "sections") { try section($0, "sections[\($1)]") }
    try checkTiling(sections)
    let base = try self.base(try part(root, "base"))
    let target = try self.target(try self.object(root["target"] ?? .null, "target"))
    let files = try list(root, "files") { try file($0, sections, "files[\($1)]") }
    let places = base.places
    let tensors = try list(root, "tensors") { value, index in
      try tensor(value, { places[ExactString($0)].map { base.tensors[$0] } }, sections, "tensors[\(index)]")
    }
    let companions = try list(root, "companions") { try companion($0, sections, "companions[\($1)]") }
    return TritDiffHeader(
      generator: root["generator"]?.string ?? "", base: base, target: target, tensors: tensors, files: files,
      companions: companions, sections: sections)
  }

  /// Proves that names stand once, that every section has one use, and that tensors lie apart in their files.
  func check(_ header: TritDiffHeader) throws {
    try checkUse(header)
    try checkPlaces(header)
  }

  // MARK: Models

  private func base(_ document: JSONDocument) throws -> TritDiffBase {
    let tensors = try list(document, "tensors", "base") { value, index in
      let field = "base.tensors[\(index)]"
      return try identity(try self.object(value, field), field)
    }
    try checkNames(tensors.map(\.name))
    return TritDiffBase(codeStream: try optionalDigest(document["code_stream"], "base.code_stream"), tensors: tensors)
  }

  private func target(_ object: JSONObject) throws -> TritDiffTarget {
    let kind = try text(object, "kind", "target")
    guard kind == "folder" || kind == "file" else { throw wrong("'folder' or 'file'", "'\(kind)'", "target.kind") }
    return TritDiffTarget(
      name: try text(object, "name", "target"), format: try text(object, "format", "target"),
      isFolder: kind == "folder",
      codeStream: try optionalDigest(object["code_stream"], "target.code_stream"))
  }

  // MARK: Tensors

  private func identity(_ object: JSONObject, _ field: String) throws -> TritDiffIdentity {
    let name = try text(object, "name", field)
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
    if object["trits"] != nil {
      guard shape.isMatrix else { throw wrong("a matrix", "shape \(shape)", field + ".shape") }
      let scale = try self.scale(self.object(object["scale"] ?? .null, field + ".scale"), shape, field + ".scale")
      return TritDiffIdentity(name: name, shape: shape, content: .trits(try digest(object, "trits", field), scale))
    }
    let sum = try digest(object, "sha256", field)
    guard let dtypeName = object["dense"] else {
      let stored = try text(object, "stored", field)
      return TritDiffIdentity(
        name: name, shape: shape, content: .bytes(.opaque(stored), count: try integer(object, "bytes", field), sum))
    }
    guard let dtype = DType(rawValue: try string(dtypeName, field + ".dense")) else {
      let found = try string(dtypeName, field + ".dense")
      throw FormatError(.unknownDType(found), file: path, tensor: name, field: field + ".dense")
    }
    guard let bits = Checked.product(shape.elementCount, dtype.bits), bits % 8 == 0 else {
      throw FormatError(.overflow(shape: shape.description), file: path, tensor: name, field: field + ".shape")
    }
    return TritDiffIdentity(name: name, shape: shape, content: .bytes(.dense(dtype), count: bits / 8, sum))
  }

  private func scale(_ object: JSONObject, _ shape: TensorShape, _ field: String) throws -> TritDiffScale {
    let (convention, dtype, granularity) = try scaleMeaning(object, field)
    let scale = TritDiffScale(
      storage: dtype, granularity: granularity, convention: convention, digest: try digest(object, "sha256", field))
    guard scale.byteCount(shape) != nil else {
      throw FormatError(.overflow(shape: shape.description), file: path, field: field)
    }
    return scale
  }

  private func tensor(
    _ value: JSONValue, _ known: (String) -> TritDiffIdentity?, _ sections: [TritPackSection], _ field: String
  ) throws -> TritDiffTensor {
    let object = try self.object(value, field)
    let name = try text(object, "name", field)
    func fault(_ detail: String, _ key: String) -> FormatError {
      FormatError(.badSection(detail), file: path, tensor: name, field: field + "." + key)
    }
    let codingName = try text(object, "coding", field)
    guard let coding = TritDiffCoding(rawValue: codingName) else {
      throw wrong(TritDiffCoding.allCases.map(\.rawValue).joined(separator: ", "), "'\(codingName)'", field + ".coding")
    }
    let from = try object["from"].map { try string($0, field + ".from") }
    let base = from.flatMap(known)
    if let from, base == nil { throw fault("'\(printable(from))' is no tensor of the base", "from") }
    guard base != nil || !coding.needsBase else {
      throw fault("coding \(codingName) needs a tensor of the base", "from")
    }
    let identity: TritDiffIdentity
    if object["shape"] == nil, coding == .same, let base {
      identity = TritDiffIdentity(name: name, shape: base.shape, content: base.content)
    } else {
      identity = try self.identity(object, field)
    }
    var tensor = TritDiffTensor(identity: identity, place: try place(object["place"] ?? .null, field), coding: coding)
    tensor.from = from
    let content = try checkCoding(tensor, base, fault)
    if coding != .same {
      let index = try sectionIndex(object, sections, field)
      tensor.section = index
      try check(sections[index], content, TritDiffLimits.expansion(of: coding), fault)
    }
    if case .trits(_, let scale) = identity.content {
      try readTernary(object, scale, base, sections, field, into: &tensor)
    }
    tensor.change = try change(object, identity, coding, field, hasBase: base != nil)
    return tensor
  }

  /// Bytes a coding's section may have.
  private func checkCoding(
    _ tensor: TritDiffTensor, _ base: TritDiffIdentity?, _ fault: (String, String) -> FormatError
  ) throws -> ClosedRange<Int> {
    let identity = tensor.identity
    switch (identity.content, base?.content) {
    case (.trits(let digest, _), let other):
      guard tensor.coding == .same || tensor.coding.isOfTrits else {
        throw fault("a coding of bytes for trits", "coding")
      }
      if tensor.coding.needsBase {
        guard case .trits(let before, _) = other, base?.shape == identity.shape else {
          throw fault("the base's tensor holds no trits of this shape", "from")
        }
        if tensor.coding == .same, before != digest { throw fault("the base's trits have another hash", "trits") }
      }
      let count = identity.shape.elementCount
      let packed = count / 5 + (count % 5 == 0 ? 0 : 1)
      return tensor.coding == .gaps ? TritGaps.headerBytes...TritGaps.byteLimit(count) : packed...packed
    case (.bytes(let encoding, let count, let digest), let other):
      guard !tensor.coding.isOfTrits else { throw fault("a coding of trits for bytes", "coding") }
      if tensor.coding.needsBase {
        guard case .bytes(let type, count, let before) = other, type == encoding else {
          throw fault("the base's tensor does not have \(count) bytes of \(encoding.name)", "from")
        }
        if tensor.coding == .same, before != digest { throw fault("the base's bytes have another hash", "sha256") }
      }
      return count...count
    }
  }

  private func check(
    _ section: TritPackSection, _ content: ClosedRange<Int>, _ expansion: TritDiffExpansion?,
    _ fault: (String, String) -> FormatError
  ) throws {
    guard content.contains(section.bytes) else {
      throw fault("the coding needs \(content.lowerBound) bytes, the section has \(section.bytes)", "section")
    }
    // With a base the result is as large as something the user has; without, a small patch must not stand for it all.
    guard expansion?.isBelieved(section) ?? true else {
      throw fault("\(section.storedBytes) stored bytes unpack to \(section.bytes), more than is allowed", "section")
    }
  }

  private func readTernary(
    _ object: JSONObject, _ scale: TritDiffScale, _ base: TritDiffIdentity?, _ sections: [TritPackSection],
    _ field: String, into tensor: inout TritDiffTensor
  ) throws {
    let (name, shape) = (tensor.identity.name, tensor.identity.shape)
    let layoutName = try text(object, "layout", field)
    guard let layout = LayoutRegistry.layout(LayoutID(rawValue: layoutName)), layout.embeddedScale == nil else {
      throw FormatError(.unknownLayout(layoutName), file: path, tensor: name, field: field + ".layout")
    }
    do throws(LayoutError) {
      try layout.check(shape)
    } catch {
      throw LayoutError(error.kind, layout: layout.id, location: ErrorLocation(file: path, tensor: name, field: field))
    }
    tensor.layout = layout.id
    tensor.scalePlace = try place(object["scale_place"] ?? .null, field, key: "scale_place")
    func fault(_ detail: String) -> FormatError {
      FormatError(.badSection(detail), file: path, tensor: name, field: field + ".scale")
    }
    guard let count = scale.byteCount(shape) else { throw fault("its size does not fit 64 bits") }
    if object["scale_coding"]?.string == "same" {
      guard case .trits(_, scale) = base?.content else { throw fault("the base's tensor does not have these scales") }
      tensor.scale = .same
    } else if let hex = object["scale_bytes"] {
      let bytes = TritDiffHeaderReader.bytes(hex: try string(hex, field + ".scale_bytes"))
      guard let bytes, bytes.count == count, count <= TritDiffTensor.ScaleCoding.inlineLimit else {
        throw wrong("\(count) bytes in hexadecimal", "something else", field + ".scale_bytes")
      }
      tensor.scale = .inline(bytes)
    } else {
      let index = try sectionIndex(object, sections, field, key: "scale_section")
      guard sections[index].bytes == count, TritDiffExpansion.held.isBelieved(sections[index]) else {
        throw fault("\(count) bytes of scales do not come from a section of \(sections[index].bytes)")
      }
      tensor.scale = .section(index)
    }
  }

  private func change(
    _ object: JSONObject, _ identity: TritDiffIdentity, _ coding: TritDiffCoding, _ field: String, hasBase: Bool
  ) throws -> TritDiffChange? {
    guard hasBase else { return nil }
    let count = identity.shape.elementCount
    if identity.isTernary {
      guard coding != .same else { return .flips([0, 0, 0, 0, 0, 0]) }
      guard let value = object["flips"] else { return nil }
      let flips = try self.object(value, field + ".flips")
      let counts = try TritDiffChange.flipKeys.map { try integer(flips, $0, field + ".flips") }
      guard counts.allSatisfy({ $0 <= count }) else { throw wrong("at most \(count)", "more", field + ".flips") }
      return .flips(counts)
    }
    guard coding != .same else { return .elements(0, largest: nil) }
    guard object["changed"] != nil else { return nil }
    return .elements(try integer(object, "changed", field), largest: object["largest_change"]?.number?.double)
  }

  // MARK: Files

  private func file(_ value: JSONValue, _ sections: [TritPackSection], _ field: String) throws -> TritDiffFile {
    let object = try self.object(value, field)
    let file = TritDiffFile(
      name: try plainName(object, field), byteCount: try unsigned(object, "bytes", field),
      digest: try digest(object, "sha256", field), section: try sectionIndex(object, sections, field))
    let skeleton = sections[file.section]
    guard UInt64(skeleton.bytes) <= file.byteCount, skeleton.bytes <= TritDiffLimits.skeleton,
      TritDiffExpansion.streamed.isBelieved(skeleton)
    else {
      throw bad("\(skeleton.bytes) bytes beside the tensors of a file of \(file.byteCount)", field + ".section")
    }
    return file
  }

  private func companion(
    _ value: JSONValue, _ sections: [TritPackSection], _ field: String
  ) throws -> TritDiffCompanion {
    let object = try self.object(value, field)
    var companion = TritDiffCompanion(
      name: try plainName(object, field), byteCount: try integer(object, "bytes", field),
      digest: try digest(object, "sha256", field), section: nil)
    guard UInt64(companion.byteCount) <= ModelFolder.companionLimit else {
      throw bad("a file of \(companion.byteCount) bytes; \(ModelFolder.companionLimit) are allowed", field)
    }
    if object["section"] != nil {
      let index = try sectionIndex(object, sections, field)
      guard sections[index].bytes == companion.byteCount, TritDiffExpansion.held.isBelieved(sections[index]) else {
        throw bad("a file of \(companion.byteCount) bytes from a section of \(sections[index].bytes)", field)
      }
      companion.section = index
    }
    return companion
  }

  private func plainName(_ object: JSONObject, _ field: String) throws -> String {
    let name = try text(object, "name", field)
    guard CompanionPath.isValid(name) else { throw FormatError(.unsafeName(name), file: path, field: field + ".name") }
    return name
  }

  private func place(_ value: JSONValue, _ field: String, key: String = "place") throws -> TritDiffPlace {
    let object = try self.object(value, field + "." + key)
    return TritDiffPlace(
      file: try integer(object, "file", field + "." + key), offset: try unsigned(object, "offset", field + "." + key))
  }

  // MARK: Structure

  private func checkNames(_ names: [String]) throws(FormatError) {
    var seen: Set<ExactString> = []
    for name in names where !seen.insert(ExactString(name)).inserted {
      throw FormatError(.duplicateTensor, file: path, tensor: name)
    }
  }

  /// Every section serves one purpose; every name stands once.
  private func checkUse(_ header: TritDiffHeader) throws(FormatError) {
    try checkNames(header.tensors.map(\.identity.name))
    var used = [Bool](repeating: false, count: header.sections.count)
    for (index, _) in header.sectionUses {
      guard !used[index] else { throw bad("section \(index) is used twice", "sections[\(index)]") }
      used[index] = true
    }
    if let unused = used.firstIndex(of: false) {
      throw bad("section \(unused) is used by nothing", "sections[\(unused)]")
    }
    var fileNames: Set<ExactString> = []
    for name in header.files.map(\.name) + header.companions.map(\.name)
    where !fileNames.insert(ExactString(name)).inserted {
      throw bad("the file '\(printable(name))' stands twice", "files")
    }
    guard !header.files.isEmpty else { throw bad("the target has no file", "files") }
    var total: UInt64 = 0
    for byteCount in header.companions.map({ UInt64($0.byteCount) }) + header.files.map(\.byteCount) {
      guard let sum = Checked.sum(total, byteCount), sum <= UInt64(Int.max) else {
        throw bad("the target's files do not fit 63 bits", "files")
      }
      total = sum
    }
    if !header.target.isFolder, header.files.count != 1 || !header.companions.isEmpty {
      throw bad("a target that is one file has \(header.files.count) and \(header.companions.count) others", "files")
    }
  }

  /// Tensors lie in their files, apart from each other, and the rest of a file is what its section holds.
  private func checkPlaces(_ header: TritDiffHeader) throws(FormatError) {
    var extents = [[TritDiffExtent]](repeating: [], count: header.files.count)
    for extent in header.extents {
      guard extent.place.file < header.files.count else {
        throw FormatError(
          .badSection("file \(extent.place.file) of \(header.files.count) is named"), file: path, tensor: extent.name,
          field: "place")
      }
      extents[extent.place.file].append(extent)
    }
    for (index, file) in header.files.enumerated() {
      var (position, filled) = (UInt64(0), UInt64(0))
      for extent in extents[index].sorted(by: { ($0.place.offset, $0.byteCount) < ($1.place.offset, $1.byteCount) }) {
        guard extent.place.offset >= position, let end = Checked.sum(extent.place.offset, UInt64(extent.byteCount)),
          end <= file.byteCount
        else {
          throw FormatError(
            .badSection("its place lies inside another tensor's, or past the file's end"), file: path,
            tensor: extent.name, field: "place")
        }
        position = end
        filled += UInt64(extent.byteCount)
      }
      guard Checked.sum(filled, UInt64(header.sections[file.section].bytes)) == file.byteCount else {
        throw bad("tensors and the rest do not make up the file's \(file.byteCount) bytes", "files[\(index)]")
      }
    }
  }

  // MARK: Values

  private func text(_ object: JSONObject, _ key: String, _ field: String) throws -> String {
    try string(object[key] ?? .null, field + "." + key)
  }

  private func digest(_ object: JSONObject, _ key: String, _ field: String) throws -> Digest {
    try digest(object[key] ?? .null, field + "." + key)
  }

  private func digest(_ value: JSONValue, _ field: String) throws -> Digest {
    guard let digest = Digest(hex: try string(value, field)) else {
      throw wrong("64 hexadecimal digits", "something else", field)
    }
    return digest
  }

  private func optionalDigest(_ value: JSONValue?, _ field: String) throws -> Digest? {
    guard let value, value != .null else { return nil }
    return try digest(value, field)
  }

  private static func bytes(hex: String) -> [UInt8]? {
    let digits = Array(hex.utf8)
    guard digits.count % 2 == 0, digits.allSatisfy({ 0x30...0x39 ~= $0 || 0x61...0x66 ~= $0 }) else { return nil }
    func value(_ digit: UInt8) -> UInt8 { digit < 0x40 ? digit - 0x30 : digit - 0x57 }
    return stride(from: 0, to: digits.count, by: 2).map { value(digits[$0]) << 4 | value(digits[$0 + 1]) }
  }
}
