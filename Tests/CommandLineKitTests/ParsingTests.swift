// Tritsmith: tests of reading command lines.

import Testing

@testable import CommandLineKit

@Suite struct ParsingTests {
  static let minimal = ["model", "--output", "out"]

  @Test func defaultsStayWhenNothingIsSaid() throws {
    let command = try Convert.parse(Self.minimal)
    #expect(command.input == "model")
    #expect(command.output == "out")
    #expect(command.layout == .tq2)
    #expect(command.keep == [])
    #expect(command.threads == nil)
    #expect(command.factor == 1)
    #expect(!command.dryRun && !command.verbose)
    #expect(command.memory.memory.bytes == 512_000_000)
    #expect(command.memory.mmap)
  }

  @Test(arguments: [
    ["model", "--output=out", "--threads=3"],
    ["--output", "out", "--threads", "3", "model"],
    ["-oout", "-t3", "model"],
    ["-o=out", "-t=3", "model"],
    ["-o", "out", "-t", "3", "model"],
    ["-t", "9", "-o", "out", "-t", "3", "--", "model"],
  ])
  func formsOfOneCommandLine(words: [String]) throws {
    let command = try Convert.parse(words)
    #expect(command.input == "model")
    #expect(command.output == "out")
    #expect(command.threads == 3)
  }

  @Test func shortFlagsCombineAndMayEndInAnOption() throws {
    let command = try Convert.parse(["-nvt4", "model", "-o", "out"])
    #expect(command.dryRun && command.verbose)
    #expect(command.threads == 4)
    #expect(command.output == "out")
  }

  @Test func valuesKeepEqualsSignsAndEmptiness() throws {
    let command = try Convert.parse(["model", "--output=a=b", "--keep=", "--keep", ""])
    #expect(command.output == "a=b")
    #expect(command.keep == ["", ""])
  }

  @Test func negativeNumbersAreValues() throws {
    #expect(try Convert.parse(Self.minimal + ["--factor", "-0.5"]).factor == -0.5)
    #expect(try Convert.parse(["-5", "-o", "out"]).input == "-5")
  }

  @Test func wordsAfterTwoDashesArePositional() throws {
    let command = try Compare.parse(["a", "--", "--b", "-h", "--"])
    #expect(command.reference == "a")
    #expect(command.candidates == ["--b", "-h", "--"])
  }

  @Test func theLastOfAnInvertedPairWins() throws {
    #expect(try !Convert.parse(Self.minimal + ["--no-mmap"]).memory.mmap)
    #expect(try Convert.parse(Self.minimal + ["--no-mmap", "--mmap"]).memory.mmap)
  }

  @Test func anArrayReplacesItsDefault() throws {
    struct Words: ParsableCommand { @Option(help: "Words.") var word = ["default"] }
    #expect(try Words.parse([]).word == ["default"])
    #expect(try Words.parse(["--word", "a", "--word", "b"]).word == ["a", "b"])
  }

  @Test func aSecondValueIsRefusedWhereOneCounts() throws {
    struct Words: ParsableCommand {
      @Option(name: [.long, .customLong("text")], help: ArgumentHelp("A word.", isGivenOnce: true)) var word: String?
    }
    #expect(try Words.parse(["--text", "a"]).word == "a")
    for second in ["--text", "--word"] {
      let error = try #require(throws: UsageError.self) { try Words.parse(["--text", "a", second, "b"]) }
      #expect(error.sentence == "'--word' (also called --text) takes one value, and two were given")
      #expect(error.exitCode == .misuse)
    }
  }

  @Test func assigningToACopyLeavesTheOriginalAlone() throws {
    let command = try Convert.parse(Self.minimal)
    var copy = command
    copy.output = "elsewhere"
    copy.memory.mmap = false
    #expect(command.output == "out")
    #expect(copy.output == "elsewhere" && !copy.memory.mmap)
  }

  struct Mistake: CustomTestStringConvertible, Sendable {
    var words: [String]
    var message: String
    var suggestion: String?
    var testDescription: String { words.joined(separator: " ") }

    init(_ words: String, _ message: String, _ suggestion: String? = nil) {
      self.words = words.split(separator: " ").map(String.init)
      (self.message, self.suggestion) = (message, suggestion)
    }
  }

  @Test(arguments: [
    Mistake("conver model", "unknown command 'conver'", "convert"),
    Mistake("xyzzy", "unknown command 'xyzzy'"),
    Mistake("help comprae", "unknown command 'comprae'", "compare"),
    Mistake("--threads 2 convert m", "unknown option '--threads'; options go after the command they belong to"),
    Mistake("--verson", "unknown option '--verson'", "--version"),
    Mistake("convert m -o x --thread 2", "unknown option '--thread'", "--threads"),
    Mistake("convert m -o x -threads 2", "'hreads' is not a value for '--threads'; expected a whole number"),
    Mistake("convert m -o x -dry-run", "unknown option '-dry-run'", "--dry-run"),
    Mistake("convert m -o x --no-map", "unknown option '--no-map'", "--no-mmap"),
    Mistake("convert m -o x --sed 1", "unknown option '--sed'"),
    Mistake("convert m -o x -z", "unknown option '-z'"),
    Mistake("convert m -o", "option '-o' needs a value <path>"),
    Mistake(
      "convert m -o --verbose",
      "option '-o' needs a value <path> but '--verbose' follows; write '-o=--verbose' if that is the value"),
    Mistake("convert m -o x --verbose=yes", "flag '--verbose' takes no value, but 'yes' was given"),
    Mistake("convert m -o x -v=yes", "flag '-v' takes no value, but 'yes' was given"),
    Mistake(
      "convert m -o x --layout TQ2_O", "'TQ2_O' is not a value for '--layout'; expected one of tq1_0, tq2_0, i2_s",
      "tq2_0"),
    Mistake("convert m -o x --threads 1e3", "'1e3' is not a value for '--threads'; expected a whole number"),
    Mistake("convert m -o x --factor nan", "'nan' is not a value for '--factor'; expected a number"),
    Mistake(
      "convert m -o x --seed -1",
      "'-1' is not a value for '--seed'; expected a whole number from 0 to 18446744073709551615"),
    Mistake(
      "convert m -o x --memory 5Q",
      "'5Q' is not a value for '--memory'; expected a size such as 512M, 5GB (decimal) or 200MiB (binary)"),
    Mistake("convert m", "missing '--output <path>'"),
    Mistake("convert -o x", "missing '<input>'"),
    Mistake("compare a", "missing '<candidates>'"),
    Mistake("convert m -o x y", "unexpected argument 'y'"),
    Mistake("convert m -o x -t 0", "'--threads' must be at least 1"),
    Mistake("convert m -o x --memory 9K", "'--memory' must be at least 1M"),
    Mistake("show-layout q", "'q' is not a value for '<layout>'; expected one of tq1_0, tq2_0, i2_s"),
  ])
  func mistakesAreNamed(mistake: Mistake) throws {
    let parser = CommandParser(CommandSchema(Forge.self))
    let error = try #require(throws: UsageError.self) { try parser.parse(mistake.words) }
    #expect(error.sentence == mistake.message)
    #expect(error.suggestion == mistake.suggestion)
    #expect(error.exitCode == .misuse)
  }

  @Test func aMistakeIsShownWithSuggestionUsageAndHelp() throws {
    let parser = CommandParser(CommandSchema(Forge.self))
    let error = try #require(throws: UsageError.self) { try parser.parse(["convert", "m", "--ouput", "x"]) }
    #expect(
      error.diagnosticMessage == """
        unknown option '--ouput'
          did you mean '--output'?

        usage: forge convert [options] --output <path> <input>
        see 'forge convert --help' for every option
        """)
  }

  @Test(arguments: [
    (["--help"], "forge"), (["-h"], "forge"), (["help"], "forge"), (["help", "convert"], "forge convert"),
    (["convert", "--nonsense", "--help"], "forge convert"), (["convert", "-h"], "forge convert"),
    (["help", "--help"], "forge"), (["help", "help"], "forge"), (["help", "help", "convert"], "forge convert"),
    (["help", "convert", "-h"], "forge convert"), (["help", "version"], "forge"),
  ])
  func helpIsFound(words: [String], command: String) throws {
    guard case .help(let schema, _) = try CommandParser(CommandSchema(Forge.self)).parse(words) else {
      Issue.record("no help for \(words)")
      return
    }
    #expect(schema.fullName == command)
  }

  @Test(arguments: [
    (["help"], true), (["help", "-h"], true), (["help", "convert", "-h"], true), (["-h"], true),
    (["help", "--help"], false), (["help", "convert"], false), (["--help"], false),
  ])
  func helpIsShortWhereThatIsAskedFor(words: [String], expected: Bool) throws {
    guard case .help(_, let isShort) = try CommandParser(CommandSchema(Forge.self)).parse(words) else {
      Issue.record("no help for \(words)")
      return
    }
    #expect(isShort == expected)
  }

  @Test(arguments: [["-V"], ["--version"], ["version"], ["convert", "-V"]])
  func versionIsFound(words: [String]) throws {
    guard case .version("forge 1.2.3") = try CommandParser(CommandSchema(Forge.self)).parse(words) else {
      Issue.record("no version for \(words)")
      return
    }
  }

  @Test func valuesOfAListAreReadInEitherCase() throws {
    #expect(try Convert.parse(["m", "-o", "x", "--layout", "TQ1_0"]).layout == .tq1)
    #expect(throws: UsageError.self) { try Convert.parse(["m", "-o", "x", "--layout", "TQ"]) }
  }

  /// A file of that name would surprise whoever meant a stream.
  @Test(arguments: [["-", "-o", "x"], ["m", "-o", "-"]])
  func aStreamIsNoFile(words: [String]) throws {
    let error = try #require(throws: UsageError.self) { try Convert.parse(words) }
    guard case .noStream = error.kind else {
      Issue.record("\(error.sentence)")
      return
    }
    #expect(try Convert.parse(["./-", "-o", "./-"]).input == "./-")
  }
}
