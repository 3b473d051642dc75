// Tritsmith: `tritsmith completions`.

import CommandLineKit

struct Completions: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print a completion script for a shell.",
    examples: [.init("tritsmith completions bash > /etc/bash_completion.d/tritsmith", "Install for every user.")],
    group: "Share")

  @Argument(help: "The shell.")
  var shell: CompletionShell

  func run() throws {
    StandardOutput.shared.write(CompletionScript.generate(for: shell, root: CommandSchema(Tritsmith.self)))
  }
}
