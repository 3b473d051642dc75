// Tritsmith: what becomes of a tokenizer when a model is converted, and what is said of files that leave it open.

import Testing
import TritCore
import TritLayouts
import TritModel
import TritTestSupport
import TritTokenizer
import WorkflowTestSupport

@testable import TritConversion
@testable import TritEvaluation
@testable import TritFormats
@testable import TritInspection
@testable import TritSurvey

@Suite("Tokenizers of converted models")
struct TokenizerConversionTests {
  private static func tokenizer(_ path: String, _ open: OpenOptions = OpenOptions()) throws -> Tokenizer {
    try Tokenizer(of: ModelOpener.open(path, open, hasCompanions: true))
  }

  /// Writes a key under another name of the same length, so that readers do not find it.
  private static func hideKey(_ key: String, in path: String) throws {
    var bytes = Disk.bytes(path)
    let name = Array(key.utf8)
    let count = bytes.count - name.count
    let place = try #require((0..<count).first { bytes[$0] == name[0] && Array(bytes[$0..<$0 + name.count]) == name })
    bytes[place] = UInt8(ascii: "X")
    Disk.write(bytes, path)
  }

  private static func check(_ path: String, _ open: OpenOptions = OpenOptions()) throws -> CheckResult {
    try CheckWorkflow(CheckRequest(path: path, open: open)).run()
  }

  // MARK: - There and back

  /// A file of every kind holds the tokenizer of the model it was made from, by content and by the ids of hard texts.
  @Test(
    "GGUF holds the same tokenizer",
    arguments: [Checkpoint.bitnet, Checkpoint.packed],
    [GGUFStyle(weights: .tq2), GGUFStyle(weights: .i2s), GGUFStyle(weights: .f32)])
  func thereAndBack(_ model: String, _ style: GGUFStyle) throws {
    let scratch = ScratchFolder()
    let result = try Workflow.gguf(model, scratch["a.gguf"], style)
    #expect(result.plan.warnings.filter { $0.contains("tokenizer") } == [])
    let found = TokenizerComparison(try Self.tokenizer(model), try Self.tokenizer(scratch["a.gguf"]))
    #expect(found.isEqual, "\(found.differences)")
    // Every engine whose files have this layout knows the name, and cuts by the same rule under it.
    let entry = try #require(GGUFSource(path: scratch["a.gguf"]).manifest.entry("tokenizer.ggml.pre"))
    #expect(entry == .string("llama-bpe"))
  }

  @Test("a file for another engine gets that engine's name for the same rule")
  func otherEngine() throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Checkpoint.prequantized, scratch["start.gguf"]) { $0.gguf.preTokenizer = "falcon-h1" }
    let whole = try Self.tokenizer(Checkpoint.prequantized)
    // llama.cpp knows falcon-h1, bitnet.cpp ends with "unknown pre-tokenizer type".
    let kept = try Workflow.gguf(scratch["start.gguf"], scratch["kept.gguf"], GGUFStyle(weights: .tq1))
    #expect(!kept.plan.warnings.contains { $0.contains("pre-tokenizer") })
    let renamed = try Workflow.gguf(scratch["start.gguf"], scratch["i2s.gguf"], GGUFStyle(weights: .i2s))
    #expect(renamed.plan.warnings.contains { $0.contains("'falcon-h1'") && $0.contains("'llama-bpe'") })
    for (path, name) in [("kept.gguf", "falcon-h1"), ("i2s.gguf", "llama-bpe")] {
      #expect(try GGUFSource(path: scratch[path]).manifest.entry("tokenizer.ggml.pre") == .string(name))
      #expect(TokenizerComparison(whole, try Self.tokenizer(scratch[path])).isEqual)
    }
    // What the user says is written, and read.
    try Workflow.gguf(scratch["start.gguf"], scratch["told.gguf"], GGUFStyle(weights: .i2s)) {
      $0.gguf.preTokenizer = "smaug-bpe"
      $0.open.preTokenizer = "smaug-bpe"
    }
    #expect(try GGUFSource(path: scratch["told.gguf"]).manifest.entry("tokenizer.ggml.pre") == .string("smaug-bpe"))
  }

  /// Models of Qwen3.5 bring text into NFC, files of llama.cpp do not say so, and under `qwen35` not all models do.
  @Test("a file that leaves NFC open is read as the other side, and the verdict says so")
  func normalizationLeftOpen() throws {
    let scratch = ScratchFolder()
    let section = try #require(PreTokenizerName.named("qwen35")?.usualMeaning?.rule.section)
    func change(_ file: inout JSONObject, _ normalizer: JSONValue) throws {
      (file["normalizer"], file["pre_tokenizer"]) = (normalizer, section)
      var model = try #require(file["model"]?.object)
      model["ignore_merges"] = false
      file["model"] = .object(model)
    }
    let composing = try Self.changed(scratch) { try change(&$0, .object(["type": "NFC"])) }
    try Workflow.gguf(composing, scratch["said.gguf"]) { $0.gguf.preTokenizer = "qwen35" }
    let open = try ChangedGGUF.write(scratch["said.gguf"], scratch["open.gguf"]) {
      $0.removeAll { $0.key == "tritsmith.tokenizer.normalizer" }
    }
    for (first, second) in [(composing, open), (open, composing)] {
      let compared = try Workflow.compare(first, second)
      let parts = compared.parts
      let finding = try #require(parts[.tokenizer])
      #expect(finding.outcome == .equal, "\(finding)")
      let name = first == open ? "first" : "second"
      #expect(parts.verdict.contains("tokenizer equal if the \(name) is read with NFC"), "\(parts.verdict)")
      // The verdict has the condition, a remark what stands behind it.
      let remark = "does not say whether text is brought into NFC"
      #expect(finding.remarks.contains { $0.contains(remark) } && !parts.verdict.contains(remark), "\(finding)")
      let isNoted = compared.report.blocks.contains {
        if case .note(.info, let text) = $0 { text.contains(remark) } else { false }
      }
      #expect(isNoted)
    }
    let other = ScratchFolder()
    let plain = try Self.changed(other) { try change(&$0, .null) }
    let finding = try #require(try Workflow.compare(plain, open).parts[.tokenizer])
    #expect(finding.outcome == .equal && finding.remarks.isEmpty, "\(finding)")
    let said = try #require(try Workflow.compare(plain, scratch["said.gguf"]).parts[.tokenizer])
    #expect(said.outcome == .differs, "\(said)")
    // A folder has no way to leave it open: before one is written the question is told, and the answer that it is given.
    for target in [ConversionTarget.dense, .tritpack] {
      let out = scratch[target.rawValue]
      let warnings = try Workflow.convert(open, out, to: target).plan.warnings
      #expect(warnings.count { $0.contains("whether text is brought into NFC") } == 1, "\(warnings)")
      #expect(try Workflow.compare(composing, out).parts[.tokenizer]?.outcome == .differs)
    }
    let file = "\(scratch["dense"])/tokenizer.json"
    var settled = try #require(try JSONValue.parse(Disk.bytes(file)).object)
    settled["normalizer"] = .object(["type": "NFC"])
    Disk.write(JSONValue.object(settled).serialized(.pretty), file)
    #expect(try Workflow.compare(composing, scratch["dense"]).parts[.tokenizer]?.outcome == .equal)
    let sure = try Workflow.convert(scratch["said.gguf"], scratch["sure"], to: .dense).plan.warnings
    #expect(!sure.contains { $0.contains("NFC") }, "\(sure)")
  }

  // MARK: - What GGUF cannot say

  /// A model with another tokenizer.
  private static func changed(_ scratch: ScratchFolder, _ change: (inout JSONObject) throws -> Void) throws -> String {
    var model = ChangedModel(Checkpoint.prequantized)
    var file = try #require(JSONValue.parse(Disk.bytes(Checkpoint.prequantized + "/tokenizer.json")).object)
    try change(&file)
    model.files["tokenizer.json"] = JSONValue.object(file).serialized()
    return model.write(scratch["model"])
  }

  @Test("what GGUF cannot say is refused before anything is written")
  func refused() throws {
    let changes: [(String, (inout JSONObject) throws -> Void)] = [
      ("Lowercase", { $0["normalizer"] = .object(["type": "Lowercase"]) }),
      ("NFC", { $0["normalizer"] = .object(["type": "NFC"]) }),
      (
        "add_prefix_space",
        { file in
          var section = try #require(file["pre_tokenizer"]?.object)
          section["pretokenizers"] = .array(
            try #require(section["pretokenizers"]?.array).map { step in
              guard var object = step.object, object["type"]?.string == "ByteLevel" else { return step }
              object["add_prefix_space"] = true
              return .object(object)
            })
          file["pre_tokenizer"] = .object(section)
        }
      ),
      (
        "no name",
        { file in
          file["pre_tokenizer"] = .object(["type": "ByteLevel", "add_prefix_space": false, "use_regex": false])
        }
      ),
    ]
    for (expected, change) in changes {
      let scratch = ScratchFolder()
      let model = try Self.changed(scratch, change)
      let error = try #require(throws: GGUFModelError.self) { try Workflow.gguf(model, scratch["a.gguf"]) }
      #expect(error.description.contains(expected), "\(error)")
      #expect(!Disk.exists(scratch["a.gguf"]))
      // Without a tokenizer it can be written.
      try Workflow.gguf(model, scratch["a.gguf"]) { $0.gguf.hasTokenizer = false }
      #expect(throws: RunError.self) { try Self.tokenizer(scratch["a.gguf"]) }
    }
  }

  @Test("pad_token_id -1 means none")
  func noPadding() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.prequantized)
    var configuration = try #require(JSONValue.parse(Array(model.configuration.utf8)).object)
    configuration["pad_token_id"] = .number(JSONNumber(-1))
    model.configuration = String(decoding: JSONValue.object(configuration).serialized(), as: UTF8.self)
    var settings = try #require(
      JSONValue.parse(Disk.bytes(Checkpoint.prequantized + "/tokenizer_config.json")).object)
    settings.entries.removeAll { $0.key == "pad_token" }
    model.files["tokenizer_config.json"] = JSONValue.object(settings).serialized()
    model.without = ["special_tokens_map.json", "generation_config.json"]
    try Workflow.gguf(model.write(scratch["model"]), scratch["a.gguf"])
    #expect(try GGUFSource(path: scratch["a.gguf"]).manifest.entry("tokenizer.ggml.padding_token_id") == nil)
    #expect(try Self.tokenizer(scratch["a.gguf"]).padTokenID == nil)
  }

  // MARK: - What a file leaves open

  @Test("a begin token that the file does not mention is the name's")
  func beginToken() throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Checkpoint.prequantized, scratch["a.gguf"])
    let text = "And the LORD"
    let plain = try Self.tokenizer(scratch["a.gguf"]).encode(text)
    try Self.hideKey("tokenizer.ggml.add_bos_token", in: scratch["a.gguf"])
    let result = try TokenizeWorkflow(TokenizeRequest(path: scratch["a.gguf"], input: .text(text))).run()
    #expect(result.tokens.map(\.id) == [1] + plain)
    #expect(result.notes.contains { $0.contains("begin token") })
    // The folder made of the file does the same.
    try Workflow.convert(scratch["a.gguf"], scratch["folder"], to: .hfPacked)
    #expect(try Self.tokenizer(scratch["folder"]).encode(text) == [1] + plain)
    let settings = try JSONValue.parse(Disk.bytes(scratch["folder"] + "/tokenizer_config.json")).object
    #expect(settings?["add_bos_token"] == true)
  }

  @Test("a name that the file does not give is found by check, and can be given")
  func missingName() throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Checkpoint.prequantized, scratch["a.gguf"])
    #expect(try Self.check(scratch["a.gguf"]).findings == [])
    let whole = try Self.tokenizer(scratch["a.gguf"])
    try Self.hideKey("tokenizer.ggml.pre", in: scratch["a.gguf"])
    let findings = try Self.check(scratch["a.gguf"]).findings
    #expect(findings.map(\.rule) == [.preTokenizer] && findings.allSatisfy { $0.severity == .warning }, "\(findings)")
    #expect(findings.allSatisfy { $0.detail.contains("--gguf-pre") })
    // What is done then is not what the model was trained with.
    #expect(!TokenizerComparison(whole, try Self.tokenizer(scratch["a.gguf"])).isEqual)
    let named = OpenOptions(preTokenizer: "llama-bpe")
    #expect(try Self.check(scratch["a.gguf"], named).findings == [])
    #expect(TokenizerComparison(whole, try Self.tokenizer(scratch["a.gguf"], named)).isEqual)
    var request = TokenizeRequest(path: scratch["a.gguf"], input: .text("It's 1234567!"))
    request.open = named
    #expect(try TokenizeWorkflow(request).run().tokens.map(\.id) == whole.encode("It's 1234567!"))
    // A conversion carries the name into the output, whatever it is.
    for target in [ConversionTarget.gguf, .hfPacked] {
      let result = try Workflow.convert(scratch["a.gguf"], scratch["\(target)"], to: target) {
        $0.open.preTokenizer = "llama-bpe"
        $0.gguf.preTokenizer = "llama-bpe"
      }
      #expect(!result.plan.warnings.contains { $0.contains("--gguf-pre") })
      #expect(TokenizerComparison(whole, try Self.tokenizer(scratch["\(target)"])).isEqual)
    }
    let warned = try Workflow.convert(scratch["a.gguf"], scratch["unnamed"], to: .hfPacked)
    #expect(warned.plan.warnings.contains { $0.contains("--gguf-pre") })
  }

  // MARK: - Vocabularies by themselves

  /// Vocabularies of llama.cpp's tests with their sizes; ids are by the models' own tokenizers.
  private static let vocabularies = [
    ("gpt-2", 610_187), ("llama-bpe", 1_562_739), ("falcon", 788_401), ("qwen2", 1_836_783), ("qwen35", 1_837_143),
    ("deepseek-llm", 1_263_977), ("deepseek-coder", 397_093), ("starcoder", 599_918), ("refact", 600_977),
    ("mpt", 615_533), ("command-r", 3_102_856),
  ]

  private static func unpack(_ name: String, _ size: Int, to path: String) throws {
    let frame = Disk.bytes(Fixtures.path("Tokenizers/llama.cpp/ggml-vocab-\(name).gguf.zst"))
    Disk.write(try Zstd.decompress(frame.span.bytes, count: size), path)
  }

  @Test("a vocabulary without a model gives the ids its makers say", arguments: vocabularies)
  func vocabulary(_ name: String, _ size: Int) throws {
    let scratch = ScratchFolder()
    try Self.unpack(name, size, to: scratch["vocab.gguf"])
    let folder = Fixtures.path("Tokenizers/llama.cpp/")
    let own = folder + "ggml-vocab-\(name).gguf.inp"
    let input = Disk.exists(own) ? own : folder + "ggml-vocab.inp"
    var texts = Self.lines(Disk.bytes(input), by: "\n__ggml_vocab_test__\n")
    var ids = Self.lines(Disk.bytes(folder + "ggml-vocab-\(name).gguf.out"), by: "\n").map { line in
      String(decoding: line, as: UTF8.self).split(separator: " ").compactMap { Int($0) }
    }
    // Some files end behind the last text, some with one more separator.
    if texts.last == [] { texts.removeLast() }
    if ids.count > texts.count { ids.removeLast() }
    #expect(texts.count == ids.count && texts.count >= 46, "\(texts.count) texts, \(ids.count) lists of ids")
    let source = try ModelOpener.open(scratch["vocab.gguf"], hasCompanions: true)
    #expect(source.manifest.tensors.isEmpty)
    let tokenizer = try Tokenizer(of: source)
    for (text, expected) in zip(texts, ids) {
      let found = try tokenizer.encode(utf8: text, addSpecialTokens: false)
      #expect(found == expected, "\(String(decoding: text, as: UTF8.self).debugDescription)")
      let isNormalized = name == "qwen2" || name == "mpt" || name == "command-r"
      if !isNormalized { #expect(try tokenizer.decodedBytes(of: found) == text) }
    }
    let request = TokenizeRequest(path: scratch["vocab.gguf"], input: .text("Hello, world!"))
    #expect(try TokenizeWorkflow(request).run().decoded.hasSuffix("Hello, world!"))
  }

  @Test("commands that need a model say that a vocabulary is none")
  func vocabularyIsNoModel() throws {
    let scratch = ScratchFolder()
    for name in ["llama-bpe", "gpt-2"] {
      let size = try #require(Self.vocabularies.first { $0.0 == name }).1
      try Self.unpack(name, size, to: scratch["vocab.gguf"])
      let error = try #require(throws: ModelError.self) { try RunnableModel(scratch["vocab.gguf"]) }
      #expect(error.kind == .vocabularyOnly && error.category == .malformedInput, "\(error)")
      for target in [ConversionTarget.gguf, .hfPacked, .tritpack] {
        let refusal = try #require(throws: ModelError.self) {
          try Workflow.convert(scratch["vocab.gguf"], scratch["out"], to: target)
        }
        #expect(refusal.kind == .vocabularyOnly && !Disk.exists(scratch["out"]))
      }
    }
  }

  /// The pieces between separators of several bytes.
  private static func lines(_ bytes: [UInt8], by separator: String) -> [[UInt8]] {
    let mark = Array(separator.utf8)
    var result: [[UInt8]] = [[]]
    var index = 0
    while index < bytes.count {
      if bytes[index] == mark[0], Array(bytes[index..<min(bytes.count, index + mark.count)]) == mark {
        result.append([])
        index += mark.count
      } else {
        result[result.count - 1].append(bytes[index])
        index += 1
      }
    }
    return result
  }
}
