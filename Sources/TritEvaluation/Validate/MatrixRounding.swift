// Tritsmith: how the numbers of one matrix were rounded apart in two models.

import TritCore
import TritLayouts
import TritModel
import TritSurvey
import TritVerification

/// How far the numbers of a matrix are apart, row by row, and whether rounding explains it.
struct MatrixRounding: Sendable {
  /// Σ (a − b)² and Σ a² of each row.
  private(set) var errors: [Double]
  private(set) var sizes: [Double]
  private(set) var isExplained = true
  /// Numbers that are not 0, and those that are another number on the other side.
  private var counts = (all: 0, moved: 0)
  /// Numbers that F16 holds with all its digits, those of them that are another number, and the first row with one.
  private var ordinary = (all: 0, moved: 0)
  private var movedRow: Int?
  /// Σ (b − a) · a, and the magnitudes of these numbers.
  private var alignment = 0.0
  private var magnitudes = DistinctMagnitudes()
  /// The first row with a number that nothing explains.
  private(set) var strangeRow: Int?
  /// Those that hold so far, where the rule is chains.
  private var chains: [RoundingChain]?

  /// - Parameter columns: of a row; the values are whole rows.
  init(_ left: [Float], _ right: [Float], columns: Int, _ rule: RoundingRule) {
    let rows = left.count / max(1, columns)
    errors = [Double](repeating: 0, count: rows)
    sizes = errors
    if case .chains(let all) = rule { chains = all }
    for row in 0..<rows {
      let range = row * columns..<(row + 1) * columns
      for index in range {
        let (a, b) = (left[index], right[index])
        sizes[row] += Double(a) * Double(a)
        if a != 0 { counts.all += 1 }
        let isOrdinary = max(a.magnitude, b.magnitude) >= 0x1p-14
        if isOrdinary { ordinary.all += 1 }
        guard a != b else { continue }
        counts.moved += 1
        alignment += (Double(b) - Double(a)) * Double(a)
        magnitudes.add(a)
        if isOrdinary {
          ordinary.moved += 1
          if movedRow == nil { movedRow = row }
        }
        errors[row] += (Double(a) - Double(b)) * (Double(a) - Double(b))
      }
      guard isExplained, !explains(left, right, range, rule) else { continue }
      (isExplained, strangeRow) = (false, row)
    }
  }

  private mutating func explains(
    _ left: [Float], _ right: [Float], _ row: Range<Int>, _ rule: RoundingRule
  ) -> Bool {
    switch rule {
    case .chains:
      // Also of numbers that are equal: a chain that would have moved one is not what was done.
      chains?.removeAll { chain in !row.allSatisfy { chain.explains(left[$0], right[$0]) } }
      return chains?.isEmpty == false
    case .blocks(let size, let share): return MatrixRounding.areBlocks(left, right, row, size, share)
    case .unfolded(let size, let stored, let other):
      return MatrixRounding.areUnfolded(left, right, row, size, stored, other)
    case .equal: return row.allSatisfy { left[$0] == right[$0] }
    case .trits:
      return row.allSatisfy { index in
        let (a, b) = (left[index], right[index])
        return a == b || a.sign == b.sign && (a == 0) == (b == 0) && a.isFinite && b.isFinite
      }
    }
  }

  /// Whether every number of a row is another, rounded once to the type of the side that is not unfolded.
  private static func areUnfolded(
    _ left: [Float], _ right: [Float], _ row: Range<Int>, _ size: Int, _ stored: StoredNumbers?, _ other: StoredNumbers?
  ) -> Bool {
    let step = max(1, size)
    return stride(from: row.lowerBound, to: row.upperBound, by: step).allSatisfy { start in
      let block = start..<min(row.upperBound, start + step)
      let square = block.reduce(0.0) { $0 + Double(left[$1]) * Double(left[$1]) }
      // Eight sums in Float, one after another, in the order of any program.
      let sums = 0x1p-20 * (square / Double(block.count)).squareRoot()
      return block.allSatisfy { index in
        let halves = (stored?.half(left[index]) ?? 0) + (other?.half(right[index]) ?? 0)
        return abs(Double(left[index]) - Double(right[index])) <= halves + sums
      }
    }
  }

  /// Whether every block of a row is within its share.
  private static func areBlocks(
    _ left: [Float], _ right: [Float], _ row: Range<Int>, _ block: Int, _ share: Double
  ) -> Bool {
    let step = max(1, block)
    return stride(from: row.lowerBound, to: row.upperBound, by: step).allSatisfy { start in
      var (error, a, b) = (0.0, 0.0, 0.0)
      let end = min(row.upperBound, start + step)
      for index in start..<end {
        let (x, y) = (Double(left[index]), Double(right[index]))
        a += x * x
        b += y * y
        error += (x - y) * (x - y)
      }
      let floor = 0x1p-24 * Double(end - start).squareRoot()
      return error.squareRoot() <= share * max(a, b).squareRoot() + floor
    }
  }

  /// What the scales of trits are beside the other side's; nil for dense numbers on both.
  private(set) var scales: ScaleAgreement?

  /// Takes note of how scales agree.
  mutating func note(_ scales: ScaleAgreement) {
    self.scales = scales
    guard isExplained, !scales.agrees else { return }
    (isExplained, strangeRow) = (false, scales.strangeRow)
  }

  /// What encoding the other side's numbers says of blocks; nil where it was not done.
  private(set) var blocks: BlockProof.Verdict?

  /// Takes note of what blocks are beside the numbers of the other side, which says more than their steps.
  mutating func note(_ blocks: BlockProof.Verdict) {
    self.blocks = blocks
    (isExplained, strangeRow) = (true, nil)
    if case .other = blocks { isExplained = false }
  }

  /// Takes back an agreement of scales that the other matrices of a model make unlikely.
  mutating func doubt() {
    guard var scales else { return }
    scales.doubt()
    note(scales)
  }

  /// Another band of rows behind these.
  mutating func append(_ other: MatrixRounding) {
    if isExplained {
      chains = chains.map { all in all.filter { other.chains?.contains($0) == true } }
      isExplained = other.isExplained && chains?.isEmpty != true
      if !isExplained { strangeRow = sizes.count + (other.strangeRow ?? 0) }
    }
    if movedRow == nil { movedRow = other.movedRow.map { sizes.count + $0 } }
    counts = (counts.all + other.counts.all, counts.moved + other.counts.moved)
    alignment += other.alignment
    magnitudes.add(other.magnitudes)
    ordinary = (ordinary.all + other.ordinary.all, ordinary.moved + other.ordinary.moved)
    errors += other.errors
    sizes += other.sizes
  }

  /// Whether so many numbers are others as rounding to three digits fewer makes them: seven of eight.
  var isOfMost: Bool { 4 * counts.moved > counts.all }

  /// Whether numbers are others by a factor. Roundings do not know where a number stands: of many the changes cancel.
  private var isFactor: Bool {
    let size = sizes.reduce(0, +)
    return magnitudes.areMany && 2 * abs(alignment) > share * size
  }

  /// The same by what all numbers together say: a factor is no rounding, and where few numbers moved none that nothing
  /// states. Those that a type had rounded before would nearly all be its numbers on one side alone. Small numbers are
  /// few that F16 alone rounds.
  var asAWhole: MatrixRounding {
    guard isExplained, let chains, ordinary.moved > 0 else { return self }
    var result = self
    if isFactor {
      (result.isExplained, result.strangeRow) = (false, movedRow)
      return result
    }
    guard 4 * ordinary.moved <= ordinary.all else { return self }
    result.chains = chains.filter(\.isStated)
    if result.chains?.isEmpty == true { (result.isExplained, result.strangeRow) = (false, movedRow) }
    return result
  }

  /// √(Σ (a − b)² / Σ a²) over all rows.
  var share: Double {
    let size = sizes.reduce(0, +)
    return size > 0 ? (errors.reduce(0, +) / size).squareRoot() : 0
  }

  // MARK: - Bounds

  /// What a sum of rounded products may be off by, in spreads of it. Roundings do not know the inputs, so that the error of
  /// a unit is spread like the sum of independent terms; of 10⁸ units none is 6 spreads off. One input that is larger than
  /// all others meets one rounding, of at most √7 times the spread: half a step beside a mean number of its power of two.
  static let factor = 6.0

  /// The largest relative error of each unit of a step, whose units are rows of this matrix.
  ///
  /// - Parameter found: Σ p² of each unit over all tokens. The inputs' size follows from all of them; a unit whose
  ///   products cancel is small, and its rounding is not.
  func boundsOfRows(_ found: [Double]) -> UnitBounds {
    guard found.count == sizes.count else { return UnitBounds(boundOfColumns(1)) }
    let gain = found.reduce(0, +) / max(sizes.reduce(0, +), .leastNormalMagnitude)
    let sums = UnitBounds.sums(found)
    return UnitBounds(
      units: found.indices.map { unit in
        let expected = gain * errors[unit]
        let own = found[unit] * (sizes[unit] > 0 ? errors[unit] / sizes[unit] : 0)
        return sums[unit] + MatrixRounding.relative(max(expected, own), found[unit])
      })
  }

  /// The same where units are columns, as those of embeddings: some rows of the matrix are the values.
  func boundsOfColumns(_ found: [Double]) -> UnitBounds {
    let mean = found.reduce(0, +) / Double(max(1, found.count))
    return UnitBounds(units: found.map { boundOfColumns(max(1, $0 > 0 ? (mean / $0).squareRoot() : 1)) })
  }

  private func boundOfColumns(_ factor: Double) -> Double {
    let largest = zip(errors, sizes).reduce(0) { $1.1 > 0 ? max($0, $1.0 / $1.1) : $0 }
    return UnitBounds.sums + MatrixRounding.factor * largest.squareRoot() * factor
  }

  private static func relative(_ error: Double, _ size: Double) -> Double {
    size > 0 ? factor * (error / size).squareRoot() : 0
  }
}

/// Largest relative error of each unit of a step that passes.
struct UnitBounds: Sendable, Equatable {
  /// Sums may be added in another order: the two arithmetic modes differ by 2e-7.
  static let sums = StoredRounding.none.stepBound

  /// What another order of sums is off by, as a share of a unit of middling size. Measured: 2e-7.
  private static let middling = 2e-6

  private let all: Double
  private let units: [Double]
  /// The unit to name where it is past its bound: one whose numbers nothing explains.
  let suspect: Int?

  /// One for all units.
  init(_ bound: Double) { (all, units, suspect) = (bound, [], nil) }

  init(units: [Double], suspect: Int? = nil) { (all, self.units, self.suspect) = (UnitBounds.sums, units, suspect) }

  /// Blocks of few bits, which lose a share of their largest number: beside it a unit may be small, over few tokens.
  static func blocks(_ bound: Double, _ found: [Double]) -> UnitBounds {
    let middle = middle(of: found)
    return UnitBounds(units: found.map { $0 > 0 && $0 < middle ? bound * (middle / $0).squareRoot() : bound })
  }

  /// Sums alone, of a step with a matrix. The products of a unit may cancel, over few tokens above all: then little is
  /// left, and the sums' own error is that of its terms, which are as large as those of others.
  ///
  /// - Parameter found: Σ p² of each unit.
  static func sums(_ found: [Double], suspect: Int? = nil) -> UnitBounds {
    let middle = middle(of: found)
    return UnitBounds(
      units: found.map { $0 > 0 && $0 < middle ? sums + middling * (middle / $0).squareRoot() : sums + middling },
      suspect: suspect)
  }

  private static func middle(of found: [Double]) -> Double { found.isEmpty ? 0 : found.sorted()[found.count / 2] }

  subscript(unit: Int) -> Double { units.indices.contains(unit) ? units[unit] : all }
}
