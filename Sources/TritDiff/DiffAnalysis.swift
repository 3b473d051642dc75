// Tritsmith: what changed in a tensor, and how to write it down.

import TritCore
import TritFormats
import TritSurvey

/// What comparing a tensor with its base found.
struct DiffAnalysis: Sendable {
  /// Name of the base's tensor it comes from.
  var from: String?
  var target: TritDiffIdentity
  var coding: TritDiffCoding
  /// Of the run lengths, for `gaps`.
  var shift = 0
  var change: TritDiffChange?
  var hasSameScale = false

  /// Samples are compressed to choose a coding: up to this many, spread evenly.
  private static let samples = 8

  /// A tensor without a base.
  static func alone(_ target: DiffedTensor) throws -> DiffAnalysis {
    DiffAnalysis(target: try target.identity(), coding: .whole)
  }

  /// What changed from a tensor of the base; both of trits and one shape, or of bytes of one encoding and count.
  ///
  /// - Returns: the analysis, and what the base's tensor is, found on the way.
  static func compare(
    _ base: DiffedTensor, _ target: DiffedTensor, level: Int
  ) throws -> (analysis: DiffAnalysis, base: TritDiffIdentity) {
    let found = base.isTernary ? try trits(base, target, level) : try bytes(base, target, level)
    let (before, after) = (try base.identity(found.before), try target.identity(found.after))
    var analysis = DiffAnalysis(
      from: before.name, target: after, coding: found.before == found.after ? .same : found.coding,
      shift: found.shift, change: found.change)
    if case (.trits(_, let old), .trits(_, let new)) = (before.content, after.content) {
      analysis.hasSameScale = old == new
    }
    return (analysis, before)
  }

  static func fit(_ base: DiffedTensor, _ target: DiffedTensor) -> Bool {
    guard base.isTernary == target.isTernary else { return false }
    return base.isTernary
      ? base.tensor.shape == target.tensor.shape
      : base.byteCount == target.byteCount && base.encoding == target.encoding
  }

  private struct Found {
    var before: Digest
    var after: Digest
    var coding: TritDiffCoding
    var shift = 0
    var change: TritDiffChange
  }

  // MARK: - Trits

  private static func trits(_ base: DiffedTensor, _ target: DiffedTensor, _ level: Int) throws -> Found {
    let (left, right) = (SHA256(), SHA256())
    var counter = FlipCounter()
    let shape = target.tensor.shape
    let bands = DiffedTensor.bands(shape)
    let every = max(1, bands.count / samples)
    var sampled = (trits: 0, bytes: 0)
    for (index, band) in bands.enumerated() {
      let (a, b) = (try base.trits(band), try target.trits(band))
      left.update(a.span.bytes)
      right.update(b.span.bytes)
      counter.add(a, b)
      if index % every == 0 {
        sampled.trits += a.count
        sampled.bytes += try Sample.size(TritCode.pack(codes(b).span), level)
      }
      target.work.progress.advanced(by: shape.byteShare(band, of: target.byteCount))
    }
    let (shift, runBits) = counter.gaps.best
    let ratio = Double(shape.elementCount) / Double(max(1, sampled.trits))
    let isShort = (runBits + counter.valueBits) / 8 + 32 <= Double(sampled.bytes) * ratio
    return Found(
      before: left.finalize(), after: right.finalize(), coding: isShort ? .gaps : .whole, shift: shift,
      change: .flips(counter.flips))
  }

  static func codes(_ trits: [Int8]) -> [UInt8] { trits.map { UInt8(truncatingIfNeeded: $0 &+ 1) } }

  // MARK: - Bytes

  private static func bytes(_ base: DiffedTensor, _ target: DiffedTensor, _ level: Int) throws -> Found {
    let (left, right) = (SHA256(), SHA256())
    let pieces = DiffedTensor.pieces(target.byteCount)
    let every = max(1, pieces.count / samples)
    let width = TritDiffIdentity.width(target.encoding)
    var sizes = (xor: 0, whole: 0)
    var (changed, largest) = (0, 0.0)
    for (index, range) in pieces.enumerated() {
      let (a, b) = (try base.bytes(range), try target.bytes(range))
      left.update(a)
      right.update(b)
      if a != b {
        changed += changedElements(a.span, b.span, width)
        if let dtype = target.encoding.dtype, dtype.isFloatWeight {
          for (x, y) in zip(DenseValues.doubles(a.span.bytes, dtype), DenseValues.doubles(b.span.bytes, dtype)) {
            largest = max(largest, abs(x - y))
          }
        }
      }
      if index % every == 0 {
        // A piece tells by its first 64 KiB.
        let part = min(b.count, 1 << 16)
        let (before, after) = (a.span.extracting(0..<part), b.span.extracting(0..<part))
        sizes.xor += try Sample.size(BytePlanes.split(after, xor: before, width: width), level)
        sizes.whole += try Sample.size(BytePlanes.split(after, width: width), level)
      }
      target.work.progress.advanced(by: range.count)
    }
    let isNumber = target.encoding.dtype?.isFloatWeight == true && largest.isFinite
    return Found(
      before: left.finalize(), after: right.finalize(), coding: sizes.xor <= sizes.whole ? .xor : .whole,
      change: .elements(changed, largest: isNumber ? largest : nil))
  }

  private static func changedElements(_ a: Span<UInt8>, _ b: Span<UInt8>, _ width: Int) -> Int {
    var count = 0
    for index in 0..<a.count / width {
      for place in index * width..<(index + 1) * width where a[unchecked: place] != b[unchecked: place] {
        count += 1
        break
      }
    }
    return count
  }
}

/// Counts changes of trits by kind, and the runs between them.
struct FlipCounter: Sendable {
  /// By 3 × (before + 1) + (after + 1).
  private var counts = [Int](repeating: 0, count: 9)
  private var gap = 0
  private(set) var gaps = TritGapStatistics()

  mutating func add(_ before: [Int8], _ after: [Int8]) {
    guard before != after else {
      gap += before.count
      return
    }
    let (a, b) = (before.span, after.span)
    for index in 0..<a.count {
      let (x, y) = (a[unchecked: index], b[unchecked: index])
      if x == y {
        gap += 1
      } else {
        counts[3 * Int(x + 1) + Int(y + 1)] += 1
        gaps.add(gap)
        gap = 0
      }
    }
  }

  /// −1→0, −1→+1, 0→−1, 0→+1, +1→−1, +1→0.
  var flips: [Int] { [counts[1], counts[2], counts[3], counts[5], counts[6], counts[7]] }

  /// About what the new values of changed trits take, compressed.
  var valueBits: Double {
    let zeros = Double(counts[3] + counts[5])
    let (signs, others) = (counts[2] + counts[6], counts[1] + counts[7])
    // Sign changes are rare; where none is there, their bits are all alike.
    return zeros + Double(signs + others) * (signs == 0 ? 0.01 : 1)
  }
}
