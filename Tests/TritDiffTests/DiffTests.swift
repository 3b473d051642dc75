// Tritsmith: patches made, applied and damaged.

import Testing
import TritConversion
import TritCore
import TritDiff
import TritFormats
import TritReport
import TritSurvey
import TritTestSupport
import TritVerification
import WorkflowTestSupport

/// Pairs of small packed models.
enum DiffPair {
  static let query = "model.layers.0.self_attn.q_proj.weight"
  static let down = "model.layers.0.mlp.down_proj.weight"

  static let configuration = """
    {
      "architectures": ["LlamaForCausalLM"],
      "model_type": "llama",
      "quantization_config": {"quant_method": "bitnet", "linear_class": "bitlinear"}
    }

    """

  /// A packed model as transformers lays it out; codes by arithmetic of its own.
  static func model(_ seed: UInt64, shapes: [(rows: Int, columns: Int)] = [(8, 5), (4, 7)]) -> ModelFolderBuilder {
    var generator = SeededGenerator(seed: seed)
    var tensors: [RawTensor] = []
    for (index, shape) in shapes.enumerated() {
      let trits = generator.trits(shape.rows * shape.columns)
      let quarter = shape.rows / 4 * shape.columns
      let bytes = (0..<quarter).map { place -> UInt8 in
        (0..<4).reduce(UInt8(0)) { $0 | UInt8(trits[place + $1 * quarter] + 1) << UInt8(2 * $1) }
      }
      let name = "model.layers.\(index).self_attn.q_proj.weight"
      tensors.append(RawTensor(name, "U8", [shape.rows / 4, shape.columns], bytes))
      tensors.append(RawTensor(name + "_scale", "BF16", [1], FloatBytes.bf16([Float(2 + seed % 3)])))
    }
    tensors.append(RawTensor("model.embed_tokens.weight", "BF16", [6, 4], generator.bytes(48)))
    tensors.append(RawTensor("model.norm.weight", "F32", [3], generator.bytes(12)))
    var builder = ModelFolderBuilder(tensors, configuration: configuration)
    builder.companions = ["vocab.json": String(repeating: "[]\n", count: 6000), "notes.txt": "of seed \(seed)\n"]
    return builder
  }

  @discardableResult
  static func diff(_ base: String, _ target: String, _ patch: String, threads: Int = 2) throws -> DiffResult {
    try DiffWorkflow(
      DiffRequest(base: base, target: target, output: patch),
      work: WorkOptions(parallelism: Parallelism(threads: threads))
    ).run()
  }

  @discardableResult
  static func apply(
    _ base: String, _ patch: String, _ output: String, to target: ConversionTarget? = nil, threads: Int = 2
  ) throws -> ApplyResult {
    var request = ApplyRequest(base: base, patch: patch, output: output)
    if let target { request.conversion = ConversionRequest(input: base, output: output, target: target) }
    return try ApplyWorkflow(request, work: WorkOptions(parallelism: Parallelism(threads: threads))).run()
  }

  static func expectSame(_ left: String, _ right: String, sourceLocation: SourceLocation = #_sourceLocation) {
    let files = Disk.names(left).filter { FileSystem.kind(of: left + "/" + $0) == .file }
    #expect(files == Disk.names(right), sourceLocation: sourceLocation)
    for name in files {
      #expect(
        Disk.bytes(left + "/" + name) == Disk.bytes(right + "/" + name), "\(name) differs",
        sourceLocation: sourceLocation)
    }
  }
}

@Suite struct DiffTests {
  private let scratch = ScratchFolder()

  private func write(_ name: String, _ model: ModelFolderBuilder) -> String { model.write(scratch[name]) }

  /// Makes a patch, applies it, and compares every file.
  private func roundTrip(
    _ base: String, _ target: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> DiffResult {
    let result = try DiffPair.diff(base, target, scratch["p.tritdiff"])
    try DiffPair.apply(base, scratch["p.tritdiff"], scratch["out"])
    DiffPair.expectSame(target, scratch["out"], sourceLocation: sourceLocation)
    return result
  }

  @Test(arguments: [
    (Checkpoint.bitnet, Checkpoint.bitnet), (Checkpoint.prequantized, Checkpoint.bfloat16),
    (Checkpoint.prequantized, Checkpoint.sharded), (Checkpoint.sharded, Checkpoint.plain),
    (Checkpoint.prequantized, Checkpoint.bitnet), (Checkpoint.packed, Checkpoint.master),
    (Checkpoint.packed, Checkpoint.bitnet),
  ])
  func shippedCheckpointsComeBackByteForByte(_ base: String, _ target: String) throws {
    let result = try roundTrip(base, target)
    if base == target {
      #expect(result.summary.flips == [0, 0, 0, 0, 0, 0])
      #expect(result.summary.header.tensors.allSatisfy { $0.section == nil })
    }
  }

  @Test func shapesOfAllSizes() throws {
    let shapes = [(4, 1), (4, 0), (8, 13), (400, 33), (1024, 300)]
    for seed in [2, 3] as [UInt64] {
      _ = write("\(seed)", DiffPair.model(seed, shapes: shapes.map { (rows: $0.0, columns: $0.1) }))
    }
    _ = try roundTrip(scratch["2"], scratch["3"])
  }

  @Test func countsAreThoseOfAPlainComparison() throws {
    let (base, target) = (write("a", DiffPair.model(2)), write("b", DiffPair.model(3)))
    let result = try roundTrip(base, target)
    let (left, right) = (DiffPair.model(2).file.tensors, DiffPair.model(3).file.tensors)
    var expected = [Int](repeating: 0, count: 9)
    for (a, b) in zip(left, right) where a.dtype == "U8" {
      for (x, y) in zip(a.bytes, b.bytes) {
        for place in 0..<4 { expected[3 * Int(x >> (2 * place) & 3) + Int(y >> (2 * place) & 3)] += 1 }
      }
    }
    #expect(result.summary.flips == [expected[1], expected[2], expected[3], expected[5], expected[6], expected[7]])
    #expect(result.summary.comparedTrits == 68)
    // The scale of both changed, and small files and those that are not the base's travel along.
    #expect(result.summary.header.tensors.count { $0.scale == .inline([0, 0x40]) } == 2)
    let files = result.summary.header.companions.filter { $0.section != nil }.map(\.name)
    #expect(files == ["config.json", "notes.txt"])
  }

  /// Columns past the last one hold whatever a writer put there; a patch has no place for it.
  @Test func filledPaddingIsRefused() throws {
    let path = scratch["found.tritpack"]
    var file = Disk.bytes(Fixtures.path("Hostile/tritpack/found-padding-filled"))
    // The header is at the end; its digest was never put right by the fuzzer.
    let header = Int(file[16]) | Int(file[17]) << 8
    file.replaceSubrange(32..<64, with: SHA256.digest(of: Array(file[..<32]) + Array(file[header...])).bytes)
    Disk.write(file, path)
    let error = #expect(throws: DiffError.self) { try DiffPair.diff(path, path, scratch["p"]) }
    #expect(error?.kind == .filledPadding && error?.location.tensor == "two.weight")
    #expect(error?.category == .misuse)
    #expect(Disk.names(scratch.path) == ["found.tritpack"])
  }

  /// Matrices larger than what may be held go through a file, for folders and for single files.
  @Test(arguments: [Checkpoint.bitnet, "tritpack"])
  func theSameFilesHoweverLittleIsHeld(_ kind: String) throws {
    var target = Checkpoint.bitnet
    if kind == "tritpack" {
      target = scratch["target.tritpack"]
      _ = try ConvertWorkflow(ConversionRequest(input: Checkpoint.bitnet, output: target, target: .tritpack)).run()
    }
    try DiffPair.diff(Checkpoint.packed, target, scratch["p"])
    let names = Disk.names(scratch.path)
    var work = WorkOptions(parallelism: Parallelism(threads: 2))
    work.heldBytes = 0
    _ = try ApplyWorkflow(
      ApplyRequest(base: Checkpoint.packed, patch: scratch["p"], output: scratch["out"]), work: work
    ).run()
    #expect(Disk.names(scratch.path).sorted() == (names + ["out"]).sorted(), "nothing is left beside it")
    if kind == "tritpack" {
      #expect(Disk.bytes(scratch["out"]) == Disk.bytes(target))
    } else {
      DiffPair.expectSame(target, scratch["out"])
    }
  }

  @Test func theSameBytesForAnyNumberOfThreads() throws {
    let patches = try [1, 2, 5].map { threads -> [UInt8] in
      let path = scratch["t\(threads).tritdiff"]
      try DiffPair.diff(Checkpoint.bitnet, Checkpoint.packed, path, threads: threads)
      return Disk.bytes(path)
    }
    #expect(patches[0] == patches[1])
    #expect(patches[0] == patches[2])
  }

  @Test func newRemovedRenamedAndReshapedTensors() throws {
    var target = DiffPair.model(2)
    var tensors = target.file.tensors
    tensors[4].name = "model.embed.renamed"
    tensors[5].shape = [1, 3]
    tensors.append(RawTensor("new.weight", "F64", [2], Array(0..<16)))
    tensors.removeSubrange(0..<2)
    target.file.tensors = tensors
    let (base, path) = (write("a", DiffPair.model(2)), write("b", target))
    let result = try roundTrip(base, path)
    #expect(result.summary.removed == [DiffPair.query])
    let renamed = try #require(result.summary.header.tensors.first { $0.identity.name == "model.embed.renamed" })
    #expect(renamed.from == "model.embed_tokens.weight")
    #expect(renamed.coding == .same)
    #expect(result.summary.header.tensors.first { $0.identity.name == "new.weight" }?.from == nil)
  }

  @Test func anotherFormatOfTheBaseWillDo() throws {
    let (base, target) = (write("a", DiffPair.model(2)), write("b", DiffPair.model(3)))
    try Workflow.convert(base, scratch["a.tritpack"], to: .tritpack) { $0.compression = .zstd(level: 3) }
    try DiffPair.diff(base, target, scratch["p.tritdiff"])
    try DiffPair.apply(scratch["a.tritpack"], scratch["p.tritdiff"], scratch["out"])
    DiffPair.expectSame(target, scratch["out"])
  }

  @Test(arguments: [SplitFormat.tritpack, .gguf, .single])
  func targetsOfOneFile(_ format: SplitFormat) throws {
    let names: [(String, String)] = [(Checkpoint.bitnet, "a"), (Checkpoint.plain, "b")]
    for (source, name) in names {
      let target: ConversionTarget = format == .gguf ? .gguf : format == .tritpack ? .tritpack : .hfPacked
      try Workflow.convert(source, scratch[name + format.ending], to: target)
    }
    let (base, target) = (scratch["a" + format.ending], scratch["b" + format.ending])
    try DiffPair.diff(base, target, scratch["p.tritdiff"])
    try DiffPair.apply(base, scratch["p.tritdiff"], scratch["out"])
    #expect(Disk.bytes(scratch["out"]) == Disk.bytes(target))
    guard format == .gguf else { return }
    // Four layers of seven projections, in blocks with scales among the codes: nothing is said of 0 trits.
    let report = try PatchSummary(path: scratch["p.tritdiff"]).report(path: "p.tritdiff")
    let headline = report.verdict?.headline ?? ""
    #expect(headline.hasSuffix(": 28 ternary tensors are taken as bytes, trits and scales together"), "\(headline)")
    let screen = TextRenderer(width: 80, showsDetails: false).text(of: report)
    #expect(screen.contains("Ternary tensors as bytes  28") && !screen.contains("Trits compared"), "\(screen)")
  }

  enum SplitFormat: String, Sendable {
    case tritpack, gguf, single

    var ending: String { self == .single ? ".safetensors" : "." + rawValue }
  }

  @Test func scalesOfRowsAndGroupsHaveASection() throws {
    // Each of TritPack's granularities and types, with codes a packer writes.
    func write(_ name: String, _ scales: [Float]) throws -> String {
      let path = scratch[name]
      guard let shape = TensorShape(rows: 20, columns: 3) else { preconditionFailure() }
      let tensor = TritPackTensor(
        name: "w.weight", shape: shape, encoding: .ternary(LayoutID(rawValue: "base3")), byteCount: 20,
        scale: (storage: .f32, granularity: .row, convention: .multiply))
      let staging = try StagedOutput(.file, at: path, replacing: false)
      let sink = try TritPackSink(
        plan: TritPackPlan(
          generator: "test", recipe: JSONObject(), metadata: [], tensors: [tensor], files: [], compression: .none),
        staging: staging, parallelism: Parallelism(threads: 1))
      // Codes 1, 1, 1 in the row's three bytes' places, padding 1.
      let codes = [UInt8](repeating: 121, count: 20)
      try sink.write(codes.span.bytes, to: "w.weight", at: 0)
      let bytes = FloatBytes.f32(scales)
      try sink.write(bytes.span.bytes, to: TritPackTensor.scaleName(of: "w.weight"), at: 0)
      try sink.finish()
      try staging.commit()
      return path
    }
    let base = try write("a.tritpack", (0..<20).map { Float($0) })
    let target = try write("b.tritpack", (0..<20).map { Float($0) + 0.5 })
    let result = try DiffPair.diff(base, target, scratch["p.tritdiff"])
    guard case .section = result.summary.header.tensors[0].scale else {
      Issue.record("80 bytes of scales have a section")
      return
    }
    try DiffPair.apply(base, scratch["p.tritdiff"], scratch["out"])
    #expect(Disk.bytes(scratch["out"]) == Disk.bytes(target))
  }

  @Test func aResultInAnotherFormatIsTheConversionOfTheTarget() throws {
    try DiffPair.diff(Checkpoint.bitnet, Checkpoint.bitnet, scratch["p.tritdiff"])
    for (target, name) in [(ConversionTarget.tritpack, "m.tritpack"), (.gguf, "m.gguf")] {
      let result = try DiffPair.apply(Checkpoint.bitnet, scratch["p.tritdiff"], scratch[name], to: target)
      #expect(result.conversion?.audit.passed == true)
      try Workflow.convert(Checkpoint.bitnet, scratch["direct-" + name], to: target)
      #expect(Disk.bytes(scratch[name]) == Disk.bytes(scratch["direct-" + name]))
    }
    #expect(
      Disk.names(scratch.path).sorted() == ["direct-m.gguf", "direct-m.tritpack", "m.gguf", "m.tritpack", "p.tritdiff"])
  }
}
