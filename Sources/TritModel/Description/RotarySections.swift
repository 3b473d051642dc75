// Tritsmith: positions of three parts.

import TritCore

/// How rotary frequencies go by the parts of a position that has three. A text's three are equal, so any split of all
/// frequencies computes the same; one that splits another number was made for another width.
enum RotarySections {
  /// As even as three parts can be: 11, 11 and 10 of 32, which published models have.
  static func even(pairs: Int) -> [Int] { (0..<3).map { (pairs + 2 - $0) / 3 } }

  /// What is wrong with the parts of a configuration; nil where each frequency goes by one.
  ///
  /// - Parameter parts: each from 0 to 4096.
  static func fault(_ parts: [Int], columns: Int) -> String? {
    guard parts.count == 3, parts.reduce(0, +) == columns / 2 else {
      return "three numbers that add up to \(columns / 2), half of the \(columns) rotated columns"
    }
    return nil
  }

  /// The same of a GGUF file, which has a fourth part.
  ///
  /// llama.cpp loads four alone. The fourth is 0 in a text, and frequencies that go by it would not be rotated.
  ///
  /// - Parameter isStated: whether the file says how many columns are rotated.
  static func fault(stored value: MetadataValue, columns: Int, isStated: Bool) -> String? {
    let width =
      isStated
      ? "the \(columns) rotated columns" : "the \(columns) columns of a head, as rope.dimension_count is missing"
    guard let parts = value.integers, parts.count == 4, parts.allSatisfy({ 0...4096 ~= $0 }), parts[3] == 0,
      fault(Array(parts.prefix(3)), columns: columns) == nil
    else { return "four numbers that add up to \(columns / 2), half of \(width), the last of them 0" }
    return covers(parts, pairs: columns / 2) ? nil : "parts that cover every frequency of a text's tokens"
  }

  /// Whether every frequency goes by a part of the position that a text's tokens have. Source: ggml
  /// `ggml_mrope_cache_init`, interleaved.
  static func covers(_ parts: [Int], pairs: Int) -> Bool {
    let all = parts.reduce(0, +)
    guard all > 0, parts.count >= 3 else { return false }
    return (0..<pairs).allSatisfy { $0 % all < 3 * parts[$0 % all % 3] }
  }
}
