// Tritsmith: reading and proving TritDiff headers.

import TritCore
import TritLayouts

/// Reads a header and proves it: names, shapes, sizes, places, and that sections tile the file. Which keys there are
/// is said in TritDiffDescription.swift, for reading and for writing.
///
/// What a coding takes from the base is checked against the base when the patch is applied.
struct TritDiffHeaderReader: SectionedHeaderReader {
  let path: String
  let headerOffset: UInt64

  /// Reads the entries; `check` proves what they say together, when the text is no longer needed.
  func read(_ json: [UInt8]) throws -> TritDiffHeader {
    var text = HeaderText(reading: try root(json), self)
    return try TritDiffHeader.described(nil, by: &text)
  }

  /// Proves that sections tile the file and have one use each, that names stand once, and that tensors lie apart in
  /// their files.
  func check(_ header: TritDiffHeader) throws {
    try checkTiling(header.sections)
    try checkUse(header)
    try checkPlaces(header)
  }

  // MARK: Entries

  /// Bytes of dense numbers.
  func byteCount(_ shape: TensorShape, _ dtype: DType, of name: String, _ field: String) throws(FormatError) -> Int {
    guard let bits = Checked.product(shape.elementCount, dtype.bits), bits % 8 == 0 else {
      throw FormatError(.overflow(shape: shape.description), file: path, tensor: name, field: field + ".shape")
    }
    return bits / 8
  }

  /// Trits are a matrix, and their scales have a size.
  func checkScales(_ identity: TritDiffIdentity, _ field: String) throws(FormatError) {
    guard case .trits(_, let scale) = identity.content else { return }
    guard identity.shape.isMatrix else { throw wrong("a matrix", "shape \(identity.shape)", field + ".shape") }
    guard scale.byteCount(identity.shape) != nil else {
      throw FormatError(.overflow(shape: identity.shape.description), file: path, field: field + ".scale")
    }
  }

  /// What a tensor comes from is there, and a coding that needs it has it.
  func checkOrigin(
    _ name: String, _ from: String?, _ base: TritDiffIdentity?, _ coding: TritDiffCoding, _ field: String
  ) throws(FormatError) {
    guard base == nil else { return }
    let detail: String
    if let from {
      detail = "'\(printable(from))' is no tensor of the base"
    } else if coding.needsBase {
      detail = "coding \(coding.rawValue) needs a tensor of the base"
    } else {
      return
    }
    throw FormatError(.badSection(detail), file: path, tensor: name, field: field + ".from")
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
    for names in [header.base.tensors.map(\.name), header.tensors.map(\.identity.name)] { try checkNames(names) }
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
}
