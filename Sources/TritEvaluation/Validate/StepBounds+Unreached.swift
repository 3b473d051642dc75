// Tritsmith: stored numbers and settings that a text does not reach, or hardly shows.

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
  /// sums in another order may. What one side unfolds is off by sums itself, and blocks are off by more.
  func small(of names: [String]) -> [String] {
    names.filter { name in
      guard let (part, layer) = place(name) else { return false }
      return (part == .decay || part == .rate) && unfolded(part, layer) == nil && blocks(part, layer) == nil
    }
  }

  /// How the angles differ that the two sides rotate queries and keys by; nil where they do not. A text of one token is
  /// rotated by none.
  func otherAngles(_ prompts: [[Int]]) -> String? {
    let sides = [reference.model.configuration, model.model.configuration]
    let columns = sides.map(\.rotaryDimension)
    guard columns[0] == columns[1] else {
      return "\(columns[1]) columns of a head are rotated, expected \(columns[0])"
    }
    let found = sides.map { $0.rotary.frequencies(headDimension: $0.rotaryDimension) }
    guard RotaryFrequencies.areOne(found[0].factor, found[1].factor) else {
      return "rotated columns are multiplied by \(found[1].factor), expected \(found[0].factor)"
    }
    for length in Set(prompts.map(\.count)).sorted() {
      let (expected, values) = (found[0].values(of: length), found[1].values(of: length))
      let other = zip(expected, values).enumerated().first { !RotaryFrequencies.areOne($0.element.0, $0.element.1) }
      if let (pair, numbers) = other {
        return "pair \(pair) of a head turns by \(numbers.1) a token, expected \(numbers.0)"
      }
    }
    return nil
  }

  /// The layer whose convolution gives a state.
  private func convolution(of name: String) -> Int? {
    StepBounds.layer(of: name).flatMap { $0.state == "linear_attn.conv" ? $0.0 : nil }
  }
}
