// Tritsmith: delta nets, and heads that are rotated in part, among GGUF keys.

import TritCore
import TritKernels

extension GGUFDescription {
  /// Keys of architectures with delta nets. Source: llama.cpp `qwen35.cpp`.
  enum DeltaKeys {
    static let convolution = "ssm.conv_kernel"
    static let state = "ssm.state_size"
    static let groups = "ssm.group_count"
    static let heads = "ssm.time_step_rank"
    static let inner = "ssm.inner_size"
    static let recurrent = "attention.recurrent_layers"
    static let interval = "full_attention_interval"
    static let sections = "rope.dimension_sections"
    /// Layers behind the model's that draft tokens.
    static let drafting = "nextn_predict_layers"
    static let all: Set<String> = [
      convolution, state, groups, heads, inner, recurrent, interval, sections, drafting,
    ]
  }

  private static let columnsKey = "rope.dimension_count"

  static func draftingLayers(
    _ keys: GGUFKeyReader, _ architecture: any Architecture
  ) throws(GGUFModelError) -> Int {
    guard architecture.keys.layerKinds == .deltaNets, let value = keys.value(DeltaKeys.drafting) else { return 0 }
    guard let count = value.integer, 0...64 ~= count else {
      throw keys.bad(DeltaKeys.drafting, "a number of layers", value.text())
    }
    return count
  }

  static func readDeltaNets(
    _ keys: GGUFKeyReader, _ architecture: any Architecture, layers: Int, blocks: Int, _ assumed: inout [String]
  ) throws(GGUFModelError) -> (pattern: LayerPattern, shape: DeltaNetShape)? {
    guard architecture.keys.layerKinds == .deltaNets else { return nil }
    func size(_ key: String, _ range: ClosedRange<Int>) throws(GGUFModelError) -> Int {
      let value = try keys.needed(key)
      guard range.contains(value) else {
        throw keys.bad(key, "\(range.lowerBound)…\(range.upperBound)", "\(value)")
      }
      return value
    }
    // What llama.cpp takes without the key.
    let interval = try keys.integer(DeltaKeys.interval)
    var pattern = LayerPattern.every(interval ?? 4)
    if let value = keys.value(DeltaKeys.recurrent) {
      guard case .array(.bool(let list)) = value, list.count == blocks else {
        throw keys.bad(DeltaKeys.recurrent, "a flag for each of \(blocks) layers", value.text())
      }
      let listed: [LayerKind] = list.prefix(layers).map { $0 ? .deltaNet : .attention }
      // Programs go by one of the two, older ones by the interval.
      if let interval, listed.indices.contains(where: { listed[$0] != pattern.kind(ofLayer: $0) }) {
        throw keys.bad(
          DeltaKeys.interval, "the layers \(keys.prefix)\(DeltaKeys.recurrent) names", "another one in \(interval)")
      }
      pattern = LayerPattern(listed)
    } else if interval == nil {
      assumed.append("\(DeltaKeys.interval) = 4")
    }
    let heads = try size(DeltaKeys.heads, 1...(1 << 16))
    let groups = try size(DeltaKeys.groups, 1...(1 << 16))
    guard heads % groups == 0 else {
      throw keys.bad(DeltaKeys.heads, "a multiple of group_count, \(groups)", "\(heads)")
    }
    let state = try size(DeltaKeys.state, 1...(1 << 12))
    let inner = try keys.needed(DeltaKeys.inner)
    guard inner == heads * state else {
      throw keys.bad(DeltaKeys.inner, "\(heads * state), as the state has \(state) columns a head", "\(inner)")
    }
    return (
      pattern,
      DeltaNetShape(
        keyHeads: groups, valueHeads: heads, keyDimension: state, valueDimension: state,
        convolution: try size(DeltaKeys.convolution, 2...64))
    )
  }

  /// The columns of a head that are rotated, and the parts of a position.
  static func readRotatedColumns(
    _ keys: GGUFKeyReader, _ architecture: any Architecture, headDimension: Int, _ assumed: inout [String]
  ) throws(GGUFModelError) -> (columns: Int?, sections: [Int]?) {
    guard case .part = architecture.keys.rotatedColumns else { return (nil, nil) }
    let key = columnsKey
    let stated = try keys.integer(key)
    // What llama.cpp takes without the key.
    let columns = stated ?? headDimension
    if stated == nil { assumed.append("\(key) = \(columns)") }
    guard columns % 2 == 0, columns <= headDimension else {
      throw keys.bad(key, "an even number up to the head's size, \(headDimension)", "\(columns)")
    }
    return (columns, keys.value(DeltaKeys.sections)?.integers.map { Array($0.prefix(3)) })
  }

  /// What is wrong with the parts of a position, of a family whose graph reads them.
  static func sectionsProblem(
    _ manifest: ModelManifest, _ prefix: String, _ description: ModelDescription
  ) -> ModelError? {
    guard case .part = description.architecture.keys.rotatedColumns else { return nil }
    let location = ErrorLocation(file: manifest.path, field: prefix + DeltaKeys.sections)
    guard let value = manifest.entry(prefix + DeltaKeys.sections) else {
      return ModelError(.neededKey(by: "llama.cpp"), location: location)
    }
    let isStated = manifest.entry(prefix + columnsKey) != nil
    return RotarySections.fault(stored: value, columns: description.rotaryDimension, isStated: isStated).map {
      // Of another width they contradict the rest: they are not carried along as if they were not understood.
      ModelError(.contradiction(expected: $0, found: value.text()), location: location)
    }
  }

  /// Keys of delta nets, and of heads that are rotated in part.
  ///
  /// - Throws: `GGUFModelError` for sizes the graph does not have.
  static func deltaEntries(
    _ description: ModelDescription, _ refuse: (String, String, String) -> GGUFModelError
  ) throws(GGUFModelError) -> [(key: String, value: MetadataValue)] {
    guard let net = description.deltaNet else { return [] }
    guard net.keyDimension == net.valueDimension else {
      throw refuse(
        "linear_value_head_dim", "\(net.valueDimension)", "the graph has heads of one size, here \(net.keyDimension)")
    }
    guard net.epsilon == description.normEpsilon else {
      throw refuse("rms_norm_eps", "\(description.normEpsilon)", "the graph takes it for queries and keys as well")
    }
    let pairs = description.rotaryDimension / 2
    let sections = (description.rotary.sections ?? RotarySections.even(pairs: pairs)) + [0]
    guard RotarySections.covers(sections, pairs: pairs) else {
      throw refuse("mrope_section", "\(sections)", "the graph would not rotate every frequency of a text")
    }
    func number(_ value: Int) -> MetadataValue { .uint32(UInt32(clamping: value)) }
    var result: [(key: String, value: MetadataValue)] = [
      (DeltaKeys.sections, .array(.int32(sections.map { Int32(clamping: $0) }))),
      (DeltaKeys.convolution, number(net.convolution)), (DeltaKeys.state, number(net.keyDimension)),
      (DeltaKeys.groups, number(net.keyHeads)), (DeltaKeys.heads, number(net.valueHeads)),
      (DeltaKeys.inner, number(net.valueWidth)),
      (
        DeltaKeys.recurrent,
        .array(.bool((0..<description.layers).map { description.kind(ofLayer: $0) == .deltaNet }))
      ),
    ]
    if case .every(let interval) = description.layerPattern { result.append((DeltaKeys.interval, number(interval))) }
    return result
  }
}
