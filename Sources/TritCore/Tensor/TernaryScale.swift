// Tritsmith: the number that turns trits into weights, and what it means.

/// What a stored scale does to a trit: the same tensor name means opposite things in two model families.
public enum ScaleConvention: String, Sendable, Hashable, CaseIterable, Codable {
  /// weight = trit × stored; the stored number is an absmean, below 1 in real models (`autobitlinear`, BitNet b1.58).
  case multiply
  /// weight = trit ÷ stored; the stored number is 1/absmean, above 1 in real models (`bitlinear`, Falcon-E).
  case divide
}

/// How many weights share one scale.
///
/// Group sizes come from files and may be any number from 1 up, so nothing is ever added to one: see `ScalePlaces`.
public enum ScaleGranularity: Sendable, Hashable {
  case tensor
  case row
  /// One scale for each run of this many columns of a row.
  case group(columns: Int)

  /// Runs of equal scale in a row of that many columns.
  package func groups(columns: Int) -> Int {
    switch self {
    case .tensor, .row: 1
    case .group(let size): columns / max(1, size) + (columns % max(1, size) == 0 ? 0 : 1)
    }
  }

  /// Whether every scale of another granularity has a place, whatever its number.
  package func holds(_ other: ScaleGranularity) -> Bool {
    switch (self, other) {
    case (_, .tensor), (.row, .row), (.group, .row): true
    case (.group(let own), .group(let size)): size % max(1, own) == 0
    case (.tensor, _), (.row, .group): false
    }
  }

  /// Number of scales of a matrix; rows × columns must fit, as in a `TensorShape`.
  package func count(rows: Int, columns: Int) -> Int {
    switch self {
    case .tensor: 1
    case .row: rows
    case .group: rows * groups(columns: columns)
    }
  }
}

/// Scales of a ternary tensor as stored, with their meaning; a value is always trit × `multiplier(at:)`.
public struct TernaryScale: Sendable, Hashable {
  /// The stored numbers, widened: one, one a row, or one a group (row by row).
  public let stored: [Float]
  /// The type they are stored in.
  package let storage: DType
  /// Whether trits are multiplied with the stored numbers or divided by them.
  public let convention: ScaleConvention
  /// How many weights share a number.
  public let granularity: ScaleGranularity

  /// Scales of a matrix.
  ///
  /// - Parameters:
  ///   - stored: one number, one a row, or one a group, row by row.
  ///   - storage: the type files hold them in: BF16, F16 or F32. Numbers are kept as they are given.
  ///   - convention: what they do to a trit.
  ///   - granularity: how many weights share one.
  public init(stored: [Float], storage: DType, convention: ScaleConvention, granularity: ScaleGranularity = .tensor) {
    self.stored = stored
    self.storage = storage
    self.convention = convention
    self.granularity = granularity
  }

  /// One scale for a whole tensor.
  package init(stored: Float, storage: DType, convention: ScaleConvention) {
    self.init(stored: [stored], storage: storage, convention: convention, granularity: .tensor)
  }

  /// What a trit is multiplied by, in Float: the stored number, or its correctly rounded inverse.
  ///
  /// A divisor of 0 stands for a matrix of zeros here, like a factor of 0; loaders compute 0/0 of it: `dividesByZero`.
  public func multiplier(at index: Int = 0) -> Float { multiplier(of: stored[index]) }

  /// The same of a stored number.
  func multiplier(of stored: Float) -> Float {
    switch convention {
    case .multiply: stored
    case .divide: stored == 0 ? 0 : 1 / stored
    }
  }

  /// Whether a stored number is a divisor of 0, of which loaders make NaN even where all trits are 0.
  ///
  /// Source: transformers `BitLinear.post_quant_process`, input / (input_scale · weight_scale).
  package func dividesByZero(at index: Int = 0) -> Bool { convention == .divide && stored[index] == 0 }

  /// The same with divisors of 0 replaced by what quantizers store for a matrix of zeros: the inverse of their smallest
  /// mean, 1/100000, as bfloat16; in F16 the largest number.
  package var withSoundDivisors: TernaryScale {
    let divisor = storage == .f16 ? Float(65504) : BFloat16.rounded(100_000)
    return TernaryScale(
      stored: stored.indices.map { dividesByZero(at: $0) ? divisor : stored[$0] }, storage: storage,
      convention: convention, granularity: granularity)
  }

  /// `multiplier(at:)` of every stored number, in their order.
  package var multipliers: [Float] { convention == .multiply ? stored : stored.indices.map { multiplier(at: $0) } }

  /// The bfloat16 number s whose bf16(1/s) is the magnitude, when there is one near 1/magnitude; else bf16(1/magnitude).
  ///
  /// A `bfloat16` revision holds bf16(1/s): of the up to two neighbours that give it back, the nearest is taken.
  package static func divisor(ofMagnitude magnitude: Float) -> Float {
    let nearest = BFloat16(1 / magnitude)
    let candidates = [nearest.bits, nearest.bits &- 1, nearest.bits &+ 1].map { BFloat16(bits: $0).float }
    return candidates.first { $0.isFinite && $0 > 0 && BFloat16.rounded(1 / $0) == magnitude } ?? nearest.float
  }

  /// Little-endian bytes of the stored numbers in their storage type (BF16, F16 or F32).
  package var storedBytes: [UInt8] {
    stored.flatMap { value -> [UInt8] in
      switch storage {
      case .bf16: littleEndianBytes(BFloat16(value).bits)
      case .f16: littleEndianBytes(HalfFloat(value).bits)
      default: littleEndianBytes(value.bitPattern)
      }
    }
  }
}

extension TernaryScale: CustomStringConvertible {
  /// Such as `÷ 43.25 (BF16)`, or `× 0.5 to 1.25 (F16, 512 of them)`.
  public var description: String {
    let sign = convention == .divide ? "÷" : "×"
    guard stored.count > 1, let least = stored.min(), let largest = stored.max() else {
      return "\(sign) \(stored.first ?? 0) (\(storage.rawValue))"
    }
    return "\(sign) \(least) to \(largest) (\(storage.rawValue), \(stored.count) of them)"
  }
}

/// The bytes of an integer, lowest first.
@inlinable
package func littleEndianBytes<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
  (0..<Value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}
