// Tritsmith: where numbers stood in the steps of the type that they were rounded to.

import TritCore

/// The eighth of a step of a 16-bit type that each of many different numbers stood in, before it was rounded.
///
/// Numbers that were made without this type in mind stand in all eighths alike. Numbers of the type that were changed
/// afterwards, by so little that rounding takes them back, stand in few of them, or on one side of the middle.
struct StepPlaces {
  private var seen: Set<Float> = []
  private var eighths = [Int](repeating: 0, count: 8)

  /// Of numbers that do not know the steps, the eighths of fewer are too few to tell.
  private static let least = 64
  /// Of more the answer is the same.
  private static let most = 4096
  /// Of χ² with 7 degrees of freedom, which chance makes larger in one of 10⁶ matrices.
  private static let bound = 40.0

  /// - Parameter route: from each scale of one side to its place on the other.
  init(_ pair: ScalePair, _ route: ScaleRoute) {
    guard pair.expected.convention == .multiply, pair.found.convention == .multiply else { return }
    for unit in pair.units where seen.count < StepPlaces.most {
      let (one, two) = pair.numbers(unit)
      let (from, to) = route.isForward ? (one, two) : (two, one)
      add(from.multiplier, to, route.coarsest(to.storage))
    }
  }

  private mutating func add(_ value: Float, _ rounded: ScaleNumber, _ type: DType) {
    // Below a power of two steps are half as long.
    guard type == .bf16 || type == .f16, rounded.multiplier.significand != 1, seen.insert(value).inserted else {
      return
    }
    let eighth = 8 * (Double(value) - Double(rounded.multiplier)) / rounded.place(of: type)
    // Both ends are one eighth, of which half stands above and half below.
    eighths[(Int(min(4, max(-4, eighth.rounded()))) + 8) % 8] += 1
  }

  var areEven: Bool {
    guard seen.count >= StepPlaces.least else { return false }
    let expected = Double(seen.count) / Double(eighths.count)
    let distance = eighths.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    return distance <= StepPlaces.bound
  }
}
