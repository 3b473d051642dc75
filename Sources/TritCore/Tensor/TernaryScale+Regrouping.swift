// Tritsmith: the same scales for more or fewer weights each.

/// Weights that would share a scale and do not have the same.
package struct ScaleMisfit: Error, Sendable, Equatable {
  package var row: Int
  /// Columns from the first of the run that would share a scale to the one whose scale is another.
  package var columns: Range<Int>
  /// The two multipliers.
  package var first: Float
  package var second: Float

  package init(row: Int, columns: Range<Int>, first: Float, second: Float) {
    (self.row, self.columns, self.first, self.second) = (row, columns, first, second)
  }
}

/// What a multiplier of 0 says.
package enum ZeroScale: Sendable {
  /// That its weights are all zero, for which any scale is as good: it agrees with every other, and takes the scale of
  /// those it joins. So it is where scales stand among codes, and where they were found in dense weights.
  case fitsAny
  /// Nothing but that trits are multiplied by 0.
  case isOwn
}

extension TernaryScale {
  /// The same scales on another grid; a 0 fits any.
  ///
  /// - Throws: `ScaleMisfit`, the first run that would have to hold two scales.
  package func regrouped(
    to target: ScaleGranularity, rows: Int, columns: Int
  ) throws(ScaleMisfit) -> TernaryScale {
    guard target != granularity else { return self }
    let (source, places) = (ScalePlaces(granularity, columns: columns), ScalePlaces(target, columns: columns))
    let count = target.count(rows: rows, columns: columns)
    var result = [Float](repeating: stored.first ?? 0, count: count)
    // Where a run's scale was first found; −1 while only zeros have been seen.
    var found = [Int](repeating: -1, count: count)
    for row in 0..<rows {
      var next = 0
      while next < columns {
        let column = next
        next = min(source.runEnd(after: column), places.runEnd(after: column))
        let (from, to) = (source.index(row: row, column: column), places.index(row: row, column: column))
        if found[to] < 0 {
          result[to] = stored[from]
          if multiplier(at: from) != 0 { found[to] = from }
        } else if multiplier(at: from) != 0, stored[from] != stored[found[to]] {
          let start = target == .tensor ? 0 : column - column % (places.runEnd(after: 0))
          throw ScaleMisfit(
            row: row, columns: start..<next, first: multiplier(at: found[to]), second: multiplier(at: from))
        }
      }
    }
    return replacing(result, target)
  }

  /// The largest multiplier of all weights that would share a scale: what ggml's encoders make of weights whose scales a
  /// coarser grid cannot hold. Their trits stay, their other scales are lost.
  package func largest(in target: ScaleGranularity, rows: Int, columns: Int) -> TernaryScale {
    let (source, places) = (ScalePlaces(granularity, columns: columns), ScalePlaces(target, columns: columns))
    var result = [Float](repeating: 0, count: target.count(rows: rows, columns: columns))
    for row in 0..<rows {
      var next = 0
      while next < columns {
        let column = next
        next = min(source.runEnd(after: column), places.runEnd(after: column))
        let to = places.index(row: row, column: column)
        result[to] = max(result[to], multiplier(at: source.index(row: row, column: column)))
      }
    }
    return TernaryScale(
      stored: result, storage: convention == .multiply ? storage : .f32, convention: .multiply, granularity: target)
  }

  /// The same scales on the coarsest grid that holds them: one for the tensor, one a row, or one for the largest power
  /// of two times the groups they have now.
  ///
  /// - Parameter limit: groups grow to this many columns at most.
  package func coarsest(
    rows: Int, columns: Int, zeros: ZeroScale = .fitsAny, upTo limit: Int = .max
  ) -> TernaryScale {
    guard granularity != .tensor, rows > 0, columns > 0 else { return self }
    func joined(_ range: Range<Int>) -> Float? { self.joined(range, zeros) }
    if let one = joined(stored.indices) { return replacing([one], .tensor) }
    guard case .group(let size) = granularity else { return self }
    let perRow = granularity.groups(columns: columns)
    func joinedGroups(_ count: Int) -> [Float]? {
      var result: [Float] = []
      result.reserveCapacity(rows * (perRow / count + 1))
      for row in 0..<rows {
        for first in stride(from: 0, to: perRow, by: count) {
          guard let one = joined(row * perRow + first..<row * perRow + min(perRow, first + count)) else { return nil }
          result.append(one)
        }
      }
      return result
    }
    if let values = joinedGroups(perRow) { return replacing(values, .row) }
    var (best, count) = (self, 2)
    while count < perRow, size <= limit / count, let values = joinedGroups(count) {
      best = replacing(values, .group(columns: size * count))
      count *= 2
    }
    return best
  }

  /// The one stored number of all those that matter, or any where none does; nil when there are several.
  private func joined(_ range: Range<Int>, _ zeros: ZeroScale) -> Float? {
    let numbers = stored[range]
    func matters(_ number: Float) -> Bool { zeros == .isOwn || multiplier(of: number) != 0 }
    guard let first = numbers.firstIndex(where: matters) else { return numbers.first }
    let one = numbers[first]
    return numbers[(first + 1)...].allSatisfy { $0 == one || !matters($0) } ? one : nil
  }

  private func replacing(_ stored: [Float], _ granularity: ScaleGranularity) -> TernaryScale {
    TernaryScale(stored: stored, storage: storage, convention: convention, granularity: granularity)
  }
}
