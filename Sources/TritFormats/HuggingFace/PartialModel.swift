// Tritsmith: files that change or serve a model and are none.

import TritCore

/// What was given in place of a model.
package enum PartialModel: Sendable, Hashable {
  /// A LoRA adapter as PEFT saves it.
  case loraAdapter
  /// A LoRA adapter in GGUF.
  case ggufAdapter
  /// Another adapter of PEFT, by its `peft_type`.
  case otherAdapter(String)
  /// Another kind of GGUF, by its `general.type`.
  case otherGGUF(String)

  /// One clause for messages.
  package var summary: String {
    switch self {
    case .loraAdapter, .ggufAdapter: "this is a LoRA adapter, which is a model only together with its base"
    case .otherAdapter(let type):
      "this is a PEFT adapter of type \(printable(type, limit: 40)), which is a model only together with its base"
    case .otherGGUF("imatrix"): "this is an importance matrix, which helps to quantize a model and is none"
    case .otherGGUF("mmproj"): "this is the projector of a multimodal model, which goes beside the model's own file"
    case .otherGGUF(let type):
      "this GGUF file says that it is no model: general.type is '\(printable(type, limit: 40))'"
    }
  }

  /// What to do.
  package var remedy: String {
    switch self {
    case .loraAdapter: "'tritsmith merge BASE ADAPTER OUTPUT' adds it to its base; BASE is the prequantized checkpoint"
    case .ggufAdapter:
      "'tritsmith merge BASE ADAPTER OUTPUT' adds it to its base; ADAPTER is the folder PEFT saved, with "
        + "adapter_config.json"
    case .otherAdapter: "merge it with PEFT's merge_and_unload and give the result"
    case .otherGGUF: "name the GGUF file of the model"
    }
  }

  private static let settings = "adapter_config.json"

  /// What a folder without a model's weights holds; nil when nothing says that it is an adapter.
  ///
  /// - Parameter names: of its files.
  init?(folder: String, names: [String]) {
    let weights = names.filter { $0.hasSuffix(".safetensors") }
    guard names.contains(PartialModel.settings), !names.contains(ShardIndex.name),
      weights.allSatisfy({ $0.hasPrefix("adapter") })
    else { return nil }
    let bytes = try? InputFile(path: FileSystem.join(folder, PartialModel.settings), mode: .buffered)
      .contents(limit: 64 << 20)
    let object = bytes.flatMap { try? ConfigurationText.object($0, path: folder) }
    let type = object?["peft_type"]?.string ?? "LORA"
    self = type == "LORA" ? .loraAdapter : .otherAdapter(type)
  }

  /// What tensors of these names are: an adapter has matrices of LoRA and not the weights they are added to.
  init?(tensorNames: [String]) {
    let stems = tensorNames.compactMap(PartialModel.stem)
    guard !stems.isEmpty else { return nil }
    let names = Set(tensorNames.map { ExactString($0) })
    for stem in stems {
      for base in [stem, stem + ".weight", stem + ".base_layer.weight"] where names.contains(ExactString(base)) {
        return nil
      }
    }
    self = .loraAdapter
  }

  /// What follows a module's name in those of LoRA matrices.
  private static let marks = [".lora_A", ".lora_B", ".lora_a", ".lora_b", ".lora_up", ".lora_down", ".lora_embedding_"]

  /// The module a LoRA matrix belongs to, as PEFT, diffusers, MLX and llama.cpp name them.
  private static func stem(_ name: String) -> String? {
    // Every tensor of every model is asked: a search for each mark would cost more than opening does.
    var rest = name.utf8[...]
    while let dot = rest.firstIndex(of: UInt8(ascii: ".")) {
      rest = rest[dot...]
      if rest.starts(with: ".lora_".utf8), marks.contains(where: { rest.starts(with: $0.utf8) }) {
        return String(name[..<dot])
      }
      rest = rest.dropFirst()
    }
    return nil
  }

  /// What a GGUF file's metadata says it is; nil for a model.
  init?(_ header: GGUFHeader) {
    let type = header.value("general.type")?.string
    if type == "adapter" || type == nil && header.value("adapter.type") != nil {
      self = .ggufAdapter
    } else if let type, ["imatrix", "mmproj"].contains(type) {
      self = .otherGGUF(type)
    } else {
      return nil
    }
  }
}
