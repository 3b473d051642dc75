// Tritsmith: `trit-bench tool`.

import CommandLineKit
import TritCore
import TritFormats
import TritReport

struct ToolSpeed: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tool",
    abstract: "Time the built tritsmith as a user runs it: seconds, processor seconds and peak memory of each process.",
    discussion: """
      Starts of the program, reading of headers, syncing to the disk and the audit are in the figures. The output goes \
      beside the model and is removed. The first run of each, not measured, warms the page cache. The rate counts bytes \
      of the model's weights.
      """,
    examples: [
      .init("trit-bench tool /tmp/f1b .build/release/tritsmith --format json", "Figures of every verb."),
      .init("trit-bench tool /tmp/b17 .build/release/tritsmith --to PQ2_0", "Unpacked trits to blocks of 128."),
      .init("trit-bench tool old.gguf .build/release/tritsmith --retag", "A new header, beside a copy of the file."),
    ])

  @Argument(help: "The model.", completion: .directory)
  var model: String

  @Argument(help: "The tritsmith to run.", completion: .file())
  var tool: String

  @Option(help: ArgumentHelp("Measured runs of each.", valueName: "count"))
  var runs = 5

  @Option(help: ArgumentHelp("What to convert to.", valueName: "target"))
  var to = "hf-packed"

  @Flag(help: "Time --retag of a GGUF file and a synced copy of it, in turn.")
  var retag = false

  @Option(help: "How to print the result.")
  var format = ReportFormat.table

  func validate() throws {
    guard runs > 0 else { throw ValidationError("--runs must be above 0") }
  }

  func run() throws {
    let output = FileSystem.join(FileSystem.parent(of: model), FileSystem.name(of: model) + ".bench-output")
    defer { StagedOutput.discard(output) }
    let files = try FormatRegistry.open(model).manifest.files
    let bytes = files.reduce(0.0) { $0 + Double($1.byteCount) }
    var tasks: [(name: String, program: String, words: [String])] = [
      ("--help", tool, ["--help"]),
      ("inspect", tool, ["inspect", model, "-q"]),
      ("inspect --stats", tool, ["inspect", model, "--stats", "-q"]),
      ("convert --to \(to)", tool, ["convert", model, output, "--to", to, "--force", "-q"]),
      ("verify", tool, ["verify", model, output, "-q"]),
    ]
    if retag {
      tasks = [
        ("copy", "/bin/dd", ["if=" + model, "of=" + output, "bs=4M", "conv=fsync", "status=none"]),
        ("convert --retag", tool, ["convert", model, output, "--retag", "--force", "-q"]),
      ]
    }
    var table = ReportTable(
      key: "tasks", title: "\(runs) runs of each",
      columns: [
        ReportColumn("task", "Task"), ReportColumn("median_s", "Median", kind: .decimal(digits: 4), unit: "s"),
        ReportColumn("min_s", "Min", kind: .decimal(digits: 4), unit: "s"),
        ReportColumn("max_s", "Max", kind: .decimal(digits: 4), unit: "s"),
        ReportColumn("processor_s", "Processor", kind: .decimal(digits: 4), unit: "s"),
        ReportColumn("peak_memory", "Peak memory", kind: .bytes),
        ReportColumn("gb_per_s", "GB/s", kind: .decimal(digits: 2)),
      ])
    for task in tasks {
      _ = try ChildProcess.run(task.program, task.words)
      let measured = try (0..<runs).map { _ in try ChildProcess.run(task.program, task.words) }
      let seconds = measured.map(\.seconds).sorted()
      table.append([
        .text(task.name), .number(seconds[runs / 2]), .number(seconds[0]), .number(seconds[runs - 1]),
        .number(measured.map(\.processorSeconds).sorted()[runs / 2]),
        .bytes(measured.map(\.peakResidentBytes).max() ?? 0), .number(bytes / seconds[runs / 2] / 1e9),
      ])
    }
    var report = ReportDocument(
      title: "\(tool) over \(model)", schema: ReportSchema("tritsmith.bench.tool", version: 1))
    report.append(table)
    var printed = StandardOutput.shared
    format.renderer.render(report, to: &printed)
  }
}
