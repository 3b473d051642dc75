// Tritsmith: how the number of one stored scale may have become another's.

import TritCore

/// A scale as a file stores it.
struct ScaleNumber: Equatable {
  let stored: Float
  let storage: DType
  let convention: ScaleConvention
  /// What trits are multiplied by.
  let multiplier: Float

  init(_ scale: TernaryScale, _ index: Int) {
    (stored, storage, convention) = (scale.stored[index], scale.storage, scale.convention)
    multiplier = scale.multiplier(at: index)
  }

  /// The coarsest type it is a number of: a Float may hold what another type had rounded before.
  var type: DType { DType.coarsest(holding: stored) }

  /// One place of a type, as a share of the number.
  func step(of type: DType) -> Double { place(of: type) / Double(stored.magnitude) }

  /// One place of a type at the stored number.
  func place(of type: DType) -> Double {
    let digits = type == .bf16 ? 0x1p-7 : type == .f16 ? 0x1p-10 : 0x1p-23
    return Double(stored.binade.magnitude) * digits
  }

  /// The bfloat16 divisor whose inverse it is, rounded to a type: few numbers are any, so that one that is was made so.
  var divisor: Float? {
    guard convention == .multiply else { return nil }
    let types: [DType] = storage == .bf16 ? [] : storage == .f16 ? [.f16] : [.f32, .f16]
    return types.lazy.compactMap { TernaryScale.divisor(ofMultiplier: stored, storage: $0)?.float }.first
  }

  /// The multipliers that are stored as this number: half a place to either side, less below a power of two. Numbers in
  /// the middle of two belong to the even one.
  private var masters: Masters {
    let (value, half) = (Double(stored), place(of: type) / 2)
    let least = value - (stored.significand == 1 ? half / 2 : half)
    let bits: UInt32 =
      switch type {
      case .bf16: UInt32(BFloat16(stored).bits)
      case .f16: UInt32(HalfFloat(stored).bits)
      default: stored.bitPattern
      }
    let ends = (least, value + half)
    return convention == .multiply ? (ends.0, ends.1, bits % 2 == 0) : (1 / ends.1, 1 / ends.0, bits % 2 == 0)
  }

  private typealias Masters = (least: Double, largest: Double, hasEnds: Bool)

  /// The bfloat16 divisors of which it is the inverse, rounded to its type: two at most beside a bfloat16 number.
  fileprivate var inverses: [ScaleNumber] {
    guard convention == .multiply, multiplier > 0, multiplier.isFinite else { return [] }
    let nearest = BFloat16(1 / multiplier).bits
    return [nearest, nearest &- 1, nearest &+ 1].map { BFloat16(bits: $0).float }.filter {
      $0 > 0 && $0.isFinite && TernaryScale.rounded(1 / $0, to: type) == multiplier
    }.map { ScaleNumber(TernaryScale(stored: $0, storage: .bf16, convention: .divide), 0) }
  }

  /// Whether some number is stored as this one here and as the other there, perhaps as a divisor before.
  ///
  /// - Parameter isDistant: whether bfloat16 numbers may be inverses of divisors too, which they do not show.
  func hasMaster(with other: ScaleNumber, isDistant: Bool = false) -> Bool {
    func forms(_ number: ScaleNumber) -> [ScaleNumber] {
      [number] + (isDistant || number.type != .bf16 ? number.inverses : [])
    }
    let theirs = forms(other).map { ($0.masters, $0.convention) }
    return forms(self).contains { mine in
      theirs.contains { ScaleNumber.share(mine.masters, $0.0, areAlike: mine.convention == $0.1) }
    }
  }

  private static func share(_ one: Masters, _ two: Masters, areAlike: Bool) -> Bool {
    let (least, largest) = (max(one.least, two.least), min(one.largest, two.largest))
    // Programs divide in Float, before they round to fewer digits.
    let slack = areAlike ? 1 : 1 + 0x1p-22
    if least < largest * slack { return true }
    func holds(_ side: Masters) -> Bool {
      side.hasEnds || least != side.least && least != side.largest
    }
    return least == largest && holds(one) && holds(two)
  }
}

/// What one conversion, or several, make of a stored scale. One route explains all scales of a matrix, or none does.
struct ScaleRoute: Sendable, Hashable {
  enum Start: Sendable, Hashable {
    /// The multiplier; of two that divide the stored number; the inverse where only the target divides.
    case own
    /// The divisor of which the multiplier is the inverse, rounded.
    case divisor
    /// The divisor that onebitllms stores for a bfloat16 multiplier: bf16(1/m).
    case inverse
    /// The divisor that packing a dense bfloat16 matrix stores.
    case packed
    /// A divisor whose inverse F16 rounds to the middle of two bfloat16 numbers, so that rounding it on gives the other.
    case twice
  }

  let start: Start
  /// Types on the way, one after another.
  let via: [DType]
  /// From the first side to the second.
  let isForward: Bool

  /// The coarsest type that numbers are rounded to on this way.
  func coarsest(_ storage: DType) -> DType {
    let types = via + [storage]
    return types.contains(.bf16) ? .bf16 : types.contains(.f16) ? .f16 : storage
  }

  /// All routes between two sides.
  static func all(_ first: TernaryScale, _ second: TernaryScale, _ origin: ScaleAgreement.Origin) -> [ScaleRoute] {
    routes(first, second, origin, isForward: true)
      + (origin == .first ? [] : routes(second, first, origin, isForward: false))
  }

  private static func routes(
    _ scale: TernaryScale, _ target: TernaryScale, _ origin: ScaleAgreement.Origin, isForward: Bool
  ) -> [ScaleRoute] {
    let isBFloat16 = scale.storage == .bf16 || target.storage == .bf16
    let isModel = origin == .model
    func make(_ start: Start, _ ways: [[DType]]) -> [ScaleRoute] {
      ways.map { ScaleRoute(start: start, via: $0, isForward: isForward) }
    }
    guard target.convention == .multiply else {
      guard scale.convention == .multiply else { return make(.own, [[]]) }
      let inverse: [[DType]] = isModel || !isBFloat16 ? [[]] : []
      return make(.own, inverse + (isModel ? [[.bf16], [.f16]] : [])) + make(.divisor, [[]])
    }
    let isFloat = target.storage == .f32 || target.storage == .f64
    // A dense bfloat16 checkpoint holds bf16(1/s) of a bfloat16 s, whatever it is stored as afterwards.
    let isDense = isBFloat16 && !(isFloat && origin == .first)
    // Programs write bfloat16 by way of an F16 file as well.
    let isTwice = origin == .either && target.storage == .bf16
    let ways: [[DType]] =
      isModel ? [[], [.bf16], [.f16], [.f16, .bf16]] : isDense ? [[], [.bf16]] + (isTwice ? [[.f16]] : []) : [[]]
    guard scale.convention == .multiply else { return make(.own, ways) }
    let divisor = isModel || scale.storage == .f16 ? make(.divisor, ways) : []
    guard isModel else { return make(.own, ways) + divisor }
    return make(.own, ways) + divisor + make(.inverse, ways) + make(.packed, ways) + make(.twice, [[.bf16]])
  }

  /// What a number becomes on this way, as the target's multiplier, and the type that rounded it last; nil where it does
  /// not lead from it, or a type has too few digits.
  func image(_ number: ScaleNumber, in target: ScaleNumber) -> (multiplier: Float, type: DType)? {
    target.convention == .multiply ? multiplier(number, target) : inverse(number, target)
  }

  private func multiplier(_ number: ScaleNumber, _ target: ScaleNumber) -> (multiplier: Float, type: DType)? {
    guard let begin = beginning(number), let value = through(begin),
      let held = ScaleAgreement.held(value, target.storage)
    else { return nil }
    return (held, via.last ?? target.storage)
  }

  private func beginning(_ number: ScaleNumber) -> Float? {
    let multiplier = number.multiplier
    switch start {
    case .own: return multiplier
    case .divisor: return number.divisor.map { 1 / $0 }
    case .twice:
      guard number.type == .bf16 else { return nil }
      let halves = number.inverses.map { HalfFloat($0.multiplier).float }
      return halves.first { BFloat16.rounded($0) != multiplier }
    case .inverse, .packed:
      guard number.convention == .multiply, BFloat16.holds(multiplier) else { return nil }
      let divisor =
        start == .packed ? TernaryScale.divisor(ofMagnitude: multiplier) : ScaleAgreement.held(1 / multiplier, .bf16)
      return divisor.map { 1 / $0 }
    }
  }

  private func inverse(_ number: ScaleNumber, _ target: ScaleNumber) -> (multiplier: Float, type: DType)? {
    if number.convention == .divide {
      return ScaleAgreement.held(number.stored, target.storage).map { (1 / $0, target.storage) }
    }
    guard start == .divisor else {
      return through(number.multiplier).flatMap { ScaleAgreement.held(1 / $0, target.storage) }.map {
        (1 / $0, target.storage)
      }
    }
    guard number.storage == .bf16 || target.storage == .bf16 else {
      return TernaryScale.divisor(ofMultiplier: number.multiplier, storage: number.storage).map {
        (1 / $0.float, number.storage)
      }
    }
    // The divisor a checkpoint stores for a multiplier, which may be the rounding of its inverse.
    let checkpoint = TernaryScale(stored: number.multiplier, storage: number.storage, convention: .multiply)
      .asCheckpointScale(.divide)
    return (checkpoint.multiplier(), number.storage)
  }

  /// A number after the types on the way.
  private func through(_ value: Float) -> Float? {
    via.reduce(value) { number, type in number.flatMap { ScaleAgreement.held($0, type) } }
  }
}

extension DType {
  /// The coarsest type that a Float is a number of.
  package static func coarsest(holding value: Float) -> DType {
    if value == 0 { return .f32 }
    return BFloat16.holds(value) ? .bf16 : HalfFloat.holds(value) ? .f16 : .f32
  }
}
