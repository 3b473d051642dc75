// Tritsmith: what the documentation says is so.

import CommandLineKit
import Testing
import TritCore
import TritTestSupport

@testable import TritsmithCommand

@Suite("Documentation")
struct DocumentationTests {
  private static let root = FileSystem.parent(of: Fixtures.root)

  /// README, CHANGELOG and everything under Docs, relative to the repository.
  private static let pages: [String] = {
    func pages(_ folder: String) -> [String] {
      Disk.names(root + "/" + folder).flatMap { name -> [String] in
        let path = folder + "/" + name
        if FileSystem.kind(of: root + "/" + path) == .folder { return pages(path) }
        return name.hasSuffix(".md") ? [path] : []
      }
    }
    return ["README.md", "CHANGELOG.md"] + pages("Docs")
  }()

  private static func text(_ page: String) -> String { Disk.text(root + "/" + page) }

  @Test("there are pages to check")
  func pagesAreFound() {
    #expect(Self.pages.count > 15 && Self.pages.contains("Docs/Formats/TritPack.md"))
  }

  @Test("every internal link leads to a file, and to a heading in it")
  func links() throws {
    var count = 0
    for page in Self.pages {
      let prose = Self.lines(Self.text(page)).filter { !$0.isCode }.map(\.text).joined(separator: "\n")
      for match in prose.matches(of: /\]\(([^)\s]+)\)/) {
        let link = String(match.1)
        if link.contains("://") || link.hasPrefix("mailto:") || link.hasPrefix("doc:") { continue }
        count += 1
        let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let folder = FileSystem.parent(of: Self.root + "/" + page)
        let target = parts[0].isEmpty ? Self.root + "/" + page : FileSystem.join(folder, parts[0])
        guard FileSystem.kind(of: target) != nil else {
          Issue.record("\(page): '\(link)' leads nowhere")
          continue
        }
        if parts.count == 2, target.hasSuffix(".md") {
          let headings = Self.lines(Disk.text(target)).filter { !$0.isCode && $0.text.hasPrefix("#") }
            .map { Self.anchor($0.text) }
          #expect(headings.contains(parts[1]), "\(page): no heading '\(parts[1])' in \(parts[0])")
        }
      }
    }
    #expect(count > 20)
  }

  @Test("every command line in a code block parses as the tool parses it")
  func commands() {
    let parser = CommandParser(CommandSchema(Tritsmith.self))
    var count = 0
    for page in Self.pages {
      for line in Self.lines(Self.text(page)) where line.isCode {
        guard let words = Self.command(line.text) else { continue }
        count += 1
        do {
          _ = try parser.parse(words)
        } catch {
          Issue.record("\(page): \(line.text)\n\(error)")
        }
      }
    }
    #expect(count > 20)
  }

  @Test("the program and every command have an example, and every example parses")
  func examples() {
    let root = CommandSchema(Tritsmith.self)
    let parser = CommandParser(root)
    for command in root.allCommands {
      #expect(!command.examples.isEmpty, "\(command.fullName)")
      for example in command.examples {
        guard let words = Self.command(example.command) else {
          Issue.record("\(example.command) does not begin with the tool's name")
          continue
        }
        #expect(throws: Never.self, "\(example.command)") { _ = try parser.parse(words) }
      }
    }
  }

  @Test("options that prose and tables name exist")
  func options() {
    let known = Set(
      CommandSchema(Tritsmith.self).allCommands.flatMap { $0.options }.flatMap { $0.names + $0.invertedNames }
        .map(\.description))
    for page in ["README.md", "Docs/Cluster.md", "Docs/Certificate.md", "Docs/Install.md", "Docs/Unsupported.md"] {
      for line in Self.lines(Self.text(page)) where !line.isCode {
        for match in line.text.matches(of: /`(--[a-z0-9-]+)/) where match.1.count > 2 {
          #expect(known.contains(String(match.1)), "\(page): \(match.1)")
        }
      }
    }
  }

  // MARK: - Markdown

  private struct Line {
    var text: String
    var isCode: Bool
  }

  /// Lines with fences taken off; four blanks after an empty line begin a code block as well.
  private static func lines(_ text: String) -> [Line] {
    var result: [Line] = []
    var isFenced = false
    var isIndented = false
    var isAfterBlank = true
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
      if line.drop(while: { $0 == " " }).hasPrefix("```") {
        isFenced.toggle()
        continue
      }
      isIndented = line.hasPrefix("    ") && (isAfterBlank || isIndented)
      result.append(Line(text: line, isCode: isFenced || isIndented))
      isAfterBlank = line.isEmpty
    }
    return result
  }

  /// GitHub's name of a heading.
  private static func anchor(_ heading: String) -> String {
    let text = heading.drop { $0 == "#" }.drop { $0 == " " }.lowercased()
    return String(
      text.compactMap { $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" ? $0 : $0 == " " ? "-" : nil })
  }

  /// The words of a call of the tool as a POSIX shell cuts them, up to a pipe, redirection or second command; nil for
  /// other lines, and for those with an ellipsis.
  private static func command(_ line: String) -> [String]? {
    var rest = Substring(line).drop { $0 == " " }
    if rest.hasPrefix("$ ") { rest = rest.dropFirst(2) }
    for prefix in ["exec "] where rest.hasPrefix(prefix) { rest = rest.dropFirst(prefix.count) }
    guard rest.hasPrefix("tritsmith "), !rest.contains("…") else { return nil }
    var words: [String] = []
    var word: String?
    var quote: Character?
    func end() {
      if let finished = word { words.append(finished) }
      word = nil
    }
    scan: for character in rest {
      switch (quote, character) {
      case (nil, "'"), (nil, "\""):
        quote = character
        word = word ?? ""
      case (let open?, character) where open == character: quote = nil
      case (nil, " "): end()
      case (nil, "|"), (nil, ">"), (nil, "<"), (nil, "&"), (nil, ";"), (nil, "#"): break scan
      default: word = (word ?? "") + String(character)
      }
    }
    end()
    // A task's number in a Slurm script stands for a number.
    return words.dropFirst().map { $0.contains("$SLURM_ARRAY_TASK_ID") ? "1/2" : $0 }
  }
}
