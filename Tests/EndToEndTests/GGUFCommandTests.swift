// Tritsmith: GGUF files and comparisons with the built tool.

import Testing
import TritCore
import TritTestSupport

@Suite("GGUF with the built tool")
struct GGUFCommandTests {
  private static let packed = Fixtures.checkpoint("bitnet-b158-tiny/packed")

  @Test("convert, inspect, look up a key, compare, verify, convert back")
  func wholeWay() throws {
    let scratch = ScratchFolder()
    let file = scratch["model.gguf"]
    let conversion = try Tool.report(
      ["convert", Model.falcon, file, "--to", "gguf", "--layout", "TQ2_0", "--embeddings", "bf16", "--quiet"],
      schema: "tritsmith.convert")
    #expect(conversion["result"]?.object?["audit_passed"]?.bool == true)
    #expect(conversion["result"]?.object?["rounded_scales"]?.number?.integer ?? 0 > 0)
    let inspection = try Tool.report(["inspect", file], schema: "tritsmith.inspect")
    #expect(inspection["model"]?.object?["format"]?.string == "gguf")
    #expect(inspection["tokenizer"]?.object?["tokens"]?.number?.integer == 2048)
    #expect(inspection["tensors"]?.array?.count == 39)
    #expect(inspection["tensors"]?.array?.first?.object?["name"]?.string == "token_embd.weight")
    let lookup = try Tool.report(["inspect", file, "--metadata", "llama.block_count"], schema: "tritsmith.metadata")
    let entry = lookup["metadata"]?.array?.first?.object
    #expect(entry?["type"]?.string == "u32" && entry?["value"]?.number?.integer == 4)
    let unknown = Tool.expect(64, ["inspect", file, "--metadata", "llama.block_coun"]).errors
    #expect(unknown.contains("the nearest key is 'llama.block_count'"), "\(unknown)")
    #expect(unknown.contains("--metadata \"*\"' lists every key"), "\(unknown)")
    // What it names does it.
    #expect(Tool.expect(0, ["inspect", file, "--metadata", "*"]).output.contains("llama.block_count: "))
    #expect(Tool.expect(64, ["inspect", file, "--tensor", "nothing"]).errors.contains("--tensors' lists the names"))
    let comparison = try Tool.report(["compare", Model.bitnet, file], schema: "tritsmith.compare")
    #expect(comparison["comparison"]?.object?["same"]?.bool == true)
    Tool.expect(0, ["verify", Model.falcon, file])
    Tool.expect(0, ["convert", file, scratch["back"], "--to", "hf-packed", "--quiet"])
    Tool.expect(0, ["compare", scratch["back"], Model.bitnet, "--exact"])
  }

  @Test("newer type numbers are told in one line, and with -q in none")
  func retag() throws {
    let scratch = ScratchFolder()
    let old = Fixtures.golden("gguf/bonsai_q2_0_legacy.gguf")
    let output = Tool.expect(0, ["convert", old, scratch["a.gguf"], "--retag"]).output
    #expect(output.hasPrefix("✓ ") && output.count { $0 == "\n" } == 1, "\(output)")
    #expect(Tool.expect(0, ["convert", old, scratch["b.gguf"], "--retag", "-q"]).output.isEmpty)
    let report = try Tool.report(["convert", old, scratch["c.gguf"], "--retag"], schema: "tritsmith.retag")
    #expect(report["retag"]?.object?["tensors"]?.number?.integer == 2)
  }

  /// What gguf-py wrote, see all_types_align32.json.
  @Test("arrays of metadata are arrays in JSON, whole when asked for, else their beginning")
  func arrays() throws {
    let file = Fixtures.golden("gguf/all_types_align32.gguf")
    func values(_ report: JSONObject) throws -> [String: JSONObject] {
      let rows = try #require(report["metadata"]?.array).compactMap(\.object)
      return Dictionary(uniqueKeysWithValues: rows.compactMap { row in (row["key"]?.string).map { ($0, row) } })
    }
    let expected: [String: String] = [
      "t.arr_str": #"["","x","é"]"#, "t.arr_i32": "[1,-2,3]", "t.arr_f32": "[0.5,-1.5]",
      "t.arr_bool": "[true,false,true]", "t.u16": "60000", "t.bool": "true", "t.str": "\"café 😀\"",
    ]
    for arguments in [["inspect", file], ["inspect", file, "--metadata", "t.*"]] {
      let found = try values(
        Tool.report(arguments, schema: arguments.count > 2 ? "tritsmith.metadata" : "tritsmith.inspect"))
      for (key, text) in expected {
        #expect(found[key]?["value"] == (try JSONValue.parse(Array(text.utf8))), "\(key)")
      }
      #expect(found["t.arr_i32"]?["elements"]?.number?.integer == 3 && found["t.u16"]?["elements"] == .null)
    }
    let scratch = ScratchFolder()
    Tool.expect(0, ["convert", Self.packed, scratch["m.gguf"], "-q"])
    let key = "tokenizer.ggml.token_type"
    let whole = try values(
      Tool.report(["inspect", scratch["m.gguf"], "--metadata", key], schema: "tritsmith.metadata"))
    let count = try #require(whole[key]?["elements"]?.number?.integer)
    #expect(count > 1000 && whole[key]?["value"]?.array?.count == count)
    let first = try values(Tool.report(["inspect", scratch["m.gguf"]], schema: "tritsmith.inspect"))
    #expect(first[key]?["elements"]?.number?.integer == count && first[key]?["value"]?.array?.count == 6)
  }

  @Test("compare exits with 1 when models differ, or are rounded and should not be")
  func different() throws {
    let scratch = ScratchFolder()
    Tool.expect(0, ["convert", Model.bitnet, scratch["model.gguf"], "--to", "gguf", "--quiet"])
    Tool.expect(0, ["compare", Model.bitnet, scratch["model.gguf"]])
    Tool.expect(1, ["compare", Model.bitnet, scratch["model.gguf"], "--exact"])
    let report = try Tool.report(["compare", Model.bitnet, Model.plain], schema: "tritsmith.compare", exitCode: 1)
    #expect(report["comparison"]?.object?["same"]?.bool == false)
    let places = try Tool.report(
      ["compare", Fixtures.checkpoint("plain-tiny"), Model.falcon, "--limit", "2"], schema: "tritsmith.compare",
      exitCode: 1)
    let first = try #require(places["differences"]?.array?.first?.object)
    #expect(first["row"]?.number?.integer != nil && first["column"]?.number?.integer != nil)
    Tool.expect(64, ["compare", Model.bitnet, Model.bitnet, "--limit", "-1"])
    Tool.expect(66, ["compare", Model.bitnet, scratch["none"]])
  }

  @Test("a wrong byte order is named, on standard output, with exit code 1")
  func byteOrder() {
    let scratch = ScratchFolder()
    Tool.expect(
      0,
      ["convert", Self.packed, scratch["m.gguf"], "--to", "gguf", "--layout", "I2_S", "--i2s-order", "group64", "-q"])
    Tool.expect(0, ["compare", Self.packed, scratch["m.gguf"]])
    // An order that contradicts the file's own key is refused.
    for call in [
      ["convert", scratch["m.gguf"], scratch["o"], "--to", "hf-packed"], ["check", scratch["m.gguf"]],
      ["inspect", scratch["m.gguf"]], ["compare", Self.packed, scratch["m.gguf"]],
    ] {
      let errors = Tool.expect(64, call + ["--i2s-order", "group128"]).errors
      for part in ["tritsmith.i2s_order", "states group64", "group128 was asked for", "leave --i2s-order out"] {
        #expect(errors.contains(part), "\(errors)")
      }
      #expect(!Disk.exists(scratch["o"]))
    }
    Tool.expect(0, ["compare", Self.packed, scratch["m.gguf"], "--i2s-order", "group64"])
    // Of a conversion to I2_S the option means the output.
    let turned = ["--to", "gguf", "--layout", "I2_S", "--i2s-order", "rows4", "-q"]
    Tool.expect(0, ["convert", scratch["m.gguf"], scratch["rows4.gguf"]] + turned)
    Tool.expect(0, ["compare", Self.packed, scratch["rows4.gguf"]])
    // Without the key the other model tells.
    Disk.overwrite("tritsmith.i2s_order", with: "tritsmith.other_key", in: scratch["m.gguf"])
    for command in ["compare", "verify"] {
      let result = Tool.expect(1, [command, Self.packed, scratch["m.gguf"], "--i2s-order", "group128"])
      #expect(result.output.contains("is probably group64") && result.output.contains("--i2s-order group64"))
    }
  }

  @Test("a pre-tokenizer's name is told, refused, or taken from the user")
  func preTokenizer() throws {
    let scratch = ScratchFolder()
    let file = scratch["m.gguf"]
    // The names bitnet.cpp and llama.cpp know for Llama 3's rule.
    Tool.expect(0, ["convert", Self.packed, file, "--to", "gguf", "--layout", "I2_S", "-q"])
    #expect(Tool.expect(0, ["inspect", file, "--metadata", "tokenizer.ggml.pre"]).output == "llama-bpe\n")
    let several = Tool.expect(0, ["inspect", file, "--metadata", "tokenizer.ggml.pre", "--metadata", "general.type"])
    #expect(several.output == "general.type: model\ntokenizer.ggml.pre: llama-bpe\n")
    let other = Tool.expect(65, ["convert", Self.packed, scratch["x.gguf"], "--to", "gguf", "--gguf-pre", "qwen2"])
    #expect(other.errors.contains("'qwen2'") && other.errors.contains("'llama-bpe'"), "\(other.errors)")
    #expect(!Disk.exists(scratch["x.gguf"]))
    func ids(_ text: String, _ extra: String...) throws -> [Int] {
      let report = try Tool.report(
        ["tokenize", file, "--text", text, "--no-special"] + extra, schema: "tritsmith.tokenize")
      return try #require(report["tokenization"]?.object?["ids"]?.array).compactMap { $0.number?.integer }
    }
    // Qwen2's rule takes digits one by one.
    let digits = try ["2", "0", "2", "6"].flatMap { try ids($0) }
    #expect(try ids("2026", "--gguf-pre", "qwen2") == digits && ids("2026") != digits)
    let unknown = Tool.expect(65, ["tokenize", file, "--text", "a", "--gguf-pre", "nobody-knows"])
    #expect(unknown.errors.contains("'nobody-knows'") && unknown.errors.contains("--gguf-pre"), "\(unknown.errors)")
    // No program known here loads such a file.
    let check = Tool.expect(1, ["check", file, "--gguf-pre", "nobody-knows"])
    #expect(check.output.contains("tokenizer.pre-tokenizer"), "\(check.output)")
    Tool.expect(0, ["compare", Self.packed, file])
    Tool.expect(1, ["compare", Self.packed, file, "--gguf-pre", "qwen2"])
    Tool.expect(1, ["verify", Self.packed, file, "--gguf-pre", "qwen2"])
    for command in ["compare", "verify"] {
      let told = Tool.expect(0, [command, Self.packed, file, "--gguf-pre", "llama-bpe"])
      let line = told.output.split(separator: "\n").first ?? ""
      #expect(line.contains("read as 'llama-bpe', as asked"), "\(told.output)")
      Tool.expect(64, [command, Self.packed, file, "--gguf-pre", ""])
    }
    Tool.expect(64, ["convert", Self.packed, scratch["y.gguf"], "--to", "gguf", "--gguf-pre", ""])
    Tool.expect(64, ["check", file, "--gguf-pre", ""])
  }

  @Test("layouts and options that do not go together")
  func misuse() {
    for arguments in [
      ["--to", "gguf", "--layout", "base3"], ["--to", "tritpack", "--layout", "TQ2_0"],
      ["--to", "hf-packed", "--layout", "TQ2_0"], ["--to", "dense", "--embeddings", "f16"],
      ["--to", "gguf", "--max-shard-size", "1MB"], ["--to", "gguf", "--zstd", "3"],
      ["--to", "gguf", "--layout", "I2_S", "--i2s-order", "group32"],
    ] {
      let result = Tool.expect(64, ["convert", Model.falcon, "/nowhere/x.gguf"] + arguments)
      #expect(result.output.isEmpty && result.errors.hasPrefix("error: "))
    }
  }

  @Test("files that are no GGUF, or half of one, exit with 65 and a byte")
  func damaged() {
    let scratch = ScratchFolder()
    Tool.expect(0, ["convert", Self.packed, scratch["m.gguf"], "--to", "gguf", "--quiet"])
    let bytes = Disk.bytes(scratch["m.gguf"])
    let magic = Array(bytes[..<4])
    let rest = Array(bytes[8...])
    let version: [UInt8] = [9, 0, 0, 0]
    let bigEndian: [UInt8] = [0, 0, 0, 3]
    let files: [(String, [UInt8])] = [
      ("half", Array(bytes[..<(bytes.count / 2)])), ("header", Array(bytes[..<1000])),
      ("magic", Array(bytes[1...])), ("version", magic + version + rest), ("endian", magic + bigEndian + rest),
    ]
    for (name, damaged) in files {
      Disk.write(damaged, scratch["\(name).gguf"])
      let result = Tool.expect(65, ["inspect", scratch["\(name).gguf"]])
      #expect(result.output.isEmpty && result.errors.contains("\(name).gguf"), "\(result.errors)")
    }
  }
}
