// Tritsmith: comparing the tokenizers of two models.

import TritCore
import TritModel
import TritSurvey
import TritTokenizer

extension PartsComparison {
  /// By content and by the ids of fixed texts; files that are the same byte for byte need no more.
  func tokenizer() throws -> PartFinding {
    if let storedEntries { return finding(.tokenizer, storedEntries) { $0.hasPrefix("tokenizer.") } }
    let has = [first, second].map { $0.manifest.tokenizerFile != nil }
    let unread = [first, second].map(\.unreadTokenizer)
    if let reason = unread[0] ?? unread[1] {
      if let left = first as? GGUFModelView, let right = second as? GGUFModelView {
        return finding(.tokenizer, (left.base.manifest.entries, right.base.manifest.entries)) {
          $0.hasPrefix("tokenizer.") && !$0.hasPrefix("tokenizer.chat_template")
        }
      }
      let names = Set([first, second].flatMap(\.manifest.foreignTokenizerFiles))
      if unread[0] != nil, unread[1] != nil, try hasSameFiles(PartsComparison.settings + names) {
        return PartFinding(.tokenizer, .equal, "the same files, byte for byte")
      }
      let isOnBoth = (unread[0] != nil || has[0]) && (unread[1] != nil || has[1])
      return isOnBoth
        ? PartFinding(.tokenizer, .notCompared, "not understood: \(reason)")
        : PartFinding(.tokenizer, .differs, "only the \(unread[0] != nil ? "first" : "second") has a tokenizer")
    }
    guard has[0] || has[1] else { return PartFinding(.tokenizer, .none, "neither has a tokenizer") }
    guard has[0], has[1] else {
      return PartFinding(.tokenizer, .differs, "only the \(has[0] ? "first" : "second") has a tokenizer")
    }
    let rest = unreadDifferences()
    guard rest.isEmpty else {
      return PartFinding(.tokenizer, .differs, PartsComparison.count(rest, "entry", "entries"), differences: rest)
    }
    var finding = try readTokenizers()
    let unknown = Set(
      [first, second].compactMap { $0 as? GGUFModelView }.flatMap {
        GGUFTokenizerRest.unknownKeys($0.base.manifest)
      })
    if finding.outcome == .equal, let key = unknown.min() {
      finding.isPartlyUnderstood = true
      finding.detail += "; not understood: \(printable(key, limit: 60))" + (unknown.count > 1 ? " and others" : "")
    }
    return finding
  }

  /// What two GGUF files say of their tokenizers that is not read, entry for entry.
  private func unreadDifferences() -> [DescriptionDifference] {
    guard let left = (first as? GGUFModelView)?.base.manifest, let right = (second as? GGUFModelView)?.base.manifest
    else { return [] }
    let entries = [left, right].map { GGUFTokenizerRest.entries($0).map { ($0.key, $0.value) } }
    return PartsComparison.differences(entries[0], entries[1])
      + GGUFTokenizerRest.differingTypes(left, right).map {
        DescriptionDifference(
          key: "tokenizer.ggml.token_type[\($0.id)]", first: String($0.first), second: String($0.second))
      }
  }

  /// Both are read here: by their files, or by what they are and do.
  private func readTokenizers() throws -> PartFinding {
    if try hasSameFiles(PartsComparison.settings) {
      return PartFinding(.tokenizer, .equal, "the same files, byte for byte")
    }
    var tokenizers: [Tokenizer]
    var open: (condition: String, remark: String)?
    do {
      tokenizers = try [first, second].map { try Tokenizer(of: $0) }
      open = try settleNormalization(&tokenizers)
    } catch let error as any DiagnosticError where error.category == .malformedInput {
      return PartFinding(.tokenizer, .notCompared, "not understood: \(error.placedSummary)")
    }
    var beside = try zip([first, second], tokenizers).map { Set(try TokenizerCheck.contradictions($0, $1)) }
    if !(first is GGUFModelView), !(second is GGUFModelView) {
      let code = try [first, second].map(ownCode)
      for side in 0...1 { if let code = code[side] { beside[side].insert(code) } }
    }
    let contradictions = beside[0].symmetricDifference(beside[1]).sorted()
    if let one = contradictions.first {
      return PartFinding(.tokenizer, .differs, "only one side has: \(one)", lines: contradictions)
    }
    let comparison = TokenizerComparison(tokenizers[0], tokenizers[1])
    guard !comparison.isEqual else {
      var finding = PartFinding(
        .tokenizer, .equal,
        "\(comparison.comparedTokens) tokens, \(comparison.comparedMerges) merges, ids of \(comparison.comparedTexts) texts"
      )
      finding.condition = open?.condition
      finding.remarks = [open?.remark].compactMap { $0 }
      return finding
    }
    let count = comparison.differences.count + comparison.omittedCount
    return PartFinding(
      .tokenizer, .differs,
      (count == 1 ? "" : "\(count) differences, the first: ") + (comparison.differences.first?.description ?? ""),
      lines: comparison.differences.map(\.description))
  }

  /// Reads a GGUF file that leaves open whether text is brought into NFC as the other side does it.
  ///
  /// - Returns: a condition and a remark, where that was done.
  private func settleNormalization(
    _ tokenizers: inout [Tokenizer]
  ) throws -> (condition: String, remark: String)? {
    for (side, source) in [first, second].enumerated() {
      guard let view = source as? GGUFModelView, view.leavesNormalizationOpen,
        tokenizers[1 - side].isNormalizedOnly == true
      else { continue }
      tokenizers[side] = try Tokenizer(of: source, composes: true)
      let name = side == 0 ? "first" : "second"
      return (
        "if the \(name) is read with NFC",
        "the \(name) does not say whether text is brought into NFC: `tokenize` and `run` read it without"
      )
    }
    return nil
  }

  /// Files a tokenizer is made of; another `config.json` can give its special tokens other ids.
  private static let settings = [
    "tokenizer.json", ModelManifest.sentencePieceFile, "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json",
  ]

  /// Code of a model's own that makes its tokenizer, which no other container can name.
  private func ownCode(_ source: any TensorSource) throws -> String? {
    let settings = try object("tokenizer_config.json", source)
    guard let name = settings?["auto_map"]?.object?["AutoTokenizer"] else { return nil }
    return "auto_map: a tokenizer of the model's own code, \(printable(name.shown, limit: 80))"
  }

  private func hasSameFiles(_ names: [String]) throws -> Bool {
    try names.allSatisfy { try bytes($0, first) == bytes($0, second) }
  }

  private func bytes(_ name: String, _ source: any TensorSource) throws -> [UInt8]? {
    guard source.manifest.companions.contains(where: { $0.name == name }) else { return nil }
    return try source.companion(named: name)
  }
}
