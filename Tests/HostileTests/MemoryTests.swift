// Tritsmith: what a hostile file may cost.

import Testing
import TritCore
import TritHostile
import TritTestSupport

/// No file of at most 1 MB makes any reader use more than 64 MiB, shown in processes of their own. The program's own
/// pages count; they grow with the formats it knows.
@Suite("Memory of hostile files", .serialized, .disabled(if: Sanitizer.isOn, "sanitizers need memory of their own"))
struct MemoryTests {
  private static let limit: UInt64 = 64 << 20

  /// Runs `trit-lab`; the peak it reports must be below the limit.
  private func check(_ target: HostileTarget, _ path: String, _ name: String) {
    let result = ProcessRunner().run(BuiltProducts.lab, [target.rawValue, path])
    #expect(result.exitCode == 0, "\(name): \(result.summary)")
    let words = result.output.split(whereSeparator: { $0 == " " || $0 == "\n" })
    guard words.count == 3, let peak = UInt64(words[1]) else {
      Issue.record("\(name): no report: \(result.output)")
      return
    }
    #expect(peak > 1_000_000, "\(name): a process uses something")
    #expect(peak < MemoryTests.limit, "\(name): \(peak / 1_000_000) MB")
  }

  @Test("the corpus", arguments: HostileTarget.allCases)
  func corpus(_ target: HostileTarget) throws {
    for name in try FileSystem.names(in: target.folder) {
      check(target, target.folder + "/" + name, "\(target.rawValue)/\(name)")
    }
  }

  @Test("a megabyte of the worst", arguments: WorstCase.all)
  func worst(_ file: WorstCase) {
    TemporaryFolder.with { folder in
      let bytes = file.make()
      #expect(bytes.count > 900_000 && bytes.count <= 1_000_000, "\(file.name) has \(bytes.count) bytes")
      check(file.target, folder.write(bytes, to: "file"), file.name)
    }
  }
}
