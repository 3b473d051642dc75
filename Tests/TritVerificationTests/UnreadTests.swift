// Tritsmith tests: what no reader here goes by is compared as it stands.

import Testing
import TritCore
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

/// Expected values: llama.cpp prints tokens by their types and has keys beyond those that are read here
/// (`llama-vocab.cpp`); transformers runs a model's own code where it is trusted.
@Suite("Proofs compare what they do not understand as it stands")
struct UnreadTests {
  private let scratch = ScratchFolder()

  private func variant(_ name: String, _ change: (inout [MetadataEntry]) -> Void) throws -> String {
    if !Disk.exists(scratch["a.gguf"]) { try Workflow.gguf(Checkpoint.prequantized, scratch["a.gguf"]) }
    try ChangedGGUF.write(scratch["a.gguf"], scratch[name], change)
    return scratch[name]
  }

  private func type(_ id: Int, _ type: Int32) throws -> String {
    try variant("type-\(id)-\(type).gguf") { entries in
      for index in entries.indices where entries[index].key == "tokenizer.ggml.token_type" {
        guard case .array(.int32(var types)) = entries[index].value else { continue }
        types[id] = type
        entries[index].value = .array(.int32(types))
      }
    }
  }

  /// The tokenizer's finding, the same in both directions.
  private func finding(_ first: String, _ second: String) throws -> PartFinding {
    let there = try #require(try Workflow.compare(first, second).parts[.tokenizer])
    let back = try #require(try Workflow.compare(second, first).parts[.tokenizer])
    #expect(there.outcome == back.outcome && there.differences.map(\.key) == back.differences.map(\.key))
    return there
  }

  @Test("a word that engines do not print, or print as a byte", arguments: [5, 6, 99] as [Int32])
  func types(_ other: Int32) throws {
    let changed = try type(300, other)
    let finding = try self.finding(scratch["a.gguf"], changed)
    #expect(finding.outcome == .differs && finding.differences.map(\.key) == ["tokenizer.ggml.token_type[300]"])
    #expect(try self.finding(changed, changed).outcome == .equal)
  }

  @Test("keys that nothing is known of", arguments: ["escape_whitespaces", "fim_pad_token_id"])
  func keys(_ key: String) throws {
    let name = "tokenizer.ggml." + key
    func add(_ value: Int32) throws -> String {
      try variant("\(key)-\(value).gguf") { entries in entries.append(MetadataEntry(name, .int32(value))) }
    }
    let (one, two) = (try add(1), try add(2))
    for (first, second) in [(scratch["a.gguf"], one), (one, two)] {
      let finding = try self.finding(first, second)
      #expect(finding.outcome == .differs && finding.differences.map(\.key) == [name], "\(finding)")
    }
    // Of the ids llama.cpp's keys are known, so only the other is one that may mean anything.
    let isUnknown = key == "escape_whitespaces"
    for other in [one, Checkpoint.prequantized] {
      let same = try self.finding(one, other)
      #expect(same.outcome == .equal && same.isPartlyUnderstood == isUnknown, "\(same)")
      #expect(same.detail.contains(name) == isUnknown)
    }
  }

  @Test("a model's own code, which loaders may run in place of theirs")
  func ownCode() throws {
    func folder(_ name: String, _ code: String) throws -> String {
      try Checkpoint.changed(
        Checkpoint.bitnet, [("auto_map", "{\"AutoConfig\": \"c.C\", \"AutoModelForCausalLM\": \"\(code)\"}")],
        scratch[name])
    }
    let (one, two) = (try folder("one", "m.Model"), try folder("two", "m.Other"))
    let same = try folder("same", "owner/name--m.Model")
    for (first, second) in [(Checkpoint.bitnet, one), (two, one)] {
      for (left, right) in [(first, second), (second, first)] {
        let finding = try #require(try Workflow.compare(left, right).parts[.description])
        #expect(finding.differences.map(\.key) == ["auto_map.AutoModelForCausalLM"], "\(finding)")
      }
    }
    #expect(try Workflow.compare(one, same).isSame)
    // Conversions to folders keep what names it; other containers have no place for code.
    try Workflow.convert(one, scratch["packed"], to: .hfPacked)
    try Workflow.convert(one, scratch["a.tritpack"], to: .tritpack)
    for other in ["packed", "a.tritpack"] {
      #expect(try Workflow.compare(one, scratch[other]).parts[.description]?.outcome == .equal, "\(other)")
    }
  }
}
