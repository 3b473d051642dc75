// Tritsmith: where trits change.

import TritCore

/// What a trit becomes, told by what it was: 0 it stays, 1 the smaller step, 2 the other one.
///
///     was 0:    1 → +1, 2 → −1
///     was ±1:   1 → 0,  2 → the other sign
package enum TritSymbol {
  /// The symbol that turns one trit into another.
  @inline(__always)
  package static func of(_ before: Int8, _ after: Int8) -> UInt8 {
    if before == after { return 0 }
    if before == 0 { return after > 0 ? 1 : 2 }
    return after == 0 ? 1 : 2
  }

  /// The trit a symbol makes of another.
  @inline(__always)
  package static func apply(_ symbol: UInt8, to before: Int8) -> Int8 {
    if symbol == 0 { return before }
    if before == 0 { return symbol == 1 ? 1 : -1 }
    return symbol == 1 ? 0 : -before
  }
}

/// Changed trits as the lengths of the runs between them, in a Rice code, and what they become.
///
///      0  u64 changes
///      8  u64 bytes of the runs
///     16  u64 changes of zeros
///     24  u8 k, seven zero bytes
///     32  runs: of each the quotient by 2^k as ones and a zero, then k bits of the rest; lowest bits first
///         changes of zeros, one bit each: 1 when the symbol is 2
///         changes of others, likewise
package enum TritGaps {
  static let headerBytes = 32
  static let largestShift = 40

  /// No reader holds more for a matrix of that many trits; a packing of every trit takes less.
  static func byteLimit(_ trits: Int) -> Int { headerBytes + trits / 4 + 16 }
}

/// Counts runs to find k and the size of the code before it is written.
package struct TritGapStatistics: Sendable {
  private var histogram = [Int](repeating: 0, count: 1 << 12)
  private var long: (count: Int, sum: Double) = (0, 0)
  private var changes = 0

  package init() {}

  /// Counts the run before a change.
  package mutating func add(_ gap: Int) {
    changes += 1
    if gap < histogram.count {
      histogram[gap] += 1
    } else {
      long.count += 1
      long.sum += Double(gap)
    }
  }

  /// The shift of the shortest code, and about how many bits all runs take with it.
  package var best: (shift: Int, bits: Double) {
    var best = (shift: 0, bits: Double.infinity)
    for shift in 0...TritGaps.largestShift {
      var bits = Double(changes) * Double(shift + 1)
      for (gap, count) in histogram.enumerated() where count > 0 { bits += Double(count * (gap >> shift)) }
      var power = 1.0
      for _ in 0..<shift { power *= 2 }
      bits += max(0, long.sum / power - Double(long.count) / 2)
      if bits < best.bits { best = (shift, bits) }
    }
    return best
  }
}

/// Bits in bytes, lowest first.
struct BitWriter {
  private(set) var bytes: [UInt8] = []
  private var pending: UInt64 = 0
  private var count = 0

  /// At most 32 bits.
  mutating func append(_ bits: UInt64, _ width: Int) {
    pending |= bits << UInt64(count)
    count += width
    while count >= 8 {
      bytes.append(UInt8(truncatingIfNeeded: pending))
      pending >>= 8
      count -= 8
    }
  }

  mutating func finish() -> [UInt8] {
    if count > 0 { bytes.append(UInt8(truncatingIfNeeded: pending)) }
    (pending, count) = (0, 0)
    return bytes
  }
}

/// Writes the code of a matrix, trit by trit.
package struct TritGapEncoder {
  private let shift: Int
  private var runs = BitWriter()
  private var zeros = BitWriter()
  private var others = BitWriter()
  private var (changes, zeroChanges, gap) = (0, 0, 0)

  package init(shift: Int) { self.shift = shift }

  /// Adds the next trits of base and target.
  package mutating func append(_ before: Span<Int8>, _ after: Span<Int8>) {
    for index in 0..<before.count {
      let (a, b) = (before[unchecked: index], after[unchecked: index])
      if a == b {
        gap += 1
        continue
      }
      var quotient = gap >> shift
      while quotient > 0 {
        let part = min(quotient, 24)
        runs.append(1 << UInt64(part) - 1, part)
        quotient -= part
      }
      runs.append(0, 1)
      let rest = UInt64(gap) & (1 << UInt64(shift) - 1)
      runs.append(rest & 0xFF_FFFF, min(shift, 24))
      if shift > 24 { runs.append(rest >> 24, shift - 24) }
      let bit = UInt64(TritSymbol.of(a, b) - 1)
      changes += 1
      if a == 0 {
        zeros.append(bit, 1)
        zeroChanges += 1
      } else {
        others.append(bit, 1)
      }
      gap = 0
    }
  }

  /// The content of the section: header, runs, symbols.
  package mutating func finish() -> [UInt8] {
    let body = runs.finish()
    return littleEndianBytes(UInt64(changes)) + littleEndianBytes(UInt64(body.count))
      + littleEndianBytes(UInt64(zeroChanges)) + [UInt8(shift), 0, 0, 0, 0, 0, 0, 0] + body + zeros.finish()
      + others.finish()
  }
}

/// Changes trits by their code, in order.
package struct TritGapDecoder {
  private let bytes: [UInt8]
  private let count: Int
  private let shift: Int
  private let changes: Int
  private let zeroChanges: Int
  private var done = 0
  private var zerosDone = 0
  /// Bit positions.
  private var run: Int
  private let runEnd: Int
  private let zeros: Int
  private let others: Int
  /// Trits passed, and where the next change is; `count` when there is none.
  private var position = 0
  private var next = 0

  /// - Throws: a sentence for code that does not fit `count` trits.
  package init(_ bytes: [UInt8], count: Int) throws(TritDiffFault) {
    func integer(_ offset: Int) -> UInt64 { bytes[offset..<offset + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) } }
    guard bytes.count >= TritGaps.headerBytes, bytes[24] <= TritGaps.largestShift,
      bytes[25..<32].allSatisfy({ $0 == 0 }), let changes = Int(exactly: integer(0)), changes <= count,
      let runBytes = Int(exactly: integer(8)), runBytes <= bytes.count, let zeroChanges = Int(exactly: integer(16)),
      zeroChanges <= changes,
      TritGaps.headerBytes + runBytes + (zeroChanges + 7) / 8 + (changes - zeroChanges + 7) / 8 == bytes.count
    else { throw TritDiffFault("the counts of its changes do not fit its size") }
    self.bytes = bytes
    self.count = count
    self.changes = changes
    self.zeroChanges = zeroChanges
    shift = Int(truncatingIfNeeded: bytes[24])
    run = 8 * TritGaps.headerBytes
    runEnd = run + 8 * runBytes
    zeros = runEnd
    others = zeros + (zeroChanges + 7) / 8 * 8
    let isPadded =
      (zeros + zeroChanges..<others).allSatisfy { bit($0) == 0 }
      && (others + changes - zeroChanges..<8 * bytes.count).allSatisfy { bit($0) == 0 }
    guard isPadded else { throw TritDiffFault("bits follow the last of its changes") }
    next = -1
    try advance()
  }

  /// Changes the next trits.
  package mutating func apply(to trits: inout [Int8]) throws(TritDiffFault) {
    while next < position + trits.count, next < count {
      let index = next - position
      let before = trits[index]
      let bit: UInt8
      if before == 0 {
        guard zerosDone < zeroChanges else { throw TritDiffFault("more zeros change than it counts") }
        bit = self.bit(zeros + zerosDone)
        zerosDone += 1
      } else {
        let other = done - zerosDone
        guard other < changes - zeroChanges else { throw TritDiffFault("fewer zeros change than it counts") }
        bit = self.bit(others + other)
      }
      trits[index] = TritSymbol.apply(bit + 1, to: before)
      done += 1
      try advance()
    }
    position += trits.count
  }

  /// Finds the next change.
  private mutating func advance() throws(TritDiffFault) {
    guard done < changes else {
      guard runEnd - run < 8, (run..<runEnd).allSatisfy({ bit($0) == 0 }) else {
        throw TritDiffFault("bits follow the last of its runs")
      }
      next = count
      return
    }
    var quotient = 0
    while true {
      guard run < runEnd else { throw TritDiffFault("its runs are cut off") }
      run += 1
      if bit(run - 1) == 0 { break }
      quotient += 1
    }
    guard run + shift <= runEnd else { throw TritDiffFault("its runs are cut off") }
    var rest = 0
    for place in 0..<shift { rest |= Int(truncatingIfNeeded: bit(run + place)) << place }
    run += shift
    guard let scaled = Checked.product(quotient, 1 << shift), let gap = Checked.sum(scaled, rest),
      let place = Checked.sum(next + 1, gap), place < count
    else {
      throw TritDiffFault("a change lies past the last trit")
    }
    next = place
  }

  @inline(__always)
  private func bit(_ position: Int) -> UInt8 { bytes[position >> 3] >> UInt8(position & 7) & 1 }
}

/// Content of a section that its coding does not allow.
package struct TritDiffFault: Error, Equatable {
  package let detail: String

  init(_ detail: String) { self.detail = detail }
}
