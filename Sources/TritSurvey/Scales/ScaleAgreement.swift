// Tritsmith: whether two stored scales are the same scale.

import TritCore

/// Compares scales that may be stored in different types, by what trits are multiplied by.
///
/// A type with fewer digits than the other's is taken at its word: f16(1/s) in a file agrees with a divisor s of which
/// it is the rounding. Only the types of the two sides explain anything: two numbers in F32 are equal or are not. That it
/// was rounded is said, and by how much. A scale that became 0 or infinite, or lost digits below the type's smallest
/// normal number, was not rounded: it is another scale. One `ScaleRoute` must explain all scales of a matrix, and weights
/// that share a scale on one side have one on the other.
package struct ScaleAgreement: Sendable {
  /// Which side was made from the other.
  package enum Origin: Sendable, Equatable {
    /// The second from the first: only what the second's type does to a number is rounding.
    case first
    /// Nobody knows: either type may have rounded.
    case either
    /// Both are forms of one model: also its divisors, and one number that each side rounded, explain them. Only the
    /// numbers count: what holds them may have been made of a file of another type.
    case model
  }

  package private(set) var difference: String?
  /// What rounding did; nil when the multipliers are the same numbers.
  package private(set) var rounding: ScaleRounding?
  /// The row of the first weights that nothing explains.
  package private(set) var strangeRow: Int?
  /// How sure an agreement is, for `ScaleCertainty.doubtful`.
  package private(set) var certainty = ScaleCertainty.equal

  package var agrees: Bool { difference == nil }

  /// - Parameters:
  ///   - live: the weights that depend on a scale, on the grid of both granularities.
  ///   - mendsDivisors: a conversion has written the second side, sound numbers in the place of divisors of 0.
  package init(
    _ expected: TernaryScale, _ found: TernaryScale, _ live: LiveUnits, origin: Origin, mendsDivisors: Bool = false
  ) {
    let pair = ScalePair(expected, found, live)
    let (left, right) = (expected.multipliers, found.multipliers)
    var isDifferent = false
    for unit in 0..<live.grid.count {
      let (index, other) = pair.indices(unit)
      let (a, b) = (left[index], right[other])
      let (first, second) = (expected.dividesByZero(at: index), found.dividesByZero(at: other))
      guard first == second || mendsDivisors && first else {
        difference = ScaleAgreement.zeroDivisor(isFirst: first)
        strangeRow = live.grid.place(unit).row
        return
      }
      if a == b { continue }
      // An infinity times 0 is no number: it matters even there.
      if !live.isLive[unit], a.isFinite, b.isFinite { continue }
      guard a > 0, b > 0, a.isFinite, b.isFinite else {
        note(unit, pair, origin)
        return
      }
      isDifferent = true
    }
    let numbers = origin == .model ? pair.described : pair
    if origin != .first, let (unit, usual, isSharedByFirst) = numbers.firstWithOther {
      note(unit, pair, usual, isSharedByFirst: isSharedByFirst)
      return
    }
    guard isDifferent else {
      certainty.note(numbers)
      return
    }
    let search = ScaleSearch(numbers, origin)
    guard let level = search.level else {
      note(search.strange, pair, origin)
      return
    }
    certainty = ScaleCertainty(level, areEven: search.areEven)
    certainty.note(numbers)
    rounding = numbers.rounding(search.route)
  }

  /// Takes back an agreement that the other matrices of a model make unlikely.
  package mutating func doubt() {
    let change = rounding.map { ", by \(ScaleRounding.parts($0.relative))" } ?? ""
    difference = "rounding explains them\(change), but not as in the other matrices"
    (strangeRow, rounding) = (strangeRow ?? 0, nil)
  }

  /// Takes note of numbers that share a scale on the other side and are not the same.
  package mutating func note(twoMagnitudesInRow row: Int) {
    guard agrees || row < strangeRow ?? 0 else { return }
    difference = "row \(row) has two magnitudes where the other side has one scale"
    (strangeRow, rounding) = (row, nil)
  }

  /// Takes note of a difference.
  private mutating func note(_ unit: Int, _ pair: ScalePair, _ origin: Origin) {
    let (one, two) = pair.numbers(unit)
    difference =
      "a trit\(pair.place(unit)) is multiplied by \(two.multiplier), expected \(one.multiplier)"
      + ScaleAgreement.reason(one.multiplier, two.multiplier, pair.found) + pair.masterReason(unit, origin)
    strangeRow = pair.live.grid.place(unit).row
  }

  /// Takes note of a scale of one side that stands for several of the other: the number alone may be on both.
  ///
  /// - Parameter usual: what others of the shared scale are multiplied by on the other side, where this is not.
  private mutating func note(_ unit: Int, _ pair: ScalePair, _ usual: Float, isSharedByFirst: Bool) {
    let (one, two) = pair.numbers(unit)
    let (shared, other) = isSharedByFirst ? (one, two) : (two, one)
    let (side, otherSide) = isSharedByFirst ? ("first", "second") : ("second", "first")
    difference =
      "where the \(side) has one scale, \(shared.multiplier), the \(otherSide) has \(usual), and for a trit"
      + "\(pair.place(unit)) \(other.multiplier)"
    strangeRow = pair.live.grid.place(unit).row
  }

  /// A positive number as a type stores it; nil when the type has no such number, or too few digits for it.
  package static func held(_ value: Float, _ storage: DType) -> Float? {
    let stored = TernaryScale.rounded(value, to: storage)
    let smallest: Float = storage == .f16 ? 0x1p-14 : .leastNormalMagnitude
    return stored.isFinite && stored > 0 && (stored == value || stored >= smallest) ? stored : nil
  }

  package static func zeroDivisor(isFirst: Bool) -> String {
    "the \(isFirst ? "first" : "second") divides by 0, of which loaders make NaN, and the other does not"
  }

  /// Why two numbers that look alike are not the same.
  private static func reason(_ a: Float, _ b: Float, _ found: TernaryScale) -> String {
    if b == 0 { return "; a scale of 0 makes every weight 0" }
    if a == 0 { return "; the scale was 0 and no longer is" }
    guard a > 0, b > 0, a.isFinite, b.isFinite else { return "" }
    if TernaryScale.rounded(a, to: .bf16) == b, found.storage != .bf16 {
      return
        " (\(ScaleRounding.parts(abs(Double(a) - Double(b)) / Double(a))) off: its bfloat16 rounding, and \(found.storage.rawValue) "
        + "could hold it)"
    }
    return ""
  }
}
