// Tritsmith: dense block types against another implementation's values.

import Testing
import TritCore
import TritTestSupport

@testable import TritLayouts

@Suite("Dense block types")
struct DenseBlockTests {
  private static let golden = GoldenVectors(Fixtures.golden("dense_blocks.safetensors"))

  @Test("values equal those of gguf-py to the bit")
  func values() throws {
    let types = BlockCodecs.all.filter { $0.name != Q1_0.name }
    #expect(types.count == 8)
    for type in types {
      let bytes = Self.golden[type.name + ".bytes"]
      let expected = Self.golden[type.name + ".values"]
      #expect(bytes.bytes.count % type.blockBytes == 0)
      let found = type.decode(bytes.bytes.span.bytes)
      #expect(found.count == expected.f32.count)
      #expect(found.map(\.bitPattern) == expected.f32.map(\.bitPattern), "\(type.name)")
    }
  }

  /// The bytes are those of ggml's C encoder.
  @Test("Q1_0 is plus and minus its scale, never zero", arguments: ["q1_0", "q1_0_one_block"])
  func binary(_ item: String) {
    let golden = GoldenVectors(Fixtures.golden("grouped.safetensors"))
    let signs = golden[item + ".signs"].i8
    let scales = golden[item + ".stored_scales"].u16.map { HalfFloat(bits: $0).float }
    let found = Q1_0.decode(golden[item + ".q1_0"].bytes.span.bytes)
    #expect(found == signs.indices.map { Float(signs[$0]) * scales[$0 / 128] })
  }

  @Test("names, numbers and sizes are those of ggml, and no ternary layout has one of them")
  func registry() {
    let sizes = BlockCodecs.all.map { [Int($0.ggmlType), $0.blockElements, $0.blockBytes] }
    #expect(
      sizes == [
        [2, 32, 18], [3, 32, 20], [6, 32, 22], [7, 32, 24], [8, 32, 34], [12, 256, 144], [13, 256, 176],
        [14, 256, 210],
        [41, 128, 18],
      ])
    let ternary = Set(LayoutRegistry.all.compactMap(\.ggmlType))
    #expect(BlockCodecs.all.allSatisfy { !ternary.contains($0.ggmlType) })
    #expect(BlockCodecs.codec(named: "Q6_K")?.ggmlType == 14)
    #expect(BlockCodecs.codec(named: "q6_k") == nil)
  }
}
