// Tritsmith: which scale belongs to which weight.

import Testing
import TritCore

@Suite("Scales by row and column")
struct ScalePlacesTests {
  private func scale(_ stored: [Float], _ granularity: ScaleGranularity) -> TernaryScale {
    TernaryScale(stored: stored, storage: .f32, convention: .multiply, granularity: granularity)
  }

  /// Group g of row r covers columns g·size up to (g + 1)·size, the last group what is left: counted out by hand.
  @Test("every weight has the scale of the run it lies in")
  func everyWeight() {
    for (granularity, runs) in [
      (ScaleGranularity.tensor, [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]),
      (.row, [[0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]),
      (.group(columns: 1), [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]),
      (.group(columns: 2), [[0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]),
      (.group(columns: 5), [[0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]),
      (.group(columns: 6), [[0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]),
      (.group(columns: .max), [[0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]),
    ] {
      let count = granularity.count(rows: 2, columns: 5)
      let grid = scale((0..<count).map { Float($0 + 1) }, granularity).grid(columns: 5)
      for row in 0..<2 {
        for column in 0..<5 {
          let wanted = Float(runs[row][column] + 1)
          #expect(grid.multiplier(row: row, column: column) == wanted, "\(granularity) \(row) \(column)")
          #expect(grid.multiplier(at: 5 * row + column) == wanted, "\(granularity) \(row) \(column)")
        }
        var covered: [Int] = []
        grid.places.forEachRun(ofRow: row) { columns, index in
          covered += columns.map { _ in index }
        }
        #expect(covered == runs[row], "\(granularity)")
      }
      let trits: [Int8] = [1, 0, -1, 1, 1, -1, -1, 0, 1, 1]
      var expected: [Float] = []
      for place in 0..<10 { expected.append(Float(trits[place]) * Float(runs[place / 5][place % 5] + 1)) }
      #expect(grid.values(trits, firstRow: 0) == expected, "\(granularity)")
    }
  }

  @Test("group sizes and rows of any length up to 2^63 − 1 do not trap")
  func extremes() {
    for size in [1, 127, 1 << 62, Int.max - 1, Int.max] {
      for columns in [1, 129, 1 << 62, Int.max] {
        let places = ScalePlaces(.group(columns: size), columns: columns)
        for column in [0, columns / 2, columns - 1] {
          let end = places.runEnd(after: column)
          #expect(end > column && end <= columns, "\(size) \(columns)")
          #expect(places.index(row: 0, column: column) == column / size)
        }
        #expect(ScaleGranularity.group(columns: size).groups(columns: columns) == (columns - 1) / size + 1)
      }
    }
    #expect(scale([], .group(columns: .max)).grid(columns: 0).values([], firstRow: 0).isEmpty)
  }

  @Test("rows in another order take their scales along")
  func reordered() {
    let order = [2, 0, 1]
    #expect(scale([7], .tensor).reordered(rows: 3, columns: 4) { order[$0] } == scale([7], .tensor))
    #expect(scale([1, 2, 3], .row).reordered(rows: 3, columns: 4) { order[$0] } == scale([3, 1, 2], .row))
    let groups = ScaleGranularity.group(columns: 3)
    #expect(
      scale([1, 2, 3, 4, 5, 6], groups).reordered(rows: 3, columns: 4) { order[$0] }
        == scale([5, 6, 1, 2, 3, 4], groups))
  }

  /// 0 stands for zeros, which have any scale.
  @Test("scales move to the coarsest grid that says the same")
  func coarsest() {
    let two = ScaleGranularity.group(columns: 2)
    for (stored, granularity, columns, expected, coarse) in [
      ([3, 3, 3, 3], two, 4, [3], ScaleGranularity.tensor),
      ([3, 0, 0, 3], two, 4, [3], .tensor),
      ([0, 0, 0, 0], two, 4, [0], .tensor),
      ([3, 0, 5, 5], two, 4, [3, 5], .row),
      ([3, 0, 0, 0], two, 4, [3], .tensor),
      ([1, 1, 2, 2, 3, 3, 4, 0], two, 8, [1, 2, 3, 4], .group(columns: 4)),
      ([1, 1, 2, 2, 3, 4, 4, 4], two, 8, [1, 1, 2, 2, 3, 4, 4, 4], two),
      // A last group that has no partner.
      ([1, 1, 2, 3, 3, 4], two, 6, [1, 2, 3, 4], .group(columns: 4)),
      ([1, 2], .row, 6, [1, 2], .row),
      ([2, 2], .row, 6, [2], .tensor),
    ] as [([Float], ScaleGranularity, Int, [Float], ScaleGranularity)] {
      let rows = stored.count / granularity.groups(columns: columns)
      let found = scale(stored, granularity).coarsest(rows: rows, columns: columns)
      #expect(found == scale(expected, coarse), "\(stored) by \(granularity)")
    }
    // NaN equals nothing, and a divisor of infinity multiplies by 0.
    let odd = scale([.nan, .nan], .row).coarsest(rows: 2, columns: 1)
    #expect(odd.granularity == .row)
    let divisors = TernaryScale(stored: [2, .infinity], storage: .f32, convention: .divide, granularity: .row)
    #expect(divisors.coarsest(rows: 2, columns: 1).stored == [2])
  }

  @Test("scales move to a grid another layout has, or the first weights that would share two are named")
  func regrouped() throws {
    let (two, four) = (ScaleGranularity.group(columns: 2), ScaleGranularity.group(columns: 4))
    for (stored, from, to, expected) in [
      ([5], ScaleGranularity.tensor, four, [5, 5, 5, 5]), ([5, 6], .row, four, [5, 5, 6, 6]),
      ([5, 6], .row, two, [5, 5, 5, 5, 6, 6, 6, 6]), ([1, 2, 3, 4], four, two, [1, 1, 2, 2, 3, 3, 4, 4]),
      ([1, 1, 2, 2, 3, 0, 0, 4], two, four, [1, 2, 3, 4]), ([0, 1, 0, 0, 0, 0, 0, 1], two, .row, [1, 1]),
      ([0, 1, 0, 0, 0, 0, 0, 1], two, .tensor, [1]), ([0, 0, 0, 0, 0, 0, 0, 0], two, .tensor, [0]),
    ] as [([Float], ScaleGranularity, ScaleGranularity, [Float])] {
      let found = try scale(stored, from).regrouped(to: to, rows: 2, columns: 8)
      #expect(found == scale(expected, to), "\(stored) from \(from) to \(to)")
    }
    for (stored, from, to, misfit) in [
      ([1, 1, 2, 3, 4, 4, 5, 5], two, four, ScaleMisfit(row: 0, columns: 4..<8, first: 2, second: 3)),
      ([1, 2], .row, .tensor, ScaleMisfit(row: 1, columns: 0..<8, first: 1, second: 2)),
      ([1, 1, 7, 8], four, .row, ScaleMisfit(row: 1, columns: 0..<8, first: 7, second: 8)),
    ] as [([Float], ScaleGranularity, ScaleGranularity, ScaleMisfit)] {
      #expect(throws: misfit) { try scale(stored, from).regrouped(to: to, rows: 2, columns: 8) }
    }
    // Groups that do not fit into each other are compared where they overlap.
    let three = try scale([1, 1, 1, 2, 2, 2], .group(columns: 3)).regrouped(to: four, rows: 2, columns: 8)
    #expect(three.stored == [1, 1, 2, 2])
  }
}
