// Tritsmith: vocabularies of SentencePiece in GGUF.

import TritCore
import TritTokenizer

extension GGUFTokenizerFiles {
  /// Takes the place of `tokenizer.json`: a SentencePiece model of type BPE.
  package mutating func read(sentencePiece bytes: [UInt8], file: String) throws {
    let model = try SentencePieceModel(bytes, file: file)
    let files = try TokenizerFiles(
      model, name: file, tokenizerConfiguration: sibling("tokenizer_config.json", settings, of: file),
      specialTokensMap: sibling("special_tokens_map.json", specialTokensMap, of: file),
      addedTokens: sibling("added_tokens.json", addedTokens, of: file))
    let users = model.pieces.filter { $0.type == .userDefined }.map(\.text)
    let addsPrefix = files.pieces?.addsPrefix ?? model.addsPrefix
    if let piece = users.first(where: { addsPrefix || $0.unicodeScalars.contains("\u{2581}") }) {
      let reason =
        addsPrefix
        ? "behind the user's piece '\(printable(piece))' text goes on without a space, and engines put one there"
        : "engines do not find the user's piece '\(printable(piece))' where its marks are spaces"
      throw GGUFModelError(.unsupportedTokenizer(reason), file: file, field: "pieces")
    }
    if let (one, two) = try ScoredMerges(model.pieces, file: file).tie() {
      let pair = "'\(printable(one, limit: 40))' and '\(printable(two, limit: 40))'"
      throw GGUFModelError(
        .unsupportedTokenizer(
          "\(pair) have one score, and a vocabulary that is read back from GGUF has an order of merges"),
        file: file, field: "pieces")
    }
    tokenizer = files.tokenizer.parsed?.object ?? JSONObject()
    specialTokensMap = files.specialTokensMap?.parsed?.object
    scores = model.pieces.map(\.score)
  }
}

/// The sections of `tokenizer.json` that say how a vocabulary of pieces is used.
struct PieceSections {
  private(set) var values = JSONObject()
  private static let sections = ["normalizer", "pre_tokenizer", "decoder"]
  private static let options = ["unk_token", "fuse_unk", "byte_fallback", "ignore_merges"]

  init(_ tokenizer: JSONObject) {
    for key in PieceSections.sections { values[key] = tokenizer[key] ?? .null }
    var model = JSONObject()
    for key in PieceSections.options {
      model[key] = tokenizer["model"]?.object?[key] ?? (key == "unk_token" ? .null : false)
    }
    values["model"] = .object(model)
  }

  /// How engines use one.
  init(engineAddingSpace addsSpace: Bool) {
    self.init(
      SentencePieceModel.document(
        vocab: JSONObject(), merges: [], added: [], unknown: "<unk>", fallsBackToBytes: true, addsPrefix: addsSpace))
  }

  /// These sections as JSON; nil when they are the others.
  func unlike(_ others: PieceSections) -> String? {
    let text = JSONValue.object(values).serialized()
    return text == JSONValue.object(others.values).serialized() ? nil : String(decoding: text, as: UTF8.self)
  }

  /// What engines do otherwise than a pre-tokenizer says.
  static func warnings(_ metaspace: JSONObject?, addsSpace: Bool) -> [String] {
    guard let metaspace else { return [] }
    var result: [String] = []
    if addsSpace {
      result.append(
        "engines put a space before every text, also before one that begins with a space or stands behind a special "
          + "token; this tokenizer does not, and such texts get other ids there")
    }
    if metaspace["split"]?.bool ?? true {
      result.append("this tokenizer cuts text before every space, engines merge spaces that stand together")
    }
    return result
  }

  /// Puts sections that were written into a document.
  static func apply(_ text: String, to tokenizer: inout JSONObject) -> Bool {
    guard let stated = try? JSONValue.parse(Array(text.utf8)).object, var model = tokenizer["model"]?.object else {
      return false
    }
    for key in sections where stated[key] != nil { tokenizer[key] = stated[key] }
    for key in options where stated["model"]?.object?[key] != nil { model[key] = stated["model"]?.object?[key] }
    tokenizer["model"] = .object(model)
    return true
  }
}
