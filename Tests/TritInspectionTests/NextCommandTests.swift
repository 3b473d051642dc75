// Tritsmith tests: commands that reports and errors name work on the model they speak of.

import Testing
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritQuantizers
import TritReport
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Commands that are named")
struct NextCommandTests {
  private static func next(_ path: String) throws -> String {
    let fact = try #require(try Workflow.inspect(path).overview.facts.first { $0.key == "next" })
    guard case .text(let text) = fact.value else { return "" }
    return text
  }

  private static func loading(_ result: InspectResult) throws -> ReportFact {
    try #require(result.overview.facts.first { $0.key == "loaded_by" })
  }

  @Test("of latents no program is named, and the reason is")
  func latents() throws {
    let fact = try Self.loading(Workflow.inspect(Checkpoint.prequantized))
    #expect(fact.value == "no program that is known, as it is" && fact.note == "latent weights: convert first")
  }

  /// transformers 5.23: `AutoBitLinear` makes trits of latents itself where the configuration says online.
  @Test("latents that loaders make trits of themselves load in what the table says of trainable models")
  func online() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.packed, scratch["bitnet"], to: .trainable)
    try Workflow.convert(Checkpoint.bitnet, scratch["llama"], to: .trainable)
    for (path, programs) in [
      (Checkpoint.master, "transformers"), (scratch["bitnet"], "transformers"),
      (scratch["llama"], "transformers, onebitllms"),
    ] {
      let fact = try Self.loading(Workflow.inspect(path))
      #expect(fact.value == .text(programs) && fact.note == nil, "\(path): \(fact)")
    }
  }

  @Test("numbers in blocks load, whatever the model was trained for")
  func blocks() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.bfloat16, scratch["m.gguf"], to: .gguf) { $0.gguf.weights = .f16 }
    var result = try Workflow.inspect(scratch["m.gguf"])
    result.survey.kind = .undetermined
    // A loader reads F16 whatever it was trained for.
    let plain = try Self.loading(result)
    let programs = "transformers, bitnet.cpp, bitnet.cpp built without ACT_PARALLEL, ik_llama.cpp, llama.cpp"
    #expect(plain.value == .text(programs) && plain.note == "as ordinary numbers: latent weights, convert first")
    for index in result.manifest.tensors.indices where result.survey.roles[index].isProjection {
      result.manifest.tensors[index].encoding = .opaque("Q4_0")
    }
    let fact = try Self.loading(result)
    #expect(fact.value == "llama.cpp" && fact.note == nil, "\(fact)")
  }

  @Test("an ordinary checkpoint of undetermined kind loads where such files load, and is to be run")
  func undetermined() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.plain, scratch["two"], to: .dense) {
      $0.quantizer = QuantizerID(rawValue: "two-plane-group128")
    }
    let result = try Workflow.inspect(scratch["two"])
    #expect(result.survey.kind == .undetermined)
    #expect(try Self.loading(result).value == "transformers")
    let command = try Self.next(scratch["two"])
    #expect(command == "tritsmith run \(scratch["two"]) --prompt \"In the beginning\"")
    try Self.carryOut(command, scratch[""])
    // Bytes that are no numbers load nowhere.
    var bytes = result
    for index in bytes.manifest.tensors.indices { bytes.manifest.tensors[index].encoding = .dense(.u8) }
    #expect(try Self.loading(bytes).note == "the kind of its weights is not certain")
  }

  /// Hugging Face's model cards have these keys, and no class of transformers reads them.
  @Test("a licence in a configuration is shown, and changes nothing")
  func licence() throws {
    let scratch = ScratchFolder()
    let path = try Checkpoint.changed(
      Checkpoint.bitnet, [("license", "\"other\""), ("license_name", "\"mine\""), ("license_link", "\"LICENSE\"")],
      scratch["model"])
    let result = try Workflow.inspect(path)
    #expect(try Self.loading(result).value == "transformers")
    #expect(result.overview.facts.contains { $0.label == "Licence" && $0.value == "mine" })
    #expect(try Workflow.check(path).passed)
    let other = try Checkpoint.changed(Checkpoint.bitnet, [("licence_of_mine", "\"mit\"")], scratch["other"])
    #expect(try Self.loading(Workflow.inspect(other)).value == "no program that is known")
  }

  @Test(
    "a tokenizer that was not fetched is none, and to fetch it comes next",
    arguments: [
      ("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n", "git -C PATH lfs pull"),
      ("/annex/objects/SHA256E-s1--ab.json\n", "git -C PATH annex get tokenizer.json"),
      ("<!doctype html><html></html>", "hf download OWNER/NAME tokenizer.json --local-dir PATH"),
    ])
  func standIns(_ text: String, _ command: String) throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.plain)
    model.files["tokenizer.json"] = Array(text.utf8)
    let path = model.write(scratch["model"])
    #expect(try Self.next(path) == command.replacing("PATH", with: path))
    let fact = try #require(try Workflow.inspect(path).overview.facts.first { $0.key == "tokenizer" })
    #expect(fact.value == "none usable")
  }

  @Test("any other file that commands refuse to go on without is to be fetched first")
  func otherStandIns() throws {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n"
    for name in ["generation_config.json", "tokenizer_config.json"] {
      let scratch = ScratchFolder()
      var model = ChangedModel(Checkpoint.bitnet)
      model.files[name] = Array(pointer.utf8)
      let clone = model.write(scratch["clone"])
      #expect(try Self.next(clone) == "git -C \(clone) lfs pull")
      #expect(throws: FormatError.self) { try Workflow.convert(clone, scratch["out"], to: .dense) }
      model.files[name] = Array("<!doctype html><html></html>".utf8)
      let download = model.write(scratch["download"])
      #expect(try Self.next(download) == "hf download OWNER/NAME \(name) --local-dir \(download)")
    }
  }

  @Test("a path that begins as an option does is named so that it is none")
  func dash() throws {
    var result = try Workflow.inspect(Checkpoint.bitnet)
    result.manifest.path = "-dash"
    let fact = try #require(result.overview.facts.first { $0.key == "next" })
    #expect(fact.value == "tritsmith convert ./-dash model.gguf", "\(fact)")
  }

  @Test("of ternary numbers with an ordinary matrix among them, no conversion is named that asks what it is")
  func mixed() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bfloat16)
    // One of those that are sampled.
    let name = "model.layers.1.self_attn.q_proj.weight"
    let count = model.file[name].bytes.count / 2
    model.file[name].bytes = FloatBytes.bf16((0..<count).map { Float($0 % 200 - 100) / 1024 })
    let path = model.write(scratch["model"])
    #expect(try Workflow.inspect(path).survey.isMixed && !Workflow.inspect(Checkpoint.bfloat16).survey.isMixed)
    let command = try Self.next(path)
    #expect(command == "tritsmith run \(path) --prompt \"In the beginning\"")
    try Self.carryOut(command, scratch[""])
    #expect(throws: (any Error).self) { try Workflow.convert(path, scratch["out"], to: .hfPacked) }
  }

  @Test(
    "a tokenizer that cannot be used is none, and the reason is told",
    arguments: [
      ("{}", "tokenizer.json has no 'model'"), ("{", "tokenizer.json is no JSON"),
      (
        #"{"model": {"type": "WordPiece", "vocab": {"a": 0}}}"#,
        "tokenizer.json is of type 'WordPiece', and only BPE is supported"
      ),
    ])
  func unusableTokenizer(_ text: String, _ why: String) throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.plain)
    model.files["tokenizer.json"] = Array(text.utf8)
    let facts = try Workflow.inspect(model.write(scratch["model"])).overview.facts
    let fact = try #require(facts.first { $0.key == "tokenizer" })
    #expect(fact.value == "none usable" && fact.note == why, "\(fact)")
    #expect(
      try #require(try Workflow.inspect(Checkpoint.plain).overview.facts.first { $0.key == "tokenizer" }).note == nil)
  }

  /// Does what a command says, with the library.
  private static func carryOut(_ command: String, _ folder: String) throws {
    let words = command.split(separator: " ").map(String.init)
    #expect(words.count > 2 && words[0] == "tritsmith", "\(command)")
    let path = words[2]
    switch words[1] {
    case "convert":
      let options = Dictionary(
        uniqueKeysWithValues: stride(from: 4, to: words.count - 1, by: 2).map { (words[$0], words[$0 + 1]) })
      let target: ConversionTarget
      if words[3].hasSuffix(".gguf") {
        target = .gguf
      } else if words[3].hasSuffix(".tritpack") {
        target = .tritpack
      } else {
        target = try #require(options["--to"].flatMap { ConversionTarget(rawValue: $0) }, "\(command)")
      }
      let weights = try options["--layout"].map { try #require(GGUFWeightType(rawValue: $0)) }
      let result = try Workflow.convert(path, FileSystem.join(folder, words[3]), to: target) {
        if let weights { $0.gguf.weights = weights }
        $0.gguf.hasTokenizer = false
        $0.replaces = true
      }
      #expect(result.audit.passed, "\(command)")
    case "run", "logits":
      let options = RunOptions(threads: 1)
      let source = try ModelOpener.toRun(path, OpenOptions())
      let logits = try RunnableModel(source, options, engine: options.engine()).session(for: 3).logits([1, 5, 17])
      #expect(logits.allSatisfy { $0.isFinite }, "\(command)")
    default: #expect(words[1] == "check", "\(command)")
    }
  }

  /// Heads of 64 columns come to stand in another order in GGUF, so that groups of 128 fall apart there.
  @Test("inspect names a command that works, whatever form a hybrid is in")
  func hybrids() throws {
    let scratch = ScratchFolder()
    let model = TernaryHybrid.small
    let source = model.write(scratch["source"])
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    try Workflow.convert(source, scratch["a.tritpack"], to: .tritpack)
    try Workflow.convert(source, scratch["q2.gguf"], to: .gguf) {
      $0.gguf.weights = .q2
      $0.gguf.hasTokenizer = false
    }
    try Workflow.convert(source, scratch["f16.gguf"], to: .gguf) {
      $0.gguf.weights = .f16
      $0.gguf.hasTokenizer = false
    }
    try ChangedGGUF.write(scratch["q2.gguf"], scratch["rotated.gguf"]) { $0 += model.keys(block: 64, isGrouped: false) }
    let rotated = try TernaryHybrid.wide.writeForMLX(scratch["rotated"])
    let expected = [
      ("source", " model.gguf --layout Q2_0"), ("mlx", " model.gguf --layout Q2_0"), ("a.tritpack", ""),
      // Without a tokenizer there is no text to go on with.
      ("q2.gguf", " --ids 1,2,3 --output logits.safetensors"), ("f16.gguf", " --layout Q2_0"),
      ("rotated.gguf", " --ids 1,2,3 --output logits.safetensors"),
      ("rotated", " --ids 1,2,3 --output logits.safetensors"),
    ]
    #expect(rotated == scratch["rotated"])
    for (name, ending) in expected {
      let command = try Self.next(scratch[name])
      #expect(command.hasSuffix(ending), "\(name): \(command)")
      #expect(throws: Never.self, "\(command)") { try Self.carryOut(command, scratch[""]) }
    }
  }

  @Test("so it does for the shipped models")
  func shipped() throws {
    let scratch = ScratchFolder()
    let models = [
      Checkpoint.prequantized, Checkpoint.bitnet, Checkpoint.bfloat16, Checkpoint.plain, Checkpoint.master,
      Checkpoint.packed, Bonsai.folder(scratch["bonsai"]),
    ]
    for path in models {
      let command = try Self.next(path)
      #expect(throws: Never.self, "\(command)") { try Self.carryOut(command, scratch[""]) }
    }
  }

  @Test("a model that is not sound is to be checked")
  func unsound() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(TernaryHybrid.small.write(scratch["source"]))
    model.replace("[2, 1, 1]", "[3, 3, 2]")
    #expect(try Self.next(model.write(scratch["changed"])) == "tritsmith check \(scratch["changed"])")
  }

  /// Of each fault: what is changed, the programs that are said, and why.
  @Test("a model that no rule covers is said to load nowhere, with the reason, and is to be checked")
  func uncovered() throws {
    typealias Change = (inout ChangedModel) -> Void
    let query = "model.layers.0.self_attn.q_proj.weight"
    let cases: [(change: Change, value: String, note: String?)] = [
      ({ $0.replace("\"silu\"", "\"swish7\"") }, "no program that is known", "hidden_act: "),
      ({ $0.replace("\"num_hidden_layers\"", "\"layers\"") }, "no program that is known", "num_hidden_layers: "),
      ({ $0.replace("LlamaForCausalLM", "BertModel") }, "not known for class BertModel", nil),
      ({ $0.remove { $0.hasPrefix("model.layers.1.") } }, "no program that is known", "nothing of layer 1 is there"),
      ({ $0.remove { $0 == query + "_scale" } }, "no program that is known", "'\(query)' is packed and has no scale"),
    ]
    for (change, value, note) in cases {
      let scratch = ScratchFolder()
      var model = ChangedModel(Checkpoint.bitnet)
      change(&model)
      let path = model.write(scratch["model"])
      let fact = try #require(try Workflow.inspect(path).overview.facts.first { $0.key == "loaded_by" })
      #expect(fact.value == .text(value), "\(fact)")
      #expect(fact.note?.hasPrefix(note ?? "-") == (note == nil ? nil : true), "\(fact)")
      #expect(try Self.next(path) == "tritsmith check \(path)", "\(value)")
    }
  }

  @Test("types stand beside the format, those of roles that differ apart")
  func types() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.bitnet, scratch["m.gguf"], to: .gguf) { $0.gguf.embeddings = .q8 }
    let expected = [
      (Checkpoint.prequantized, "BF16"), (Checkpoint.bitnet, "hf-packed; embeddings and head BF16"),
      (Checkpoint.packed, "hf-packed; embeddings BF16"), (scratch["m.gguf"], "TQ2_0; embeddings and head Q8_0"),
    ]
    for (path, types) in expected { #expect(try Workflow.inspect(path).typesByRole == types, "\(path)") }
  }

  @Test("a shard, a class nobody knows, and a folder of several models")
  func places() throws {
    let scratch = ScratchFolder()
    let shard = Checkpoint.sharded + "/model-00001-of-00003.safetensors"
    #expect(try Self.next(shard) == "tritsmith inspect \(Checkpoint.sharded)")
    let verdict = try Workflow.inspect(shard).verdict(withEvidence: false)
    #expect(verdict.headline.hasPrefix("Shard 1 of 3, without the others. "))
    for (name, other) in [("other", "\"OtherForCausalLM\""), ("none", "")] {
      Disk.copyFolder(Checkpoint.bitnet, to: scratch[name])
      let configuration = Disk.text(scratch[name] + "/config.json").replacing("\"LlamaForCausalLM\"", with: other)
      Disk.write(configuration, scratch[name] + "/config.json")
      #expect(try Self.next(scratch[name]) == "tritsmith check \(scratch[name])")
    }
    Disk.copyFolder(Checkpoint.bitnet, to: scratch["both"])
    try Workflow.convert(Checkpoint.bitnet, scratch["m.gguf"], to: .gguf)
    Disk.write(Disk.bytes(scratch["m.gguf"]), scratch["both"] + "/m.gguf")
    let place = scratch["both"] + "/config.json"
    #expect(try Self.next(place) == "tritsmith convert \(place) model.gguf")
    #expect(throws: Never.self) { try Self.carryOut(Self.next(place), scratch[""]) }
  }

  @Test("what an error names in the place of a form without room for the scales works")
  func remedies() throws {
    let scratch = ScratchFolder()
    let source = TernaryHybrid.small.write(scratch["source"])
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    let asked: [(input: String, target: ConversionTarget, weights: GGUFWeightType)] = [
      (scratch["mlx"], .gguf, .pq2), (source, .gguf, .pq2), (scratch["mlx"], .gguf, .tq2),
      (scratch["mlx"], .hfPacked, .tq2),
    ]
    for (number, (input, target, weights)) in asked.enumerated() {
      let error = #expect(throws: WorkflowError.self) {
        try Workflow.convert(input, scratch["no"], to: target) {
          $0.gguf.weights = weights
          $0.gguf.hasTokenizer = false
        }
      }
      let words = (error?.remedy ?? "").split { " ,;.".contains($0) }.map(String.init)
      let layouts = words.compactMap(GGUFWeightType.init(rawValue:)).filter { $0.dtype == nil }
      #expect(layouts == [.q2], "\(error?.remedy ?? "")")
      let targets = zip(words, words.dropFirst()).filter { $0.0 == "--to" }
        .compactMap { ConversionTarget(rawValue: $0.1) }
      #expect(Set(targets) == [.gguf, .mlx, .tritpack, .dense], "\(error?.remedy ?? "")")
      for form in targets {
        let result = try Workflow.convert(input, scratch["\(number) \(form)"], to: form) {
          $0.gguf.weights = .q2
          $0.gguf.hasTokenizer = false
        }
        #expect(result.audit.passed, "\(input) to \(form)")
      }
    }
  }
}
