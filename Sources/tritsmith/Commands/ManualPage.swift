// Tritsmith: `tritsmith manual`, for packagers.

import CommandLineKit

struct ManualPage: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "manual",
    abstract: "Print a manual page in roff: of the tool, or of one command.",
    examples: [.init("tritsmith manual convert > tritsmith-convert.1", "The page of one command.")],
    isHidden: true)

  @Argument(help: "The command; none for the page of the tool.")
  var command: String?

  @Option(help: ArgumentHelp("Date at the foot of the page.", valueName: "text"))
  var date = ""

  @Flag(help: "Print the names of all commands that have a page, one a line.")
  var list = false

  func run() throws {
    let root = CommandSchema(Tritsmith.self)
    if list {
      for command in root.visibleSubcommands { StandardOutput.shared.write(command.name + "\n") }
      return
    }
    guard let command else {
      StandardOutput.shared.write(ManPage.generate(for: root, date: date, source: root.versionLine))
      return
    }
    guard let schema = root.visibleSubcommands.first(where: { $0.name == command }) else {
      throw ValidationError("there is no command '\(command)'")
    }
    StandardOutput.shared.write(ManPage.generate(for: schema, date: date, source: root.versionLine))
  }
}
