// Tritsmith tests: inputs that are no whole BitNet model are refused by every verb, and named.

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
@testable import TritVerification

@Suite("Foreign and incomplete inputs")
struct ForeignInputTests {
  private static let up = "model.layers.1.mlp.up_proj.weight"

  // MARK: A scale that is not there

  @Test("a packed tensor without its scale is refused by every target", arguments: ConversionTarget.allCases)
  func scaleMissing(_ target: ConversionTarget) throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    model.remove { $0 == Self.up + "_scale" }
    let input = model.write(scratch["in"])
    let error = #expect(throws: FormatError.self) { try Workflow.convert(input, scratch["out"], to: target) }
    #expect(error?.kind == .scaleMissing(name: Self.up + "_scale"))
    #expect(error?.location.tensor == Self.up)
    #expect(Disk.names(scratch.path) == ["in"])
  }

  /// Both sides lack it: equal bytes are no equal weights.
  @Test("verify does not pass what has no scale, and check says which it is")
  func scaleMissingElsewhere() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    model.remove { $0 == Self.up + "_scale" }
    let input = model.write(scratch["in"])
    let result = try Workflow.verify(input, input)
    #expect(!result.passed)
    #expect(result.tensors.filter { $0.outcome == .differs }.map(\.name) == [Self.up])
    let checked = try Workflow.check(input)
    let findings = checked.findings
    // Said once: neither the shape of its bytes nor a note says it again.
    #expect(!findings.contains { $0.rule == .shape } && !checked.notes.contains { $0.contains("scale") })
    let notes = try ModelOpener.open(input).manifest.notes
    #expect(notes == ["the packed tensor '\(Self.up)' has no scale and cannot be used"])
    #expect(findings.filter { $0.rule == .scaleMissing }.map(\.subject) == [Self.up])
    let inspected = try Workflow.inspect(input)
    #expect(inspected.survey.kind == .packed)
    #expect(try inspected.logicalParameters == Workflow.inspect(Checkpoint.bitnet).logicalParameters)
  }

  // MARK: Bytes with scales of their own

  struct Packing: Sendable, CustomTestStringConvertible {
    var name: String
    var method: String
    var more = ""
    /// Element type and bytes of the weight, and its scales by ending, for a matrix of so many rows and columns.
    var make: @Sendable (String, Int, Int) -> [RawTensor]
    var testDescription: String { name }
  }

  private static func zeros(_ name: String, _ dtype: String, _ shape: [Int], width: Int = 1) -> RawTensor {
    RawTensor(name, dtype, shape, [UInt8](repeating: 0, count: shape.reduce(1, *) * width))
  }

  static let packings = [
    Packing(name: "NVFP4", method: "modelopt", more: #", "quant_algo": "NVFP4""#) { name, rows, columns in
      [
        zeros(name, "U8", [rows, columns / 2]), zeros(name + "_scale", "F8_E4M3", [rows, columns / 16]),
        RawTensor(name + "_scale_2", "F32", [], [0, 0, 0x80, 0x3F]),
      ]
    },
    Packing(name: "MXFP4", method: "quark") { name, rows, columns in
      [zeros(name, "U8", [rows, columns / 2]), zeros(name + "_scale", "U8", [rows, columns / 32])]
    },
    Packing(name: "FP8 by rows", method: "compressed-tensors", more: #", "format": "float-quantized""#) {
      name, rows, columns in
      [zeros(name, "F8_E4M3", [rows, columns]), zeros(name + "_scale", "BF16", [rows, 1], width: 2)]
    },
    Packing(name: "FP8 by tensor", method: "fp8") { name, rows, columns in
      [zeros(name, "F8_E4M3", [rows, columns]), RawTensor(name + "_scale", "F32", [], [0, 0, 0x80, 0x3F])]
    },
    Packing(name: "int8", method: "bitsandbytes") { name, rows, columns in
      [zeros(name, "I8", [rows, columns]), zeros(name.dropLast(6) + "SCB", "F32", [rows], width: 4)]
    },
    Packing(name: "rows of trits", method: "bitnet") { name, rows, columns in
      [zeros(name, "U8", [rows / 4, columns]), zeros(name + "_scale", "BF16", [rows], width: 2)]
    },
  ]

  private static func write(_ packing: Packing, hasMethod: Bool = true, to folder: String) -> String {
    var model = ChangedModel(Checkpoint.prequantized)
    model.file.tensors = model.file.tensors.flatMap { tensor in
      tensor.name.hasSuffix("_proj.weight") ? packing.make(tensor.name, tensor.shape[0], tensor.shape[1]) : [tensor]
    }
    let entry = #""quantization_config": {"quant_method": ""# + packing.method + #"""# + packing.more + "}"
    let file = try? JSONValue.parse(Array(model.configuration.utf8)).object
    var object = file ?? JSONObject()
    object["quantization_config"] = nil
    let text = String(decoding: JSONValue.object(object).serialized(), as: UTF8.self)
    model.configuration = hasMethod ? text.dropLast() + ", " + entry + "}" : text
    return model.write(folder)
  }

  @Test("inspect lists them as what they are", arguments: packings)
  func listed(_ packing: Packing) throws {
    let scratch = ScratchFolder()
    let result = try Workflow.inspect(Self.write(packing, to: scratch["in"]), statistics: true)
    #expect(result.survey.kind == .undetermined)
    #expect(result.survey.evidence.contains { $0.contains("with separate scales") }, "\(result.survey.evidence)")
  }

  @Test("check says once what packed them", arguments: packings)
  func saidOnce(_ packing: Packing) throws {
    let scratch = ScratchFolder()
    let result = try Workflow.check(Self.write(packing, to: scratch["in"]))
    let sentences = result.findings.map(\.detail) + result.notes
    #expect(sentences.count { $0.contains("bytes with scales of their own") } == 1, "\(sentences)")
  }

  /// Expected: the model the bytes stand for has as many parameters as before it was packed.
  @Test("bytes that are not decoded count as the numbers they stand for", arguments: packings)
  func counted(_ packing: Packing) throws {
    let scratch = ScratchFolder()
    let whole = try Workflow.inspect(Checkpoint.prequantized).logicalParameters
    let path = Self.write(packing, to: scratch["in"])
    let result = try Workflow.inspect(path)
    #expect(result.logicalParameters == whole)
    let bits = [
      "NVFP4": "4.50", "MXFP4": "4.25", "FP8 by tensor": "8.00",
        // 16 or 32 bits a row of 256 or 768.
    ][packing.name]
    if let bits { #expect(result.overview.facts.contains { "\($0.value)".contains("\(bits) in projections") }) }
    let rows = result.page.blocks.flatMap { block -> [[ReportValue]] in
      if case .table(let table) = block, table.key == "roles" { Array(table.rows) } else { [] }
    }
    if let bits, let expected = Double(bits) {
      let row = try #require(rows.first { $0[0] == .text("Attention projections") })
      if case .number(let found) = row[5] {
        #expect(abs(found - expected) < 0.005)
      } else {
        Issue.record("\(row)")
      }
    }
    // Without a description nothing tells what bytes stand for.
    Disk.remove(path + "/config.json")
    let headline = try Workflow.inspect(path).verdict(withEvidence: false).headline
    #expect(headline.contains(" stored numbers in ") == !["FP8", "int8"].contains { packing.name.hasPrefix($0) })
  }

  @Test("convert refuses by the method, or by the scales where nothing names one", arguments: packings)
  func refused(_ packing: Packing) throws {
    let scratch = ScratchFolder()
    for target in ConversionTarget.allCases {
      for hasMethod in [true, false] {
        let input = Self.write(packing, hasMethod: hasMethod, to: scratch["in"])
        let error = #expect(throws: WorkflowError.self) { try Workflow.convert(input, scratch["out"], to: target) }
        switch error?.kind {
        case .hasForeignQuantization(let text):
          #expect(hasMethod && packing.method != "bitnet" && text.hasPrefix(packing.method))
        case .unsupportedEncoding(let found, _):
          #expect(!hasMethod || packing.method == "bitnet")
          #expect(found.hasSuffix("with separate scales"), "\(found)")
        default: Issue.record("\(target), \(hasMethod): \(String(describing: error))")
        }
        Disk.remove(input)
      }
    }
    #expect(Disk.names(scratch.path) == [])
  }

  @Test("check names the method and no half conversion", arguments: packings)
  func checked(_ packing: Packing) throws {
    let scratch = ScratchFolder()
    let result = try Workflow.check(Self.write(packing, to: scratch["in"]))
    #expect(!result.passed)
    let rules = Set(result.findings.map(\.rule))
    #expect(rules.isDisjoint(with: [.scaleOrphan, .mixedForms, .shape, .scaleMissing]), "\(result.findings)")
    if packing.method == "bitnet" {
      #expect(result.findings.contains { $0.rule == .scaleUnusable && $0.detail.contains("[256]") })
    } else {
      let found = try #require(result.findings.first { $0.rule == .quantization })
      #expect(found.detail.contains(packing.method), "\(found)")
    }
  }

  @Test("an integer or FP8 projection is never copied as a number", arguments: ["I8", "F8_E4M3", "I32"])
  func bareBytes(_ dtype: String) throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.prequantized)
    let shape = model.file[Self.up].shape
    model.file[Self.up] = Self.zeros(Self.up, dtype, shape, width: dtype == "I32" ? 4 : 1)
    let input = model.write(scratch["in"])
    for keep in [[], [Glob(Self.up)]] {
      let error = #expect(throws: WorkflowError.self) {
        try Workflow.convert(input, scratch["out"], to: .hfPacked) { $0.keep = keep }
      }
      #expect(error?.location.tensor == Self.up)
    }
  }

  // MARK: Files beside the model

  @Test("a tokenizer that is a pointer is carried into no output", arguments: ConversionTarget.allCases)
  func pointer(_ target: ConversionTarget) throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(target == .trainable ? Checkpoint.bitnet : Checkpoint.prequantized)
    model.files["tokenizer.json"] = Array("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n".utf8)
    let input = model.write(scratch["in"])
    let error = #expect(throws: FormatError.self) { try Workflow.convert(input, scratch["out"], to: target) }
    #expect(error?.kind == .standIn(.gitLFSPointer))
    #expect(error?.location.file == input + "/tokenizer.json")
    #expect(Disk.names(scratch.path) == ["in"])
    let checked = try Workflow.check(input)
    let findings = checked.findings
    #expect(findings.contains { $0.rule == .badTokenizer && $0.detail.contains("Git LFS pointer") })
    #expect(Self.count("Git LFS pointer", checked) == 1)
  }

  /// How often a screen says something.
  private static func count(_ text: String, _ result: CheckResult) -> Int {
    TextRenderer(width: 400, showsDetails: false).text(of: result.report).split(separator: text).count - 1
  }

  @Test("settings of sampling that are a pointer are said once, and not of the tokenizer")
  func settingsPointer() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    model.files["generation_config.json"] = Array(
      "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n".utf8)
    let checked = try Workflow.check(model.write(scratch["in"]))
    #expect(checked.findings.map(\.rule) == [.badConfiguration], "\(checked.findings)")
    #expect(Self.count("Git LFS pointer", checked) == 1)
  }

  @Test("what is missing is told once, by the verdict")
  func missingOnce() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    model.remove { $0 == "model.norm.weight" }
    let report = try Workflow.compare(Checkpoint.bitnet, model.write(scratch["in"])).report
    let screen = TextRenderer(width: 400, showsDetails: false).text(of: report)
    #expect(screen.hasPrefix("FAIL ") && screen.split(separator: "is only in the first").count == 2, "\(screen)")
  }

  @Test("a conversion warns of one thing once")
  func warnedOnce() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    model.files["adapter_config.json"] = Array("{}".utf8)
    model.replace("\"model_type\"", "\"strange_key\": 1, \"model_type\"")
    let dense = try Workflow.plan(model.write(scratch["in"]), to: .dense).warnings
    for text in ["loaders take the folder", "this key is not known"] {
      #expect(dense.count { $0.contains(text) } == 1, "\(text): \(dense)")
    }
    // A file without a tokenizer is said to be one; that the folder has none is the reason.
    var mute = ChangedModel(Checkpoint.bitnet)
    mute.without = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]
    let gguf = try Workflow.plan(mute.write(scratch["none"]), to: .gguf).warnings
    #expect(gguf.count { $0.contains("tokenizer") } == 1, "\(gguf)")
  }

  @Test("files by which loaders would take the output for something else are left out")
  func misleading() throws {
    let scratch = ScratchFolder()
    let names = [
      "adapter_config.json", "hf_quant_config.json", "quantize_config.json", "quant_config.json", "hadamard.json",
    ]
    var model = ChangedModel(Checkpoint.prequantized)
    for name in names { model.files[name] = Array("{}".utf8) }
    model.files["adapter_model.safetensors"] = [0]
    model.files["model.safetensors.index.fp16.json"] = Array("{}".utf8)
    model.files["notes.txt"] = [1]
    let input = model.write(scratch["in"])
    let result = try Workflow.convert(input, scratch["out"], to: .hfPacked)
    for name in names { #expect(result.plan.warnings.contains { $0.contains("'\(name)' is left out") }) }
    let own = Set(Disk.names(Checkpoint.prequantized)).union(["notes.txt"])
    #expect(Set(Disk.names(scratch["out"])) == own)
    try Workflow.convert(input, scratch["a.tritpack"], to: .tritpack)
    let packed = try FormatRegistry.open(scratch["a.tritpack"]).manifest.companions.map(\.name)
    #expect(Set(packed).isDisjoint(with: names) && packed.contains("notes.txt"))
  }

  @Test("Infinity in a key nobody reads is written back, and read again")
  func infinity() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.prequantized)
    model.configuration = model.configuration.trimmedBrace + ",\n \"time_step_limit\": [0.0, Infinity]\n}"
    let input = model.write(scratch["in"])
    let result = try Workflow.convert(input, scratch["out"], to: .hfPacked)
    #expect(result.plan.warnings.contains { $0.contains("Infinity in 'time_step_limit[1]'") })
    #expect(Disk.text(scratch["out"] + "/config.json").contains("Infinity"))
    #expect(try FormatRegistry.open(scratch["out"]).manifest.configuration?["time_step_limit"] != nil)
    // In a container it is read, and noted, as in a folder.
    try Workflow.convert(input, scratch["a.tritpack"], to: .tritpack)
    let packed = try FormatRegistry.open(scratch["a.tritpack"]).manifest
    #expect(packed.configuration?["time_step_limit"] != nil)
    #expect(packed.notes.contains { $0.contains("Infinity in 'time_step_limit[1]'") })
  }

  @Test("a setting that is no number is an error of its file and key, in a folder and in a container")
  func infinityWhereANumberIsNeeded() throws {
    let scratch = ScratchFolder()
    for (key, word) in [
      ("hidden_size", "NaN"), ("rms_norm_eps", "Infinity"), ("rope_theta", "NaN"), ("bos_token_id", "-Infinity"),
      ("max_position_embeddings", "Infinity"),
    ] {
      var model = ChangedModel(Checkpoint.bitnet)
      var object = try #require(try JSONValue.parse(Array(model.configuration.utf8)).object)
      object[key] = nil
      let text = String(decoding: JSONValue.object(object).serialized(), as: UTF8.self)
      model.configuration = text.trimmedBrace + ", \"\(key)\": \(word)}"
      let input = model.write(scratch["in-\(key)"])
      let error = #expect(throws: ModelError.self) { try Workflow.convert(input, scratch["out"], to: .gguf) }
      #expect(
        error?.location.file?.hasSuffix("config.json") == true && error?.location.field == key,
        "\(key): \(error as Any)")
      #expect(error?.summary.contains(word) == true, "\(error as Any)")
      #expect(error?.description.contains("header") == false)
    }
  }

  @Test("generation settings as Python writes them are compared, and noted")
  func generationSettings() throws {
    let scratch = ScratchFolder()
    var folders: [String] = []
    for (name, text) in [
      ("a", #"{"temperature": Infinity}"#), ("b", #"{"temperature": 1.0}"#),
      ("c", "\u{FEFF}" + #"{"temperature": 1.0}"#),
    ] {
      let folder = ChangedModel(Checkpoint.bitnet).write(scratch[name])
      Disk.write(text, folder + "/generation_config.json")
      folders.append(folder)
    }
    let notes = try folders.map { try FormatRegistry.open($0).manifest.notes }
    #expect(notes[0].contains { $0.contains("generation_config.json holds Infinity in 'temperature'") })
    #expect(notes[1].isEmpty)
    #expect(notes[2].contains { $0.contains("generation_config.json begins with a byte order mark") })
    func companions(_ first: Int, _ second: Int) throws -> PartFinding? {
      try Workflow.compare(folders[first], folders[second]).parts[.companions]
    }
    #expect(try companions(0, 1)?.outcome == .differs)
    #expect(try companions(1, 2)?.outcome == .equal)
    Disk.write("{", folders[0] + "/generation_config.json")
    #expect(try companions(0, 1)?.outcome == .notCompared)
    // They are no part of the verdict, which says all the same that nobody looked.
    let unseen = try Workflow.compare(folders[0], folders[1])
    #expect(unseen.isSame && unseen.parts.verdict.contains("companions not compared"), "\(unseen.parts.verdict)")
  }
}

extension String {
  /// A JSON object without its closing brace.
  fileprivate var trimmedBrace: String {
    String(self[..<(lastIndex(of: "}") ?? endIndex)])
  }
}
