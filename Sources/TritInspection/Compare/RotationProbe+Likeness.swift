// Tritsmith: trits beside the numbers they may be made of.

import TritConversion
import TritCore
import TritSurvey
import TritVerification

extension RotationProbe {
  /// How alike the rows of a matrix are in the two, whatever their scales.
  struct Likeness {
    /// The cosine between all rows, one behind the other.
    var cosine: Double
    /// The least of a row's own. Rows shorter than half of what is usual are left out: quantized with a scale for several
    /// rows they have few trits, if any.
    var least: Double
    /// Places in parts of all: trits that are not 0 where numbers are below 0.4 of a scale, less those that are 0 where
    /// numbers are above 0.6 of it. Trits nearest to numbers are 0 below half of it.
    var surplus: Double

    /// What scales are for the numbers whose trits they multiply.
    enum Fit: CaseIterable {
      case fitting, tooLarge, tooSmall
    }

    /// Nearest trits in groups of 128 leave a surplus of 0.007 at most, scales 1.5 times off 0.055 to 0.25: of normal and
    /// of Laplace numbers, and of the trained checkpoint among the fixtures.
    var fit: Fit { abs(surplus) <= 0.04 ? .fitting : surplus > 0 ? .tooLarge : .tooSmall }
  }

  /// Nil where there are no numbers to compare.
  ///
  /// - Parameter numbersAreFirst: which of the two trits were made of; its rows tell how long is usual.
  func likeness(_ name: String, numbersAreFirst: Bool) throws -> Likeness? {
    guard let pair = try self.rows(name) else { return nil }
    let (rows, width) = (pair.shape.rows, pair.shape.columns)
    var sums: [(product: Double, numbers: Double, trits: Double)] = []
    sums.reserveCapacity(rows)
    var surplus = 0
    let step = max(1, RotationProbe.numberLimit / width)
    for start in stride(from: 0, to: rows, by: step) {
      let values = try pair.values(start..<min(rows, start + step))
      let (numbers, trits) = numbersAreFirst ? (values.first, values.second) : (values.second, values.first)
      for row in stride(from: 0, to: numbers.count, by: width) {
        var sum = (product: 0.0, numbers: 0.0, trits: 0.0)
        for place in row..<row + width {
          let (x, y) = (Double(numbers[place]), Double(trits[place]))
          sum.product += x * y
          sum.numbers += x * x
          sum.trits += y * y
        }
        surplus += RotationProbe.surplus(numbers[row..<row + width], trits[row..<row + width])
        sums.append(sum)
      }
    }
    let all = sums.reduce((product: 0.0, numbers: 0.0, trits: 0.0)) {
      ($0.product + $1.product, $0.numbers + $1.numbers, $0.trits + $1.trits)
    }
    guard all.numbers > 0, all.trits > 0 else { return nil }
    let usual = all.numbers / Double(rows)
    let least = sums.filter { $0.numbers * 4 >= usual }
      .map { $0.trits > 0 ? $0.product / ($0.numbers * $0.trits).squareRoot() : 0 }.min()
    return Likeness(
      cosine: all.product / (all.numbers * all.trits).squareRoot(), least: least ?? 0,
      surplus: Double(surplus) / Double(pair.shape.elementCount))
  }

  /// Of one row, by the mean of its scales.
  private static func surplus(_ numbers: ArraySlice<Float>, _ trits: ArraySlice<Float>) -> Int {
    let live = trits.count { $0 != 0 }
    guard live > 0 else { return 0 }
    let scale = trits.reduce(0.0) { $0 + Double(abs($1)) } / Double(live)
    return zip(numbers, trits).reduce(0) { sum, pair in
      let size = Double(abs(pair.0)) / scale
      return sum + (pair.1 != 0 && size < 0.4 ? 1 : pair.1 == 0 && size > 0.6 ? -1 : 0)
    }
  }
}
