// Tritsmith: what a hostile file may cost.

import Testing
import TritCore
import TritHostile
import TritTestSupport

/// No file of at most 1 MB makes any reader use more than 48 MiB, shown in other processes. Pages of the program's own
/// file do not count: they grow with the formats it knows, 20 MB when this was written, and are shared.
@Suite("Memory of hostile files", .serialized, .disabled(if: Sanitizer.isOn, "sanitizers need memory of their own"))
struct MemoryTests {
  private static let limit: UInt64 = 48 << 20

  /// Runs `trit-lab`; the peak it reports after each file must be below the limit.
  private func check(_ target: HostileTarget, _ paths: [String], _ name: String) {
    let result = ProcessRunner().run(BuiltProducts.lab, [target.rawValue] + paths)
    #expect(result.exitCode == 0, "\(name): \(result.summary)")
    let lines = result.output.split(separator: "\n")
    guard lines.count == paths.count else {
      Issue.record("\(name): \(lines.count) reports of \(paths.count) files: \(result.output)")
      return
    }
    // What is left of other files counts too: over the limit, each file is measured alone.
    let peaks = lines.map { $0.split(separator: " ").dropFirst().first.flatMap { UInt64($0) } ?? .max }
    if paths.count > 1, peaks.contains(where: { $0 >= MemoryTests.limit }) {
      for path in paths { check(target, [path], name) }
      return
    }
    for (line, path) in zip(lines, paths) {
      let words = line.split(separator: " ")
      guard words.count == 3, let peak = UInt64(words[1]) else {
        Issue.record("\(name), \(path): no report: \(line)")
        return
      }
      #expect(peak > 1_000_000, "\(name): a process uses something")
      #expect(peak < MemoryTests.limit, "\(name), \(path): \(peak / 1_000_000) MB")
    }
  }

  /// The peak of a process never falls, so that of many files is a bound for each of them.
  @Test("the corpus", arguments: HostileTarget.allCases)
  func corpus(_ target: HostileTarget) throws {
    let paths = try FileSystem.names(in: target.folder).map { target.folder + "/" + $0 }
    #expect(!paths.isEmpty)
    for start in stride(from: 0, to: paths.count, by: 16) {
      check(target, Array(paths[start..<min(start + 16, paths.count)]), "\(target.rawValue), from \(start)")
    }
  }

  @Test("a megabyte of the worst", arguments: WorstCase.all)
  func worst(_ file: WorstCase) {
    TemporaryFolder.with { folder in
      let bytes = file.make()
      #expect(bytes.count > 900_000 && bytes.count <= 1_000_000, "\(file.name) has \(bytes.count) bytes")
      check(file.target, [folder.write(bytes, to: "file")], file.name)
    }
  }
}
