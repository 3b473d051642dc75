// Tritsmith: finding what a mistyped word was meant to be.

/// How many single-letter insertions, deletions, replacements and swaps of neighbours separate two words.
///
/// This is the "optimal string alignment" distance: a swapped pair counts once and is not edited again.
func editDistance(_ first: String, _ second: String) -> Int {
  let (a, b) = (Array(first.unicodeScalars), Array(second.unicodeScalars))
  if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
  var beforePrevious = [Int](repeating: 0, count: b.count + 1)
  var previous = Array(0...b.count)
  for i in 1...a.count {
    var current = [i] + [Int](repeating: 0, count: b.count)
    for j in 1...b.count {
      let replacement = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)
      current[j] = min(previous[j] + 1, current[j - 1] + 1, replacement)
      if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
        current[j] = min(current[j], beforePrevious[j - 2] + 1)
      }
    }
    (beforePrevious, previous) = (previous, current)
  }
  return previous[b.count]
}

/// The candidate nearest to a mistyped word, if one is near enough to be worth naming.
///
/// The distance must be below 4 and at most half the longer word, so that short words do not match everything. A word
/// that begins exactly one candidate matches it. Case is ignored; ties go to the earlier candidate.
func nearestMatch(to word: String, among candidates: [String]) -> String? {
  let wanted = word.lowercased()
  // A long word is no typo, and the distance takes quadratic time.
  guard !wanted.isEmpty, wanted.unicodeScalars.count <= 64 else { return nil }
  let scored = candidates.map { (name: $0, distance: editDistance(wanted, $0.lowercased())) }
  if let best = scored.min(by: { $0.distance < $1.distance }), best.distance < 4,
    best.distance <= max(wanted.count, best.name.count) / 2
  {
    return best.name
  }
  let completed = candidates.filter { wanted.count > 2 && $0.lowercased().hasPrefix(wanted) }
  return completed.count == 1 ? completed[0] : nil
}
