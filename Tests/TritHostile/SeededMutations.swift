// Tritsmith: reproducible damage.

import TritTestSupport

/// Damage to a file: bits, bytes, integers, runs cut, repeated or moved, parts of other files.
package struct SeededMutations {
  private var generator: SeededGenerator

  package init(seed: UInt64) {
    generator = SeededGenerator(seed: seed)
  }

  private mutating func below(_ limit: Int) -> Int { limit <= 0 ? 0 : Int(generator.next() % UInt64(limit)) }

  /// One to four changes to `bytes`; `other` gives parts.
  package mutating func mutate(_ bytes: [UInt8], with other: [UInt8]) -> [UInt8] {
    var result = bytes
    for _ in 0...below(4) { change(&result, other) }
    return result
  }

  private mutating func change(_ bytes: inout [UInt8], _ other: [UInt8]) {
    guard !bytes.isEmpty else {
      bytes = Array(other.prefix(below(64)))
      return
    }
    let place = below(bytes.count)
    let run = place..<min(bytes.count, place + 1 + below(16))
    switch below(9) {
    case 0: bytes[place] ^= 1 << UInt8(below(8))
    case 1: bytes[place] = UInt8(below(256))
    case 2:
      let value = Edit.integers[below(Edit.integers.count)]
      for index in 0..<[1, 2, 4, 8][below(4)] where place + index < bytes.count {
        bytes[place + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
      }
    case 3: bytes.removeSubrange(run)
    case 4: bytes.insert(contentsOf: bytes[run], at: below(bytes.count))
    case 5: bytes.removeLast(bytes.count - place)
    case 6:
      let start = below(other.count)
      bytes.insert(contentsOf: other[start..<min(other.count, start + 1 + below(32))], at: place)
    case 7: bytes[place] = Array("\"\\{}[]:,0123456789.-eEnull".utf8)[below(26)]
    default: bytes.replaceSubrange(run, with: Array(String(Edit.integers[below(Edit.integers.count)]).utf8))
    }
  }

  /// Bytes without any form, for edit programs.
  package mutating func noise(_ count: Int) -> [UInt8] { generator.bytes(count) }
}
