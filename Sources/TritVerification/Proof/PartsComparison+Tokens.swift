// Tritsmith: comparing the special tokens two models state.

import TritCore
import TritModel
import TritSurvey
import TritTokenizer

extension PartsComparison {
  /// Special tokens that are not the same.
  ///
  /// A GGUF file has one place for those of configuration and tokenizer, and the tokenizer's stand there: they are of
  /// the tokenizer's part. Of a configuration it says further ends.
  static func tokenDifferences(
    _ first: (source: any TensorSource, description: ModelDescription),
    _ second: (source: any TensorSource, description: ModelDescription)
  ) -> [DescriptionDifference] {
    let (left, right) = (first.description, second.description)
    switch (first.source as? GGUFModelView, second.source as? GGUFModelView) {
    case (nil, nil):
      let (a, b) = (padded(left, first.source, unless: right), padded(right, second.source, unless: left))
      return a.tokenDifferences(from: b)
    case (let one?, let two?):
      // A file without a vocabulary says no tokens.
      return saysTokens(one) && saysTokens(two)
        ? left.tokenDifferences(from: right) : []
    case (nil, let file?): return endDifference(left, right, file) { ($0, $1) }
    case (let file?, nil): return endDifference(right, left, file) { ($1, $0) }
    }
  }

  /// Whether both end a text with the same tokens and one has more that do: generation settings, in every container.
  /// Converters write them or leave them out, and no logits depend on them. They are a set: each of them ends a text.
  static func isOfFurtherEnds(
    _ difference: DescriptionDifference, _ left: ModelDescription, _ right: ModelDescription
  ) -> Bool {
    guard difference.key == SpecialTokens.Role.end.rawValue else { return false }
    let (one, two) = (Set(left.specialTokens.end), Set(right.specialTokens.end))
    return !one.isEmpty && !two.isEmpty && (one.isSubset(of: two) || two.isSubset(of: one))
  }

  private static func saysTokens(_ view: GGUFModelView) -> Bool { GGUFDescription.hasVocabulary(view.manifest) }

  /// A folder's ends of a text against those of a file, which has place for three.
  private static func endDifference(
    _ folder: ModelDescription, _ description: ModelDescription, _ file: GGUFModelView,
    _ order: (String, String) -> (String, String)
  ) -> [DescriptionDifference] {
    guard saysTokens(file) else { return [] }
    let ends = GGUFDescription.ends(file.manifest)
    let stated = folder.specialTokens.end
    let wanted = Set(stated.filter { $0 != ends.own }.prefix(GGUFDescription.furtherEnds.count))
    guard wanted != Set(ends.further) else { return [] }
    let (one, other) = order(
      SpecialTokens.text(stated.sorted()), SpecialTokens.text(description.specialTokens.end.sorted()))
    return [DescriptionDifference(key: SpecialTokens.Role.end.rawValue, first: one, second: other)]
  }

  /// A description with its tokenizer's padding token where the configuration has none and the other's has: batches are
  /// padded with that one.
  private static func padded(
    _ description: ModelDescription, _ source: any TensorSource, unless other: ModelDescription
  ) -> ModelDescription {
    guard description.tokens(.padding).isEmpty, !other.tokens(.padding).isEmpty else { return description }
    var result = description
    result.specialTokens.padding = (try? Tokenizer(of: source))?.padTokenID
    result.specialTokens.unstated.remove(.padding)
    return result
  }
}
