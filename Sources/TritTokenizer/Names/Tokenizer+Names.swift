// Tritsmith: what GGUF can and cannot say of a tokenizer.

import TritCore

extension Tokenizer {
  /// Names, in the order of preference, under which an engine cuts text as this tokenizer does.
  package func preTokenizerNames(in engine: GGUFEngine) -> [PreTokenizerName] {
    PreTokenizerName.names(for: preTokenizer.withoutPrefixSpace, in: engine)
  }

  /// Whether a rule cuts text as this tokenizer does.
  package func cuts(by rule: PreTokenizerRule) -> Bool { rule.describes(preTokenizer.withoutPrefixSpace) }

  /// Whether a space is put before every piece that has none, for which GGUF has no word in a byte-level vocabulary.
  package var addsPrefixSpace: Bool { preTokenizer.withoutPrefixSpace.steps.count < preTokenizer.steps.count }

  /// Whether text is only brought into NFC before it is cut (true), or not touched (false); nil for any other rewriting.
  package var isNormalizedOnly: Bool? {
    if normalizer.steps.isEmpty { return false }
    return normalizer.steps == [.form(.composed)] ? true : nil
  }

  /// Whether whole words that are tokens are taken without merging.
  package var ignoresMerges: Bool { model.wholeWords != nil }

  /// A token whose word gets other ids by merging than when it is taken whole; nil when there is none.
  ///
  /// There is none when the merges lead from the bytes of every token of the model back to that token; then it makes no
  /// difference whether whole words are taken without merging. Added tokens are found before words are made.
  package var tokenThatMergesMiss: String? {
    var merging = model
    merging.wholeWords = nil
    var workspace = BytePairModel.Workspace()
    let added = Set(addedTokens.map(\.id))
    for id in vocabulary.ids where !added.contains(id) {
      guard let token = vocabulary.token(id), let bytes = ByteAlphabet.decode(token), !bytes.isEmpty else { continue }
      // A byte without a token is dropped, and what is left is another one.
      merging.encode(bytes.indices, of: bytes, workspace: &workspace)
      guard workspace.symbols.count == 1, Int(workspace.symbols[0]) == id else { return token }
    }
    return nil
  }

  /// Steps that rewrite the text and steps that cut it, in words.
  package var normalizerSummary: String { normalizer.summary }
  package var preTokenizerSummary: String { preTokenizer.summary }

  /// Ids put before and behind a text.
  package var prefixIDs: [Int] { postProcessor.prefix }
  package var suffixIDs: [Int] { postProcessor.suffix }

  /// A byte of UTF-8 that becomes an unknown token, which readers of GGUF leave out; nil when there is none.
  package var unknownByte: UInt8? {
    guard model.unknownID != nil else { return nil }
    return (UInt8.min...UInt8.max).first { WellFormedUTF8.occurs($0) && model.byteIDs[Int($0)] < 0 }
  }
}

extension PreTokenizer {
  /// The steps but those that put a space before a piece.
  fileprivate var withoutPrefixSpace: PreTokenizer {
    var result = self
    result.steps = steps.filter {
      if case .prefixSpace = $0 { return false }
      return true
    }
    return result
  }
}
