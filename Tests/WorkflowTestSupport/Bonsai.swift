// Tritsmith tests: a trained model with a scale for each 128 weights, as other programs wrote it.

import Testing
import TritConversion
import TritCore
import TritTestSupport

/// Two matrices of a trained model as F16 numbers trit × scale, and as other programs' blocks
/// (`Fixtures/Golden/README.md`).
package enum Bonsai {
  package static let layouts: [GGUFWeightType] = [.q2, .pq2, .ptq1]
  package static let unpacked = Fixtures.golden("bonsai_unpacked.safetensors")
  package static let key = "model.layers.0.self_attn.k_proj.weight"
  package static let value = "model.layers.0.self_attn.v_proj.weight"

  package static func path(_ file: String) -> String { Fixtures.golden("gguf/bonsai_\(file).gguf") }

  /// The file of another program in a type.
  package static func path(_ weights: GGUFWeightType) -> String { path(weights.rawValue.lowercased()) }

  /// Blocks of `attn_k` and `attn_v` as another program wrote them, by row.
  package static func blocks(_ weights: GGUFWeightType) throws -> [String: [[UInt8]]] {
    let tensors = try ggufTensors(path(weights))
    return Dictionary(
      uniqueKeysWithValues: tensors.filter { $0.name.hasSuffix("attn_k.weight") || $0.name.hasSuffix("attn_v.weight") }
        .map { tensor in
          let width = tensor.bytes.count / 256
          return (
            String(tensor.name.dropFirst(6).dropLast(7)),
            (0..<256).map { Array(tensor.bytes[$0 * width..<($0 + 1) * width]) }
          )
        })
  }

  /// A Llama model all of whose matrices are one of the two, embedding and head too.
  package static func folder(_ path: String) -> String {
    let golden = RawModelFile(reading: unpacked).tensors
    func matrix(_ name: String, _ of: String) -> RawTensor {
      RawTensor(name, "F16", [256, 256], golden[name: of].bytes)
    }
    func norm(_ name: String) -> RawTensor {
      RawTensor(name, "F16", [256], FloatBytes.f16((0..<256).map { 0.5 + Float($0 % 7) / 64 }))
    }
    let prefix = "model.layers.0."
    let configuration = """
      {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "mlp_bias": false,
        "hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 2, "head_dim": 128, "vocab_size": 256, "max_position_embeddings": 512,
        "tie_word_embeddings": false, "attention_bias": false, "torch_dtype": "float16", "rms_norm_eps": 1e-06,
        "rope_theta": 10000.0
      }
      """
    return ModelFolderBuilder(
      [
        matrix("model.embed_tokens.weight", key), matrix("lm_head.weight", value),
        matrix(prefix + "self_attn.q_proj.weight", value), matrix(prefix + "self_attn.k_proj.weight", key),
        matrix(prefix + "self_attn.v_proj.weight", value), matrix(prefix + "self_attn.o_proj.weight", key),
        matrix(prefix + "mlp.gate_proj.weight", value), matrix(prefix + "mlp.up_proj.weight", key),
        matrix(prefix + "mlp.down_proj.weight", value), norm("model.norm.weight"),
        norm(prefix + "input_layernorm.weight"), norm(prefix + "post_attention_layernorm.weight"),
      ], configuration: configuration
    ).write(path)
  }

  /// Rows of a GGUF file's tensor: for query and key, row p·64 + i of a head of 128 stands at 2i + p.
  package static func expected(_ stored: String, _ blocks: [String: [[UInt8]]]) throws -> [UInt8] {
    let isKey = ["token_embd", "blk.0.attn_k", "blk.0.attn_output", "blk.0.ffn_up"].contains(stored)
    let rows = try #require(blocks[isKey ? "attn_k" : "attn_v"])
    guard stored.hasSuffix("attn_q") || stored.hasSuffix("attn_k") else { return rows.flatMap { $0 } }
    return (0..<256).flatMap { place in
      let (head, inside) = (place / 128, place % 128)
      return rows[head * 128 + inside % 2 * 64 + inside / 2]
    }
  }

  package static let matrices = [
    "token_embd", "output", "blk.0.attn_q", "blk.0.attn_k", "blk.0.attn_v", "blk.0.attn_output", "blk.0.ffn_gate",
    "blk.0.ffn_up", "blk.0.ffn_down",
  ]

  /// Matrices whose bytes are not those of the other program's blocks.
  package static func wrong(_ path: String, _ weights: GGUFWeightType) throws -> [String] {
    let blocks = try blocks(weights)
    let written = try ggufTensors(path)
    return try matrices.filter { name in
      let tensor = written.first { $0.name == name + ".weight" }
      return try tensor?.type != weights.rawValue || tensor?.bytes != expected(name, blocks)
    }
  }

  /// A copy of one of the files under an architecture nobody knows.
  package static func stranger(_ source: String, _ path: String) throws {
    var bytes = Disk.bytes(source)
    let name = Array("qwen3".utf8)
    let key = Array("general.architecture".utf8)
    let start = try #require((0..<bytes.count - key.count).first { Array(bytes[$0..<$0 + key.count]) == key })
    // After the key: the number of its type, the length of the text, the text.
    let text = start + key.count + 12
    #expect(Array(bytes[text..<text + 5]) == name)
    bytes.replaceSubrange(text..<text + 5, with: Array("qwenX".utf8))
    Disk.write(bytes, path)
  }
}

extension Workflow {
  /// To a GGUF file without a vocabulary.
  @discardableResult
  package static func bonsai(
    _ input: String, _ output: String, _ weights: GGUFWeightType,
    _ change: (inout ConversionRequest) -> Void = { _ in }
  ) throws -> ConversionResult {
    try convert(input, output, to: .gguf) {
      $0.gguf.weights = weights
      $0.gguf.hasTokenizer = false
      change(&$0)
    }
  }
}
