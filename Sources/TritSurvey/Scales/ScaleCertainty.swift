// Tritsmith: what the matrices of a model say of each other's scales.

import TritCore

/// How sure it is that rounding made one scale of another.
///
/// Where a scale has more digits on one side, or a finer step, that side leaves the other no choice; the other way round
/// many numbers are rounded to one, and a wrong number may be among them. What was done to one matrix was done to all:
/// where few need a rounding that leaves a choice, they are other scales.
package struct ScaleCertainty: Sendable {
  package enum Level: Int, Sendable, Comparable {
    /// One number may have been rounded on both sides, by way of a divisor that bfloat16 numbers do not show.
    case distant
    /// One number may have been rounded on both sides.
    case common
    /// The number of one side, rounded, is that of the other, as that of others is.
    case rounded
    /// The same by way of a bfloat16 divisor, of whose inverses one of eight F16 numbers is by chance.
    case divisor
    /// Equal, or the one number that the other gives.
    case sure

    package static func < (one: Level, other: Level) -> Bool { one.rawValue < other.rawValue }
  }

  package let level: Level
  /// Whether many scales stand in the steps they were rounded to as `StepPlaces` says: a matrix that needs no others to
  /// show what was done to it.
  package let areEven: Bool
  /// Whether both sides are bfloat16 numbers, one perhaps the inverse.
  private var areBFloat16 = false
  /// Whether both are bfloat16 numbers, or inverses of such.
  private var areInverses = false
  /// Which side has the finer steps there: −1 or 1; 0 where both multiply, or both divide.
  private var finer = 0
  /// Whether a number of either side is the inverse of a bfloat16 divisor.
  private var hasDivisor = false
  private var isRead = false
  /// Multipliers of the first weights on both sides.
  private var numbers = Multipliers(first: 0, second: 0)

  private struct Multipliers: Hashable {
    let first: Float
    let second: Float

    /// How far the second is above the first, as a share of it.
    var change: Double { first > 0 ? (Double(second) - Double(first)) / Double(first) : 0 }
  }

  /// Of numbers that were not read, because a step with them gives the same.
  package static let equal = ScaleCertainty(.sure)

  init(_ level: Level, areEven: Bool = false) { (self.level, self.areEven) = (level, areEven) }

  /// Takes note of the numbers, by the first of them.
  mutating func note(_ pair: ScalePair) {
    guard let unit = pair.units.first(where: { _ in true }) else { return }
    let (one, two) = pair.numbers(unit)
    isRead = true
    numbers = Multipliers(first: one.multiplier, second: two.multiplier)
    hasDivisor = one.divisor != nil || two.divisor != nil
    areBFloat16 = one.type == .bf16 && two.type == .bf16
    areInverses = [one, two].allSatisfy { $0.type == .bf16 || $0.divisor != nil }
    finer = one.convention == two.convention ? 0 : one.step(of: .bf16) < two.step(of: .bf16) ? -1 : 1
  }

  /// Of scales that are rounded from finer ones seven of eight, and all Floats, have to be rounded. A quarter is far from
  /// chance.
  static let share = 0.25
  /// Of bfloat16 numbers a quarter come back from their inverses as others, and one of six is no rounding of the other
  /// at all, where one number was rounded on both sides: by the lengths of the intervals.
  private static let bfloat16Share = 0.05

  /// Whether all scales of one side are above those of the other, alike: a factor, as rounding goes either way. Eight do
  /// so by chance in one of 128 models, and in two of five of those they are as much alike.
  private static func areMultiplied(_ all: [ScaleCertainty]) -> Bool {
    guard Set(all.map(\.numbers)).count >= 8, 2 * all.count(where: { $0.isRead && $0.level < .sure }) > all.count else {
      return false
    }
    let changes = all.map(\.numbers.change)
    let sizes = changes.map(abs)
    guard changes.allSatisfy({ $0 > 0 }) || changes.allSatisfy({ $0 < 0 }), let least = sizes.min(),
      let largest = sizes.max()
    else { return false }
    // One step of F16 above rounded numbers: half a step to one and a half, of numbers of which one is twice another.
    return least * 8 >= largest
  }

  /// Which agreements of a model's matrices, stored alike, are none: too few need what they need.
  package static func doubtful(_ all: [ScaleCertainty]) -> Set<Int> {
    if areMultiplied(all) { return Set(all.indices) }
    func areFew(_ places: [Int], of count: Int, _ share: Double) -> Bool {
      Double(places.count) < share * Double(count)
    }
    func few(_ places: [Int], of count: Int, _ share: Double) -> [Int] {
      areFew(places, of: count, share) ? places.filter { !all[$0].areEven } : []
    }
    let haveDivisors = 2 * all.count(where: \.hasDivisor) >= all.count
    // One of eight F16 numbers is a bfloat16 number by chance. Inverses of divisors say as much as the divisors do.
    let isBFloat16 = all.map { $0.areBFloat16 || haveDivisors && $0.areInverses }
    let bfloat16s = all.indices.filter { isBFloat16[$0] }
    let areBFloat16 = !bfloat16s.isEmpty && !areFew(bfloat16s, of: all.count(where: \.isRead), share)
    let others = all.indices.filter { !areBFloat16 || !isBFloat16[$0] }
    var result = Set(few(others.filter { all[$0].level < .divisor }, of: all.count, share))
    result.formUnion(others.filter { all[$0].level == .distant })
    // Where the scales of most are no inverses of divisors, those of a few are by chance.
    if !haveDivisors {
      result.formUnion(few(others.filter { all[$0].level < .sure }, of: all.count, share))
    }
    guard areBFloat16 else { return result }
    result.formUnion(few(bfloat16s.filter { all[$0].level <= .common }, of: all.count, bfloat16Share))
    // One of six is no rounding of the other at all; of numbers that were moved, most are none.
    let distant = bfloat16s.filter { all[$0].level == .distant }
    if 2 * distant.count > all.count { result.formUnion(distant) }
    for side in -1...1 {
      let alike = bfloat16s.filter { all[$0].finer == side }
      let wide = alike.filter { all[$0].level < .sure }
      // Of factors a quarter come back from their divisors as others, and the rest are equal.
      let equal = side == 0 ? all.count { !$0.isRead } : 0
      result.formUnion(few(wide, of: alike.count + equal, side == 0 ? 2 * bfloat16Share : bfloat16Share))
    }
    return result
  }
}
