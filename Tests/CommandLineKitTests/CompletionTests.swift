// Tritsmith: tests of completion scripts, with the shells that are installed.

import Testing

@testable import CommandLineKit

@Suite struct CompletionTests {
  let schema = CommandSchema(Forge.self)

  @Test(arguments: CompletionShell.allCases)
  func theShellAcceptsTheScript(shell: CompletionShell) throws {
    guard let path = Shell.path(of: shell.rawValue) else { return }
    let result = Shell.run(path, ["-n"], input: CompletionScript.generate(for: shell, root: schema))
    #expect(result.status == 0, "\(result.output)")
  }

  @Test(arguments: CompletionShell.allCases)
  func everythingVisibleIsOffered(shell: CompletionShell) {
    let script = CompletionScript.generate(for: shell, root: schema)
    for word in ["convert", "compare", "show-layout", "dry-run", "no-mmap", "tq1_0", "i2_s", "safetensors"] {
      #expect(script.contains(word), "\(word)")
    }
    // bash has to know that a hidden option takes a value; it still does not offer it.
    if shell != .bash { #expect(!script.contains("seed")) }
  }

  @Test(arguments: [
    ("", "convert compare show-layout help"), ("co", "convert compare"), ("help sh", "show-layout"),
    ("convert --la", "--layout"), ("convert --layout ", "tq1_0 tq2_0 i2_s"), ("convert -l i", "i2_s"),
    ("convert --layout = tq2", "tq2_0"), ("convert --no", "--no-mmap"), ("show-layout tq", "tq1_0 tq2_0"),
    ("show-layout tq1_0 ", ""), ("convert --threads ", ""), ("convert -- --la", ""), ("--v", "--version"),
    ("show-layout --help", "--help"), ("convert -o convert --dr", "--dry-run"), ("convert --se", ""),
    ("convert --seed 4 --dr", "--dry-run"),
  ])
  func bashOffers(words: String, offers: String) throws {
    let bash = try #require(Shell.path(of: "bash"))
    let line = ["forge"] + words.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    let script =
      CompletionScript.generate(for: .bash, root: schema) + """

        COMP_WORDS=(\(line.map(shellQuoted).joined(separator: " ")))
        COMP_CWORD=\(line.count - 1)
        cd /nonexistent 2>/dev/null
        _forge
        echo "${COMPREPLY[*]}"
        """
    let result = Shell.run(bash, ["-s"], input: script)
    #expect(result.output == offers + "\n")
  }

  @Test(arguments: [
    ("co", "convert compare"), ("help sh", "show-layout"), ("help convert ", ""), ("convert --la", "--layout"),
    ("convert --layout ", "i2_s tq1_0 tq2_0"), ("convert --layout=tq2", "--layout=tq2_0"),
    ("convert --no", "--no-mmap"),
    ("--verbose show-layout tq", "tq1_0 tq2_0"), ("convert --threads ", ""), ("convert --se", ""),
  ])
  func fishOffers(words: String, offers: String) {
    guard let fish = Shell.path(of: "fish") else { return }
    let script = CompletionScript.generate(for: .fish, root: schema) + "\ncomplete -C 'forge \(words)'\n"
    let result = Shell.run(fish, ["--no-config"], input: script)
    let found = result.output.split(separator: "\n").map { $0.prefix { $0 != "\t" } }
    #expect(Set(found) == Set(offers.split(separator: " ")), "\(result.output)")
  }
}
