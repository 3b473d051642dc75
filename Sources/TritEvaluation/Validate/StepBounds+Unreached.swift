// Tritsmith: stored numbers that a text does not reach, or hardly shows.

import TritCore
import TritModel
import TritSurvey

extension StepBounds {
  /// Steps that hold numbers which these prompts multiply by nothing: rows of the embedding for other tokens, where no
  /// head reads them all, and taps of a convolution further back than a prompt is long.
  func unreached(_ prompts: [[Int]], of names: [String]) -> [String] {
    let sides = [reference.model.configuration, model.model.configuration]
    let isTied = sides.allSatisfy(\.tiesEmbeddings)
    let longest = prompts.map(\.count).max() ?? 0
    let isShort = longest < sides.compactMap { $0.deltaNet?.convolution }.max() ?? 0
    return names.filter { $0 == "embed" ? !isTied : isShort && convolution(of: $0) != nil }
  }

  /// Dense matrices of delta nets, small enough to be read whole: one of thousands of numbers moves its unit by less than
  /// sums in another order may. What one side unfolds is off by sums itself.
  func small(of names: [String]) -> [String] {
    names.filter { name in
      guard let (part, layer) = place(name) else { return false }
      return (part == .decay || part == .rate) && unfolded(part, layer) == nil
    }
  }

  /// The layer whose convolution gives a state.
  private func convolution(of name: String) -> Int? {
    StepBounds.layer(of: name).flatMap { $0.state == "linear_attn.conv" ? $0.0 : nil }
  }

  /// How far the taps of a convolution are apart; nil for another step, and where they cannot be read.
  func taps(_ name: String) throws -> MatrixRounding? {
    guard let layer = convolution(of: name) else { return nil }
    let sides = sources.compactMap { source in matrix(.convolution, layer, source).map { (source: source, tensor: $0) }
    }
    let types = sides.compactMap(\.tensor.encoding.dtype)
    guard sides.count == 2, types.count == 2, types.allSatisfy(\.isFloatWeight) else { return nil }
    let values = try sides.map { try WeightReader($0.source).values(of: $0.tensor.name) }
    let columns = sides[0].tensor.shape.columns
    guard values[0].count == values[1].count, columns == sides[1].tensor.shape.columns else { return nil }
    return MatrixRounding(
      values[0], values[1], columns: columns, RoundingRule(StoredNumbers(types[0]), StoredNumbers(types[1]))
    ).asAWhole
  }
}
