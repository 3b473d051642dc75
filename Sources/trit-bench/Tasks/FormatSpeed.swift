// Tritsmith: `trit-bench formats`.

import CommandLineKit
import TritConversion
import TritCore
import TritFormats
import TritInference
import TritKernels
import TritModel
import TritQuantizers
import TritReport
import TritSurvey

struct FormatSpeed: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "formats",
    abstract: "Time the forward pass of one model in every packed form, as ratios to hf-packed.",
    discussion: """
      Latents of a given shape are made once and converted; what is there already is used again. HF packed, TQ2_0 and \
      TQ1_0 have one scale a matrix, Q2_0, PQ2_0 and PTQ1_0 one for each 128 weights. All models are loaded, and every \
      round runs each of them in turn, so that ratios compare figures of one moment.
      """,
    examples: [.init("trit-bench formats /tmp/forms --shape mid", "Seven forms of a small model.")])

  @Argument(help: "The folder for the models.", completion: .directory)
  var folder: String

  @Option(help: "The shape.")
  var shape = ModelShape.falcon1B

  @Option(help: ArgumentHelp("Threads; 0 means one a processor.", valueName: "count"))
  var threads = 0

  @Option(help: ArgumentHelp("Tokens of the prompt.", valueName: "count"))
  var prompt = 16

  @Option(help: ArgumentHelp("Tokens decoded after it.", valueName: "count"))
  var tokens = 16

  @Option(help: ArgumentHelp("Measured rounds.", valueName: "count"))
  var runs = 5

  @Option(help: "Integer products, or float32 as transformers computes it.")
  var mode = ArithmeticMode.fast

  @Option(help: "How to print the result.")
  var format = ReportFormat.table

  func validate() throws {
    guard prompt >= 1, tokens >= 1, runs >= 1 else {
      throw ValidationError("--prompt, --tokens and --runs must be 1 or more")
    }
    try ValidationError.check("--threads", threads, in: 0...256)
  }

  /// A form of the model, loaded.
  private struct Form {
    var name: String
    var fileBytes: Int
    var loadSeconds: Double
    var model: LanguageModel
    var session: Session
    var prefill: [Double] = []
    var decode: [Double] = []
  }

  func run() throws {
    let engine = try InferenceEngine(threads: threads)
    var forms = try models().map { try load($0.name, $0.path, engine) }
    let vocabulary = forms[0].model.configuration.vocabularySize
    var random = SplitMix64(state: 11)
    let ids = (0..<prompt + tokens).map { _ in Int(random.next() % UInt64(vocabulary)) }
    for round in 0...runs {
      for index in forms.indices {
        let (prefill, decode) = try pass(forms[index].session, ids)
        // The first round touches every page.
        guard round > 0 else { continue }
        forms[index].prefill.append(prefill)
        forms[index].decode.append(decode)
      }
    }
    var output = StandardOutput.shared
    format.renderer.render(report(forms, engine), to: &output)
  }

  /// Makes what is missing; the first is hf-packed.
  private func models() throws -> [(name: String, path: String)] {
    if FileSystem.kind(of: folder) == nil {
      try StagedOutput(.folder, at: folder, replacing: false).commit()
    }
    let latents = FileSystem.join(folder, "latent-\(shape.rawValue)")
    if FileSystem.kind(of: latents) == nil { _ = try Generate.write(shape, to: latents, seed: 158) }
    func form(
      _ name: String, _ target: ConversionTarget, _ change: (inout ConversionRequest) -> Void
    ) throws -> (String, String) {
      let path = FileSystem.join(folder, "\(shape.rawValue)-\(name)" + (target == .gguf ? ".gguf" : ""))
      if FileSystem.kind(of: path) == nil {
        var request = ConversionRequest(input: latents, output: path, target: target)
        request.gguf.hasTokenizer = false
        change(&request)
        _ = try ConvertWorkflow(request).run()
      }
      return (name, path)
    }
    var result = [try form("hf-packed", .hfPacked) { _ in }]
    for weights in [GGUFWeightType.tq2, .tq1] {
      result.append(try form(weights.rawValue, .gguf) { $0.gguf.weights = weights })
    }
    for weights in [GGUFWeightType.q2, .pq2, .ptq1] {
      result.append(
        try form(weights.rawValue, .gguf) {
          $0.gguf.weights = weights
          $0.quantizer = AbsMeanGroup.of128.id
        })
    }
    return result
  }

  private func load(_ name: String, _ path: String, _ engine: InferenceEngine) throws -> Form {
    let begin = Platform.monotonicSeconds
    let source = try ModelOpener.open(path, OpenOptions(access: .mapped))
    let model = try LanguageModel(source, engine: engine)
    let seconds = Platform.monotonicSeconds - begin
    return Form(
      name: name, fileBytes: source.manifest.files.reduce(0) { $0 + Int($1.byteCount) }, loadSeconds: seconds,
      model: model, session: try Session(model, mode: mode, contextCapacity: prompt + tokens, engine: engine))
  }

  /// Seconds of the prompt and of the tokens after it.
  private func pass(_ session: Session, _ ids: [Int]) throws -> (prefill: Double, decode: Double) {
    session.reset()
    let start = Platform.monotonicSeconds
    _ = try session.prefill(Array(ids[..<prompt]))
    let middle = Platform.monotonicSeconds
    for id in ids[prompt...] { _ = try session.step(id) }
    return (middle - start, Platform.monotonicSeconds - middle)
  }

  private func report(_ forms: [Form], _ engine: InferenceEngine) -> ReportDocument {
    var report = ReportDocument(
      title: "One model in every packed form", schema: ReportSchema("tritsmith.bench.formats", version: 1),
      primaryTable: "formats")
    report.append(
      ReportFacts(
        key: "formats",
        [
          ReportFact("Shape", .text(shape.rawValue)), ReportFact("Arithmetic", .text(mode.rawValue)),
          ReportFact("Kernels", .text(engine.kernelName)), ReportFact("Threads", .integer(engine.threads)),
          ReportFact("Prompt", .integer(prompt)), ReportFact("Decoded", .integer(tokens)),
          ReportFact("Rounds", .integer(runs)),
        ]))
    var table = ReportTable(
      key: "formats", title: "Forms, medians of rounds",
      columns: [
        ReportColumn("form", "Form", kind: .text),
        ReportColumn("file_bytes", "File", kind: .bytes),
        ReportColumn("token_bytes", "A token reads", kind: .bytes),
        ReportColumn("load_seconds", "Load", kind: .duration),
        ReportColumn("prefill_tokens_per_s", "Prefill tok/s", kind: .decimal(digits: 1)),
        ReportColumn("decode_tokens_per_s", "Decode tok/s", kind: .decimal(digits: 1)),
        ReportColumn("prefill_ratio", "Prefill ratio", kind: .decimal(digits: 2)),
        ReportColumn("decode_ratio", "Decode ratio", kind: .decimal(digits: 2)),
      ])
    for form in forms {
      // Of the same round: the machine is no other in between.
      let prefills = zip(forms[0].prefill, form.prefill).map { $0 / $1 }
      let decodes = zip(forms[0].decode, form.decode).map { $0 / $1 }
      table.append([
        .text(form.name), .bytes(UInt64(form.fileBytes)), .bytes(UInt64(form.model.weightBytesPerToken)),
        .number(form.loadSeconds), .number(Double(prompt) / median(form.prefill)),
        .number(Double(tokens) / median(form.decode)), .number(median(prefills)), .number(median(decodes)),
      ])
    }
    report.append(table)
    return report
  }

  private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}
