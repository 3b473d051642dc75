// Tritsmith: models split over several GGUF files.

import TritCore

/// The parts of a split model: `NAME-00001-of-0000N.gguf`.
enum GGUFSplit {
  /// Paths of all parts, in order; the path itself for a whole file.
  static func parts(of path: String) throws -> [String] {
    guard let (stem, count) = split(FileSystem.name(of: path)) else { return [path] }
    // A folder of parts holds no more names than these; a claimed 99999 is refused at the first missing one.
    let folder = FileSystem.parent(of: path)
    guard count > 1 else { return [path] }
    return try (1...count).map { number in
      let name = "\(stem)-\(padded(number))-of-\(padded(count)).gguf"
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
      guard let (stem, count) = split(name), count > 1 else { return true }
      return name == "\(stem)-\(padded(1))-of-\(padded(count)).gguf"
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

  /// `NAME-00001-of-00003.gguf` → NAME, 3.
  private static func split(_ name: String) -> (stem: String, count: Int)? {
    guard name.hasSuffix(".gguf") else { return nil }
    let bytes = Array(name.utf8.dropLast(5))
    // "-DDDDD-of-DDDDD"
    guard bytes.count > 15 else { return nil }
    let tail = Array(bytes.suffix(15))
    guard tail[0] == UInt8(ascii: "-"), Array(tail[6..<10]) == Array("-of-".utf8),
      let number = Int(String(decoding: tail[1..<6], as: UTF8.self)),
      let count = Int(String(decoding: tail[10..<15], as: UTF8.self)), number >= 1, number <= count
    else { return nil }
    return (String(decoding: bytes.dropLast(15), as: UTF8.self), count)
  }

  private static func padded(_ value: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, 5 - text.count)) + text
  }
}
