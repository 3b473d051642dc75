// Tritsmith: weights with a scale for each row or group, recognised, decoded a second time, and converted.

import Testing
import TritCore
import TritFormats
import TritKernels
import TritLayouts
import TritQuantizers
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Weights with scales of groups")
struct GroupedWeightTests {
  /// A matrix of Floats as safetensors bytes of a type.
  private static func tensor(_ values: [Float], _ rows: Int, _ columns: Int, _ dtype: DType) -> RawTensor {
    let bytes = values.flatMap { value -> [UInt8] in
      switch dtype {
      case .bf16: LittleEndian.bytes(UInt16(value.bitPattern >> 16))
      case .f16: LittleEndian.bytes(HalfFloat(value).bits)
      default: LittleEndian.bytes(value.bitPattern)
      }
    }
    return RawTensor("model.layers.0.mlp.up_proj.weight", dtype.rawValue, [rows, columns], bytes)
  }

  /// Trits with a scale for every `size` columns, no two neighbouring scales alike, exact in bfloat16 and F16.
  private static func values(_ rows: Int, _ columns: Int, size: Int) -> [Float] {
    var generator = SeededGenerator(seed: UInt64(size + columns))
    return (0..<rows * columns).map { index in
      let group = index / columns * ((columns - 1) / size + 1) + index % columns / size
      return Float(Int(generator.next() % 3) - 1) * Float(group % 7 + 1) / 64
    }
  }

  private func recognised(_ tensor: RawTensor) throws -> (TernaryScale?, [Int8]) {
    let scratch = ScratchFolder()
    Disk.write(RawModelFile([tensor]).serialized, scratch["model.safetensors"])
    let source = try SafetensorsSource(path: scratch["model.safetensors"])
    let weight = try TernaryWeight(
      source, source.manifest.tensors[0], quantizer: AbsMean.float32,
      work: WorkOptions(parallelism: Parallelism(threads: 2)))
    guard case .recognised(_, let scale) = weight.origin else { return (nil, []) }
    return (scale, try weight.trits(weight.tensor.shape.band(0..<tensor.shape[0])))
  }

  @Test(
    "groups are found in every type, the largest that holds in all rows",
    arguments: [(DType.bf16, 512), (.f16, 512), (.f32, 512), (.f16, 320), (.bf16, 64)])
  func granularity(_ dtype: DType, _ columns: Int) throws {
    for size in [32, 64, 128, 256, 1024] {
      let rows = 9
      let values = Self.values(rows, columns, size: size)
      let (scale, trits) = try recognised(Self.tensor(values, rows, columns, dtype))
      let found = try #require(scale)
      #expect(found.granularity == (size < columns ? .group(columns: size) : .row), "\(size) of \(columns)")
      #expect(found.storage == dtype && found.convention == .multiply)
      #expect(trits == values.map { $0 > 0 ? 1 : $0 < 0 ? -1 : 0 })
      #expect(found.grid(columns: columns).values(trits, firstRow: 0) == values)
    }
  }

  @Test("rows that samples do not see decide as well", arguments: [DType.f16, .f32])
  func unsampledRows(_ dtype: DType) throws {
    // Of 32 rows each second one is sampled.
    func found(_ even: Int, _ odd: Int) throws -> ScaleGranularity? {
      let (one, other) = (Self.values(32, 512, size: even), Self.values(32, 512, size: odd))
      var values: [Float] = []
      for row in 0..<32 {
        let rows = row % 2 == 0 ? one : other
        values += rows[row * 512..<(row + 1) * 512]
      }
      return try recognised(Self.tensor(values, 32, 512, dtype)).0?.granularity
    }
    #expect(try found(128, 64) == .group(columns: 64))
    #expect(try found(256, 128) == .group(columns: 128))
    #expect(try found(1024, 128) == .group(columns: 128))
    #expect(try found(64, 256) == .group(columns: 64))
    #expect(try found(128, 32) == .group(columns: 32))
    #expect(try found(32, 64) == .group(columns: 32))
    #expect(try found(128, 16) == nil)
  }

  @Test("an infinity among ternary weights is named", arguments: [DType.f16, .bf16, .f32])
  func infinity(_ dtype: DType) throws {
    var values = Self.values(40, 256, size: 128)
    // All of the last group but each third, which then has one magnitude; the first of them is no third.
    for index in 39 * 256 + 128..<40 * 256 { values[index] = index % 3 == 0 ? 0 : .infinity }
    #expect {
      try recognised(Self.tensor(values, 40, 256, dtype))
    } throws: { error in
      if case .notFinite(let index, _)? = (error as? WorkflowError)?.kind { index == 39 * 256 + 128 } else { false }
    }
  }

  @Test("a dense source is held against trits and multipliers number by number", arguments: [DType.f16, .bf16])
  func numbers(_ dtype: DType) throws {
    let (rows, columns, size) = (1100, 256, 128)
    var values = Self.values(rows, columns, size: size)
    // A zero of either sign, and a group of zeros.
    values[3] = -0.0
    for column in 0..<size { values[columns + column] = 0 }
    let trits = values.map { $0 > 0 ? Int8(1) : $0 < 0 ? -1 : 0 }
    let multipliers = (0..<rows * columns / size).map { group in
      values[group * size..<(group + 1) * size].map { abs($0) }.max() ?? 0
    }
    let scratch = ScratchFolder()
    Disk.write(RawModelFile([Self.tensor(values, rows, columns, dtype)]).serialized, scratch["model.safetensors"])
    let source = try SafetensorsSource(path: scratch["model.safetensors"])
    let tensor = source.manifest.tensors[0]
    func agrees(_ trits: [Int8], _ multipliers: [Float]) throws -> Bool? {
      let scale = TernaryScale(
        stored: multipliers, storage: .f16, convention: .multiply, granularity: .group(columns: size))
      return try NumberComparison(source, tensor, packed: scale)?
        .agrees(CancellationFlag()) { Array(trits[$0.elements]) }
    }
    #expect(try agrees(trits, multipliers) == true)
    // Any scale is as good over zeros.
    var other = multipliers
    other[2] = 0.75
    #expect(try agrees(trits, other) == true)
    for index in [0, 3, size - 1, columns, rows * columns / 2, rows * columns - 1] {
      for trit: Int8 in [-1, 0, 1, 2, IndependentDecoder.invalid] where trit != trits[index] {
        var changed = trits
        changed[index] = trit
        #expect(try agrees(changed, multipliers) == false, "\(index): \(trit)")
      }
    }
    for index in [0, 3, multipliers.count - 1] {
      for multiplier in [multipliers[index].nextUp, multipliers[index] * 2, 0, -multipliers[index], .infinity] {
        var changed = multipliers
        changed[index] = multiplier
        #expect(try agrees(trits, changed) != true, "\(index): \(multiplier)")
      }
    }
    // Zeros alone prove nothing of a scale.
    let zeros = [Float](repeating: 0, count: 512)
    Disk.write(RawModelFile([Self.tensor(zeros, 2, 256, dtype)]).serialized, scratch["zeros.safetensors"])
    let empty = try SafetensorsSource(path: scratch["zeros.safetensors"])
    let one = TernaryScale(stored: 1, storage: .f16, convention: .multiply)
    let comparison = try #require(NumberComparison(empty, empty.manifest.tensors[0], packed: one))
    #expect(try !comparison.agrees(CancellationFlag()) { [Int8](repeating: 0, count: $0.count) })
  }

  @Test("one odd weight in the last row, narrow rows and ordinary weights are no ternary ones")
  func others() throws {
    var values = Self.values(40, 256, size: 64)
    let last = try #require(values.lastIndex { $0 != 0 })
    values[last] = values[last].nextUp
    #expect(try recognised(Self.tensor(values, 40, 256, .f32)).0 == nil)
    // One number has one magnitude, whatever it is: rows of fewer than 16 prove nothing.
    let narrow = (0..<64).map { Float($0 + 1) }
    #expect(try recognised(Self.tensor(narrow, 64, 1, .f32)).0 == nil)
    var generator = SeededGenerator(seed: 1)
    let ordinary = (0..<2048).map { _ in Float.random(in: -1...1, using: &generator) }
    #expect(try recognised(Self.tensor(ordinary, 8, 256, .f32)).0 == nil)
    // One scale in all groups is one scale for the tensor, and a row of zeros fits any.
    var uniform = [Float](repeating: 0.5, count: 512)
    for column in 0..<256 { uniform[column] = column % 3 == 0 ? -0.5 : 0 }
    #expect(try recognised(Self.tensor(uniform, 2, 256, .f16)).0?.granularity == .tensor)
    let zeroRow = Self.values(3, 256, size: 128)[..<512] + [Float](repeating: 0, count: 256)
    #expect(try recognised(Self.tensor(Array(zeroRow), 3, 256, .f16)).0?.granularity == .group(columns: 128))
  }

  /// The trits of real files against the signs of the checkpoint they were made from, by the decoder of the audit.
  @Test(
    "the independent decoder reads real files as the unpacked checkpoint has them",
    arguments: ["q2_0", "q2_0_legacy", "pq2_0", "ptq1_0", "tq2_0"])
  func independentDecoder(_ file: String) throws {
    let unpacked = GoldenVectors(Fixtures.golden("bonsai_unpacked.safetensors"))
    let source = try GGUFSource(path: Fixtures.golden("gguf/bonsai_\(file).gguf"))
    for (stored, name) in [("attn_k", "k_proj"), ("attn_v", "v_proj")] {
      let tensor = try #require(source.manifest.tensor(named: "blk.0.\(stored).weight"))
      let expected = unpacked["model.layers.0.self_attn.\(name).weight"].u16.map { bits -> Int8 in
        bits & 0x7FFF == 0 ? 0 : bits >> 15 == 0 ? 1 : -1
      }
      for rows in [0..<tensor.shape.rows, 3..<4, 250..<256] {
        let found = try #require(try IndependentDecoder.trits(tensor.shape.band(rows), of: tensor, in: source))
        #expect(found == Array(expected[rows.lowerBound * 256..<rows.upperBound * 256]), "\(stored) \(rows)")
      }
    }
  }

  /// Codes that are no trit, as another program lists them: each reads as `invalid`, and nothing else does.
  @Test("the independent decoder calls codes of 3 and bytes without digits invalid")
  func invalidCodes() throws {
    let golden = GoldenVectors(Fixtures.golden("grouped.safetensors"))
    let scratch = ScratchFolder()
    func decoded(_ item: String, _ type: UInt32, _ columns: Int) throws -> [Int8] {
      let data = golden[item].bytes
      let rows = golden[item].shape[0]
      let shape = try #require(TensorShape(rows: rows, columns: columns))
      let plan = GGUFPlan(
        entries: [], tensors: [GGUFTensor(name: "a", shape: shape, type: type, byteCount: data.count)])
      Disk.write(plan.header + data, scratch["a.gguf"])
      let source = try GGUFSource(path: scratch["a.gguf"])
      return try #require(
        try IndependentDecoder.trits(shape.band(0..<rows), of: source.manifest.tensors[0], in: source))
    }
    for (item, field, type, columns) in [
      ("g64_code3", "q2_0_g64", UInt32(42), 192), ("g128_code3", "q2_0_g128", 142, 256),
    ] {
      let codes = golden[item + ".codes"].bytes
      #expect(codes.contains(3))
      #expect(
        try decoded("\(item).\(field)", type, columns)
          == codes.map { $0 == 3 ? IndependentDecoder.invalid : Int8($0) - 1 })
    }
    let invalid = try decoded("ptq1_0_invalid.ptq1_0", 143, 128)
    // Byte 3 of the first block and byte 20 of the second, five columns each.
    let places = invalid.indices.filter { invalid[$0] == IndependentDecoder.invalid }
    #expect(places == [3, 19, 35, 51, 67] + [84, 92, 100, 108, 116].map { 128 + $0 })
    let digits = golden["ptq1_0_all_digits.trits"].i8
    #expect(try decoded("ptq1_0_all_digits.ptq1_0", 143, 128) == digits)
  }

  @Test("unpacked weights keep their trits and scales through TritPack, and every statistic tells of groups")
  func throughTritPack() throws {
    let scratch = ScratchFolder()
    let unpacked = Fixtures.golden("bonsai_unpacked.safetensors")
    try Workflow.convert(unpacked, scratch["a.tritpack"], to: .tritpack) { $0.quantize = [Glob("*proj.weight")] }
    let packed = try FormatRegistry.open(scratch["a.tritpack"])
    #expect(packed.manifest.tensors.count == 2)
    for tensor in packed.manifest.tensors {
      #expect(tensor.scale?.granularity == .group(columns: 128) && tensor.scale?.storage == .f16)
    }
    let verified = try Workflow.verify(unpacked, scratch["a.tritpack"])
    #expect(verified.passed)
    let golden = GoldenVectors(unpacked)
    for tensor in packed.manifest.tensors {
      let values = try WeightReader(packed).values(of: tensor.name)
      #expect(values == golden[tensor.name].u16.map { HalfFloat(bits: $0).float })
    }
    // The same numbers by another way: the GGUF file the other program wrote.
    let gguf = try GGUFSource(path: Fixtures.golden("gguf/bonsai_pq2_0.gguf"))
    let scale = try gguf.scale(of: try #require(gguf.manifest.tensor(named: "blk.0.attn_k.weight")))
    let other = try packed.scale(
      of: try #require(packed.manifest.tensor(named: "model.layers.0.self_attn.k_proj.weight")))
    let shape = try #require(TensorShape(rows: 256, columns: 256))
    var live = LiveUnits(ScaleGrid(scale.granularity, other.granularity, shape))
    live.add([Int8](repeating: 1, count: shape.elementCount), shape.band(0..<256))
    #expect(ScaleAgreement(scale, other, live, origin: .either).agrees)
    for path in [unpacked, scratch["a.tritpack"]] {
      let result = try Workflow.inspect(path, statistics: true)
      for tensor in result.tensors {
        let ternary = try #require(tensor.statistics?.ternary)
        #expect(ternary.granularity == .group(columns: 128))
        let signs = golden[tensor.descriptor.name].u16
        #expect(ternary.zero == signs.count { $0 & 0x7FFF == 0 })
        #expect(ternary.positive == signs.count { $0 & 0x7FFF != 0 && $0 >> 15 == 0 })
      }
    }
    let survey = try Workflow.inspect(unpacked).survey
    #expect(survey.kind == .ternaryDense)
    #expect(survey.evidence.contains { $0.contains("group of 128 weights") })
  }

  @Test("what cannot hold the scales is refused, naming the first that do not fit")
  func refusals() throws {
    let scratch = ScratchFolder()
    let unpacked = Fixtures.golden("bonsai_unpacked.safetensors")
    let error = #expect(throws: WorkflowError.self) {
      try Workflow.convert(unpacked, scratch["a"], to: .hfPacked) { $0.quantize = [Glob("*proj.weight")] }
    }
    #expect(error?.kind == .oneScaleOnly(found: "per-group"))
    let shape = try #require(TensorShape(rows: 1, columns: 256))
    let scale = TernaryScale(
      stored: [1, 2], storage: .f16, convention: .multiply, granularity: .group(columns: 128))
    let tensor = TensorDescriptor(
      name: "a", shape: shape, encoding: .dense(.f16), location: TensorLocation(file: 0, offset: 0, byteCount: 512))
    let misfit = #expect(throws: WorkflowError.self) { _ = try TernaryWeight.scale(scale, asHeldBy: TQ2_0(), tensor) }
    #expect(
      misfit?.kind
        == .scalesDiffer(
          ScaleMisfit(row: 0, columns: 0..<256, first: 1, second: 2), layout: "TQ2_0",
          holds: "group of 256 weights"))
    #expect(try TernaryWeight.scale(scale, asHeldBy: Q2_0(.of64), tensor).stored == [1, 1, 2, 2])
  }

  @Test(
    "latents made ternary by groups keep F16 scales, and the audit agrees",
    arguments: ["absmean-group128", "absmean-group64"])
  func absmeanOfGroups(_ quantizer: String) throws {
    let scratch = ScratchFolder()
    var generator = SeededGenerator(seed: 5)
    let latents = (0..<16 * 192).map { _ in Float.random(in: -0.1...0.1, using: &generator) }
    Disk.write(RawModelFile([Self.tensor(latents, 16, 192, .f32)]).serialized, scratch["model.safetensors"])
    try Workflow.convert(scratch["model.safetensors"], scratch["a.tritpack"], to: .tritpack) {
      $0.quantizer = QuantizerID(rawValue: quantizer)
      $0.quantize = [Glob("*weight")]
    }
    let source = try FormatRegistry.open(scratch["a.tritpack"])
    let scale = try source.scale(of: source.manifest.tensors[0])
    let size = quantizer == "absmean-group64" ? 64 : 128
    #expect(scale.granularity == .group(columns: size) && scale.storage == .f16)
    // The rule written out, in Double.
    var expected: [Float] = []
    for row in 0..<16 {
      for start in stride(from: 0, to: 192, by: size) {
        let group = latents[row * 192 + start..<row * 192 + min(192, start + size)]
        let mean = group.reduce(0.0) { $0 + Double($1.magnitude) } / Double(group.count)
        expected.append(HalfFloat(Float(mean)).float)
      }
    }
    #expect(scale.stored == expected)
    #expect(try Workflow.verify(scratch["model.safetensors"], scratch["a.tritpack"]).passed)
  }
}
