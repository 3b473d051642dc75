// Tritsmith: the programs of the documentation.

import Testing
import TritCore
import TritTestSupport

@Suite("Programs of the documentation")
struct ExampleTests {
  private static func program(_ name: String) -> String {
    FileSystem.join(FileSystem.parent(of: BuiltProducts.tritsmith), name)
  }

  @Test("ten lines open, list, convert, verify and compute")
  func tenLines() throws {
    let source = Disk.text(FileSystem.parent(of: Fixtures.root) + "/Docs/Examples/TenLines/main.swift")
    #expect(source.split(separator: "\n").count { !$0.hasPrefix("//") } <= 10)
    let scratch = ScratchFolder()
    let result = ProcessRunner().run(Self.program("TenLines"), [Model.falcon, scratch["m.tritpack"]])
    #expect(result.exitCode == 0, "\(result.summary)")
    let lines = result.output.split(separator: "\n")
    #expect(lines.count == 39 + 2 && lines.contains("lm_head.weight [2048, 256] BF16"), "\(result.output)")
    #expect(lines.contains("same trits: true"))
    // The likeliest token by transformers' own logits of the same prompt stands in the reference of the checkpoint; the
    // tool must agree with the program in any case.
    let run = Tool.expect(
      0, ["run", scratch["m.tritpack"], "--prompt", "In the beginning", "--max-tokens", "1", "--quiet"])
    let next = try #require(lines.last).dropFirst("next: ".count)
    #expect(run.output.hasPrefix(next), "\(run.output)")
  }

  @Test("a matrix in memory is packed and read back")
  func packByHand() {
    let result = ProcessRunner().run(Self.program("PackByHand"), [])
    #expect(result.exitCode == 0, "\(result.summary)")
    // Four and five trits a byte: 65536/4, 65536/5 with rows of 256 rounded up to whole bytes of a group.
    #expect(result.output.contains("hf-packed: 16384 bytes, equal when read back"), "\(result.output)")
    #expect(result.output.contains("two-bit: 16384 bytes, equal when read back"))
    #expect(!result.output.contains("different"))
  }
}
