// Tritsmith: reading a GGUF header from front to back.

import TritCore

/// Reads the header of a GGUF file in order, in windows, never more than the file can hold.
struct GGUFCursor {
  let file: InputFile
  /// From the start of the file.
  private(set) var offset: UInt64 = 0
  private var window: [UInt8] = []
  private var windowStart: UInt64 = 0
  private let windowBytes: UInt64

  init(_ file: InputFile) {
    self.file = file
    // What is fetched past the header was fetched for nothing.
    windowBytes = file.isRemote ? 1 << 16 : 1 << 18
  }

  var remaining: UInt64 { file.byteCount - offset }

  func error(_ fault: GGUFFault, at place: UInt64? = nil, tensor: String? = nil, field: String? = nil) -> FormatError {
    FormatError(.gguf(fault), file: file.path, tensor: tensor, byteOffset: place ?? offset, field: field)
  }

  /// Makes sure that the next `count` bytes are in the window, and returns their place in it.
  private mutating func take(_ count: Int, _ what: String) throws -> Int {
    guard UInt64(count) <= remaining else {
      throw error(.endsEarly(what: what, needed: UInt64(count), available: remaining))
    }
    if offset + UInt64(count) > windowStart + UInt64(window.count) {
      let size = min(remaining, max(UInt64(count), windowBytes))
      window = try file.bytes(offset..<offset + size)
      windowStart = offset
    }
    let place = Int(clamping: offset - windowStart)
    offset += UInt64(count)
    return place
  }

  mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(_: Value.Type, _ what: String) throws -> Value {
    let count = Value.bitWidth / 8
    let place = try take(count, what)
    var value: Value = 0
    for index in (0..<count).reversed() {
      // The shift by 8 of an 8-bit value is a whole width; smart shifts give 0 there.
      value = value << 8 | Value(window[place + index])
    }
    return value
  }

  /// A string: u64 length and bytes. Text that is not UTF-8 is an error in names; in values it is repaired.
  mutating func string(_ what: String, repairs: Bool = false) throws -> (text: String, wasRepaired: Bool) {
    let start = offset
    let length = try integer(UInt64.self, "the length of \(what)")
    guard length <= remaining, let count = Int(exactly: length) else {
      throw error(.endsEarly(what: what, needed: length, available: remaining), at: start)
    }
    let place = try take(count, what)
    let bytes = window[place..<place + count]
    if let text = String(validating: bytes, as: UTF8.self) { return (text, false) }
    guard repairs else { throw error(.notUTF8(what: what), at: start) }
    return (String(decoding: bytes, as: UTF8.self), true)
  }

  /// Moves on without reading.
  mutating func skip(to place: UInt64) {
    offset = min(place, file.byteCount)
  }
}
