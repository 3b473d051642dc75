// Tritsmith: the corpus of hostile files, listed and replayed.

import Testing
import TritCore
import TritHostile
import TritTestSupport

@Suite("Hostile corpus")
struct CorpusTests {
  /// Files of the corpus as `target/name`.
  static func files() throws -> [String] {
    try HostileTarget.allCases.flatMap { target in
      try FileSystem.names(in: target.folder).map { target.rawValue + "/" + $0 }
    }
  }

  @Test("every file is described, and every description has its file")
  func table() throws {
    var described: [String] = []
    for line in Disk.text(Fixtures.path("Hostile/README.md")).split(separator: "\n") where line.hasPrefix("| ") {
      let cells = line.split(separator: "|").map { $0.trimmed }
      guard cells.count >= 2, cells[0].contains("/") else { continue }
      described.append(cells[0])
      #expect(cells[1].count >= 10 && cells[1].hasSuffix("."), "\(cells[0]) needs a sentence")
    }
    #expect(described == (try CorpusTests.files()).sorted { ExactString($0) < ExactString($1) })
    #expect(described.count > 250)
  }

  @Test("every file gets a typed answer", arguments: HostileTarget.allCases)
  func replay(_ target: HostileTarget) throws {
    try HostileFolder.with { lab in
      for name in try FileSystem.names(in: target.folder) {
        switch lab.probe(target, Disk.bytes(target.folder + "/" + name)) {
        case .broken(let fault): Issue.record("\(target.rawValue)/\(name): \(fault)")
        case .refused(let reason):
          #expect(!name.hasPrefix("valid"), "\(target.rawValue)/\(name) must be accepted: \(reason)")
        case .accepted: break
        }
      }
    }
  }

  /// 3,000 mutations for each reader, the same in every run.
  @Test("seeded mutations get typed answers", .timeLimit(.minutes(10)), arguments: HostileTarget.allCases)
  func mutations(_ target: HostileTarget) throws {
    // Large files are slow to read over and over, and what they try lies in their size.
    let seeds = try FileSystem.names(in: target.folder).map { Disk.bytes(target.folder + "/" + $0) }
      .filter { $0.count <= 8192 }
    var mutations = SeededMutations(seed: 0x7121_7500 + UInt64(target.rawValue.utf8.count))
    try HostileFolder.with { lab in
      for round in 0..<3000 {
        let bytes =
          target == .structured
          ? mutations.noise(5 + round % 40)
          : mutations.mutate(seeds[round % seeds.count], with: seeds[(round * 7 + 3) % seeds.count])
        if case .broken(let fault) = lab.probe(target, bytes) {
          Issue.record("\(target.rawValue), mutation \(round): \(fault)")
          return
        }
      }
    }
  }
}

/// A lab in a folder that is removed afterwards.
enum HostileFolder {
  static func with(_ body: (HostileLab) throws -> Void) throws {
    let folder = HostileLab.makeFolder()
    defer { Disk.remove(folder) }
    try body(HostileLab(folder: folder))
  }
}

extension Substring {
  /// Without spaces at the ends.
  var trimmed: String {
    String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
