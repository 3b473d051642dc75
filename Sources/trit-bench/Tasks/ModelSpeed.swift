// Tritsmith: `trit-bench model`.

import CommandLineKit
import TritConversion
import TritCore
import TritFormats
import TritInspection
import TritReport
import TritSurvey
import TritVerification

struct ModelSpeed: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model",
    abstract: "Time inspect, convert and verify over a model.",
    discussion: "Outputs go to a folder beside the model and are removed. The first run of each warms the page cache.",
    examples: [.init("trit-bench model /tmp/f1b --runs 3", "Figures for the generated model.")])

  @Argument(help: "The model.", completion: .directory)
  var model: String

  @Option(help: ArgumentHelp("Measured runs of each.", valueName: "count"))
  var runs = 3

  @Option(help: "How to print the result.")
  var format = ReportFormat.table

  func run() throws {
    let bytes = try FormatRegistry.open(model).manifest.files.reduce(0) { $0 + Int($1.byteCount) }
    let output = FileSystem.join(FileSystem.parent(of: model), FileSystem.name(of: model) + ".bench-output")
    var timings = [
      try Timing("read the file (SHA-256 not included)", bytes: bytes, runs: runs) { try touch() },
      try Timing("inspect", bytes: 0, runs: runs) { _ = try InspectWorkflow(InspectRequest(path: model)).run() },
    ]
    var statistics = InspectRequest(path: model)
    statistics.statistics = true
    timings.append(
      try Timing("inspect --stats", bytes: bytes, runs: runs) { _ = try InspectWorkflow(statistics).run() })
    for target in ConversionTarget.allCases where target != .trainable {
      var request = ConversionRequest(input: model, output: output, target: target)
      request.replaces = true
      // mlx-lm does not take every family.
      if target == .mlx, (try? ConvertWorkflow(request).plan()) == nil { continue }
      timings.append(
        try Timing("convert --to \(target.rawValue)", bytes: bytes, runs: runs) {
          _ = try ConvertWorkflow(request).run()
        })
      if target == .hfPacked {
        timings.append(
          try Timing("verify", bytes: bytes, runs: runs) {
            let source = try FormatRegistry.open(model)
            let converted = try FormatRegistry.open(output)
            _ = try VerifyWorkflow(source: source, converted: converted, request: VerifyRequest()).run()
          })
      }
      StagedOutput.discard(output)
    }
    var report = ReportDocument(title: "Model \(model)", schema: ReportSchema("tritsmith.bench.model", version: 1))
    report.append(Timing.table(timings, key: "tasks", title: "Whole verbs, all processors"))
    report.append(ReportFacts(key: "memory", [ReportFact("Peak memory", .bytes(Platform.peakResidentBytes))]))
    var printed = StandardOutput.shared
    format.renderer.render(report, to: &printed)
  }

  /// One pass over every byte, giving memory back on the way: the floor for everything that reads weights.
  private func touch() throws {
    let source = try FormatRegistry.open(model)
    let step = 4 << 20
    for tensor in source.manifest.tensors {
      let count = tensor.location.byteCount
      try Parallelism().forEachBand((count + step - 1) / step) { band in
        let range = band * step..<min(count, (band + 1) * step)
        var sum: UInt64 = 0
        try source.withBytes(range, of: tensor) { data in
          for offset in stride(from: 0, to: data.byteCount - 7, by: 8) {
            sum &+= data.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
          }
        }
        source.release(range, of: tensor)
        if sum == 1 { StandardError.write("") }
      }
    }
  }
}
