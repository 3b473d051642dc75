// Tritsmith: bytes of a span that outlive it.

extension RawSpan {
  /// A copy of the bytes.
  package var copied: [UInt8] {
    var result = [UInt8](repeating: 0, count: byteCount)
    var output = result.mutableSpan
    for index in 0..<byteCount {
      output[unchecked: index] = unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
    }
    return result
  }
}
