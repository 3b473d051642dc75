// Tritsmith: tests of outcomes, streams and exit codes.

import Synchronization
import Testing

@testable import CommandLineKit

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct RunnerTests {
  /// Runs a command line and returns its code, standard output and diagnostics.
  private func run(_ words: [String], color: Bool = false) throws -> (ExitCode, String, String) {
    let file = try #require(TemporaryFile(containing: ""))
    let diagnostics = Lines()
    let runner = CommandRunner(
      schema: CommandSchema(Forge.self), output: StandardOutput(descriptor: file.descriptor),
      writeError: { diagnostics.append($0) }, helpWidth: 80, usesColor: color)
    return (runner.run(words), file.contents, diagnostics.text)
  }

  @Test func versionAndHelpGoToStandardOutput() throws {
    #expect(try run(["--version"]) == (.success, "forge 1.2.3\n", ""))
    #expect(try run(["convert", "--version"]) == (.success, "forge 1.2.3\n", ""))
    let help = CommandSchema(Forge.self).helpText(width: 80)
    for words in [[], ["--help"], ["help"]] { #expect(try run(words) == (.success, help, "")) }
  }

  @Test func errorsBecomeExitCodes() throws {
    #expect(try run(["convert", "unequal", "-o", "x"]) == (.checkFailed, "", ""))
    #expect(
      try run(["convert", "broken", "-o", "x"]) == (.malformedInput, "", "error: the file \\x1b[2Jmodel is broken\n"))
    #expect(try run(["convert", "odd", "-o", "x"]) == (.internalError, "", "error: internal error: OddError()\n"))
    #expect(try run(["convert", "fine", "-o", "x"]) == (.success, "", ""))
  }

  @Test func misuseIsExplainedOnStandardError() throws {
    let (code, output, diagnostics) = try run(["convert", "a\u{1B}b", "c"], color: true)
    #expect(code == .misuse)
    #expect(output == "")
    #expect(
      diagnostics == """
        \u{1B}[1;31merror:\u{1B}[0m unexpected argument 'c'

        usage: forge convert [options] --output <path> <input>
        see 'forge convert --help' for every option

        """)
  }

  /// The words may be the mistake, so they count before they are understood.
  @Test(arguments: [
    (["--color", "never"], true, false), (["--color=never"], true, false), (["--color", "always"], false, true),
    (["--color", "auto"], true, true), (["--color=auto"], false, false), (["--color", "pink"], true, true),
    (["--color", "always", "--color", "NEVER"], true, false), (["--", "--color", "never"], true, true),
    (["--color"], true, true),
  ])
  func errorsAreColouredAsAsked(_ words: [String], _ usual: Bool, _ expected: Bool) throws {
    let (code, _, diagnostics) = try run(["convert", "a", "b"] + words, color: usual)
    #expect(code == .misuse)
    #expect(diagnostics.hasPrefix(expected ? "\u{1B}[1;31merror:\u{1B}[0m " : "error: "), "\(diagnostics)")
  }

  @Test func aFullDiskIsAnError() throws {
    let descriptor = open("/dev/full", O_WRONLY)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    let diagnostics = Lines()
    let runner = CommandRunner(
      schema: CommandSchema(Forge.self), output: StandardOutput(descriptor: descriptor),
      writeError: { diagnostics.append($0) }, helpWidth: 80, usesColor: false)
    #expect(runner.run(["--version"]) == .inputOutput)
    #expect(diagnostics.text == "error: cannot write standard output: No space left on device\n")
  }

  @Test func aReaderThatLeftIsNoError() throws {
    signal(SIGPIPE, SIG_IGN)
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    close(ends[0])
    defer { close(ends[1]) }
    let diagnostics = Lines()
    let output = StandardOutput(descriptor: ends[1])
    let runner = CommandRunner(
      schema: CommandSchema(Forge.self), output: output, writeError: { diagnostics.append($0) }, helpWidth: 80,
      usesColor: false)
    #expect(runner.run(["--help"]) == .success)
    #expect(diagnostics.text == "")
    #expect(output.hasFailed)
  }

  @Test func longOutputArrivesInOrder() throws {
    let file = try #require(TemporaryFile(containing: ""))
    let output = StandardOutput(descriptor: file.descriptor)
    let line = String(repeating: "x", count: 99) + "\n"
    for _ in 0..<3000 { output.write(line) }
    try output.flush()
    #expect(file.contents == String(repeating: line, count: 3000))
  }

  @Test(arguments: [
    ("plain näme", "plain näme"), ("a\u{1B}[31mb", "a\\x1b[31mb"), ("a\nb\tc", "a\\nb\\tc"),
    ("\u{9B}2J\u{7F}", "\\x9b2J\\x7f"), ("\u{202E}gnp", "\\u{202e}gnp"),
    ("a\u{200B}b\u{AD}\u{E0001}", "a\\u{200b}b\\u{ad}\\u{e0001}"),
  ])
  func hostileTextIsSpelledOut(text: String, safe: String) {
    #expect(Terminal.neutralized(text) == safe)
  }
}

/// Collects what a sink receives.
final class Lines: Sendable {
  private let collected = Mutex<[String]>([])

  func append(_ text: String) { collected.withLock { $0.append(text) } }
  var all: [String] { collected.withLock { $0 } }
  var text: String { all.joined() }
}
