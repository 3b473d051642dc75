// Tritsmith tests: NaN and infinity do not pass through a conversion.

import Testing
import TritCore
import TritFormats
import TritLayouts
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritSurvey

@Suite("NaN and infinity")
struct NonFiniteTests {
  // MARK: Bits

  private static func isIn(_ bytes: [UInt8], _ dtype: DType) -> Bool { NonFinite.isIn(bytes.span.bytes, dtype) }

  @Test("every 16-bit pattern, against the standard library", arguments: [DType.bf16, .f16])
  func sixteenBits(_ dtype: DType) {
    var wrong = 0
    for pattern in UInt16.min...UInt16.max {
      let isFinite =
        dtype == .bf16 ? Float(bitPattern: UInt32(pattern) << 16).isFinite : Float16(bitPattern: pattern).isFinite
      if Self.isIn(littleEndianBytes(pattern), dtype) == isFinite { wrong += 1 }
    }
    #expect(wrong == 0)
  }

  @Test("every 16-bit pattern of 2¹⁶ or more, against the standard library; Float16 has none")
  func large() {
    var wrong = 0
    for pattern in UInt16.min...UInt16.max {
      let value = Float(bitPattern: UInt32(pattern) << 16)
      let isLarge = value.isNaN || value.magnitude >= 65536
      let neighbours = littleEndianBytes(pattern) + littleEndianBytes(UInt16(0x477F))
      if NonFinite.isLarge(neighbours.span.bytes, .bf16) != isLarge { wrong += 1 }
      if NonFinite.isLarge(littleEndianBytes(value.bitPattern).span.bytes, .f32) != isLarge { wrong += 1 }
    }
    #expect(wrong == 0)
    #expect(NonFinite.isLarge([0, 0x7C].span.bytes, .f16) == nil)
  }

  @Test("patterns around every exponent, against the standard library")
  func wide() {
    var wrong = 0
    for exponent in 0...255 as ClosedRange<UInt32> {
      for fraction in [0, 1, 0x40_0000, 0x7F_FFFF] as [UInt32] {
        for sign in [0, 1] as [UInt32] {
          let pattern = sign << 31 | exponent << 23 | fraction
          if Self.isIn(littleEndianBytes(pattern), .f32) == Float(bitPattern: pattern).isFinite { wrong += 1 }
        }
      }
    }
    for exponent in 0...2047 as ClosedRange<UInt64> {
      for fraction in [0, 1, 0xF_FFFF_FFFF_FFFF] as [UInt64] {
        let pattern = exponent << 52 | fraction
        if Self.isIn(littleEndianBytes(pattern), .f64) == Double(bitPattern: pattern).isFinite { wrong += 1 }
      }
    }
    #expect(wrong == 0)
  }

  /// The OCP FP8 specification: E4M3 has two NaN and no infinity, E5M2 both; FNUZ has one NaN; E8M0 one.
  @Test(
    "eight bits",
    arguments: [
      (DType.f8E4M3, [0x7F, 0xFF]), (.f8E5M2, [0x7C, 0x7D, 0x7E, 0x7F, 0xFC, 0xFD, 0xFE, 0xFF]), (.f8E4M3FNUZ, [0x80]),
      (.f8E5M2FNUZ, [0x80]), (.f8E8M0, [0xFF]), (.u8, []), (.i8, []),
    ])
  func eightBits(_ dtype: DType, _ bad: [UInt8]) {
    #expect((UInt8.min...UInt8.max).filter { Self.isIn([$0], dtype) } == bad)
  }

  @Test("one bad element at any place among any number", arguments: [DType.bf16, .f32, .f64, .c64])
  func places(_ dtype: DType) throws {
    let width = dtype.bits / 8
    let infinity: [UInt8] =
      switch dtype {
      case .bf16: [0x80, 0xFF]
      case .f64: littleEndianBytes((-Double.infinity).bitPattern)
      default: [UInt8](repeating: 0, count: width - 4) + littleEndianBytes((-Float.infinity).bitPattern)
      }
    for count in 1...19 {
      // Large finite numbers beside it, all bits below the exponent's last place set: a carry would be seen.
      let part = min(width, dtype == .f64 ? 8 : 4)
      let fill = (0..<width).map { $0 % part == part - 1 ? UInt8(0x7E) : 0xFF }
      var bytes = [[UInt8]](repeating: fill, count: count).flatMap { $0 }
      #expect(!Self.isIn(bytes, dtype))
      for place in 0..<count {
        bytes.replaceSubrange(place * width..<(place + 1) * width, with: infinity)
        #expect(Self.isIn(bytes, dtype))
        #expect(NonFinite.first(in: bytes.span.bytes, dtype)?.index == place)
        bytes.replaceSubrange(place * width..<(place + 1) * width, with: fill)
      }
    }
  }

  /// Every cut of five blocks in two at an even place: the one bad scale is found in the part that holds it.
  @Test(
    "scales of blocks",
    arguments: [
      ("Q8_0", 0, 32), ("Q6_K", 208, 256), ("Q4_1", 0, 32), ("Q4_1", 2, 32), ("Q5_K", 0, 256), ("Q5_K", 2, 256),
      ("Q1_0", 0, 128),
    ])
  func blocks(_ name: String, _ scale: Int, _ elements: Int) throws {
    let codec = try #require(BlockCodecs.codec(named: name))
    let blockBytes = codec.blockBytes
    // 0x7BFF is the largest number of f16; every other byte is that of an infinity.
    var sound = [UInt8](repeating: 0x7C, count: 5 * blockBytes)
    for block in 0..<5 {
      for offset in codec.scaleOffsets {
        sound.replaceSubrange(block * blockBytes + offset..<block * blockBytes + offset + 2, with: [0xFF, 0x7B])
      }
    }
    for (bad, pattern) in [(0, [0, 0x7C]), (3, [1, 0xFC]), (4, [0, 0xFC])] as [(Int, [UInt8])] {
      var bytes = sound
      let place = bad * blockBytes + scale
      bytes.replaceSubrange(place..<place + 2, with: pattern)
      for cut in stride(from: 0, through: bytes.count, by: 2) {
        for (data, start) in [(Array(bytes[..<cut]), 0), (Array(bytes[cut...]), cut)] {
          let found = NonFinite.firstScale(in: data.span.bytes, from: start, codec)
          let holds = start <= place && place < start + data.count
          #expect(found?.index == (holds ? bad * elements : nil), "\(cut)")
        }
      }
    }
    #expect(NonFinite.firstScale(in: sound.span.bytes, from: 0, codec) == nil)
  }

  // MARK: Conversions

  private static let table = "model.embed_tokens.weight"

  private static func model(
    _ tensor: String, _ place: Int, _ bytes: [UInt8], from base: String = Checkpoint.prequantized
  )
    -> ChangedModel
  {
    var model = ChangedModel(base)
    model.file[tensor].bytes.replaceSubrange(bytes.count * place..<bytes.count * (place + 1), with: bytes)
    return model
  }

  @Test("a copied tensor that holds one is refused, whatever is written", arguments: ConversionTarget.allCases)
  func refused(_ target: ConversionTarget) throws {
    let scratch = ScratchFolder()
    let base = target == .trainable ? Checkpoint.bitnet : Checkpoint.prequantized
    for (tensor, place, bytes, word) in [
      (Self.table, 5 * 256 + 7, [0xC0, 0x7F] as [UInt8], "nan"), ("model.norm.weight", 7, [0x80, 0x7F], "inf"),
      ("model.layers.2.input_layernorm.weight", 255, [0x80, 0xFF], "-inf"),
    ] {
      let input = Self.model(tensor, place, bytes, from: base).write(scratch["in"])
      let error = #expect(throws: WorkflowError.self) { try Workflow.convert(input, scratch["out"], to: target) }
      #expect(error?.kind == .copiesNotFinite(index: place, value: word))
      #expect(error?.location.tensor == tensor)
      #expect(error?.location.file == input + "/model.safetensors")
      #expect(error?.remedy?.contains("--allow-nonfinite") == true)
      #expect(Disk.names(scratch.path) == ["in"], "nothing was left behind")
      Disk.remove(input)
    }
  }

  @Test("a norm, embedding or head of nothing but zeros is refused", arguments: Meaning.targets)
  func zeros(_ target: ConversionTarget) throws {
    let scratch = ScratchFolder()
    for tensor in ["model.layers.1.input_layernorm.weight", Self.table, "lm_head.weight"] {
      var model = ChangedModel(Checkpoint.bitnet)
      model.file[tensor].bytes = [UInt8](repeating: 0, count: model.file[tensor].bytes.count)
      let input = model.write(scratch["in"])
      let error = #expect(throws: WorkflowError.self) { try Workflow.convert(input, scratch["out"], to: target) }
      #expect(error?.summary.contains("all-zero") == true || error?.summary.contains("values are zero") == true)
      #expect(Disk.names(scratch.path) == ["in"])
      Disk.remove(input)
    }
  }

  @Test("a projection of zeros is a warning")
  func zeroProjection() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.prequantized)
    let name = "model.layers.1.mlp.down_proj.weight"
    model.file[name].bytes = [UInt8](repeating: 0, count: model.file[name].bytes.count)
    let result = try Workflow.convert(model.write(scratch["in"]), scratch["out"], to: .hfPacked)
    #expect(result.warnings == ["tensor.all-zero: \(name): all 196,608 values are zero"])
  }

  @Test("on request it is copied as it is", arguments: [ConversionTarget.hfPacked, .gguf, .tritpack, .dense])
  func carried(_ target: ConversionTarget) throws {
    let scratch = ScratchFolder()
    let input = Self.model(Self.table, 5, [0xC0, 0x7F]).write(scratch["in"])
    let result = try Workflow.convert(input, scratch["out"], to: target) { $0.nonFinite = .carry }
    #expect(result.plan.warnings.contains { $0.contains("NaN and infinity") })
    if target == .hfPacked {
      let written = RawModelFile.tensors(ofFolder: scratch["out"])[name: Self.table]
      #expect(written.bytes == RawModelFile(reading: input + "/model.safetensors")[Self.table].bytes)
    }
  }

  @Test("blocks of a GGUF file that go on as they are", arguments: [GGUFEmbeddingType.q8, .q6])
  func storedBlocks(_ type: GGUFEmbeddingType) throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Fixtures.golden("models/llama256_packed"), scratch["a.gguf"]) {
      $0.gguf.embeddings = type
      $0.gguf.hasTokenizer = false
    }
    let table = try #require(
      GGUFSource(path: scratch["a.gguf"]).manifest.tensors.first { $0.name == "token_embd.weight" })
    // The high byte of the fourth block's scale: 34 bytes begin with it, 210 end with it.
    var bytes = Disk.bytes(scratch["a.gguf"])
    let place = Int(table.location.offset) + (type == .q8 ? 3 * 34 : 3 * 210 + 208)
    bytes.replaceSubrange(place..<place + 2, with: [0, 0x7C])
    Disk.write(bytes, scratch["a.gguf"])
    let error = #expect(throws: WorkflowError.self) {
      try Workflow.gguf(scratch["a.gguf"], scratch["b.gguf"], GGUFStyle(weights: .tq1))
    }
    let value = "of a block whose scale is inf"
    #expect(error?.kind == .copiesNotFinite(index: 3 * (type == .q8 ? 32 : 256), value: value))
    #expect(Disk.names(scratch.path) == ["a.gguf"])
  }
}
