// Tritsmith tests: stored scales of whole models held against each other.

import Testing
import TritCore
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritEvaluation
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Scales of a model, matrix by matrix")
struct ScaleStepTests {
  private static let up = "model.layers.1.mlp.up_proj.weight"
  private static let step = "block1.mlp.up_proj"

  private static func validate(_ path: String, _ reference: String) throws -> ValidateResult {
    var request = ValidateRequest(path: path, against: reference)
    request.inputs = [.ids("1 300 17 900 45 120 7 88 640")]
    return try ValidateWorkflow(request).run()
  }

  /// A 16-bit copy with numbers of a matrix that are not 0 some steps of their type further.
  private static func moved(
    _ folder: String, _ path: String, rows: Range<Int>, columns: Range<Int>, by steps: Int
  ) -> String {
    var model = ChangedModel(folder)
    let width = model.file[up].shape[1]
    var bits = LittleEndian.u16s(model.file[up].bytes)
    for row in rows {
      for column in columns where bits[row * width + column] & 0x7FFF != 0 {
        bits[row * width + column] = UInt16(Int(bits[row * width + column]) + steps)
      }
    }
    model.file[up].bytes = bits.flatMap { LittleEndian.bytes($0) }
    return model.write(path)
  }

  /// 24.125 becomes 24.25 or 24: see `ScaleRouteTests`.
  @Test("the next divisor of one matrix is another scale beside dense bfloat16", arguments: [0, 1, -1])
  func divisor(_ steps: Int) throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    let bits = LittleEndian.u16s(model.file[Self.up + "_scale"].bytes)[0]
    #expect(BFloat16(bits: bits).float == 24.125)
    model.file[Self.up + "_scale"].bytes = LittleEndian.bytes(UInt16(Int(bits) + steps))
    let path = model.write(scratch["moved"])
    for (left, right) in [(path, Checkpoint.bfloat16), (Checkpoint.bfloat16, path)] {
      let result = try Self.validate(left, right)
      #expect(result.firstWrongStep?.name == (steps == 0 ? nil : Self.step), "\(result.steps.filter { !$0.passed })")
      #expect(result.passed == (steps == 0))
      if steps != 0 { #expect(result.firstWrongStep?.scaleDifference != nil) }
    }
  }

  @Test("dense numbers that are a few steps off beside a divisor are other ones, in a group, a row and a matrix")
  func dense() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.bitnet, scratch["f16"], to: .dense) { $0.denseType = .f16 }
    let shape = ChangedModel(Checkpoint.bfloat16).file[Self.up].shape
    let (rows, columns) = (0..<shape[0], 0..<shape[1])
    let cases: [(String, Range<Int>, Range<Int>, Int, unit: Int?)] = [
      (scratch["f16"], 7..<8, 0..<128, 3, 7), (scratch["f16"], 7..<8, columns, 4, 7),
      (scratch["f16"], rows, columns, 3, nil),
      (Checkpoint.bfloat16, 7..<8, columns, -1, 7), (Checkpoint.bfloat16, rows, columns, -1, nil),
    ]
    for (number, (folder, rows, columns, steps, unit)) in cases.enumerated() {
      let path = Self.moved(folder, scratch["m\(number)"], rows: rows, columns: columns, by: steps)
      let result = try Self.validate(path, Checkpoint.bitnet)
      #expect(!result.passed && result.wrongSteps == 1 && result.firstWrongStep?.name == Self.step, "\(number)")
      if let unit { #expect(result.firstWrongStep?.unit == unit, "\(number)") }
    }
    // 1358 · 2⁻¹⁵ is the inverse as F16, 1360 · 2⁻¹⁵ as bfloat16: 1359 would be rounded to that as well.
    for (number, place) in [(7..<8, 0..<4), (7..<8, 0..<128), (7..<8, columns), (rows, columns)].enumerated() {
      let path = Self.moved(scratch["f16"], scratch["d\(number)"], rows: place.0, columns: place.1, by: 1)
      let result = try Self.validate(path, Checkpoint.bfloat16)
      #expect(!result.passed && result.firstWrongStep?.name == Self.step, "\(number)")
    }
    #expect(try Self.validate(scratch["f16"], Checkpoint.bfloat16).wrongSteps == 0)
    for folder in [scratch["f16"], Checkpoint.bfloat16] {
      let result = try Self.validate(folder, Checkpoint.bitnet)
      #expect(result.passed && result.wrongSteps == 0, "\(result.firstWrongStep as Any)")
    }
  }

  @Test(
    "factors and divisors that were made of the same latents are one model",
    arguments: [Checkpoint.prequantized, Checkpoint.master]
  )
  func twoWays(_ latents: String) throws {
    let scratch = ScratchFolder()
    for convention in ScaleConvention.allCases {
      try Workflow.convert(latents, scratch[convention.rawValue], to: .hfPacked) { $0.outputConvention = convention }
    }
    try Workflow.convert(latents, scratch["dense"], to: .dense) { $0.denseType = .bf16 }
    let paths = ["multiply", "divide", "dense"].map { scratch[$0] }
    for left in paths {
      for right in paths where left != right {
        let result = try Self.validate(left, right)
        #expect(result.wrongSteps == 0, "\(left), \(right): \(result.firstWrongStep as Any)")
      }
    }
    // Files alone do not tell so much: their comparison says what it is.
    let result = try Workflow.compare(paths[0], paths[1])
    let different = result.tensors.filter { $0.outcome == .different }
    #expect(!different.isEmpty && different.allSatisfy { $0.detail.contains("rounded in two ways") }, "\(different)")
  }

  @Test("one group of dense numbers that bfloat16 would round away is another one to compare")
  func group() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.packed, scratch["f16"], to: .dense) { $0.denseType = .f16 }
    #expect(try Workflow.compare(scratch["f16"], Checkpoint.packed).weightsAreSame)
    let path = Self.moved(scratch["f16"], scratch["moved"], rows: 7..<8, columns: 0..<128, by: 3)
    for (left, right) in [(path, Checkpoint.packed), (Checkpoint.packed, path)] {
      let result = try Workflow.compare(left, right)
      #expect(result.tensors.filter { $0.outcome == .different }.map(\.name) == [Self.up])
      #expect(result.tensors.first { $0.name == Self.up }?.detail.contains("row 7") == true)
    }
  }

  @Test("one matrix a step of F16 off, where all others are equal, was not rounded")
  func oneOfMany() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.packed, scratch["f16"], to: .dense) { $0.denseType = .f16 }
    let shape = ChangedModel(scratch["f16"]).file[Self.up].shape
    let path = Self.moved(
      scratch["f16"], scratch["moved"], rows: 0..<shape[0], columns: 0..<shape[1], by: 1)
    for (left, right) in [(path, Checkpoint.packed), (Checkpoint.packed, path)] {
      let result = try Workflow.compare(left, right)
      #expect(result.tensors.filter { $0.outcome == .different }.map(\.name) == [Self.up])
    }
  }

  /// The inverse of one divisor is, as F16, in the middle of two bfloat16 numbers: see `ScaleRouteTests`.
  @Test("dense F16 and dense bfloat16 of the same divisors are the same to compare")
  func denseTypes() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.bitnet, scratch["f16"], to: .dense) { $0.denseType = .f16 }
    try Workflow.convert(Checkpoint.bitnet, scratch["bf16"], to: .dense) { $0.denseType = .bf16 }
    for (left, right) in [("f16", "bf16"), ("bf16", "f16")] {
      #expect(try Workflow.compare(scratch[left], scratch[right]).weightsAreSame)
    }
  }

  @Test("numbers that bfloat16 had rounded are the same in F16, and the verdict says what differs")
  func heldByF16() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.bitnet, scratch["f16"], to: .dense) { $0.denseType = .f16 }
    try Workflow.convert(Checkpoint.bitnet, scratch["bf16"], to: .dense) { $0.denseType = .bf16 }
    try Workflow.convert(scratch["bf16"], scratch["held"], to: .dense) { $0.denseType = .f16 }
    for other in ["bf16", "held"] {
      for (left, right) in [(scratch["f16"], scratch[other]), (scratch[other], scratch["f16"])] {
        let result = try Self.validate(left, right)
        #expect(result.wrongSteps == 0, "\(other): \(result.firstWrongStep as Any)")
        // Half a step of bfloat16 and half one of F16.
        #expect(result.rounded.scales > 0 && result.rounded.largestScaleChange < 0x1p-8 + 0x1p-11)
        #expect(result.rounded.numbers == 0 && result.rounded.common.isEmpty)
        #expect(result.rounded.sentence.contains("matrices differ, by up to"))
      }
    }
    let same = try Self.validate(scratch["bf16"], scratch["held"])
    #expect(same.wrongSteps == 0 && same.rounded.isEmpty)
  }
}
