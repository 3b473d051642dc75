// Tritsmith: everything the program does with a model, done to a hostile one.

import TritConversion
import TritCore
import TritFormats
import TritInference
import TritInspection
import TritKernels
import TritLayouts
import TritModel
import TritReport
import TritSurvey
import TritTestSupport
import TritTokenizer
import TritVerification

extension HostileLab {
  var work: WorkOptions { WorkOptions(parallelism: parallelism, kernels: KernelChoice.best) }

  /// Inspects, verifies, compares, runs and converts, one after the other as the program would.
  func probeModel(_ path: String, seed: UInt64, _ log: inout HostileLog) {
    var options = OpenOptions()
    if seed & 1 == 0 { options.access = .mapped }
    if takes(.inspect, seed) { inspect(path, options, &log) }
    guard read(path, options, seed, &log) else { return }
    if takes(.check, seed) {
      log.attempt("check") {
        show(try CheckWorkflow(CheckRequest(path: path, open: options), work: work).run().report, .json)
      }
    }
    if seed >> 20 & 3 == 0, takes(.diff, seed) { diff(path, &log) }
    if seed >> 22 & 3 == 0, takes(.family, seed) {
      log.attempt("family") {
        show(
          try FamilyWorkflow(FamilyRequest(paths: [path, patchBase], open: options), work: work).run().report, .json)
      }
    }
    if takes(.convert, seed) { convert(path, options, seed, &log) }
  }

  private func inspect(_ path: String, _ options: OpenOptions, _ log: inout HostileLog) {
    var request = InspectRequest(path: path)
    request.open = options
    request.statistics = true
    guard let result = log.attempt("inspect", { try InspectWorkflow(request, work: work).run() }) else { return }
    for format in ReportFormat.allCases { show(result.report, format) }
  }

  /// Prints a report as the program does, which writes it out piece by piece.
  func show(_ report: ReportDocument, _ format: ReportFormat) {
    var output = Nowhere()
    format.renderer.render(report, to: &output)
  }

  private struct Nowhere: TextOutputStream {
    /// A value without a byte has no address of its own: ThreadSanitizer takes those of two threads for one variable.
    private var byteCount = 0
    mutating func write(_ text: String) { byteCount += text.utf8.count }
  }

  /// Everything that reads an open model; false when it does not open.
  private func read(_ path: String, _ options: OpenOptions, _ seed: UInt64, _ log: inout HostileLog) -> Bool {
    guard let source = log.attempt("open", { try ModelOpener.open(path, options, hasCompanions: true) }) else {
      return false
    }
    for companion in source.manifest.companions.prefix(16) {
      log.attempt("companion") { try source.companion(named: companion.name) }
    }
    for tensor in source.manifest.tensors.prefix(64) where tensor.encoding.isTernary {
      log.attempt("scale") { try source.scale(of: tensor) }
    }
    if takes(.verify, seed) {
      // As two commands would: both sides opened for themselves, the result printed.
      log.attempt("verify") {
        let other = try ModelOpener.open(path, options, hasCompanions: true)
        let workflow = VerifyWorkflow(source: source, converted: other, request: VerifyRequest(), work: work)
        show(try workflow.run().report, .table)
      }
    }
    if takes(.compare, seed) {
      log.attempt("compare") {
        show(try CompareWorkflow(first: source, second: source, work: work).run().report, .json)
      }
    }
    if source.manifest.companions.contains(where: { $0.name == "tokenizer.json" }) {
      if let tokenizer = log.attempt("tokenizer", { try Tokenizer(of: source) }) { use(tokenizer, seed, &log) }
    }
    if takes(.run, seed) { run(source, &log) }
    return true
  }

  /// Two tokens through the model.
  func run(_ source: any TensorSource, _ log: inout HostileLog) {
    guard source.manifest.configuration != nil,
      let model = log.attempt("load", { try LanguageModel(source, engine: engine) })
    else { return }
    let ids = [0, min(1, model.configuration.vocabularySize - 1)]
    for mode in ArithmeticMode.allCases {
      log.attempt("run") {
        try Session(model, mode: mode, contextCapacity: 4, engine: engine).prefill(ids) { _, _ in }
      }
    }
  }

  /// One conversion, chosen by the bytes; what is written must open again.
  private func convert(_ path: String, _ options: OpenOptions, _ seed: UInt64, _ log: inout HostileLog) {
    let targets = ConversionTarget.allCases
    let target = targets[Int(seed >> 8 % UInt64(targets.count))]
    let output = folder + "/output"
    var request = ConversionRequest(input: path, output: output, target: target)
    request.open = options
    request.compression = seed >> 16 & 1 == 0 ? .none : .zstd(level: 1)
    request.quantize = seed >> 17 & 1 == 0 ? [] : [Glob("*weight*")]
    request.replaces = true
    // A prediction first, as --dry-run makes it: it must not need the weights.
    log.attempt("plan") { try ConvertWorkflow(request, work: work).plan() }
    let isWritten = log.attempt("convert") { try ConvertWorkflow(request, work: work).run() } != nil
    if isWritten {
      do {
        _ = try ModelOpener.open(output, hasCompanions: true)
      } catch {
        log.blame("what was written to \(target) does not open: \(error)")
      }
    }
    Disk.remove(output)
  }
}
