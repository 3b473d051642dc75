// Tritsmith: SHA-256 against published vectors.

import Testing
import TritCore
import TritTestSupport

@Suite struct SHA256Tests {
  /// The examples of FIPS 180-4 (NIST example values), and lengths around the padding's edges by Python's hashlib.
  static let vectors: [(message: [UInt8], digest: String)] = [
    ([], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (Array("abc".utf8), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      Array(
        ("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
          + "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu").utf8),
      "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
    ),
    ([UInt8](repeating: 0x61, count: 1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    (Array(0..<55), "463eb28e72f82e0a96c0a4cc53690c571281131f672aa229e0d45ae59b598b59"),
    (Array(0..<56), "da2ae4d6b36748f2a318f23e7ab1dfdf45acdc9d049bd80e59de82a60895f562"),
    (Array(0..<63), "29af2686fd53374a36b0846694cc342177e428d1647515f078784d69cdb9e488"),
    (Array(0..<64), "fdeab9acf3710362bd2658cdc9a29e8f9c757fcf9811603a8c447cd1d9151108"),
    (Array(0..<65), "4bfd2c8b6f1eec7a2afeb48b934ee4b2694182027e6d0fc075074f2fabb31781"),
    (Array(0..<119), "da18797ed7c3a777f0847f429724a2d8cd5138e6ed2895c3fa1a6d39d18f7ec6"),
    (Array(0..<120), "f52b23db1fbb6ded89ef42a23ce0c8922c45f25c50b568a93bf1c075420bbb7c"),
  ]

  @Test(arguments: vectors.indices)
  func digests(_ index: Int) {
    let (message, expected) = Self.vectors[index]
    #expect(SHA256.digest(of: message).description == expected)
  }

  @Test func piecesGiveTheSameDigest() {
    var generator = SeededGenerator(seed: 256)
    let message = generator.bytes(5000)
    let whole = SHA256.digest(of: message)
    for _ in 0..<20 {
      let hash = SHA256()
      var position = 0
      while position < message.count {
        let next = min(message.count, position + Int(generator.next() % 200))
        hash.update(Array(message[position..<next]))
        position = next
      }
      #expect(hash.finalize() == whole)
    }
  }

  @Test func textIsHashedAsUTF8() {
    let hash = SHA256()
    hash.update("a")
    hash.update("bc")
    #expect(hash.finalize().description == Self.vectors[1].digest)
  }

  @Test func digestsReadHexadecimal() throws {
    let text = Self.vectors[1].digest
    let digest = try #require(Digest(hex: text))
    #expect(digest.bytes == Hex.bytes(text))
    #expect(digest == SHA256.digest(of: Array("abc".utf8)))
    let upper = text.uppercased()
    for bad in ["", String(text.dropLast()), text + "0", upper, "g" + text.dropFirst(), " " + text.dropFirst()] {
      #expect(Digest(hex: bad) == nil, "\(bad)")
    }
    // 64 characters that are not 64 bytes.
    #expect(Digest(hex: "é" + text.dropFirst()) == nil)
  }
}
