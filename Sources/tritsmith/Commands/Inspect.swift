// Tritsmith: `tritsmith inspect`.

import CommandLineKit
import TritCore
import TritDiff
import TritFormats
import TritInspection
import TritLayouts
import TritSurvey

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a model is and what it holds.",
    discussion: """
      Reads headers and a small sample of the weights, so that a model of any size answers at once. With --stats the \
      weights are read too. --raw gives the numbers of one tensor to other programs, row by row and little-endian. \
      Trits come times their scales as float32, dense numbers as they are stored.
      """,
    examples: [
      .init("tritsmith inspect ./falcon-e-1b", "Kind, family, scale convention, tensors, sizes."),
      .init("tritsmith inspect model.gguf --metadata 'tokenizer.ggml.pre'", "One key, whole."),
      .init("tritsmith inspect ./falcon-e-1b --html report.html", "A page with plots of the weights; reads them all."),
      .init("tritsmith inspect model.tritpack --stats --tensor '*q_proj*' --format csv", "Statistics of some tensors."),
      .init(
        "tritsmith inspect m.gguf --tensor blk.0.attn_q.weight --raw q --format json",
        "The weights of one tensor in a file; their type and shape in JSON."),
    ], group: "Look")

  @Argument(help: "A folder, a safetensors file, an index, a GGUF, TritPack or TritDiff file.", completion: .file())
  var path: String

  @Flag(help: "Also read the weights: extremes, moments, zeros, trit counts, entropy.")
  var stats = false

  @Option(name: .customLong("tensor"), help: ArgumentHelp("Only tensors this pattern matches.", valueName: "glob"))
  var tensors: [String] = []

  @Flag(name: .customLong("tensors"), help: ArgumentHelp("List every tensor, and nothing else.", isDetail: true))
  var listsTensors = false

  @Option(
    help: ArgumentHelp(
      "Write the values of the one tensor that --tensor names; '-' prints them and no report.", valueName: "file",
      takesStream: true), completion: .file())
  var raw: String?

  @Option(help: ArgumentHelp("Meaning of stored scales, where the files do not state it.", isDetail: true))
  var scaleConvention: ScaleConvention?

  @Option(
    help: ArgumentHelp(
      "Dense weights of the same model, to prove the meaning of scales. Exit code 1 when evidence conflicts.",
      valueName: "path"), completion: .file())
  var sibling: String?

  @Flag(
    help: ArgumentHelp(
      "Prove the meaning of scales by running the model in both. Exit code 1 when undecided.", isDetail: true))
  var proveScale = false

  @Option(help: ArgumentHelp("Byte order of I2_S, where a GGUF file does not state it.", isDetail: true))
  var i2sOrder: I2SOrder?

  @Option(
    name: .customLong("metadata"),
    help: ArgumentHelp("Print the value of this metadata key, and nothing else.", valueName: "key"))
  var metadata: [String] = []

  @OptionGroup(title: "Output") var output: OutputOptions
  @OptionGroup(title: "Page") var page: PageOptions
  @OptionGroup(title: "Machine") var machine: MachineOptions

  func validate() throws {
    if page.isWanted && !metadata.isEmpty { throw ValidationError("--metadata prints no page; leave out --html") }
    guard let raw else { return }
    if tensors.count != 1 { throw ValidationError("--raw gives the values of one tensor; name it with --tensor") }
    if stats || proveScale || sibling != nil || page.isWanted || !metadata.isEmpty {
      throw ValidationError(
        "--raw gives values alone; leave out --stats, --metadata, --html, --sibling and --prove-scale")
    }
    if raw == "-", output.format != .table {
      throw ValidationError("'--raw -' prints values and no report; name a file to have one in another format")
    }
  }

  func run() throws {
    let isProven = try reporting {
      let path = try machine.model(path)
      if let raw {
        try give(path, to: raw)
        return true
      }
      let sibling = try sibling.map { try machine.model($0) }
      var request = InspectRequest(path: path)
      request.statistics = stats
      request.pictures = page.isWanted
      request.tensors = tensors.map { Glob($0) }
      request.open = machine.open(scaleConvention, i2sOrder, scaleOption: OpenOptions.usualScaleOption)
      request.proof = proof(sibling)
      if PatchSummary.matches(path) {
        let file = try page.prepare(reading: [path])
        let report = try PatchSummary(path: path, work: machine.work()).report(path: path)
        try page.finish(file, page: report, printing: output, report, quietly: machine.quiet)
        return true
      }
      if !metadata.isEmpty {
        let lookup = MetadataLookup(path: path, keys: metadata.map { Glob($0) }, open: request.open)
        let found = try lookup.run()
        if output.format == .table {
          StandardOutput.shared.write(Terminal.shown(found.text))
        } else {
          output.print(found.report)
        }
        return true
      }
      let file = try page.prepare(reading: [path, sibling])
      let result = try InspectWorkflow(request, work: machine.work()).run()
      // Who asks for a page and for quiet has what was asked for; who asks for tensors or their numbers asks for data.
      let isData = !page.isWanted && (stats || listsTensors || !tensors.isEmpty)
      let isAnswered = result.hasProvenScale || !proof(sibling).isAsked
      let isListing = listsTensors && output.format == .table
      var report = isListing ? result.tensorListing : result.report
      if isListing, machine.quiet { (report.title, report.verdict) = ("", nil) }
      try page.finish(
        file, page: result.page, printing: output, report,
        quietly: machine.quiet && !isData && isAnswered)
      return result.hasProvenScale
    }
    if proof(sibling).isAsked, !isProven { throw ExitRequest(.checkFailed) }
  }

  private func give(_ path: String, to place: String) throws {
    let isStream = place == "-"
    if isStream, Terminal.isTerminal(Terminal.standardOutput) {
      throw ValidationError("values are no text for a terminal; name a file, or send them to a program")
    }
    if isStream { try ReadFiles.checkStandardOutput(before: [path]) }
    let workflow = TensorValuesWorkflow(
      path: path, tensor: Glob(tensors[0]),
      open: machine.open(scaleConvention, i2sOrder, scaleOption: OpenOptions.usualScaleOption),
      work: try machine.work())
    if isStream {
      _ = try workflow.stream { try StandardOutput.shared.write(bytes: $0) }
    } else {
      output.print(try workflow.write(to: place, replacing: page.force).report, quietly: machine.quiet)
    }
  }

  private func proof(_ sibling: String?) -> ScaleProof {
    ScaleProof(sibling: sibling, usesActivations: proveScale, threads: machine.threads, kernels: machine.kernels)
  }
}
