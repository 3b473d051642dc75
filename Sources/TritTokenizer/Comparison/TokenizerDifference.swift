// Tritsmith: what two tokenizers can differ in.

import TritCore

/// One thing in which two tokenizers are not the same.
package enum TokenizerDifference: Sendable, Equatable {
  /// A role of a token.
  package enum Role: String, Sendable, CaseIterable {
    case bos, eos, pad
  }

  /// Where tokens are put around a text.
  package enum Place: String, Sendable {
    case before, behind
  }

  /// Rules that are not tokens: how text is rewritten, cut and merged.
  package enum Rule: String, Sendable {
    case normalizer
    case preTokenizer = "pre-tokenizer"
    case decoder
    case ignoreMerges = "ignore_merges"
    case unknownToken = "unknown token"
  }

  /// One of the two tokenizers.
  package enum Side: String, Sendable {
    case first, second
  }

  /// What encoding a text gave.
  package enum Encoding: Sendable, Equatable {
    case ids([Int])
    /// The text was refused, in words.
    case refused(String)
  }

  /// An id has other tokens, or a token on one side only.
  case token(id: Int, first: String?, second: String?)
  /// A token stands for other bytes of text.
  case decoding(id: Int, token: String)
  /// A byte of text begins as another token.
  case byte(UInt8, first: Int?, second: Int?)
  /// A merge is there on one side only; ranks count from 0.
  case merge(rank: Int, left: String, right: String, only: Side)
  /// The merges of both sides come in another order from here on.
  case mergeOrder(rank: Int, first: String, second: String)
  /// A token is looked for in texts on one side only.
  case addedToken(String, only: Side)
  /// A token that is looked for in texts has another option.
  case addedTokenOption(String, option: String, first: Bool, second: Bool)
  /// A whole word is taken without merging as this token on one side only.
  case wholeWord(id: Int, token: String, only: Side)
  /// Another token has a role.
  case role(Role, first: Int?, second: Int?)
  /// Other tokens are put around a text.
  case surroundings(Place, first: [Int], second: [Int])
  /// Another rule, in words.
  case rule(Rule, first: String, second: String)
  /// A text gives other ids.
  case ids(text: String, first: Encoding, second: Encoding)
}

extension TokenizerDifference {
  /// The kind alone, by which differences are counted.
  package var kind: String {
    switch self {
    case .token: "token"
    case .decoding: "decoding"
    case .byte: "byte"
    case .merge, .mergeOrder: "merge"
    case .addedToken, .addedTokenOption: "added token"
    case .wholeWord: "whole word"
    case .role: "role"
    case .surroundings: "surroundings"
    case .rule: "rule"
    case .ids: "ids"
    }
  }
}

extension TokenizerDifference: CustomStringConvertible {
  /// One line for people, such as `token 300: "Ġthe" and "Ġof"`.
  package var description: String {
    func quoted(_ text: String) -> String { "\"\(printable(text, limit: 60))\"" }
    func token(_ text: String?) -> String { text.map(quoted) ?? "none" }
    func number(_ id: Int?) -> String { id.map(String.init) ?? "none" }
    func rule(_ text: String) -> String { text.isEmpty ? "none" : printable(text, limit: 160) }
    switch self {
    case .token(let id, let first, let second): return "token \(id): \(token(first)) and \(token(second))"
    case .decoding(let id, let spelling): return "token \(id), \(quoted(spelling)), stands for other bytes"
    case .byte(let byte, let first, let second):
      return "token of byte 0x\(String(byte, radix: 16, uppercase: true)): \(number(first)) and \(number(second))"
    case .merge(let rank, let left, let right, let side):
      return "merge \(rank), \(quoted(left)) with \(quoted(right)), only in the \(side.rawValue)"
    case .mergeOrder(let rank, let first, let second):
      return "merge \(rank): \(quoted(first)) and \(quoted(second)), in another order"
    case .addedToken(let content, let side): return "added token \(quoted(content)) only in the \(side.rawValue)"
    case .addedTokenOption(let content, let option, let first, let second):
      return "added token \(quoted(content)): \(option) is \(first) and \(second)"
    case .wholeWord(let id, let spelling, let side):
      return "token \(id), \(quoted(spelling)), is taken for a whole word only in the \(side.rawValue)"
    case .role(let role, let first, let second): return "id of \(role.rawValue): \(number(first)) and \(number(second))"
    case .surroundings(let place, let first, let second):
      return "ids put \(place.rawValue) a text: \(Encoding.ids(first)) and \(Encoding.ids(second))"
    case .rule(let kind, let first, let second): return "\(kind.rawValue): \(rule(first)) and \(rule(second))"
    case .ids(let text, let first, let second): return "\(quoted(text)) gives \(first) and \(second)"
    }
  }
}

extension TokenizerDifference.Encoding: CustomStringConvertible {
  package var description: String {
    switch self {
    case .refused(let reason): return "an error (\(reason))"
    case .ids([]): return "no ids"
    case .ids(let ids):
      let shown = ids.prefix(12).map(String.init).joined(separator: " ")
      return "ids \(shown)\(ids.count > 12 ? " … (\(ids.count))" : "")"
    }
  }
}
