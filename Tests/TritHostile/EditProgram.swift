// Tritsmith: bytes as a list of edits to a valid file.

import TritCore

/// Edits a valid file: any bytes are a program, so that a fuzzer changes fields and not spelling.
///
///     byte 0: which file · then 4 bytes an edit: what, where (u16), with what
enum EditProgram {
  private static let editLimit = 32

  /// - Returns: nil for fewer bytes than one edit takes.
  static func apply(_ program: [UInt8], to bases: [EditableFile]) -> (file: EditableFile, bytes: [UInt8])? {
    guard program.count >= 5, !bases.isEmpty else { return nil }
    let file = bases[Int(program[0]) % bases.count]
    var (before, json, after) = file.parts
    for start in stride(from: 1, through: program.count - 4, by: 4).prefix(editLimit) {
      let edit = Edit(
        what: program[start], place: Int(program[start + 1]) << 8 | Int(program[start + 2]), with: program[start + 3])
      if let root = json, edit.what % 8 != 7 {
        var tree = JSONTree(root)
        tree.apply(edit)
        json = tree.root
      } else if file.kind == .gguf, edit.what % 4 != 3 {
        edit.overwrite(&before, file.fields)
      } else if after.isEmpty {
        edit.damage(&before)
      } else {
        edit.damage(&after)
      }
    }
    return (file, file.assembled(before, json, after))
  }
}

struct Edit {
  var what: UInt8
  var place: Int
  var with: UInt8

  static let integers: [UInt64] = [
    0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 31, 32, 33, 34, 35, 36, 63, 64, 65, 127, 128, 255, 256, 1000, 65535, 1 << 20,
    1 << 24, 1 << 31 - 1, 1 << 31, 1 << 32 - 1, 1 << 32, 1 << 40, 1 << 61, 1 << 62, 1 << 63 - 1, 1 << 63, .max - 63,
    .max - 1, .max,
  ]

  /// Writes an integer over a field of a GGUF header.
  func overwrite(_ bytes: inout [UInt8], _ fields: [(offset: Int, width: Int)]) {
    guard !fields.isEmpty else { return }
    let field = fields[place % fields.count]
    let value = what & 0x80 == 0 ? Edit.integers[Int(with) % Edit.integers.count] : UInt64(with)
    for index in 0..<field.width where field.offset + index < bytes.count {
      bytes[field.offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
    }
  }

  /// Sets, cuts or repeats bytes.
  func damage(_ bytes: inout [UInt8]) {
    guard !bytes.isEmpty else { return }
    let index = place % bytes.count
    switch what >> 4 % 4 {
    case 0, 1: bytes[index] = with
    case 2: bytes.removeLast(min(bytes.count, Int(with)))
    default: bytes += bytes[index..<min(bytes.count, index + Int(with))]
    }
  }
}

/// A JSON text whose values are numbered in the order of a walk.
struct JSONTree {
  private(set) var root: JSONValue

  init(_ root: JSONValue) {
    self.root = root
  }

  private static let words = [
    "", "F64", "F32", "F16", "BF16", "F8_E4M3", "F4", "I64", "U8", "BOOL", "hf-packed", "base3", "two-bit", "none",
    "zstd", "divide", "multiply", "tensor", "row", "group", "../x", "a/b", "\u{0}", "\u{10FFFF}", "model.norm.weight",
    "bitnet", "offline", "online", "autobitlinear", "bitlinear", "llama", "LlamaForCausalLM", "BitNetForCausalLM",
    "linear", "yarn", "ByteLevel", "Split", "Sequence", "BPE", "NFC", "(a+)+b", "(?:a{9}){9}", "[^\\s", "\\p{L}+",
    "a b", "same", "gaps", "delta", "whole", "planes", "xor", "difference", "folder", "file", "203f",
  ]
  private static let numbers = ["-1", "-0", "0.5", "1e308", "1e999", "-1e-400", "9223372036854775808", "1E2", "5e-324"]

  private static func value(_ with: UInt8) -> JSONValue {
    let index = Int(with)
    switch index {
    case 0..<40: return .number(JSONNumber(Edit.integers[index % Edit.integers.count]))
    case 40..<56: return .number(JSONNumber(text: numbers[index % numbers.count]))
    case 56: return .null
    case 57, 58: return .bool(index == 57)
    case 59: return .array([])
    case 60: return .object(JSONObject())
    case 61: return .string(String(repeating: "a", count: 5000))
    case 62: return (0..<100).reduce(JSONValue.null) { value, _ in .array([value]) }
    case 63: return .array(Array(repeating: 1, count: 600))
    default: return .string(words[index % words.count])
    }
  }

  mutating func apply(_ edit: Edit) {
    var all: [JSONValue] = []
    JSONTree.walk(root) { all.append($0) }
    let target = edit.place % all.count
    // A part of the text, to stand elsewhere; a large one would let texts double with every edit.
    let other = all[(edit.place / 7 + Int(edit.with) * 31) % all.count]
    let isSmall = other.serialized().count < 4096
    var counter = -1
    root = JSONTree.rewrite(root, &counter) { index, value in
      guard index == target else { return nil }
      switch edit.what % 8 {
      case 0, 1, 2: return JSONTree.value(edit.with)
      case 3: return isSmall ? other : .null
      case 4: return JSONTree.changingMembers(value, edit, duplicates: true)
      case 5: return JSONTree.changingMembers(value, edit, duplicates: false)
      default: return JSONTree.renaming(value, edit)
      }
    }
  }

  private static func walk(_ value: JSONValue, _ visit: (JSONValue) -> Void) {
    visit(value)
    switch value {
    case .array(let elements): for element in elements { walk(element, visit) }
    case .object(let object): for entry in object.entries { walk(entry.value, visit) }
    default: break
    }
  }

  private static func rewrite(
    _ value: JSONValue, _ counter: inout Int, _ change: (Int, JSONValue) -> JSONValue?
  ) -> JSONValue {
    counter += 1
    if let changed = change(counter, value) { return changed }
    switch value {
    case .array(let elements): return .array(elements.map { rewrite($0, &counter, change) })
    case .object(var object):
      for index in object.entries.indices {
        object.entries[index].value = rewrite(object.entries[index].value, &counter, change)
      }
      return .object(object)
    default: return value
    }
  }

  /// Repeats or removes one member of an array or object.
  private static func changingMembers(_ value: JSONValue, _ edit: Edit, duplicates: Bool) -> JSONValue {
    switch value {
    case .array(var elements) where !elements.isEmpty:
      let index = Int(edit.with) % elements.count
      if duplicates { elements.append(elements[index]) } else { elements.remove(at: index) }
      return .array(elements)
    case .object(var object) where !object.entries.isEmpty:
      let index = Int(edit.with) % object.entries.count
      if duplicates { object.entries.append(object.entries[index]) } else { object.entries.remove(at: index) }
      return .object(object)
    default: return JSONTree.value(edit.with)
    }
  }

  private static func renaming(_ value: JSONValue, _ edit: Edit) -> JSONValue {
    guard case .object(var object) = value, !object.entries.isEmpty else { return JSONTree.value(edit.with) }
    let words = JSONTree.words
    object.entries[(edit.place / 3) % object.entries.count].key = words[Int(edit.with) % words.count]
    return .object(object)
  }
}
