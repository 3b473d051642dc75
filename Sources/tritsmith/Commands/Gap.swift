// Tritsmith: `tritsmith gap`.

import CommandLineKit
import TritCore
import TritEvaluation
import TritInference
import TritModel
import TritSurvey

struct Gap: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how far a ternary model is from its bf16 sibling.",
    discussion: """
      Runs both in lock-step on one text, without writing logits. Reports predictions (perplexity, KL divergence both \
      ways, agreement), layers (error of hidden states) and tensors (error of weights). Two verdicts are kept apart: \
      fidelity, which must be exact, and loss of quality (none, slight, visible, severe). Quality fails only past a \
      bound given with --max-mean-kl, --min-top1 or --max-ppl-ratio. Causes of the gap are named only where \
      --attribute measured them. Exit code 0 when every gate holds, 1 when not. The page of --html defines every number.
      """,
    examples: [
      .init("tritsmith gap ./bfloat16 ./bitnet", "On the Book of Ruth, which is built in."),
      .init("tritsmith gap ./bf16 ./bitnet --text-file ruth.txt --attribute", "And which layers cost most."),
      .init("tritsmith gap ./bf16 ./bitnet --html gap.html", "A page with plots."),
      .init("tritsmith gap ./bf16 ./bitnet --max-mean-kl 0.01 --min-top1 0.95 --format json", "For a CI job."),
    ], group: "Prove")

  @Argument(help: "The reference: a bf16 model, or any other.", completion: .file())
  var reference: String

  @Argument(help: "The ternary model.", completion: .file())
  var candidate: String

  @OptionGroup var text: TextOptions

  @Option(
    help: ArgumentHelp("A file of token ids instead of text, taken as they are.", valueName: "file", isDetail: true),
    completion: .file())
  var idsFile: String?

  @OptionGroup var chat: ChatOptions

  @OptionGroup var limit: TokenLimitOptions

  @Option(help: ArgumentHelp("Tokens of a window; BOS included, when there is one.", valueName: "count"))
  var context = 256

  @Flag(help: "Also measure what each layer and each kind of projection costs alone.")
  var attribute = false

  @Option(help: ArgumentHelp("Tokens the attribution uses at most.", valueName: "count", isDetail: true))
  var attributeTokens = 1024

  @Flag(inversion: .prefixedNo, help: ArgumentHelp("Compare weights tensor by tensor.", isDetail: true))
  var tensors = true

  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp("Check that the candidate is the result of converting the reference.", isDetail: true))
  var fidelity = true

  @Option(help: ArgumentHelp("Arithmetic of the quantization that fidelity redoes.", isDetail: true))
  var arithmetic: Arithmetic?

  @Option(
    help: ArgumentHelp(
      "Relative error above which a layer is reported as past the bound.", valueName: "ratio", isDetail: true))
  var layerBound = GapRequest.defaultLayerBound

  @Option(help: ArgumentHelp("Largest mean KL(P‖Q) that passes, in nats per token.", valueName: "nats"))
  var maxMeanKl: Double?

  @Option(
    name: .customLong("min-top1"),
    help: ArgumentHelp("Smallest share of equal likeliest tokens that passes.", valueName: "share"))
  var minTop1: Double?

  @Option(help: ArgumentHelp("Largest PPL(Q) / PPL(P) that passes.", valueName: "ratio"))
  var maxPplRatio: Double?

  @Option(help: ArgumentHelp("Run the projections of the reference in this way.", isDetail: true))
  var referenceProjections: ProjectionOverride?

  @Option(
    help: "Integer products, or float32; by default integers where the model itself rounds its inputs.")
  var mode: ArithmeticMode?

  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Page") var page: PageOptions

  @Flag(help: ArgumentHelp("State time and memory in the page, which then differs between runs.", isDetail: true))
  var timings = false

  @OptionGroup(title: "Running") var running: RunningOptions

  func validate() throws {
    let hasText = text.isGiven
    guard [hasText, idsFile != nil, chat.messages != nil].count(where: { $0 }) < 2 else {
      throw ValidationError("give one of a text, --ids-file and --messages")
    }
    try chat.check(hasText: hasText)
    guard context >= 2 else { throw ValidationError("--context must be 2 or more, not \(context)") }
    guard attributeTokens >= 1 else { throw ValidationError("--attribute-tokens must be 1 or more") }
    guard layerBound >= 0 else { throw ValidationError("--layer-bound must be 0 or more") }
    if let maxMeanKl, !(maxMeanKl >= 0) { throw ValidationError("--max-mean-kl must be 0 or more") }
    if let maxPplRatio, !(maxPplRatio > 0) { throw ValidationError("--max-ppl-ratio must be above 0") }
    if let minTop1, !(0...1).contains(minTop1) {
      throw ValidationError("--min-top1 is a share from 0 to 1, not \(minTop1)")
    }
  }

  func run() throws {
    var request = GapRequest(reference: reference, candidate: candidate)
    if let input = text.input {
      request.text =
        switch input {
        case _ where chat.chat: .chat(input)
        case .text(let text): .text(text)
        case .file(let path): .file(path)
        case .sample: .sample
        }
    }
    if let idsFile { request.text = .idsFile(idsFile) }
    request.ending = chat.turn.ending
    request.tokenLimit = limit.tokens
    request.context = context
    request.attributes = attribute
    request.attributionTokens = attributeTokens
    request.comparesTensors = tensors
    request.checksFidelity = fidelity
    request.quantizer = arithmetic?.quantizer.rawValue
    request.layerBound = layerBound
    request.budgets = GapBudgets(
      maximumMeanKL: maxMeanKl, minimumTopOne: minTop1, maximumPerplexityRatio: maxPplRatio)
    request.candidateOptions = running.measuring(mode)
    request.referenceOptions = request.candidateOptions
    if let referenceProjections { request.referenceOptions.projections = referenceProjections }
    let work = WorkOptions(
      parallelism: Parallelism(threads: running.threads, cancellation: request.candidateOptions.cancellation),
      kernels: try reporting { try running.kernels.kernels() },
      progress: running.progress)
    let passed = try reporting {
      if case .messages(let bytes, let file) = try chat.conversations().first {
        request.text = .messages(bytes, file: file)
      }
      request.reference = try running.model(reference)
      request.candidate = try running.model(candidate)
      let file = try page.prepare(
        reading: [request.reference, request.candidate, text.path, idsFile, chat.messagesFile])
      let result = try GapWorkflow(request, work: work).run()
      try page.finish(
        file, page: result.page(timings: timings), printing: printing, result.report, quietly: running.quiet)
      return result.passed
    }
    if !passed { throw ExitRequest(.checkFailed) }
  }
}
