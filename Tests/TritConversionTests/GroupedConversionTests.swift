// Tritsmith: conversions of models with a scale for each 128 weights, against files of the original programs.

import Testing
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritQuantizers
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Conversions of models with scales of groups")
struct GroupedConversionTests {
  @Test("unpacked F16 becomes the other programs' blocks, embedding and head too", arguments: Bonsai.layouts)
  func unpacked(_ weights: GGUFWeightType) throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    let result = try Workflow.bonsai(source, scratch["a.gguf"], weights)
    #expect(result.recognised.count == 9 && result.rounded.isEmpty)
    #expect(try Bonsai.wrong(scratch["a.gguf"], weights) == [])
    let file = try GGUFSource(path: scratch["a.gguf"])
    let types: [GGUFWeightType: Int] = [.q2: 41, .pq2: 141, .ptq1: 143]
    #expect(file.manifest.entry("general.file_type")?.integer == types[weights])
    var request = VerifyRequest()
    request.parts = [.weights, .description]
    let verified = try VerifyWorkflow(
      source: ModelOpener.open(source), converted: ModelOpener.open(scratch["a.gguf"]), request: request
    ).run()
    #expect(verified.passed && verified.scaleLossPercent == nil)
    #expect(verified.tensors.count { $0.isTernary } == 9)
    // And back: F16 numbers, byte for byte, norms as well.
    try Workflow.convert(scratch["a.gguf"], scratch["dense"], to: .dense)
    #expect(differences(ofFolders: scratch["dense"], source) == [])
    let configuration = try JSONValue.parse(Disk.bytes(scratch["dense"] + "/config.json")).object
    #expect(configuration?["torch_dtype"]?.string == "float16")
  }

  @Test("every layout becomes every other, byte for byte, and TritPack in between", arguments: Bonsai.layouts)
  func repacked(_ from: GGUFWeightType) throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.bonsai(source, scratch["from.gguf"], from)
    try Workflow.convert(scratch["from.gguf"], scratch["between.tritpack"], to: .tritpack)
    let packed = try FormatRegistry.open(scratch["between.tritpack"])
    let scales = packed.manifest.tensors.compactMap(\.scale)
    #expect(scales.count == 9)
    #expect(scales.allSatisfy { $0.granularity == .group(columns: 128) && $0.storage == .f16 })
    for to in Bonsai.layouts {
      try Workflow.bonsai(scratch["from.gguf"], scratch["\(to).gguf"], to)
      #expect(try Bonsai.wrong(scratch["\(to).gguf"], to) == [], "\(from) to \(to)")
      try Workflow.bonsai(scratch["between.tritpack"], scratch["packed-\(to).gguf"], to)
      #expect(try Bonsai.wrong(scratch["packed-\(to).gguf"], to) == [], "TritPack to \(to)")
      let compared = try Workflow.compare(scratch["from.gguf"], scratch["\(to).gguf"])
      #expect(compared.isSame)
    }
    try Workflow.convert(scratch["between.tritpack"], scratch["dense"], to: .dense)
    #expect(differences(ofFolders: scratch["dense"], source) == [])
  }

  /// The cut files have a head of their own, and a family is no condition of moving blocks.
  @Test(
    "files of a family that is not known keep names, keys and dense tensors, and their blocks move all the same",
    arguments: ["q2_0", "q2_0_legacy", "pq2_0", "ptq1_0"])
  func strangers(_ file: String) throws {
    let scratch = ScratchFolder()
    try Bonsai.stranger(Bonsai.path(file), scratch["source.gguf"])
    let before = try GGUFSource(path: scratch["source.gguf"])
    for to in Bonsai.layouts {
      try Workflow.bonsai(scratch["source.gguf"], scratch["\(to).gguf"], to) { $0.gguf.hasTokenizer = true }
      let written = try ggufTensors(scratch["\(to).gguf"])
      let wanted = try ggufTensors(Bonsai.path(to))
      // The order stays that of the file which is read; other programs have orders of their own.
      #expect(written.map(\.name) == before.manifest.tensors.map(\.name))
      #expect(written.count == wanted.count)
      for left in written {
        let right = try #require(wanted.first { $0.name == left.name })
        #expect(left.type == right.type && left.bytes == right.bytes, "\(file) to \(to): \(left.name)")
      }
      let after = try GGUFSource(path: scratch["\(to).gguf"])
      let own: Set = ["general.file_type", "general.quantization_version", Recipe.ggufKey]
      #expect(
        after.manifest.entries.filter { !own.contains($0.key) }
          == before.manifest.entries.filter { !own.contains($0.key) })
    }
    // TritPack describes a model in a configuration, which nobody can write for it.
    #expect(throws: ModelError.self) {
      try Workflow.convert(scratch["source.gguf"], scratch["a.tritpack"], to: .tritpack)
    }
  }

  /// llama-quantize's own TQ2_0 file has the largest scale of each 256 weights.
  @Test("a layout without room refuses, naming the first group, or loses scales when told to, and says so")
  func scaleLoss() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.bonsai(source, scratch["pq2.gguf"], .pq2)
    for (input, weights) in [(source, GGUFWeightType.tq2), (source, .tq1), (scratch["pq2.gguf"], .tq2)] {
      let error = #expect(throws: WorkflowError.self) { try Workflow.bonsai(input, scratch["a.gguf"], weights) }
      guard case .scalesDiffer(let misfit, let layout, "group of 256 weights")? = error?.kind else {
        Issue.record("\(String(describing: error))")
        continue
      }
      #expect(misfit.columns == 0..<256 && misfit.first != misfit.second && layout == weights.rawValue)
      #expect(error?.remedy?.contains("PTQ1_0") == true && error?.remedy?.contains("--allow-scale-loss") == true)
      #expect(FileSystem.kind(of: scratch["a.gguf"]) == nil)
    }
    for input in [source, scratch["pq2.gguf"]] {
      let result = try Workflow.bonsai(input, scratch["lossy.gguf"], .tq2) {
        $0.scaleLoss = .allow
        $0.replaces = true
      }
      #expect(try Bonsai.wrong(scratch["lossy.gguf"], .tq2) == [])
      #expect(result.audit.parts.verdict.contains("codes equal, scales lost, mean error "))
      #expect(result.warnings.contains { $0.hasPrefix("codes equal, scales lost, mean error ") }, "\(result.warnings)")
      // What a warning says takes no room in the line.
      #expect(result.line().contains("  9 ternary + 3 dense  audited, scales lost"), "\(result.line())")
      #expect(result.audit.passed && !result.audit.parts.verdict.contains("weights equal"))
      var request = VerifyRequest()
      request.parts = [.weights]
      let verified = try VerifyWorkflow(
        source: ModelOpener.open(input), converted: ModelOpener.open(scratch["lossy.gguf"]), request: request
      ).run()
      #expect(!verified.passed && verified.onlyScalesAreLost)
      #expect(verified.tensors.count { $0.outcome == .scalesLost } == 9)
      #expect(verified.tensors.allSatisfy { $0.mismatches == 0 })
      let verdict = verified.report.blocks.contains {
        if case .note(.fail, let text) = $0 { text.hasPrefix("codes equal, scales lost, mean error ") } else { false }
      }
      #expect(verdict)
      #expect(abs(try #require(verified.scaleLossPercent) - Self.percent()) < 1e-6)
      // Layers are told together: no text about one of them has a number of its own.
      let details = verified.tensors.filter { $0.outcome == .scalesLost }.map(\.detail)
      #expect(details.allSatisfy { $0.hasPrefix("one scale for each ") && !$0.contains("%") }, "\(details)")
      let compared = try Workflow.compare(scratch["lossy.gguf"], input)
      let lost = compared.tensors.filter { $0.scaleLossPercent != nil }.map(\.detail)
      let beginning = "codes equal, scales lost: the first has one for each "
      #expect(lost.count == 9 && lost.allSatisfy { $0.hasPrefix(beginning) }, "\(lost)")
      let headline = try #require(compared.report.verdict?.headline)
      #expect(headline.contains(", mean error ") && !headline.contains("multiplied"), "\(headline)")
    }
    // One trit turned round is no lost scale.
    var bytes = Disk.bytes(scratch["lossy.gguf"])
    let tensor = try #require(try GGUFSource(path: scratch["lossy.gguf"]).manifest.tensor(named: "output.weight"))
    let place = Int(tensor.location.offset)
    bytes[place] = bytes[place] & 3 == 0 ? bytes[place] + 1 : bytes[place] - 1
    Disk.write(bytes, scratch["turned.gguf"])
    let turned = try Workflow.verify(source, scratch["turned.gguf"])
    #expect(!turned.passed && !turned.onlyScalesAreLost)
    #expect(turned.firstProblem?.contains("1 trit differs") == true)
  }

  /// Σ|w′ − w| / Σ|w| in percent over the nine matrices: w from the checkpoint, w′ its sign times the scale that
  /// llama-quantize stored.
  private static func percent() throws -> Double {
    let golden = GoldenVectors(Bonsai.unpacked)
    let blocks = try Bonsai.blocks(.tq2)
    var (error, magnitude) = (0.0, 0.0)
    for (name, stored, times) in [(Bonsai.key, "attn_k", 4.0), (Bonsai.value, "attn_v", 5.0)] {
      let values = golden[name].u16.map { HalfFloat(bits: $0).float }
      let rows = try #require(blocks[stored])
      for row in 0..<256 {
        let scale = HalfFloat(bits: UInt16(rows[row][64]) | UInt16(rows[row][65]) << 8).float
        for value in values[256 * row..<256 * (row + 1)] where value != 0 {
          error += times * abs(Double(scale) - Double(abs(value)))
          magnitude += times * Double(abs(value))
        }
      }
    }
    return 100 * error / magnitude
  }

  @Test("targets with one scale for a tensor refuse, and name those that work")
  func refusals() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.bonsai(source, scratch["ptq1.gguf"], .ptq1)
    try Workflow.convert(source, scratch["a.tritpack"], to: .tritpack)
    for input in [source, scratch["ptq1.gguf"], scratch["a.tritpack"]] {
      for target in [ConversionTarget.hfPacked, .trainable] {
        let error = #expect(throws: WorkflowError.self) {
          try Workflow.convert(input, scratch["out"], to: target)
        }
        #expect(error?.kind == .oneScaleOnly(found: "per-group"), "\(input) \(target)")
        #expect(error?.remedy?.contains("PQ2_0") == true && error?.remedy?.contains("--to dense") == true)
      }
      let error = #expect(throws: WorkflowError.self) { try Workflow.bonsai(input, scratch["out.gguf"], .i2s) }
      guard case .scalesDiffer(_, _, "tensor")? = error?.kind else {
        Issue.record("\(String(describing: error))")
        continue
      }
      #expect(error?.remedy?.contains("PQ2_0") == true && error?.remedy?.contains("--allow-scale-loss") == false)
    }
    #expect(Disk.names(scratch[""]).count { $0.hasPrefix("out") } == 0)
  }

  @Test("bfloat16 holds the scales only when asked for, rounded, and that is said")
  func bfloat16() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.bonsai(source, scratch["pq2.gguf"], .pq2)
    // Embedding and head of the folder are F16 numbers that are copied.
    for (input, scales) in [(source, "3,584"), (scratch["pq2.gguf"], "4,608")] {
      let result = try Workflow.convert(input, scratch["bf16"], to: .dense) {
        $0.denseType = .bf16
        $0.replaces = true
      }
      #expect(result.plan.warnings.contains { $0.contains("BF16 rounds") && $0.contains("of \(scales) scales") })
      let original = RawModelFile.tensors(ofFolder: source)
      for tensor in RawModelFile.tensors(ofFolder: scratch["bf16"]) where tensor.name.contains("proj") {
        let wanted = LittleEndian.u16s(original[name: tensor.name].bytes).map {
          BFloat16.rounded(HalfFloat(bits: $0).float) + 0
        }
        #expect(tensor.dtype == "BF16" && FloatBytes.bf16Values(tensor.bytes) == wanted, "\(tensor.name)")
      }
    }
  }

  /// Two halves of 128 weights, written by hand: different scales; one half of zeros; a scale left over zeros.
  @Test("blocks of 64 become blocks of 128 where both halves have one scale, or one of them is zeros")
  func halves() throws {
    let scratch = ScratchFolder()
    func half(_ bits: UInt16, _ codes: UInt8) -> [UInt8] {
      LittleEndian.bytes(bits) + [UInt8](repeating: codes, count: 16)
    }
    func file(_ blocks: [UInt8]) throws -> String {
      let shape = try #require(TensorShape(rows: 1, columns: 128))
      let plan = GGUFPlan(
        entries: [MetadataEntry("general.architecture", .string("qwenX"))],
        tensors: [GGUFTensor(name: "a.weight", shape: shape, type: 42, byteCount: blocks.count)])
      Disk.write(plan.header + blocks, scratch["a.gguf"])
      return scratch["a.gguf"]
    }
    let (one, two): (UInt16, UInt16) = (0x3C00, 0x4000)
    let error = #expect(throws: WorkflowError.self) {
      try Workflow.bonsai(file(half(one, 0xA9) + half(two, 0xA9)), scratch["b.gguf"], .pq2)
    }
    #expect(
      error?.kind
        == .scalesDiffer(
          ScaleMisfit(row: 0, columns: 0..<128, first: 1, second: 2), layout: "PQ2_0", holds: "group of 128 weights"))
    // d of a block of zeros is 0 in the original encoder; of another program it may be anything.
    for scale in [0, two] as [UInt16] {
      try Workflow.bonsai(file(half(one, 0xA9) + half(scale, 0x55)), scratch["b.gguf"], .pq2) { $0.replaces = true }
      let written = try #require(try ggufTensors(scratch["b.gguf"]).first)
      let wanted: [UInt8] =
        LittleEndian.bytes(one) + [UInt8](repeating: 0xA9, count: 16) + [UInt8](repeating: 0x55, count: 16)
      #expect(written.type == "PQ2_0" && written.bytes == wanted, "\(scale)")
    }
  }

  @Test("latents made ternary by groups are the rule's trits and scales in every layout", arguments: Bonsai.layouts)
  func latents(_ weights: GGUFWeightType) throws {
    let scratch = ScratchFolder()
    var model = RandomModel()
    (model.layers, model.heads, model.keyValueHeads) = (1, 2, 2)
    let source = model.builder.write(scratch["source"])
    try Workflow.bonsai(source, scratch["a.gguf"], weights) { $0.quantizer = AbsMeanGroup.of128.id }
    let name = "model.layers.0.mlp.down_proj.weight"
    let latents = FloatBytes.bf16Values(RawModelFile.tensors(ofFolder: source)[name: name].bytes)
    let view = try ModelOpener.open(scratch["a.gguf"])
    let tensor = try #require(view.manifest.tensor(named: name))
    let trits = try #require(
      try IndependentDecoder.trits(tensor.shape.band(0..<tensor.shape.rows), of: tensor, in: view))
    let scale = try view.scale(of: tensor)
    #expect(scale.granularity == .group(columns: 128))
    for start in stride(from: 0, to: latents.count, by: 128) {
      let group = latents[start..<start + 128]
      let wanted = HalfFloat(Float(group.reduce(0.0) { $0 + Double(abs($1)) } / 128)).float
      #expect(scale.stored[start / 128] == wanted)
      let codes = group.map { Int8(max(-1, min(1, ($0 / wanted).rounded(.toNearestOrEven)))) }
      #expect(Array(trits[start..<start + 128]) == codes)
    }
    // Blocks of 256 have no room for them, one of 64 has none to spare.
    #expect(throws: QuantizerError.self) {
      try Workflow.bonsai(source, scratch["b.gguf"], .tq2) { $0.quantizer = AbsMeanGroup.of128.id }
    }
    let finer = Result {
      try Workflow.bonsai(source, scratch["c.gguf"], weights) { $0.quantizer = AbsMeanGroup.of64.id }
    }
    let isHeld = (try? finer.get()) != nil
    #expect(isHeld == (weights == .q2))
    // Dense: F16, which holds trit × scale.
    try Workflow.convert(source, scratch["dense"], to: .dense) { $0.quantizer = AbsMeanGroup.of128.id }
    let dense = RawModelFile.tensors(ofFolder: scratch["dense"])[name: name]
    let values = LittleEndian.u16s(dense.bytes).map { HalfFloat(bits: $0).float }
    #expect(dense.dtype == "F16")
    #expect(values.indices.allSatisfy { values[$0] == Float(trits[$0]) * scale.stored[$0 / 128] })
  }
}

@Suite("Newer type numbers for the same blocks")
struct RetagTests {
  private func retag(_ input: String, _ output: String, _ choices: [String] = []) throws -> RetagResult {
    let open = OpenOptions(access: .buffered, ggmlTypes: choices.compactMap { GGMLTypeChoice($0) })
    return try RetagWorkflow(input: input, output: output, open: open).run()
  }

  /// Both files were written by one other program from the same numbers.
  @Test("the older file of 128 weights becomes the newer one of the same program, byte for byte")
  func wholeFile() throws {
    let scratch = ScratchFolder()
    let result = try retag(Fixtures.golden("gguf/bonsai_q2_0_legacy.gguf"), scratch["a.gguf"])
    let wanted = Disk.bytes(Fixtures.golden("gguf/bonsai_pq2_0.gguf"))
    #expect(Disk.bytes(scratch["a.gguf"]) == wanted)
    #expect(result.tensors == ["blk.0.attn_k.weight", "blk.0.attn_v.weight"])
    #expect(result.changedBytes == 12 && result.sameBytes == UInt64(wanted.count - 12))
    #expect(result.evidence.contains("34 B per 128"))
    for (width, name) in [(nil, scratch["a.gguf"]), (60, "a.gguf")] as [(Int?, String)] {
      let line = result.line(width: width)
      #expect(line.hasPrefix("✓ \(name)  ") && line.contains("  2 tensors now PQ2_0  audited  "), "\(line)")
    }
  }

  @Test("what is no such file is refused, and nothing appears", arguments: ["q2_0", "pq2_0", "ptq1_0", "tq2_0"])
  func others(_ file: String) throws {
    let scratch = ScratchFolder()
    let path = Fixtures.golden("gguf/bonsai_\(file).gguf")
    let error = #expect(throws: FormatError.self) { try retag(path, scratch["a.gguf"]) }
    let found = file == "q2_0" ? "Q2_0" : nil
    #expect(error?.kind == .gguf(.nothingToRetag(found: found)))
    #expect(error?.summary.hasSuffix(found == nil ? ": none has type 42" : ": type 42 is Q2_0 here") == true)
    #expect(error?.remedy?.contains("--layout PQ2_0") == true)
    #expect(Disk.names(scratch[""]).isEmpty)
  }

  @Test("a file that is cut, or stands where one exists, is refused")
  func damaged() throws {
    let scratch = ScratchFolder()
    let bytes = Disk.bytes(Fixtures.golden("gguf/bonsai_q2_0_legacy.gguf"))
    Disk.write(Array(bytes.dropLast(40)), scratch["cut.gguf"])
    #expect(throws: FormatError.self) { try retag(scratch["cut.gguf"], scratch["a.gguf"]) }
    Disk.write(bytes, scratch["whole.gguf"])
    #expect(throws: TensorIOError.self) { try retag(scratch["whole.gguf"], scratch["whole.gguf"]) }
    #expect(throws: TensorIOError.self) { try retag(scratch["whole.gguf"], scratch["cut.gguf"]) }
    #expect(Disk.bytes(scratch["whole.gguf"]) == bytes)
  }
}
