// Tritsmith: the main commands on a terminal, line by line as a person saw and approved them.

import Testing
import TritCore
import TritTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Screens in `Fixtures/Screens`, one file for each model and size. After a change that is meant, read what
/// `TRITSMITH_WRITE_SCREENS=1 swift test --filter GoldenScreenTests` writes there, and run `Fixtures/make-manifest.sh`.
@Suite("Golden screens")
struct GoldenScreenTests {
  struct Size: Sendable, CustomStringConvertible {
    var columns: UInt16
    var rows: UInt16
    var description: String { "\(columns)x\(rows)" }
  }

  struct Checkpoint: Sendable {
    var name: String
    var path: String
  }

  private static let sizes = [Size(columns: 80, rows: 24), Size(columns: 120, rows: 40)]
  private static let models = [
    Checkpoint(name: "falcon", path: "falcon-e-tiny/prequantized"),
    Checkpoint(name: "bitnet", path: "bitnet-b158-tiny/bf16-master"),
    Checkpoint(name: "plain", path: "plain-tiny"),
  ]
  /// In the order in which a person would type them; the model is called `latent`.
  private static let calls = [
    "inspect latent", "convert latent packed --to hf-packed", "inspect packed", "verify latent packed",
    "convert packed m.gguf", "inspect m.gguf", "compare packed m.gguf", "check m.gguf",
    "gap latent packed --tokens 64 --context 32", "compare latent m.gguf",
  ]

  @Test("inspect, convert, verify, compare, check and gap look as they were approved", arguments: models, sizes)
  func model(_ model: Checkpoint, _ size: Size) throws {
    let scratch = ScratchFolder()
    Disk.link(scratch["latent"], to: Fixtures.checkpoint(model.path))
    try expect("\(model.name)-\(size)", Self.calls, size, in: scratch.path, most: Int(size.rows))
    withExtendedLifetime(scratch) {}
  }

  @Test("help looks as it was approved", arguments: sizes)
  func help(_ size: Size) throws {
    let calls = ["help", "inspect -h", "convert -h", "verify -h", "gap -h"]
    try expect("help-\(size)", calls, size, in: "/", most: 24)
  }

  /// Holds the screens of calls, one after the other in a folder, against a file.
  private func expect(_ name: String, _ calls: [String], _ size: Size, in folder: String, most: Int) throws {
    var text = ""
    for call in calls {
      let lines = try Screen.look(size.columns, size.rows, in: folder, call.split(separator: " ").map(String.init))
      text += "$ tritsmith \(call)\n" + lines.map { Self.masked($0) + "\n" }.joined() + "\n"
      #expect(lines.count <= most, "\(call): \(lines.count) lines")
      for line in lines where !line.hasPrefix("tritsmith ") {
        #expect(line.count <= Int(size.columns), "\(call): \(line)")
      }
    }
    let path = Fixtures.path("Screens/\(name).txt")
    if getenv("TRITSMITH_WRITE_SCREENS") != nil {
      Disk.write(text, path)
      return
    }
    let (found, wanted) = (text.split(separator: "\n"), Disk.text(path).split(separator: "\n"))
    let first = zip(found, wanted).first { $0 != $1 }
    #expect(
      text == Disk.text(path),
      "\(name): \(first.map { "'\($0.0)' where '\($0.1)' was approved" } ?? "\(found.count) lines of \(wanted.count)")")
  }

  /// Times differ from run to run; nothing else may.
  private static func masked(_ line: String) -> String {
    line.replacing(/[0-9]+ min [0-9]+ s$|[0-9.]+ (ms|s)$/, with: "‹time›")
  }
}
