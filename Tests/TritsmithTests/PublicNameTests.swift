// Tritsmith: what a program outside can name is little, and documented.

import Testing
import TritTestSupport

/// `public` is what a program needs that imports Tritsmith or TritLayers; what crosses targets only is `package`.
@Suite("Public names")
struct PublicNameTests {
  /// As many as there were when this was written. Who needs more says in the commit what a program does with them.
  private static let ceiling = 175
  /// What satisfies a protocol has the words of the protocol.
  private static let promised = ["var description:", "let rawValue:", "init(rawValue:"]

  /// A line that declares something public, and whether a docstring stands above it.
  private struct Declaration {
    let text: String
    let isDocumented: Bool
  }

  private static func declarations(_ path: String) -> [Declaration] {
    var result: [Declaration] = []
    var isDocumented = false
    for line in Disk.text(path).split(separator: "\n", omittingEmptySubsequences: false) {
      let text = line.drop { $0 == " " }
      if text.hasPrefix("///") {
        isDocumented = true
      } else if text.contains(#/^(@\w+(\([^)]*\))? )*public /#) {
        result.append(Declaration(text: String(text), isDocumented: isDocumented))
        isDocumented = false
      } else if !text.hasPrefix("@") {
        isDocumented = false
      }
    }
    return result
  }

  @Test("are few")
  func few() {
    let count = Disk.swiftFiles(Fixtures.path("../Sources")).reduce(0) { $0 + Self.declarations($1).count }
    #expect(count > 150 && count <= Self.ceiling, "\(count) declarations are public; see Rules in CONTRIBUTING.md")
  }

  @Test("have docstrings, unless a protocol says what they are")
  func documented() {
    for path in Disk.swiftFiles(Fixtures.path("../Sources")) {
      for declaration in Self.declarations(path) where !declaration.isDocumented {
        #expect(Self.promised.contains { declaration.text.contains($0) }, "\(path): \(declaration.text)")
      }
    }
  }

  @Test("are in targets that a product exports")
  func exported() {
    let exports = Disk.text(Fixtures.path("../Sources/TritsmithLibrary/Exports.swift"))
    let exported = exports.split(separator: "\n").compactMap { line in
      line.hasPrefix("@_exported import ") ? String(line.dropFirst(18)) : nil
    }
    #expect(!exported.isEmpty)
    for target in Disk.names(Fixtures.path("../Sources")) where !["TritsmithLibrary", "TritLayers"].contains(target) {
      let count = Disk.swiftFiles(Fixtures.path("../Sources/\(target)")).reduce(0) { $0 + Self.declarations($1).count }
      #expect((count > 0) == exported.contains(target), "\(target)")
    }
  }
}
