// Tritsmith tests: files where a text belongs.

import Testing
import TritCore
import TritFormats
import TritSurvey
import TritTestSupport

@Suite("Files of text")
struct TextInputTests {
  @Test("a pointer is no text, and a page may be the one that is meant")
  func pointers() throws {
    let scratch = ScratchFolder()
    for (text, kind) in [
      ("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 8\n", StandIn.gitLFSPointer),
      ("/annex/objects/SHA256E-s31390--f50d7ac4.txt\n", .gitAnnexPointer),
    ] {
      Disk.write(text, scratch["t"])
      let error = #expect(throws: FormatError.self) { try TextInput.file(scratch["t"]).text() }
      #expect(error?.kind == .standIn(kind))
      #expect(throws: FormatError.self) { try TokenIDs.read(scratch["t"]) }
    }
    for text in ["<!doctype html><p>Once", "Not found was the door", ""] {
      Disk.write(text, scratch["t"])
      #expect(try TextInput.file(scratch["t"]).text() == text)
    }
  }
}
