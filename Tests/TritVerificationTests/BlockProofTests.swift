// Tritsmith tests: numbers in blocks beside the numbers they may have been made of.

import Testing
import TritCore
import TritFormats
import TritLayouts
import TritTestSupport

@testable import TritVerification

@Suite("Blocks held against numbers that are encoded again")
struct BlockProofTests {
  private static func verdict(
    _ codec: any WritableBlockCodec.Type, _ numbers: [Float], _ blocks: [Float], columns: Int = 256
  ) -> BlockProof.Verdict {
    var proof = BlockProof(codec, columns: columns)
    // In two bands, as a file is read.
    let half = numbers.count / 2 / columns * columns
    proof.add(Array(numbers[..<half]), Array(blocks[..<half]))
    proof.add(Array(numbers[half...]), Array(blocks[half...]))
    return proof.verdict
  }

  private static func text(_ verdict: BlockProof.Verdict) -> String? {
    if case .other(let text) = verdict { text } else { nil }
  }

  /// Numbers of all digits between 2⁻⁴ and 2⁻³.
  private static func numbers(_ count: Int) -> [Float] {
    var generator = SeededGenerator(seed: 27)
    return (0..<count).map { _ in
      Float.random(in: 0.0625..<0.125, using: &generator) * (Bool.random(using: &generator) ? 1 : -1)
    }
  }

  private static func floats(_ tensor: RawTensor) -> [Float] {
    LittleEndian.u32s(tensor.bytes).map { Float(bitPattern: $0) }
  }

  /// quantize_row_q8_0_ref of ggml and back: d = max |x| / 127 as F16, codes x / d rounded half away from 0.
  private static func q8(_ values: [Float]) -> [Float] {
    stride(from: 0, to: values.count, by: 32).flatMap { start -> [Float] in
      let block = values[start..<start + 32]
      let scale = (block.map(\.magnitude).max() ?? 0) / 127
      let inverse = scale == 0 ? 0 : 1 / scale
      return block.map { HalfFloat(scale).float * ($0 * inverse).rounded(.toNearestOrAwayFromZero) }
    }
  }

  /// The numbers and blocks of ggml's own reference; 0.1 % is a sixteenth of a step of 6 bits.
  @Test("ggml's blocks of 6 bits are proven, and those of numbers 0.1 % larger are others")
  func golden() throws {
    let file = RawModelFile(reading: Fixtures.golden("q6_k.safetensors"))
    let (values, decoded) = (Self.floats(file["values"]), Self.floats(file["decoded"]))
    #expect(Self.verdict(Q6_K.self, values, decoded) == .proven)
    let larger = Self.text(Self.verdict(Q6_K.self, values.map { $0 * 1.001 }, decoded))
    #expect(larger?.contains("blocks of Q6_K are not what its encoder makes") == true, "\(larger ?? "none")")
  }

  @Test("numbers may have been rounded to a type before they were encoded, or be the blocks' own, rounded")
  func ways() {
    let numbers = Self.numbers(16 * 256)
    let (halves, coarse) = (numbers.map { HalfFloat($0).float }, numbers.map { BFloat16.rounded($0) })
    for source in [numbers, halves, coarse] {
      #expect(Self.verdict(Q8_0.self, numbers, Self.q8(source)) == .proven)
    }
    let blocks = Self.q8(numbers)
    for copy in [blocks, blocks.map { HalfFloat($0).float }, blocks.map { BFloat16.rounded($0) }] {
      #expect(Self.verdict(Q8_0.self, copy, blocks) == .proven)
    }
    // Each half in a way of its own is no way.
    let mixed = Self.q8(Array(numbers[..<2048])) + Self.q8(Array(coarse[2048...]))
    #expect(Self.text(Self.verdict(Q8_0.self, numbers, mixed)) != nil)
  }

  @Test("beside numbers of 16 bits blocks of the source prove little, but no factor hides among them")
  func factor() {
    let numbers = Self.numbers(512 * 256)
    let blocks = Self.q8(numbers)
    // 1 ÷ 1.001 = 0.99900. 0.3 % of the largest numbers is more than the half steps of both types.
    let cases: [(round: (Float) -> Float, factor: Float, expected: String)] = [
      ({ BFloat16.rounded($0) }, 1.003, "a number is further off"), ({ BFloat16.rounded($0) }, 1.001, "times 0.999"),
      ({ HalfFloat($0).float }, 1.001, "times 0.999"),
    ]
    for (round, factor, expected) in cases {
      #expect(Self.verdict(Q8_0.self, numbers.map(round), blocks) == .open)
      let scaled = Self.text(Self.verdict(Q8_0.self, numbers.map { round($0 * factor) }, blocks))
      #expect(scaled?.contains(expected) == true, "\(scaled ?? "none")")
    }
    var turned = numbers.map { BFloat16.rounded($0) }
    turned[300 * 256 + 7].negate()
    let far = Self.text(Self.verdict(Q8_0.self, turned, blocks))
    #expect(far?.contains("in row 300 a number is further off") == true, "\(far ?? "none")")
  }

  /// Beside a large number the scales of small groups are one or two of 128, and the next one is another by half.
  @Test("small numbers beside large ones may lie a step of their group's scale off, in blocks of 6 bits")
  func outliers() {
    let numbers = Self.numbers(512 * 256).enumerated().map { index, number in
      let column = index % 256
      return column == 0 ? number * 64 : number * Float(1 + column * column % 7) / 4
    }
    let bytes = Q6_K.encode(numbers)
    let blocks = Q6_K.decode(bytes.span.bytes)
    for round in [{ BFloat16.rounded($0) }, { HalfFloat($0).float }] as [(Float) -> Float] {
      let verdict = Self.verdict(Q6_K.self, numbers.map(round), blocks)
      #expect(verdict == .open, "\(verdict)")
    }
    var turned = numbers.map { BFloat16.rounded($0) }
    turned[300 * 256].negate()
    let far = Self.text(Self.verdict(Q6_K.self, turned, blocks))
    #expect(far?.contains("in row 300 a number is further off") == true, "\(far ?? "none")")
  }

  /// A step of F16 is 0.1 % at most, so that a scale of 8 bits 0.2 % larger is another one.
  @Test("one group of many that is 0.2 % larger is no rounding of 16 bits, which all groups would show")
  func few() {
    var generator = SeededGenerator(seed: 28)
    let numbers = (0..<1024).flatMap { _ in
      let size = HalfFloat(Float.random(in: 0.0625..<0.125, using: &generator)).float
      return (0..<32).map { $0 * $0 % 7 > 2 ? -size : size }
    }
    var changed = numbers
    for place in 40 * 256 + 32..<40 * 256 + 64 { changed[place] = HalfFloat(changed[place] * 1.002).float }
    let text = Self.text(Self.verdict(Q8_0.self, changed, Self.q8(numbers)))
    let expected = "1 of 1,024 blocks of Q8_0 is not what its encoder makes of the other side's numbers, in row 40"
    #expect(text == expected, "\(text ?? "none")")
  }
}
