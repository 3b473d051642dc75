// Tritsmith: models split over several GGUF files.

import TritCore

/// The parts of a split model: `NAME-00001-of-0000N.gguf`.
enum GGUFSplit {
  private static let ending = ".gguf"

  /// Paths of all parts, in order; the path itself for a whole file.
  static func parts(of path: String) throws -> [String] {
    guard let own = NumberedPart(FileSystem.name(of: path), ending: ending) else { return [path] }
    // A folder of parts holds no more names than these; a claimed 99999 is refused at the first missing one.
    let folder = FileSystem.parent(of: path)
    guard own.count > 1 else { return [path] }
    return try (1...own.count).map { number in
      let name = own.name(number)
      let part = FileSystem.join(folder, name)
      guard FileSystem.kind(of: part) != nil else {
        throw FormatError(.gguf(.missingPart(name)), file: path)
      }
      return part
    }
  }

  /// Of the names in a folder those that stand for a whole model each: of a split one the first part.
  static func models(in names: [String]) -> [String] {
    names.filter { name in
      guard let part = NumberedPart(name, ending: ending), part.count > 1 else { return true }
      return name == part.name(1)
    }
  }

  /// Checks what the parts say of each other.
  static func check(_ headers: [GGUFHeader], _ paths: [String]) throws {
    for (index, header) in headers.enumerated() {
      func bad(_ detail: String) -> FormatError { FormatError(.gguf(.badSplit(detail)), file: paths[index]) }
      let count = header.value("split.count")?.integer
      if headers.count == 1 {
        guard (count ?? 0) <= 1 else { throw bad("it says it is one of \(count ?? 0), and its name has no number") }
        continue
      }
      guard count == headers.count else {
        throw bad("split.count is \(count.map(String.init) ?? "missing"), the names say \(headers.count)")
      }
      guard header.value("split.no")?.integer == index else {
        let found = header.value("split.no")?.text() ?? "missing"
        throw bad("split.no is \(found), expected \(index)")
      }
      guard header.alignment == headers[0].alignment else { throw bad("the parts have different alignments") }
    }
    if headers.count > 1, let claimed = headers[0].value("split.tensors.count")?.integer {
      let found = headers.reduce(0) { $0 + $1.tensors.count }
      guard claimed == found else {
        throw FormatError(
          .gguf(.badSplit("split.tensors.count is \(claimed), the parts hold \(found)")), file: paths[0])
      }
    }
  }
}
