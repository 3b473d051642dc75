// Tritsmith tests: blocks, and unfolded matrices of 16 bits, beside another form of the model.

import Testing
import TritCore
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey

@Suite("Check beside a sibling: blocks and unfolded matrices")
struct SiblingBlockTests {
  private static let embedding = "model.embed_tokens.weight"
  private static let up = "model.layers.1.mlp.up_proj.weight"

  private static func check(_ path: String, _ sibling: String) throws -> CheckResult {
    try CheckWorkflow(CheckRequest(path: path, sibling: sibling)).run()
  }

  private static func errors(_ path: String, _ sibling: String) throws -> [CheckFinding] {
    try check(path, sibling).findings.filter { $0.severity == .error }
  }

  @Test("embeddings in blocks of 8 bits are the sibling's, encoded, and not those of embeddings 0.3 % larger")
  func blocks() throws {
    let scratch = ScratchFolder()
    let source = TernaryHybrid.small.write(scratch["source"])
    try Workflow.convert(source, scratch["q8.gguf"], to: .gguf) {
      $0.gguf.weights = .q2
      $0.gguf.embeddings = .q8
      $0.gguf.hasTokenizer = false
    }
    var changed = ChangedModel(source)
    let values = LittleEndian.u16s(changed.file[Self.embedding].bytes).map { HalfFloat(bits: $0).float }
    changed.file[Self.embedding].dtype = "F32"
    changed.file[Self.embedding].bytes = FloatBytes.f32(values.map { $0 * 1.003 })
    let other = changed.write(scratch["other"])
    var turned = ChangedModel(source)
    let place = try #require(values.firstIndex { $0 != 0 })
    turned.file[Self.embedding].bytes[2 * place + 1] ^= 0x80
    let wrong = turned.write(scratch["turned"])
    try Workflow.convert(source, scratch["q2.gguf"], to: .gguf) {
      $0.gguf.weights = .q2
      $0.gguf.hasTokenizer = false
    }
    for sibling in [source, scratch["q2.gguf"]] {
      for (path, other) in [(sibling, scratch["q8.gguf"]), (scratch["q8.gguf"], sibling)] {
        let same = try Self.check(path, other)
        #expect(same.passed && same.sibling?.isSame == true, "\(same.findings)")
        #expect(!same.cautions.contains { $0.contains("as far as their steps") })
      }
    }
    for model in [other, wrong] {
      for (path, sibling) in [(model, scratch["q8.gguf"]), (scratch["q8.gguf"], model)] {
        let found = try Self.errors(path, sibling)
        #expect(found.map(\.rule) == [.sibling] && found.first?.subject == Self.embedding, "\(found)")
      }
    }
  }

  /// A file of rotated trits and the ordinary model, whose matrices are F32.
  private static func rotated(_ scratch: ScratchFolder) throws -> (keyed: String, ordinary: String) {
    let model = TernaryHybrid.small
    let keyed = try model.writeKeyed(scratch, .q2, stripped: "stripped.gguf", keyed: "keyed.gguf")
    return (keyed, model.writeUnfolded(scratch["ordinary"], block: 64, takesTurns: true))
  }

  private static func values(_ tensor: RawTensor) -> [Float] {
    LittleEndian.u32s(tensor.bytes).map { Float(bitPattern: $0) }
  }

  @Test("beside rotated trits a matrix of bfloat16 is the unfolded one, rounded: 0.2 % more is none")
  func unfolded() throws {
    let scratch = ScratchFolder()
    let (keyed, ordinary) = try Self.rotated(scratch)
    let names = Set(TernaryHybrid.small.matrices.map { $0.name + ".weight" })
    func write(_ path: String, times factor: Float) -> String {
      var model = ChangedModel(ordinary)
      for index in model.file.tensors.indices where names.contains(model.file.tensors[index].name) {
        let tensor = model.file.tensors[index]
        let own = tensor.name == Self.up ? factor : 1
        model.file.tensors[index].dtype = "BF16"
        model.file.tensors[index].bytes = FloatBytes.bf16(Self.values(tensor).map { BFloat16.rounded($0 * own) })
      }
      return model.write(path)
    }
    let sound = write(scratch["sound"], times: 1)
    let wrong = write(scratch["wrong"], times: 1.002)
    for (path, sibling) in [(keyed, sound), (sound, keyed)] {
      let same = try Self.check(path, sibling)
      #expect(same.passed && same.sibling?.isSame == true, "\(same.findings)")
      #expect(same.sibling.map { $0.rounded > 0 } == true)
    }
    for (path, sibling) in [(keyed, wrong), (wrong, keyed)] {
      let found = try Self.errors(path, sibling)
      #expect(found.map(\.rule) == [.sibling] && found.first?.subject == Self.up, "\(found)")
    }
  }

  @Test("one number, or all by 0.3 %, is no fault of keys that give all other rows")
  func keys() throws {
    let scratch = ScratchFolder()
    let (keyed, ordinary) = try Self.rotated(scratch)
    for (name, factor) in [("one", Float(1.25)), ("all", 1.003)] {
      var model = ChangedModel(ordinary)
      var values = Self.values(model.file[Self.up])
      let place = try #require(values.firstIndex { $0 != 0 })
      for index in name == "one" ? place..<place + 1 : 0..<values.count { values[index] *= factor }
      model.file[Self.up].bytes = FloatBytes.f32(values)
      let found = try Self.errors(keyed, model.write(scratch[name]))
      #expect(found.map(\.rule) == [.sibling] && found.first?.subject == Self.up, "\(found)")
      #expect(found.first?.detail.contains("differs once unfolded") == true, "\(found)")
    }
  }
}
