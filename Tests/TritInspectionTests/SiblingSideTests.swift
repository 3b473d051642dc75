// Tritsmith tests: which of two models is wrong, and what is no rounding.

import Testing
import TritCore
import TritFormats
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Check beside a sibling: sides")
struct SiblingSideTests {
  private static let down = "model.layers.0.mlp.down_proj.weight"
  private static let query = "model.layers.0.self_attn.q_proj.weight"

  private static func told(_ path: String, _ sibling: String) throws -> [CheckFinding] {
    try CheckWorkflow(CheckRequest(path: path, sibling: sibling)).run().findings.filter {
      [.sibling, .rotation].contains($0.rule)
    }
  }

  private static func texts(_ findings: [CheckFinding]) -> [String] { findings.map(\.detail) }

  /// The ordinary model's file, of which some matrices are rotated and all three are listed.
  private static func listed(_ plain: String, _ rotated: [String], _ path: String) throws -> String {
    var model = RotatedModel()
    model.names = rotated
    return try model.write(plain, path) { entries in
      entries.removeAll { $0.key == "prism.hadamard.weight_names" }
      entries.append(MetadataEntry("prism.hadamard.weight_names", .array(.string(RotatedModel.rotated))))
    }
  }

  @Test("a matrix that one file lists and does not rotate accuses neither; most of them accuse who says nothing")
  func unrotated() throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(.qwen3, scratch)
    let others = RotatedModel.rotated.filter { $0 != "blk.0.ffn_down.weight" }
    let one = try Self.listed(plain, others, scratch["one.gguf"])
    let found = try Self.told(plain, one)
    #expect(found.map(\.rule) == [.sibling] && found.map(\.severity) == [.error], "\(Self.texts(found))")
    #expect(found.first?.subject == Self.down)
    #expect(found.first?.detail.contains("not rotated there, or rotated here") == true)
    #expect(found.first?.detail.contains("The other 2 that it lists") == true)
    // The other way about, the keys of the model that is checked do not give the sibling's weights.
    let reversed = try Self.told(one, plain)
    #expect(reversed.map(\.rule) == [.rotation] && reversed.first?.subject == Self.down, "\(Self.texts(reversed))")
    #expect(reversed.first?.detail.contains("the keys do not give the weights of") == true)
    // Both list it.
    let sound = try RotatedModel().write(plain, scratch["sound.gguf"])
    for (path, sibling) in [(sound, one), (one, sound)] {
      let both = try Self.told(path, sibling)
      #expect(both.map(\.rule) == [.sibling] && both.first?.subject == Self.down, "\(Self.texts(both))")
      #expect(both.first?.detail.contains("one of the two is not rotated") == true)
    }
    // No matrix speaks for the keys: they were lost, or are on what is not rotated.
    let idle = try Self.listed(plain, [], scratch["idle.gguf"])
    let lost = try Self.told(plain, idle)
    #expect(lost.map(\.rule) == [.rotation], "\(Self.texts(lost))")
    #expect(lost.first?.detail.contains("lists as rotated what is not") == true)
  }

  @Test("weights times two are no rounding, rotated or not, whichever of the two is checked")
  func factor() throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(.qwen3, scratch)
    var silent = RotatedModel()
    silent.hasKeys = false
    let stripped = try silent.write(plain, scratch["stripped.gguf"])
    var double = ChangedModel(scratch["ordinary"])
    double.file[Self.query].bytes = FloatBytes.bf16(FloatBytes.bf16Values(double.file[Self.query].bytes).map { $0 * 2 })
    let other = double.write(scratch["double"])
    let found = try Self.told(stripped, other)
    #expect(found.map(\.severity) == [.error, .error], "\(Self.texts(found))")
    let scaled = found.first { $0.subject == Self.query }
    #expect(scaled?.detail.contains("but for a factor") == true && scaled?.detail.contains("times 0.500,") == true)
    #expect(Self.texts(found).allSatisfy { !$0.contains("rounding") && !$0.contains("rounded") })
    let reversed = try Self.told(other, stripped)
    #expect(reversed.first { $0.subject == Self.query }?.severity == .error, "\(Self.texts(reversed))")
    #expect(reversed.filter { $0.severity == .warning }.count == 1)

    // Trits beside latents: with another scale they would be other trits. A scale is stored as its inverse or itself.
    for factor in [Float(0.6875), 1.5] {
      var packed = ChangedModel(Checkpoint.packed)
      let name = Self.query + "_scale"
      let scales = FloatBytes.bf16Values(packed.file[name].bytes)
      packed.file[name].bytes = FloatBytes.bf16(scales.map { BFloat16.rounded($0 * factor) })
      let told = try Self.told(packed.write(scratch["packed-\(factor)"]), Checkpoint.master)
      let errors = told.filter { $0.severity == .error }
      #expect(errors.map(\.subject) == [Self.query], "\(Self.texts(told))")
      #expect(errors.first?.detail.contains("for the trits: numbers") == true)
      #expect(
        told.contains { $0.severity == .warning && $0.detail.contains("13 tensors hold trits in one of the two") })
    }
  }

  @Test("what was looked at in a few rows is said to be")
  func extent() throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(.qwen3, scratch)
    var silent = RotatedModel()
    silent.hasKeys = false
    let found = try Self.told(silent.write(plain, scratch["stripped.gguf"]), plain)
    // Matrices of more than 32 rows.
    #expect(found.first?.detail.contains("of 3 of 3 tensors that differ") == true, "\(Self.texts(found))")
    #expect(found.first?.detail.contains("as far as 32 rows of each show") == true)
  }

  @Test("models that have nothing in common are not searched matrix by matrix")
  func strangers() throws {
    let scratch = ScratchFolder()
    _ = try RotatedModel.plain(.qwen3, scratch)
    let ordinary = scratch["ordinary"]
    var other = ChangedModel(ordinary)
    var generator = SeededGenerator(seed: 24)
    for index in other.file.tensors.indices where other.file.tensors[index].shape.count == 2 {
      let count = other.file.tensors[index].shape[0] * other.file.tensors[index].shape[1]
      let values = (0..<count).map { _ in Float(Int.random(in: -64...64, using: &generator)) / 1024 }
      let isWide = other.file.tensors[index].dtype == "F32"
      other.file.tensors[index].bytes = isWide ? FloatBytes.f32(values) : FloatBytes.bf16(values)
    }
    let found = try Self.told(ordinary, other.write(scratch["other"]))
    #expect(found.map(\.rule) == [.sibling] && found.map(\.severity) == [.error], "\(Self.texts(found))")
    #expect(found.first?.detail.contains("matrices looked at have nothing in common, and no rotation") == true)
    // One sentence: tensors, why, and the first difference.
    #expect(found.first?.detail.contains(" explains that; the first: ") == true, "\(found)")
  }
}
