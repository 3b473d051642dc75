// Tritsmith: a small tool that declares one of everything.

import CommandLineKit

enum Layout: String, CaseIterable, ExpressibleByArgument {
  case tq1 = "tq1_0"
  case tq2 = "tq2_0"
  case i2s = "i2_s"
}

struct MemoryOptions: ParsableArguments {
  @Option(help: "Upper bound on resident memory.") var memory = ByteSize(bytes: 512_000_000)
  @Flag(inversion: .prefixedNo, help: "Map files instead of reading them.") var mmap = true

  func validate() throws {
    if memory.bytes < 1_000_000 { throw ValidationError("'--memory' must be at least 1M") }
  }
}

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Convert a checkpoint to a ternary file.",
    discussion: "Tensors that are not linear layers keep their type.",
    examples: [.init("forge convert model.safetensors -o model.gguf", "Quantize and pack in one go.")])

  @Argument(help: "The checkpoint.", completion: .file(extensions: ["safetensors", "gguf"])) var input: String
  @Option(
    name: [.long, .customShort("o")], help: ArgumentHelp("Where to write.", valueName: "path"), completion: .directory)
  var output: String
  @Option(name: [.long, .short], help: "How trits become bytes.") var layout = Layout.tq2
  @Option(help: ArgumentHelp("Tensors to leave alone.", valueName: "glob")) var keep: [String] = []
  @Option(name: [.long, .short], help: "Worker threads.") var threads: Int?
  @Option(help: ArgumentHelp("Scale of the scale.", isDetail: true)) var factor = 1.0
  @Flag(name: [.long, .customShort("n")], help: "Print the plan and stop.") var dryRun = false
  @Flag(name: [.long, .short], help: "Say more.") var verbose = false
  @Option(help: ArgumentHelp("For experiments.", visibility: .hidden)) var seed: UInt64 = 7
  @OptionGroup(title: "Memory") var memory: MemoryOptions

  mutating func validate() throws {
    if let threads, threads < 1 { throw ValidationError("'--threads' must be at least 1") }
  }

  func run() throws {
    if input == "broken" { throw BrokenModel() }
    if input == "odd" { throw OddError() }
    if input == "unequal" { throw ExitRequest(.checkFailed) }
  }
}

struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Compare files.")
  @Argument(help: "The reference.") var reference: String
  @Argument(help: "What to compare with it.") var candidates: [String]
}

struct ShowLayout: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Explain a layout.")
  @Argument(help: "The layout.") var layout: Layout?
}

struct Forge: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Forge ternary models.", version: "forge 1.2.3",
    subcommands: [Convert.self, Compare.self, ShowLayout.self])
}

struct BrokenModel: ExitCodeProviding {
  var exitCode: ExitCode { .malformedInput }
  var diagnosticMessage: String { "the file \u{1B}[2Jmodel is broken" }
}

struct OddError: Error {}
