// Tritsmith: numbers in blocks, against bytes of ggml's own reference.

import Testing
import TritCore
import TritFormats
import TritLayouts
import TritTestSupport

@Suite("Blocks of dense numbers")
struct BlockCodecTests {
  /// `Fixtures/Golden/q6_k.safetensors`, made by `quantize_row_q6_K_ref` and `dequantize_row_q6_K`.
  private struct Golden {
    var values: [Float]
    var blocks: [UInt8]
    var decoded: [Float]

    init() throws {
      let file = try GoldenCases("q6_k.safetensors")
      values = try file.floats("values").values
      decoded = try file.floats("decoded").values
      blocks = try #require(try file.bytes("blocks"))
    }
  }

  @Test("Q6_K has ggml's bytes and ggml's values, to the last bit")
  func q6() throws {
    let golden = try Golden()
    #expect(golden.values.count == 38 * 256 && golden.blocks.count == 38 * 210)
    let encoded = Q6_K.encode(golden.values)
    for block in 0..<38 {
      let bytes = 210 * block..<210 * (block + 1)
      #expect(Array(encoded[bytes]) == Array(golden.blocks[bytes]), "block \(block)")
    }
    let decoded = Q6_K.decode(golden.blocks.span.bytes)
    #expect(decoded.map(\.bitPattern) == golden.decoded.map(\.bitPattern))
  }

  @Test("what ggml's reference did to a number lies within the bound of its block")
  func boundHolds() throws {
    let golden = try Golden()
    let bytes = golden.blocks.span.bytes
    for index in golden.values.indices {
      let block = bytes.extracting(index / 256 * 210..<(index / 256 + 1) * 210)
      let bound = Q6_K.bound(golden.values[index], at: index % 256, in: block)
      let change = abs(Double(golden.values[index]) - Double(golden.decoded[index]))
      #expect(change <= bound, "element \(index): \(change) above \(bound)")
    }
  }

  @Test("one code off is beyond the bound, in Q6_K and Q8_0")
  func boundIsTight() throws {
    var generator = SeededGenerator(seed: 66)
    let values = (0..<256).map { _ in Float(Int64(generator.next() % 2001) - 1000) / 1000 }
    for codec in BlockCodecs.writable {
      let bytes = codec.encode(values)
      let decoded = codec.decode(bytes.span.bytes)
      var caught = 0
      for index in values.indices {
        let first = index / codec.blockElements * codec.blockBytes
        let block = bytes.span.bytes.extracting(first..<first + codec.blockBytes)
        // Neighbours of the number's level: the smallest distance to another number of its group.
        let group = codec.blockElements == 256 ? 16 : 32
        let others = decoded[index / group * group..<index / group * group + group]
        let step = others.filter { $0 != decoded[index] }.map { abs($0 - decoded[index]) }.min() ?? 0
        guard step > 0 else { continue }
        let bound = codec.bound(values[index], at: index % codec.blockElements, in: block)
        for wrong in [decoded[index] - 2 * step, decoded[index] + 2 * step] {
          caught += abs(Double(values[index]) - Double(wrong)) > bound ? 1 : 0
        }
      }
      // Numbers beyond the last level may lie up to two steps further off: a few of 512 at most.
      #expect(caught >= 490, "\(codec.name): \(caught)")
    }
  }

  @Test("no number makes a codec trap: NaN, infinities, the largest and smallest", arguments: [0, 1])
  func robust(_ which: Int) {
    let codec = BlockCodecs.writable[which]
    let hard: [Float] = [
      .nan, .infinity, -.infinity, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .leastNonzeroMagnitude, 0, -0.0,
      1e30, 65504, 1e-38,
    ]
    for value in hard {
      for other in hard {
        let values = (0..<256).map { $0 % 3 == 0 ? value : other }
        let bytes = codec.encode(values)
        #expect(bytes.count == 256 / codec.blockElements * codec.blockBytes)
        #expect(codec.decode(bytes.span.bytes).count == 256)
      }
    }
    var generator = SeededGenerator(seed: 3)
    let noise = generator.bytes(7 * codec.blockBytes)
    #expect(codec.decode(noise.span.bytes).count == 7 * codec.blockElements)
  }

  @Test("blocks are counted whole, and known by name and number")
  func registry() {
    #expect(Q6_K.byteCount(elements: 512) == 420 && Q6_K.byteCount(elements: 300) == nil)
    #expect(Q8_0.byteCount(elements: 64) == 68 && Q8_0.byteCount(elements: 33) == nil)
    for codec in BlockCodecs.all {
      #expect(TensorEncoding.opaque(codec.name).blockCodec?.ggmlType == codec.ggmlType)
      let type = GGMLType.type(codec.ggmlType)
      #expect(type?.name == codec.name && type?.blockBytes == codec.blockBytes)
      #expect(type?.blockElements == codec.blockElements)
    }
    #expect(BlockCodecs.writable.map { $0.name } == ["Q8_0", "Q6_K"])
    #expect(TensorEncoding.opaque("Q4_K").writableBlockCodec == nil && TensorEncoding.opaque("Q4_K").blockCodec != nil)
    #expect(TensorEncoding.opaque("Q3_K").blockCodec == nil && TensorEncoding.dense(.f32).blockCodec == nil)
  }
}
