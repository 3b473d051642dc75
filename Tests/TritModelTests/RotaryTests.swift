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
    "llama3_5x_128", "llama3_small_32",
  ]

  @Test("frequencies and angles, read from either generation of keys", arguments: names)
  func golden(_ name: String) throws {
    let file = try ReferenceFile(Fixtures.golden("rope.safetensors"))
    var keys = try #require(try json(Fixtures.golden("rope.json")).object?[name]?.object)
    let head = try #require(keys["head_dim"]?.number?.integer)
    keys.entries.removeAll { $0.key == "head_dim" }
    var reader = ConfigurationReader(keys, file: "config.json")
    let rotary = try RotaryEmbedding.read(&reader, defaultTheta: 10000)
    try reader.finish()

    let frequencies = rotary.inverseFrequencies(headDimension: head)
    let expected = try file.floats(name + ".inv_freq")
    #expect(frequencies.count == expected.count)
    for (found, wanted) in zip(frequencies, expected) {
      // Torch's Float power may be one unit off the rounded one, and scaling multiplies it.
      #expect(abs(found - wanted) <= 2 * wanted.ulp, "\(found), not \(wanted)")
    }
    let cosines = try file.floats(name + ".cos")
    let sines = try file.floats(name + ".sin")
    for (row, position) in try file.integers("positions").enumerated() {
      let range = row * head / 2..<(row + 1) * head / 2
      let angles = rotary.angles(first: position, count: 1, expected)
      // From torch's own frequencies the angle is the same Float; its cosine is within two units of 1.
      #expect(Difference(angles.cosines, Array(cosines[range])).largest <= 1.2e-7, "\(position)")
      #expect(Difference(angles.sines, Array(sines[range])).largest <= 1.2e-7, "\(position)")
    }
  }

  @Test("the list above is the whole file")
  func complete() throws {
    let keys = try #require(try json(Fixtures.golden("rope.json")).object)
    #expect(Set(keys.entries.map(\.key)) == Set(RotaryTests.names))
  }
}
