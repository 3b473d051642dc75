// Tritsmith: rotary settings among GGUF keys.

import TritCore

/// The keys of a GGUF file that say how positions are encoded, with the tensors that belong to them.
///
/// Source: llama.cpp `llama-model.cpp`, `llama-context.cpp` (how `yarn_attn_factor` is made), `conversion/base.py`.
struct GGUFRotary {
  /// Keys behind the architecture that are read here.
  static let keys: Set<String> = [
    "rope.freq_base", "rope.scaling.type", "rope.scaling.factor", "rope.scaling.original_context_length",
    "rope.scaling.finetuned", "rope.scaling.attn_factor", "rope.scaling.yarn_ext_factor",
    "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
    "rope.scaling.yarn_log_multiplier",
  ]

  var rotary: RotaryEmbedding
  /// The first setting that is not understood.
  var problem: ModelError?

  init(
    _ keys: GGUFKeyReader, _ tensors: RotaryTensors, headDimension: Int, contextLength: Int
  ) throws(GGUFModelError) {
    // The defaults of llama.cpp, whatever the class of Hugging Face takes.
    let theta = try keys.positive("rope.freq_base") ?? 10000
    rotary = RotaryEmbedding(theta: theta)
    do throws(ModelError) {
      if let problem = tensors.problem { throw problem }
      rotary.scaling = try ScalingReader(
        keys: keys, tensors: tensors, theta: theta, headDimension: headDimension, contextLength: contextLength
      ).scaling()
    } catch {
      problem = error
    }
  }

  // MARK: - Writing

  /// Keys behind the architecture that say a scaling; its tensors are `ModelDescription.rotaryTensors`.
  static func entries(
    _ description: ModelDescription, _ form: GGUFForm
  ) throws(GGUFModelError) -> [(key: String, value: MetadataValue)] {
    func refuse(_ found: String, _ graph: String) -> GGUFModelError {
      GGUFModelError(.notSayable(found: found, graph: graph), field: "rope_scaling")
    }
    if !description.rotaryTensors.isEmpty, form.rotaryFactors == .none {
      throw refuse(description.rotary.scaling.name, "the graph of '\(form.architecture)' loads no rotary factors")
    }
    func context(_ tokens: Int) throws(GGUFModelError) -> (key: String, value: MetadataValue) {
      guard let number = UInt32(exactly: tokens) else {
        throw GGUFModelError(.badValue(expected: "a number below 2^32", found: "\(tokens)"), field: "rope_scaling")
      }
      return ("rope.scaling.original_context_length", .uint32(number))
    }
    switch description.rotary.scaling {
    case .none:
      return form.statesLinearRope
        ? [("rope.scaling.type", .string("linear")), ("rope.scaling.factor", .float32(1))] : []
    case .linear(let factor):
      return [("rope.scaling.type", .string("linear")), ("rope.scaling.factor", .float32(Float(factor)))]
    case .llama3: return []
    case .yarn(let yarn):
      let graph = "the graph of '\(form.architecture)' reads no key for it"
      guard yarn.blendEnds == .wholePairs else { throw refuse("truncate false", graph) }
      guard yarn.fastTurns == YaRNScaling.standardTurns.fast, yarn.slowTurns == YaRNScaling.standardTurns.slow else {
        throw refuse("beta_fast \(yarn.fastTurns), beta_slow \(yarn.slowTurns)", graph)
      }
      return [
        ("rope.scaling.type", .string("yarn")), ("rope.scaling.factor", .float32(Float(yarn.factor))),
        try context(yarn.originalContext), ("rope.scaling.attn_factor", .float32(yarn.attentionRatio)),
      ]
    case .longrope(let long):
      return [
        ("rope.scaling.type", .string("longrope")), try context(long.originalContext),
        ("rope.scaling.attn_factor", .float32(Float(long.attentionFactor))),
      ]
    }
  }
}

// MARK: - Reading a scaling

/// Reads the keys of a scaling beside the tensors that belong to it.
private struct ScalingReader {
  let keys: GGUFKeyReader
  let tensors: RotaryTensors
  let theta: Double
  let headDimension: Int
  let contextLength: Int

  func scaling() throws(ModelError) -> RotaryScaling {
    let type = keys.value("rope.scaling.type")
    // Absent, it is linear to llama.cpp, with a factor of 1.
    guard let name = type == nil ? "linear" : type?.string, ["none", "linear", "yarn", "longrope"].contains(name) else {
      throw keys.unsupported("rope.scaling.type", "none, linear, yarn or longrope")
    }
    let context = keys.value("rope.scaling.original_context_length")?.integer ?? contextLength
    guard context > 0 else { throw keys.unsupported("rope.scaling.original_context_length", "a positive integer") }
    let standardAttention = YaRNScaling.standardAttention(try number("rope.scaling.factor", zeroIs: 1) ?? 1)
    try checkUnread(name, standardAttention)
    try checkTensors(name)
    switch name {
    case "yarn":
      let factor = try number("rope.scaling.factor") ?? 1
      let ratio = try number("rope.scaling.attn_factor") ?? 1
      return .yarn(YaRNScaling(factor: factor, originalContext: context, attentionFactor: ratio * standardAttention))
    case "longrope":
      try mustBe([1], "rope.scaling.factor", "1 beside longrope, which has a factor for each frequency")
      guard let short = try list(RotaryTensors.short), let long = try list(RotaryTensors.long) else {
        throw keys.unsupported("rope.scaling.type", "another type where \(RotaryTensors.short) or _long is missing")
      }
      return .longrope(
        LongRoPEScaling(
          short: short, long: long, originalContext: context,
          attentionFactor: try number("rope.scaling.attn_factor") ?? 1))
    default:
      try mustBe([1], "rope.scaling.attn_factor", "1 where the scaling is neither yarn nor longrope")
      if name == "none" { try mustBe([0, 1], "rope.scaling.factor", "1, as the type of scaling is none") }
      return try linearOrDivisors()
    }
  }

  /// Refuses other values of settings than those the graphs of these families compute with.
  ///
  /// The converter writes them for every family, and only graphs of other families read them.
  private func checkUnread(_ name: String, _ standardAttention: Double) throws(ModelError) {
    let graphs = "as the graphs of these families read no other"
    try mustBe(name == "yarn" ? [1, -1] : [1, 0, -1], "rope.scaling.yarn_ext_factor", "1, \(graphs)")
    try mustBe([1, standardAttention], "rope.scaling.yarn_attn_factor", "\(Float(standardAttention)), \(graphs)")
    try mustBe([YaRNScaling.standardTurns.fast], "rope.scaling.yarn_beta_fast", "32, \(graphs)")
    try mustBe([YaRNScaling.standardTurns.slow], "rope.scaling.yarn_beta_slow", "1, \(graphs)")
    try mustBe([0], "rope.scaling.yarn_log_multiplier", "0, \(graphs)")
  }

  /// Refuses tensors of another type: the loader goes by the type, and what a tensor means beside another one is not
  /// settled.
  private func checkTensors(_ name: String) throws(ModelError) {
    let fitting =
      switch name {
      case "yarn": [String]()
      case "longrope": [RotaryTensors.short, RotaryTensors.long]
      default: [RotaryTensors.frequencies]
      }
    for tensor in tensors.values.keys.sorted() where !fitting.contains(tensor) {
      throw keys.unsupported("rope.scaling.type", "another type beside \(tensor)")
    }
  }

  /// One factor for all frequencies, or a divisor for each, as `llama3` makes them or as they are.
  private func linearOrDivisors() throws(ModelError) -> RotaryScaling {
    let factor = try number("rope.scaling.factor", zeroIs: 1) ?? 1
    guard let divisors = try list(RotaryTensors.frequencies), divisors.contains(where: { $0 != 1 }) else {
      return factor == 1 ? .none : .linear(factor: factor)
    }
    guard factor == 1 else {
      throw keys.unsupported("rope.scaling.factor", "1 beside \(RotaryTensors.frequencies)")
    }
    if let llama3 = Llama3Divisors(divisors, theta: theta, headDimension: headDimension) { return llama3.scaling }
    return .longrope(
      LongRoPEScaling(short: divisors, long: divisors, originalContext: contextLength, attentionFactor: 1))
  }

  private func number(_ key: String, zeroIs zero: Double? = nil) throws(ModelError) -> Double? {
    guard let value = keys.value(key) else { return nil }
    // How some converters say that there is none.
    if let zero, value.double == 0 { return zero }
    let number = value.double.map { HuggingFaceDescription.shortest(Float($0)) }
    guard let number, number.isFinite, number > 0 else {
      throw keys.unsupported(key, "a finite number above 0")
    }
    return number
  }

  private func mustBe(_ accepted: [Double], _ key: String, _ why: String) throws(ModelError) {
    guard let value = keys.value(key) else { return }
    guard let number = value.double, accepted.contains(where: { Float($0) == Float(number) }) else {
      throw keys.unsupported(key, why)
    }
  }

  private func list(_ name: String) throws(ModelError) -> [Float]? {
    guard let values = tensors.values[name] else { return nil }
    guard values.count == headDimension / 2 else {
      throw ModelError(
        .contradiction(expected: "\(headDimension / 2) numbers, one for each pair", found: "\(values.count)"),
        location: ErrorLocation(file: keys.manifest.path, tensor: name))
    }
    return values
  }
}
