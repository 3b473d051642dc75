// Tritsmith: settings beside a tokenizer.model that change what it makes of text.

import TritCore

/// What `tokenizer_config.json` says of text, as transformers 5 takes it.
///
/// - `add_prefix_space` counts for `LlamaTokenizer`; the general class goes by the model alone, so there the two must agree.
/// - `legacy` false puts a mark before the beginning of a text alone, and none before a space.
/// - Where neither is stated, text gets the ids of the sentencepiece library.
///
/// Source: transformers 5.24, `LlamaTokenizer`, `_get_prepend_scheme` and `build_tokenizer_from_spm_proto`.
struct SentencePieceSettings {
  /// Before which text a mark is put.
  let scheme: Metaspace.Scheme

  /// Classes that go by the model, without their `Fast`. transformers 5 has none of the last name: the first reads it.
  private static let general: Set<String> = ["TokenizersBackend", "PreTrainedTokenizer", "BitnetTokenizer"]
  private static let llama = "LlamaTokenizer"

  init(_ settings: FieldReader?, _ model: SentencePieceModel) throws(TokenizerError) {
    guard let settings else {
      scheme = model.addsPrefix ? .always : .never
      return
    }
    let name = try SentencePieceSettings.className(settings)
    try SentencePieceSettings.refuseOptions(settings)
    let addsPrefix = try settings.bool("add_prefix_space")
    if let addsPrefix, addsPrefix != model.addsPrefix, addsPrefix || name != SentencePieceSettings.llama {
      throw settings.error(
        .unsupported("add_prefix_space \(addsPrefix) where the model says the opposite, and programs differ"),
        at: "add_prefix_space")
    }
    if addsPrefix == false {
      scheme = .never
    } else if try settings.bool("legacy") ?? true {
      scheme = model.addsPrefix ? .always : .never
    } else {
      try SentencePieceSettings.checkFirst(settings, model)
      scheme = .first
    }
  }

  /// Refuses what `legacy` false does in a way that is not followed.
  private static func checkFirst(_ settings: FieldReader, _ model: SentencePieceModel) throws(TokenizerError) {
    guard model.addsPrefix else {
      throw settings.error(
        .unsupported("legacy false beside a model that puts no space before text, where programs differ"), at: "legacy")
    }
    // One that is spelled with a space is never found, since spaces are marks by then.
    if let piece = model.pieces.first(where: { $0.type == .userDefined && !$0.text.utf8.contains(0x20) }) {
      throw settings.error(
        .unsupported("legacy false beside the user's piece '\(printable(piece.text, limit: 60))'"), at: "legacy")
    }
  }

  /// The class without `Fast`; nil where none is stated.
  private static func className(_ settings: FieldReader) throws(TokenizerError) -> String? {
    let key = "tokenizer_class"
    guard let stated = try settings.string(key) else { return nil }
    let name = stated.hasSuffix("Fast") ? String(stated.dropLast(4)) : stated
    guard name == llama || general.contains(name) else {
      throw settings.error(
        .unsupported("a tokenizer.model of class '\(printable(stated, limit: 60))'; known is \(llama)"), at: key)
    }
    return name
  }

  /// Refuses options that change ids and are not followed.
  private static func refuseOptions(_ settings: FieldReader) throws(TokenizerError) {
    for key in ["do_lower_case", "split_special_tokens"] {
      if try settings.bool(key) == true { throw settings.error(.unsupported("\(key) true"), at: key) }
    }
    guard let options = try settings.reader("sp_model_kwargs") else { return }
    for entry in options.object.entries where !entry.value.isNull && entry.value.bool != false {
      // These two count for sampling alone.
      if entry.key == "nbest_size" || entry.key == "alpha" { continue }
      throw options.error(.unsupported("this option of the sentencepiece library"), at: entry.key)
    }
  }
}
