// Tritsmith: `tritsmith validate`.

import CommandLineKit
import TritEvaluation
import TritInference
import TritModel
import TritSurvey

struct Validate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare logits with those of a model or an engine.",
    discussion: """
      Runs both in lock-step on the same tokens, or one along a file of logits from transformers or any other engine. \
      The file has prompt<i>.ids and prompt<i>.logits, and prompt<i>.positions where logits are of some tokens only. \
      Reports differences of logits, KL divergence, agreement of the likeliest tokens and the first layer where hidden \
      states diverge. Of two models every step is compared as well, each from the other model's input. Exit code 0 when every gate holds, 1 when not. Bounds that are not given leave a factor of three \
      above rounding noise; where nothing is rounded but sums, logits must be within 5e-4.
      """,
    examples: [
      .init("tritsmith validate model.tritpack --against ./bitnet", "Two forms of one model."),
      .init("tritsmith validate ./bitnet --against logits.safetensors", "Logits another engine wrote."),
    ], group: "Prove")

  @Argument(help: "The model to be validated.", completion: .file())
  var model: String

  @Option(
    help: ArgumentHelp("The reference: a model, or a file of logits.", valueName: "path"), completion: .file())
  var against: String

  @Option(
    help: ArgumentHelp(
      "Hidden states of a prompt of the file of logits, hidden_prompt<i>.safetensors.", valueName: "file",
      isDetail: true),
    completion: .file(extensions: ["safetensors"]))
  var againstHidden: [String] = []

  @OptionGroup(title: "Prompts (default: the beginning of the Book of Ruth)") var prompts: PromptOptions

  @OptionGroup var limit: TokenLimitOptions

  @Option(help: ArgumentHelp("Largest mean KL divergence that passes, in nats per token.", valueName: "nats"))
  var maxMeanKl: Double?

  @Option(
    name: .customLong("min-top1"),
    help: ArgumentHelp("Smallest share of equal likeliest tokens that passes.", valueName: "share"))
  var minTop1: Double?

  @Option(help: ArgumentHelp("Largest logit NMSE that passes.", valueName: "ratio"))
  var maxLogitNmse: Double?

  @Option(
    help: ArgumentHelp(
      "Largest difference of a logit that passes (default: 5e-4 where nothing but sums is rounded, else none).",
      valueName: "delta"))
  var maxLogitDelta: Double?

  @Option(
    help: ArgumentHelp(
      "Relative error above which a hidden state is reported as diverging (default: 0.01; 1e-4 against files where "
        + "nothing but sums is rounded).", valueName: "ratio", isDetail: true))
  var hiddenBound: Double?

  @Option(help: "Float32 as transformers computes it, or integer products.")
  var mode = ArithmeticMode.reference

  @Option(help: ArgumentHelp("Run the projections of the other model in this way.", isDetail: true))
  var againstProjections: ProjectionOverride?

  @Option(help: ArgumentHelp("Run the other model in this mode.", isDetail: true))
  var againstMode: ArithmeticMode?

  @Option(
    help: ArgumentHelp("Dense weights of the same model, to prove the meaning of stored scales.", valueName: "path"),
    completion: .file())
  var sibling: String?

  @Flag(help: ArgumentHelp("Prove the meaning of scales by running the model in both.", isDetail: true))
  var proveScale = false

  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Running") var running: RunningOptions

  func validate() throws {
    if let maxMeanKl, !(maxMeanKl >= 0) { throw ValidationError("--max-mean-kl must be 0 or more") }
    if let maxLogitNmse, !(maxLogitNmse >= 0) { throw ValidationError("--max-logit-nmse must be 0 or more") }
    if let maxLogitDelta, !(maxLogitDelta >= 0) { throw ValidationError("--max-logit-delta must be 0 or more") }
    if let hiddenBound, !(hiddenBound >= 0) { throw ValidationError("--hidden-bound must be 0 or more") }
    if let minTop1, !(0...1).contains(minTop1) {
      throw ValidationError("--min-top1 is a share from 0 to 1, not \(minTop1)")
    }
  }

  func run() throws {
    var request = ValidateRequest(path: model, against: against)
    request.inputs = try reporting { try prompts.inputs() }
    request.ending = prompts.chat.turn.ending
    request.tokenLimit = limit.tokens
    request.gates = ValidationGates(
      maximumMeanKL: maxMeanKl, minimumTopOne: minTop1, maximumNMSE: maxLogitNmse,
      maximumLogitDifference: maxLogitDelta)
    (request.hiddenStates, request.hiddenBound) = (againstHidden, hiddenBound)
    request.options = running.options(mode)
    var other = running.options(againstMode ?? mode)
    if let againstProjections { other.projections = againstProjections }
    request.referenceOptions = other
    let passed = try reporting {
      request.path = try running.model(model)
      request.reference = try running.model(against)
      request.proof = ScaleProof(
        sibling: try sibling.map { try running.model($0) }, usesActivations: proveScale, threads: running.threads,
        kernels: running.kernels)
      let result = try ValidateWorkflow(request, progress: running.progress).run()
      printing.print(result.report, quietly: running.quiet)
      return result.passed
    }
    if !passed { throw ExitRequest(.checkFailed) }
  }
}
