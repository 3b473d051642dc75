// Tritsmith: the smallest models that run.

import TritCore
import TritFormats
import TritTestSupport

/// Models of one layer, 8 wide, with a vocabulary of 16, written without the code under test.
enum TinyModel {
  private static let shapes: [(name: String, rows: Int, columns: Int)] = [
    ("self_attn.q_proj", 8, 8), ("self_attn.k_proj", 4, 8), ("self_attn.v_proj", 4, 8), ("self_attn.o_proj", 8, 8),
    ("mlp.gate_proj", 16, 8), ("mlp.up_proj", 16, 8), ("mlp.down_proj", 8, 16),
  ]

  /// bfloat16 with bits that differ from element to element, all between −1 and 1.
  private static func bf16(_ name: String, _ shape: [Int]) -> RawTensor {
    let bytes = (0..<shape.reduce(1, *)).flatMap { index -> [UInt8] in
      let sign = index / 2 % 2 == 0 ? 0 : 0x80
      return [UInt8(truncatingIfNeeded: 37 * index), UInt8(0x3E + index % 2 + sign)]
    }
    return RawTensor(name, "BF16", shape, bytes)
  }

  private static var common: [RawTensor] {
    [
      bf16("model.embed_tokens.weight", [16, 8]), bf16("model.layers.0.input_layernorm.weight", [8]),
      bf16("model.layers.0.post_attention_layernorm.weight", [8]), bf16("model.norm.weight", [8]),
    ]
  }

  /// A Llama of dense weights.
  static var plain: ModelFolderBuilder {
    ModelFolderBuilder(
      common + shapes.map { bf16("model.layers.0.\($0.name).weight", [$0.rows, $0.columns]) },
      configuration: "{}")
  }

  /// A BitNet of packed trits; every byte is valid.
  static var ternary: ModelFolderBuilder {
    var tensors = common
    tensors.append(bf16("model.layers.0.self_attn.attn_sub_norm.weight", [8]))
    tensors.append(bf16("model.layers.0.mlp.ffn_sub_norm.weight", [16]))
    for shape in shapes {
      let name = "model.layers.0.\(shape.name).weight"
      let codes = (0..<shape.rows / 4 * shape.columns).map { UInt8([0x00, 0x55, 0xAA, 0x19, 0x86][$0 % 5]) }
      tensors.append(RawTensor(name, "U8", [shape.rows / 4, shape.columns], codes))
      tensors.append(RawTensor(name + "_scale", "BF16", [1], [0x40, 0x3F]))
    }
    return ModelFolderBuilder(tensors, configuration: "{}")
  }

  /// A matrix and a norm as MLX packs them: 2 bits in groups of 32, biases −scale.
  static var mlx: ModelFolderBuilder {
    let name = "model.layers.0.self_attn.q_proj"
    let half = [UInt8](repeating: 0, count: 8).enumerated().map { $0.offset % 2 == 0 ? 0 : 0x38 as UInt8 }
    let words = (0..<64).map { UInt8([0x24, 0x49, 0x92][$0 % 3]) }
    return ModelFolderBuilder(
      [
        RawTensor(name + ".weight", "U32", [4, 4], words), RawTensor(name + ".scales", "F16", [4, 2], half + half),
        RawTensor(name + ".biases", "F16", [4, 2], (half + half).map { $0 == 0x38 ? 0xB8 : $0 }),
        bf16("model.norm.weight", [8]),
      ],
      configuration: """
        {
          "architectures": ["LlamaForCausalLM"], "model_type": "llama",
          "quantization": {"group_size": 32, "bits": 2, "mode": "affine"}
        }
        """)
  }

  /// Two shards with three tensors: `a` and `b` in the first, `c.weight` in the second.
  static func writeShards(_ folder: String) {
    Disk.makeFolder(folder)
    let first = RawModelFile([bf16("a", [4, 4]), bf16("b", [2])])
    Disk.write(first.serialized, folder + "/model-00001-of-00002.safetensors")
    Disk.write(RawModelFile([bf16("c.weight", [8, 8])]).serialized, folder + "/model-00002-of-00002.safetensors")
  }

  /// A byte-level tokenizer: the 256 stand-ins of bytes, two merges, one special token.
  static let tokenizer: [UInt8] = {
    let printable = Array(0x21...0x7E) + Array(0xA1...0xAC) + Array(0xAE...0xFF)
    let scalars = printable + (0..<256 - printable.count).map { 0x100 + $0 }
    var vocab = JSONObject()
    for (id, value) in scalars.enumerated() {
      guard let scalar = UnicodeScalar(value) else { continue }
      vocab.entries.append(.init(key: String(Character(scalar)), value: .number(JSONNumber(id))))
    }
    vocab.entries.append(.init(key: "ab", value: 256))
    vocab.entries.append(.init(key: "aba", value: 257))
    return file(vocab, merges: ["a b", "ab a"], special: 258)
  }()

  /// A tokenizer of eight letters, whose ids the vocabulary of these models holds.
  static let letters: [UInt8] = {
    var vocab = JSONObject()
    for (id, letter) in "abcdefgh".enumerated() {
      vocab.entries.append(.init(key: String(letter), value: .number(JSONNumber(id))))
    }
    return file(vocab, merges: [], special: 8)
  }()

  private static func file(_ vocab: JSONObject, merges: [JSONValue], special: Int) -> [UInt8] {
    let root: JSONObject = [
      "version": "1.0", "truncation": .null, "padding": .null,
      "added_tokens": .array([
        .object([
          "id": .number(JSONNumber(special)), "content": "<|bos|>", "single_word": false, "lstrip": false,
          "rstrip": false,
          "normalized": false, "special": true,
        ])
      ]),
      "normalizer": .null,
      "pre_tokenizer": .object([
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
      ]),
      "post_processor": .null, "decoder": .object(["type": "ByteLevel"]),
      "model": .object(["type": "BPE", "vocab": .object(vocab), "merges": .array(merges)]),
    ]
    return JSONValue.object(root).serialized()
  }
}

/// Puts the digest of a TritPack file right, so that damage reaches the checks behind it.
enum TritPackSeal {
  /// Nil when the header is not where the preamble says.
  static func sealed(_ bytes: [UInt8]) -> [UInt8]? {
    guard bytes.count >= 64 else { return nil }
    func integer(_ place: Int) -> UInt64 { (0..<8).reduce(0) { $0 | UInt64(bytes[place + $1]) << UInt64(8 * $1) } }
    guard let offset = Int(exactly: integer(16)), let length = Int(exactly: integer(24)), offset >= 64,
      offset <= bytes.count, length <= bytes.count - offset
    else { return nil }
    let digest = SHA256.digest(of: Array(bytes[..<32]) + Array(bytes[offset..<offset + length])).bytes
    return Array(bytes[..<32]) + digest + Array(bytes[64...])
  }
}
