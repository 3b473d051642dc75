// Tritsmith tests: what rounding explains between two stored forms of a matrix, and what a step may be off by for it.

import Testing
import TritCore
import TritFormats
import TritInference
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritEvaluation
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Rounding of matrices, number by number")
struct MatrixRoundingTests {
  /// By the definitions of the types: 11, 8 and 24 digits.
  @Test("half a step of a type, at a number")
  func halves() {
    let f16 = StoredNumbers(.f16)
    #expect(f16.half(1) == 0x1p-11 && f16.half(-1.9990234) == 0x1p-11 && f16.half(2) == 0x1p-10)
    // Below 2⁻¹⁴ steps of F16 are 2⁻²⁴.
    #expect(f16.half(0x1p-20) == 0x1p-25 && f16.half(0) == 0x1p-25)
    let bf16 = StoredNumbers(.bf16)
    #expect(bf16.half(1.5) == 0x1p-8 && bf16.half(0x1p-30) == 0x1p-38)
    // A Float that is a number of another type may have been rounded to it.
    let f32 = StoredNumbers(.f32)
    #expect(f32.half(1.5) == 0x1p-8 && f32.half(1 + 0x1p-10) == 0x1p-11 && f32.half(1 + 0x1p-23) == 0x1p-24)
    #expect(f32.half(0) < 1e-40)
    // A scale loses a share, whichever side of a fraction it stands on.
    #expect(StoredNumbers(.bf16, isTernary: true).half(-3) == 3 * 0x1p-8)
    #expect(StoredNumbers(.f32, isTernary: true).half(1.5) == 1.5 * 0x1p-24)
  }

  @Test("scales are of the coarsest type that holds them all")
  func scales() {
    func type(_ values: [Float]) -> DType {
      StoredNumbers(
        TernaryScale(stored: values, storage: .f32, convention: .divide, granularity: .group(columns: 128))
      ).type
    }
    #expect(type([1.5, 0.25]) == .bf16 && type([1.5, 1 + 0x1p-10]) == .f16 && type([1.5, 1.1]) == .f32)
  }

  static let numbers: [Float] = {
    var generator = SeededGenerator(seed: 24)
    return (0..<4096).map { _ in
      Float.random(in: 1..<2, using: &generator) * (Bool.random(using: &generator) ? 0.0625 : -0.25)
    }
  }()

  @Test("one number rounded to two types is explained, also where rounding twice gives another one")
  func siblings() {
    let halves = Self.numbers.map { HalfFloat($0).float }
    let coarse = Self.numbers.map { BFloat16.rounded($0) }
    #expect(zip(halves, coarse).contains { BFloat16.rounded($0) != $1 })
    let (f32, f16, bf16) = (StoredNumbers(.f32), StoredNumbers(.f16), StoredNumbers(.bf16))
    for (left, right, rule) in [
      (Self.numbers, halves, RoundingRule(f32, f16)), (coarse, Self.numbers, RoundingRule(bf16, f32)),
      (halves, coarse, RoundingRule(f16, bf16)),
    ] {
      #expect(MatrixRounding(left, right, columns: 64, rule).isExplained)
    }
    // Rounded twice on the way, as a bfloat16 checkpoint that becomes F16.
    let twice = coarse.map { HalfFloat($0).float }
    #expect(MatrixRounding(Self.numbers, twice, columns: 64, RoundingRule(f32, f16)).isExplained)
  }

  @Test("F16 may hold what bfloat16 had rounded, of all numbers and not of one")
  func heldByF16() throws {
    let halves = Self.numbers.map { HalfFloat($0).float }
    let coarse = halves.map { BFloat16.rounded($0) }
    let same = RoundingRule(StoredNumbers(.f16), StoredNumbers(.f16))
    let rule = try #require(same.ofOtherTypes)
    #expect(!MatrixRounding(halves, coarse, columns: 64, same).isExplained)
    for (left, right) in [(halves, coarse), (coarse, halves)] {
      let found = MatrixRounding(left, right, columns: 64, rule)
      #expect(found.isExplained && found.isOfMost)
    }
    var moved = coarse
    moved[200] = halves[200] == coarse[200] ? coarse[200] * (1 + 0x1p-10) : halves[200]
    #expect(!MatrixRounding(coarse, moved, columns: 64, rule).isOfMost)
  }

  /// A number of a type is not rounded by it: the next one is another number, in one place as in all.
  @Test("a step of a type is no rounding of a number that the type holds", arguments: [DType.f16, .bf16])
  func nextNumber(_ type: DType) {
    let stored = Self.numbers.map { TernaryScale.rounded($0, to: type) }
    let rule = RoundingRule(StoredNumbers(.f32), StoredNumbers(type))
    for moved in [Array(stored.indices), [200]] {
      var next = stored
      for index in moved {
        let step = Float(2 * StoredNumbers(type).half(stored[index]))
        next[index] += step
      }
      let found = MatrixRounding(stored, next, columns: 64, rule)
      #expect(!found.isExplained && found.strangeRow == moved[0] / 64)
    }
    #expect(MatrixRounding(stored, stored, columns: 64, rule).isExplained)
    // Different chains for different rows are none.
    let (exact, mixed) = (Self.numbers, Array(stored[..<2048] + Self.numbers[2048...]))
    let both = RoundingRule(StoredNumbers(.f32), StoredNumbers(.f32))
    #expect(MatrixRounding(exact, stored, columns: 64, both).isExplained)
    #expect(!MatrixRounding(exact, mixed, columns: 64, both).isExplained)
  }

  /// Of numbers rounded to bfloat16 one in 65,536 was such a number before.
  @Test("few numbers that moved were not rounded with the rest, unless their types say so")
  func few() {
    let coarse = Self.numbers.map { BFloat16.rounded($0) }
    var moved = coarse
    moved[200] *= 1 + 0x1p-10
    #expect(moved[200] != coarse[200] && BFloat16.rounded(moved[200]) == coarse[200])
    func found(_ right: [Float], _ left: DType) -> MatrixRounding {
      let rule = RoundingRule(StoredNumbers(left), StoredNumbers(.f32))
      return MatrixRounding(coarse, right, columns: 64, rule).asAWhole
    }
    #expect(!found(moved, .f32).isExplained && found(moved, .f32).strangeRow == 3)
    #expect(found(moved, .bf16).isExplained)
    #expect(found(Self.numbers, .f32).isExplained && found(coarse, .f32).isExplained)
    // Below 2⁻¹⁴ F16 has fewer digits than bfloat16.
    let small = coarse.enumerated().map { $0.offset == 9 ? 0x1.02p-20 : $0.element }
    let halves = small.map { HalfFloat($0).float }
    let floats = RoundingRule(StoredNumbers(.f32), StoredNumbers(.f32))
    #expect(halves[9] != small[9] && MatrixRounding(small, halves, columns: 64, floats).asAWhole.isExplained)
  }

  /// A thousandth is less than half a step of bfloat16: each number alone could be the one that was rounded.
  @Test("a factor is no rounding, though every number is rounded to its place")
  func factor() {
    let coarse = Self.numbers.map { BFloat16.rounded($0) }
    let floats = RoundingRule(StoredNumbers(.f32), StoredNumbers(.f32))
    let wrong = coarse.map { $0 * 1.0009 }
    #expect(zip(coarse, wrong).allSatisfy { $0 == BFloat16.rounded($1) })
    let found = MatrixRounding(coarse, wrong, columns: 64, floats)
    #expect(found.isExplained && !found.asAWhole.isExplained && found.asAWhole.strangeRow == 0)
    // One magnitude alone is rounded in one direction.
    let one = [Float](repeating: 1.001, count: 256)
    let rounded = one.map { BFloat16.rounded($0) }
    #expect(MatrixRounding(one, rounded, columns: 64, floats).asAWhole.isExplained)
  }

  @Test("beside the middling unit of few tokens a small one is off by more, by numbers in blocks too")
  func blocks() {
    let bounds = UnitBounds.blocks(0.03, [4, 0.04, 4, 16, 0])
    #expect(abs(bounds[1] - 0.3) < 1e-12 && [bounds[0], bounds[2], bounds[3], bounds[4]] == [0.03, 0.03, 0.03, 0.03])
  }

  /// By the definition: each number half a step, and an eight-millionth of its block, from what unfolding gives.
  @Test("beside an unfolded matrix each number is that, rounded once")
  func unfolded() {
    let halves = Self.numbers.map { HalfFloat($0).float }
    let rule = RoundingRule.unfolded(size: 64, left: nil, right: StoredNumbers(.f16))
    #expect(MatrixRounding(Self.numbers, halves, columns: 64, rule).isExplained)
    let wrong = Self.numbers.map { HalfFloat($0 * 1.001).float }
    #expect(!MatrixRounding(Self.numbers, wrong, columns: 64, rule).isExplained)
    let coarse = Self.numbers.map { BFloat16.rounded($0 * 1.001) }
    let other = RoundingRule.unfolded(size: 64, left: StoredNumbers(.bf16), right: nil)
    #expect(!MatrixRounding(coarse, Self.numbers, columns: 64, other).isExplained)
    #expect(MatrixRounding(Self.numbers.map { BFloat16.rounded($0) }, Self.numbers, columns: 64, other).isExplained)
  }

  @Test(
    "a matrix that is a thousandth off is explained by nothing, in either type",
    arguments: [(DType.f16, Float(1.001)), (.f16, 1.005), (.bf16, 1.001), (.bf16, 1.01)])
  func scaled(_ type: DType, _ factor: Float) {
    let wrong = Self.numbers.map { $0 * factor }
    let stored = Self.numbers.map { TernaryScale.rounded($0, to: type) }
    let rule = RoundingRule(StoredNumbers(.f32), StoredNumbers(type))
    #expect(!MatrixRounding(wrong, stored, columns: 64, rule).isExplained)
    // Of one type no rounding leads to another number.
    let moved = wrong.map { TernaryScale.rounded($0, to: type) }
    let same = RoundingRule(StoredNumbers(type), StoredNumbers(type))
    #expect(same == .equal && !MatrixRounding(moved, stored, columns: 64, same).isExplained)
    #expect(MatrixRounding(stored, stored, columns: 64, same).isExplained)
  }

  @Test("trits must be equal, whatever their scales; what is no number is no rounding")
  func trits() {
    func explained(_ left: [Float], _ right: [Float], _ rule: RoundingRule) -> Bool {
      MatrixRounding(left, right, columns: left.count, rule).isExplained
    }
    #expect(explained([0.5, 0, -0.5], [0.51, 0, -0.51], .trits))
    #expect(!explained([0.5, 0, -0.5], [0.51, 0.51, -0.51], .trits))
    #expect(!explained([0.5, 0, -0.5], [0.51, 0, 0.51], .trits))
    let numbers = RoundingRule(StoredNumbers(.f32), StoredNumbers(.bf16))
    for rule in [RoundingRule.trits, numbers, .blocks(size: 2, share: 0.5)] {
      #expect(!explained([0.5, 1], [0.5, .nan], rule))
    }
    // 0.001 of a block of length 1, and nothing of the next.
    #expect(explained([0.6, 0.8, 3], [0.6, 0.801, 3], .blocks(size: 2, share: 0.0011)))
    #expect(!explained([0.6, 0.8, 3], [0.6, 0.801, 3], .blocks(size: 2, share: 0.0009)))
  }

  @Test("bounds of units, by hand")
  func bounds() {
    // Rows of size 2 and 8, off by 2⁻¹² and by nothing.
    let matrix = MatrixRounding(
      [1, 1, 2, 2], [1 + 0x1p-12, 1 + 0x1p-12, 2, 2], columns: 2, RoundingRule(StoredNumbers(.f16), StoredNumbers(.f32))
    )
    #expect(matrix.isExplained && matrix.errors == [0x1p-23, 0] && matrix.sizes == [2, 8])
    #expect(abs(matrix.share - (0x1p-23 / 10.0).squareRoot()) < 1e-12)
    func close(_ found: Double, _ expected: Double) -> Bool { abs(found - expected) < 1e-9 }
    // Sums are off by a share of the middling unit, here the larger of two.
    func sums(_ share: Double) -> Double { 3e-5 + 2e-6 * share.squareRoot() }
    let even = matrix.boundsOfRows([20, 80])
    #expect(close(even[0], sums(4) + 6 * 0x1p-12) && close(even[1], sums(1)))
    // Products that cancel leave a hundredth; rounding is what it was: of 99.8 in all, row 0 has 2 parts in 10.
    let small = matrix.boundsOfRows([0.2, 99.6])
    #expect(close(small[0], sums(498) + 6 * 0x1p-12 * 99.8.squareRoot()))
    // A unit larger than its weights say is rounded as its own size.
    #expect(close(matrix.boundsOfRows([90, 10])[0], sums(1) + 6 * 0x1p-12))
    // Columns of embeddings: by the row that lost most.
    let columns = matrix.boundsOfColumns([30, 10])
    #expect(close(columns[0], 3e-5 + 6 * 0x1p-12) && close(columns[1], 3e-5 + 6 * 0x1p-12 * 2.0.squareRoot()))
    var longer = MatrixRounding([], [], columns: 2, .equal)
    longer.append(matrix)
    longer.append(MatrixRounding([1, 1], [1, 2], columns: 2, .equal))
    #expect(longer.errors == [0x1p-23, 0, 1] && !longer.isExplained && longer.strangeRow == 2)
  }

  @Test("the worst unit is the one that is most of its bound off")
  func worst() throws {
    let steps = StepComparison()
    let rows = LockStep.LogitRows(
      first: 0, count: 1, vocabulary: 2, reference: [1, 1], candidate: [1.01, 1.02])
    steps.add(rows)
    #expect(steps.steps(above: 0.03).isEmpty && steps.steps(above: 0.015) == ["logits"])
    let step = try #require(steps.result { _, _ in UnitBounds(units: [0.005, 0.1]) }.first)
    #expect(step.unit == 0 && abs(step.relativeError - 0.01) < 1e-6 && step.bound == 0.005 && !step.passed)
    var sizes: [Double] = []
    // A unit with numbers that nothing explains is named, not one that is further off by rounding.
    let named = steps.result { _, _ in UnitBounds(units: [0.005, 0.001], suspect: 0) }
    #expect(named.first?.unit == 0)
    let even = steps.result {
      sizes = $1
      return UnitBounds(0.1)
    }
    #expect(even.first?.unit == 1 && even.first?.passed == true && sizes == [1, 1])
  }

  // MARK: - Models

  /// A model with the numbers of tensors in another type, and one of them times a factor.
  private static func write(
    _ sound: String, _ path: String, _ type: DType, wrong: String? = nil, times factor: Float = 1
  ) -> String {
    var model = ChangedModel(sound)
    for index in model.file.tensors.indices where model.file.tensors[index].dtype == "F16" {
      let tensor = model.file.tensors[index]
      let values = LittleEndian.u16s(tensor.bytes).map { bits in
        HalfFloat(bits: bits).float * (tensor.name == wrong ? factor : 1)
      }
      model.file.tensors[index].dtype = type == .bf16 ? "BF16" : "F32"
      model.file.tensors[index].bytes =
        type == .bf16 ? FloatBytes.bf16(values.map { BFloat16.rounded($0) }) : FloatBytes.f32(values)
    }
    return model.write(path)
  }

  private static func validate(_ path: String, _ reference: String, _ ids: String) throws -> ValidateResult {
    var request = ValidateRequest(path: path, against: reference)
    request.inputs = [.ids(ids)]
    return try ValidateWorkflow(request).run()
  }

  private static let matrix = "model.layers.0.linear_attn.in_proj_qkv.weight"
  private static let ids = (0..<40).map { String($0 * 7 % 48) }.joined(separator: " ")

  /// A thousandth is two steps of F16, half a hundredth was within the bound of any two types.
  @Test(
    "one matrix that is off fails beside F16, and the largest difference has its bound",
    arguments: [Float(1), 1.001, 1.005])
  func halfPair(_ factor: Float) throws {
    let scratch = ScratchFolder()
    let sound = TernaryHybrid.small.write(scratch["sound"])
    let other = Self.write(sound, scratch["other"], .f32, wrong: Self.matrix, times: factor)
    for (path, reference) in [(other, sound), (sound, other)] {
      let result = try Self.validate(path, reference, Self.ids)
      #expect(result.passed == (factor == 1), "\(result.gates)")
      #expect(result.firstWrongStep?.name == (factor == 1 ? nil : "block0.linear_attn.in_proj_qkv"))
      #expect(result.firstWrongStep?.bound ?? 3e-5 < 1e-3)
      #expect(result.gates.contains { $0.name == GateResult.largestDifference })
    }
  }

  /// Of one token a unit may be nearly nothing: its products cancel, and its rounding does not. By numpy a unit is off by
  /// up to a quarter of itself then, and by half of its bound.
  @Test(
    "bfloat16 beside F16 passes over any number of tokens, and a hundredth in one matrix does not",
    arguments: [true, false])
  func coarsePair(_ isShort: Bool) throws {
    let scratch = ScratchFolder()
    let sound = TernaryHybrid.small.write(scratch["sound"])
    let ids = isShort ? "7" : Self.ids
    let coarse = Self.write(sound, scratch["coarse"], .bf16)
    let result = try Self.validate(coarse, sound, ids)
    #expect(result.firstWrongStep == nil && result.wrongSteps == 0, "\(result.firstWrongStep as Any)")
    #expect(result.gates.contains { $0.name == GateResult.largestDifference })
    if !isShort { #expect(result.passed, "\(result.gates)") }
    let wrong = Self.write(sound, scratch["wrong"], .bf16, wrong: Self.matrix, times: 1.01)
    let found = try Self.validate(wrong, sound, ids)
    #expect(!found.passed && found.firstWrongStep?.name == "block0.linear_attn.in_proj_qkv")
  }

  @Test("small matrices of a delta net in another type are rounded, and no other numbers")
  func smallMatrices() throws {
    let scratch = ScratchFolder()
    let sound = TernaryHybrid.small.write(scratch["sound"])
    let name = "model.layers.0.linear_attn.in_proj_a.weight"
    for (factor, passes) in [(Float(1), true), (1.01, false)] {
      var model = ChangedModel(sound)
      let values = LittleEndian.u32s(model.file[name].bytes).map { BFloat16.rounded(Float(bitPattern: $0) * factor) }
      model.file[name].bytes = FloatBytes.bf16(values)
      if let place = model.file.tensors.firstIndex(where: { $0.name == name }) {
        model.file.tensors[place].dtype = "BF16"
      }
      let result = try Self.validate(model.write(scratch["\(passes)"]), sound, Self.ids)
      #expect((result.firstWrongStep == nil) == passes, "\(result.firstWrongStep as Any)")
    }
  }

  /// The next Float is far below what sums may be off by.
  @Test("one number of a delta net's small matrices is another one, whatever it moves", arguments: ["5", "5 9 7 3 1"])
  func oneSmallNumber(_ ids: String) throws {
    let scratch = ScratchFolder()
    let sound = TernaryHybrid.small.write(scratch["sound"])
    for step in ["in_proj_a", "in_proj_b"] {
      let name = "model.layers.0.linear_attn.\(step).weight"
      var model = ChangedModel(sound)
      var values = LittleEndian.u32s(model.file[name].bytes).map { Float(bitPattern: $0) }
      let place = try #require(values.indices.last { $0 / model.file[name].shape[1] == 2 && values[$0] != 0 })
      values[place] = values[place].nextUp
      model.file[name].bytes = FloatBytes.f32(values)
      let result = try Self.validate(model.write(scratch[step]), sound, ids)
      let wrong = try #require(result.firstWrongStep)
      #expect(!result.passed && result.wrongSteps == 1 && wrong.name == "block0.linear_attn." + step, "\(wrong)")
      #expect(wrong.strangeRow == 2 && wrong.isWrongElsewhere)
    }
    #expect(try Self.validate(sound, sound, ids).passed)
  }

  @Test("numbers that a text does not reach are held against each other all the same")
  func unreached() throws {
    let scratch = ScratchFolder()
    let sound = TernaryHybrid.small.write(scratch["sound"])
    var row = ChangedModel(sound)
    // 40 is not among the ids.
    let width = TernaryHybrid.small.hidden
    for index in 40 * width..<41 * width { row.file["model.embed_tokens.weight"].bytes[2 * index + 1] ^= 0x80 }
    let found = try Self.validate(row.write(scratch["row"]), sound, Self.ids)
    #expect(!found.passed && found.firstWrongStep?.name == "embed", "\(found.firstWrongStep as Any)")
    #expect(found.firstWrongStep?.strangeRow == 40 && found.wrongSteps == 1)
    // The first of four taps is multiplied by the token three before.
    var tap = ChangedModel(sound)
    tap.file["model.layers.0.linear_attn.conv1d.weight"].bytes[4 * (4 * 5) + 3] ^= 0x80
    let path = tap.write(scratch["tap"])
    for ids in ["5 9 7", "5"] {
      let short = try Self.validate(path, sound, ids)
      #expect(!short.passed && short.firstWrongStep?.name == "block0.linear_attn.conv", "\(ids)")
      #expect(short.firstWrongStep?.strangeRow == 5)
      let same = try Self.validate(sound, sound, ids)
      #expect(same.passed && same.unreachedSteps.isEmpty)
    }
  }

  @Test("of embeddings the row that holds other numbers is named, no unit that rounding alone moves")
  func rowOfEmbeddings() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(TernaryHybrid.small.write(scratch["untied"]))
    model.replace("\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true")
    model.remove { $0 == "lm_head.weight" }
    let coarse = Self.write(model.write(scratch["sound"]), scratch["coarse"], .bf16)
    let width = TernaryHybrid.small.hidden
    for index in 40 * width..<41 * width { model.file["model.embed_tokens.weight"].bytes[2 * index + 1] ^= 0x80 }
    let result = try Self.validate(model.write(scratch["row"]), coarse, "5 9 7")
    let step = try #require(result.steps.first { $0.name == "embed" })
    #expect(!step.passed && step.strangeRow == 40)
    #expect(step.fault.hasSuffix("another step: row 40 of its weights holds other numbers"), "\(step.fault)")
  }

  // MARK: - Against files

  @Test("norms that hold 1 + w have room for what F16 took of the sums, and nothing else has")
  func shares() throws {
    let scratch = ScratchFolder()
    let sound = TernaryHybrid.small.write(scratch["sound"])
    let shares = try RunnableModel(sound).sharesOfSums
    // Half a step is evenly spread, numbers over their power of two: √(∫u² / ∫x²) of the largest share is 1/√7.
    let mean = Float(0x1p-11 / 7.0.squareRoot())
    #expect(shares.values.allSatisfy { abs($0 - mean) < 1e-9 }, "\(shares)")
    let attention = ["q_norm", "k_norm"].map { "block1.self_attn." + $0 }
    let layers = ["block0.", "block1."].flatMap { [$0 + "input_layernorm", $0 + "post_attention_layernorm"] }
    #expect(Set(shares.keys) == Set(["final_norm"] + layers + attention))
    let noise = StateNoise(steps: ["embed": 0.5, "logits": 0.25])
    var states: [Float] = [1, -2, 8]
    try noise.correct("final_norm", tokens: 0..<1, width: 2, &states)
    #expect([0.75, 1.25].contains(states[0]) && [-1.5, -2.5].contains(states[1]) && states[2] == 8)
    try noise.correct("logits", tokens: 0..<1, width: 3, &states)
    #expect(states[2] == 8)
  }

  @Test(
    "a last norm that is a thousandth off fails in a GGUF file of the trained hybrid",
    .enabled(if: Fixtures.trainedQwen35 != nil))
  func lastNorm() throws {
    let scratch = ScratchFolder()
    let folder = try #require(Fixtures.trainedQwen35)
    try Workflow.convert(folder + "/mlx-2bit", scratch["dense"], to: .dense)
    // 0.0163 was measured, and 0.0036 for embeddings and head rounded to F16.
    for (factor, passes) in [(Float(1), true), (1.001, false)] {
      var model = ChangedModel(scratch["dense"])
      let place = try #require(model.file.tensors.firstIndex { $0.name == "model.norm.weight" })
      let dtype = try #require(DType(rawValue: model.file.tensors[place].dtype))
      let stored = model.file.tensors[place].bytes
      let values = DenseValues.floats(stored.span.bytes, dtype).map { (1 + $0) * factor - 1 }
      (model.file.tensors[place].dtype, model.file.tensors[place].bytes) = ("F32", FloatBytes.f32(values))
      let path = model.write(scratch["m\(passes)"])
      try Workflow.convert(path, scratch["\(passes).gguf"], to: .gguf) {
        $0.gguf.weights = .f32
        $0.gguf.hasTokenizer = false
      }
      let request = ValidateRequest(
        path: scratch["\(passes).gguf"], against: folder + "/reference/unpacked/logits.safetensors")
      let result = try ValidateWorkflow(request).run()
      #expect(result.passed == passes, "\(result.gates)")
    }
  }
}
