// Tritsmith: whether two tokenizers are the same.

import TritCore

/// Two tokenizers held against each other: by content, and by the ids of hard texts.
///
/// Content is the vocabulary with what each token stands for, the merges in their order, added tokens with their
/// options, the ids of BOS, EOS and padding, the tokens put around a text, and the rules by which text is rewritten and
/// cut. The texts are fixed (`hardTexts`), with some more made of the added tokens of both.
///
/// Tokens that only fill rows, as GGUF writes them (`[PAD300]` at id 300, which no text gives), are no difference.
/// Files that say more ends of a generated text (`generation_config.json`) are not looked at.
///
/// ```swift
/// let comparison = try TokenizerComparison(source, output)
/// if !comparison.isEqual { print(comparison.differences.map(\.description)) }
/// ```
package struct TokenizerComparison: Sendable, Equatable {
  /// What was found, at most `listLimit` of each kind; empty when the two are the same.
  package private(set) var differences: [TokenizerDifference] = []
  /// How many differences of each kind there are, those that are not listed included.
  package private(set) var counts: [String: Int] = [:]
  /// Tokens, merges and texts that were compared: the larger of the two sides.
  package private(set) var comparedTokens = 0
  package private(set) var comparedMerges = 0
  package private(set) var comparedTexts = 0

  /// Differences of one kind beyond this are counted only.
  package static let listLimit = 8

  /// Whether nothing differs.
  package var isEqual: Bool { differences.isEmpty }

  /// Differences that are not listed.
  package var omittedCount: Int { counts.values.reduce(0, +) - differences.count }

  /// Compares; takes memory for a few numbers a token and merge.
  package init(_ first: Tokenizer, _ second: Tokenizer) {
    let isSameVocabulary = compareTokens(first, second)
    compareMerges(first, second, isSameVocabulary: isSameVocabulary)
    compareAddedTokens(first, second)
    compareRoles(first, second)
    compareRules(first, second)
    compareTexts(first, second)
  }

  private mutating func add(_ difference: TokenizerDifference) {
    let count = counts[difference.kind, default: 0] + 1
    counts[difference.kind] = count
    if count <= TokenizerComparison.listLimit { differences.append(difference) }
  }

  // MARK: - Tokens

  /// Compares id by id; true when every id has the same token on both sides, fillers aside.
  private mutating func compareTokens(_ first: Tokenizer, _ second: Tokenizer) -> Bool {
    comparedTokens = max(first.vocabulary.count, second.vocabulary.count)
    var isSame = true
    for id in 0..<max(first.endID, second.endID) {
      let left = first.vocabulary.spelling(of: id)
      let right = second.vocabulary.spelling(of: id)
      if let left, let right, left == right {
        if !first.decodes(id, as: second) { add(.decoding(id: id, token: String(decoding: left, as: UTF8.self))) }
        continue
      }
      if left == nil, right == nil { continue }
      if left == nil, second.isFiller(id) { continue }
      if right == nil, first.isFiller(id) { continue }
      isSame = false
      add(.token(id: id, first: first.token(forID: id), second: second.token(forID: id)))
    }
    for byte in UInt8.min...UInt8.max where WellFormedUTF8.occurs(byte) {
      let left = first.model.byteIDs[Int(byte)]
      let right = second.model.byteIDs[Int(byte)]
      if left != right {
        add(.byte(byte, first: left < 0 ? nil : Int(left), second: right < 0 ? nil : Int(right)))
      }
    }
    return isSame
  }

  // MARK: - Merges

  private mutating func compareMerges(_ first: Tokenizer, _ second: Tokenizer, isSameVocabulary: Bool) {
    let isScored = first.model.sharesRanks || second.model.sharesRanks
    let left = first.model.orderedMerges(isScored)
    var right = second.model.orderedMerges(isScored)
    comparedMerges = max(left.count, right.count)
    if !isSameVocabulary { right = right.map { first.vocabulary.key($0, from: second.vocabulary) } }
    if left == right { return }
    let inLeft = PairTable(ranking: left)
    let inRight = PairTable(ranking: right)
    func pair(_ key: UInt64, _ vocabulary: Vocabulary) -> (String, String) {
      let (one, two) = PairTable.ids(key)
      return (vocabulary.token(Int(one)) ?? "", vocabulary.token(Int(two)) ?? "")
    }
    for (rank, key) in left.enumerated() where inRight[key] == nil {
      let (one, two) = pair(key, first.vocabulary)
      add(.merge(rank: rank, left: one, right: two, only: .first))
    }
    let ownKeys = isSameVocabulary ? right : second.model.orderedMerges(isScored)
    for (rank, key) in right.enumerated() where inLeft[key] == nil {
      let (one, two) = pair(ownKeys[rank], second.vocabulary)
      add(.merge(rank: rank, left: one, right: two, only: .second))
    }
    let commonLeft = left.filter { inRight[$0] != nil }
    let commonRight = right.filter { inLeft[$0] != nil }
    for (rank, (one, two)) in zip(commonLeft, commonRight).enumerated() where one != two {
      let (a, b) = pair(one, first.vocabulary)
      let (c, d) = pair(two, first.vocabulary)
      add(.mergeOrder(rank: rank, first: a + " " + b, second: c + " " + d))
      break
    }
  }

  // MARK: - Added tokens

  private mutating func compareAddedTokens(_ first: Tokenizer, _ second: Tokenizer) {
    let known = Dictionary(second.addedTokens.map { (ExactString($0.content), $0) }) { first, _ in first }
    let ownKnown = Set(first.addedTokens.map { ExactString($0.content) })
    // Which tokens are looked for before rewriting matters only where something is rewritten, or where the two kinds
    // could meet in a text; then those of the raw text come first.
    let comparesNormalized =
      !first.normalizer.steps.isEmpty || !second.normalizer.steps.isEmpty || first.mixesAddedTokens
      || second.mixesAddedTokens
    for token in first.addedTokens {
      guard let other = known[ExactString(token.content)] else {
        add(.addedToken(token.content, only: .first))
        continue
      }
      var options = [
        ("single_word", token.isSingleWord, other.isSingleWord), ("lstrip", token.stripsLeft, other.stripsLeft),
        ("rstrip", token.stripsRight, other.stripsRight), ("special", token.isSpecial, other.isSpecial),
      ]
      if comparesNormalized { options.append(("normalized", token.isNormalized, other.isNormalized)) }
      for (option, left, right) in options where left != right {
        add(.addedTokenOption(token.content, option: option, first: left, second: right))
      }
      if first.takesWhole(token) != second.takesWhole(other), token.id == other.id {
        add(.wholeWord(id: token.id, token: token.content, only: first.takesWhole(token) ? .first : .second))
      }
    }
    for token in second.addedTokens where !ownKnown.contains(ExactString(token.content)) {
      add(.addedToken(token.content, only: .second))
    }
  }

  // MARK: - Roles and rules

  private mutating func compareRoles(_ first: Tokenizer, _ second: Tokenizer) {
    let roles: [(TokenizerDifference.Role, Int?, Int?)] = [
      (.bos, first.bosTokenID, second.bosTokenID), (.eos, first.eosTokenID, second.eosTokenID),
      (.pad, first.padTokenID, second.padTokenID),
    ]
    for (role, left, right) in roles where left != right { add(.role(role, first: left, second: right)) }
    let one = first.postProcessor
    let two = second.postProcessor
    if one.prefix != two.prefix { add(.surroundings(.before, first: one.prefix, second: two.prefix)) }
    if one.suffix != two.suffix { add(.surroundings(.behind, first: one.suffix, second: two.suffix)) }
  }

  private mutating func compareRules(_ first: Tokenizer, _ second: Tokenizer) {
    if first.normalizer.steps != second.normalizer.steps {
      add(.rule(.normalizer, first: first.normalizer.summary, second: second.normalizer.summary))
    }
    if !first.preTokenizer.cuts(like: second.preTokenizer) {
      add(.rule(.preTokenizer, first: first.preTokenizer.summary, second: second.preTokenizer.summary))
    }
    if (first.model.wholeWords == nil) != (second.model.wholeWords == nil) {
      func text(_ tokenizer: Tokenizer) -> String { tokenizer.model.wholeWords == nil ? "false" : "true" }
      add(.rule(.ignoreMerges, first: text(first), second: text(second)))
    }
    if first.detokenizer != second.detokenizer {
      add(.rule(.decoder, first: first.detokenizer.summary, second: second.detokenizer.summary))
    }
    let one = first.model.unknownRule(first.vocabulary)
    let two = second.model.unknownRule(second.vocabulary)
    if one != two { add(.rule(.unknownToken, first: one, second: two)) }
  }

  // MARK: - Texts

  private mutating func compareTexts(_ first: Tokenizer, _ second: Tokenizer) {
    let texts =
      TokenizerComparison.hardTexts + TokenizerComparison.texts(around: first.addedTokens + second.addedTokens)
    comparedTexts = texts.count
    func encoding(_ text: String, _ tokenizer: Tokenizer) -> TokenizerDifference.Encoding {
      do {
        return .ids(try tokenizer.encode(utf8: Array(text.utf8), addSpecialTokens: false))
      } catch {
        return .refused(error.summary)
      }
    }
    for text in texts {
      let left = encoding(text, first)
      let right = encoding(text, second)
      if left != right { add(.ids(text: text, first: left, second: right)) }
    }
  }

  /// Texts in which added tokens touch words, white space and each other.
  private static func texts(around tokens: [AddedToken]) -> [String] {
    var seen: Set<ExactString> = []
    var contents: [String] = []
    for token in tokens where contents.count < 32 && seen.insert(ExactString(token.content)).inserted {
      contents.append(token.content)
    }
    return contents.map { "a\($0)b \($0)  \n \($0)\($0). \($0.dropLast())" }
  }
}

// MARK: - What the comparison asks of the parts

extension Tokenizer {
  /// Whether an id decodes to the same bytes as in the other tokenizer.
  fileprivate func decodes(_ id: Int, as other: Tokenizer) -> Bool {
    decodedBytes[decodedBounds[id]..<decodedBounds[id + 1]]
      == other.decodedBytes[other.decodedBounds[id]..<other.decodedBounds[id + 1]]
  }

  /// Whether a token only fills a row: it is called as GGUF writers call such tokens, and its own name does not give it.
  fileprivate func isFiller(_ id: Int) -> Bool {
    let name = "[PAD\(id)]"
    guard vocabulary.spelling(of: id)?.elementsEqual(name.utf8) == true else { return false }
    guard let ids = try? encode(name, addSpecialTokens: false) else { return true }
    return !ids.contains(id)
  }

  /// Whether the two kinds of added tokens, those of the raw and those of the normalized text, could meet in a text.
  fileprivate var mixesAddedTokens: Bool {
    let raw = addedTokens.filter { !$0.isNormalized }
    let normalized = addedTokens.filter { $0.isNormalized }
    if raw.isEmpty || normalized.isEmpty { return false }
    // Many of both are rare; they count as meeting rather than being held against each other one by one.
    guard raw.count * normalized.count <= 1 << 16 else { return true }
    return raw.contains { one in
      normalized.contains { two in
        one.stripsLeft || one.stripsRight || two.stripsLeft || two.stripsRight || overlap(one.content, two.content)
      }
    }
  }

  /// Whether occurrences of two texts can share a byte.
  private func overlap(_ one: String, _ two: String) -> Bool {
    let (a, b) = (Array(one.utf8), Array(two.utf8))
    for offset in (1 - b.count)..<a.count {
      let range = max(0, offset)..<min(a.count, offset + b.count)
      if range.allSatisfy({ a[$0] == b[$0 - offset] }) { return true }
    }
    return false
  }

  /// Whether a word spelled as an added token's text in stand-ins is taken as that token without merging.
  ///
  /// A word that is the token's very text does not count: it is found before words are made.
  fileprivate func takesWhole(_ token: AddedToken) -> Bool {
    guard let whole = model.wholeWords, let bytes = ByteAlphabet.decode(token.content),
      !bytes.elementsEqual(token.content.utf8), let index = whole.spellings.index(of: bytes)
    else { return false }
    return Int(whole.ids[index]) == token.id
  }
}

extension BytePairModel {
  /// Whether merges were made from scores: those of one score have one rank.
  fileprivate var sharesRanks: Bool {
    var last: UInt64 = 0
    merges.visit { _, value in last = max(last, value >> 32) }
    return last + 1 < UInt64(merges.count)
  }

  /// The pairs that are merged, as keys of `PairTable`, in the order of their ranks.
  ///
  /// - Parameter isScored: whether pairs that make one token, and stand together, may be in any order: a list says one
  ///   where scores say none.
  fileprivate func orderedMerges(_ isScored: Bool) -> [UInt64] {
    var ranked: [(rank: UInt64, key: UInt64, product: UInt32)] = []
    ranked.reserveCapacity(merges.count)
    merges.visit { key, value in ranked.append((value >> 32, key, UInt32(truncatingIfNeeded: value))) }
    ranked.sort { ($0.rank, $0.key) < ($1.rank, $1.key) }
    guard isScored else { return ranked.map(\.key) }
    var start = 0
    for index in 1..<max(1, ranked.count + 1) {
      if index < ranked.count, ranked[index].product == ranked[start].product { continue }
      ranked[start..<index].sort { $0.key < $1.key }
      start = index
    }
    return ranked.map(\.key)
  }

  /// What becomes of bytes without a token, in words; empty when every byte of UTF-8 has one.
  fileprivate func unknownRule(_ vocabulary: Vocabulary) -> String {
    let isComplete = (0..<256).allSatisfy { byteIDs[$0] >= 0 || !WellFormedUTF8.occurs(UInt8($0)) }
    guard !isComplete, let unknownID else { return "" }
    return "'\(vocabulary.token(Int(unknownID)) ?? "")'\(fusesUnknown ? ", one for neighbours" : "")"
  }
}

extension Vocabulary {
  /// A pair of ids of another vocabulary as the ids their spellings have here, ids that no merge has where there are
  /// none.
  fileprivate func key(_ key: UInt64, from other: Vocabulary) -> UInt64 {
    func own(_ id: Int32) -> Int32 {
      if let text = other.spelling(of: Int(id)), let own = self.id(ofSpelling: text) { return Int32(own) }
      return -2 - id
    }
    let (left, right) = PairTable.ids(key)
    return PairTable.key(own(left), own(right))
  }
}

extension PairTable {
  /// The places of keys in a list.
  fileprivate init(ranking keys: [UInt64]) {
    self.init(minimumCapacity: keys.count)
    for (rank, key) in keys.enumerated() { set(key, to: UInt64(rank)) }
  }
}
