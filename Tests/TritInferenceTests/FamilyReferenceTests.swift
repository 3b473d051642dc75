// Tritsmith tests: tiny random models of whole families against what other programs compute of them.

import Testing
import TritCore
import TritModel
import TritTestSupport

@testable import TritInference

@Suite("Families agree with transformers, and MiniCPM with its formulas")
struct FamilyReferenceTests {
  /// Fixtures/Golden/families/cases.json; `complete` holds the list against it.
  static let names = [
    "qwen3-tied", "qwen3-own-head", "qwen3-yarn", "qwen3-yarn-5x", "llama-longrope-short", "llama-longrope-long",
    "llama-linear", "llama-llama3", "llama-yarn", "minicpm", "minicpm-tied", "minicpm-longrope-short",
    "minicpm-longrope-long", "qwen35", "qwen35-tied",
  ]

  private static let folder = FamilyFixture.folder

  private static func cases() throws -> JSONObject { try #require(try json(folder + "/cases.json").object) }

  /// A model folder of a case.
  private static func model(_ name: String, in scratch: ScratchFolder) throws -> LoadedModel {
    try LoadedModel(write(name, in: scratch))
  }

  static func write(_ name: String, in scratch: ScratchFolder) -> String {
    FamilyFixture.write(name, to: scratch[name])
  }

  /// The largest logits are 18, and float32 sums of another order differ by 2e-6 of them.
  static let bound: Float = 4e-5
  /// Delta nets of random weights amplify: what transformers computes in float32 is 1.7e-4 from its own code in float64.
  private static func bound(_ name: String) -> Float { name.hasPrefix("qwen35") ? 3e-4 : bound }

  @Test("logits and hidden states", arguments: names, ArithmeticMode.allCases)
  func logits(_ name: String, _ mode: ArithmeticMode) throws {
    let scratch = ScratchFolder()
    let loaded = try FamilyReferenceTests.model(name, in: scratch)
    let reference = try ReferenceFile(FamilyReferenceTests.folder + "/reference.safetensors")
    let ids = try reference.integers(name + "/ids")
    let recorder = Recorder()
    let found = try loaded.session(mode).logits(ids, observer: recorder)
    let difference = Difference(found, try reference.floats(name + "/logits"))
    let bound = FamilyReferenceTests.bound(name)
    #expect(difference.largest <= bound, "\(name): \(difference.largest)")
    for state in reference.names where state.hasPrefix(name + "/") && !state.hasSuffix("/ids") {
      let step = String(state.dropFirst(name.count + 1))
      guard step != "logits" else { continue }
      let seen = try #require(recorder.states[step], "no state \(step)")
      #expect(Difference(seen, try reference.floats(state)).largest <= bound, "\(name) \(step)")
    }
  }

  @Test("the cases differ from each other: a setting that is left out is seen")
  func distinct() throws {
    let scratch = ScratchFolder()
    let ids = try ReferenceFile(FamilyReferenceTests.folder + "/reference.safetensors").integers("llama-llama3/ids")
    var seen: [String: [Float]] = [:]
    for name in FamilyReferenceTests.names {
      seen[name] = try FamilyReferenceTests.model(name, in: scratch).session(.reference).logits(ids)
    }
    for (index, left) in FamilyReferenceTests.names.enumerated() {
      for right in FamilyReferenceTests.names[..<index] where left.hasSuffix("-short") == right.hasSuffix("-short") {
        let pair = [left, right].map { $0.replacing("-short", with: "").replacing("-long", with: "") }
        guard pair[0] != pair[1], let a = seen[left], let b = seen[right] else { continue }
        #expect(Difference(a, b).largest > 0.1, "\(left) and \(right)")
      }
    }
  }

  /// The keys of earlier tokens are kept: one call or many.
  @Test(
    "logits do not depend on how a text is cut",
    arguments: ["qwen3-yarn", "minicpm", "llama-llama3", "qwen35", "qwen35-tied"])
  func cut(_ name: String) throws {
    let scratch = ScratchFolder()
    let loaded = try FamilyReferenceTests.model(name, in: scratch)
    let ids = try ReferenceFile(FamilyReferenceTests.folder + "/reference.safetensors").integers(name + "/ids")
    let whole = try loaded.session(.fast).logits(ids)
    let session = try loaded.session(.fast)
    var parts = try session.logits(Array(ids.prefix(7)))
    for id in ids.dropFirst(7) { parts += try session.step(id) }
    #expect(parts == whole)
  }

  @Test("longrope goes by the length of the text, whatever the context holds")
  func lengths() throws {
    let scratch = ScratchFolder()
    let loaded = try FamilyReferenceTests.model("llama-longrope-long", in: scratch)
    let reference = try ReferenceFile(FamilyReferenceTests.folder + "/reference.safetensors")
    let ids = try reference.integers("llama-longrope-short/ids")
    let session = try loaded.session(.reference)
    #expect(session.capacity == 64)
    let short = try session.logits(ids)
    #expect(Difference(short, try reference.floats("llama-longrope-short/logits")).largest <= Self.bound)
    // One token more, in one call: all of them rotate by the other list.
    session.reset()
    let longer = try session.logits(ids + [3])
    #expect(Difference(Array(longer.prefix(short.count)), short).largest > 0.01)
    // Known in advance, the length counts from the first token on.
    let long = try reference.integers("llama-longrope-long/ids")
    let known = try Session(loaded.model, mode: .reference, textLength: long.count, engine: loaded.engine)
    let parts = try known.logits(Array(long.prefix(5))) + known.logits(Array(long.dropFirst(5)))
    #expect(Difference(parts, try reference.floats("llama-longrope-long/logits")).largest <= Self.bound)
  }

  @Test("the list above is the whole file")
  func complete() throws {
    #expect(Set(try FamilyReferenceTests.cases().entries.map(\.key)) == Set(FamilyReferenceTests.names))
  }
}
