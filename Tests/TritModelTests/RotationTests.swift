// Tritsmith tests: what keys of rotated weights may say.

import Testing
import TritCore
import TritFormats

@testable import TritModel

/// Keys of a small Qwen3.5 file with rotated weights, and its tensors; every test changes one thing.
struct RotatedFile {
  var keys: [(key: String, value: MetadataValue)] = [
    ("version", .uint32(1)), ("block_size", .uint32(4)), ("transform", .string("normalized-sylvester-walsh-hadamard")),
    ("axis", .string("input-last-dimension")), ("sign_mode", .string("explicit")),
    ("sign_widths", .array(.int32([8, 16]))),
    ("sign_values", .array(.int32([1, -1, 1, 1, -1, -1, 1, -1] + [Int32](repeating: -1, count: 16)))),
    ("weight_names", .array(.string(["blk.0.ffn_down.weight", "output.weight", "blk.0.ssm_out.weight"]))),
    ("inverse_weight_names", .array(.string(["token_embd.weight"]))), ("gdn_v_grouped", .bool(true)),
    ("tied_output", .bool(false)),
  ]
  var others: [(key: String, value: MetadataValue)] = [
    ("general.architecture", .string("qwen35")), ("qwen35.ssm.group_count", .uint32(2)),
    ("qwen35.ssm.time_step_rank", .uint32(4)),
  ]
  var tensors: [(name: String, dimensions: [Int])] = [
    ("token_embd.weight", [10, 8]), ("output.weight", [10, 8]), ("blk.0.ffn_down.weight", [8, 16]),
    ("blk.0.ssm_out.weight", [8, 8]), ("blk.0.attn_norm.weight", [8]),
  ]

  subscript(key: String) -> MetadataValue? {
    get { keys.first { $0.key == key }?.value }
    set {
      keys.removeAll { $0.key == key }
      if let newValue { keys.append((key, newValue)) }
    }
  }

  var manifest: ModelManifest {
    var manifest = ModelManifest(
      format: GGUFFormat.id, path: "a.gguf", files: [],
      tensors: tensors.compactMap { tensor in
        TensorShape(tensor.dimensions).map {
          TensorDescriptor(
            name: tensor.name, shape: $0, encoding: .dense(.f16),
            location: TensorLocation(file: 0, offset: 0, byteCount: 2 * $0.elementCount))
        }
      })
    manifest.entries =
      others.map { MetadataEntry($0.key, $0.value) } + keys.map { MetadataEntry("prism.hadamard." + $0.key, $0.value) }
    return manifest
  }
}

@Suite("Keys of rotated weights")
struct RotationTests {
  @Test("the keys are read as they are meant")
  func read() throws {
    let rotation = try #require(try WeightRotation(RotatedFile().manifest))
    #expect(rotation.version == 1 && rotation.blockSize == 4)
    #expect(rotation.products == ["blk.0.ffn_down.weight", "blk.0.ssm_out.weight", "output.weight"])
    #expect(rotation.embeddings == ["token_embd.weight"])
    #expect(rotation.signs?[8] == [1, -1, 1, 1, -1, -1, 1, -1] && rotation.signs?[16]?.count == 16)
    #expect(rotation.valueHeads == WeightRotation.ValueHeads(groups: 2, heads: 4))
    var plain = RotatedFile()
    plain.keys = []
    #expect(try WeightRotation(plain.manifest) == nil)
    var identity = RotatedFile()
    identity["sign_mode"] = .string("identity")
    // gguf-py cannot write an empty list of numbers; others write one of texts.
    identity["sign_widths"] = .array(.string([]))
    identity["sign_values"] = nil
    #expect(try #require(try WeightRotation(identity.manifest)).signs == nil)
    // So it does for the order of value heads, which two of them to a group have two of.
    #expect(rotation.assumption == nil)
    var unordered = RotatedFile()
    unordered["gdn_v_grouped"] = nil
    let unsaid = try #require(try WeightRotation(unordered.manifest))
    #expect(unsaid.valueHeads == nil && unsaid.assumption?.hasPrefix("prism.hadamard.gdn_v_grouped is missing") == true)
    unordered["gdn_v_grouped"] = .bool(false)
    #expect(try WeightRotation(unordered.manifest)?.assumption == nil)
    unordered["gdn_v_grouped"] = nil
    unordered.others[1].value = .uint32(4)
    #expect(try WeightRotation(unordered.manifest)?.assumption == nil, "a group for each value head has one order")
    unordered.others[1].value = .uint32(2)
    unordered["weight_names"] = .array(.string(["blk.0.ffn_down.weight"]))
    #expect(try WeightRotation(unordered.manifest)?.assumption == nil, "nothing that has value heads is rotated")
    // The loader asks for the list of embeddings only if it is there, and gguf-py cannot write an empty one.
    var unlisted = RotatedFile()
    unlisted["inverse_weight_names"] = nil
    let plainEmbedding = try #require(try WeightRotation(unlisted.manifest))
    #expect(plainEmbedding.embeddings.isEmpty && plainEmbedding.products == rotation.products)
    var tied = RotatedFile()
    tied["version"] = .uint32(2)
    tied["tied_output"] = .bool(true)
    tied["weight_names"] = .array(.string(["blk.0.ffn_down.weight"]))
    tied.tensors.removeAll { $0.name == "output.weight" }
    #expect(try WeightRotation(tied.manifest)?.version == 2)
  }

  /// A change that makes the keys unsound, and the key the error must name.
  struct Lie: Sendable, CustomTestStringConvertible {
    var name: String
    var field: String
    var change: @Sendable (inout RotatedFile) -> Void
    var testDescription: String { name }
  }

  static func lie(_ field: String, _ value: MetadataValue?, _ name: String) -> Lie {
    Lie(name: name, field: field) { $0[field] = value }
  }

  static let lies: [Lie] = [
    lie("version", nil, "no version"), lie("version", .uint32(3), "version 3"),
    Lie(name: "version 2 without the word", field: "tied_output") { $0["version"] = .uint32(2) },
    Lie(name: "a tied head beside a head", field: "tied_output") {
      $0["version"] = .uint32(2)
      $0["tied_output"] = .bool(true)
    },
    lie("block_size", .uint32(0), "blocks of 0"),
    lie("block_size", .uint32(6), "blocks of 6"), lie("block_size", .uint64(1 << 63), "blocks of 2^63"),
    lie("block_size", .string("4"), "a size in words"), lie("transform", .string("walsh"), "another transform"),
    lie("axis", .string("rows"), "another axis"), lie("axis", nil, "no axis"),
    Lie(name: "signs beside the word that there are none", field: "sign_widths") {
      $0["sign_mode"] = .string("identity")
    },
    lie("sign_mode", .string("seeded"), "a mode nobody knows"),
    Lie(name: "signs beyond the widths", field: "sign_values") { $0["sign_widths"] = .array(.int32([8])) },
    Lie(name: "widths whose sum overflows", field: "sign_values") {
      $0["sign_widths"] = .array(.int64([8, .max - 3]))
    },
    Lie(name: "no signs for a width", field: "sign_widths") {
      $0["sign_widths"] = .array(.int32([8]))
      $0["sign_values"] = .array(.int32([Int32](repeating: 1, count: 8)))
    },
    lie("sign_widths", .array(.int32([8, 8, 8])), "a width twice"),
    lie("sign_widths", .array(.int32([6, 18])), "widths that are no whole blocks"),
    lie("sign_widths", nil, "no widths"), lie("sign_values", nil, "no signs"),
    lie("sign_values", .array(.int32([Int32](repeating: 1, count: 23))), "a sign too few"),
    lie("sign_values", .array(.int32([Int32](repeating: 1, count: 25))), "a sign too many"),
    lie("sign_values", .array(.int32([Int32](repeating: 2, count: 24))), "signs that are 2"),
    lie("sign_values", .array(.float32([Float](repeating: 1, count: 24))), "signs that are no whole numbers"),
    lie("weight_names", nil, "no names"), lie("weight_names", .string("output.weight"), "a name alone"),
    lie("weight_names", .array(.string(["blk.0.attn_norm.weight"])), "a norm"),
    lie("weight_names", .array(.string(["blk.1.ffn_down.weight"])), "a tensor that is not there"),
    lie("weight_names", .array(.string(["output.weight", "output.weight"])), "a name twice"),
    lie("weight_names", .array(.string(["token_embd.weight"])), "the embedding among products"),
    lie("inverse_weight_names", .array(.string(["output.weight"])), "a product among embeddings"),
    lie("inverse_weight_names", .string("token_embd.weight"), "an embedding that is no list"),
    Lie(name: "version 2 without a rotated embedding", field: "tied_output") {
      $0["version"] = .uint32(2)
      $0["tied_output"] = .bool(true)
      $0["inverse_weight_names"] = nil
      $0.tensors.removeAll { $0.name == "output.weight" }
      $0["weight_names"] = .array(.string(["blk.0.ffn_down.weight"]))
    },
    lie("gdn_v_grouped", .uint8(1), "a number for a flag"),
    lie("tied_output", .bool(true), "a tied head in version 1"), lie("seed", .uint32(1), "a key nobody knows"),
    Lie(name: "a head that is missing and not said to be tied", field: "tied_output") {
      $0.tensors.removeAll { $0.name == "output.weight" }
      $0["weight_names"] = .array(.string(["blk.0.ffn_down.weight"]))
    },
    Lie(name: "a key twice", field: "axis") { $0.keys.append(("axis", .string("input-last-dimension"))) },
    Lie(name: "rows of half a block", field: "block_size") { file in
      file.tensors = file.tensors.map { ($0.name, $0.name == "output.weight" ? [10, 6] : $0.dimensions) }
    },
    Lie(name: "value heads that groups do not share", field: "gdn_v_grouped") {
      $0.others[2].value = .uint32(3)
    },
  ]

  @Test("what is not known, missing or contradicts is an error that names the key", arguments: lies)
  func refuses(_ lie: Lie) throws {
    var file = RotatedFile()
    lie.change(&file)
    do {
      _ = try WeightRotation(file.manifest)
      Issue.record("accepted")
    } catch {
      #expect(error.kind.speaksOfRotation && error.location.field == "prism.hadamard." + lie.field, "\(error)")
      #expect(error.location.file == "a.gguf" && error.remedy != nil)
    }
  }

  @Test("a size in words is called a text, not a size that is wrong")
  func sizeInWords() {
    var file = RotatedFile()
    file["block_size"] = .string("4")
    let error = #expect(throws: GGUFModelError.self) { try WeightRotation(file.manifest) }
    #expect(error?.summary.contains("the text '4'") == true, "\(error?.description ?? "")")
  }

  @Test("families whose graphs do not rotate are refused")
  func families() {
    var file = RotatedFile()
    file.others[0].value = .string("gemma3")
    #expect(throws: GGUFModelError.self) { try WeightRotation(file.manifest) }
  }

  @Test("a number of groups of another type, or 0, is not missing")
  func groups() {
    func refusal(_ value: MetadataValue?) -> GGUFModelError.Kind? {
      var file = RotatedFile()
      file.others.removeAll { $0.key == "qwen35.ssm.group_count" }
      if let value { file.others.append(("qwen35.ssm.group_count", value)) }
      return #expect(throws: GGUFModelError.self) { try WeightRotation(file.manifest) }?.kind
    }
    #expect(refusal(nil) == .missingKey("qwen35.ssm.group_count"))
    #expect(refusal(.string("2")) == .badValue(expected: "a whole number above 0", found: "the text '2'"))
    #expect(refusal(.uint32(0)) == .badValue(expected: "a whole number above 0", found: "0"))
  }

  @Test("heads of a delta net come back in turns")
  func order() {
    // Heads 0…3 of two columns in two groups: in turns they stand as group 0, group 1, group 0, group 1.
    let order = WeightRotation.ValueHeads(groups: 2, heads: 4).order(columns: 8)
    #expect(order == [0, 1, 4, 5, 2, 3, 6, 7])
  }

  @Test("a row is unfolded by its signs and H, by the definition of both", arguments: [1, 4, 8])
  func unfolding(_ size: Int) {
    let signs: [Int8] = [1, -1, 1, 1, -1, -1, 1, -1]
    let row: [Float] = [1, 2, -3, 0.5, 0, 4, -1, 2.25]
    let found = RowUnfolding(blockSize: size, signs: signs, order: nil).row(row)
    for column in row.indices {
      let block = column / size * size
      let sum = (0..<size).reduce(0.0) {
        $0 + Double(row[block + $1]) * Hadamard.entry(row: $1, column: column - block, size: size)
      }
      #expect(abs(Double(found[column]) - sum * Double(signs[column])) <= 1e-6)
    }
    #expect(RowUnfolding(blockSize: 1, signs: nil, order: [7, 6, 5, 4, 3, 2, 1, 0]).row(row) == row.reversed())
  }

  // MARK: - The form of MLX

  private static let mlx = """
    {"model_type": "prism_hadamard_qwen35", "schema_version": 2, "tensor_namespace": "mlx-vlm-qwen3_5",
     "base_model_type": "qwen3_5", "gdn_activation_layout": "grouped",
     "quantization": {"bits": 2, "group_size": 128, "mode": "affine"},
     "modules": [{"path": "language_model.lm_head", "embedding": false, "dtype": "float16", "block": 512},
                 {"path": "language_model.model.embed_tokens", "embedding": true, "dtype": "float16", "block": 0}]}
    """

  private static func mlx(_ old: String = "", _ new: String = "") throws -> MLXRotation? {
    let text = old.isEmpty ? mlx : mlx.replacing(old, with: new)
    return try MLXRotation(try #require(try JSONValue.parse(Array(text.utf8)).object), file: "config.json")
  }

  @Test("the configuration of MLX is read")
  func configuration() throws {
    let rotation = try #require(try Self.mlx())
    #expect(rotation.schemaVersion == 2 && rotation.modules.map(\.blockSize) == [512, 0])
    #expect(rotation.modules.map(\.isEmbedding) == [false, true])
    #expect(try Self.mlx("prism_hadamard_qwen35", "qwen3") == nil)
    var manifest = ModelManifest(format: FormatID(rawValue: "safetensors"), path: "folder", files: [], tensors: [])
    manifest.configuration = try JSONValue.parse(Array(Self.mlx.utf8)).object
    #expect(throws: ModelError.self) { try HeadersOnly(manifest: manifest).description() }
  }

  @Test(
    "and checked",
    arguments: [
      ("\"schema_version\": 2", "\"schema_version\": 3"), ("\"schema_version\": 2, ", ""),
      ("mlx-vlm-qwen3_5", "mlx-lm-text"), ("\"qwen3_5\"", "\"qwen3\""), ("grouped", "tiled"),
      ("\"bits\": 2", "\"bits\": 4"), ("affine", "mxfp4"), ("\"mode\": \"affine\"", "\"mode\": \"affine\", \"x\": 1"),
      ("512", "500"), ("512", "-512"), ("float16", "bfloat16"), ("\"embedding\": true, ", ""),
      ("language_model.model.embed_tokens", "language_model.lm_head"), ("modules", "module"),
    ])
  func badConfiguration(_ old: String, _ new: String) {
    #expect(throws: ModelError.self) { try Self.mlx(old, new) }
  }
}

/// A source of nothing but a manifest.
private struct HeadersOnly: TensorSource {
  var manifest: ModelManifest

  func description() throws -> ModelDescription { try ModelDescription.read(self) }

  func withBytes<Result>(
    _ range: Range<Int>, of tensor: TensorDescriptor, _ body: (RawSpan) throws -> Result
  ) throws -> Result { throw Absent() }
  func readsInPlace(_ tensor: TensorDescriptor) -> Bool { false }
  func release(_ range: Range<Int>, of tensor: TensorDescriptor) {}
  func scale(of tensor: TensorDescriptor) throws -> TernaryScale { throw Absent() }
  func companion(named name: String) throws -> [UInt8] { throw Absent() }
  func checkUnchanged() throws {}

  private struct Absent: Error {}
}
