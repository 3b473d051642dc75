// Tritsmith: entries of a TritDiff header against its sections and the base.

import TritCore
import TritLayouts

extension TritDiffTensor {
  func prove(_ place: HeaderPlace) throws {
    func fault(_ detail: String, _ key: String) -> FormatError {
      FormatError(
        .badSection(detail), file: place.reader.path, tensor: identity.name, field: place.field + "." + key)
    }
    let base = from.flatMap(place.context.baseTensor)
    let content = try checkCoding(base, fault)
    if let section {
      let stored = place.context.sections[section]
      guard content.contains(stored.bytes) else {
        throw fault("the coding needs \(content.lowerBound) bytes, the section has \(stored.bytes)", "section")
      }
      // With a base the result is as large as something the user has; without, a small patch must not stand for it all.
      guard TritDiffLimits.expansion(of: coding, isTernary: identity.isTernary)?.isBelieved(stored) ?? true else {
        throw fault("\(stored.storedBytes) stored bytes unpack to \(stored.bytes), more than is allowed", "section")
      }
    }
    if case .trits(_, let scale) = identity.content {
      try checkLayout(place)
      try checkScale(scale, base, place, fault)
    }
    if case .flips(let counts) = change, let most = counts.max(), most > identity.shape.elementCount {
      throw place.reader.wrong("at most \(identity.shape.elementCount)", "\(most)", place.field + ".flips")
    }
  }

  /// Bytes the coding's section may have.
  private func checkCoding(
    _ base: TritDiffIdentity?, _ fault: (String, String) -> FormatError
  ) throws(FormatError) -> ClosedRange<Int> {
    guard coding.fits(isTernary: identity.isTernary) else {
      throw fault(identity.isTernary ? "a coding of bytes for trits" : "a coding of trits for bytes", "coding")
    }
    switch (identity.content, base?.content) {
    case (.trits(let digest, _), let other):
      if coding.needsBase {
        guard case .trits(let before, _) = other, base?.shape == identity.shape else {
          throw fault("the base's tensor holds no trits of this shape", "from")
        }
        if coding == .same, before != digest { throw fault("the base's trits have another hash", "trits") }
      }
      let count = identity.shape.elementCount
      let packed = Checked.parts(count, of: 5)
      return coding == .gaps ? TritGaps.headerBytes...TritGaps.byteLimit(count) : packed...packed
    case (.bytes(let encoding, let count, let digest), let other):
      if coding.needsBase {
        guard case .bytes(let type, count, let before) = other, type == encoding else {
          throw fault("the base's tensor does not have \(count) bytes of \(encoding.name)", "from")
        }
        if coding == .same, before != digest { throw fault("the base's bytes have another hash", "sha256") }
      }
      return count...count
    }
  }

  private func checkLayout(_ place: HeaderPlace) throws {
    guard let id = layout, let layout = LayoutRegistry.layout(id), layout.embeddedScale == nil else {
      throw FormatError(
        .unknownLayout(layout?.rawValue ?? ""), file: place.reader.path, tensor: identity.name,
        field: place.field + ".layout")
    }
    do throws(LayoutError) {
      try layout.check(identity.shape)
    } catch {
      throw error.placed(file: place.reader.path, tensor: identity.name, field: place.field)
    }
  }

  private func checkScale(
    _ known: TritDiffScale, _ base: TritDiffIdentity?, _ place: HeaderPlace,
    _ fault: (String, String) -> FormatError
  ) throws(FormatError) {
    guard let count = known.byteCount(identity.shape) else { throw fault("its size does not fit 64 bits", "scale") }
    switch scale {
    case .same:
      guard case .trits(_, known) = base?.content else {
        throw fault("the base's tensor does not have these scales", "scale")
      }
    case .inline(let bytes):
      guard bytes.count == count, count <= ScaleCoding.inlineLimit else {
        throw place.reader.wrong("\(count) bytes in hexadecimal", "\(bytes.count)", place.field + ".scale_bytes")
      }
    case .section(let index):
      let section = place.context.sections[index]
      guard section.bytes == count, TritDiffExpansion.held.isBelieved(section) else {
        throw fault("\(count) bytes of scales do not come from a section of \(section.bytes)", "scale")
      }
    case nil: throw fault("nothing says where its scales come from", "scale")
    }
  }
}

extension TritDiffFile {
  func prove(_ place: HeaderPlace) throws {
    let rest = place.context.sections[section]
    guard UInt64(rest.bytes) <= byteCount, rest.bytes <= TritDiffLimits.skeleton,
      TritDiffExpansion.streamed.isBelieved(rest)
    else {
      throw place.reader.bad(
        "\(rest.bytes) bytes beside the tensors of a file of \(byteCount)", place.field + ".section")
    }
  }
}

extension TritDiffCompanion {
  func prove(_ place: HeaderPlace) throws {
    guard UInt64(byteCount) <= ModelFolder.companionLimit else {
      throw place.reader.bad(
        "a file of \(byteCount) bytes; \(ModelFolder.companionLimit) are allowed", place.field)
    }
    guard let section else { return }
    let content = place.context.sections[section]
    guard content.bytes == byteCount, TritDiffExpansion.held.isBelieved(content) else {
      throw place.reader.bad("a file of \(byteCount) bytes from a section of \(content.bytes)", place.field)
    }
  }
}
