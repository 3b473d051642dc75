// Tritsmith: valid files taken apart for edits.

import TritCore
import TritTestSupport

/// A valid file of the corpus and its parts: a JSON text with what stands around it, or the integers of a GGUF header.
struct EditableFile {
  enum Kind { case safetensors, tritpack, gguf, tokenizer, config, tritdiff, record }

  var kind: Kind
  /// The name it is given to be opened.
  var name: String
  var bytes: [UInt8]
  /// Where integers stand in a GGUF header, and how wide they are.
  var fields: [(offset: Int, width: Int)] = []

  /// Every file of the corpus whose name begins with `valid`, in the order of their names.
  static func all() throws -> [EditableFile] {
    var result: [EditableFile] = []
    for (target, kind, name) in [
      (HostileTarget.safetensors, Kind.safetensors, "model.safetensors"), (.tritpack, .tritpack, "model.tritpack"),
      (.gguf, .gguf, "model.gguf"), (.tokenizer, .tokenizer, "tokenizer.json"), (.config, .config, "config.json"),
      (.tritdiff, .tritdiff, "model.tritdiff"), (.record, .record, "record.json"),
    ] {
      for file in try FileSystem.names(in: target.folder) where file.hasPrefix("valid") {
        var editable = EditableFile(kind: kind, name: name, bytes: Disk.bytes(target.folder + "/" + file))
        if kind == .gguf { editable.fields = GGUFWalk(editable.bytes).fields }
        result.append(editable)
      }
    }
    return result
  }

  private static func integer(_ bytes: [UInt8], _ place: Int) -> Int {
    Int((0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[place + $1]) << UInt64(8 * $1) })
  }

  private static func bytes(_ value: Int) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }

  /// The JSON text, and what stands before and after it.
  var parts: (before: [UInt8], json: JSONValue?, after: [UInt8]) {
    switch kind {
    case .gguf: return (bytes, nil, [])
    case .tokenizer, .config, .record: return ([], try? JSONValue.parse(bytes), [])
    case .safetensors:
      let end = 8 + EditableFile.integer(bytes, 0)
      return ([], try? JSONValue.parse(Array(bytes[8..<end])), Array(bytes[end...]))
    case .tritdiff:
      let (before, header) = PatchBytes.parts(bytes)
      return (before, try? JSONValue.parse(header), [])
    case .tritpack:
      let start = EditableFile.integer(bytes, 16)
      return (Array(bytes[..<start]), try? JSONValue.parse(Array(bytes[start...])), [])
    }
  }

  /// The file around an edited text, with lengths and digests put right.
  func assembled(_ before: [UInt8], _ json: JSONValue?, _ after: [UInt8]) -> [UInt8] {
    let text = json?.serialized() ?? []
    switch kind {
    case .gguf: return before
    case .tokenizer, .config, .record: return text
    case .safetensors: return EditableFile.bytes(text.count) + text + after
    case .tritpack, .tritdiff:
      var file = before + text
      // An edit may have cut the preamble itself.
      guard before.count >= 64 else { return file }
      file.replaceSubrange(16..<24, with: EditableFile.bytes(before.count))
      file.replaceSubrange(24..<32, with: EditableFile.bytes(text.count))
      return TritPackSeal.sealed(file) ?? file
    }
  }
}

/// Finds the integers of a valid GGUF header.
private struct GGUFWalk {
  let bytes: [UInt8]
  var fields: [(offset: Int, width: Int)] = []
  private var place = 0

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    place = 4
    _ = take(4)
    let tensors = take(8)
    let keys = take(8)
    for _ in 0..<keys {
      text()
      value(take(4))
    }
    for _ in 0..<tensors {
      text()
      for _ in 0..<take(4) { _ = take(8) }
      _ = take(4)
      _ = take(8)
    }
  }

  private mutating func take(_ width: Int) -> Int {
    fields.append((place, width))
    defer { place += width }
    return Int(truncatingIfNeeded: (0..<width).reduce(UInt64(0)) { $0 | UInt64(bytes[place + $1]) << UInt64(8 * $1) })
  }

  private mutating func text() { place += take(8) }

  private mutating func value(_ type: Int) {
    switch type {
    case 8: text()
    case 9:
      let element = take(4)
      for _ in 0..<take(8) { value(element) }
    default: _ = take([1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8][type])
    }
  }
}
