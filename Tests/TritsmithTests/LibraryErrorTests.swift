// Tritsmith: errors as a program outside sees them.

import Testing
import TritCore
import TritTestSupport
import Tritsmith

@Suite("Errors of the library")
struct LibraryErrorTests {
  /// Names of stored members, those of members that are structures with a dot.
  private static func members(of value: Any, depth: Int = 2) -> [String] {
    guard depth > 0 else { return [] }
    return Mirror(reflecting: value).children.flatMap { child -> [String] in
      guard let name = child.label else { return [] }
      let inner = Mirror(reflecting: child.value)
      let content = inner.displayStyle == .optional ? inner.children.first?.value ?? child.value : child.value
      return [name] + members(of: content, depth: depth - 1).map { name + "." + $0 }
    }
  }

  /// As `LibraryWords` writes them: of a conversion alone or with `gguf.`, of other types with the type's name.
  private static var known: [String] {
    let conversion = ConversionRequest(input: "", output: "", target: .gguf)
    var validation = ValidateRequest(path: "", against: "")
    validation.referenceOptions = RunOptions()
    var result = members(of: conversion)
    result += members(of: validation)
    result += members(of: GenerateRequest(path: "", prompt: "")) + members(of: CheckRequest(path: ""))
    for name in members(of: OpenOptions(), depth: 1) { result.append("OpenOptions." + name) }
    for name in members(of: RunOptions(), depth: 1) { result.append("RunOptions." + name) }
    return result
  }

  /// Names of public variables, and of parameters of public functions.
  private static let publicNames: Set<String> = {
    var result: Set<String> = []
    for path in Disk.swiftFiles(Fixtures.path("../Sources")) {
      var isSignature = false
      for line in Disk.text(path).split(separator: "\n", omittingEmptySubsequences: false) {
        let text = line.drop { $0 == " " }
        if text.hasPrefix("public ") || text.hasPrefix("@") && text.contains(" public ") { isSignature = true }
        guard isSignature else { continue }
        for match in text.matches(of: /(\w+)(:| =)/) { result.insert(String(match.1)) }
        if text.contains("{") || text.hasPrefix("public var") || text.hasPrefix("public let") { isSignature = false }
      }
    }
    return result
  }()

  @Test("what errors advise to set is there to be set", arguments: LibraryWords.members.sorted { $0.key < $1.key })
  func members(_ word: (key: String, value: String)) {
    #expect(Self.known.contains(word.value), "\(word)")
    for name in word.value.split(separator: ".") where name.first?.isLowercase == true {
      #expect(Self.publicNames.contains(String(name)), "\(word): a program outside cannot set it")
    }
  }

  @Test("thrown errors name members and calls, never options")
  func thrown() throws {
    let scratch = ScratchFolder()
    let model = try Model.open(FacadeTests.prequantized)
    func error(_ target: ConversionTarget, _ configure: (inout ConversionRequest) -> Void) -> (any DiagnosticError)? {
      do {
        _ = try model.convert(to: target, at: scratch["out"], configure: configure)
      } catch let error as any DiagnosticError {
        return error
      } catch {
        Issue.record("\(error)")
      }
      return nil
    }
    let both = error(.hfPacked) {
      $0.keep = [Glob("*q_proj*")]
      $0.quantize = [Glob("*q_proj*")]
    }
    #expect((both as? WorkflowError)?.kind == .contradictoryGlobs)
    #expect(both?.advice == "take it out of `keep` or of `quantize`")
    let none = error(.hfPacked) { $0.keep = [Glob("nothing*")] }
    #expect(none?.description.hasSuffix("`Model.inspect()` lists the names") == true)
    #expect(none?.message(.commandLine).hasSuffix("quote the pattern for the shell") == true)
    Disk.makeFolder(scratch["out"])
    let exists = error(.hfPacked) { _ in }
    #expect(exists?.description.contains("`replaces`") == true)
    for message in [both, none, exists].compactMap({ $0?.description }) {
      #expect(!message.contains("--") && !message.contains("'tritsmith"), "\(message)")
    }
  }

  @Test("what a model was opened with holds when it runs, whatever else is configured")
  func openedAsAsked() throws {
    let scratch = ScratchFolder()
    _ = try Model.open(FacadeTests.bitnet).convert(to: .gguf, at: scratch["m.gguf"])
    let usual = try Model.open(scratch["m.gguf"])
    let asked = try Model.open(scratch["m.gguf"], OpenOptions(preTokenizer: "qwen2"))
    // Qwen2's rule takes digits one by one, Llama 3's in threes.
    let digits = try ["2", "0", "2", "6"].flatMap { try asked.tokenizer().encode($0, addSpecialTokens: false) }
    func ids(_ model: Model) throws -> [Int] {
      try model.generate("2026", maximumTokens: 1, options: RunOptions(mode: .reference)).promptIDs
    }
    #expect(try Array(ids(asked).suffix(4)) == digits)
    #expect(try Array(ids(usual).suffix(4)) != digits)
  }
}
