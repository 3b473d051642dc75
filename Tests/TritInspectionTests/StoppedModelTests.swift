// Tritsmith tests: what inspect says of models that no command takes as they are.

import Testing
import TritCore
import TritFormats
import TritReport
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey

@Suite("Models that no command takes as they are")
struct StoppedModelTests {
  private static func fact(_ key: String, _ result: InspectResult) throws -> ReportFact {
    try #require(result.overview.facts.first { $0.key == key })
  }

  private static let bitnet =
    #"{"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"}"#

  /// Each of the faults, and the reason that is told. The headers hold it, and a conversion refuses the model.
  @Test(
    "are said to load nowhere, with the reason, and are to be checked",
    arguments: [
      ("quantization_config", nil, "the meaning of its scales is not known"),
      ("quantization_config", bitnet, "the meaning of its scales is contradicted"),
      ("hidden_size", "512", "model.embed_tokens.weight: has shape [2048, 256], the configuration gives [2048, 512]"),
      ("vocab_size", "1000", "model.embed_tokens.weight: has shape [2048, 256], the configuration gives [1000, 256]"),
      ("tie_word_embeddings", "true", "lm_head.weight: "),
    ] as [(String, String?, String)])
  func faults(_ key: String, _ value: String?, _ why: String) throws {
    let scratch = ScratchFolder()
    let path = try Checkpoint.changed(Checkpoint.bitnet, [(key, value)], scratch["model"])
    let result = try Workflow.inspect(path)
    let loading = try Self.fact("loaded_by", result)
    #expect(loading.value == "no program that is known" && loading.note?.hasPrefix(why) == true, "\(loading)")
    #expect(try Self.fact("next", result).value == .text("tritsmith check \(path)"))
    #expect(throws: (any Error).self) { try Workflow.convert(path, scratch["a.gguf"], to: .gguf) }
    // What says what scales mean is an option, and check names it.
    let unknown = try Workflow.check(path).findings.first { $0.rule == .conventionUnknown }
    #expect((unknown == nil) == !why.hasPrefix("the meaning"))
    #expect(unknown?.detail.contains("--scale-convention") != false)
  }

  @Test("what is odd stands below what the model is, and a tokenizer that is not there is none")
  func headline() throws {
    let scratch = ScratchFolder()
    let path = try Checkpoint.changed(Checkpoint.bitnet, [("quantization_config", nil)], scratch["model"])
    Disk.remove(path + "/tokenizer.json")
    let result = try Workflow.inspect(path)
    let text = TextRenderer(width: 80).text(of: result.report)
    #expect(text.hasPrefix("A packed ternary model") && text.contains("- The meaning of stored scales is not known"))
    #expect(result.verdict(withEvidence: true).outcome == .warning)
    #expect(try Self.fact("tokenizer", result).value == "none")
    let lone = scratch["lone.safetensors"]
    Disk.link(lone, to: Checkpoint.plain + "/model.safetensors")
    let file = try Workflow.inspect(lone)
    #expect(!file.overview.facts.contains { $0.key == "tokenizer" })
  }

  @Test("latents beside a head that they are tied to are to be checked too")
  func latents() throws {
    let scratch = ScratchFolder()
    let path = try Checkpoint.changed(Checkpoint.prequantized, [("tie_word_embeddings", "true")], scratch["model"])
    #expect(try Self.fact("next", Workflow.inspect(path)).value == .text("tritsmith check \(path)"))
    #expect(throws: (any Error).self) { try Workflow.convert(path, scratch["packed"], to: .hfPacked) }
  }

  @Test("a meaning of scales that was said, or was proved here alone, is said in the next command")
  func conventions() throws {
    let scratch = ScratchFolder()
    let path = try Checkpoint.changed(Checkpoint.bitnet, [("quantization_config", nil)], scratch["model"])
    var said = InspectRequest(path: path)
    said.open.scaleConvention = .divide
    var proved = InspectRequest(path: path)
    proved.proof.sibling = Checkpoint.prequantized
    for request in [said, proved] {
      let result = try InspectWorkflow(request).run()
      let next = ReportValue.text("tritsmith convert \(path) model.gguf --scale-convention divide")
      #expect(try Self.fact("next", result).value == next)
      #expect(try Self.fact("loaded_by", result).note?.contains("quantization_config") == true)
    }
    let plain = try Self.fact("next", Workflow.inspect(Checkpoint.bitnet)).value
    #expect(plain == .text("tritsmith convert \(Checkpoint.bitnet) model.gguf"))
  }

  @Test("a vocabulary that is not read is to be checked, and one that is read to be tried")
  func vocabularies() throws {
    let scratch = ScratchFolder()
    func write(_ name: String, _ entries: [MetadataEntry]) throws -> String {
      let staging = try StagedOutput(.file, at: scratch[name], replacing: false)
      try GGUFSink(plan: GGUFPlan(entries: entries, tensors: []), staging: staging).finish()
      try staging.commit()
      return scratch[name]
    }
    try Workflow.convert(Checkpoint.bitnet, scratch["m.gguf"], to: .gguf)
    let entries = try FormatRegistry.open(scratch["m.gguf"]).manifest.entries
    let changed = entries.map { entry in
      entry.key == "tokenizer.ggml.model" ? MetadataEntry(entry.key, .string("bert")) : entry
    }
    let (read, unread) = (try write("read.gguf", entries), try write("unread.gguf", changed))
    #expect(
      try Self.fact("next", Workflow.inspect(read)).value
        == .text("tritsmith tokenize \(read) --text \"In the beginning\""))
    let result = try Workflow.inspect(unread)
    #expect(try Self.fact("next", result).value == .text("tritsmith check \(unread)"))
    #expect(try Self.fact("tokenizer", result).note?.contains("'bert'") == true)
    // Beside weights it leaves ids to go on with.
    let model = try ChangedGGUF.write(scratch["m.gguf"], scratch["other.gguf"]) { $0 = changed }
    let next = "tritsmith logits \(model) --ids 1,2,3 --output logits.safetensors"
    #expect(try Self.fact("next", Workflow.inspect(model)).value == .text(next))
  }
}
