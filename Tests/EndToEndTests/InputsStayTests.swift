// Tritsmith: no option replaces a file the command reads, and limits of the system are errors.

import Testing
import TritCore
import TritTestSupport

@Suite("Inputs stay")
struct InputsStayTests {
  /// A model, a download cache of it, an adapter, a patch, texts: everything a command may read.
  private static func inputs(_ scratch: ScratchFolder) -> String {
    let folder = scratch["d"]
    Disk.makeFolder(folder)
    for name in ["prequantized", "bitnet", "bfloat16"] {
      Disk.copyFolder(Fixtures.checkpoint("falcon-e-tiny/" + name), to: folder + "/" + name)
    }
    Disk.copyFolder(folder + "/bitnet", to: folder + "/blobs")
    for inner in ["hub", "hub/snapshots"] { Disk.makeFolder(folder + "/" + inner) }
    Disk.makeFolder(folder + "/hub/snapshots/r")
    Disk.copyFolder(folder + "/bitnet", to: folder + "/hub/blobs")
    for name in Disk.names(folder + "/hub/blobs") {
      Disk.link(folder + "/hub/snapshots/r/" + name, to: "../../blobs/" + name)
    }
    Disk.write("5 6 7 8 9\n", folder + "/ids")
    Disk.write(String(repeating: "In the beginning ", count: 20), folder + "/text")
    _ = Model.adapter(folder + "/adapter")
    Tool.expect(0, ["diff", folder + "/prequantized", folder + "/bfloat16", "-o", folder + "/patch", "-q"])
    return folder
  }

  /// Commands whose output is one of their inputs; `D` stands for the folder.
  static let aims = [
    "inspect D/bitnet --html D/bitnet/model.safetensors", "inspect D/bitnet --html D/bitnet/config.json",
    "inspect D/bitnet/model.safetensors --html D/bitnet/tokenizer.json",
    "inspect D/bitnet --sibling D/bfloat16 --html D/bfloat16/model.safetensors",
    "inspect D/hub/snapshots/r --html D/hub/blobs/model.safetensors",
    "inspect D/bitnet --tensor model.norm.weight --raw D/bitnet/model.safetensors",
    "inspect D/bitnet/model.safetensors --tensor model.norm.weight --raw D/bitnet/tokenizer.json",
    "inspect D/hub/snapshots/r --tensor model.norm.weight --raw D/hub/blobs/model.safetensors",
    "gap D/bfloat16 D/bitnet --ids-file D/ids --html D/ids", "gap D/bfloat16 D/bitnet --text-file D/text --html D/text",
    "gap D/bfloat16 D/bitnet --text D/text --html D/text",
    "logits D/bitnet --ids-file D/ids -o D/ids", "logits D/bitnet --ids 5 -o D/bitnet/tokenizer.json",
    "logits D/hub/snapshots/r --ids 5 -o D/hub/blobs/config.json",
    "convert D/hub/snapshots/r D/hub/blobs/model.safetensors --to hf-packed",
    "convert D/hub/snapshots/r D/hub/blobs --to dense", "convert D/bitnet/model.safetensors D/bitnet --to dense",
    "convert D/bitnet/model.safetensors D/bitnet/tokenizer.json --to tritpack",
    "convert D/bitnet D/q --to tritpack --certificate D/bitnet/config.json",
    "convert D/prequantized D/q --to hf-packed --plan D/prequantized/config.json",
    "diff D/prequantized D/bfloat16 -o D/prequantized/model.safetensors",
    "diff D/hub/snapshots/r D/bfloat16 -o D/hub/blobs/model.safetensors", "apply D/prequantized D/patch -o D/patch",
    "apply D/prequantized D/patch -o D/prequantized", "merge D/prequantized D/adapter D/adapter",
    "merge D/prequantized D/adapter D/adapter/adapter_model.safetensors",
  ]

  @Test("an output that is an input is refused, whatever the option")
  func refused() {
    let scratch = ScratchFolder()
    let folder = Self.inputs(scratch)
    let before = FolderSnapshot(folder)
    for aim in Self.aims {
      let words = aim.split(separator: " ").map { word in
        word.hasPrefix("D/") ? folder + word.dropFirst() : String(word)
      }
      let result = Tool.run(words + ["--force", "-q"])
      #expect(result.exitCode == 64, "\(aim): \(result.summary)")
      #expect(FolderSnapshot(folder) == before, "\(aim)")
    }
  }

  @Test("hundreds of shards are read with few descriptors")
  func manyShards() {
    let scratch = ScratchFolder()
    let folder = scratch["sharded"]
    Disk.makeFolder(folder)
    let layers = 33
    var tensors = [("model.embed_tokens.weight", [8, 8]), ("model.norm.weight", [8]), ("lm_head.weight", [8, 8])]
    for layer in 0..<layers {
      let names = ["q", "k", "v", "o"].map { "self_attn.\($0)" } + ["gate", "up", "down"].map { "mlp.\($0)" }
      tensors += names.map { ("model.layers.\(layer).\($0)_proj.weight", [8, 8]) }
      tensors += ["input", "post_attention"].map { ("model.layers.\(layer).\($0)_layernorm.weight", [8]) }
    }
    #expect(tensors.count == 300)
    var map: [String] = []
    for (index, (name, shape)) in tensors.enumerated() {
      let file = "model-\(index).safetensors"
      let values = (0..<shape.reduce(1, *)).map { Float(($0 * 37 + index) % 101 - 50) / 256 }
      Disk.write(
        RawModelFile([RawTensor(name, "BF16", shape, FloatBytes.bf16(values))]).serialized, folder + "/" + file)
      map.append("\"\(name)\": \"\(file)\"")
    }
    Disk.write("{\"weight_map\": {\(map.joined(separator: ", "))}}", folder + "/model.safetensors.index.json")
    Disk.write(
      """
      {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": 8,
        "intermediate_size": 8, "num_hidden_layers": \(layers), "num_attention_heads": 1, "num_key_value_heads": 1,
        "vocab_size": 8, "max_position_embeddings": 64, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
        "tie_word_embeddings": false, "hidden_act": "silu"
      }
      """, folder + "/config.json")
    let matrices = tensors.count { $0.1.count == 2 }
    for limit in [32, 256] {
      for words in [
        ["convert", folder, scratch["out"], "--to", "hf-packed", "--force"], ["verify", folder, scratch["out"]],
        // A shard for each matrix; norms find room together.
        ["convert", folder, scratch["dense"], "--to", "dense", "--max-shard-size", "200B", "--force"],
      ] {
        let script = "ulimit -n \(limit); exec \"$0\" \"$@\""
        let result = ProcessRunner().run("/bin/sh", ["-c", script, BuiltProducts.tritsmith] + words)
        #expect(result.exitCode == 0, "\(limit): \(result.summary)")
      }
      #expect(Disk.names(scratch["dense"]).count { $0.hasSuffix(".safetensors") } == matrices)
    }
  }

  @Test("a file that standard input or output leads to is an input like any other")
  func streams() {
    let scratch = ScratchFolder()
    let folder = Self.inputs(scratch)
    let before = FolderSnapshot(folder)
    for line in [
      "logits bitnet --text - -o text --force < text",
      "gap bfloat16 bitnet --text-file - --html text --force < text",
      "inspect bitnet --html - >> bitnet/config.json",
      "gap bfloat16 bitnet --text In --html - >> bfloat16/config.json",
      "inspect bitnet --tensor model.norm.weight --raw - 1<> bitnet/model.safetensors",
    ] {
      let script = "cd \"$1\" && exec \"$0\" \(line) -q"
      let result = ProcessRunner().run("/bin/sh", ["-c", script, BuiltProducts.tritsmith, folder])
      #expect(result.exitCode == 64, "\(line): \(result.summary)")
      #expect(FolderSnapshot(folder) == before, "\(line)")
    }
  }

  @Test("a worker's report replaces nothing but reports")
  func reports() {
    let scratch = ScratchFolder()
    let (model, plan) = (scratch["plan.part-1-of-1.json"], scratch["plan"])
    Tool.expect(0, ["convert", Model.bitnet, scratch["m.gguf"], "--to", "gguf", "-q"])
    Disk.write(Disk.bytes(scratch["m.gguf"]), model)
    Tool.expect(0, ["convert", model, scratch["out.tritpack"], "--plan", plan, "-q"])
    Tool.expect(64, ["convert", "--plan", plan, "--worker", "1/1", "-q"])
    #expect(Disk.bytes(model) == Disk.bytes(scratch["m.gguf"]))
    // Something else of that name is no report either.
    Tool.expect(0, ["convert", Model.bitnet, scratch["n.tritpack"], "--plan", scratch["n"], "-q"])
    let place = scratch["n.part-1-of-1.json"]
    Disk.write(Disk.bytes(scratch["m.gguf"]), place)
    Tool.expect(73, ["convert", "--plan", scratch["n"], "--worker", "1/1", "-q"])
    #expect(Disk.bytes(place) == Disk.bytes(scratch["m.gguf"]))
    // One of a worker is, also a damaged one.
    let other = scratch["other"]
    Tool.expect(0, ["convert", Model.bitnet, scratch["o.tritpack"], "--plan", other, "-q"])
    Tool.expect(0, ["convert", "--plan", other, "--worker", "1/1", "-q"])
    let report = scratch["other.part-1-of-1.json"]
    Disk.write(Array(Disk.bytes(report).dropLast(40)), report)
    Tool.expect(0, ["convert", "--plan", other, "--worker", "1/1", "-q"])
    Tool.expect(0, ["convert", "--plan", other, "--finish", "-q"])
  }

  @Test("logits and hidden states have names of their own")
  func twoOutputs() {
    let scratch = ScratchFolder()
    let words = ["logits", Model.bitnet, "--ids", "5 6", "--hidden", "-q", "-o"]
    Tool.expect(64, words + [scratch["hidden_prompt0.safetensors"]])
    #expect(Disk.names(scratch.path) == [])
    Tool.expect(0, words + [scratch["hidden_prompt1.safetensors"]])
    #expect(Disk.names(scratch.path) == ["hidden_prompt0.safetensors", "hidden_prompt1.safetensors"])
  }

  @Test("too few descriptors, and files that may not be so large, are errors")
  func limits() {
    let scratch = ScratchFolder()
    for limit in ["-n 4", "-n 8", "-f 8"] {
      let script = "ulimit \(limit); exec \"$0\" \"$@\""
      let words = ["convert", Model.falcon, scratch["out"], "--to", "hf-packed", "-q"]
      let result = ProcessRunner().run("/bin/sh", ["-c", script, BuiltProducts.tritsmith] + words)
      #expect(result.exitCode == 74, "\(limit): \(result.summary)")
      #expect(result.errors.contains("what to do"), "\(result.errors)")
      #expect(Disk.names(scratch.path) == [], "\(limit)")
    }
  }
}
