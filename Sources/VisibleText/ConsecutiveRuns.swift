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
