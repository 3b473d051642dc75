// Tritsmith: what tells rounding from another number.

import TritCore
import TritModel
import TritSurvey
import TritVerification

/// What storing did to numbers of one side, as far as their type tells.
struct StoredNumbers: Sendable, Equatable {
  /// The type, or that of the scales of trits.
  let type: DType
  let isTernary: Bool

  init(_ type: DType, isTernary: Bool = false) { (self.type, self.isTernary) = (type, isTernary) }

  /// Trits with a scale: of the coarsest type that all stored numbers are of. A multiplier times a trit is a number of its
  /// type as any other.
  init(_ scale: TernaryScale) {
    let isBFloat16 = scale.stored.allSatisfy { BFloat16.holds($0) }
    let isHalf = !isBFloat16 && scale.stored.allSatisfy { HalfFloat.holds($0) }
    self.init(
      isBFloat16 ? .bf16 : isHalf ? .f16 : scale.storage, isTernary: scale.convention != .multiply)
  }

  /// Half a step at a number: what rounding to it can have moved it by.
  ///
  /// A Float may hold what another type had rounded before; a scale may be the inverse of a divisor, which loses the same
  /// share.
  func half(_ value: Float) -> Double {
    let size = Double(value.magnitude)
    if isTernary { return size * StoredNumbers.share(type) }
    let held = type == .f32 ? DType.coarsest(holding: value) : type
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

  private static func power(of value: Float) -> Double { value == 0 ? 0 : Double(value.binade.magnitude) }
}

/// Roundings that take every number of one side to its place on the other.
///
/// One of them must hold for a whole matrix: a number that another type can hold is not rounded by it, so that the next
/// number of that type is another one.
struct RoundingChain: Sendable, Hashable {
  enum Way: Sendable, Hashable {
    /// The right side is the left rounded to a type, after another one where a file was converted twice.
    case left(via: DType?, DType)
    case right(via: DType?, DType)
    /// Both are roundings of one number, each to its type.
    case common(DType, DType)
  }

  let way: Way
  /// Whether the types that are stored say that it was done; others may lie behind a Float.
  let isStated: Bool

  /// All that may lead from dense numbers of one type to those of another. A Float may hold what was rounded before.
  static func between(_ left: DType, _ right: DType) -> [RoundingChain] {
    func targets(_ type: DType) -> [DType] { type == .f32 ? [.f32, .f16, .bf16] : [type] }
    func chains(_ type: DType, _ make: (DType?, DType) -> Way) -> [RoundingChain] {
      targets(type).flatMap { to in
        ([nil, .f16, .bf16] as [DType?]).filter { $0 != to }.map {
          RoundingChain(way: make($0, to), isStated: $0 == nil && to == type)
        }
      }
    }
    let common = targets(left).flatMap { a in
      targets(right).filter { $0 != a && a != .f32 && $0 != .f32 }.map {
        RoundingChain(way: .common(a, $0), isStated: a == left && $0 == right)
      }
    }
    return chains(right) { .left(via: $0, $1) } + chains(left) { .right(via: $0, $1) } + common
  }

  func explains(_ a: Float, _ b: Float) -> Bool {
    guard a.isFinite, b.isFinite else { return false }
    switch way {
    case .left(let via, let to): return RoundingChain.rounded(a, via, to) == b
    case .right(let via, let to): return RoundingChain.rounded(b, via, to) == a
    case .common(let left, let right):
      guard RoundingChain.rounded(a, nil, left) == a, RoundingChain.rounded(b, nil, right) == b else { return false }
      // Rounding keeps order: b is one of the numbers that those around a, which are a when rounded, go to.
      let half = StoredNumbers(left).half(a)
      let ends = [Double(a) - half, Double(a) + half].map { RoundingChain.rounded(Float($0), nil, right) }
      return ends[0] <= b && b <= ends[1]
    }
  }

  private static func rounded(_ value: Float, _ via: DType?, _ to: DType) -> Float {
    TernaryScale.rounded(via.map { TernaryScale.rounded(value, to: $0) } ?? value, to: to)
  }
}

/// What tells rounding from another number.
enum RoundingRule: Sendable, Equatable {
  /// One chain of roundings leads from each number to its place on the other side.
  case chains([RoundingChain])
  /// Of one type no rounding leads to another number, but of a scale.
  case equal
  /// Trits, or dense numbers in their place, are equal but for scales, which `ScaleAgreement` judges.
  case trits
  /// One side is unfolded from numbers that are exact: the other's are those, rounded to its type. A sum of products in
  /// Float is off by a share of its block.
  case unfolded(size: Int, left: StoredNumbers?, right: StoredNumbers?)
  /// Rotated on one side, and rounded there too: a rotation keeps lengths, so rounding takes a share of a block's length,
  /// and of numbers too small for F16 half its smallest step each.
  case blocks(size: Int, share: Double)

  /// Whether numbers may be trits times scales, which are held against each other by themselves.
  var isOfScales: Bool {
    switch self {
    case .trits, .chains, .equal: true
    case .unfolded, .blocks: false
    }
  }

  /// Of dense numbers that are not equal and have one type: F16 may hold what bfloat16 had rounded.
  var ofOtherTypes: RoundingRule? {
    guard self == .equal else { return nil }
    let ways: [RoundingChain.Way] = [.left(via: .bf16, .f16), .right(via: .bf16, .f16)]
    return .chains(ways.map { RoundingChain(way: $0, isStated: true) })
  }

  /// Of so few numbers that they say nothing about what was done to them: only what their types state.
  init(stated left: DType, _ right: DType) {
    self = left == right ? .equal : .chains(RoundingChain.between(left, right).filter(\.isStated))
  }

  /// Of dense numbers.
  init(_ left: StoredNumbers, _ right: StoredNumbers) {
    let isOneType = left == right && left.type != .f32
    self = isOneType ? .equal : .chains(RoundingChain.between(left.type, right.type))
  }
}
