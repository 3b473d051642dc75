// Tritsmith: rotary settings of config.json.

import TritCore

extension RotaryEmbedding {
  /// What a configuration says elsewhere and rotary settings depend on.
  struct Sizes {
    var headDimension: Int
    var contextLength: Int
  }

  /// Reads the 4.x keys (`rope_theta`, `rope_scaling`) and the 5.x one (`rope_parameters`).
  ///
  /// A reader that knows only the first would silently take the default theta for 5.x files.
  static func read(
    _ reader: inout ConfigurationReader, defaultTheta: Double, _ whole: Sizes,
    _ rotated: ClassKeys.RotatedColumns = .all
  ) throws(ModelError) -> RotaryEmbedding {
    let part = try readPart(&reader, rotated, whole)
    let sizes = Sizes(headDimension: part.columns ?? whole.headDimension, contextLength: whole.contextLength)
    // Beside the settings in some files; transformers gives it priority over one among them.
    let outer = try reader.integer("original_max_position_embeddings")
    var found: [(theta: Double?, scaling: RotaryScaling, key: String)] = []
    for key in settingsKeys {
      guard var nested = try reader.nested(key) else { continue }
      let theta = try nested.positive("rope_theta")
      switch rotated {
      case .all: try nested.mustBeOff(factorKey, [1])
      case .part: nested.ignore(partKeys)
      }
      let scaling = try readScaling(&nested, sizes, outer)
      try nested.finish()
      for assumption in nested.assumed { reader.noteAssumption(assumption) }
      found.append((theta, scaling, key))
    }
    if found.count == 2, found[0].scaling != found[1].scaling {
      throw reader.error(
        .contradiction(expected: "the scaling of rope_parameters", found: found[1].scaling.name), "rope_scaling")
    }
    if case .part = rotated, !found.contains(where: { $0.key == settingsKeys[0] && $0.theta != nil }) {
      try refuseDefaultsOfMLX(reader, defaultTheta)
    }
    let thetas = try found.compactMap(\.theta) + ([reader.positive("rope_theta")].compactMap { $0 })
    guard let theta = thetas.first else {
      try reader.refuseNull("rope_theta", "a number")
      reader.noteAssumption("rope_theta = \(defaultTheta)")
      return RotaryEmbedding(
        theta: defaultTheta, scaling: found.first?.scaling ?? .none, columns: part.columns, sections: part.sections)
    }
    if let other = thetas.first(where: { $0 != theta }) {
      throw reader.error(.contradiction(expected: "one theta, \(theta)", found: "\(other)"), "rope_theta")
    }
    return RotaryEmbedding(
      theta: theta, scaling: found.first?.scaling ?? .none, columns: part.columns, sections: part.sections)
  }

  private static let factorKey = "partial_rotary_factor"
  private static let sectionsKey = "mrope_section"
  /// Where the settings of either version of transformers stand.
  private static let settingsKeys = ["rope_parameters", "rope_scaling"]
  private static let partKeys: Set<String> = [factorKey, sectionsKey, "mrope_interleaved"]

  /// Which columns are rotated, and how a position of three parts goes to frequencies. Of a text the three are equal,
  /// so the parts change nothing; they are kept for files that hold them.
  private static func readPart(
    _ reader: inout ConfigurationReader, _ rotated: ClassKeys.RotatedColumns, _ sizes: Sizes
  ) throws(ModelError) -> (columns: Int?, sections: [Int]?) {
    guard case .part(let standard) = rotated else {
      return (nil, nil)
    }
    var factors: [(value: Double, location: ErrorLocation)] = []
    var sections: (parts: [Int], location: ErrorLocation)?
    if let factor = try reader.positive(factorKey) { factors.append((factor, reader.location(factorKey))) }
    for key in settingsKeys {
      guard var nested = try reader.nested(key) else { continue }
      if let factor = try nested.positive(factorKey) { factors.append((factor, nested.location(factorKey))) }
      _ = try nested.flag("mrope_interleaved", default: true)
      guard let value = nested.value(sectionsKey) else { continue }
      let list = value.array?.compactMap { $0.number?.integer }
      guard let list, list.count == value.array?.count, list.count == 3, list.allSatisfy({ 0...4096 ~= $0 }) else {
        throw nested.error(.wrongType(expected: "three whole numbers", found: nested.describe(value)), sectionsKey)
      }
      sections = (list, nested.location(sectionsKey))
    }
    let factor = factors.first ?? (value: standard, location: reader.location(factorKey))
    if factors.isEmpty { reader.noteAssumption("\(factorKey) = \(standard)") }
    if let other = factors.first(where: { $0.value != factor.value }) {
      throw reader.error(
        .contradiction(expected: "one factor, \(factor.value)", found: "\(other.value)"), factorKey)
    }
    let columns = Int(exactly: (Double(sizes.headDimension) * min(factor.value, 2)).rounded(.towardZero)) ?? 0
    guard factor.value <= 1, columns >= 2, columns % 2 == 0 else {
      throw ModelError(
        .unsupportedValue(
          expected: "a share of \(sizes.headDimension) columns that is even", found: "\(factor.value)"),
        location: factor.location)
    }
    if let sections, let expected = RotarySections.fault(sections.parts, columns: columns) {
      throw ModelError(
        .contradiction(expected: expected, found: "\(sections.parts)"), location: sections.location)
    }
    return (columns, sections?.parts)
  }

  /// Throws for a model of MLX without theta among its settings: mlx-lm looks nowhere else, and takes another number than
  /// transformers does. Source: mlx-lm 0.32.2 `qwen3_5.py`, `TextModelArgs`.
  private static func refuseDefaultsOfMLX(
    _ reader: ConfigurationReader, _ defaultTheta: Double
  ) throws(ModelError) {
    guard reader.isForMLX else { return }
    throw reader.error(
      .contradiction(
        expected: "a number here, as without it mlx-lm takes 100000.0 and transformers rope_theta or \(defaultTheta)",
        found: "nothing"), settingsKeys[0] + ".rope_theta")
  }

  /// `rope_parameters` of a class that rotates a part of each head.
  func parameters(_ headDimension: Int) -> JSONObject {
    var result = scaling.configuration.object ?? ["rope_type": "default"]
    result["rope_theta"] = .number(JSONNumber(theta))
    result[RotaryEmbedding.factorKey] = .number(
      JSONNumber(Double(columns ?? headDimension) / Double(max(1, headDimension))))
    if let sections {
      result[RotaryEmbedding.sectionsKey] = .array(sections.map { .number(JSONNumber($0)) })
      result["mrope_interleaved"] = true
    }
    return result
  }

  private static func readScaling(
    _ reader: inout ConfigurationReader, _ sizes: Sizes, _ outer: Int?
  ) throws(ModelError) -> RotaryScaling {
    // Older files call it `type`.
    let older = try reader.string("type")
    let name = try reader.string("rope_type") ?? older ?? "default"
    switch name {
    case "default":
      return .none
    case "linear":
      // Divided by 1 every frequency is what it was.
      let factor = try reader.requiredPositive("factor")
      return factor == 1 ? .none : .linear(factor: factor)
    case "llama3":
      let low = try reader.requiredPositive("low_freq_factor")
      let high = try reader.requiredPositive("high_freq_factor")
      guard high > low else {
        throw reader.error(
          .unsupportedValue(expected: "more than low_freq_factor", found: "\(high)"), "high_freq_factor")
      }
      let factor = try reader.requiredPositive("factor")
      let original = try reader.positive(originalKey)
      if let original, let outer, original != Double(outer) {
        throw reader.error(.contradiction(expected: "\(outer), as outside", found: "\(original)"), originalKey)
      }
      guard let context = original ?? outer.map(Double.init) else { throw reader.error(.missingKey, originalKey) }
      return .llama3(factor: factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext: context)
    case "yarn": return .yarn(try readYaRN(&reader, sizes, outer))
    case "longrope": return .longrope(try readLongRoPE(&reader, sizes, outer))
    default:
      throw reader.error(
        .unsupportedValue(expected: "default, linear, llama3, yarn or longrope", found: name), "rope_type")
    }
  }

  private static let originalKey = "original_max_position_embeddings"

  private static func originalContext(
    _ reader: inout ConfigurationReader, _ sizes: Sizes, _ outer: Int?
  ) throws(ModelError) -> Int {
    guard let inner = try reader.integer(originalKey) else {
      if let outer { return outer }
      return try reader.integer(originalKey, default: sizes.contextLength)
    }
    if let outer, outer != inner {
      throw reader.error(.contradiction(expected: "\(outer), as outside", found: "\(inner)"), originalKey)
    }
    return inner
  }

  private static func readYaRN(
    _ reader: inout ConfigurationReader, _ sizes: Sizes, _ outer: Int?
  ) throws(ModelError) -> YaRNScaling {
    let original = try originalContext(&reader, sizes, outer)
    guard reader.has("factor") else { throw reader.error(.missingKey, "factor") }
    let factor = try reader.positive("factor") ?? Double(sizes.contextLength) / Double(original)
    let stated = try reader.positive("attention_factor")
    let (mscale, all) = (try reader.positive("mscale"), try reader.positive("mscale_all_dim"))
    var attention = stated
    if stated == nil, let mscale, let all {
      attention =
        YaRNScaling.standardAttention(factor, mscale: mscale) / YaRNScaling.standardAttention(factor, mscale: all)
    }
    let result = YaRNScaling(
      factor: factor, originalContext: original, attentionFactor: attention,
      fastTurns: try reader.positive("beta_fast") ?? YaRNScaling.standardTurns.fast,
      slowTurns: try reader.positive("beta_slow") ?? YaRNScaling.standardTurns.slow,
      blendEnds: try reader.flag("truncate", default: true) ? .wholePairs : .exact)
    guard result.fastTurns >= result.slowTurns else {
      throw reader.error(
        .unsupportedValue(expected: "at least beta_slow, \(result.slowTurns)", found: "\(result.fastTurns)"),
        "beta_fast")
    }
    return result
  }

  private static func readLongRoPE(
    _ reader: inout ConfigurationReader, _ sizes: Sizes, _ outer: Int?
  ) throws(ModelError) -> LongRoPEScaling {
    func list(_ key: String) throws(ModelError) -> [Float] {
      guard let values = try reader.positives(key) else { throw reader.error(.missingKey, key) }
      guard values.count == sizes.headDimension / 2 else {
        throw reader.error(
          .contradiction(expected: "\(sizes.headDimension / 2) numbers, one for each pair", found: "\(values.count)"),
          key)
      }
      return values
    }
    let (short, long) = (try list("short_factor"), try list("long_factor"))
    let original = try originalContext(&reader, sizes, outer)
    let factor = try reader.positive("factor") ?? Double(sizes.contextLength) / Double(original)
    let stated = try reader.positive("attention_factor")
    let attention = stated ?? LongRoPEScaling.standardAttention(factor, originalContext: original)
    guard attention.isFinite else {
      throw reader.error(.unsupportedValue(expected: "2 tokens or more", found: "\(original)"), originalKey)
    }
    return LongRoPEScaling(short: short, long: long, originalContext: original, attentionFactor: attention)
  }
}

// MARK: - Writing

extension RotaryScaling {
  /// `rope_scaling` of a configuration.
  var configuration: JSONValue {
    func number(_ value: Double) -> JSONValue { .number(JSONNumber(value)) }
    func numbers(_ values: [Float]) -> JSONValue {
      .array(values.map { number(HuggingFaceDescription.shortest($0)) })
    }
    let original = "original_max_position_embeddings"
    switch self {
    case .none: return .null
    case .linear(let factor): return .object(["type": "linear", "factor": number(factor)])
    case .llama3(let factor, let low, let high, let context):
      return .object([
        "rope_type": "llama3", "factor": number(factor), "low_freq_factor": number(low),
        "high_freq_factor": number(high), original: .number(HuggingFaceDescription.plain(context)),
      ])
    case .yarn(let yarn):
      var result: JSONObject = [
        "rope_type": "yarn", "factor": number(yarn.factor), original: .number(JSONNumber(yarn.originalContext)),
      ]
      if yarn.attentionRatio != 1 { result["attention_factor"] = number(yarn.attentionFactor) }
      if yarn.fastTurns != YaRNScaling.standardTurns.fast { result["beta_fast"] = number(yarn.fastTurns) }
      if yarn.slowTurns != YaRNScaling.standardTurns.slow { result["beta_slow"] = number(yarn.slowTurns) }
      if yarn.blendEnds == .exact { result["truncate"] = false }
      return .object(result)
    case .longrope(let long):
      return .object([
        "rope_type": "longrope", "short_factor": numbers(long.short), "long_factor": numbers(long.long),
        original: .number(JSONNumber(long.originalContext)), "attention_factor": number(long.attentionFactor),
      ])
    }
  }
}
