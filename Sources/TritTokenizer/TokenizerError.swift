// Tritsmith: what can be wrong with a tokenizer or with what it is asked.

import TritCore

/// Why a tokenizer could not be made, or could not do what it was asked.
package typealias TokenizerError = Diagnostic<TokenizerErrorKind>

/// The failure with its data; sentences are made in `summary`.
package enum TokenizerErrorKind: DiagnosticKind {
  /// The file is not JSON.
  case json(JSONError)
  /// Something was saved in the file's place.
  case standIn(StandIn)
  /// A field holds another kind of JSON value than its format says.
  case wrongType(expected: String, found: String)
  /// A field that must be there is not.
  case missingField
  /// A key stands twice in one object.
  case duplicateKey(String)
  /// A key this library does not know; it might change the ids, so it is not passed over.
  case unknownKey(String)
  /// The file is no model of SentencePiece, or is damaged.
  case malformedModel(String)
  /// The model is not BPE.
  case unsupportedModelType(String)
  /// A value this library does not implement.
  case unsupported(String)
  /// A regular expression with a construct outside the supported subset.
  case unsupportedPattern(construct: String, offset: Int)
  /// A number that cannot be a token id.
  case invalidID(found: String, limit: Int)
  /// Two tokens with one id.
  case duplicateID(Int, first: String, second: String)
  /// A merge that is not two tokens.
  case malformedMerge(rank: Int)
  /// A merge of, or into, a token the vocabulary does not hold.
  case mergeOfUnknownToken(rank: Int, token: String)
  /// A token named in a field is not in the vocabulary.
  case unknownToken(String)
  /// Two places give one token different ids.
  case contradictoryID(token: String, stated: Int, actual: Int?)
  /// A size beyond what any real tokenizer has.
  case tooLarge(what: String, found: Int, limit: Int)
  /// A file gives a role to an id that is not in the vocabulary.
  case roleOutsideVocabulary(Int)
  /// An id asked for is not in the vocabulary.
  case idOutsideVocabulary(Int)
  /// The text is not UTF-8.
  case invalidUTF8
  /// A pattern needed far more steps than the text is long.
  case patternTooSlow(pattern: String)

  /// Whether a file may be sound and is only not understood here.
  package var isNotUnderstood: Bool {
    switch self {
    case .unknownKey, .unsupportedModelType, .unsupported, .unsupportedPattern, .tooLarge, .patternTooSlow: true
    default: false
    }
  }

  package var summary: String {
    switch self {
    case .json(let error): "not valid JSON: \(error)"
    case .standIn(let found): found.summary
    case .wrongType(let expected, let found): "expected \(expected), found \(found)"
    case .missingField: "the field is missing"
    case .duplicateKey(let key): "the key '\(printable(key))' stands twice"
    case .unknownKey(let key): "the key '\(printable(key))' is not known here, and it might change token ids"
    case .unsupportedModelType(let type):
      "the tokenizer model is of type '\(printable(type))'; only BPE is supported"
    case .malformedModel(let what): "no SentencePiece model: \(what)"
    case .unsupported(let what): "not supported: \(what)"
    case .unsupportedPattern(let construct, let offset):
      "the pattern uses \(construct) at position \(offset), which is not supported"
    case .invalidID(let found, let limit):
      "expected a token id from 0 to \(limit - 1), found \(printable(found, limit: 40))"
    case .duplicateID(let id, let first, let second):
      "id \(id) belongs to both '\(printable(first, limit: 60))' and '\(printable(second, limit: 60))'"
    case .malformedMerge(let rank): "merge \(rank) is not two tokens"
    case .mergeOfUnknownToken(let rank, let token):
      "merge \(rank) needs the token '\(printable(token, limit: 60))', which the vocabulary does not hold"
    case .unknownToken(let token): "the token '\(printable(token, limit: 60))' is not in the vocabulary"
    case .contradictoryID(let token, let stated, let actual):
      "the token '\(printable(token, limit: 60))' is given id \(stated), but "
        + (actual.map { "its id is \($0)" } ?? "the vocabulary does not hold it")
    case .tooLarge(let what, let found, let limit): "\(what) is \(found), more than the limit of \(limit)"
    case .roleOutsideVocabulary(let id), .idOutsideVocabulary(let id): "token id \(id) is not in the vocabulary"
    case .invalidUTF8: "the text is not UTF-8"
    case .patternTooSlow(let pattern):
      "splitting the text by the pattern '\(printable(pattern, limit: 80))' takes far more steps than its length"
    }
  }

  /// Not every command takes ids.
  private static let ids =
    "validate, logits and gap take token ids, made by the tokenizer's own library, instead of text, where they know "
    + "the model's class"

  package var remedy: String? {
    switch self {
    case .json(let error): error.remedy
    case .standIn(let found): found.remedy
    case .unsupportedModelType, .unsupported, .unsupportedPattern, .unknownKey:
      TokenizerErrorKind.ids
    case .contradictoryID: "make the files agree; the model was trained with one of the two ids"
    case .idOutsideVocabulary: "check that the ids were made with this model's tokenizer"
    case .invalidUTF8: "save the text as UTF-8"
    case .tooLarge, .patternTooSlow: TokenizerErrorKind.ids
    case .wrongType, .missingField, .duplicateKey, .malformedModel, .invalidID, .duplicateID, .malformedMerge,
      .mergeOfUnknownToken, .unknownToken, .roleOutsideVocabulary:
      "fetch the file again, whole and from one revision; token ids can be given without it"
    }
  }

  package var category: ErrorCategory {
    switch self {
    case .idOutsideVocabulary: .misuse
    default: .malformedInput
    }
  }
}
