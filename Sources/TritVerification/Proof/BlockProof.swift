// Tritsmith: numbers in blocks held against what their encoder makes of another model's numbers.

import TritCore
import TritLayouts
import TritModel
import TritSurvey

/// Whether numbers in blocks are what ggml's encoder makes of the numbers of another form of a model.
///
/// A block of 6 bits leaves 1.6 % of a number open: to be within its step proves little. The encoder is known to the last
/// bit, so that the other side's numbers, encoded again, must be these blocks. Those numbers may have been rounded to a
/// type before they were encoded; or they are themselves a rounding of what the blocks were made of, which then nobody
/// can encode again: what agrees so is `open`.
package struct BlockProof: Sendable {
  package enum Verdict: Sendable, Hashable {
    /// Every block is what one way makes of the numbers.
    case proven
    /// Within the steps of the blocks, beside numbers of 16 bits that may have been others.
    case open
    /// Other weights, for people.
    case other(String)
  }

  private enum Way: Sendable {
    /// The numbers rounded to types, one after another, and encoded.
    case encoded([DType])
    /// The numbers are the blocks', rounded to a type.
    case decoded(DType)
  }

  private struct Trial: Sendable {
    let way: Way
    var differing = 0
    var firstRow: Int?
    var isDropped = false
  }

  private let codec: any WritableBlockCodec.Type
  private let columns: Int
  /// Whether the numbers are quotients of divisors, which a rounding made before they had all digits.
  private let areQuotients: Bool
  private var rows = 0
  /// Blocks that are not all zeros.
  private var live = 0
  private var trials: [Trial] =
    [[], [.f16], [.bf16], [.bf16, .f16]].map { Trial(way: .encoded($0)) }
    + [DType.f32, .f16, .bf16].map { Trial(way: .decoded($0)) }
  /// The first row with a number further off than two encodings of it can be.
  private var farRow: Int?
  private var holds = (f16: true, bf16: true)
  private var magnitudes = DistinctMagnitudes()
  /// Of rows: by what share of the numbers the blocks are more than these, or than their encoding.
  private var factor = (rows: 0, sum: 0.0, squares: 0.0)
  /// What separates the two sides.
  package private(set) var report = RoundingReport()

  /// - Parameters:
  ///   - columns: of a row, whole blocks.
  ///   - areQuotients: whether the numbers are trits divided by what is stored.
  package init(_ codec: any WritableBlockCodec.Type, columns: Int, areQuotients: Bool = false) {
    (self.codec, self.columns, self.areQuotients) = (codec, columns, areQuotients)
  }

  // MARK: - Adding rows

  /// Takes note of whole rows.
  package mutating func add(_ numbers: [Float], _ blocks: [Float]) {
    let count = min(numbers.count, blocks.count) / codec.blockElements
    let bytes = codec.encode(numbers)
    let own = codec.decode(bytes.span.bytes)
    report.count += numbers.count
    for index in numbers.indices {
      report.add(numbers[index], blocks[index])
      note(numbers[index])
    }
    let isLive = (0..<count).map { block in
      places(block).contains { numbers[$0] != 0 || blocks[$0] != 0 }
    }
    live += isLive.count { $0 }
    for trial in trials.indices where !trials[trial].isDropped {
      let (left, right) = sides(trials[trial].way, numbers, blocks, own)
      for block in 0..<count where isLive[block] && places(block).contains(where: { left[$0] != right[$0] }) {
        trials[trial].differing += 1
        if trials[trial].firstRow == nil { trials[trial].firstRow = rows + block * codec.blockElements / columns }
      }
      // What many blocks speak against is not asked of the others; the first is counted.
      let differing = trials[trial].differing
      trials[trial].isDropped = trial > 0 && differing > BlockProof.many && !isOfFew(differing)
    }
    noteFar(numbers, blocks, own, bytes)
    noteFactor(numbers, blocks, own)
    rows += numbers.count / columns
  }

  private func places(_ block: Int) -> Range<Int> { block * codec.blockElements..<(block + 1) * codec.blockElements }

  private func isOfFew(_ differing: Int) -> Bool { 32 * differing <= live }

  private mutating func note(_ number: Float) {
    if holds.f16, !HalfFloat.holds(number) { holds.f16 = false }
    if holds.bf16, !BFloat16.holds(number) { holds.bf16 = false }
    if number != 0 { magnitudes.add(number) }
  }

  /// What must be equal.
  private func sides(
    _ way: Way, _ numbers: [Float], _ blocks: [Float], _ own: [Float]
  ) -> (left: [Float], right: [Float]) {
    switch way {
    case .encoded(let types):
      let rounded = numbers.map { number in types.reduce(number) { TernaryScale.rounded($0, to: $1) } }
      return (rounded == numbers ? own : codec.decode(codec.encode(rounded).span.bytes), blocks)
    case .decoded(let type): return (numbers, blocks.map { TernaryScale.rounded($0, to: type) })
    }
  }

  /// A number of 16 bits may have been another one by half a step; its two encodings lose no more than each may.
  private mutating func noteFar(_ numbers: [Float], _ blocks: [Float], _ own: [Float], _ bytes: [UInt8]) {
    guard farRow == nil else { return }
    let far = numbers.indices.first { index in
      guard own[index] != blocks[index] else { return false }
      let (block, place) = index.quotientAndRemainder(dividingBy: codec.blockElements)
      let stored = bytes.span.bytes.extracting(block * codec.blockBytes..<(block + 1) * codec.blockBytes)
      let bound = allowance(codec.bound(numbers[index], at: place, in: stored), stored) + 1.25 * half(numbers[index])
      // What is no number is within nothing.
      return !(abs(Double(numbers[index]) - Double(blocks[index])) <= bound)
    }
    farRow = far.map { rows + $0 / columns }
  }

  /// What may separate a number from the block of another one, half a step of its type away, by the bound of its own
  /// block. Of 6 bits the fit may take another of its 19 ways, with numbers of a peak's size two steps beyond the last
  /// level, and a group's scale may be the next whole multiple of d, of which 32 levels make 32.
  private func allowance(_ bound: Double, _ block: RawSpan) -> Double {
    guard codec.name == Q6_K.name, let offset = codec.scaleOffsets.first else { return 1.25 * bound }
    return 6 * bound + 33 * abs(Double(codec.half(block, at: offset)))
  }

  private func half(_ number: Float) -> Double {
    guard number != 0, number.isFinite else { return 0 }
    if areQuotients { return Double(number.magnitude) * StoredRounding.bf16.share }
    let power = Double(number.binade.magnitude)
    return BFloat16.holds(number)
      ? power * StoredRounding.bf16.share : HalfFloat.holds(number) ? power * StoredRounding.f16.share : 0
  }

  /// Scales of 6 bits are fitted, which makes numbers smaller on both sides alike. Of 8 bits they are a block's largest
  /// number by 127, in F16: of few numbers of 16 bits all may be rounded up, so the numbers themselves are compared with.
  private mutating func noteFactor(_ numbers: [Float], _ blocks: [Float], _ own: [Float]) {
    let own = codec.name == Q6_K.name ? own : numbers
    for row in 0..<numbers.count / columns {
      var (product, size) = (0.0, 0.0)
      for index in row * columns..<(row + 1) * columns {
        let number = Double(numbers[index])
        product += (Double(blocks[index]) - Double(own[index])) * number
        size += number * number
      }
      guard size > 0, size.isFinite, product.isFinite else { continue }
      factor.rows += 1
      factor.sum += product / size
      factor.squares += product / size * (product / size)
    }
  }

  // MARK: - The verdict

  /// Rows whose mean tells a factor, and blocks that speak against a way.
  private static let many = 64
  /// So few of so many blocks differ only where their numbers were changed. Numbers that were rounded to F16 beside the
  /// blocks leave at least an eighth of the blocks another scale: half a step of it is a quarter of a step in the mean.
  private static let leastBlocks = 1024

  package var verdict: Verdict {
    let best = trials.filter { !$0.isDropped }.min { $0.differing < $1.differing } ?? trials[0]
    guard best.differing > 0 else { return .proven }
    let mayBeRounded = holds.f16 || holds.bf16 || areQuotients
    if let farRow, mayBeRounded {
      return .other("\(countText(best)); in row \(farRow) a number is further off than their steps allow")
    }
    if !mayBeRounded || live >= BlockProof.leastBlocks && isOfFew(best.differing) {
      return .other(countText(best))
    }
    if let factor = commonFactor {
      let times = RoundingReport.text(1 + factor)
      return .other("\(countText(best)); they are its numbers times \(times) in the mean of all rows: no rounding is")
    }
    return .open
  }

  private func countText(_ trial: Trial) -> String {
    "\(grouped(trial.differing)) of \(plural(live, "block")) of \(codec.name) \(trial.differing == 1 ? "is" : "are") "
      + "not what its encoder makes of the other side's numbers"
      + (trial.firstRow.map { ", \(trial.differing == 1 ? "in" : "the first in") row \($0)" } ?? "")
  }

  /// By what share of themselves all numbers differ, where rounding does not explain it: that of one row knows nothing of
  /// another's, so that their mean is 0 but for its spread.
  private var commonFactor: Double? {
    guard factor.rows >= BlockProof.many else { return nil }
    let count = Double(factor.rows)
    let mean = factor.sum / count
    guard magnitudes.areMany else {
      // One scale for all was rounded once, on either side.
      let share = (holds.bf16 || areQuotients ? StoredRounding.bf16 : .f16).share + StoredRounding.f16.share
      return abs(mean) > share ? mean : nil
    }
    let spread = max(0, factor.squares / count - mean * mean).squareRoot() / count.squareRoot()
    return abs(mean) > 0x1p-12 && abs(mean) > 8 * spread ? mean : nil
  }
}

/// A matrix of which one model holds blocks and the other numbers, or trits times scales.
package struct BlockComparison {
  private let numbers: WeightRows
  private let blocks: WeightRows
  private let empty: BlockProof
  private let work: WorkOptions

  /// Nil for others, and where rows were cut into blocks in another order of columns.
  package init?(
    _ first: any TensorSource, _ left: TensorDescriptor, _ second: any TensorSource, _ right: TensorDescriptor,
    _ work: WorkOptions
  ) throws {
    guard let (empty, isFirst) = try BlockComparison.proof((first, left), (second, right)),
      let one = try WeightRows(first, left, work), let two = try WeightRows(second, right, work)
    else { return nil }
    (self.empty, self.work) = (empty, work)
    (numbers, blocks) = isFirst ? (two, one) : (one, two)
  }

  package typealias Side = (source: any TensorSource, tensor: TensorDescriptor)

  /// What rows are to be added to where blocks stand on one side alone, and whether that is the first.
  ///
  /// - Throws: what reading scales throws.
  package static func proof(_ first: Side, _ second: Side) throws -> (proof: BlockProof, isFirst: Bool)? {
    let sides = [first, second]
    let stored = sides.map { $0.source.storedInGGUF($0.tensor).encoding }
    guard first.tensor.shape == second.tensor.shape, first.tensor.shape.isMatrix, !first.tensor.shape.hasLongRows,
      let place = stored.firstIndex(where: { $0.writableBlockCodec != nil }),
      let codec = stored[place].writableBlockCodec, stored[1 - place].blockCodec == nil,
      first.tensor.shape.columns >= codec.blockElements, first.tensor.shape.columns % codec.blockElements == 0,
      sides.allSatisfy({ ($0.source as? any ModelView)?.unfoldedBlock(of: $0.tensor) == nil }),
      sides.allSatisfy({ ($0.source as? any ModelView)?.rotation(of: $0.tensor) == nil }),
      (sides[place].source as? GGUFModelView)?.hasOwnColumns(sides[place].tensor) != true
    else { return nil }
    let (source, numbers) = sides[1 - place]
    let areQuotients = try numbers.encoding.isTernary && source.scale(of: numbers).convention != .multiply
    return (BlockProof(codec, columns: numbers.shape.columns, areQuotients: areQuotients), place == 0)
  }

  /// - Throws: what reading throws, and `CancellationFailure`.
  package func run() throws -> BlockProof {
    let shape = numbers.tensor.shape
    var proof = empty
    for band in shape.bands(elements: bandBytes / 8) {
      try work.parallelism.cancellation.check()
      proof.add(try numbers.values(band), try blocks.values(band))
    }
    return proof
  }
}
