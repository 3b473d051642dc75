// Tritsmith tests: settings of Qwen3.5 that are missing or contradict each other.

import Testing
import TritCore
import TritFormats
import TritModel
import TritReport
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey

@Suite("Settings of Qwen3.5")
struct Qwen35SettingsTests {
  private static let sections = "qwen35.rope.dimension_sections"
  private static let width = "qwen35.rope.dimension_count"

  /// A sound file: heads of 32 columns, of which 8 are rotated, so that 4 frequencies go by 2, 1 and 1.
  private static func sound(_ scratch: ScratchFolder) throws -> String {
    try Workflow.convert(TernaryHybrid.small.write(scratch["source"]), scratch["model.gguf"], to: .gguf) {
      $0.gguf.weights = .f32
      $0.gguf.hasTokenizer = false
    }
    #expect(
      try FormatRegistry.open(scratch["model.gguf"]).manifest.entry(sections) == .array(.int32([2, 1, 1, 0])))
    return scratch["model.gguf"]
  }

  private static func logits(_ path: String) throws -> [Float] {
    let options = RunOptions(threads: 1)
    let source = try ModelOpener.toRun(path, OpenOptions())
    return try RunnableModel(source, options, engine: options.engine()).session(for: 4).logits([1, 5, 17, 3])
  }

  private static func refusal(_ path: String) -> (any DiagnosticError)? {
    #expect(throws: (any Error).self) { try logits(path) } as? any DiagnosticError
  }

  private static func loading(_ path: String) throws -> ReportFact? {
    try Workflow.inspect(path).overview.facts.first { $0.key == "loaded_by" }
  }

  // MARK: - GGUF

  /// `load_arch_hparams` of llama.cpp's `qwen35.cpp` throws without the key.
  @Test(
    "without the parts of a position, which llama.cpp needs, nothing is computed or written, and nobody said to load")
  func partsMissing() throws {
    let scratch = ScratchFolder()
    let path = try ChangedGGUF.write(Self.sound(scratch), scratch["changed.gguf"]) {
      $0.removeAll { $0.key == Self.sections }
    }
    let error = Self.refusal(path) as? ModelError
    #expect(error?.kind == .neededKey(by: "llama.cpp") && error?.category == .malformedInput)
    #expect(error?.location == ErrorLocation(file: path, field: Self.sections))
    for (name, target) in [("a.gguf", ConversionTarget.gguf), ("dense", .dense)] {
      #expect(throws: ModelError.self) {
        try Workflow.convert(path, scratch[name], to: target) { $0.gguf.weights = .f32 }
      }
    }
    let found = try Workflow.check(path).findings.filter { $0.severity == .error }
    #expect(found.map(\.rule) == [.badConfiguration] && found.first?.subject.contains(Self.sections) == true)
    let fact = try #require(try Self.loading(path))
    #expect(fact.note?.contains(Self.sections) == true && fact.value == .text("no program that is known"))
  }

  /// Each of the parts and widths, and what the error must name.
  @Test(
    "parts that split another number of frequencies, and widths no head has, are refused",
    arguments: [
      (sections, MetadataValue.array(.int32([3, 3, 2, 0])), "add up to 4, half of the 8 rotated columns"),
      (sections, .array(.int32([30, 3, 2, 0])), "add up to 4"), (sections, .array(.int32([2, 1, 1])), "four numbers"),
      (sections, .array(.int32([1, 1, 1, 1])), "the last of them 0"),
      (sections, .array(.int32([4, 0, 0, 0])), "cover every frequency"), (sections, .uint32(1), "a list of integers"),
      (width, .uint32(7), "an even number up to the head's size, 32"), (width, .uint32(64), "head's size, 32"),
    ])
  func partsContradict(_ key: String, _ value: MetadataValue, _ expected: String) throws {
    let scratch = ScratchFolder()
    let path = try ChangedGGUF.write(Self.sound(scratch), scratch["changed.gguf"]) { entries in
      entries = entries.map { $0.key == key ? MetadataEntry(key, value) : $0 }
    }
    let error = Self.refusal(path)
    #expect(error?.location == ErrorLocation(file: path, field: key) && error?.category == .malformedInput)
    #expect(error?.summary.contains(expected) == true && error?.remedy != nil, "\(error?.summary ?? "")")
    #expect(throws: (any Error).self) {
      try Workflow.convert(path, scratch["again.gguf"], to: .gguf) { $0.gguf.weights = .f32 }
    }
    let fact = try #require(try Self.loading(path))
    #expect(["no program that is known", "no program that is known, as it is"].contains(fact.value), "\(fact)")
  }

  @Test("without its width all of a head is rotated, as llama.cpp takes it: parts of a quarter contradict that")
  func widthMissing() throws {
    let scratch = ScratchFolder()
    let path = try ChangedGGUF.write(Self.sound(scratch), scratch["changed.gguf"]) {
      $0.removeAll { $0.key == Self.width }
    }
    let error = Self.refusal(path)
    #expect(error?.location.field == Self.sections)
    #expect(error?.summary.contains("add up to 16, half of the 32 columns") == true, "\(error?.summary ?? "")")
    #expect(error?.summary.contains("rope.dimension_count is missing") == true)
  }

  /// `load_hparams` of llama.cpp takes 10000, which this model has.
  @Test("a base that is missing is llama.cpp's default, and inspect, check and convert say so")
  func baseMissing() throws {
    let scratch = ScratchFolder()
    let sound = try Self.sound(scratch)
    let path = try ChangedGGUF.write(sound, scratch["changed.gguf"]) {
      $0.removeAll { $0.key == "qwen35.rope.freq_base" }
    }
    #expect(try Self.logits(path) == Self.logits(sound))
    let said = "rope.freq_base = 10000.0"
    let facts = try Workflow.inspect(path).overview.facts
    #expect(facts.first { $0.key == "assumed" }?.value == .text(said))
    let checked = try Workflow.check(path)
    #expect(checked.cautions.contains { $0.contains(said) })
    // The count of warnings stands above a line that begins with the word.
    let text = TextRenderer(width: 120, showsDetails: true).text(of: checked.report)
    #expect(text.contains("of rules; \(checked.cautions.count) point"), "\(text)")
    #expect(try !Workflow.inspect(sound).overview.facts.contains { $0.key == "assumed" })
    #expect(try !Workflow.check(sound).cautions.contains { $0.contains("leave out") })
    // A folder states what the file left open.
    #expect(try Workflow.plan(path, to: .mlx).warnings.contains { $0.contains("leaves out") && $0.contains(said) })
    #expect(try !Workflow.plan(sound, to: .mlx).warnings.contains { $0.contains("leaves out") })
  }

  @Test("blocks that are said to draft and have no part that does are one error, not one for each tensor")
  func drafting() throws {
    let scratch = ScratchFolder()
    let path = try ChangedGGUF.write(Self.sound(scratch), scratch["changed.gguf"]) {
      $0.append(MetadataEntry("qwen35.nextn_predict_layers", .uint32(1)))
    }
    let found = try Workflow.check(path).findings
    #expect(found.count == 1 && found[0].subject.contains("nextn_predict_layers"), "\(found)")
    #expect(found.first?.detail.contains("block 1") == true)
  }

  /// −exp(A_log) is below 0 whatever A_log is.
  @Test("a decay that is not below 0 is spoken of by the file's name and place", arguments: [Float(0.5), 0, .nan])
  func decay(_ value: Float) throws {
    let scratch = ScratchFolder()
    let path = try Self.sound(scratch)
    let tensor = try #require(try FormatRegistry.open(path).manifest.tensor(named: "blk.0.ssm_a"))
    // Two key heads with two value heads each: the file's second is the model's third.
    Disk.patch(path, at: Int(tensor.location.offset) + 4, FloatBytes.f32([value]))
    let found = try Workflow.check(path).findings.filter { $0.rule == .nonFinite }
    #expect(found.map(\.subject) == ["blk.0.ssm_a"], "\(found)")
    #expect(found.first?.detail.contains("below 0") == true && found.first?.detail.hasSuffix("element 1") == true)
    let error = #expect(throws: WorkflowError.self) { try Workflow.convert(path, scratch["dense"], to: .dense) }
    #expect(error?.location.tensor == "blk.0.ssm_a", "\(error?.description ?? "")")
    guard case .copiesNotFinite(1, let text)? = error?.kind else {
      Issue.record("\(String(describing: error?.kind))")
      return
    }
    #expect(text.contains("below 0"))
  }

  // MARK: - config.json

  @Test(
    "a configuration whose parts or share contradict its heads is refused",
    arguments: [
      ("[2, 1, 1]", "[3, 3, 2]", "rope_parameters.mrope_section", "add up to 4"),
      ("[2, 1, 1]", "[2, 1]", "rope_parameters.mrope_section", "three whole numbers"),
      ("0.25", "0.3", "rope_parameters.partial_rotary_factor", "32 columns that is even"),
      ("0.25", "1.5", "rope_parameters.partial_rotary_factor", "32 columns"),
      ("\"silu\"", "\"gelu\"", "hidden_act", "silu, which its class has"),
    ])
  func configuration(_ given: String, _ other: String, _ field: String, _ expected: String) throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(TernaryHybrid.small.write(scratch["source"]))
    model.replace(given, other)
    let path = model.write(scratch["changed"])
    let error = Self.refusal(path)
    #expect(error?.location == ErrorLocation(file: path + "/config.json", field: field))
    #expect(error?.summary.contains(expected) == true && error?.category == .malformedInput, "\(error?.summary ?? "")")
    #expect(error?.summary.contains("relu2") == false)
  }

  /// `RotaryEmbeddingConfigMixin` of transformers takes theta 10000, `Qwen3_5TextConfig` a share of 0.25.
  @Test("rotary settings that are missing are those of transformers, and are said")
  func defaults() throws {
    let scratch = ScratchFolder()
    let source = TernaryHybrid.small.write(scratch["source"])
    var object = try #require(try JSONValue.parse(Disk.bytes(source + "/config.json")).object)
    object["rope_parameters"] = nil
    var model = ChangedModel(source)
    model.configuration = String(decoding: JSONValue.object(object).serialized(), as: UTF8.self)
    let path = model.write(scratch["changed"])
    #expect(try Self.logits(path) == Self.logits(source))
    let assumed = try ModelDescription.read(ModelOpener.open(path)).assumed
    #expect(assumed == ["partial_rotary_factor = 0.25", "rope_theta = 10000.0"])
    // As even as three parts of 4 frequencies can be.
    try Workflow.convert(path, scratch["a.gguf"], to: .gguf) {
      $0.gguf.weights = .f32
      $0.gguf.hasTokenizer = false
    }
    #expect(
      try FormatRegistry.open(scratch["a.gguf"]).manifest.entry(Self.sections) == .array(.int32([2, 1, 1, 0])))
  }

  /// mlx-lm takes 100000 and transformers 10000, so without the setting nobody knows what the model computes.
  @Test("a model for MLX says its theta where mlx-lm looks for it")
  func thetaOfMLX() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(TernaryHybrid.small.write(scratch["source"]), scratch["mlx"], to: .mlx)
    var object = try #require(try JSONValue.parse(Disk.bytes(scratch["mlx"] + "/config.json")).object)
    var text = try #require(object["text_config"]?.object)
    var rotary = try #require(text["rope_parameters"]?.object)
    rotary["rope_theta"] = nil
    text["rope_parameters"] = .object(rotary)
    for theta in [nil, JSONValue.number(JSONNumber(10000))] {
      text["rope_theta"] = theta
      object["text_config"] = .object(text)
      Disk.write(JSONValue.object(object).serialized(), scratch["mlx"] + "/config.json")
      let error = Self.refusal(scratch["mlx"])
      #expect(error?.location.field == "text_config.rope_parameters.rope_theta", "\(error as Any)")
      #expect(error?.category == .malformedInput)
    }
  }

  // MARK: - Programs

  /// llama.cpp's `llama_vocab::impl::load` throws without the first; without the second heads are 128 ÷ 4 wide, as they are.
  @Test("a file without a key llama.cpp needs is not said to load there")
  func loaders() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(TernaryHybrid.small.write(scratch["source"]), scratch["model.gguf"], to: .gguf) {
      $0.gguf.weights = .q2
      $0.gguf.hasTokenizer = false
    }
    #expect(try Self.loading(scratch["model.gguf"])?.value == .text("llama.cpp"))
    for (key, value) in [("tokenizer.ggml.model", "tritsmith"), ("qwen35.attention.value_length", "llama.cpp")] {
      let path = try ChangedGGUF.write(scratch["model.gguf"], scratch["\(value).gguf"]) { entries in
        entries.removeAll { $0.key == key }
      }
      let fact = try #require(try Self.loading(path))
      #expect(fact.value == .text(value) && fact.note?.contains(key) == (value == "llama.cpp" ? nil : true))
      let plan = try Workflow.plan(path, to: .gguf) { $0.gguf.weights = .q2 }
      #expect(plan.loaders == [value], "\(plan.loaders)")
    }
  }
}
