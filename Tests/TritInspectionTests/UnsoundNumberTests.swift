// Tritsmith tests: numbers that loaders refuse or make NaN of, and that are read here.

import Testing
import TritCore
import TritFormats
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Unsound numbers")
struct UnsoundNumberTests {
  private static let up = "model.layers.1.mlp.up_proj.weight"

  // MARK: - Biases of MLX

  /// mlx computes code × scale + bias: another bias is another weight, NaN is NaN.
  @Test(
    "a bias that is not −scale is no equal model, whichever side has it",
    arguments: [[UInt8(0x00), 0x7E], [0x00, 0x7C], [0x00, 0x3C]])
  func biases(_ bytes: [UInt8]) throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Bonsai.folder(scratch["source"]), scratch["mlx"], to: .mlx)
    var model = ChangedModel(scratch["mlx"])
    let name = try #require(model.file.tensors.first { $0.name.hasSuffix("up_proj.biases") }?.name)
    let last = model.file[name].bytes.count - 2
    model.file[name].bytes.replaceSubrange(last..<last + 2, with: bytes)
    let bad = model.write(scratch["bad"])
    for (first, second) in [(scratch["mlx"], bad), (bad, scratch["mlx"])] {
      #expect((try? Workflow.compare(first, second).isSame) != true)
    }
    #expect(try Workflow.compare(bad, bad).isSame, "the same bytes")
    #expect(try Workflow.compare(scratch["mlx"], scratch["mlx"]).isSame)
  }

  // MARK: - Divisors of 0

  /// transformers computes input / (input_scale · weight_scale): 0/0 in every logit.
  @Test("a divisor of 0 over zeros differs from a sound one, both ways, and a conversion writes a sound one")
  func zeroDivisor() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    model.file[Self.up].bytes = model.file[Self.up].bytes.map { _ in 0x55 }
    let sound = model.write(scratch["sound"])
    model.file[Self.up + "_scale"].bytes = [0, 0]
    let zero = model.write(scratch["zero"])
    for (first, second) in [(sound, zero), (zero, sound)] {
      let compared = try Workflow.compare(first, second)
      #expect(!compared.isSame && compared.tensors.filter { $0.outcome == .different }.map(\.name) == [Self.up])
      #expect(try !Workflow.verify(first, second).passed)
      let family = try FamilyWorkflow(FamilyRequest(paths: [first, second])).run()
      #expect(family.proofs.allSatisfy { !$0.holds })
    }
    #expect(try Workflow.compare(zero, zero).isSame)
    #expect(throws: (any Error).self) { try RunnableModel(zero, RunOptions()) }

    let result = try Workflow.convert(zero, scratch["packed"], to: .hfPacked)
    let warnings = result.plan.warnings
    #expect(warnings.contains { $0.contains("scale-unusable") && $0.contains(Self.up) }, "\(warnings)")
    // bf16(1/bf16(1e-5)), which onebitllms stores for zeros: 99840.
    let written = RawModelFile(reading: scratch["packed"] + "/model.safetensors")[Self.up + "_scale"]
    #expect(written.dtype == "BF16" && written.bytes == [0xC3, 0x47])
    #expect(try Workflow.compare(sound, scratch["packed"]).isSame)
    #expect(try Workflow.check(scratch["packed"]).passed)
    for (name, target) in [("a.gguf", ConversionTarget.gguf), ("a.tritpack", .tritpack), ("dense", .dense)] {
      try Workflow.convert(zero, scratch[name], to: target)
      #expect(try Workflow.compare(sound, scratch[name]).isSame, "\(name)")
      #expect(try Workflow.check(scratch[name]).passed, "\(name)")
    }
  }

  @Test("a factor of 0 over zeros stays as good as any other")
  func zeroFactor() throws {
    let scratch = ScratchFolder()
    let name = "model.layers.1.mlp.down_proj.weight"
    var model = ChangedModel(Checkpoint.packed)
    model.file[name].bytes = model.file[name].bytes.map { _ in 0x55 }
    let sound = model.write(scratch["sound"])
    model.file[name + "_scale"].bytes = model.file[name + "_scale"].bytes.map { _ in 0 }
    let zero = model.write(scratch["zero"])
    #expect(try Workflow.compare(sound, zero).isSame && Workflow.compare(zero, sound).isSame)
    #expect(try Workflow.check(zero).passed)
  }

  // MARK: - Types of GGUF keys

  private static let wrongTypes: [(String, MetadataValue, MetadataValue)] = [
    ("llama.attention.layer_norm_rms_epsilon", .float64(1e-6), .float32(1e-6)),
    ("llama.rope.freq_base", .float64(1_000_042), .float32(1_000_042)),
    ("llama.block_count", .uint64(4), .uint32(4)), ("llama.block_count", .int32(4), .uint32(4)),
    ("llama.attention.head_count", .uint16(4), .uint32(4)), ("llama.context_length", .uint64(512), .uint32(512)),
    ("llama.rope.dimension_count", .int32(64), .uint32(64)), ("tokenizer.ggml.bos_token_id", .uint64(1), .uint32(1)),
    ("tokenizer.ggml.bos_token_id", .int32(1), .uint32(1)),
    ("llama.attention.head_count_kv", .array(.uint32([2, 2, 2, 2, 2])), .uint32(2)),
    ("llama.attention.head_count_kv", .array(.int64([2, 2, 2, 2])), .uint32(2)),
  ]

  /// `GKV::get_kv` throws "key … has wrong type"; `get_key_or_arr` "wrong array length".
  @Test("a type or length that llama.cpp refuses is a warning, and a conversion to GGUF writes the one it takes")
  func keyTypes() throws {
    let scratch = ScratchFolder()
    let start = scratch["start.gguf"]
    try Workflow.convert(Checkpoint.prequantized, start, to: .gguf)
    let entries = try FormatRegistry.open(start).manifest.entries
    #expect(try Workflow.check(start).findings.isEmpty)
    for (number, (key, wrong, right)) in Self.wrongTypes.enumerated() {
      // The file's own number where it has one, so that nothing but the type changes.
      let own = entries.first { $0.key == key }?.value ?? right
      let value = Self.typed(own, like: wrong)
      let path = try ChangedGGUF.write(start, scratch["\(number).gguf"]) { entries in
        entries.removeAll { $0.key == key }
        entries.append(MetadataEntry(key, value))
      }
      let found = try Workflow.check(path).findings
      #expect(found.map(\.rule) == [.keyType] && found.first?.subject == key, "\(key): \(found)")
      #expect(found.first?.severity == .warning)
      let output = scratch["\(number)-out.gguf"]
      try Workflow.convert(path, output, to: .gguf)
      #expect(try FormatRegistry.open(output).manifest.entry(key) == own, "\(key)")
      #expect(try Workflow.compare(start, output).isSame, "\(key)")
    }
  }

  /// A value in the type of another.
  private static func typed(_ value: MetadataValue, like other: MetadataValue) -> MetadataValue {
    let number = value.integer ?? 0
    return switch other {
    case .float64: .float64(value.double ?? 0)
    case .uint64: .uint64(UInt64(clamping: number))
    case .int32: .int32(Int32(clamping: number))
    case .uint16: .uint16(UInt16(clamping: number))
    case .array(.uint32(let list)): .array(.uint32(list.map { _ in UInt32(clamping: number) }))
    case .array(.int64(let list)): .array(.int64(list.map { _ in Int64(number) }))
    default: other
    }
  }

  @Test("values that no type of llama.cpp holds are refused; lists of a right length, and other ids, are let alone")
  func keyValues() throws {
    func misfits(_ key: String, _ value: MetadataValue) -> [GGUFKeyMisfit] {
      GGUFKeyMisfit.all([
        MetadataEntry("general.architecture", .string("llama")), MetadataEntry("llama.block_count", .uint32(4)),
        MetadataEntry(key, value),
      ])
    }
    for (key, value) in [
      ("tokenizer.ggml.eos_token_id", .uint64(1 << 32)), ("llama.context_length", .int32(-1)),
      ("llama.rope.freq_base", .float64(1e300)), ("llama.attention.layer_norm_rms_epsilon", .float64(1e-60)),
      ("llama.feed_forward_length", .array(.uint32([1, 2, 3]))),
    ] as [(String, MetadataValue)] {
      let found = misfits(key, value)
      #expect(found.count == 1 && found.first?.key == key && found.first?.value == nil, "\(key): \(found)")
      #expect(throws: GGUFModelError.self) {
        try GGUFKeyMisfit.mended(
          [
            MetadataEntry("general.architecture", .string("llama")), MetadataEntry("llama.block_count", .uint32(4)),
            MetadataEntry(key, value),
          ], file: "a.gguf")
      }
    }
    for (key, value) in [
      ("llama.feed_forward_length", .array(.uint32([1, 2, 3, 4]))),
      ("llama.attention.head_count_kv", .array(.int32([2, 2, 2, 2]))), ("tokenizer.ggml.cls_token_id", .uint64(1)),
      ("tokenizer.ggml.token_type", .array(.int32([1]))), ("qwen3.rope.freq_base", .float64(1)),
      ("llama.something", .uint64(1)),
    ] as [(String, MetadataValue)] {
      #expect(misfits(key, value).isEmpty, "\(key)")
    }
    #expect(misfits("tokenizer.ggml.token_type", .array(.uint32([1]))).first?.value == .array(.int32([1])))
  }
}
