// Tritsmith: measuring speed, outside the tests.

import CommandLineKit
import TritSurvey

/// Benchmarks. Machines are shared and noisy: compare figures of one run with each other, not with another day's.
@main
struct TritBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trit-bench",
    abstract: "Measure Tritsmith: make test models, time kernels and whole verbs.",
    version: Product.version,
    subcommands: [
      Generate.self, KernelSpeed.self, ModelSpeed.self, ForwardSpeed.self, FormatSpeed.self, TokenizerSpeed.self,
      ToolSpeed.self,
    ])

  func run() throws {}
}
