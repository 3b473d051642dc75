// Tritsmith: numbers that follow each other, for people.

/// Numbers in order as ranges of those that follow each other: 0, 1, 2, 5 as 0...2 and 5...5.
///
/// - Parameter sorted: from the least up; numbers of names are as large as a file likes.
package func consecutiveRuns(_ sorted: [Int]) -> [ClosedRange<Int>] {
  var runs: [ClosedRange<Int>] = []
  for number in sorted {
    if let last = runs.last, number &- last.upperBound <= 1 {
      runs[runs.count - 1] = last.lowerBound...number
    } else {
      runs.append(number...number)
    }
  }
  return runs
}

/// Runs that are named; of more the numbers are counted.
private let mostRuns = 4

/// Numbers in order as names of layers have them: "0–5,8,10–31". Many runs are "3,7,…,31" or "0–2,4–6,…,28–30" where
/// they are alike and evenly apart, "0–31 except 1,5,…,29" where what lies between them is, and else "0,2,7,… (16)".
///
/// - Parameter sorted: from the least up, none below 0.
package func numberList(_ sorted: [Int]) -> String {
  let runs = consecutiveRuns(sorted)
  if let text = listed(runs) { return text }
  let gaps = zip(runs, runs.dropFirst()).map { $0.upperBound + 1...$1.lowerBound - 1 }
  if let left = listed(gaps), let first = runs.first, let last = runs.last {
    return text(first.lowerBound...last.upperBound) + " except " + left
  }
  return (runs.prefix(mostRuns - 1).map(text) + ["… (\(sorted.count))"]).joined(separator: ",")
}

/// A few runs, or those that are alike and evenly apart; nil for others.
private func listed(_ runs: [ClosedRange<Int>]) -> String? {
  guard runs.count > mostRuns else { return runs.map(text).joined(separator: ",") }
  let steps = zip(runs, runs.dropFirst()).map { [$1.lowerBound - $0.lowerBound, $1.upperBound - $0.upperBound] }
  guard let step = steps.first, step[0] == step[1], steps.allSatisfy({ $0 == step }) else { return nil }
  return (runs.prefix(2).map(text) + ["…"] + runs.suffix(1).map(text)).joined(separator: ",")
}

private func text(_ run: ClosedRange<Int>) -> String {
  run.lowerBound == run.upperBound ? "\(run.lowerBound)" : "\(run.lowerBound)–\(run.upperBound)"
}
