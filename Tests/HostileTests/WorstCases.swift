// Tritsmith: megabytes made to cost as much memory as a megabyte can.

import Testing
import TritCore
import TritHostile
import TritTestSupport

/// A file of nearly 1 MB.
struct WorstCase: Sendable, CustomTestStringConvertible {
  var target: HostileTarget
  var name: String
  var make: @Sendable () -> [UInt8]

  var testDescription: String { "\(target.rawValue): \(name)" }

  private static let size = 990_000

  private static func repeated(_ unit: String, before: String = "", after: String = "") -> [UInt8] {
    let count = (size - before.utf8.count - after.utf8.count) / unit.utf8.count
    return Array((before + String(repeating: unit, count: count) + after).utf8)
  }

  /// Numbered units, so that every name differs.
  private static func numbered(before: String, after: String, _ unit: (Int) -> String) -> [UInt8] {
    var bytes = Array(before.utf8)
    var number = 0
    while bytes.count < size - 200 {
      bytes += Array(unit(number).utf8)
      number += 1
    }
    return bytes + Array(after.utf8)
  }

  private static func header(_ json: [UInt8]) -> [UInt8] { LittleEndian.bytes(UInt64(json.count)) + json }

  /// The JSON texts whose values are largest in memory for their length.
  private static let texts: [(name: String, bytes: @Sendable () -> [UInt8])] = [
    ("numbers", { repeated("0,", before: "{\"a\":[", after: "0]}") }),
    ("arrays of one", { repeated("[0],", before: "{\"a\":[", after: "0]}") }),
    ("objects of one", { repeated("{\"\":0},", before: "{\"a\":[", after: "0]}") }),
    ("empty objects", { repeated("{},", before: "{\"a\":[", after: "0]}") }),
    ("texts of 16 bytes", { repeated("\"0123456789abcdef\",", before: "{\"a\":[", after: "0]}") }),
    ("numbers of 16 digits", { repeated("1234567890123456,", before: "{\"a\":[", after: "0]}") }),
    ("one long text", { repeated("x", before: "{\"a\":\"", after: "\"}") }),
    ("escapes", { repeated("\\n", before: "{\"a\":\"", after: "\"}") }),
    ("names", { numbered(before: "{", after: "\"\":0}") { "\"\($0)\":0," } }),
  ]

  // MARK: Records

  /// A record of as many items as fit into a file; the lab puts seal and version right.
  private static func record(_ make: (Int) -> String) -> [UInt8] {
    func bytes(_ items: Int) -> [UInt8] {
      ((try? JSONValue.parse(Array(make(items).utf8))) ?? .null).serialized(.pretty)
    }
    // Every item takes as many bytes as the one before.
    let (empty, some) = (bytes(0).count, bytes(1000).count)
    return bytes((size - 1000 - empty) * 1000 / (some - empty))
  }

  private static func list(_ count: Int, _ item: (String) -> String) -> String {
    "[" + (0..<count).map { item(String(100_000 + $0)) }.joined(separator: ",") + "]"
  }

  private static func certificate(files: Int = 0, numbers: Int = 0) -> String {
    let list = list(files) { #"{"name":"\#($0)","bytes":1,"sha256":"\#(emptyDigest)"}"# }
    return """
      {"schema":"tritsmith.certificate","schema_version":1,"generator":"","input":"a","output":"b",\
      "request":{"target":"dense"},"recipe":{"a":\(Self.list(numbers) { $0 })},"inputs":\(list),\
      "outputs":[{"name":"a","bytes":1,"sha256":"\(emptyDigest)"}],"code_stream":null,"gates":[]}
      """
  }

  private static func receipt(_ tensors: Int) -> String {
    """
    {"schema":"tritsmith.shard","schema_version":1,"generator":"","plan_sha256":"","worker":1,"workers":1,\
    "tensors":\(list(tensors) { #"{"name":"\#($0)","sha256":"\#(emptyDigest)"}"# }),"already_ternary":[]}
    """
  }

  // MARK: Patches

  private static let emptyDigest = SHA256.digest(of: []).description

  private static func patch(sections: [UInt8] = [], _ header: [UInt8], flags: UInt8 = 0) -> [UInt8] {
    tritpack(sections: sections, header, magic: "TRITDIFF", version: 2, flags: flags)
  }

  private static func patch(before: String, after: String, _ unit: (Int) -> String) -> [UInt8] {
    patch(numbered(before: before, after: after, unit))
  }

  private static func section(_ offset: Int, _ bytes: [UInt8]) -> String {
    """
    {"offset":\(offset),"stored_bytes":\(bytes.count),"bytes":\(bytes.count),"compression":"none",\
    "sha256":"\(SHA256.digest(of: bytes))"}
    """
  }

  private static func patchOfTensors(_ count: Int) -> [UInt8] {
    let base = (0..<count).map { #"{"name":"\#($0)","shape":[0],"dense":"U8","sha256":"\#(emptyDigest)"}"# }
    let place = #""place":{"file":0,"offset":0},"coding":"same""#
    var tensors: [String] = []
    var length = base.reduce(0) { $0 + $1.utf8.count + 1 }
    while tensors.count < count, length < size - 1000 {
      let number = tensors.count
      tensors.append(#"{"name":"\#(number)","from":"\#(number)",\#(place)}"#)
      length += tensors[number].utf8.count + 1
    }
    let file = #"{"name":"a","bytes":0,"sha256":"\#(emptyDigest)","section":0}"#
    let target = #"{"name":"a","format":"safetensors","kind":"folder"}"#
    let text = """
      {"sections":[\(section(64, []))],"base":{"tensors":[\(base.joined(separator: ","))]},"target":\(target),\
      "tensors":[\(tensors.joined(separator: ","))],"files":[\(file)],"companions":[]}
      """
    return patch(Array(text.utf8))
  }

  /// As many tensors as a compressed header of 950 kB may have, all of one base; the program's name fills the rest.
  private static var patchOfCompressedTensors: [UInt8] {
    let name = String(repeating: "n", count: 60)
    let tensors = list(29_000) {
      #"{"name":"\#(name)\#($0)","from":"a","place":{"file":0,"offset":0},"coding":"same"}"#
    }
    let text = """
      ,"sections":[\(section(64, []))],"base":{"tensors":[{"name":"a","shape":[0],"dense":"U8","sha256":"\(emptyDigest)"}]},\
      "target":{"name":"a","format":"safetensors","kind":"folder"},"tensors":\(tensors),\
      "files":[{"name":"a","bytes":0,"sha256":"\(emptyDigest)","section":0}],"companions":[]}
      """
    func chunks(_ text: [UInt8]) -> [[UInt8]] {
      stride(from: 0, to: text.count, by: 1 << 20).map {
        ZstandardFrame.holding(Array(text[$0..<min(text.count, $0 + 1 << 20)]))
      }
    }
    var generator = SeededGenerator(seed: 6)
    // Of 64 letters each takes six bits; none of them is one that values are counted by, or a backslash.
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    let missing = (950_000 - chunks(Array(text.utf8)).reduce(0) { $0 + $1.count }) * 4 / 3
    let filler = generator.bytes(missing).map { letters[Int($0 % 64)] }
    let json = Array("{\"generator\":\"".utf8) + filler + Array("\"".utf8) + Array(text.utf8)
    let frames = chunks(json)
    let sizes = frames.flatMap { LittleEndian.bytes(UInt32($0.count)) }
    let header = LittleEndian.bytes(UInt64(json.count)) + LittleEndian.bytes(UInt32(frames.count)) + sizes
    return patch(header + frames.flatMap { $0 }, flags: 1)
  }

  /// 950 kB of runs, each byte eight changes.
  private static var patchOfChanges: [UInt8] {
    let (rows, columns) = (1900, 4000)
    let changes = rows * columns
    let content =
      LittleEndian.bytes(UInt64(changes)) + LittleEndian.bytes(UInt64(changes / 8))
      + LittleEndian.bytes(UInt64(changes))
      + [UInt8](repeating: 0, count: 8 + changes / 8)
    let padded = content + [UInt8](repeating: 0, count: (64 - content.count % 64) % 64)
    let identity = """
      "shape":[\(rows),\(columns)],"trits":"\(emptyDigest)","scale":{"convention":"multiply","dtype":"F32",\
      "granularity":"tensor","sha256":"\(emptyDigest)"}
      """
    let text = """
      {"sections":[\(section(64, content)),\(section(64 + padded.count, []))],"base":{"tensors":[{"name":"a",\(identity)}]},\
      "target":{"name":"a","format":"tritpack","kind":"file"},"tensors":[{"name":"a",\(identity),"from":"a",\
      "coding":"gaps","section":0,"layout":"base3","place":{"file":0,"offset":0},\
      "scale_place":{"file":0,"offset":\(rows * columns / 5)},"scale_bytes":"00000000"}],\
      "files":[{"name":"a","bytes":\(rows * columns / 5 + 4),"sha256":"\(emptyDigest)","section":1}],"companions":[]}
      """
    return patch(sections: padded, Array(text.utf8))
  }

  static let all: [WorstCase] =
    texts.flatMap { text in
      [
        WorstCase(target: .config, name: text.name, make: text.bytes),
        WorstCase(target: .tokenizer, name: text.name, make: text.bytes),
        WorstCase(target: .shardIndex, name: text.name, make: text.bytes),
        WorstCase(target: .record, name: text.name, make: text.bytes),
        WorstCase(target: .safetensors, name: text.name) { header(text.bytes()) },
      ]
    } + [
      WorstCase(target: .safetensors, name: "tensors") {
        header(
          numbered(before: "{", after: "\"\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}") {
            "\"\($0)\":{\"dtype\":\"BF16\",\"shape\":[0],\"data_offsets\":[0,0]},"
          })
      },
      WorstCase(target: .safetensors, name: "metadata") {
        header(numbered(before: "{\"__metadata__\":{", after: "\"\":\"\"}}") { "\"\($0)\":\"\"," })
      },
      WorstCase(target: .safetensors, name: "dimensions") {
        header(
          repeated("1,", before: "{\"a\":{\"dtype\":\"U8\",\"shape\":[", after: "0],\"data_offsets\":[0,0]}}"))
      },
      WorstCase(target: .safetensors, name: "packed weights") {
        let json = """
          {"model.layers.0.mlp.up_proj.weight":{"dtype":"U8","shape":[4,240000],"data_offsets":[0,960000]},\
          "model.layers.0.mlp.up_proj.weight_scale":{"dtype":"BF16","shape":[1],"data_offsets":[960000,960002]}}
          """
        return header(Array(json.utf8)) + [UInt8](repeating: 0x19, count: 960000) + [0x20, 0x3F]
      },
      WorstCase(target: .shardIndex, name: "tensors") {
        numbered(before: "{\"weight_map\":{", after: "\"\":\"x\"}}") {
          "\"\($0)\":\"model-00001-of-00002.safetensors\","
        }
      },
      WorstCase(target: .tokenizer, name: "vocabulary") {
        numbered(
          before: "{\"model\":{\"type\":\"BPE\",\"vocab\":{",
          after: "\"ab\":900000},\"merges\":[]},\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}}"
        ) { "\"\($0)\":\($0)," }
      },
      WorstCase(target: .tokenizer, name: "merges") {
        numbered(
          before: "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"model\":{\"type\":\"BPE\","
            + "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[", after: "\"a b\"]}}"
        ) { _ in "[\"a\",\"b\"]," }
      },
      WorstCase(target: .tritdiff, name: "tensors of the base") {
        patch(before: "{\"sections\":[],\"base\":{\"tensors\":[", after: "{}]}}") {
          "{\"name\":\"\($0)\",\"shape\":[0],\"dense\":\"U8\",\"sha256\":\"\(emptyDigest)\"},"
        }
      },
      WorstCase(target: .tritdiff, name: "sections") {
        patch(before: "{\"sections\":[", after: "{}]}") { _ in
          "{\"offset\":64,\"stored_bytes\":0,\"bytes\":0,\"compression\":\"none\",\"sha256\":\"\(emptyDigest)\"},"
        }
      },
      WorstCase(target: .tritdiff, name: "files of the base") {
        patch(before: "{\"sections\":[],\"base\":{\"tensors\":[]},\"companions\":[", after: "{}]}") {
          "{\"name\":\"\($0)\",\"bytes\":0,\"sha256\":\"\(emptyDigest)\"},"
        }
      },
      // As many tensors of the target as fit, each with a short entry because it is its base's, and all of it valid.
      WorstCase(target: .tritdiff, name: "tensors") { patchOfTensors(6_000) },
      WorstCase(target: .tritdiff, name: "tensors of a compressed header") { patchOfCompressedTensors },
      WorstCase(target: .tritdiff, name: "numbers") { patch(before: "{\"a\":[", after: "0]}") { _ in "0," } },
      WorstCase(target: .tritdiff, name: "changes") { patchOfChanges },
      // Records are spelled with a line for each value: these are files of nearly 1 MB as the program reads them.
      WorstCase(target: .record, name: "files of a certificate") { record { certificate(files: $0) } },
      WorstCase(target: .record, name: "tensors of a receipt") { record { receipt($0) } },
      WorstCase(target: .record, name: "numbers of a recipe") { record { certificate(numbers: $0) } },
      WorstCase(target: .sentencepiece, name: "merges") { pieces(Array(1...1390)) },
      WorstCase(target: .sentencepiece, name: "one long piece") { pieces([size]) },
      WorstCase(target: .gguf, name: "empty texts") { gguf(type: 8, width: 8) },
      WorstCase(target: .gguf, name: "bytes") { gguf(type: 0, width: 1) },
      WorstCase(target: .gguf, name: "booleans") { gguf(type: 7, width: 1) },
      WorstCase(target: .gguf, name: "keys") {
        var keys: [UInt8] = []
        var count: UInt64 = 0
        while keys.count < size - 200 {
          let name = Array(String(count, radix: 36).utf8)
          keys += LittleEndian.bytes(UInt64(name.count)) + name + LittleEndian.bytes(UInt32(0)) + [1]
          count += 1
        }
        return gguf(tensors: 0, keys: count) + keys
      },
      WorstCase(target: .gguf, name: "tensors") {
        var entries: [UInt8] = []
        var count: UInt64 = 0
        while entries.count < size - 200 {
          let name = Array(String(count, radix: 36).utf8)
          // No dimension: a scalar of an unknown type, of which nothing is known.
          entries += LittleEndian.bytes(UInt64(name.count)) + name + LittleEndian.bytes(UInt32(0))
          entries += LittleEndian.bytes(UInt32(77)) + LittleEndian.bytes(UInt64(0))
          count += 1
        }
        return gguf(tensors: count, keys: 0) + entries + [UInt8](repeating: 0, count: 64)
      },
      WorstCase(target: .tritpack, name: "tensors") {
        tritpack(
          sections: [],
          numbered(before: "{\"sections\":[],\"files\":[],\"tensors\":[", after: "0]}") { _ in "{\"name\":\"\"}," })
      },
      WorstCase(target: .tritpack, name: "numbers") {
        tritpack(sections: [], repeated("0,", before: "{\"recipe\":[", after: "0]}"))
      },
    ]

  /// A SentencePiece model of type BPE, of pieces of so many letters each.
  private static func pieces(_ lengths: [Int]) -> [UInt8] {
    func varint(_ number: Int) -> [UInt8] {
      number < 128 ? [UInt8(number)] : [UInt8(number & 127 | 128)] + varint(number >> 7)
    }
    var model: [UInt8] = []
    for length in lengths {
      var content: [UInt8] = [0x0A] + varint(length)
      content += [UInt8](repeating: UInt8(ascii: "a"), count: length)
      content += [0x15] + LittleEndian.bytes(Float(-length).bitPattern)
      model += [0x0A] + varint(content.count) + content
    }
    // No mark before a text, no spaces dropped.
    return model + [0x12, 2, 0x18, 2, 0x1A, 4, 0x18, 0, 0x20, 0]
  }

  private static func gguf(tensors: UInt64, keys: UInt64) -> [UInt8] {
    Array("GGUF".utf8) + LittleEndian.bytes(UInt32(3)) + LittleEndian.bytes(tensors) + LittleEndian.bytes(keys)
  }

  /// One array of zeros.
  private static func gguf(type: UInt32, width: Int) -> [UInt8] {
    let count = (size - 100) / width
    let name = Array("tokenizer.ggml.tokens".utf8)
    var file = gguf(tensors: 0, keys: 1) + LittleEndian.bytes(UInt64(name.count)) + name
    file += LittleEndian.bytes(UInt32(9)) + LittleEndian.bytes(type) + LittleEndian.bytes(UInt64(count))
    return file + [UInt8](repeating: 0, count: count * width)
  }

  private static func tritpack(
    sections: [UInt8], _ header: [UInt8], magic: String = "TRITPACK", version: UInt8 = 1, flags: UInt8 = 0
  ) -> [UInt8] {
    let prefix =
      Array(magic.utf8) + [version, 0, 0, 0, flags, 0, 0, 0] + LittleEndian.bytes(UInt64(64 + sections.count))
      + LittleEndian.bytes(UInt64(header.count))
    return prefix + SHA256.digest(of: prefix + header).bytes + sections + header
  }
}
