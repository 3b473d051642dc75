// Tritsmith: the built command line tool, as a user has it.

import Testing
import TritCore
import TritTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Runs the tool that was built with the tests.
enum Tool {
  @discardableResult
  static func run(_ arguments: String...) -> ProcessResult { run(arguments) }

  static func run(_ arguments: [String], _ change: (inout ProcessRunner) -> Void = { _ in }) -> ProcessResult {
    var runner = ProcessRunner()
    change(&runner)
    return runner.run(BuiltProducts.tritsmith, arguments)
  }

  /// Runs and ends with `kill -9` after so many seconds, if it is still at work then.
  static func kill(_ arguments: [String], after seconds: Double) -> ProcessResult {
    let began = Platform.monotonicSeconds
    return ProcessRunner().run(BuiltProducts.tritsmith, arguments) { child in
      guard Platform.monotonicSeconds - began >= seconds else { return false }
      child.send(SIGKILL)
      return true
    }
  }

  /// Runs and expects an exit code.
  @discardableResult
  static func expect(
    _ code: Int32, _ arguments: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) -> ProcessResult {
    let result = run(arguments)
    #expect(
      result.exitCode == code, "\(arguments.joined(separator: " ")): \(result.summary)", sourceLocation: sourceLocation)
    return result
  }

  /// Runs with `--format json`, expects success and the schema, and gives the report.
  static func report(
    _ arguments: [String], schema: String, exitCode: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> JSONObject {
    let result = expect(exitCode, arguments + ["--format", "json"], sourceLocation: sourceLocation)
    let object = try #require(
      try JSONValue.parse(Array(result.output.utf8)).object, sourceLocation: sourceLocation)
    #expect(object["schema"]?.string == schema, sourceLocation: sourceLocation)
    // The second version of these tells more than one verdict apart, or programs in a table.
    let changed = [
      "inspect", "metadata", "verify", "compare", "family", "gap", "validate", "convert", "plan", "shard_finish",
    ]
    let second = changed.contains { "tritsmith." + $0 == schema }
    #expect(object["schema_version"]?.number?.integer == (second ? 2 : 1), sourceLocation: sourceLocation)
    expectSnakeCase(.object(object), sourceLocation)
    return object
  }

  private static func expectSnakeCase(_ value: JSONValue, _ sourceLocation: SourceLocation) {
    for element in value.array ?? [] { expectSnakeCase(element, sourceLocation) }
    for entry in value.object?.entries ?? [] {
      let isSnake = entry.key.unicodeScalars.allSatisfy {
        ("a"..."z").contains($0) || ("0"..."9").contains($0) || $0 == "_"
      }
      #expect(isSnake && !entry.key.isEmpty, "key '\(entry.key)'", sourceLocation: sourceLocation)
      expectSnakeCase(entry.value, sourceLocation)
    }
  }
}

extension ScratchFolder {
  /// Outputs in it that are being built, or were when their run was killed.
  var staged: [String] { Disk.names(path).filter { $0.hasSuffix(".partial") } }
}

/// Small models for the tool to work on.
enum Model {
  static let falcon = Fixtures.checkpoint("falcon-e-tiny/prequantized")
  static let bitnet = Fixtures.checkpoint("falcon-e-tiny/bitnet")
  static let plain = Fixtures.checkpoint("plain-tiny")
  /// `plain` with its first layer alone, for fits: they are made matrix by matrix.
  static let plainLayer: String = {
    let folder = layerFolder.path + "/plain-layer"
    Disk.copyFolder(plain, to: folder)
    var file = RawModelFile(reading: plain + "/model.safetensors")
    file.tensors.removeAll { $0.name.hasPrefix("model.layers.") && !$0.name.hasPrefix("model.layers.0.") }
    Disk.write(file.serialized, folder + "/model.safetensors")
    let configuration = Disk.text(plain + "/config.json")
    let layers = "\"num_hidden_layers\": 4"
    precondition(configuration.contains(layers), "the ordinary model has four layers")
    Disk.write(configuration.replacing(layers, with: "\"num_hidden_layers\": 1"), folder + "/config.json")
    return folder
  }()
  private static let layerFolder = ScratchFolder(removedAtExit: true)
  static let goldenPacked = Fixtures.golden("models/llama_packed")
  static let query = "model.layers.0.self_attn.q_proj.weight"

  /// A latent model of one projection, 8 × 16.
  static func tiny(_ change: (inout ModelFolderBuilder) -> Void = { _ in }) -> ModelFolderBuilder {
    var state: UInt32 = 11
    let values = (0..<128).map { _ -> Float in
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(Int(state >> 24) - 128) / 256
    }
    var builder = ModelFolderBuilder([
      RawTensor("model.embed_tokens.weight", "BF16", [4, 16], FloatBytes.bf16(Array(values[..<64]))),
      RawTensor("model.norm.weight", "BF16", [16], FloatBytes.bf16(Array(values[64..<80]))),
      RawTensor(query, "BF16", [8, 16], FloatBytes.bf16(values)),
    ])
    // Not understood, and kept: a damaged one would stop a conversion.
    builder.companions = ["tokenizer.json": "{\"model\": {\"type\": \"Unigram\"}}\n"]
    change(&builder)
    return builder
  }

  /// A LoRA adapter for `falcon`, of rank 1: it adds 2 to every weight of `query`.
  static func adapter(_ folder: String) -> String {
    Disk.makeFolder(folder)
    Disk.write(
      #"{"peft_type": "LORA", "r": 1, "lora_alpha": 2, "target_modules": ["layers.0.self_attn.q_proj"]}"#,
      folder + "/adapter_config.json")
    let module = "base_model.model." + query.dropLast(".weight".count)
    let ones = FloatBytes.f32([Float](repeating: 1, count: 256))
    let file = RawModelFile([
      RawTensor(module + ".lora_A.weight", "F32", [1, 256], ones),
      RawTensor(module + ".lora_B.weight", "F32", [256, 1], ones),
    ])
    Disk.write(file.serialized, folder + "/adapter_model.safetensors")
    return folder
  }

  /// A folder that holds nothing but links to the files of another.
  static func linked(_ model: String, at folder: String) -> String {
    Disk.makeFolder(folder)
    for name in Disk.names(model) where FileSystem.kind(of: model + "/" + name) == .file {
      Disk.link(folder + "/" + name, to: model + "/" + name)
    }
    return folder
  }

  /// A llama checkpoint of zeros whose file takes no space: only its header is written.
  ///
  /// - Parameter projections: rows and columns of each.
  static func sparse(_ folder: String, projections: [(rows: Int, columns: Int)]) -> String {
    Disk.makeFolder(folder)
    Disk.write(ModelFolderBuilder.llama, folder + "/config.json")
    let tensors = projections.enumerated().map { index, shape in
      (
        name: "model.layers.\(index).mlp.up_proj.weight", dtype: "BF16", shape: [shape.rows, shape.columns],
        byteCount: 2 * shape.rows * shape.columns
      )
    }
    let header = RawModelFile.header(tensors)
    Disk.write(header, folder + "/model.safetensors")
    Disk.resize(
      folder + "/model.safetensors", to: header.count + tensors.reduce(0) { $0 + $1.byteCount })
    return folder
  }
}
