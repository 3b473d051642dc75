// Tritsmith: `tritsmith convert`.

import CommandLineKit
import TritCertificates
import TritConversion
import TritCore
import TritFormats
import TritHub
import TritLayouts
import TritQuantizers
import TritReport
import TritSurvey
import TritVerification

/// Arithmetic of absmean quantization, by the words users know.
enum Arithmetic: String, CaseIterable, ExpressibleByArgument {
  case bf16, float32, kernel

  var quantizer: QuantizerID { QuantizerID(rawValue: "absmean-" + rawValue) }
}

extension GGUFEmbeddingType: ExpressibleByArgument {
  package static var valueName: String? { "type" }
}
extension ConversionRecipe: ExpressibleByArgument {
  package static var valueName: String? { "function" }
}
extension GGUFMisfit: ExpressibleByArgument {
  package static var valueName: String? { "action" }
}
extension DenseWeightType: ExpressibleByArgument {
  package static var valueName: String? { "type" }
}
extension I2SOrder: ExpressibleByArgument {
  package static var valueName: String? { "order" }
}

/// Options that go with `--to gguf`.
struct GGUFArguments: ParsableArguments {
  @Option(help: "Type of embeddings and head; by default the type they have, which loses nothing.")
  var embeddings: GGUFEmbeddingType?

  @Option(help: "Byte order of I2_S in the output, and in an input that does not state it.")
  var i2sOrder: I2SOrder?

  @Flag(help: "Where a layout has no room for all scales, keep the trits and each block's largest scale.")
  var allowScaleLoss = false

  @Option(help: "Treatment of tensors whose rows do not fit the layout.")
  var misfits: GGUFMisfit?

  @Option(
    help: ArgumentHelp(
      "Name of the pre-tokenizer of the GGUF file that is read or written. By default the file names it, or it is found "
        + "from tokenizer.json.", valueName: "name"))
  var ggufPre: PreTokenizerName?

  @Flag(help: "Write no vocabulary.")
  var noTokenizer = false

  /// The first option that was given, by its name.
  var firstGiven: String? {
    if embeddings != nil { return "--embeddings" }
    if misfits != nil { return "--misfits" }
    if allowScaleLoss { return "--allow-scale-loss" }
    return noTokenizer ? "--no-tokenizer" : nil
  }
}

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a model in another form: packed, GGUF, MLX, dense.",
    discussion: """
      The input may be latent (prequantized), already ternary, packed, or dense. The output is built under a temporary \
      name, reopened, compared with the source by an independent decoder, and only then put in place.
      """,
    examples: [
      .init("tritsmith convert ./prequantized ./bitnet --to hf-packed", "The result of onebitllms' quantize_to_1bit."),
      .init("tritsmith convert ./prequantized ./bitnet --recipe quantize_to_1bit", "The same, whatever the family."),
      .init("tritsmith convert ./bitnet model.tritpack --to tritpack", "One file that is a whole model."),
      .init("tritsmith convert ./bitnet ./latents --to trainable", "Latents to go on training from."),
      .init("tritsmith convert ./unpacked ./mlx --to mlx", "A folder for mlx-lm, every trit and scale as it is."),
      .init("tritsmith convert ./prequantized model.gguf", "A file for llama.cpp, in TQ2_0."),
      .init("tritsmith convert ./prequantized model.gguf --to I2_S", "A file for bitnet.cpp."),
      .init("tritsmith convert rotated.gguf ./dense --to dense --unfold", "Rotated weights as ordinary ones."),
      .init("tritsmith convert old.gguf new.gguf --retag", "An old Q2_0 file of 128 weights as PQ2_0, data untouched."),
      .init("tritsmith convert ./prequantized ./out --to hf-packed --dry-run", "The plan, and no more."),
      .init(
        "tritsmith convert ./prequantized ./out --to hf-packed --certificate out.json",
        "Also a record with which anyone can repeat it."),
      .init("tritsmith convert ./prequantized ./out --to hf-packed --plan plan.json", "Plan a conversion in parts."),
      .init("tritsmith convert --plan plan.json --worker 3/16", "Deliver one part, on any machine."),
      .init("tritsmith convert --plan plan.json --finish", "Join the parts."),
    ], group: "Make")

  @Argument(help: "The model to read; left out with --worker and --finish.", completion: .file())
  var input: String?

  @Argument(help: "The folder or file to write; left out with --worker and --finish.", completion: .file())
  var output: String?

  @Option(
    name: .customLong("to"),
    help: "Format to write, or a layout of GGUF. An output called *.gguf or *.tritpack implies it.")
  var format: TargetName?

  @Option(
    help: ArgumentHelp(
      "Repeat a function of onebitllms: target, arithmetic and meaning of scales.", isDetail: true))
  var recipe: ConversionRecipe?

  @Option(help: ArgumentHelp("Arithmetic of absmean; the default is that of the family's own tool.", isDetail: true))
  var arithmetic: Arithmetic?

  @Flag(
    help: ArgumentHelp(
      "Apply a quantizer for ordinary weights to the latents of a BitNet model.", isDetail: true))
  var forceQuantizer = false

  @Option(help: ArgumentHelp("Meaning of new scales; the default is the family's.", isDetail: true))
  var outputScale: ScaleConvention?

  @Option(help: ArgumentHelp("Meaning of the input's scales, where its files do not state it.", isDetail: true))
  var scaleConvention: ScaleConvention?

  @Option(
    help: ArgumentHelp("Use this model class instead of the configuration's.", valueName: "class", isDetail: true))
  var architecture: String?

  @Option(help: ArgumentHelp("Leave matching tensors dense.", valueName: "glob"))
  var keep: [String] = []

  @Option(help: ArgumentHelp("Make matching tensors ternary too.", valueName: "glob", isDetail: true))
  var quantize: [String] = []

  @Flag(help: ArgumentHelp("Refuse weights that are not those of a BitNet model.", isDetail: true))
  var requireNative = false

  @Flag(
    help: ArgumentHelp(
      "Copy NaN and infinity in embeddings, norms and biases as they are; such a model computes NaN.", isDetail: true))
  var allowNonfinite = false

  @Option(
    help: ArgumentHelp(
      "Cut safetensors into shards of at most this size, such as 5GB.", valueName: "size", isDetail: true))
  var maxShardSize: ByteSize?

  @Option(
    help: ArgumentHelp(
      "Layout of trits in TritPack (base3, two-bit) or GGUF (the others); by default base3 and TQ2_0.",
      isDetail: true))
  var layout: CodeLayout?

  @Option(
    help: ArgumentHelp(
      "Type of the numbers of --to dense; by default bf16, or what holds the scales of rows and groups.",
      isDetail: true))
  var denseType: DenseWeightType?

  @Flag(
    help: ArgumentHelp(
      "Write rotated weights (Bonsai 2) as those of the ordinary model; with --to dense, or --to gguf as F16.",
      isDetail: true))
  var unfold = false

  @Option(
    help: ArgumentHelp(
      "Compress TritPack sections with zstd at this level, 1 to 19.", valueName: "level", isDetail: true))
  var zstd: Int?

  @Flag(
    help: ArgumentHelp(
      "Rename the old Q2_0 of 128 weights to PQ2_0 in a GGUF file's header; data are copied.",
      isDetail: true))
  var retag = false

  @Flag(help: "Print the plan and write nothing.")
  var dryRun = false

  @Flag(help: "Replace an existing output.")
  var force = false

  @Option(
    help: ArgumentHelp(
      "Also write a certificate: hashes, recipe and audit, to be checked by 'tritsmith certify'.", valueName: "file"),
    completion: .file(extensions: ["json"]))
  var certificate: String?

  @Option(
    help: ArgumentHelp(
      "Also keep files read over the network in this folder, as a download cache (HF_HUB_CACHE).",
      valueName: "folder"),
    completion: .directory)
  var save: String?

  @Flag(
    help: ArgumentHelp(
      "Keep complete parts in OUTPUT.resume; after an interruption the same command goes on.",
      isDetail: true))
  var resume = false

  @OptionGroup(title: "Quantizer") var quantizing: QuantizerArguments
  @OptionGroup(title: "GGUF") var gguf: GGUFArguments
  @OptionGroup(title: "Parts") var shards: ShardArguments
  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Machine") var machine: MachineOptions

  /// As `--to`, `--layout` or the output's name say.
  private var requested: TargetName? {
    if let format { return format }
    if let named = output.flatMap(TargetName.init(output:)) { return named }
    return layout.flatMap { CodeLayout.targets.contains($0) ? TargetName(argument: $0.rawValue) : nil }
  }

  private var requestedTarget: ConversionTarget? { requested?.target }

  private var target: ConversionTarget? { recipe?.target ?? requestedTarget }

  /// As `--layout` or `--to` say.
  private var chosenLayout: CodeLayout? { layout ?? (recipe == nil ? requested?.layout : nil) }

  func validate() throws {
    if retag { return try validateRetag() }
    try validateShards()
    if let recipe {
      if let requestedTarget = format?.target, requestedTarget != recipe.target {
        throw ValidationError(
          "--recipe \(recipe.rawValue) writes \(recipe.target.rawValue), not \(requestedTarget.rawValue)")
      }
      if arithmetic != nil || quantizing.quantizer != nil || outputScale != nil {
        throw ValidationError("--recipe \(recipe.rawValue) decides arithmetic and scales; leave the other options out")
      }
      if !keep.isEmpty || !quantize.isEmpty {
        throw ValidationError("--recipe \(recipe.rawValue) decides which tensors are quantized; use --to instead")
      }
    }
    if let target, let output {
      let asked = recipe.map { "--recipe \($0.rawValue)" } ?? "--to \(format?.argumentDescription ?? target.rawValue)"
      try target.checkName(output, asked: asked)
    }
    try validateGGUF()
    if denseType != nil, target != .dense || recipe != nil {
      throw ValidationError("--dense-type goes with --to dense")
    }
    if target == .trainable, recipe == nil, arithmetic != nil || quantizing.quantizer != nil {
      throw ValidationError("--to trainable makes latents that all arithmetics quantize alike; it takes none")
    }
    if unfold, let option = quantizing.quantizer != nil ? "--quantizer" : arithmetic != nil ? "--arithmetic" : nil {
      throw ValidationError("--unfold makes nothing ternary; \(option) does not go with it")
    }
    if quantizing.quantizer != nil, arithmetic != nil {
      throw ValidationError("--quantizer and --arithmetic name the same thing; give one")
    }
    if let zstd, !(1...19).contains(zstd) { throw ValidationError("--zstd takes a level from 1 to 19, not \(zstd)") }
    if zstd != nil, target != .tritpack { throw ValidationError("--zstd goes with --to tritpack") }
    if let maxShardSize {
      guard target != .tritpack, target != .gguf else {
        throw ValidationError("--max-shard-size goes with safetensors; TritPack and GGUF are one file")
      }
      guard maxShardSize.bytes > 0 else { throw ValidationError("--max-shard-size must be above 0") }
    }
  }

  /// A header says nothing of arithmetic, names or layouts: every option that does is a mistake here.
  private func validateRetag() throws {
    if input == nil || output == nil { throw ValidationError("missing '\(input == nil ? "<input>" : "<output>")'") }
    let asked: [(Bool, String)] = [
      (requestedTarget ?? .gguf != .gguf, "--to"), (chosenLayout ?? .gguf(.pq2) != .gguf(.pq2), "--layout"),
      (recipe != nil, "--recipe"), (dryRun, "--dry-run"), (certificate != nil, "--certificate"),
      (save != nil, "--save"), (resume, "--resume"), (shards.plan != nil, "--plan"),
    ]
    if let first = (asked + deciding).first(where: \.0) {
      throw ValidationError("\(first.1) does not go with --retag")
    }
  }

  /// Options that decide what an output holds, and whether they were given.
  private var deciding: [(Bool, String)] {
    [
      (arithmetic != nil, "--arithmetic"), (quantizing.quantizer != nil, "--quantizer"), (!keep.isEmpty, "--keep"),
      (!quantize.isEmpty, "--quantize"), (outputScale != nil, "--output-scale"),
      (architecture != nil, "--architecture"), (zstd != nil, "--zstd"), (maxShardSize != nil, "--max-shard-size"),
      (denseType != nil, "--dense-type"), (unfold, "--unfold"), (gguf.firstGiven != nil, gguf.firstGiven ?? ""),
      (gguf.ggufPre != nil, "--gguf-pre"),
    ]
  }

  private func validateShards() throws {
    if save != nil, shards.plan != nil || dryRun {
      throw ValidationError("--save goes with neither --plan nor --dry-run; 'hf download' fetches a model by itself")
    }
    if shards.plan != nil, certificate != nil || dryRun {
      throw ValidationError(
        "--plan goes with neither --certificate nor --dry-run; 'tritsmith certify' comes afterwards")
    }
    if resume {
      let others = [
        (shards.plan != nil, "--plan"), (certificate != nil, "--certificate"), (dryRun, "--dry-run"),
        (save != nil, "--save"),
      ]
      if let other = others.first(where: \.0) { throw ValidationError("\(other.1) does not go with --resume") }
    }
    if certificate != nil, dryRun { throw ValidationError("--dry-run writes nothing, so no --certificate either") }
    guard shards.carriesOut else {
      let missing = input == nil ? "<input>" : output == nil ? "<output>" : nil
      if let missing {
        let steps = "; --worker <i/n> or --finish carries a plan out"
        throw ValidationError("missing '\(missing)'" + (shards.plan == nil ? "" : steps))
      }
      guard target != nil else {
        let forms = ConversionTarget.allowedArguments.joined(separator: ", ")
        throw ValidationError(
          "say what to write: --to <format>, one of \(forms), or a name that ends in .gguf or .tritpack")
      }
      return
    }
    let isAsked = input != nil || format != nil || recipe != nil || layout != nil || scaleConvention != nil
    if isAsked || deciding.contains(where: \.0) {
      throw ValidationError("with --worker and --finish the plan says what and where")
    }
  }

  private func validateGGUF() throws {
    if let layout, let named = format?.layout, named != layout {
      throw ValidationError("--to \(named.rawValue) and --layout \(layout.rawValue) are two layouts")
    }
    if let layout {
      switch target {
      case .tritpack where layout.gguf == nil, .gguf where layout.gguf != nil: break
      case .tritpack, .gguf:
        throw ValidationError("--layout \(layout.rawValue) does not go with --to \(target?.rawValue ?? "")")
      default: throw ValidationError("--layout goes with --to tritpack and --to gguf")
      }
    }
    if target != .gguf, let option = gguf.firstGiven { throw ValidationError("\(option) goes with --to gguf") }
  }

  /// Does the work, and keeps what it reads over the network where that was asked for.
  private func saving<Result>(_ path: String, _ work: () throws -> Result) throws -> Result {
    guard let save else { return try work() }
    return try HubResolver().saving(path, to: save, work)
  }

  private func request(_ target: ConversionTarget) throws -> ConversionRequest {
    var request = ConversionRequest(input: try machine.model(input ?? ""), output: output ?? "", target: target)
    request.open = machine.open(
      scaleConvention, gguf.i2sOrder, preTokenizer: gguf.ggufPre?.name, scaleOption: OpenOptions.usualScaleOption)
    request.quantizer = quantizing.quantizer?.id ?? arithmetic?.quantizer
    request.calibration = quantizing.request
    request.forcesQuantizer = forceQuantizer
    request.outputConvention = outputScale
    if let recipe { request.follow(recipe) }
    request.architecture = architecture
    request.keep = keep.map { Glob($0) }
    request.quantize = quantize.map { Glob($0) }
    request.requiresNative = requireNative
    request.nonFinite = allowNonfinite ? .carry : .refuse
    request.maximumShardBytes = maxShardSize.map { UInt64($0.bytes) }
    if target == .tritpack, case .tritpack(let layout)? = chosenLayout { request.tritpackLayout = layout }
    request.gguf = GGUFOptions(
      weights: chosenLayout?.gguf ?? (unfold ? .f16 : .tq2), i2sOrder: gguf.i2sOrder ?? .group128,
      embeddings: gguf.embeddings,
      misfits: gguf.misfits ?? .error, preTokenizer: gguf.ggufPre?.name, hasTokenizer: !gguf.noTokenizer)
    request.compression = zstd.map { .zstd(level: $0) } ?? .none
    request.scaleLoss = gguf.allowScaleLoss ? .allow : .refuse
    request.denseType = denseType
    request.unfolds = unfold
    request.replaces = force
    return request
  }

  func run() throws {
    try reporting {
      if retag {
        let workflow = RetagWorkflow(
          input: try machine.model(input ?? ""), output: output ?? "", open: machine.open(), replaces: force,
          work: try machine.work())
        let result = try workflow.run()
        return show(result.line(width: printing.width), result.report, later: [])
      }
      if let path = shards.plan, shards.carriesOut { return try carryOut(path) }
      guard let target else { throw ValidationError("say what to write: --to <format>") }
      let work = try machine.work()
      if let path = shards.plan {
        printing.print(
          try ShardPlan.make(try request(target), at: path, work: work).report(), quietly: machine.quiet)
        return
      }
      if resume {
        let result = try ResumableConversion(try request(target), work: work).run(announce: warn)
        return show(result.line(width: printing.width), result.report, later: [])
      }
      let workflow = ConvertWorkflow(try request(target), work: work)
      if dryRun {
        // A plan that could not be carried out is no plan.
        try workflow.checkPlace()
        let plan = try workflow.plan()
        if machine.quiet, printing.format == .table { return warn(plan) }
        return printing.print(plan.report)
      }
      let result = try saving(workflow.request.input) {
        if let certificate {
          try workflow.run(certificate: certificate, announce: warn)
        } else {
          try workflow.run(announce: warn)
        }
      }
      show(result.line(width: printing.width), result.report, later: result.warnings)
    }
  }

  /// Prints what was made: in a line, unless more was asked for.
  ///
  /// - Parameter later: warnings that were not said before the work began.
  private func show(_ line: String, _ report: ReportDocument, later: [String]) {
    guard printing.format == .table else { return printing.print(report) }
    warn(later)
    guard !machine.quiet else { return }
    guard printing.all else { return StandardOutput.shared.write(line) }
    var report = report
    // They were said before.
    report.removeNotes(.warning)
    printing.print(report)
  }

  private func carryOut(_ path: String) throws {
    let plan = try ShardPlan(reading: path, open: machine.open(), replaces: force)
    // The plan names the place it was made from, at its commit.
    try NamedModel.findAgain(plan.request.input, offline: machine.offline)
    let workflow = ShardWorkflow(plan, work: try machine.work())
    if let number = shards.worker {
      let result = try workflow.run(worker: number.worker, of: number.count)
      show(result.line, result.report, later: [])
    } else {
      let result = try workflow.finish(announce: warn)
      show(result.line(width: printing.width), result.report, later: [])
    }
  }

  private func warn(_ plan: ConversionPlan) { warn(plan.warnings) }

  /// A warning that repeats over layers is said once, as reports say it.
  private func warn(_ warnings: [String]) {
    for warning in printing.wide ? warnings : foldedRemarks(warnings) { StandardError.warn(warning) }
  }
}
