// Tritsmith: typed metadata as a table.

import TritCore
import TritFormats
import TritReport
import TritSurvey
import VisibleText

/// Metadata keys with types and values.
enum MetadataTable {
  /// - Parameters:
  ///   - limit: elements of an array that are shown.
  ///   - width: characters of a text that are shown; nil for all.
  static func table(_ entries: [MetadataEntry], limit: Int, width: Int?) -> ReportTable {
    var table = ReportTable(
      key: "metadata", title: "Metadata",
      columns: [
        ReportColumn("key", "Key"), ReportColumn("type", "Type"),
        // Says of an array whether all of it is shown.
        ReportColumn("elements", "Elements", kind: .integer), ReportColumn("value", "Value"),
      ])
    for entry in entries {
      let count = (entry.value.array?.count).map { ReportValue.integer($0) } ?? .missing
      table.append([
        .text(entry.key), .text(entry.value.typeName), count, cell(entry.value, limit: limit, width: width),
      ])
    }
    return table
  }

  /// Numbers, truth values and lists as they are.
  private static func cell(_ value: MetadataValue, limit: Int, width: Int?) -> ReportValue {
    switch value {
    case .array(let array): return array.cells(limit: limit) { text($0, width: width) }
    case .string(let value): return text(value, width: width)
    case .uint64(let number): return .unsigned(number)
    case .float32(let number): return shortest(number)
    case .float64(let number): return .number(number)
    case .bool(let value): return .bool(value)
    case .uint8, .int8, .uint16, .int16, .uint32, .int32, .int64: return value.integer.map { .integer($0) } ?? .missing
    }
  }

  private static func text(_ text: String, width: Int?) -> ReportValue {
    guard let width, text.unicodeScalars.count > width else { return .text(text) }
    return .text(String(text.unicodeScalars.prefix(width)) + "…")
  }

  /// The shortest digits of the type: 1e-05 in place of 9.999999747378752e-06.
  fileprivate static func shortest(_ number: Float) -> ReportValue { .optional(Double("\(number)")) }
}

extension MetadataArray {
  /// The first elements as a list.
  fileprivate func cells(limit: Int, _ text: (String) -> ReportValue) -> ReportValue {
    switch self {
    case .string(let values): .list(values.prefix(limit).map(text))
    case .bool(let values): .list(values.prefix(limit).map { .bool($0) })
    case .float32(let values): .list(values.prefix(limit).map { MetadataTable.shortest($0) })
    case .float64(let values): .list(values.prefix(limit).map { .number($0) })
    case .uint64(let values): .list(values.prefix(limit).map { .unsigned($0) })
    case .uint8, .int8, .uint16, .int16, .uint32, .int32, .int64:
      .integers((MetadataValue.array(self).integers ?? []).prefix(limit).map { $0 })
    }
  }
}

/// Looks up metadata keys of a model and shows their values whole.
package struct MetadataLookup: Sendable {
  let path: String
  let keys: [Glob]
  let open: OpenOptions

  package init(path: String, keys: [Glob], open: OpenOptions = OpenOptions()) {
    self.path = path
    self.keys = keys
    self.open = open
  }

  /// What a pattern matched.
  package struct Result: Sendable {
    package var path: String
    package var entries: [MetadataEntry]

    /// The value of one key alone, for another program; of several keys a line each.
    package var text: String {
      guard entries.count != 1 else { return entries[0].value.text(limit: .max) + "\n" }
      return entries.map { $0.key + ": " + $0.value.text(limit: .max) + "\n" }.joined()
    }

    /// The report of `tritsmith inspect --metadata`, schema `tritsmith.metadata` 2.
    package var report: ReportDocument {
      var report = ReportDocument(
        title: "Metadata of \(path)", schema: ReportSchema("tritsmith.metadata", version: 2), primaryTable: "metadata")
      report.append(MetadataTable.table(entries, limit: .max, width: nil))
      return report
    }
  }

  /// - Throws: `WorkflowError` for a pattern that matches no key.
  package func run() throws -> Result {
    let manifest = try FormatRegistry.open(path, open).manifest
    // Formats without types have text.
    let all =
      manifest.entries.isEmpty ? manifest.metadata.map { MetadataEntry($0.key, .string($0.value)) } : manifest.entries
    for key in keys where !all.contains(where: { key.matches($0.key) }) {
      let nearest = nearestMatch(to: key.pattern, among: all.map(\.key))
      throw WorkflowError(.unknownMetadata(key.pattern, nearest: nearest, count: all.count), file: path)
    }
    return Result(path: path, entries: all.filter { entry in keys.contains { $0.matches(entry.key) } })
  }
}

/// What a GGUF file says about its tokenizer, in a few lines.
struct GGUFTokenizerSummary {
  let facts: ReportFacts

  init?(_ manifest: ModelManifest) {
    guard let model = manifest.entry("tokenizer.ggml.model")?.string else { return nil }
    let tokens = manifest.entry("tokenizer.ggml.tokens")?.strings ?? []
    var facts = ReportFacts(key: "tokenizer", title: "Tokenizer")
    facts.append(ReportFact("Model", .text(model)))
    facts.append(ReportFact("Pre-tokenizer", .optional(manifest.entry("tokenizer.ggml.pre")?.string)))
    facts.append(ReportFact("Tokens", .integer(tokens.count), note: GGUFTokenizerSummary.types(manifest)))
    facts.append(ReportFact("Merges", .integer(manifest.entry("tokenizer.ggml.merges")?.array?.count ?? 0)))
    for (label, name) in [("Begin", "bos"), ("End", "eos"), ("Padding", "padding"), ("Unknown", "unknown")] {
      guard let id = manifest.entry("tokenizer.ggml.\(name)_token_id")?.integer else { continue }
      let text = tokens.indices.contains(id) ? tokens[id] : "not in the vocabulary"
      let adds = name == "bos" || name == "eos" ? manifest.entry("tokenizer.ggml.add_\(name)_token")?.bool : nil
      let note = text + (adds.map { $0 ? ", added by default" : ", not added by default" } ?? "")
      facts.append(ReportFact(label, .integer(id), key: name + "_token_id", note: note))
    }
    if let template = manifest.entry("tokenizer.chat_template")?.string {
      facts.append(ReportFact("Chat template", .integer(template.utf8.count), note: "bytes"))
    }
    self.facts = facts
  }

  private static func types(_ manifest: ModelManifest) -> String? {
    guard let types = manifest.entry("tokenizer.ggml.token_type")?.integers else { return nil }
    let names = [
      (1, "normal"), (2, "unknown"), (3, "control"), (4, "user-defined"), (5, "unused"), (6, "byte"),
    ]
    let counts = names.compactMap { type, name in
      let count = types.count { $0 == type }
      return count == 0 ? nil : "\(grouped(count)) \(name)"
    }
    return counts.joined(separator: ", ")
  }
}
