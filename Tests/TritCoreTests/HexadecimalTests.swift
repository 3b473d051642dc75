// Tritsmith: bytes as hexadecimal digits.

import Testing
import TritCore

@Suite struct HexadecimalTests {
  @Test func digitsOfBytes() {
    #expect(Hexadecimal.text([0, 1, 0x0F, 0xA0, 0xFF]) == "00010fa0ff")
    #expect(Hexadecimal.text([0x47, 0x0A], separator: " ") == "47 0a")
    #expect(Hexadecimal.bytes("00010fa0ff") == [0, 1, 0x0F, 0xA0, 0xFF])
    #expect(Hexadecimal.bytes("") == [])
  }

  @Test(arguments: ["0", "0g", "0A", "+1", " 1", "0x", "\u{FF10}\u{FF11}"])
  func whatIsNoPairOfLowerCaseDigits(_ text: String) {
    #expect(Hexadecimal.bytes(text) == nil)
  }
}
