// Tritsmith: the command.

import CommandLineKit
import TritCore
import TritSurvey

/// The root of the command line.
@main
struct Tritsmith: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tritsmith",
    abstract: "Convert, inspect, verify and run ternary (BitNet, 1.58-bit) language models.",
    version: Product.version,
    subcommands: [
      Inspect.self, Check.self, Tokenize.self, Convert.self, Merge.self, Verify.self, Compare.self, Family.self,
      Certify.self, Validate.self, Gap.self, Run.self, PerplexityCommand.self, Logits.self, Diff.self, Apply.self,
      Completions.self, ManualPage.self,
    ])

  static func prepareProcess() {
    TritCore.Platform.returnFreedMemory()
    TritCore.Platform.prepareForFiles()
    ReadFiles.remember()
  }
}
