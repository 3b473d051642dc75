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
    ],
    examples: [
      .init("tritsmith inspect tiiuae/Falcon-E-1B-Base", "Look at a model on the Hub, without fetching it whole."),
      .init("tritsmith inspect ./prequantized", "A model in a folder, its programs, and the next command."),
      .init("tritsmith convert ./prequantized model.gguf", "A file for llama.cpp."),
      .init("tritsmith verify ./prequantized model.gguf", "Prove that the file follows from the folder."),
      .init("tritsmith run model.gguf --prompt \"In the beginning\"", "Let it continue a text."),
      .init("tritsmith gap ./bfloat16 ./bitnet --html gap.html", "The cost of ternary weights, as a page with plots."),
      .init("tritsmith help convert", "Every option of a command, with examples."),
    ])

  static func prepareProcess() {
    TritCore.Platform.returnFreedMemory()
    TritCore.Platform.prepareForFiles()
    ReadFiles.remember()
  }
}
