// Tritsmith: weights that are stored rotated.

import TritCore

/// How the weights of a model are rotated: the keys `prism.hadamard.*` of a GGUF file.
///
/// A rotated matrix holds W′ = (W ∘ s)·H in the place of W, in blocks of each row: s has a sign for every column. Programs
/// that know the keys rotate what they multiply with; to all others W′ is another matrix. Docs/Formats/Rotation.md.
package struct WeightRotation: Sendable, Hashable {
  /// 2 where the head is the embedding.
  package var version: Int
  /// Columns that are rotated together, a power of two.
  package var blockSize: Int
  /// One of ±1 for every column, by the number of columns; nil where all are +1.
  package var signs: [Int: [Int8]]?
  /// Names in the file, in their order: the products whose weights are rotated.
  package var products: [String]
  /// The embedding, where that is rotated.
  package var embeddings: [String]
  /// How the columns of `ssm_out` are ordered before they are rotated; nil where they stand as they are multiplied.
  package var valueHeads: ValueHeads?
  /// Whether no key says how the columns of a rotated `ssm_out` are ordered, and either order is possible.
  package private(set) var leavesOrderOpen = false

  /// Value heads of gated delta nets: they stand in turns of `groups`, and are rotated group by group.
  package struct ValueHeads: Sendable, Hashable {
    package var groups: Int
    package var heads: Int
  }

  /// Names of all rotated tensors.
  package var names: [String] { products + embeddings }

  /// For people: "blocks of 256, explicit signs, 4 tensors".
  package var text: String {
    "blocks of \(blockSize), \(signs == nil ? "no" : "explicit") signs, \(names.count) "
      + (names.count == 1 ? "tensor" : "tensors")
  }

  /// What of the keys was assumed; nil where nothing was.
  package var assumption: String? {
    guard leavesOrderOpen else { return nil }
    return "\(WeightRotation.orderKey) is missing: the columns of ssm_out are taken as they are multiplied, as the "
      + "loader that defines the keys takes them; if they were rotated group by group, nonsense is computed"
  }

  /// The key that tells how value heads are ordered.
  package static let orderKey = prefix + "gdn_v_grouped"

  /// What everybody who opens the file should know.
  func notes(keepsRotation: Bool) -> [String] {
    let note =
      "the weights are rotated (\(text)), "
      + (keepsRotation
        ? "and only programs that know the keys compute with them; others load the file and compute nonsense"
        : "and unfolded while they are read")
    return [note] + (assumption.map { [$0] } ?? [])
  }
}

// MARK: - Reading

extension WeightRotation {
  static let prefix = stem + "."
  static let transform = "normalized-sylvester-walsh-hadamard"
  static let axis = "input-last-dimension"
  /// The one tensor that is looked up, and may be rotated.
  static let embedding = "token_embd.weight"
  static let head = "output.weight"
  /// Graphs that rotate what they multiply with. Source: PrismML-Eng/llama.cpp.
  static let architectures: Set<String> = ["llama", "qwen3", "qwen3moe", "qwen35", "qwen35moe", "qwen3next"]
  /// Products of those graphs, behind `blk.N.`.
  private static let matrices: Set<String> = {
    let experts = ["ffn_gate", "ffn_up", "ffn_down"].flatMap { [$0, $0 + "_exps", $0 + "_shexp"] }
    return Set(
      ["attn_q", "attn_k", "attn_v", "attn_qkv", "attn_gate", "attn_output", "ssm_out", "ssm_alpha", "ssm_beta"]
        + ["ffn_gate_up_exps"] + experts)
  }()
  private static let valueOutput = "ssm_out"

  /// The same without what may follow it.
  private static let stem = "prism.hadamard"

  /// Whether a key of a GGUF file speaks of rotation, be it misspelt: passed over, it would leave another model.
  package static func owns(_ key: String) -> Bool { key.lowercased().hasPrefix(stem) }

  /// What the keys of a GGUF file say; nil without any of them.
  ///
  /// Checked strictly: a key or value that is not known, that is missing or contradicts another one or the tensors, is an
  /// error. Taken otherwise than it is meant, every weight would be another.
  ///
  /// - Throws: `GGUFModelError` of kind `badRotation`.
  package init?(_ manifest: ModelManifest) throws(GGUFModelError) {
    guard manifest.entries.contains(where: { WeightRotation.owns($0.key) }) else { return nil }
    let keys = try RotationKeys(manifest)
    version = try keys.integer("version", 1...2, "1 or 2")
    blockSize = try keys.integer("block_size", 1...(1 << 30), "a power of two")
    guard blockSize.nonzeroBitCount == 1 else {
      throw keys.bad("block_size", "a power of two", "\(blockSize)")
    }
    try keys.fixed("transform", WeightRotation.transform)
    try keys.fixed("axis", WeightRotation.axis)
    signs = try WeightRotation.signs(keys, blockSize: blockSize)
    products = try keys.names("weight_names")
    embeddings = try keys.optionalNames("inverse_weight_names")
    guard !names.isEmpty else { throw keys.bad("weight_names", "the names of rotated tensors", "none") }
    let isTied = try keys.flag("tied_output")
    guard isTied == (version == 2) else {
      throw keys.bad("tied_output", version == 2 ? "true, as in version 2" : "false, as in version 1", "\(isTied)")
    }
    let family = manifest.entry(GGUFDescription.architectureKey)?.string ?? "none"
    guard WeightRotation.architectures.contains(family) else {
      throw GGUFModelError(
        .badRotation(
          expected: "one of " + WeightRotation.architectures.sorted().joined(separator: ", "), found: family),
        file: manifest.path, field: GGUFDescription.architectureKey)
    }
    try checkNames(keys)
    try checkTensors(keys, isTied: isTied)
    if try keys.flag("gdn_v_grouped") {
      valueHeads = try WeightRotation.valueHeads(keys, family, products)
    } else {
      valueHeads = nil
      leavesOrderOpen =
        !keys.has("gdn_v_grouped") && WeightRotation.hasTwoOrders(manifest, family)
        && products.contains { WeightRotation.layerMatrix($0) == WeightRotation.valueOutput }
    }
  }

  /// Whether value heads in turns and value heads group by group are two orders.
  private static func hasTwoOrders(_ manifest: ModelManifest, _ family: String) -> Bool {
    let (groups, heads) = (
      manifest.entry("\(family).ssm.group_count")?.integer, manifest.entry("\(family).ssm.time_step_rank")?.integer
    )
    return groups != heads && groups != 1
  }

  private static func signs(_ keys: RotationKeys, blockSize: Int) throws(GGUFModelError) -> [Int: [Int8]]? {
    let mode = try keys.text("sign_mode")
    let widths = try keys.integers("sign_widths")
    let values = try keys.integers("sign_values")
    switch mode {
    case "identity":
      for (key, list) in [("sign_widths", widths), ("sign_values", values)] where list?.isEmpty == false {
        throw keys.bad(key, "none, as sign_mode is identity", "\(list?.count ?? 0) of them")
      }
      return nil
    case "explicit": break
    default: throw keys.bad("sign_mode", "identity or explicit", mode)
    }
    guard let widths, !widths.isEmpty else { throw keys.missing("sign_widths") }
    guard let values else { throw keys.missing("sign_values") }
    var result: [Int: [Int8]] = [:]
    var start = 0
    for width in widths {
      guard width > 0, width % blockSize == 0 else {
        throw keys.bad("sign_widths", "multiples of block_size, \(blockSize)", "\(width)")
      }
      guard result[width] == nil else { throw keys.bad("sign_widths", "every width once", "\(width) twice") }
      guard let end = Checked.sum(start, width), end <= values.count else {
        throw keys.bad("sign_values", "as many signs as the widths add up to", "\(values.count)")
      }
      var own: [Int8] = []
      own.reserveCapacity(width)
      for value in values[start..<end] {
        guard value == 1 || value == -1 else { throw keys.bad("sign_values", "1 and -1", "\(value)") }
        own.append(value == 1 ? 1 : -1)
      }
      result[width] = own
      start = end
    }
    guard start == values.count else {
      throw keys.bad("sign_values", "\(start) signs, which the widths add up to", "\(values.count)")
    }
    return result
  }

  private func checkNames(_ keys: RotationKeys) throws(GGUFModelError) {
    var seen: Set<ExactString> = []
    for name in products {
      guard name == WeightRotation.head || WeightRotation.layerMatrix(name) != nil else {
        throw keys.bad("weight_names", "weights of products", "'\(name)'")
      }
      guard seen.insert(ExactString(name)).inserted else {
        throw keys.bad("weight_names", "every name once", "'\(name)' twice")
      }
    }
    guard embeddings.count < 2, embeddings.first ?? WeightRotation.embedding == WeightRotation.embedding else {
      let other = embeddings.first { $0 != WeightRotation.embedding } ?? WeightRotation.embedding
      throw keys.bad("inverse_weight_names", "'\(WeightRotation.embedding)' at most, once", "'\(other)'")
    }
  }

  /// `attn_q` of `blk.3.attn_q.weight`; nil for a name that is no product's.
  private static func layerMatrix(_ name: String) -> String? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == "blk", parts[3] == "weight", !parts[1].isEmpty,
      parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), matrices.contains(String(parts[2]))
    else { return nil }
    return String(parts[2])
  }

  private func checkTensors(_ keys: RotationKeys, isTied: Bool) throws(GGUFModelError) {
    let manifest = keys.manifest
    for name in names {
      let key = embeddings.contains(name) ? "inverse_weight_names" : "weight_names"
      guard let tensor = manifest.tensor(named: name) else {
        throw keys.bad(key, "names of tensors of the file", "'\(name)', which is none")
      }
      guard tensor.shape.rank >= 2, tensor.shape.columns > 0, tensor.shape.columns % blockSize == 0 else {
        throw GGUFModelError(
          .badRotation(expected: "rows of whole blocks of \(blockSize)", found: "\(tensor.shape)"),
          file: manifest.path, tensor: name, field: WeightRotation.prefix + "block_size")
      }
      guard signs.map({ $0[tensor.shape.columns] != nil }) ?? true else {
        throw GGUFModelError(
          .badRotation(expected: "signs for rows of \(tensor.shape.columns)", found: "none"), file: manifest.path,
          tensor: name, field: WeightRotation.prefix + "sign_widths")
      }
    }
    let hasHead = manifest.tensor(named: WeightRotation.head) != nil
    if isTied, hasHead || embeddings.isEmpty {
      throw keys.bad(
        "tied_output", hasHead ? "false beside a tensor '\(WeightRotation.head)'" : "false, as no embedding is rotated",
        "true")
    }
    // Without the word the embedding would be multiplied with as if it were not rotated.
    if !isTied, !hasHead, !embeddings.isEmpty {
      throw keys.bad("tied_output", "true, as there is no '\(WeightRotation.head)'", "false")
    }
  }

  private static func valueHeads(
    _ keys: RotationKeys, _ family: String, _ products: [String]
  ) throws(GGUFModelError) -> ValueHeads? {
    let outputs = products.filter { layerMatrix($0) == valueOutput }
    guard let first = outputs.first else { return nil }
    func number(_ key: String) throws(GGUFModelError) -> Int {
      let name = "\(family).\(key)"
      guard let value = keys.manifest.entry(name) else {
        throw GGUFModelError(.missingKey(name), file: keys.manifest.path)
      }
      guard let number = value.integer, number > 0 else {
        let found = value.string.map { "the text '\($0)'" } ?? value.text()
        throw GGUFModelError(
          .badValue(expected: "a whole number above 0", found: found), file: keys.manifest.path, field: name)
      }
      return number
    }
    let result = ValueHeads(groups: try number("ssm.group_count"), heads: try number("ssm.time_step_rank"))
    guard result.heads % result.groups == 0 else {
      throw keys.bad("gdn_v_grouped", "a number of value heads that \(result.groups) groups share", "\(result.heads)")
    }
    for name in outputs {
      guard let columns = keys.manifest.tensor(named: name)?.shape.columns, columns % result.heads == 0 else {
        throw keys.bad("gdn_v_grouped", "rows of '\(first)' that \(result.heads) value heads share", "others")
      }
    }
    return result
  }
}

/// The keys of rotation, each of a known name and there once.
private struct RotationKeys {
  let manifest: ModelManifest
  private var values: [String: MetadataValue] = [:]
  private static let known: Set<String> = [
    "version", "block_size", "transform", "axis", "sign_mode", "sign_widths", "sign_values", "weight_names",
    "inverse_weight_names", "gdn_v_grouped", "tied_output",
  ]

  init(_ manifest: ModelManifest) throws(GGUFModelError) {
    self.manifest = manifest
    for entry in manifest.entries where WeightRotation.owns(entry.key) {
      let key = String(entry.key.dropFirst(WeightRotation.prefix.count))
      guard entry.key.hasPrefix(WeightRotation.prefix), RotationKeys.known.contains(key) else {
        let names = RotationKeys.known.sorted().joined(separator: ", ")
        throw GGUFModelError(
          .badRotation(expected: "\(WeightRotation.prefix) and one of \(names)", found: "another key"),
          file: manifest.path, field: entry.key)
      }
      guard values.updateValue(entry.value, forKey: key) == nil else { throw bad(key, "every key once", "it twice") }
    }
  }

  func bad(_ key: String, _ expected: String, _ found: String) -> GGUFModelError {
    GGUFModelError(
      .badRotation(expected: expected, found: found), file: manifest.path, field: WeightRotation.prefix + key)
  }

  func missing(_ key: String) -> GGUFModelError { bad(key, "this key beside the others", "nothing") }

  func has(_ key: String) -> Bool { values[key] != nil }

  private func value(_ key: String) throws(GGUFModelError) -> MetadataValue {
    guard let value = values[key] else { throw missing(key) }
    return value
  }

  func integer(_ key: String, _ range: ClosedRange<Int>, _ expected: String) throws(GGUFModelError) -> Int {
    let value = try value(key)
    guard let number = value.integer else {
      throw bad(key, expected + " as a whole number", value.string.map { "the text '\($0)'" } ?? value.text())
    }
    guard range.contains(number) else { throw bad(key, expected, value.text()) }
    return number
  }

  func text(_ key: String) throws(GGUFModelError) -> String {
    let value = try value(key)
    guard let text = value.string else { throw bad(key, "a text", value.text()) }
    return text
  }

  func fixed(_ key: String, _ expected: String) throws(GGUFModelError) {
    let found = try text(key)
    guard found == expected else { throw bad(key, "'\(expected)'", "'\(found)'") }
  }

  /// Off where the key is missing: some writers leave it out then.
  func flag(_ key: String) throws(GGUFModelError) -> Bool {
    guard let value = values[key] else { return false }
    guard let flag = value.bool else { throw bad(key, "true or false", value.text()) }
    return flag
  }

  /// Nil where the key is missing. An empty list may be of any type.
  func integers(_ key: String) throws(GGUFModelError) -> [Int]? {
    guard let value = values[key] else { return nil }
    if value.array?.count == 0 { return [] }
    guard let numbers = value.integers else { throw bad(key, "a list of whole numbers", value.text()) }
    return numbers
  }

  /// None where the key is missing: gguf-py cannot write an empty list, and the loader takes no list for one.
  func optionalNames(_ key: String) throws(GGUFModelError) -> [String] {
    values[key] == nil ? [] : try names(key)
  }

  func names(_ key: String) throws(GGUFModelError) -> [String] {
    let value = try value(key)
    if value.array?.count == 0 { return [] }
    guard let names = value.strings else { throw bad(key, "a list of names", value.text()) }
    return names.sorted { ExactString($0) < ExactString($1) }
  }
}

// MARK: - Unfolding

extension WeightRotation {
  /// How the rows of a tensor are rotated, columns in the order in which programs multiply with them.
  func asMultiplied(_ tensor: TensorDescriptor) -> RowRotation {
    let columns = tensor.shape.columns
    var result = RowRotation(columns: columns, blockSize: blockSize, signs: signs?[columns])
    if let valueHeads, WeightRotation.layerMatrix(tensor.name) == WeightRotation.valueOutput {
      let places = valueHeads.order(columns: columns)
      var order = [Int](repeating: 0, count: columns)
      for (column, stored) in places.enumerated() { order[stored] = column }
      result.order = order
    }
    return result
  }
}

extension WeightRotation.ValueHeads {
  /// For each column as it is multiplied, the column it is rotated at: value head k + groups·r comes r-th of group k.
  func order(columns: Int) -> [Int] {
    let (width, turns) = (columns / heads, heads / groups)
    return (0..<columns).map { column in
      let (head, inside) = column.quotientAndRemainder(dividingBy: width)
      let (turn, group) = head.quotientAndRemainder(dividingBy: groups)
      return (group * turns + turn) * width + inside
    }
  }
}

/// Turns a row of a rotated matrix into the ordinary one's: W = (W′·H) ∘ s.
struct RowUnfolding: Sendable {
  let blockSize: Int
  /// By column; nil where all are +1.
  let signs: [Int8]?
  /// The column each one is found at afterwards; nil where all stay.
  let order: [Int]?

  /// In Double, and rounded to Float once: sums of up to thousands of numbers lose nothing on the way.
  func row(_ stored: [Float]) -> [Float] {
    var values = stored.map { Double($0) }
    Hadamard.transform(&values, size: blockSize)
    // 0 − 0 is 0: a weight of nothing has no sign.
    if let signs { for index in values.indices where signs[index] < 0 { values[index] = 0 - values[index] } }
    guard let order else { return values.map { Float($0) } }
    return order.map { Float(values[$0]) }
  }
}
