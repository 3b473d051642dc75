// Tritsmith: whether two stored scales are the same scale.

import TritCore

/// Compares scales that may be stored in different types, by what trits are multiplied by.
///
/// A type with fewer digits than the other's is taken at its word: f16(1/s) in a file agrees with a divisor s of which
/// it is the rounding. Only the types of the two sides explain anything: two numbers in F32 are equal or are not. That it was rounded is said, and by how much. A scale that became 0 or infinite, or lost digits
/// below the type's smallest normal number, was not rounded: it is another scale.
package struct ScaleAgreement {
  /// Which side was made from the other.
  package enum Origin {
    /// The second from the first: only what the second's type does to a number is rounding.
    case first
    /// Nobody knows: either type may have rounded.
    case either
  }

  package let difference: String?
  /// What rounding did; nil when the multipliers are the same numbers.
  package let rounding: ScaleRounding?

  package var agrees: Bool { difference == nil }

  /// - Parameters:
  ///   - live: the weights that depend on a scale, on the grid of both granularities.
  ///   - mendsDivisors: a conversion has written the second side, sound numbers in the place of divisors of 0.
  package init(
    _ expected: TernaryScale, _ found: TernaryScale, _ live: LiveUnits, origin: Origin, mendsDivisors: Bool = false
  ) {
    let left = expected.multipliers
    let right = found.multipliers
    var worst = 0.0
    var rounded = DType.f32
    for unit in 0..<live.grid.count {
      let index = live.grid.index(unit, expected.granularity)
      let other = live.grid.index(unit, found.granularity)
      let (a, b) = (left[index], right[other])
      let (first, second) = (expected.dividesByZero(at: index), found.dividesByZero(at: other))
      guard first == second || mendsDivisors && first else {
        difference = ScaleAgreement.zeroDivisor(isFirst: first)
        rounding = nil
        return
      }
      if a == b { continue }
      // An infinity times 0 is no number: it matters even there.
      if !live.isLive[unit], a.isFinite, b.isFinite { continue }
      guard let type = ScaleAgreement.roundedType(a, index, expected, b, found, live, unit, origin) else {
        let (row, column) = live.grid.place(unit)
        let isWide = live.grid.size == nil
        let place = isWide ? "" : " of row \(row)" + (live.grid.perRow > 1 ? ", column \(column)" : "")
        difference = "a trit\(place) is multiplied by \(b), expected \(a)" + ScaleAgreement.reason(a, b, found)
        rounding = nil
        return
      }
      rounded = type
      worst = max(worst, abs(Double(a) - Double(b)) / Double(max(a, b)))
    }
    difference = nil
    let isSpread = expected.granularity != .tensor && found.granularity != .tensor
    rounding = worst == 0 ? nil : ScaleRounding(storage: rounded, relative: worst, isSpread: isSpread)
  }

  /// The type whose rounding made one number of the other; nil when none did.
  private static func roundedType(
    _ a: Float, _ index: Int, _ expected: TernaryScale, _ b: Float, _ found: TernaryScale, _ live: LiveUnits,
    _ unit: Int, _ origin: Origin
  ) -> DType? {
    guard a > 0, b > 0, a.isFinite, b.isFinite else { return nil }
    let there = forms(a, stored: expected.stored[index], of: expected, in: found, exactFloat: origin == .first)
    if let form = there.first(where: { $0.value == b }) { return form.type }
    guard origin == .either else { return nil }
    let stored = found.stored[live.grid.index(unit, found.granularity)]
    return forms(b, stored: stored, of: found, in: expected, exactFloat: false).first { $0.value == a }?.type
  }

  /// What a multiplier may be as another file stores it, nothing but types having changed it.
  ///
  /// - Parameter exactFloat: a file that holds Float has no reason to hold less.
  private static func forms(
    _ multiplier: Float, stored: Float, of scale: TernaryScale, in target: TernaryScale, exactFloat: Bool
  ) -> [(value: Float, type: DType)] {
    let isBFloat16 = scale.storage == .bf16 || target.storage == .bf16
    guard target.convention == .multiply else {
      guard scale.convention == .multiply else {
        return held(stored, target.storage).map { [(1 / $0, target.storage)] } ?? []
      }
      guard isBFloat16 else { return divisors(multiplier, scale.storage, target.storage) }
      // The divisor a checkpoint stores for a multiplier, which may be the rounding of its inverse.
      let checkpoint = TernaryScale(stored: multiplier, storage: scale.storage, convention: .multiply)
        .asCheckpointScale(.divide)
      return [(checkpoint.multiplier(), scale.storage)]
    }
    var numbers = [multiplier]
    if scale.convention == .multiply, scale.storage == .f16,
      let divisor = TernaryScale.divisor(ofMultiplier: multiplier, storage: .f16)
    {
      numbers.append(1 / divisor.float)
    }
    var result = numbers.compactMap { number in held(number, target.storage).map { ($0, target.storage) } }
    let isFloat = target.storage == .f32 || target.storage == .f64
    guard !(isFloat && exactFloat) else { return result }
    // A dense bfloat16 checkpoint holds bf16(1/s) of a bfloat16 s, whatever it is stored as afterwards.
    guard isBFloat16 else { return result }
    result += numbers.compactMap { number in
      held(number, .bf16).flatMap { held($0, target.storage) }.map { ($0, .bf16) }
    }
    return result
  }

  /// What a multiplier may be on a side that divides, where neither side is bfloat16: its inverse as the type holds it,
  /// and the inverse of the divisor of which it is the rounding.
  private static func divisors(
    _ multiplier: Float, _ storage: DType, _ target: DType
  ) -> [(value: Float, type: DType)] {
    var result = held(1 / multiplier, target).map { [(value: 1 / $0, type: target)] } ?? []
    if let divisor = TernaryScale.divisor(ofMultiplier: multiplier, storage: storage) {
      result.append((1 / divisor.float, storage))
    }
    return result
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
