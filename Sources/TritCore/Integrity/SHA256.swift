// Tritsmith: SHA-256, computed by libcrypto, on Apple platforms by CommonCrypto.

#if canImport(CommonCrypto)
  import CommonCrypto
#else
  import CCrypto
#endif

/// A running SHA-256. The library does the arithmetic (and uses the CPU's SHA instructions where it has them).
package final class SHA256 {
  #if canImport(CommonCrypto)
    private var state = CC_SHA256_CTX()
  #else
    private var state = SHA256_CTX()
  #endif

  package init() {
    #if canImport(CommonCrypto)
      CC_SHA256_Init(&state)
    #else
      SHA256_Init(&state)
    #endif
  }

  /// Goes on with bytes.
  package func update(_ bytes: RawSpan) {
    bytes.withUnsafeBytes { buffer in
      #if canImport(CommonCrypto)
        // Its lengths have 32 bits.
        let piece = 1 << 30
        for start in stride(from: 0, to: buffer.count, by: piece) {
          let part = UnsafeRawBufferPointer(rebasing: buffer.dropFirst(start).prefix(piece))
          CC_SHA256_Update(&state, part.baseAddress, CC_LONG(part.count))
        }
      #else
        _ = SHA256_Update(&state, buffer.baseAddress, buffer.count)
      #endif
    }
  }

  /// Goes on with bytes.
  package func update(_ bytes: [UInt8]) {
    update(bytes.span.bytes)
  }

  /// Goes on with the UTF-8 of a text.
  package func update(_ text: String) {
    update(Array(text.utf8))
  }

  /// The digest; the value must not be used afterwards.
  package func finalize() -> Digest {
    var bytes = [UInt8](repeating: 0, count: 32)
    #if canImport(CommonCrypto)
      CC_SHA256_Final(&bytes, &state)
    #else
      SHA256_Final(&bytes, &state)
    #endif
    return Digest(bytes: bytes)
  }

  /// The digest of bytes in memory.
  package static func digest(of bytes: [UInt8]) -> Digest {
    let hash = SHA256()
    hash.update(bytes)
    return hash.finalize()
  }
}

/// The 32 bytes of a SHA-256, held without memory of their own: headers have several for each of 50,000 tensors.
package struct Digest: Sendable, Hashable, CustomStringConvertible {
  private let first: UInt64
  private let second: UInt64
  private let third: UInt64
  private let fourth: UInt64

  /// - Parameter bytes: 32 of them.
  init(bytes: [UInt8]) {
    precondition(bytes.count == 32, "a SHA-256 has 32 bytes")
    func word(_ index: Int) -> UInt64 { bytes[8 * index..<8 * index + 8].reduce(0) { $0 << 8 | UInt64($1) } }
    (first, second, third, fourth) = (word(0), word(1), word(2), word(3))
  }

  /// Nil unless the text is 64 lower-case hexadecimal digits.
  package init?(hex: String) {
    guard hex.utf8.count == 64, let bytes = Hexadecimal.bytes(hex) else { return nil }
    self.init(bytes: bytes)
  }

  /// The 32 bytes in order.
  package var bytes: [UInt8] {
    [first, second, third, fourth].flatMap { word in
      stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
    }
  }

  /// 64 lower-case hexadecimal digits.
  package var description: String {
    Hexadecimal.text(bytes)
  }
}
