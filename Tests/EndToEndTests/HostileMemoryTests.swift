// Tritsmith: files made to cost memory.

import Testing
import TritCore
import TritTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Headers of just under 1 MB that hold as many values as fit: what a reader stores for each is many times its text.
@Suite("Memory for hostile files", .disabled(if: Sanitizer.isOn, "sanitizers need memory of their own"))
struct HostileMemoryTests {
  private static let size = 999_900
  private static let limit: UInt64 = 64_000_000

  struct Bomb: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var bytes: @Sendable () -> [UInt8]
  }

  /// As many items as fit between head and tail; `#` stands for the number of the item.
  private static func json(_ name: String, _ head: String, _ item: String, _ tail: String) -> Bomb {
    let bytes: @Sendable () -> [UInt8] = {
      let parts = item.split(separator: "#", omittingEmptySubsequences: false).map { Array($0.utf8) }
      var text = Array(head.utf8)
      var index = 0
      while text.count < size - 120 {
        text += parts[0]
        if parts.count > 1 {
          text += Array(String(index).utf8)
          text += parts[1]
        }
        index += 1
      }
      text.removeLast()
      text += Array(tail.utf8)
      return littleEndianBytes(UInt64(text.count)) + text
    }
    return Bomb(testDescription: "safetensors, " + name, bytes: bytes)
  }

  private static func gguf(
    _ name: String, tensors: Int, keys: Int, _ body: @escaping @Sendable () -> [UInt8]
  ) -> Bomb {
    let bytes: @Sendable () -> [UInt8] = {
      var file = Array("GGUF".utf8)
      file += littleEndianBytes(UInt32(3))
      file += littleEndianBytes(UInt64(tensors))
      file += littleEndianBytes(UInt64(keys))
      file += body()
      return file
    }
    return Bomb(testDescription: "GGUF, " + name, bytes: bytes)
  }

  private static func text(_ value: String) -> [UInt8] {
    littleEndianBytes(UInt64(value.utf8.count)) + Array(value.utf8)
  }

  /// One key that holds an array of zeros.
  private static func array(_ name: String, type: UInt32, width: Int) -> Bomb {
    let count = size / width
    return gguf(name, tensors: 0, keys: 1) {
      var body = text("x")
      body += littleEndianBytes(UInt32(9))
      body += littleEndianBytes(type)
      body += littleEndianBytes(UInt64(count))
      body += [UInt8](repeating: 0, count: count * width)
      return body
    }
  }

  private static let ggufKeys = gguf("keys", tensors: 0, keys: size / 22) {
    var body: [UInt8] = []
    for index in 0..<size / 22 {
      body += key(String(index + 100_000), 0, [1])
    }
    return body
  }

  private static let ggufTensors = gguf("tensors", tensors: size / 38, keys: 0) {
    var body: [UInt8] = []
    for index in 0..<size / 38 {
      body += tensor(String(index + 100_000), [1])
    }
    return body
  }

  private static func key(_ name: String, _ type: UInt32, _ value: [UInt8]) -> [UInt8] {
    text(name) + littleEndianBytes(type) + value
  }

  private static func number(_ name: String, _ value: UInt32) -> [UInt8] { key(name, 4, littleEndianBytes(value)) }

  /// The entry of a tensor whose data begins at 0.
  private static func tensor(_ name: String, _ dimensions: [UInt64], type: UInt32 = 0) -> [UInt8] {
    text(name) + littleEndianBytes(UInt32(dimensions.count)) + dimensions.flatMap { littleEndianBytes($0) }
      + littleEndianBytes(type) + littleEndianBytes(UInt64(0))
  }

  /// Tensors without a dimension, of an unknown type: no tensor takes fewer bytes.
  private static func ggufScalars(type: UInt32, from first: Int = 0) -> Bomb {
    let count = (size - 100) / 28
    return gguf("scalars", tensors: count, keys: 0) {
      var body: [UInt8] = []
      for index in 0..<count {
        body += tensor(String(index + first, radix: 36), [], type: type)
      }
      return body + [UInt8](repeating: 0, count: 64)
    }
  }

  /// A configuration of many layers, of each of which one tensor is there and the others are missing.
  private static let ggufLayers: Bomb = {
    let layers = (size - 300) / 55
    return gguf("layers", tensors: layers, keys: 8) {
      var body = key("general.architecture", 8, text("llama"))
      body += number("llama.block_count", UInt32(Int32.max))
      body += number("llama.context_length", 32)
      body += number("llama.embedding_length", 8)
      body += number("llama.feed_forward_length", 16)
      body += number("llama.attention.head_count", 2)
      body += number("llama.attention.head_count_kv", 1)
      body += key("llama.attention.layer_norm_rms_epsilon", 6, littleEndianBytes(Float(1e-5).bitPattern))
      for layer in 0..<layers {
        body += tensor("blk.\(2 * layer).\(["attn_q", "ffn_up"][layer % 2]).weight", [0])
      }
      return body
    }
  }()

  static let bombs: [Bomb] = [
    json("numbers", "{\"a\":[", "0,", "]}"),
    json("empty arrays", "{\"a\":[", "[],", "]}"),
    json("empty objects", "{\"a\":[", "{},", "]}"),
    json("metadata", "{\"__metadata__\":{", "\"#\":\"\",", "}}"),
    json("keys", "{", "\"#\":1,", "}"),
    json("dimensions", "{\"a\":{\"dtype\":\"U8\",\"shape\":[", "1,", "],\"data_offsets\":[0,1]}}"),
    json("tensors", "{", "\"#\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},", "}"),
    array("bytes", type: 0, width: 1),
    array("empty strings", type: 8, width: 8),
    array("arrays in an array", type: 9, width: 12),
    ggufKeys,
    ggufTensors,
    ggufScalars(type: 77),
    ggufLayers,
  ]

  /// Every command that reads a model and needs nothing else; `OUT` is a place to write to.
  private static let commands: [[String]] = [
    ["inspect", "IN"], ["inspect", "IN", "--stats", "--format", "json"], ["inspect", "IN", "--html", "OUT"],
    ["inspect", "IN", "--tensor", "*", "--raw", "OUT"],
    ["check", "IN"], ["verify", "IN", "IN"], ["compare", "IN", "IN"], ["diff", "IN", "IN", "-o", "OUT"],
    ["convert", "IN", "OUT", "--to", "tritpack"],
  ]

  @Test("no file of 1 MB makes a command take 64 MB, and none is a crash", arguments: bombs)
  func peak(_ bomb: Bomb) {
    let scratch = ScratchFolder()
    let bytes = bomb.bytes()
    #expect(bytes.count < 1_000_100)
    let path = scratch["bomb" + (bytes.starts(with: Array("GGUF".utf8)) ? ".gguf" : ".safetensors")]
    Disk.write(bytes, path)
    for command in Self.commands {
      measure(command.map { $0 == "IN" ? path : $0 == "OUT" ? scratch["out"] : $0 }, writing: scratch["out"])
    }
  }

  /// A text of 1 MB, and how many tokens come of it at most.
  private static func sample(_ kind: String) throws -> (text: String, tokens: Int) {
    let sample: String
    switch kind {
    // Every token is a byte at least, and spelled out it takes four.
    case "controls": return (String(repeating: "\u{1}", count: 1_000_000), 1_000_000)
    case "ideographs": return (String(repeating: "\u{4E00}\u{9FA5}", count: 166_666), 1_000_000)
    default: sample = Disk.text(Model.plain + "/reference/calibration_text.txt")
    }
    let text = String(repeating: sample, count: 1 + 1_000_000 / sample.utf8.count)
    return (try #require(String(text.utf8.prefix(1_000_000))), 300_000)
  }

  @Test(
    "a text of 1 MB becomes ids in 64 MB and 8 bytes a token", arguments: ["table", "json", "csv", "markdown"],
    ["words", "controls", "ideographs"])
  func tokenize(_ format: String, _ kind: String) throws {
    let scratch = ScratchFolder()
    let (text, tokens) = try Self.sample(kind)
    Disk.write(text, scratch["text"])
    var runner = ProcessRunner()
    runner.watchesMemory = true
    runner.outputPath = scratch["out"]
    let result = runner.run(
      BuiltProducts.tritsmith, ["tokenize", Model.bitnet, "--text-file", scratch["text"], "--format", format])
    #expect(result.exitCode == 0, "\(result.summary)")
    // The CSV has a line for each token, and one above them.
    if format == "csv" {
      let lines = Disk.bytes(scratch["out"]).count { $0 == 0x0A }
      #expect(lines > 100_000 && lines <= tokens + 1)
    }
    #expect(result.peakResidentBytes < 64_000_000 + 8 * UInt64(tokens), "\(result.peakResidentBytes)")
  }

  /// As many tokens as Qwen has, of the letters a to z. A token's merge is of its beginning and its last letter.
  private static func tokenizer(pairs: Bool) -> [UInt8] {
    let letters = (UInt8(ascii: "a")...UInt8(ascii: "z")).map { String(UnicodeScalar($0)) }
    var tokens = letters
    var (vocab, merges) = ([String](), [String]())
    var beginning = 0
    while tokens.count < 151_643 {
      let start = tokens[beginning]
      for letter in letters {
        tokens.append(start + letter)
        let pair = "      [\n        \"\(start)\",\n        \"\(letter)\"\n      ]"
        merges.append(pairs ? pair : "\"\(start) \(letter)\"")
      }
      beginning += 1
    }
    for (id, token) in tokens.enumerated() { vocab.append("      \"\(token)\": \(id)") }
    let byteLevel = #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}"#
    let text = """
      {"version":"1.0","added_tokens":[],"pre_tokenizer":\(byteLevel),"decoder":\(byteLevel),"model":{"type":"BPE",
      "vocab":{\(vocab.joined(separator: ",\n"))},"merges":[\(merges.joined(separator: ",\n"))]}}
      """
    return Array(text.utf8)
  }

  @Test("a tokenizer of Qwen's size in 64 MB, merges written in both ways", arguments: [false, true])
  func largeTokenizer(pairs: Bool) {
    let scratch = ScratchFolder()
    let folder = ModelFolderBuilder([RawTensor("a", "F32", [1], FloatBytes.f32([1]))]).write(scratch["model"])
    Disk.write(Self.tokenizer(pairs: pairs), folder + "/tokenizer.json")
    var runner = ProcessRunner()
    runner.watchesMemory = true
    let result = runner.run(BuiltProducts.tritsmith, ["tokenize", folder, "--text", "ab z", "--quiet"])
    // `ab` is the second of the pairs; a space has no token.
    #expect(result.exitCode == 0 && result.output == "27 25\n", "\(result.summary)")
    #expect(result.peakResidentBytes < Self.limit, "\(result.peakResidentBytes)")
  }

  @Test("a patch between two models without a common tensor, and what it gives")
  func patch() {
    let scratch = ScratchFolder()
    let (base, target) = (scratch["base.gguf"], scratch["target.gguf"])
    Disk.write(Self.ggufScalars(type: 77).bytes(), base)
    Disk.write(Self.ggufScalars(type: 78, from: 46_000).bytes(), target)
    let (patch, output) = (scratch["patch.tritdiff"], scratch["again.gguf"])
    measure(["diff", base, target, "-o", patch], writing: patch)
    measure(["inspect", patch])
    measure(["apply", base, patch, "-o", output], writing: output)
    #expect(Disk.bytes(output) == Disk.bytes(target))
  }

  private func measure(_ command: [String], writing output: String? = nil) {
    var runner = ProcessRunner()
    runner.watchesMemory = true
    var result: ProcessResult
    var tries = 0
    // On a busy machine a refusal of a few milliseconds is over before it is looked at once.
    repeat {
      if let output { Disk.remove(output) }
      result = runner.run(BuiltProducts.tritsmith, command + ["--quiet"])
      tries += 1
    } while result.peakResidentBytes == 0 && tries <= 20
    // 1 is a check that ran and did not pass, 64 a model that cannot be converted so.
    #expect([0, 1, 64, 65].contains(result.exitCode), "\(command): \(result.summary)")
    #expect(
      result.peakResidentBytes > 0 && result.peakResidentBytes < Self.limit,
      "\(command): \(result.peakResidentBytes)")
    // A process begins as a copy of this one, whose peak counts as its own; other tests raise it at any time.
    let own = ProcessRunner.peakResidentBytes(of: getpid()) ?? 0
    #expect(result.reportedResidentBytes < Self.limit || result.reportedResidentBytes <= own, "\(command)")
  }
}
