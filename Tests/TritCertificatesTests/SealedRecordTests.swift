// Tritsmith tests: files where a certificate or a plan belongs.

import Testing
import TritConversion
import TritCore
import TritFormats
import TritTestSupport

@testable import TritCertificates

@Suite("Records")
struct SealedRecordTests {
  private func error(_ bytes: [UInt8]) -> (any Error)? {
    let scratch = ScratchFolder()
    Disk.write(bytes, scratch["c.json"])
    return #expect(throws: (any Error).self) {
      _ = try SealedRecord.read(scratch["c.json"], schema: "tritsmith.certificate", version: 1)
    }
  }

  @Test(
    "a file that was never fetched is named, and so is a model",
    arguments: [
      ("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 8\n", FormatError.Kind.standIn(.gitLFSPointer)),
      ("<!doctype html>", .standIn(.webPage)),
      (#"{"error":"Entry not found"}"#, .standIn(.serverMessage(#"{"error":"Entry not found"}"#))),
      ("GGUF\u{3}", .otherFile(expected: "a record that this program wrote", found: "a model (gguf)")),
      ("", .emptyFile),
    ])
  func others(_ text: String, _ kind: FormatError.Kind) {
    #expect((error(Array(text.utf8)) as? FormatError)?.kind == kind)
  }

  @Test("damaged JSON and other JSON are told as before")
  func json() {
    guard case .notJSON? = (error(Array("{".utf8)) as? RecordError)?.kind else {
      Issue.record("an object that is cut was read")
      return
    }
    guard case .wrongSchema? = (error(Array("{}".utf8)) as? RecordError)?.kind else {
      Issue.record("an object without a schema was read")
      return
    }
  }
}
