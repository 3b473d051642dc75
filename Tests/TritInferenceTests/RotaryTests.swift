// Tritsmith tests: rotary embeddings against transformers.

import Testing
import TritCore
import TritTestSupport

@testable import TritModel

@Suite("Rotary embeddings are those of transformers")
struct RotaryTests {
  /// Fixtures/Golden/rope.json: the configuration keys of every case of rope.safetensors.
  static let names = [
    "default_64_10000", "falcon_e_128", "default_5x_128", "linear_64", "linear_5x_64", "llama3_1_128", "llama3_2_64",
    "llama3_5x_128", "llama3_small_32", "yarn_bonsai_128", "yarn_older_64", "yarn_5x_64", "yarn_mscale_64",
    "yarn_step_8",
    "longrope_long_16", "longrope_short_16", "longrope_attention_16",
  ]

  @Test("frequencies and angles, read from either generation of keys", arguments: names)
  func golden(_ name: String) throws {
    let file = try ReferenceFile(Fixtures.golden("rope.safetensors"))
    var keys = try #require(try json(Fixtures.golden("rope.json")).object?[name]?.object)
    let head = try #require(keys["head_dim"]?.number?.integer)
    keys.entries.removeAll { $0.key == "head_dim" }
    var reader = ConfigurationReader(keys, file: "config.json")
    let rotary = try RotaryEmbedding.read(
      &reader, defaultTheta: 10000, RotaryEmbedding.Sizes(headDimension: head, contextLength: 131072))
    try reader.finish()

    let positions = try file.integers("positions")
    let frequencies = rotary.frequencies(headDimension: head)
    let expected = try file.floats(name + ".inv_freq")
    let found = frequencies.values(of: (positions.max() ?? 0) + 1)
    #expect(found.count == expected.count)
    // Torch's Float power may be one unit off the rounded one, and scaling multiplies it.
    for (found, wanted) in zip(found, expected) {
      #expect(abs(found - wanted) <= 2 * wanted.ulp, "\(found), not \(wanted)")
    }
    let cosines = try file.floats(name + ".cos")
    let sines = try file.floats(name + ".sin")
    let torch = RotaryFrequencies(short: expected, long: expected, originalContext: .max, factor: frequencies.factor)
    // From torch's own frequencies the angle is the same Float; its cosine is within two units of 1, times the factor.
    let bound: Float = frequencies.factor == 1 ? 1.2e-7 : 2.4e-7
    for (row, position) in positions.enumerated() {
      let range = row * head / 2..<(row + 1) * head / 2
      let angles = torch.angles(first: position, count: 1, of: 1)
      #expect(Difference(angles.cosines, Array(cosines[range])).largest <= bound, "\(position)")
      #expect(Difference(angles.sines, Array(sines[range])).largest <= bound, "\(position)")
    }
  }

  @Test("llama3 as a list of divisors, and the list as llama3 again")
  func divisors() throws {
    let cases: [(Llama3Divisors, theta: Double, head: Int)] = [
      (Llama3Divisors(factor: 8, low: 1, high: 4, original: 8192), 500_000, 128),
      (Llama3Divisors(factor: 32, low: 1, high: 4, original: 8192), 500_000, 64),
      (Llama3Divisors(factor: 4, low: 1, high: 2, original: 256), 10000, 32),
      (Llama3Divisors(factor: 2.5, low: 1, high: 3, original: 3000), 1_000_042, 80),
    ]
    for (settings, theta, head) in cases {
      let list = settings.values(theta: theta, headDimension: head)
      #expect(Llama3Divisors(list, theta: theta, headDimension: head) == settings)
      // One number off, and it is a list of its own.
      var other = list
      other[head / 4] *= 1.01
      #expect(Llama3Divisors(other, theta: theta, headDimension: head) == nil)
      // By its divisors every frequency is what transformers makes of it.
      let plain = RotaryEmbedding(theta: theta).frequencies(headDimension: head).short
      let scaled = RotaryEmbedding(theta: theta, scaling: settings.scaling).frequencies(headDimension: head).short
      for (index, divisor) in list.enumerated() {
        #expect(abs(plain[index] / divisor - scaled[index]) <= 4 * scaled[index].ulp)
      }
    }
    #expect(Llama3Divisors([], theta: 10000, headDimension: 0) == nil)
    #expect(Llama3Divisors([1, 1], theta: 10000, headDimension: 4) == nil)
  }

  @Test("the list above is the whole file")
  func complete() throws {
    let keys = try #require(try json(Fixtures.golden("rope.json")).object)
    #expect(Set(keys.entries.map(\.key)) == Set(RotaryTests.names))
  }
}
