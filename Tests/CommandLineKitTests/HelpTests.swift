// Tritsmith: tests of help screens and references.

import Testing

@testable import CommandLineKit

@Suite struct HelpTests {
  let schema = CommandSchema(Forge.self)

  @Test func rootHelp() {
    #expect(
      schema.helpText(width: 80) == """
        Forge ternary models.

        usage: forge <command>

        Commands:
          convert      Convert a checkpoint to a ternary file.
          compare      Compare files.
          show-layout  Explain a layout.
          help         Show the help of a command.

        Options:
          -V, --version  Show the version.
          -h, --help     Show this help.

        See 'forge help <command>' for the options of a command.

        """)
  }

  @Test func aCommandInAnErrorIsNotBroken() {
    let text = "error: no such model\n  what to do: save it by this line:\npython -c \"print('a longer line')\"\n"
    #expect(
      StandardError.explained(text, width: 24)
        == "error: no such model\n  what to do: save it by\n  this line:\npython -c \"print('a longer line')\"\n")
  }

  @Test func aLabelIsNotAloneOnALine() {
    for label in ["error:", "\u{1B}[1;31merror:\u{1B}[0m"] {
      #expect(
        StandardError.explained("\(label) /a/path/without/room/on/a/line: is no model\n", width: 24)
          == "\(label) /a/path/without/room/on/a/line:\nis no model\n")
      #expect(
        StandardError.explained("\(label) /a/path: is no model of all\n", width: 15)
          == "\(label) /a/path:\nis no model of\nall\n")
      #expect(StandardError.explained("\(label) /a/path:\n", width: 10) == "\(label) /a/path:\n")
    }
  }

  @Test func coloursTakeNoColumns() {
    let plain = "error: no model of that name is here\n"
    let colored = "\u{1B}[1;31merror:\u{1B}[0m no model of that name is here\n"
    for width in [12, 20, 28, 35, 36, 80] {
      let lines = StandardError.explained(colored, width: width)
        .split(separator: "\u{1B}[1;31m").joined().split(separator: "\u{1B}[0m").joined()
      #expect(lines == StandardError.explained(plain, width: width), "\(width) columns")
    }
  }

  @Test func aShortCommandInQuotesIsNotBroken() {
    let text = "repair it ('tritsmith check m.gguf' names all), or 'leave it' be\n"
    #expect(
      StandardError.explained(text, width: 34)
        == "repair it\n('tritsmith check m.gguf' names\nall), or 'leave it' be\n")
    // One without room is broken as any text, and so is a quote without an end.
    let narrow = StandardError.explained(text, width: 16)
    #expect(narrow.hasPrefix("repair it\n('tritsmith\ncheck m.gguf'\nnames all), or\n"))
    #expect(StandardError.explained("'tritsmith check m.gguf", width: 16) == "'tritsmith check\nm.gguf")
  }

  @Test func commandHelp() {
    #expect(
      schema.subcommands[0].helpText(width: 72) == """
        Convert a checkpoint to a ternary file.

        usage: forge convert [options] --output <path> <input>

        Tensors that are not linear layers keep their type.

        Arguments:
          <input>  The checkpoint.

        Options:
          -o, --output <path>      Where to write. (required)
          -l, --layout <layout>    How trits become bytes. (values: tq1_0,
                                   tq2_0, i2_s; default: tq2_0)
              --keep <glob>        Tensors to leave alone. (repeatable)
          -t, --threads <threads>  Worker threads.
              --factor <factor>    Scale of the scale. (default: 1.0)
          -n, --dry-run            Print the plan and stop.
          -v, --verbose            Say more.
          -h, --help               Show this help.

        Memory:
              --memory <memory>  Upper bound on resident memory. (default: 512M)
              --mmap, --no-mmap  Map files instead of reading them. (default:
                                 on)

        Examples:
          forge convert model.safetensors -o model.gguf
              Quantize and pack in one go.

        """)
  }

  @Test func shortHelp() {
    #expect(
      schema.subcommands[0].helpText(width: 72, isShort: true) == """
        Convert a checkpoint to a ternary file.

        usage: forge convert [options] --output <path> <input>

        Arguments:
          <input>  The checkpoint.

        Options:
          -o, --output <path>      Where to write. (required)
          -l, --layout <layout>    How trits become bytes. (values: tq1_0,
                                   tq2_0, i2_s; default: tq2_0)
              --keep <glob>        Tensors to leave alone. (repeatable)
          -t, --threads <threads>  Worker threads.
          -n, --dry-run            Print the plan and stop.
          -v, --verbose            Say more.

        'forge convert --help' shows 3 more options, with examples.

        """)
  }

  @Test func commandsInGroups() {
    struct Mill: ParsableCommand {
      struct Grind: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Grind corn, whatever it is.", group: "Make")
      }
      struct Weigh: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Weigh.", group: "Look")
      }
      struct Sift: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Sift.", group: "Look")
      }
      static let configuration = CommandConfiguration(
        abstract: "Mill.", subcommands: [Grind.self, Weigh.self, Sift.self])
    }
    #expect(
      CommandSchema(Mill.self).helpText(width: 30) == """
        Mill.

        usage: mill <command>

        Make  grind  Grind corn,
                     whatever it is.
        Look  weigh  Weigh.
              sift   Sift.
              help   Show the help of
                     a command.

        Options: -h, --help. More:
        'mill help <command>'.

        """)
  }

  @Test(arguments: [40, 72, 100])
  func linesStayWithinTheWidth(width: Int) {
    for command in schema.allCommands {
      for line in command.helpText(width: width).split(separator: "\n") where !line.contains("forge ") {
        #expect(line.count <= width, "\(line)")
      }
    }
  }

  @Test func usageLines() {
    #expect(
      schema.subcommands.map(\.usageLine) == [
        "forge convert [options] --output <path> <input>", "forge compare <reference> <candidates> ...",
        "forge show-layout [<layout>]",
      ])
  }

  @Test func theSchemaHasNoProblems() {
    #expect(schema.problems() == [])
    #expect(schema.allCommands.map(\.fullName) == ["forge", "forge convert", "forge compare", "forge show-layout"])
  }

  @Test func theSchemaNamesItsProblems() {
    struct Bad: ParsableCommand {
      @Argument(help: "") var first: String?
      @Argument(help: "Second.") var second: String
      @Option(name: .short, help: "One.") var one = 1
      @Option(name: .customShort("o"), help: "Other.") var other = 1
      @Flag(name: [], help: "Nameless.") var nameless = false
    }
    #expect(
      CommandSchema(Bad.self).problems() == [
        "bad: no abstract", "bad: two options called -o", "bad: no help for <first>", "bad: nameless has no name",
        "bad: a required argument after an optional one",
      ])
  }

  @Test func markdownReference() {
    let text = MarkdownReference.generate(for: schema)
    #expect(text.hasPrefix("# forge\n\nForge ternary models.\n\n```\nforge <command>\n```\n"))
    #expect(text.contains("## forge convert\n"))
    #expect(text.contains("| `-o, --output <path>` | Where to write. (required) |\n"))
    #expect(text.contains("| 65 | an input is malformed |\n"))
    #expect(!text.contains("seed"))
  }

  @Test func manPage() {
    let text = ManPage.generate(for: schema, date: "2025-01-01")
    #expect(
      text.hasPrefix(".TH \"FORGE\" \"1\" \"2025\\-01\\-01\" \"forge\" \"User Commands\"\n.SH NAME\nforge \\- Forge"))
    #expect(text.contains("\n.TP\n\\fB\\-o, \\-\\-output <path>\\fR\nWhere to write. (required)\n"))
    #expect(text.contains("\n.SS \"forge convert\"\n"))
  }
}
