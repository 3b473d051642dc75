// Tritsmith: rotated weights as a configuration of MLX states them.

import TritCore

/// What a `config.json` of `model_type` `prism_hadamard_qwen35` says of rotation: which modules, in blocks of what size.
///
/// The signs are tensors beside the weights. Only the configuration is read here, so that such a folder is named and
/// nothing takes its weights for ordinary ones. Docs/Formats/Rotation.md.
package struct MLXRotation: Sendable, Hashable {
  /// A module with weights of its own.
  package struct Module: Sendable, Hashable {
    package var path: String
    package var isEmbedding: Bool
    /// 0 for one that is not rotated.
    package var blockSize: Int
  }

  package var schemaVersion: Int
  package var modules: [Module]

  /// The key of the list of modules.
  package static let modulesKey = "modules"
  static let modelType = "prism_hadamard_qwen35"
  private static let blockSizes = [0, 512, 1024, 2048, 4096, 8192]

  /// Keys that say how the weights are rotated.
  static let keys: Set<String> = [
    "schema_version", "tensor_namespace", "base_model_type", "gdn_activation_layout", "modules",
  ]

  /// Whether a configuration is of this type.
  package static func isStated(_ object: JSONObject) -> Bool { object["model_type"]?.string == modelType }

  /// Nil for a configuration of another type.
  ///
  /// - Throws: `ModelError` for a key that is missing, not known or of another value than the published reader takes.
  package init?(_ object: JSONObject, file: String) throws(ModelError) {
    guard MLXRotation.isStated(object) else { return nil }
    var reader = ConfigurationReader(object, file: file)
    schemaVersion = try MLXRotation.required(try reader.integer("schema_version", in: 1...2), "schema_version", reader)
    try MLXRotation.expect("tensor_namespace", schemaVersion == 1 ? "mlx-lm-text" : "mlx-vlm-qwen3_5", &reader)
    try MLXRotation.expect("base_model_type", "qwen3_5", &reader)
    try MLXRotation.expect("gdn_activation_layout", "grouped", &reader)
    var quantization = try MLXRotation.required(try reader.nested("quantization"), "quantization", reader)
    for (key, value) in [("bits", 2), ("group_size", 128)] {
      let found = quantization.value(key)
      guard try quantization.integer(key) == value else {
        throw quantization.error(
          .unsupportedValue(expected: "\(value)", found: found.map(reader.describe) ?? "nothing"), key)
      }
    }
    try MLXRotation.expect("mode", "affine", &quantization)
    try quantization.finish()
    let list = try MLXRotation.required(reader.value("modules")?.array, "modules", reader)
    guard !list.isEmpty else {
      throw reader.error(.unsupportedValue(expected: "the rotated modules", found: "none"), "modules")
    }
    var modules: [Module] = []
    modules.reserveCapacity(list.count)
    var seen: Set<ExactString> = []
    for value in list {
      guard let item = value.object else {
        throw reader.error(.wrongType(expected: "objects", found: reader.describe(value)), "modules")
      }
      let module = try MLXRotation.module(item, file: file)
      guard seen.insert(ExactString(module.path)).inserted else {
        throw reader.error(.contradiction(expected: "every path once", found: "'\(module.path)' twice"), "modules")
      }
      modules.append(module)
    }
    self.modules = modules
  }

  private static func module(_ object: JSONObject, file: String) throws(ModelError) -> Module {
    var reader = ConfigurationReader(object, file: file, prefix: "modules.")
    let path = try required(try reader.string("path"), "path", reader)
    let isEmbedding = try required(reader.value("embedding")?.bool, "embedding", reader)
    try expect("dtype", "float16", &reader)
    let size = try required(try reader.integer("block", in: 0...8192), "block", reader)
    guard blockSizes.contains(size) else {
      throw reader.error(
        .unsupportedValue(expected: blockSizes.map(String.init).joined(separator: ", "), found: "\(size)"), "block")
    }
    try reader.finish()
    return Module(path: path, isEmbedding: isEmbedding, blockSize: size)
  }

  private static func required<Value>(
    _ value: Value?, _ key: String, _ reader: ConfigurationReader
  ) throws(ModelError) -> Value {
    guard let value else { throw reader.error(.missingKey, key) }
    return value
  }

  private static func expect(_ key: String, _ expected: String, _ reader: inout ConfigurationReader) throws(ModelError)
  {
    let found = try reader.string(key)
    guard found == expected else {
      throw reader.error(.unsupportedValue(expected: "\"\(expected)\"", found: found ?? "nothing"), key)
    }
  }
}
