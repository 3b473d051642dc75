// Tritsmith: adapter_config.json of PEFT.

import TritCore
import TritFormats

/// What a PEFT LoRA adapter says about itself. Source: peft 0.21, `LoraConfig` and `LoraLayer`.
struct LoRAConfiguration: Sendable {
  static let name = "adapter_config.json"

  let rank: Int
  let alpha: Double
  let isRankStabilized: Bool
  /// By module name or its end.
  let ranks: [(key: String, value: Int)]
  let alphas: [(key: String, value: Double)]
  /// Nil when a regular expression or a word for all layers stands in its place; then the tensors say.
  let targets: [String]?
  private let excluded: [String]
  /// Numbers of the layers that were trained; nil for all.
  private let layers: [Int]?
  private let layerPatterns: [String]
  private let hasKnownExtent: Bool

  /// - Throws: `MergeError` for what is no LoRA, or changes more than dense matrices by a product.
  init(_ object: JSONObject, file: String) throws {
    func fail(_ kind: MergeError.Kind, _ field: String) -> MergeError { MergeError(kind, file: file, field: field) }
    func isSet(_ value: JSONValue?) -> Bool {
      switch value {
      case nil, .null, .bool(false): false
      case .array(let elements): !elements.isEmpty
      case .object(let object): !object.entries.isEmpty
      default: true
      }
    }
    guard let type = object["peft_type"]?.string, type == "LORA" else {
      throw fail(.unsupported("an adapter of type \(object["peft_type"]?.string ?? "unknown")"), "peft_type")
    }
    if let bias = object["bias"]?.string, bias != "none" { throw fail(.unsupported("a trained bias"), "bias") }
    for (key, what) in LoRAConfiguration.refused where isSet(object[key]) { throw fail(.unsupported(what), key) }
    switch object["init_lora_weights"] {
    case nil, .null, .bool: break
    case .string("gaussian"), .string("orthogonal"), .string("eva"): break
    default:
      // PiSSA, OLoRA, CorDA, LoftQ: the base weights were changed when training began.
      throw fail(.unsupported("an initialization that changes the base weights"), "init_lora_weights")
    }
    guard let rank = object["r"]?.number?.integer, rank > 0 else { throw fail(.wrongType(expected: "r above 0"), "r") }
    guard let alpha = object["lora_alpha"]?.number?.double, alpha.isFinite else {
      throw fail(.wrongType(expected: "a number"), "lora_alpha")
    }
    self.rank = rank
    self.alpha = alpha
    isRankStabilized = object["use_rslora"]?.bool ?? false
    ranks = try LoRAConfiguration.patterns(object["rank_pattern"], "rank_pattern", file) { $0.integer }
    alphas = try LoRAConfiguration.patterns(object["alpha_pattern"], "alpha_pattern", file) {
      $0.double.flatMap { $0.isFinite ? $0 : nil }
    }
    for entry in ranks where entry.value <= 0 { throw fail(.wrongType(expected: "ranks above 0"), "rank_pattern") }
    excluded = LoRAConfiguration.list(object["exclude_modules"]).compactMap(\.string)
    let numbers = LoRAConfiguration.list(object["layers_to_transform"])
    layers = numbers.isEmpty ? nil : numbers.compactMap { $0.number?.integer }
    layerPatterns = LoRAConfiguration.list(object["layers_pattern"]).compactMap(\.string)
    // An expression that excludes is not evaluated, so nothing can be said to be missing.
    hasKnownExtent = object["exclude_modules"]?.string == nil
    targets = object["target_modules"]?.array?.compactMap(\.string)
  }

  private static func list(_ value: JSONValue?) -> [JSONValue] {
    switch value {
    case nil, .null: []
    case .array(let elements): elements
    case .some(let single): [single]
    }
  }

  private static let refused = [
    ("use_dora", "DoRA, which rescales columns,"), ("modules_to_save", "a whole module saved beside the adapter"),
    ("lora_bias", "a bias of the adapter"), ("fan_in_fan_out", "weights stored transposed"),
    ("trainable_token_indices", "trained tokens"), ("target_parameters", "an adapter of bare parameters"),
    ("layer_replication", "a stack of replicated layers"), ("use_qalora", "QALoRA"),
    ("alora_invocation_tokens", "an adapter that is active for some tokens only"), ("use_bdlora", "BD-LoRA"),
    ("arrow_config", "Arrow routing"), ("megatron_config", "Megatron layers"), ("kasa_config", "KaSA"),
    ("monteclora_config", "MonteCLoRA"), ("velora_config", "VeLoRA"),
  ]

  private static func patterns<Value>(
    _ value: JSONValue?, _ field: String, _ file: String, _ read: (JSONNumber) -> Value?
  ) throws -> [(key: String, value: Value)] {
    guard let value, value != .null else { return [] }
    guard let object = value.object else {
      throw MergeError(.wrongType(expected: "an object of module names"), file: file, field: field)
    }
    return try object.entries.map { entry in
      let name = entry.key.hasPrefix("^") ? String(entry.key.dropFirst()) : entry.key
      guard name.utf8.allSatisfy({ isNameByte($0) }) else {
        throw MergeError(.pattern(entry.key), file: file, field: field)
      }
      guard let number = entry.value.number.flatMap(read) else {
        throw MergeError(.wrongType(expected: "a number"), file: file, field: "\(field).\(entry.key)")
      }
      return (entry.key, number)
    }
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
      true
    default: false
    }
  }

  /// PEFT matches `(.*\.)?(key)$`: the whole name, or its end after a dot; `^` demands the whole name.
  static func matches(_ key: String, _ module: String) -> Bool {
    key.hasPrefix("^") ? module == key.dropFirst() : module == key || module.hasSuffix("." + key)
  }

  func rank(of module: String) -> Int {
    ranks.first { LoRAConfiguration.matches($0.key, module) }?.value ?? rank
  }

  /// What the product B·A is multiplied by: alpha / r, or alpha / √r for rank-stabilized adapters.
  func scaling(of module: String) -> Double {
    let alpha = alphas.first { LoRAConfiguration.matches($0.key, module) }?.value ?? alpha
    let rank = Double(rank(of: module))
    return alpha / (isRankStabilized ? rank.squareRoot() : rank)
  }

  func isTarget(_ module: String) -> Bool {
    guard let targets else { return true }
    return LoRAConfiguration.isAmong(targets, module)
  }

  /// Whether an adapter that is all there holds matrices for a module of the base; false where nothing is known.
  func expects(_ module: String) -> Bool {
    guard let targets, hasKnownExtent, LoRAConfiguration.isAmong(targets, module),
      !LoRAConfiguration.isAmong(excluded, module)
    else { return false }
    guard let layers else { return true }
    // As PEFT finds the number of a layer: after the name of the list of layers, not at the end.
    let parts = module.split(separator: ".", omittingEmptySubsequences: false)
    let number = parts.indices.dropFirst(2).dropLast().last {
      Int(parts[$0]) != nil && (layerPatterns.isEmpty || layerPatterns.contains(String(parts[$0 - 1])))
    }
    return number.flatMap { Int(parts[$0]) }.map(layers.contains) ?? false
  }

  private static func isAmong(_ names: [String], _ module: String) -> Bool {
    names.contains { module == $0 || module.hasSuffix("." + $0) }
  }
}
