// Tritsmith tests: a verdict speaks of the model, not only of its weights.

import Testing
import TritCore
import TritInspection
import TritModel
import TritSurvey
import TritTestSupport
import TritVerification
import WorkflowTestSupport

@Suite("Proofs see what is changed beside the weights")
struct ProofTests {
  /// A change of one file of a good model.
  struct Fault: Sendable, CustomTestStringConvertible {
    var name: String
    var part: ModelPart
    var file = "config.json"
    /// Text that becomes another; nil removes the file.
    var change: (from: String, to: String)?

    var testDescription: String { name }
  }

  static let faults: [Fault] = [
    setting("rope base", "\"rope_theta\": 1000042.0", "\"rope_theta\": 10000.0"),
    setting("epsilon", "\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": 0.01"),
    setting("end token", "\"eos_token_id\": 2", "\"eos_token_id\": 7"),
    setting("rope scaling", "\"rope_scaling\": null", "\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 8.0}"),
    setting("activation not known", "\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\""),
    setting("another activation", "\"hidden_act\": \"silu\"", "\"hidden_act\": \"relu2\""),
    setting("heads of half the width", "\"head_dim\": 64", "\"head_dim\": 32"),
    setting("fewer layers", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 3"),
    setting("tied", "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true"),
    setting("context", "\"max_position_embeddings\": 512", "\"max_position_embeddings\": 8"),
    setting("another class", "LlamaForCausalLM", "BitNetForCausalLM"),
    setting("window", "\"use_cache\": true", "\"use_cache\": true, \"sliding_window\": 4"),
    setting("biases", "\"attention_bias\": false", "\"attention_bias\": true"),
    setting("partial rotation", "\"use_cache\": true", "\"use_cache\": true, \"partial_rotary_factor\": 0.5"),
    setting("a key nobody knows", "\"use_cache\": true", "\"use_cache\": true, \"logit_scale\": 2.0"),
    Fault(name: "no configuration", part: .description, change: nil),
    Fault(name: "no tokenizer", part: .tokenizer, file: "tokenizer.json", change: nil),
    Fault(
      name: "generation settings", part: .companions, file: "generation_config.json",
      change: ("\"eos_token_id\": 2", "\"eos_token_id\": 9")),
  ]

  private static func setting(_ name: String, _ from: String, _ to: String) -> Fault {
    Fault(name: name, part: .description, change: (from, to))
  }

  private func plant(_ fault: Fault, in folder: String) {
    Disk.copyFolder(Checkpoint.bitnet, to: folder)
    let path = folder + "/" + fault.file
    guard let change = fault.change else { return Disk.remove(path) }
    let text = Disk.text(path)
    precondition(text.contains(change.from), "\(fault.name): '\(change.from)' stands in \(fault.file)")
    Disk.write(text.replacing(change.from, with: change.to), path)
  }

  private func compare(
    _ first: String, _ second: String, isExact: Bool = false, parts: Set<ModelPart> = ModelPart.needed
  ) throws -> CompareResult {
    try CompareWorkflow(
      first: ModelOpener.open(first, hasCompanions: true), second: ModelOpener.open(second, hasCompanions: true),
      request: CompareRequest(isExact: isExact, parts: parts)
    ).run()
  }

  @Test("a planted fault is seen by compare in its part alone, and the weights stay equal", arguments: faults)
  func compare(_ fault: Fault) throws {
    let scratch = ScratchFolder()
    plant(fault, in: scratch["changed"])
    // Without a configuration nothing says what packed scales mean.
    guard fault.change != nil || fault.file != "config.json" else { return }
    let result = try compare(Checkpoint.bitnet, scratch["changed"])
    let finding = try #require(result.parts[fault.part])
    #expect(!finding.holds && !finding.text.isEmpty, "\(result.parts.findings)")
    #expect(result.parts[.weights]?.outcome == .equal)
    let others = result.parts.findings.filter { $0.part != fault.part && $0.outcome != .equal }
    // The ids of special tokens are the tokenizer's as well.
    #expect(others.allSatisfy { fault.name == "end token" && $0.part == .tokenizer }, "\(others)")
    // What a program does with the model is told, and decides nothing unless asked for.
    #expect(result.isSame == (fault.part == .companions))
    if fault.part == .companions {
      #expect(try !compare(Checkpoint.bitnet, scratch["changed"], parts: [.companions]).isSame)
    }
  }

  @Test("verify against the latents sees it too", arguments: faults.filter { $0.part != .companions })
  func verify(_ fault: Fault) throws {
    let scratch = ScratchFolder()
    plant(fault, in: scratch["changed"])
    guard fault.change != nil || fault.file != "config.json" else { return }
    let source = try ModelOpener.open(Checkpoint.prequantized, hasCompanions: true)
    let changed = try ModelOpener.open(scratch["changed"], hasCompanions: true)
    var request = VerifyRequest(depth: .audit)
    let result = try VerifyWorkflow(source: source, converted: changed, request: request).run()
    #expect(
      !result.passed && result.firstProblem?.hasPrefix(fault.part.rawValue) == true, "\(result.firstProblem ?? "")")
    // A verdict that is limited says so.
    request.parts = [.weights]
    let limited = try VerifyWorkflow(source: source, converted: changed, request: request).run()
    #expect(limited.passed && limited.parts.verdict.contains("not looked at"))
  }

  @Test("a token, a merge and a chat template")
  func tokenizer() throws {
    let scratch = ScratchFolder()
    // Two tokens exchanged, and the first merge gone.
    let changes = [
      [("\"Ġthe\": 265", "\"Ġthe\": 9265"), ("\"Ġand\": 276", "\"Ġand\": 265"), ("9265", "276")],
      [("\"merges\": [\n      [\n        \"t\",\n        \"h\"\n      ],", "\"merges\": [")],
    ]
    for (number, change) in changes.enumerated() {
      let folder = scratch["\(number)"]
      Disk.copyFolder(Checkpoint.bitnet, to: folder)
      let path = folder + "/tokenizer.json"
      var text = Disk.text(path)
      for (old, new) in change {
        #expect(text.contains(old), "\(old)")
        text = text.split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
      }
      Disk.write(text, path)
      let result = try compare(Checkpoint.bitnet, folder)
      #expect(result.parts[.tokenizer]?.outcome == .differs && !result.isSame, "\(result.parts.findings)")
      #expect(result.parts[.tokenizer]?.lines.isEmpty == false)
    }
    let folder = scratch["template"]
    Disk.copyFolder(Checkpoint.bitnet, to: folder)
    Disk.write("{{ messages }}", folder + "/chat_template.jinja")
    let result = try compare(Checkpoint.bitnet, folder)
    #expect(result.parts[.companions]?.outcome == .differs && result.isSame)
  }

  @Test("the shipped forms of one model are one, in every container")
  func forms() throws {
    let scratch = ScratchFolder()
    let gguf = scratch["model.gguf"]
    try Workflow.convert(Checkpoint.prequantized, gguf, to: .gguf)
    let pack = scratch["model.tritpack"]
    try Workflow.convert(Checkpoint.prequantized, pack, to: .tritpack)
    for other in [gguf, pack] {
      let result = try compare(Checkpoint.bitnet, other)
      #expect(result.isSame, "\(result.parts.findings)")
      #expect(try compare(other, other, isExact: true).isSame)
    }
  }

  @Test("where a verdict fails, rows of parts show what fails, and only where the verdict leaves one out")
  func failingRows() {
    var rounding = WeightRounding()
    rounding.add(ScaleRounding(storage: .f16, relative: 1e-4, isSpread: false), nil)
    let weights = PartFinding(weights: "2 tensors", rounding)
    let settings = PartFinding(.description, .notCompared, "not understood: a class")
    let tokens = PartFinding(.tokenizer, .notCompared, "not understood: a file")
    let companions = PartFinding(.companions, .notCompared, "only the first has one")
    func rows(_ findings: [PartFinding], _ verdict: String) -> [Int] {
      PartFindings(findings).notableRows(beside: verdict)
    }
    #expect(rows([weights, settings, companions], "description: not understood: a class") == [])
    #expect(rows([weights, settings, tokens, companions], "description: not understood: a class") == [1, 2])
    let equal = PartFinding(.description, .equal, "1 setting")
    #expect(rows([weights, equal, companions], "description equal") == [0, 2])
  }

  @Test("every stored property of a description is a setting, or named here as none")
  func complete() throws {
    let description = try ModelDescription.read(ModelOpener.open(Checkpoint.prequantized))
    // Compared apart (special tokens), by the tensors (how projections compute, rotation), or a note.
    let others: Set<String> = ["specialTokens", "assumed", "rotation"]
    let stored = Mirror(reflecting: description).children.compactMap(\.label).filter { !others.contains($0) }
    // Attention, rotary embedding and multipliers are three settings each.
    #expect(stored.count + 6 == description.settingCount, "\(stored)")
  }
}
