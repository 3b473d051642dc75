// Tritsmith: delta nets in config.json.

import TritCore
import TritKernels

extension HuggingFaceDescription {
  /// Which layers have delta nets, and their sizes; nil for a class that has none.
  ///
  /// Source: transformers `Qwen3_5TextConfig`. Missing sizes are errors: shapes of tensors follow from them.
  static func readDeltaNets(
    _ reader: inout ConfigurationReader, _ keys: ClassKeys, layers: Int
  ) throws(ModelError) -> (pattern: LayerPattern, shape: DeltaNetShape)? {
    guard keys.layerKinds == .deltaNets else { return nil }
    let interval = try reader.integer("full_attention_interval", in: 1...(1 << 20))
    var pattern = LayerPattern.every(interval ?? 4)
    if let listed = try readLayerTypes(&reader, of: LayerKind.allCases, layers: layers) {
      if interval != nil, listed.indices.contains(where: { listed[$0] != pattern.kind(ofLayer: $0) }) {
        throw reader.error(
          .contradiction(
            expected: "the layers full_attention_interval names", found: "others, which is what transformers goes by"),
          "layer_types")
      }
      pattern = LayerPattern(listed)
    } else if interval == nil {
      reader.noteAssumption("full_attention_interval = 4")
    }
    func size(_ key: String, _ largest: Int) throws(ModelError) -> Int {
      guard let value = try reader.integer(key, in: 1...largest) else { throw reader.error(.missingKey, key) }
      return value
    }
    let keyHeads = try size("linear_num_key_heads", 1 << 16)
    let valueHeads = try size("linear_num_value_heads", 1 << 16)
    guard valueHeads % keyHeads == 0 else {
      throw reader.error(
        .contradiction(expected: "a multiple of linear_num_key_heads, \(keyHeads)", found: "\(valueHeads)"),
        "linear_num_value_heads")
    }
    return (
      pattern,
      DeltaNetShape(
        keyHeads: keyHeads, valueHeads: valueHeads, keyDimension: try size("linear_key_head_dim", 1 << 12),
        valueDimension: try size("linear_value_head_dim", 1 << 12),
        convolution: try reader.integer("linear_conv_kernel_dim", in: 2...64) ?? 4)
    )
  }

  /// Settings of other programs for the same class: what differs from it would be another model.
  static func checkDeltaNeighbours(_ reader: inout ConfigurationReader, _ keys: ClassKeys) throws(ModelError) {
    guard keys.layerKinds == .deltaNets else { return }
    try reader.mustBeOff("attn_output_gate", [true])
    try reader.mustBeOff("mamba_ssm_dtype", ["float32"])
    try reader.mustBeOff("mlp_only_layers", [.array([])])
  }

  /// The kinds of layers a configuration lists, of those a class has.
  static func readLayerTypes(
    _ reader: inout ConfigurationReader, of kinds: [LayerKind], layers: Int
  ) throws(ModelError) -> [LayerKind]? {
    let key = "layer_types"
    guard let value = reader.value(key) else { return nil }
    guard let list = value.array, list.count == layers else {
      throw reader.error(
        .contradiction(expected: "a list of \(layers) kinds", found: value.array.map { "\($0.count)" } ?? "no list"),
        key)
    }
    var result: [LayerKind] = []
    result.reserveCapacity(layers)
    for item in list {
      guard let kind = item.string.flatMap(LayerKind.init(rawValue:)), kinds.contains(kind) else {
        let known = kinds.map(\.rawValue).joined(separator: " or ")
        throw reader.error(.unsupportedValue(expected: known, found: reader.describe(item)), key)
      }
      result.append(kind)
    }
    return result
  }

  /// Keys of a description with delta nets.
  static func deltaEntries(_ description: ModelDescription) -> [(key: String, value: JSONValue)] {
    guard let shape = description.deltaNet else { return [] }
    func number(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
    let pattern: (key: String, value: JSONValue) =
      switch description.layerPattern {
      case .every(let interval): ("full_attention_interval", number(interval))
      case .listed(let kinds): ("layer_types", .array(kinds.map { .string($0.rawValue) }))
      }
    return [
      pattern, ("attn_output_gate", true), ("linear_conv_kernel_dim", number(shape.convolution)),
      ("linear_key_head_dim", number(shape.keyDimension)), ("linear_num_key_heads", number(shape.keyHeads)),
      ("linear_num_value_heads", number(shape.valueHeads)), ("linear_value_head_dim", number(shape.valueDimension)),
    ]
  }
}
