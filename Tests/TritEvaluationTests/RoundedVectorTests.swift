// Tritsmith tests: taps of convolutions, A_log and dt_bias that one side rounded to its type.

import Testing
import TritCore
import TritModel
import TritSurvey
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritEvaluation

@Suite("Rounded vectors of delta nets")
struct RoundedVectorTests {
  private static let stem = "model.layers.0.linear_attn."
  private static let names = ["conv1d.weight", "A_log", "dt_bias"]
  private static let states = ["conv1d.weight": "conv", "A_log": "log_decay", "dt_bias": "log_decay"]
  /// One token reaches one of four taps.
  private static let texts = ["5", (0..<40).map { String($0 * 7 % 48) }.joined(separator: " ")]

  private static func values(_ tensor: RawTensor) -> [Float] {
    LittleEndian.u32s(tensor.bytes).map { Float(bitPattern: $0) }
  }

  /// Numbers that use all digits of Float: those of the small model are few enough for F16.
  private static func full(_ path: String) -> String {
    var model = ChangedModel(TernaryHybrid.small.write(path + ".few"))
    for name in names.map({ stem + $0 }) {
      model.file[name].bytes = FloatBytes.f32(Self.values(model.file[name]).map { $0 * 1.00037 })
    }
    return model.write(path)
  }

  /// The same with these numbers in a type, and one of them a step of that type further.
  private static func rounded(_ source: String, _ path: String, _ type: DType, wrong: String? = nil) throws -> String {
    var model = ChangedModel(source)
    for name in names {
      var values = Self.values(model.file[stem + name]).map { TernaryScale.rounded($0, to: type) }
      if name == wrong {
        // The last tap of a row is the one that a first token reaches.
        let place = try #require(values.indices.last { values[$0] != 0 && (name != names[0] || $0 % 4 == 3) })
        values[place] += Float(2 * StoredNumbers(type).half(values[place]))
      }
      let index = try #require(model.file.tensors.firstIndex { $0.name == stem + name })
      model.file.tensors[index].dtype = type == .bf16 ? "BF16" : "F16"
      model.file.tensors[index].bytes = type == .bf16 ? FloatBytes.bf16(values) : FloatBytes.f16(values)
    }
    return model.write(path)
  }

  private static func validate(_ path: String, _ reference: String, _ ids: String) throws -> ValidateResult {
    var request = ValidateRequest(path: path, against: reference)
    request.inputs = [.ids(ids)]
    return try ValidateWorkflow(request).run()
  }

  @Test("numbers that are the other side's, rounded to a type, are explained", arguments: [DType.bf16, .f16])
  func sound(_ type: DType) throws {
    let scratch = ScratchFolder()
    let source = Self.full(scratch["source"])
    let rounded = try Self.rounded(source, scratch["rounded"], type)
    // GGUF holds −exp(A_log), heads in another order.
    try Workflow.convert(source, scratch["source.gguf"], to: .gguf) {
      $0.gguf.weights = .f32
      $0.gguf.hasTokenizer = false
    }
    for ids in Self.texts {
      for (path, reference) in [(rounded, source), (source, rounded), (rounded, scratch["source.gguf"])] {
        let result = try Self.validate(path, reference, ids)
        #expect(result.firstWrongStep == nil, "\(path) \(ids): \(result.firstWrongStep as Any)")
        #expect(result.wrongSteps == 0 && result.rounded.numbers == 2, "\(path) \(ids): \(result.rounded)")
        // Nothing else separates them, so logits are as far apart as these roundings take them.
        #expect(result.passed, "\(path) \(ids): \(result.gates)")
      }
    }
  }

  /// By numpy log(−float32(−exp(x))) is on the other side of the middle of two numbers of F16 than each of these x.
  @Test("A_log of a GGUF file that lies beside a tie is rounded as the one it was made of")
  func besideTie() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Self.full(scratch["full"]))
    let name = Self.stem + "A_log"
    let given: [Float] = [0.0475006140768528, 0.0415802039206028, 0.0210647601634264, 0.00235080742277205]
    model.file[name].bytes = FloatBytes.f32(given)
    let source = model.write(scratch["source"])
    try Workflow.convert(source, scratch["source.gguf"], to: .gguf) {
      $0.gguf.weights = .f32
      $0.gguf.hasTokenizer = false
    }
    let rounded = try Self.rounded(source, scratch["rounded"], .f16)
    for (path, reference) in [(rounded, scratch["source.gguf"]), (scratch["source.gguf"], rounded)] {
      let result = try Self.validate(path, reference, Self.texts[1])
      #expect(result.passed && result.rounded.numbers == 2, "\(result.firstWrongStep as Any), \(result.gates)")
    }
  }

  @Test("one number a step of its type further is another one", arguments: [DType.bf16, .f16])
  func wrong(_ type: DType) throws {
    let scratch = ScratchFolder()
    let source = Self.full(scratch["source"])
    for name in Self.names {
      let wrong = try Self.rounded(source, scratch[name], type, wrong: name)
      let state = try #require(Self.states[name])
      for ids in Self.texts {
        for (path, reference) in [(wrong, source), (source, wrong)] {
          let result = try Self.validate(path, reference, ids)
          #expect(!result.passed && result.firstWrongStep?.name == "block0.linear_attn." + state, "\(name) \(ids)")
        }
      }
    }
  }

  /// Half a thousandth is less than half a step of bfloat16: of four heads each could be one that was rounded.
  @Test("Floats beside Floats are no rounding of each other, few as they are")
  func unstated() throws {
    let scratch = ScratchFolder()
    let source = Self.full(scratch["source"])
    for name in ["A_log", "dt_bias"] {
      var held = ChangedModel(source)
      let values = Self.values(held.file[Self.stem + name]).map { BFloat16.rounded($0) }
      held.file[Self.stem + name].bytes = FloatBytes.f32(values)
      var moved = held
      let others = values.map { $0 * 1.0005 }
      #expect(zip(values, others).allSatisfy { $0 == BFloat16.rounded($1) && $0 != $1 })
      moved.file[Self.stem + name].bytes = FloatBytes.f32(others)
      let (reference, path) = (held.write(scratch[name + "held"]), moved.write(scratch[name + "moved"]))
      let result = try Self.validate(path, reference, Self.texts[1])
      #expect(!result.passed && result.firstWrongStep?.name == "block0.linear_attn.log_decay")
    }
  }
}
