// Tritsmith: what a tokenizer is made of.

import TritCore

/// The facts about a tokenizer that `inspect` shows.
package struct TokenizerSummary: Sendable, Equatable {
  /// The kind of model, in words.
  package var modelType: String
  /// Tokens in all.
  package var vocabularySize: Int
  /// One more than the highest id.
  package var endID: Int
  /// Tokens of the model itself, without those only added.
  package var modelVocabularySize: Int
  /// Merges of the model.
  package var mergeCount: Int
  /// Whether a whole word that is a token is taken without merging.
  package var ignoresMergesForWholeWords: Bool
  /// Bytes without a token, such as those that never occur in UTF-8.
  package var bytesWithoutToken: [UInt8]
  /// Added tokens in file order.
  package var addedTokens: [AddedToken]
  /// Steps that rewrite the text first; empty for none.
  package var normalizer: String
  /// Steps that cut the text into words.
  package var preTokenizer: String
  /// Steps that put special tokens around; empty for none.
  package var postProcessor: String
  /// Tokens put before and behind a text by default.
  package var prefixIDs: [Int]
  package var suffixIDs: [Int]
  package var bosTokenID: Int?
  package var eosTokenID: Int?
  package var endTokenIDs: [Int]
  package var padTokenID: Int?
  /// Whether a text begins with a BOS token by default.
  package var addsBOSByDefault: Bool
  /// Whether a text ends with an EOS token by default.
  package var addsEOSByDefault: Bool
  /// Contradictions between the files that change no id.
  package var notes: [String]

  /// Added tokens that steer the model.
  package var specialTokens: [AddedToken] { addedTokens.filter { $0.isSpecial } }

  init(
    vocabulary: Vocabulary, modelCount: Int, mergeCount: Int, model: BytePairModel, addedTokens: [AddedToken],
    normalizer: String, preTokenizer: String, postProcessor: PostProcessor, roles: TokenRoles
  ) {
    if case .bytes = model.alphabet {
      modelType = "BPE (byte-level)"
      bytesWithoutToken = (0..<256).filter { model.byteIDs[$0] < 0 }.map { UInt8($0) }
    } else if case .characters(let alphabet) = model.alphabet, let bytes = alphabet.byteTokens {
      modelType = "BPE (characters, bytes for others)"
      bytesWithoutToken = (0..<256).filter { bytes[$0] < 0 }.map { UInt8($0) }
    } else {
      modelType = "BPE (characters)"
      bytesWithoutToken = []
    }
    vocabularySize = vocabulary.count
    endID = vocabulary.endID
    modelVocabularySize = modelCount
    self.mergeCount = mergeCount
    ignoresMergesForWholeWords = model.wholeWords != nil
    self.addedTokens = addedTokens
    self.normalizer = normalizer
    self.preTokenizer = preTokenizer
    self.postProcessor = postProcessor.summary
    prefixIDs = postProcessor.prefix
    suffixIDs = postProcessor.suffix
    bosTokenID = roles.bos
    eosTokenID = roles.eos
    endTokenIDs = roles.ends
    padTokenID = roles.pad
    addsBOSByDefault = roles.bos.map { postProcessor.prefix.contains($0) } ?? false
    addsEOSByDefault = roles.eos.map { postProcessor.suffix.contains($0) } ?? false
    notes = roles.notes
  }
}
