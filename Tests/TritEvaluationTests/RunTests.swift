// Tritsmith tests: tokenize, logits, run and perplexity.

import Testing
import TritCore
import TritFormats
import TritModel
import TritReport
import TritTestSupport
import WorkflowTestSupport

@testable import TritEvaluation
@testable import TritSurvey

@Suite("Run")
struct RunTests {
  static let falcon = Fixtures.checkpoint("falcon-e-tiny/bitnet")
  static let prompts = Fixtures.checkpoint("falcon-e-tiny/reference/prompts.json")

  @Test("ids of a text, and back")
  func tokenize() throws {
    let result = try TokenizeWorkflow(.init(path: RunTests.falcon, input: .text("In the beginning"))).run()
    #expect(result.tokens.map(\.id) == [46, 83, 265, 1966, 1134])
    #expect(result.decoded == "In the beginning")
    let back = try TokenizeWorkflow(.init(path: RunTests.falcon, input: .ids("[46, 83, 265]"))).run()
    #expect(back.decoded == "In the")
    var plain = TokenizeRequest(path: Fixtures.checkpoint("bitnet-b158-tiny/packed"), input: .text("a"))
    let withBOS = try TokenizeWorkflow(plain).run().tokens
    plain.includesSpecialTokens = false
    #expect(try Array(TokenizeWorkflow(plain).run().tokens) == Array(withBOS.dropFirst()))
    #expect(withBOS.first?.isSpecial == true)
    #expect(throws: RunError(.malformedIDs(found: "'x'"))) {
      try TokenizeWorkflow(.init(path: RunTests.falcon, input: .ids("1 x"))).run()
    }
    #expect(throws: (any Error).self) {
      try TokenizeWorkflow(.init(path: RunTests.falcon, input: .ids("999999"))).run()
    }
  }

  @Test("prompts of a reference, as text and as file, are the same ids")
  func prompts() throws {
    let source = try FormatRegistry.open(RunTests.falcon)
    let fromFile = try TokenInput.prompts([.idsFile(RunTests.prompts)], of: source)
    let entries = try JSONValue.parse(InputFile(path: RunTests.prompts).contents(limit: 1 << 20)).array
    let texts = try #require(entries).compactMap { $0.object?["text"]?.string }
    #expect(texts.count == 3)
    #expect(try TokenInput.prompts(texts.map { .text($0) }, of: source) == fromFile)
    #expect(throws: RunError(.noInput)) { try TokenInput.prompts([], of: source) }
  }

  @Test("written logits validate against the model, and are not overwritten")
  func logits() throws {
    let folder = try RunFolder()
    var request = LogitsRequest(
      path: RunTests.falcon, inputs: [.ids("1 47 287 420"), .ids("1,92")], output: folder.file("l.safetensors"))
    request.writesHiddenStates = true
    request.options.mode = .fast
    let result = try LogitsWorkflow(request).run()
    #expect(result.prompts.map(\.tokens) == [4, 2])
    let manifest = try FormatRegistry.open(request.output).manifest
    #expect(manifest.tensor(named: "prompt1.logits")?.shape.dimensions == [2, 2048])
    #expect(manifest.tensor(named: "prompt1.ids")?.encoding == .dense(.i32))

    var validation = ValidateRequest(path: RunTests.falcon, against: request.output)
    validation.options.mode = .fast
    let agreement = try ValidateWorkflow(validation).run().agreement
    #expect(agreement.positions == 6 && agreement.maximumDifference == 0)

    let names = try FormatRegistry.open(folder.file("hidden_prompt0.safetensors")).manifest.tensors.map(\.name)
    let wanted = try FormatRegistry.open(
      Fixtures.checkpoint("falcon-e-tiny/reference/bitnet/hidden_prompt0.safetensors")
    ).manifest.tensors.map(\.name)
    #expect(Set(names).isSuperset(of: wanted))
    #expect(throws: TensorIOError(.alreadyExists, path: request.output)) { try LogitsWorkflow(request).run() }
  }

  @Test("whatever runs a model says how many tokens there are, and counts each of them once")
  func progress() throws {
    let folder = try RunFolder()
    let inputs: [TokenInput] = [.ids("1 47 287 420"), .ids("1,92")]
    func count(_ run: (CountingProgress) throws -> Void) throws {
      let progress = CountingProgress()
      try run(progress)
      #expect(progress.hasEnded && progress.total == progress.advanced)
      #expect(progress.phases.contains { $0.unit == .tokens && $0.total == 6 }, "\(progress.phases)")
    }
    let logits = LogitsRequest(path: RunTests.falcon, inputs: inputs, output: folder.file("l.safetensors"))
    try count { _ = try LogitsWorkflow(logits, progress: $0).run() }
    try count { progress in
      let request = ValidateRequest(path: RunTests.falcon, against: logits.output)
      _ = try ValidateWorkflow(request, progress: progress).run()
    }
    try count { progress in
      var request = ValidateRequest(path: RunTests.falcon, against: RunTests.falcon)
      request.inputs = inputs
      _ = try ValidateWorkflow(request, progress: progress).run()
    }
    try count { progress in
      var request = PerplexityRequest(
        path: RunTests.falcon, text: Fixtures.checkpoint("falcon-e-tiny/reference/perplexity_text.txt"))
      request.tokenLimit = 6
      _ = try PerplexityWorkflow(request, progress: progress).run()
    }
  }

  @Test("input a model cannot take is refused")
  func refusals() throws {
    let folder = try RunFolder()
    func error(_ ids: String) -> ModelError.Kind? {
      let request = LogitsRequest(path: RunTests.falcon, inputs: [.ids(ids)], output: folder.file("l.safetensors"))
      do {
        _ = try LogitsWorkflow(request).run()
        return nil
      } catch {
        return (error as? ModelError)?.kind
      }
    }
    #expect(error("2048") == .tokenOutOfRange(id: 2048, vocabulary: 2048))
    #expect(error("-1") == .tokenOutOfRange(id: -1, vocabulary: 2048))
    #expect(error("") == .emptyPrompt)
    let context = try #require(
      FormatRegistry.open(RunTests.falcon).manifest.configuration?["max_position_embeddings"]?.number?.integer)
    let long = String(repeating: "1 ", count: context + 1)
    #expect(error(long) == .contextOverflow(capacity: context, needed: context + 1))
    #expect(try FileSystem.names(in: folder.path).isEmpty)
  }

  @Test("greedy text is that of the reference as far as its margins allow, and streams whole")
  func generate() throws {
    let entries = try #require(try JSONValue.parse(InputFile(path: RunTests.prompts).contents(limit: 1 << 20)).array)
    let text = try #require(entries[0].object?["text"]?.string)
    var request = GenerateRequest(path: RunTests.falcon, prompt: text)
    request.maximumTokens = 11
    var streamed = ""
    let result = try GenerateWorkflow(request).run {
      streamed += $0
      return true
    }
    // The twelfth step of the reference has a margin of 9e-6.
    #expect(result.ids == [17, 276, 440, 388, 296, 265, 578, 275, 1922, 17, 276])
    #expect(streamed == result.text && result.stop == .maximumTokens)
    let stopped = try GenerateWorkflow(request).run { _ in false }
    #expect(stopped.stop == .caller && stopped.ids.count == 1)
    request.prompt = ""
    #expect(throws: ModelError(.emptyPrompt, location: ErrorLocation(file: RunTests.falcon))) {
      try GenerateWorkflow(request).run { _ in true }
    }
  }

  /// Rows of ±1000 behind the vocabulary: whatever the state is, the sum of its numbers makes one of them the likeliest.
  @Test("an id that the tokenizer has no token for is no fault of the caller, and the text before it keeps its line")
  func unknownID() throws {
    let scratch = TritTestSupport.ScratchFolder()
    var model = ChangedModel(RunTests.falcon)
    model.replace("\"vocab_size\": 2048", "\"vocab_size\": 2050")
    for name in ["model.embed_tokens.weight", "lm_head.weight"] {
      model.file[name].shape = [2050, 256]
      for byte in [UInt8(0x44), 0xC4] {
        model.file[name].bytes += (0..<256).flatMap { _ in [0x7A, byte] as [UInt8] }
      }
    }
    var request = GenerateRequest(path: model.write(scratch["model"]), prompt: "And")
    request.maximumTokens = 2
    let error = #expect(throws: RunError.self) { try GenerateWorkflow(request).run { _ in true } }
    guard case .generatedUnknown(let id)? = error?.kind else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(id >= 2048 && error?.category == .malformedInput && error?.location.file == request.path)
    #expect(error?.remedy?.contains("'tritsmith check \(request.path) --run'") == true)
  }

  @Test("sampling with one seed gives one text")
  func sampling() throws {
    var request = GenerateRequest(path: RunTests.falcon, prompt: "And")
    request.maximumTokens = 8
    request.sampling = .nucleus(temperature: 1, topP: 0.9)
    request.seed = 7
    let first = try GenerateWorkflow(request).run { _ in true }
    #expect(try GenerateWorkflow(request).run { _ in true }.ids == first.ids)
  }

  @Test("perplexity of the beginning of a text, both protocols")
  func perplexity() throws {
    var request = PerplexityRequest(
      path: RunTests.falcon, text: Fixtures.checkpoint("falcon-e-tiny/reference/perplexity_text.txt"))
    request.tokenLimit = 255
    let chunked = try PerplexityWorkflow(request).run()
    let source = try FormatRegistry.open(
      Fixtures.checkpoint("falcon-e-tiny/reference/bitnet/perplexity_nll.safetensors"))
    let tensor = try #require(source.manifest.tensor(named: "nll"))
    let sum = try source.withBytes(0..<255 * 4, of: tensor) { bytes in
      (0..<255).reduce(0.0) { $0 + Double(bytes.unsafeLoad(fromByteOffset: 4 * $1, as: Float.self)) }
    }
    #expect(abs(chunked.perplexity.mean - sum / 255) < 0.001)
    #expect(chunked.perplexity.standardError > 0 && chunked.perplexity.negativeLogLikelihoods.count == 255)
    // One window holds all of it, so both protocols score the same.
    request.scoring = .sliding(window: 256, stride: 128)
    #expect(try PerplexityWorkflow(request).run().perplexity.mean == chunked.perplexity.mean)
    request.tokenLimit = 0
    #expect(throws: (any Error).self) { try PerplexityWorkflow(request).run() }
  }

  @Test("of one token no error of a perplexity is told")
  func oneToken() throws {
    var request = PerplexityRequest(
      path: RunTests.falcon, text: Fixtures.checkpoint("falcon-e-tiny/reference/perplexity_text.txt"))
    request.tokenLimit = 1
    let report = try PerplexityWorkflow(request).run().report
    let headline = report.verdict?.headline ?? ""
    #expect(headline.hasPrefix("Perplexity ") && headline.hasSuffix(" over 1 token"), "\(headline)")
    #expect(!headline.contains("±"))
    let facts = report.blocks.compactMap { block -> [ReportFact]? in
      if case .facts(let facts) = block { return facts.facts }
      return nil
    }.joined()
    for key in ["standard_error", "mean_nll_standard_error"] {
      #expect(facts.first { $0.key == key }?.value == .missing, "\(key)")
    }
  }

  @Test("where no projection rounds its inputs, a measurement names the arithmetic that both modes are")
  func plainArithmetic() throws {
    func score(_ path: String, rounds: Bool) throws -> PerplexityResult {
      var request = PerplexityRequest(
        path: path, text: Fixtures.checkpoint("falcon-e-tiny/reference/perplexity_text.txt"))
      request.tokenLimit = 20
      request.options = RunOptions(mode: .fast, threads: 1)
      request.options.roundsPlainInputs = rounds
      return try PerplexityWorkflow(request).run()
    }
    let plain = Fixtures.checkpoint("plain-tiny")
    let (asked, measured) = (try score(plain, rounds: true), try score(plain, rounds: false))
    #expect(asked.run.mode == .fast && measured.run.mode == .reference)
    #expect(measured.perplexity.mean == asked.perplexity.mean)
    #expect(try score(RunTests.falcon, rounds: false).run.mode == .fast)
  }
}
