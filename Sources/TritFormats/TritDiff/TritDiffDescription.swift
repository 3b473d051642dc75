// Tritsmith: the keys of a TritDiff header.

import TritCore

extension TritDiffHeader {
  /// Every key of the header, for reading and for writing: nil is a header to be read.
  static func described(_ known: TritDiffHeader?, by text: inout HeaderText) throws -> TritDiffHeader {
    // The preamble decides.
    _ = try text.value("format", "tritdiff", .remark)
    _ = try text.value("version", TritPackPreamble.Kind.tritdiff.version, .remark)
    let generator = try text.value("generator", known?.generator, .remark)
    text.context.sections = try text.list("sections", known?.sections, .section)
    text.context.base = try text.part("base") { part in
      let base = TritDiffBase(
        codeStream: try part.value("code_stream", known.map(\.base.codeStream), .digestOrNull),
        tensors: try part.list("tensors", known?.base.tensors, .record))
      return base
    }
    text.context.places = text.context.base.places
    let target = try text.value("target", known?.target, .record)
    let files = try text.list("files", known?.files, .record)
    let tensors = try text.list("tensors", known?.tensors, .record)
    let companions = try text.list("companions", known?.companions, .record)
    return TritDiffHeader(
      generator: generator, base: text.context.base, target: target, tensors: tensors, files: files,
      companions: companions, sections: text.context.sections)
  }

  /// Writes the header's text, a piece at a time.
  func write(to receive: @escaping ([UInt8]) throws -> Void) throws {
    var text = HeaderText(writing: JSONObjectText(to: receive))
    _ = try TritDiffHeader.described(self, by: &text)
    try text.finish()
  }
}

extension TritDiffTarget: HeaderRecord {
  private enum Kind: String, CaseIterable { case folder, file }

  static func described(_ known: TritDiffTarget?, by form: inout HeaderForm) throws -> TritDiffTarget {
    let kind = known.map { $0.isFolder ? Kind.folder : .file }
    return TritDiffTarget(
      name: try form.value("name", known?.name, .text), format: try form.value("format", known?.format, .text),
      isFolder: try form.value("kind", kind, .name) == .folder,
      codeStream: try form.value("code_stream", known.map(\.codeStream), .digestOrNull))
  }
}

extension TritDiffIdentity: HeaderRecord {
  static func described(_ known: TritDiffIdentity?, by form: inout HeaderForm) throws -> TritDiffIdentity {
    try described(known, named: try form.value("name", known?.name, .text), by: &form)
  }

  /// Shape and content.
  static func described(
    _ identity: TritDiffIdentity?, named name: String, by form: inout HeaderForm
  ) throws -> TritDiffIdentity {
    let shape = try form.value("shape", identity?.shape, .shape(of: name))
    var known = (
      trits: Digest?.none, scale: TritDiffScale?.none, encoding: TensorEncoding?.none, count: 0, bytes: Digest?.none
    )
    switch identity?.content {
    case nil: break
    case .trits(let digest, let scale): (known.trits, known.scale) = (digest, scale)
    case .bytes(let encoding, let count, let digest):
      (known.encoding, known.count, known.bytes) = (encoding, count, digest)
    }
    let content: Content
    if let trits = try form.optional("trits", known.trits, .digest) {
      content = .trits(trits, try form.value("scale", known.scale, .record))
    } else if let dtype = try form.optional("dense", known.encoding?.dtype, .dtype(of: name)) {
      let count = try form.place.map { try $0.reader.byteCount(shape, dtype, of: name, $0.field) } ?? known.count
      content = .bytes(.dense(dtype), count: count, try form.value("sha256", known.bytes, .digest))
    } else {
      content = .bytes(
        .opaque(try form.value("stored", known.encoding?.name, .text)),
        count: try form.value("bytes", known.count, .integer), try form.value("sha256", known.bytes, .digest))
    }
    let result = TritDiffIdentity(name: name, shape: shape, content: content)
    if let place = form.place { try place.reader.checkScales(result, place.field) }
    return result
  }
}

extension TritDiffScale: HeaderRecord {
  static func described(_ known: TritDiffScale?, by form: inout HeaderForm) throws -> TritDiffScale {
    let convention = try form.value("convention", known?.convention, .name)
    let storage = try form.value("dtype", known?.storage, .scaleType)
    let kind = try form.value("granularity", known?.granularity.name, .text)
    var columns: Int?
    if case .group(let count) = known?.granularity { columns = count }
    if kind == "group" { columns = try form.value("group_columns", columns, .integer) }
    let granularity = try form.place.map { try $0.reader.granularity(kind, columns: columns, $0.field) }
    return TritDiffScale(
      storage: storage, granularity: granularity ?? known?.granularity ?? .tensor, convention: convention,
      digest: try form.value("sha256", known?.digest, .digest))
  }
}

extension TritDiffPlace: HeaderRecord {
  static func described(_ known: TritDiffPlace?, by form: inout HeaderForm) throws -> TritDiffPlace {
    TritDiffPlace(
      file: try form.value("file", known?.file, .integer), offset: try form.value("offset", known?.offset, .unsigned))
  }
}

extension TritDiffFile: HeaderRecord {
  static func described(_ known: TritDiffFile?, by form: inout HeaderForm) throws -> TritDiffFile {
    TritDiffFile(
      name: try form.value("name", known?.name, .fileName),
      byteCount: try form.value("bytes", known?.byteCount, .unsigned),
      digest: try form.value("sha256", known?.digest, .digest),
      section: try form.value("section", known?.section, .section))
  }
}

extension TritDiffCompanion: HeaderRecord {
  static func described(_ known: TritDiffCompanion?, by form: inout HeaderForm) throws -> TritDiffCompanion {
    TritDiffCompanion(
      name: try form.value("name", known?.name, .fileName),
      byteCount: try form.value("bytes", known?.byteCount, .integer),
      digest: try form.value("sha256", known?.digest, .digest),
      section: try form.optional("section", known?.section, .section))
  }
}

// MARK: - Tensors

extension TritDiffTensor: HeaderRecord {
  static func described(_ known: TritDiffTensor?, by form: inout HeaderForm) throws -> TritDiffTensor {
    let name = try form.value("name", known?.identity.name, .text)
    let from = try form.optional("from", known?.from, .text)
    let coding = try form.value("coding", known?.coding, .name)
    let base = from.flatMap(form.context.baseTensor)
    if let place = form.place { try place.reader.checkOrigin(name, from, base, coding, place.field) }
    var tensor = TritDiffTensor(
      identity: try identity(known, name, coding, base, by: &form),
      place: try form.value("place", known?.place, .record), coding: coding)
    tensor.from = from
    if coding != .same { tensor.section = try form.value("section", known?.section, .section) }
    if tensor.identity.isTernary {
      tensor.layout = LayoutID(rawValue: try form.value("layout", known?.layout?.rawValue, .text))
      tensor.scalePlace = try form.value("scale_place", known?.scalePlace, .record)
      tensor.scale = try ScaleCoding.described(known?.scale, by: &form)
    }
    if base != nil { tensor.change = try change(known, tensor.identity, coding, by: &form) }
    return tensor
  }

  /// Shape and content, which are absent where they are those of the base's tensor.
  private static func identity(
    _ known: TritDiffTensor?, _ name: String, _ coding: TritDiffCoding, _ base: TritDiffIdentity?,
    by form: inout HeaderForm
  ) throws -> TritDiffIdentity {
    if coding == .same, let base, known?.isUnchanged(from: base) ?? !form.has("shape") {
      return TritDiffIdentity(name: name, shape: base.shape, content: base.content)
    }
    return try TritDiffIdentity.described(known?.identity, named: name, by: &form)
  }

  /// True when the base says all there is to say about its content.
  private func isUnchanged(from base: TritDiffIdentity) -> Bool {
    coding == .same && scale ?? .same == .same && base.shape == identity.shape && base.content == identity.content
  }

  /// What changed from the base's tensor. Nothing is the rule, and known from the coding.
  private static func change(
    _ known: TritDiffTensor?, _ identity: TritDiffIdentity, _ coding: TritDiffCoding, by form: inout HeaderForm
  ) throws -> TritDiffChange? {
    guard coding != .same else {
      return identity.isTernary ? .flips([0, 0, 0, 0, 0, 0]) : .elements(0, largest: nil)
    }
    var (flips, changed, largest) = (Flips?.none, Int?.none, Double?.none)
    switch known?.change {
    case nil: break
    case .flips(let counts): flips = Flips(counts: counts)
    case .elements(let count, let change): (changed, largest) = (count, change)
    }
    if identity.isTernary { return try form.optional("flips", flips, .record).map { .flips($0.counts) } }
    changed = try form.optional("changed", changed, .integer)
    largest = try form.optional("largest_change", largest, .number)
    return changed.map { .elements($0, largest: largest) }
  }

  /// Counts of changed trits by kind.
  private struct Flips: HeaderRecord {
    var counts: [Int]

    static func described(_ known: Flips?, by form: inout HeaderForm) throws -> Flips {
      var counts: [Int] = []
      for (index, key) in TritDiffChange.flipKeys.enumerated() {
        counts.append(try form.value(key, known?.counts[index], .integer))
      }
      return Flips(counts: counts)
    }
  }
}

extension TritDiffTensor.ScaleCoding {
  private enum Word: String, CaseIterable { case same }

  /// One of three keys; nil when none is there.
  static func described(_ known: Self?, by form: inout HeaderForm) throws -> Self? {
    var (word, bytes, section) = (Word?.none, [UInt8]?.none, Int?.none)
    switch known {
    case nil: break
    case .same: word = .same
    case .inline(let found): bytes = found
    case .section(let found): section = found
    }
    if try form.optional("scale_coding", word, .name) != nil { return .same }
    if let bytes = try form.optional("scale_bytes", bytes, .hexadecimal) { return .inline(bytes) }
    return try form.optional("scale_section", section, .section).map { .section($0) }
  }
}
