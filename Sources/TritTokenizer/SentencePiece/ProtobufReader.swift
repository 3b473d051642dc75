// Tritsmith: the wire format of protocol buffers.

import TritCore

/// Reads the fields of a message, one after the other. What it does not know it passes over, as the format says.
struct ProtobufReader {
  enum Value {
    case integer(UInt64)
    case fixed32(UInt32)
    case fixed64(UInt64)
    /// A message, a text or bytes.
    case message(ProtobufReader)
  }

  private let bytes: [UInt8]
  private var position: Int
  private let end: Int
  private let file: String

  init(_ bytes: [UInt8], file: String) {
    (self.bytes, self.file) = (bytes, file)
    (position, end) = (0, bytes.count)
  }

  private init(_ outer: ProtobufReader, _ range: Range<Int>) {
    (bytes, file) = (outer.bytes, outer.file)
    (position, end) = (range.lowerBound, range.upperBound)
  }

  /// What has not been read yet.
  var contents: ArraySlice<UInt8> { bytes[position..<end] }

  /// The next field; nil at the end of the message.
  mutating func next() throws(TokenizerError) -> (number: UInt64, value: Value)? {
    guard position < end else { return nil }
    let start = position
    let key = try varint()
    guard key >> 3 > 0 else { throw damage("a field has number 0", at: start) }
    switch key & 7 {
    case 0: return (key >> 3, .integer(try varint()))
    case 1: return (key >> 3, .fixed64(try fixed(8)))
    case 2:
      let length = try varint()
      guard length <= UInt64(end - position) else { throw damage("a field is longer than what holds it", at: start) }
      defer { position += Int(length) }
      return (key >> 3, .message(ProtobufReader(self, position..<position + Int(length))))
    case 5: return (key >> 3, .fixed32(UInt32(truncatingIfNeeded: try fixed(4))))
    default: throw damage("a field is of wire type \(key & 7)", at: start)
    }
  }

  private mutating func varint() throws(TokenizerError) -> UInt64 {
    let start = position
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard position < end else { break }
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw damage("a number has no end", at: start)
  }

  private mutating func fixed(_ count: Int) throws(TokenizerError) -> UInt64 {
    guard count <= end - position else { throw damage("the file ends inside of a number", at: position) }
    defer { position += count }
    return (0..<count).reduce(0) { $0 | UInt64(bytes[position + $1]) << UInt64(8 * $1) }
  }

  private func damage(_ what: String, at offset: Int) -> TokenizerError {
    TokenizerError(.malformedModel(what), file: file, byteOffset: UInt64(offset))
  }
}
