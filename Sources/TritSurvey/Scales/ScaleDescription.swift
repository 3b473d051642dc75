// Tritsmith: scales by the numbers they are, whatever holds them.

import TritCore

extension ScalePair {
  /// Both sides as their numbers are: of the coarsest type that holds all of them, one where all are one.
  ///
  /// A Float may hold what bfloat16 had rounded, a group of F16 the inverse of a divisor. What made these numbers does not
  /// depend on the file they stand in now.
  var described: ScalePair {
    let units = Array(self.units)
    let (ones, others) = (Set(units.map { indices($0).0 }), Set(units.map { indices($0).1 }))
    return ScalePair(expected.described(at: ones.sorted()), found.described(at: others.sorted()), live)
  }
}

extension TernaryScale {
  /// - Parameter places: of the numbers that matter, all of them positive.
  fileprivate func described(at places: [Int]) -> TernaryScale {
    guard let first = places.first else { return self }
    let isOne = places.allSatisfy { stored[$0] == stored[first] }
    let numbers = isOne ? [stored[first]] : stored
    let read = isOne ? [0] : places
    func make(_ numbers: [Float], _ type: DType, _ convention: ScaleConvention) -> TernaryScale {
      TernaryScale(
        stored: numbers, storage: type, convention: convention, granularity: isOne ? .tensor : granularity)
    }
    if read.allSatisfy({ BFloat16.holds(numbers[$0]) }) { return make(numbers, .bf16, convention) }
    if read.allSatisfy({ HalfFloat.holds(numbers[$0]) }) { return make(numbers, .f16, convention) }
    guard convention == .multiply else {
      let factors = read.map { TernaryScale.factor(ofDivisor: numbers[$0]) }
      guard !factors.contains(nil) else { return make(numbers, storage, convention) }
      var multipliers = numbers.map { 1 / $0 }
      for (place, factor) in zip(read, factors) { multipliers[place] = factor ?? multipliers[place] }
      let areBFloat16 = read.allSatisfy { BFloat16.holds(multipliers[$0]) }
      return make(multipliers, areBFloat16 ? .bf16 : .f16, .multiply)
    }
    // No other Floats are the inverses of numbers of 8 digits.
    let divisors = read.map { TernaryScale.divisor(ofMultiplier: numbers[$0], storage: .f32)?.float }
    guard divisors.allSatisfy({ $0 != nil }) else { return make(numbers, .f32, convention) }
    var inverses = numbers.map { 1 / $0 }
    for (place, divisor) in zip(read, divisors) { inverses[place] = divisor ?? inverses[place] }
    return make(inverses, .bf16, .divide)
  }

  /// The number of 16 bits for whose inverse a checkpoint holds a Float, as no bfloat16 divisor gives that number.
  private static func factor(ofDivisor divisor: Float) -> Float? {
    let nearest = 1 / divisor
    return [nearest, nearest.nextUp, nearest.nextDown].first {
      1 / $0 == divisor && (BFloat16.holds($0) || HalfFloat.holds($0))
    }
  }
}
