// Tritsmith: `trit-bench tool`.

import CommandLineKit
import TritCore
import TritReport
import TritWorkflows

struct ToolSpeed: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tool",
    abstract: "Time the built tritsmith as a user runs it: seconds, processor seconds and peak memory of each process.",
    discussion: """
      Starts of the program, reading of headers, syncing to the disk and the audit are in the figures. The output goes \
      beside the model and is removed. The first run of each, not measured, warms the page cache.
      """,
    examples: [.init("trit-bench tool /tmp/f1b .build/release/tritsmith --format json", "Figures of every verb.")])

  @Argument(help: "The model.", completion: .directory)
  var model: String

  @Argument(help: "The tritsmith to run.", completion: .file())
  var tool: String

  @Option(help: ArgumentHelp("Measured runs of each.", valueName: "count"))
  var runs = 5

  @Option(help: "How to print the result.")
  var format = ReportFormat.table

  func validate() throws {
    guard runs > 0 else { throw ValidationError("--runs must be above 0") }
  }

  func run() throws {
    let output = FileSystem.join(FileSystem.parent(of: model), FileSystem.name(of: model) + ".bench-output")
    defer { StagedOutput.discard(output) }
    let tasks: [(name: String, words: [String])] = [
      ("--help", ["--help"]),
      ("inspect", ["inspect", model, "-q"]),
      ("inspect --stats", ["inspect", model, "--stats", "-q"]),
      ("convert --to hf-packed", ["convert", model, output, "--to", "hf-packed", "--force", "-q"]),
      ("verify", ["verify", model, output, "-q"]),
    ]
    var table = ReportTable(
      key: "tasks", title: "\(runs) runs of each",
      columns: [
        ReportColumn("task", "Task"), ReportColumn("median_s", "Median", kind: .decimal(digits: 4), unit: "s"),
        ReportColumn("min_s", "Min", kind: .decimal(digits: 4), unit: "s"),
        ReportColumn("max_s", "Max", kind: .decimal(digits: 4), unit: "s"),
        ReportColumn("processor_s", "Processor", kind: .decimal(digits: 4), unit: "s"),
        ReportColumn("peak_memory", "Peak memory", kind: .bytes),
      ])
    for task in tasks {
      _ = try ChildProcess.run(tool, task.words)
      let measured = try (0..<runs).map { _ in try ChildProcess.run(tool, task.words) }
      let seconds = measured.map(\.seconds).sorted()
      table.append([
        .text(task.name), .number(seconds[runs / 2]), .number(seconds[0]), .number(seconds[runs - 1]),
        .number(measured.map(\.processorSeconds).sorted()[runs / 2]),
        .bytes(measured.map(\.peakResidentBytes).max() ?? 0),
      ])
    }
    var report = ReportDocument(
      title: "\(tool) over \(model)", schema: ReportSchema("tritsmith.bench.tool", version: 1))
    report.append(table)
    var printed = StandardOutput.shared
    format.renderer.render(report, to: &printed)
  }
}
