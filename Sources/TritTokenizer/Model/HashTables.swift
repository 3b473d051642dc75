// Tritsmith: two hash tables for the encoder's inner loops.

/// Mixes 64-bit words into a hash. The keys come from files and texts of strangers, so the multipliers are drawn anew
/// in each process: nobody can prepare keys that collide. Results never depend on them.
private enum Mixer {
  static let first = UInt64.random(in: .min ... .max) | 1
  static let second = UInt64.random(in: .min ... .max) | 1

  @inline(__always)
  static func mix(_ value: UInt64, _ multiplier: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: multiplier)
    return product.high ^ product.low
  }
}

/// A map from pairs of ids to a 64-bit value, for merges and for the tree of added tokens.
struct PairTable: Sendable {
  private var keys: [UInt64]
  private var values: [UInt64]
  private(set) var count = 0
  private let multiplier = Mixer.first
  /// No key: both halves would be the id 2^32 - 1, beyond the limit on ids.
  private static let vacant = UInt64.max

  init(minimumCapacity: Int = 0) {
    var size = 16
    while PairTable.isCrowded(minimumCapacity, in: size) { size *= 2 }
    keys = Array(repeating: PairTable.vacant, count: size)
    values = Array(repeating: 0, count: size)
  }

  /// Whether more slots are needed. Keys stand in one row, so that a search that goes on stays in one or two cache
  /// lines.
  @inline(__always)
  private static func isCrowded(_ count: Int, in size: Int) -> Bool { count > size / 8 * 5 }

  @inline(__always)
  static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always)
  subscript(key: UInt64) -> UInt64? {
    let slot = slot(of: key)
    return keys[slot] == key ? values[slot] : nil
  }

  /// The two ids of a key.
  static func ids(_ key: UInt64) -> (left: Int32, right: Int32) {
    (Int32(truncatingIfNeeded: key >> 32), Int32(truncatingIfNeeded: key))
  }

  /// Every key and value, in no order.
  func visit(_ body: (_ key: UInt64, _ value: UInt64) -> Void) {
    for slot in keys.indices where keys[slot] != PairTable.vacant { body(keys[slot], values[slot]) }
  }

  /// Sets the value of a key, replacing an earlier one.
  mutating func set(_ key: UInt64, to value: UInt64) {
    var slot = slot(of: key)
    if keys[slot] == PairTable.vacant {
      if PairTable.isCrowded(count + 1, in: keys.count) {
        grow()
        slot = self.slot(of: key)
      }
      keys[slot] = key
      count += 1
    }
    values[slot] = value
  }

  @inline(__always)
  private func slot(of key: UInt64) -> Int {
    let wrap = keys.count - 1
    var slot = Int(truncatingIfNeeded: Mixer.mix(key ^ 0x9E37_79B9_7F4A_7C15, multiplier)) & wrap
    while keys[slot] != key, keys[slot] != PairTable.vacant { slot = (slot + 1) & wrap }
    return slot
  }

  private mutating func grow() {
    var larger = PairTable(minimumCapacity: keys.count)
    for (slot, key) in keys.enumerated() where key != PairTable.vacant { larger.set(key, to: values[slot]) }
    self = larger
  }
}

/// A map from byte strings to indices 0, 1, 2, … in order of insertion; the bytes lie end to end in one array.
struct ByteStringTable: Sendable {
  private struct Entry: Sendable {
    var hash: UInt64
    var start: Int
    var end: Int
  }

  private var slots: [Int32]
  private var entries: [Entry] = []
  private var bytes: [UInt8] = []
  private let multipliers = (Mixer.first, Mixer.second)

  init(minimumCapacity: Int = 0) {
    var size = 64
    while size < 2 * minimumCapacity { size *= 2 }
    slots = Array(repeating: -1, count: size)
    entries.reserveCapacity(minimumCapacity)
  }

  var count: Int { entries.count }

  /// Bytes held by all keys.
  var byteCount: Int { bytes.count }

  /// The bytes of the key with an index below `count`.
  subscript(index: Int) -> ArraySlice<UInt8> {
    bytes[entries[index].start..<entries[index].end]
  }

  /// The index of the key that equals these bytes of `text`.
  @inline(__always)
  func index(of range: Range<Int>, in text: [UInt8], hash: UInt64) -> Int? {
    let entry = slots[slot(of: range, in: text, hash: hash)]
    return entry < 0 ? nil : Int(entry)
  }

  /// The index of the key that equals `key`.
  func index(of key: [UInt8]) -> Int? {
    index(of: key.indices, in: key, hash: hash(key.indices, in: key))
  }

  /// Adds a key; nil when it was there already.
  @discardableResult
  mutating func insert(_ range: Range<Int>, of text: [UInt8], hash: UInt64) -> Int? {
    if 2 * (entries.count + 1) > slots.count { grow() }
    let slot = slot(of: range, in: text, hash: hash)
    guard slots[slot] < 0 else { return nil }
    let start = bytes.count
    bytes.append(contentsOf: text[range])
    slots[slot] = Int32(entries.count)
    entries.append(Entry(hash: hash, start: start, end: bytes.count))
    return entries.count - 1
  }

  mutating func insert(_ key: [UInt8]) -> Int? {
    insert(key.indices, of: key, hash: hash(key.indices, in: key))
  }

  /// The hash to hand to `index` and `insert`, so that a miss followed by an insertion computes it once.
  @inline(__always)
  func hash(_ range: Range<Int>, in text: [UInt8]) -> UInt64 {
    var hash = UInt64(truncatingIfNeeded: range.count) ^ multipliers.1
    var chunk: UInt64 = 0
    var filled: UInt64 = 0
    for index in range {
      chunk |= UInt64(text[index]) << filled
      filled += 8
      if filled == 64 {
        hash = Mixer.mix(hash ^ chunk, multipliers.0)
        (chunk, filled) = (0, 0)
      }
    }
    return Mixer.mix(Mixer.mix(hash ^ chunk, multipliers.0), multipliers.1)
  }

  @inline(__always)
  private func slot(of range: Range<Int>, in text: [UInt8], hash: UInt64) -> Int {
    let wrap = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & wrap
    while slots[slot] >= 0 {
      let entry = entries[Int(slots[slot])]
      if entry.hash == hash, equals(entry, range, text) { break }
      slot = (slot + 1) & wrap
    }
    return slot
  }

  @inline(__always)
  private func equals(_ entry: Entry, _ range: Range<Int>, _ text: [UInt8]) -> Bool {
    guard entry.end - entry.start == range.count else { return false }
    for offset in 0..<range.count where bytes[entry.start + offset] != text[range.lowerBound + offset] { return false }
    return true
  }

  private mutating func grow() {
    slots = Array(repeating: -1, count: 2 * slots.count)
    let wrap = slots.count - 1
    for (index, entry) in entries.enumerated() {
      var slot = Int(truncatingIfNeeded: entry.hash) & wrap
      while slots[slot] >= 0 { slot = (slot + 1) & wrap }
      slots[slot] = Int32(index)
    }
  }
}
