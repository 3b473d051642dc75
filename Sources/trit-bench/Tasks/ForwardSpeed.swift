// Tritsmith: `trit-bench forward`.

import CommandLineKit
import TritCore
import TritFormats
import TritInference
import TritKernels
import TritModel
import TritReport
import TritSurvey

extension ArithmeticMode: ExpressibleByArgument {}

struct ForwardSpeed: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forward",
    abstract: "Time the forward pass of a model beside the memory bandwidth of the same moment.",
    discussion: """
      Every round reads a large buffer and the model's own mapped bytes (the faster of the two counts), runs a prompt and decodes, one after the other, so that a share of the \
      bandwidth compares figures of one moment. The roofline of decoding counts every byte a token reads: projections \
      as they are stored, the head, the keys and values of the context, and the states of delta nets twice.
      """,
    examples: [.init("trit-bench forward ./packed --threads 2", "Prefill of 128 tokens and 64 decoded ones.")])

  @Argument(help: "The model.", completion: .file())
  var model: String

  @Option(help: ArgumentHelp("Threads of the pass and of the bandwidth; 0 means one a processor.", valueName: "count"))
  var threads = 0

  @Option(help: ArgumentHelp("Tokens of the prompt.", valueName: "count"))
  var prompt = 128

  @Option(help: ArgumentHelp("Tokens decoded after it.", valueName: "count"))
  var tokens = 64

  @Option(help: ArgumentHelp("Measured rounds.", valueName: "count"))
  var runs = 5

  @Option(help: "Integer products, or float32 as transformers computes it.")
  var mode = ArithmeticMode.fast

  @Option(help: ArgumentHelp("Kernels by name, such as avx2; by default the best.", valueName: "name"))
  var kernels: String?

  @Option(help: "How to print the result.")
  var format = ReportFormat.table

  func validate() throws {
    guard prompt >= 1, tokens >= 1, runs >= 1 else {
      throw ValidationError("--prompt, --tokens and --runs must be 1 or more")
    }
    try ValidationError.check("--threads", threads, in: 0...256)
    if let kernels, !InferenceEngine.kernelNames.contains(kernels) {
      let names = InferenceEngine.kernelNames.joined(separator: ", ")
      throw ValidationError("--kernels must be one of \(names), not \(kernels)")
    }
  }

  func run() throws {
    let name = kernels ?? InferenceEngine.kernelNames[0]
    guard let engine = InferenceEngine(threads: threads, kernelsNamed: name) else {
      throw ValidationError("this CPU has no kernels '\(name)'")
    }
    let begin = Platform.monotonicSeconds
    let source = try ModelOpener.toRun(model, OpenOptions(access: .mapped))
    let loaded = try LanguageModel(source, engine: engine)
    let loadSeconds = Platform.monotonicSeconds - begin
    let session = try Session(loaded, mode: mode, contextCapacity: prompt + tokens, engine: engine)
    // Any ids do: the work is the same.
    let vocabulary = loaded.configuration.vocabularySize
    var random = SplitMix64(state: 11)
    let ids = (0..<prompt + tokens).map { _ in Int(random.next() % UInt64(vocabulary)) }

    _ = try pass(session, ids)
    // Before the buffer of the bandwidth exists: what running this model takes.
    let resident = Platform.peakResidentBytes
    let memory = MemoryBandwidth(source, threads: engine.threads)
    var rounds: [Round] = []
    for _ in 0..<runs {
      var round = Round(bandwidth: try memory.measure())
      (round.prefill, round.decode) = try pass(session, ids)
      round.bandwidth = max(round.bandwidth, try memory.measure())
      rounds.append(round)
    }
    var output = StandardOutput.shared
    format.renderer.render(
      report(loaded, source, engine, rounds, resident: resident, loadSeconds: loadSeconds), to: &output)
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

  struct Round {
    /// GB/s read, the best of the times before and after the pass.
    var bandwidth: Double
    var prefill = 0.0
    var decode = 0.0
  }

  private func report(
    _ loaded: LanguageModel, _ source: any TensorSource, _ engine: InferenceEngine, _ rounds: [Round], resident: UInt64,
    loadSeconds: Double
  ) -> ReportDocument {
    let weights = loaded.weightBytesPerToken
    let cache = cacheBytes(loaded.configuration)
    let perToken = Double(weights) + cache
    let fileBytes = source.manifest.files.reduce(0) { $0 + Int($1.byteCount) }
    func limit(_ round: Round) -> Double { round.bandwidth * 1e9 / perToken }
    let decoded = rounds.map { Double(tokens) / $0.decode }
    let shares = zip(rounds, decoded).map { $1 / limit($0) }
    let prefills = rounds.map { Double(prompt) / $0.prefill }

    var report = ReportDocument(
      title: "Forward pass", schema: ReportSchema("tritsmith.bench.forward", version: 1), primaryTable: "rounds")
    report.append(
      ReportFacts(
        key: "forward",
        [
          ReportFact("Model", .text(model)), ReportFact("Format", .text(source.manifest.format.rawValue)),
          ReportFact("Projections", .text(loaded.projectionClasses.map(\.rawValue).joined(separator: ", "))),
          ReportFact("Arithmetic", .text(mode.rawValue)), ReportFact("Kernels", .text(engine.kernelName)),
          ReportFact("Threads", .integer(engine.threads)), ReportFact("Prompt", .integer(prompt)),
          ReportFact("Decoded", .integer(tokens)),
          ReportFact("Load", .number(loadSeconds), key: "load_seconds", kind: .duration),
          ReportFact("File bytes", .bytes(UInt64(fileBytes))),
          ReportFact("Resident", .bytes(resident), key: "resident_bytes", note: "peak of loading and one pass"),
          ReportFact("Resident / file", .number(Double(resident) / Double(fileBytes)), key: "resident_ratio"),
          ReportFact("Weight bytes a token", .bytes(UInt64(weights))),
          ReportFact("Cache bytes a token", .bytes(UInt64(cache)), note: "average"),
          ReportFact("Prefill", .number(median(prefills)), key: "prefill_tokens_per_s", note: "tokens/s, median"),
          ReportFact("Decode", .number(median(decoded)), key: "decode_tokens_per_s", note: "tokens/s, median"),
          ReportFact("Bandwidth", .number(median(rounds.map(\.bandwidth))), key: "gb_per_s", note: "GB/s, median"),
          ReportFact("Share of roofline", .number(median(shares)), key: "roofline_share", note: "median of rounds"),
        ]))
    report.append(
      ForwardSpeed.table(
        rounds.indices.map { [rounds[$0].bandwidth, prefills[$0], decoded[$0], limit(rounds[$0]), shares[$0]] }))
    return report
  }

  private static func table(_ rows: [[Double]]) -> ReportTable {
    var table = ReportTable(
      key: "rounds", title: "Rounds",
      columns: [
        ReportColumn("gb_per_s", "GB/s", kind: .decimal(digits: 2)),
        ReportColumn("prefill_tokens_per_s", "Prefill tok/s", kind: .decimal(digits: 1)),
        ReportColumn("decode_tokens_per_s", "Decode tok/s", kind: .decimal(digits: 1)),
        ReportColumn("limit_tokens_per_s", "Limit tok/s", kind: .decimal(digits: 1)),
        ReportColumn("roofline_share", "Share", kind: .decimal(digits: 3)),
      ])
    for row in rows { table.append(row.map { .number($0) }) }
    return table
  }

  /// Bytes of keys, values and states that a decoded token reads and writes, on average.
  private func cacheBytes(_ configuration: ModelDescription) -> Double {
    // Keys and values are Floats; the context grows by one with every token.
    let context = Double(prompt) + Double(tokens + 1) / 2
    let attention = (0..<configuration.layers).count { configuration.kind(ofLayer: $0) == .attention }
    let state = configuration.deltaNet.map { 4 * $0.valueHeads * $0.keyDimension * $0.valueDimension } ?? 0
    let states = Double(2 * state * (configuration.layers - attention))
    return context * Double(2 * 4 * configuration.attention.keyValueWidth * attention) + states
  }

  private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}
