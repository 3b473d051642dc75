// Tritsmith: the command.

import CommandLineKit
import TritCore
import TritWorkflows

/// The root of the command line.
@main
struct Tritsmith: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tritsmith",
    abstract: "Convert, inspect, verify, compare and run BitNet (1.58-bit, ternary) language models.",
    version: Product.version,
    subcommands: [
      Inspect.self, Convert.self, Merge.self, Verify.self, Certify.self, Compare.self, Diff.self, Apply.self,
      Family.self, Check.self, Validate.self, Gap.self, Run.self, PerplexityCommand.self, Tokenize.self, Logits.self,
      Completions.self, ManualPage.self,
    ])

  static func prepareProcess() {
    TritCore.Platform.returnFreedMemory()
    TritCore.Platform.prepareForFiles()
    ReadFiles.remember()
  }
}
