// Tritsmith: how the numbers of one matrix were rounded apart in two models.

import TritCore
import TritLayouts
import TritModel
import TritSurvey
import TritVerification

/// What storing did to numbers of one side, as far as their type tells.
struct StoredNumbers: Sendable, Equatable {
  /// The type, or that of the scales of trits.
  let type: DType
  let isTernary: Bool

  init(_ type: DType, isTernary: Bool = false) { (self.type, self.isTernary) = (type, isTernary) }

  /// Trits with a scale: of the coarsest type that all stored numbers are of.
  init(_ scale: TernaryScale) {
    let isBFloat16 = scale.stored.allSatisfy { BFloat16.rounded($0) == $0 }
    let isHalf = !isBFloat16 && scale.stored.allSatisfy { HalfFloat($0).float == $0 }
    self.init(isBFloat16 ? .bf16 : isHalf ? .f16 : scale.storage, isTernary: true)
  }

  /// Half a step at a number: what rounding to it can have moved it by.
  ///
  /// A Float may hold what another type had rounded before; a scale may be the inverse of a divisor, which loses the same
  /// share.
  func half(_ value: Float) -> Double {
    let size = Double(value.magnitude)
    if isTernary { return size * StoredNumbers.share(type) }
    let held = type == .f32 ? StoredNumbers.holder(value) : type
    switch held {
    // Below 2⁻¹⁴ steps of F16 stay as they are.
    case .f16: return max(StoredNumbers.power(of: value) * 0x1p-11, 0x1p-25)
    case .bf16: return StoredNumbers.power(of: value) * 0x1p-8
    default: return Double(value.ulp) / 2
    }
  }

  /// What a type can take of a number at most: half its last place.
  static func share(_ type: DType) -> Double {
    switch type {
    case .f16: StoredRounding.f16.share
    case .bf16: StoredRounding.bf16.share
    default: 0x1p-24
    }
  }

  /// The coarsest type a Float is a number of.
  private static func holder(_ value: Float) -> DType {
    if value == 0 { return .f32 }
    return BFloat16.rounded(value) == value ? .bf16 : HalfFloat(value).float == value ? .f16 : .f32
  }

  private static func power(of value: Float) -> Double { value == 0 ? 0 : Double(value.binade.magnitude) }
}

/// What tells rounding from another number.
enum RoundingRule: Sendable, Equatable {
  /// Each number is one that some number is rounded to on the other side.
  case numbers(StoredNumbers, StoredNumbers)
  /// Of one type no rounding leads to another number.
  case equal
  /// Trits are equal; their scales were held against each other.
  case trits
  /// Rotated on one side: a rotation keeps lengths, so rounding takes a share of a block's length, and of numbers too
  /// small for F16 half its smallest step each.
  case blocks(size: Int, share: Double)

  /// Of dense numbers, or trits beside such.
  init(_ left: StoredNumbers, _ right: StoredNumbers) {
    let isOneType = left == right && !left.isTernary && left.type != .f32
    self = isOneType ? .equal : .numbers(left, right)
  }

  func explains(_ a: Float, _ b: Float) -> Bool {
    switch self {
    case .equal: a == b
    case .trits: a.sign == b.sign && (a == 0) == (b == 0) && a.isFinite && b.isFinite
    case .numbers(let left, let right):
      // A product of a trit and a scale is rounded to Float once more.
      abs(Double(a) - Double(b)) <= left.half(a) + right.half(b) + 0x1p-23 * Double(max(a.magnitude, b.magnitude))
    case .blocks: true
    }
  }
}

/// How far the numbers of a matrix are apart, row by row, and whether rounding explains it.
struct MatrixRounding: Sendable, Equatable {
  /// Σ (a − b)² and Σ a² of each row.
  private(set) var errors: [Double]
  private(set) var sizes: [Double]
  private(set) var isExplained = true

  /// - Parameter columns: of a row; the values are whole rows.
  init(_ left: [Float], _ right: [Float], columns: Int, _ rule: RoundingRule) {
    let rows = left.count / max(1, columns)
    errors = [Double](repeating: 0, count: rows)
    sizes = errors
    for row in 0..<rows {
      let start = row * columns
      var (error, size) = (0.0, 0.0)
      for index in start..<start + columns {
        let (a, b) = (left[index], right[index])
        size += Double(a) * Double(a)
        guard a != b else { continue }
        error += (Double(a) - Double(b)) * (Double(a) - Double(b))
        if isExplained { isExplained = rule.explains(a, b) }
      }
      (errors[row], sizes[row]) = (error, size)
      if case .blocks(let block, let share) = rule, isExplained {
        isExplained = MatrixRounding.areBlocks(left, right, start..<start + columns, block, share)
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

  /// Another band of rows behind these.
  mutating func append(_ other: MatrixRounding) {
    errors += other.errors
    sizes += other.sizes
    isExplained = isExplained && other.isExplained
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
    return UnitBounds(
      units: found.indices.map { unit in
        let expected = gain * errors[unit]
        let own = found[unit] * (sizes[unit] > 0 ? errors[unit] / sizes[unit] : 0)
        return UnitBounds.sums + MatrixRounding.relative(max(expected, own), found[unit])
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

  private let all: Double
  private let units: [Double]

  /// One for all units.
  init(_ bound: Double) { (all, units) = (bound, []) }

  init(units: [Double]) { (all, self.units) = (UnitBounds.sums, units) }

  subscript(unit: Int) -> Double { units.indices.contains(unit) ? units[unit] : all }
}
