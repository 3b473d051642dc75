// Tritsmith: keys of a GGUF file whose type llama.cpp refuses.

import TritCore

/// A key whose value is read here and whose type llama.cpp does not take: it refuses the file.
///
/// Of integers it takes U32 alone, of numbers F32, and of lists with one for each layer those with `block_count`
/// elements. Source: llama.cpp `llama-model-loader.cpp`, `GKV::get_kv` and `get_key_or_arr`; `llama-vocab.cpp`.
package struct GGUFKeyMisfit: Sendable, Equatable {
  package let key: String
  /// What llama.cpp takes.
  package let expected: String
  package let found: String
  /// The same value as llama.cpp takes it; nil where no such type holds it.
  package let value: MetadataValue?

  /// Those of a file, in its order.
  package static func all(_ entries: [MetadataEntry]) -> [GGUFKeyMisfit] {
    let layout = Layout(entries)
    return entries.compactMap { misfit($0, layout) }
  }

  /// The same entries in the types llama.cpp takes, no value changed.
  ///
  /// - Throws: `GGUFModelError` for a value that no such type holds.
  package static func mended(_ entries: [MetadataEntry], file: String) throws(GGUFModelError) -> [MetadataEntry] {
    let layout = Layout(entries)
    var result = entries
    for index in entries.indices {
      guard let misfit = misfit(entries[index], layout) else { continue }
      guard let value = misfit.value else {
        throw GGUFModelError(
          .badType(expected: misfit.expected, found: misfit.found), file: file, field: misfit.key)
      }
      result[index].value = value
    }
    return result
  }

  /// What the types of other keys depend on.
  private struct Layout {
    var prefix: String?
    /// Layers by `block_count`; nil where it says nothing.
    var layers: Int?

    init(_ entries: [MetadataEntry]) {
      func value(_ key: String) -> MetadataValue? { entries.last { $0.key == key }?.value }
      prefix = value(GGUFDescription.architectureKey)?.string.map { $0 + "." }
      layers = prefix.flatMap { value($0 + "block_count")?.integer }
    }
  }

  private static func misfit(_ entry: MetadataEntry, _ layout: Layout) -> GGUFKeyMisfit? {
    guard let kind = GGUFKeyTypes.kind(entry.key, prefix: layout.prefix), isRead(entry.key), kind.holds(entry.value)
    else { return nil }
    // Of all lists of integers, types of tokens alone must have a sign.
    let isSigned = entry.key == GGUFKeyTypes.tokenizerPrefix + "token_type"
    guard let expected = kind.expected(entry.value, layers: layout.layers, isSigned: isSigned) else { return nil }
    let count = entry.value.array.map { " of \($0.count)" } ?? " \(printable(entry.value.text(), limit: 40))"
    return GGUFKeyMisfit(
      key: entry.key, expected: expected, found: entry.value.typeName + count,
      value: kind.canonical(entry.value, layers: layout.layers))
  }

  /// Ids of tokens that llama.cpp asks for; it passes over others, whatever they hold.
  private static let tokens: Set<String> = [
    "bos", "eos", "eot", "eom", "unknown", "seperator", "padding", "mask", "fim_pre", "fim_suf", "fim_mid", "fim_pad",
    "fim_rep", "fim_sep", "prefix", "suffix", "middle",
  ]

  private static func isRead(_ key: String) -> Bool {
    let suffix = "_token_id"
    guard key.hasPrefix(GGUFKeyTypes.tokenizerPrefix), key.hasSuffix(suffix) else { return true }
    return tokens.contains(String(key.dropFirst(GGUFKeyTypes.tokenizerPrefix.count).dropLast(suffix.count)))
  }
}

extension GGUFKeyTypes.Kind {
  /// What llama.cpp takes in the place of a value of this kind; nil where it takes that.
  fileprivate func expected(_ value: MetadataValue, layers: Int?, isSigned: Bool) -> String? {
    switch (self, value) {
    case (.integers, .array(.uint32)): isSigned ? "a list of i32" : nil
    case (.integer, .uint32), (.perLayer, .uint32), (.number, .float32), (.integers, .array(.int32)),
      (.numbers, .array(.float32)), (.text, _), (.flag, _), (.texts, _), (.flags, _):
      nil
    case (.perLayer, .array(.uint32(let list))): lengthExpected(list.count, layers)
    case (.perLayer, .array(.int32(let list))): lengthExpected(list.count, layers)
    case (.perLayer, .array): "u32, or a list of u32 or i32 with one for each layer"
    case (.integer, _), (.perLayer, _): "u32"
    case (.number, _): "f32"
    case (.integers, _): "a list of i32"
    case (.numbers, _): "a list of f32"
    }
  }

  private func lengthExpected(_ count: Int, _ layers: Int?) -> String? {
    guard let layers, count != layers else { return nil }
    return "u32, or a list of \(layers), one for each layer of block_count"
  }

  /// The same value in the type llama.cpp takes; nil where that does not hold it.
  fileprivate func canonical(_ value: MetadataValue, layers: Int?) -> MetadataValue? {
    switch self {
    case .integer: return value.integer.flatMap { UInt32(exactly: $0) }.map { .uint32($0) }
    case .perLayer:
      if let one = value.integer ?? value.commonInteger { return UInt32(exactly: one).map { .uint32($0) } }
      guard let values = value.integers, layers == nil || values.count == layers else { return nil }
      let list = values.compactMap { UInt32(exactly: $0) }
      return list.count == values.count ? .array(.uint32(list)) : nil
    case .number:
      guard let number = value.double else { return nil }
      let single = Float(number)
      return single.isFinite == number.isFinite && (single == 0) == (number == 0) ? .float32(single) : nil
    case .integers:
      guard let values = value.integers else { return nil }
      let list = values.compactMap { Int32(exactly: $0) }
      return list.count == values.count ? .array(.int32(list)) : nil
    case .numbers:
      guard case .array(.float64(let values)) = value else { return value }
      let list = values.map { Float($0) }
      return zip(list, values).allSatisfy { $0.isFinite == $1.isFinite } ? .array(.float32(list)) : nil
    case .text, .flag, .texts, .flags: return value
    }
  }
}
