// Tritsmith: names of files that hold a model together.

import TritCore

/// One of several files of a model by its name: `NAME-00001-of-00003.gguf`.
package struct NumberedPart {
  /// What the names begin with.
  package let stem: String
  package let number: Int
  package let count: Int
  private let ending: String

  /// - Parameter ending: of the name, with its dot.
  package init?(_ name: String, ending: String) {
    guard name.hasSuffix(ending) else { return nil }
    let bytes = Array(name.utf8.dropLast(ending.utf8.count))
    // "-DDDDD-of-DDDDD"
    guard bytes.count > 15 else { return nil }
    let tail = Array(bytes.suffix(15))
    guard tail[0] == UInt8(ascii: "-"), Array(tail[6..<10]) == Array("-of-".utf8),
      let number = Int(String(decoding: tail[1..<6], as: UTF8.self)),
      let count = Int(String(decoding: tail[10..<15], as: UTF8.self)), number >= 1, number <= count
    else { return nil }
    stem = String(decoding: bytes.dropLast(15), as: UTF8.self)
    (self.number, self.count, self.ending) = (number, count, ending)
  }

  /// The name of another part.
  package func name(_ number: Int) -> String { "\(stem)-\(Self.padded(number))-of-\(Self.padded(count))\(ending)" }

  private static func padded(_ value: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, 5 - text.count)) + text
  }
}

extension ModelManifest {
  /// Which part of a model its one safetensors file is; nil for a whole model.
  package var loneShard: NumberedPart? {
    guard format == SafetensorsFormat.id, files.count == 1, let file = files.first else { return nil }
    let part = NumberedPart(FileSystem.name(of: file.path), ending: ".safetensors")
    return part.flatMap { $0.count > 1 ? $0 : nil }
  }
}
