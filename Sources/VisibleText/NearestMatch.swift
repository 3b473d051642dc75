// Tritsmith: finding what a mistyped word was meant to be.

/// The candidate nearest to a mistyped word, if one is near enough to be worth naming.
///
/// The distance must be below 4 and less than half the longer word, so that short words do not match everything. A word
/// that begins exactly one candidate matches it. Case is ignored; of candidates as near as each other goes first what begins
/// with the same letter, then the earlier.
package func nearestMatch(to word: String, among candidates: [String]) -> String? {
  let wanted = word.lowercased()
  // A long word is no typo, and the distance takes quadratic time.
  guard !wanted.isEmpty, wanted.unicodeScalars.count <= 64 else { return nil }
  let scored = candidates.map { (name: $0, distance: editDistance(wanted, $0.lowercased())) }
  // A first letter is seldom mistyped: "fsh" is fish, and not zsh.
  func rank(_ candidate: (name: String, distance: Int)) -> (Int, Int) {
    (candidate.distance, candidate.name.lowercased().first == wanted.first ? 0 : 1)
  }
  if let best = scored.min(by: { rank($0) < rank($1) }), best.distance < 4,
    2 * best.distance < max(wanted.count, best.name.count)
  {
    return best.name
  }
  let completed = candidates.filter { wanted.count > 2 && $0.lowercased().hasPrefix(wanted) }
  return completed.count == 1 ? completed[0] : nil
}
