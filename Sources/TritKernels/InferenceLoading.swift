// Tritsmith: bytes and numbers of weights looked at when a model is loaded.

import TritCore

extension InferenceEngine {
  /// How many 2-bit codes of a packed matrix are 3, which stands for no trit.
  package func invalidCodes(_ bytes: RawSpan) -> Int {
    bytes.withUnsafeBytes { bytes in
      let block = 1 << 20
      var counts = [Int](repeating: 0, count: (bytes.count + block - 1) / block)
      counts.withUnsafeMutableBufferPointer { counts in
        team.run(counts.count) { index in
          let part = UnsafeRawBufferPointer(rebasing: bytes[index * block..<min(bytes.count, (index + 1) * block)])
          var found = 0
          let whole = part.count / 8 * 8
          for offset in stride(from: 0, to: whole, by: 8) {
            let word = part.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            found += (word & word >> 1 & 0x5555_5555_5555_5555).nonzeroBitCount
          }
          for offset in whole..<part.count { found += (part[offset] & part[offset] >> 1 & 0x55).nonzeroBitCount }
          counts[index] = found
        }
      }
      return counts.reduce(0, +)
    }
  }

  /// The bytes as an array.
  package func copy(_ bytes: RawSpan) -> [UInt8] {
    bytes.withUnsafeBytes { Array($0) }
  }

  /// The numbers as an array.
  package func array(_ values: Span<Float>) -> [Float] {
    values.withUnsafeBufferPointer { Array($0) }
  }

  /// Elements `range` of float data, widened.
  package func widen(_ bytes: RawSpan, _ element: FloatElement, _ range: Range<Int>) -> [Float] {
    precondition(range.lowerBound >= 0 && bytes.byteCount >= range.upperBound * element.byteCount, "range inside")
    return bytes.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return [] }
      return range.map { element.load(base, $0) }
    }
  }
}
