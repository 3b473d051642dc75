// Tritsmith: type numbers that several programs use for different things.

import TritCore
import TritLayouts

/// One of the things a ggml type number stands for, where programs do not agree.
///
/// The rivals of a number differ in bytes a weight, so a file's tensor offsets tell which one is meant
/// (`GGUFTypeMeanings`). Sources: llama.cpp; PrismML-Eng/llama.cpp, `gguf.cpp`; ik_llama.cpp; Tencent's llama.cpp pull
/// request 22836; Docs/Formats/GGUF.md.
package struct GGMLMeaning: Sendable, Hashable {
  package var id: UInt32
  /// As listings and `--gguf-type` name it.
  package var name: String
  /// Values in a block, all of one row.
  package var columns: Int
  package var bytes: Int
  /// The ternary layout that reads it; nil where none does.
  package var layout: LayoutID?
  /// Who writes it.
  package var program: String
  /// Values of `general.file_type` such files have. They never decide.
  package var fileTypes: [Int]
  /// Why it is listed and not read.
  package var refusal: String?

  /// Bytes of a block and its values, for people: `34 B per 128`.
  var geometry: String { "\(bytes) B per \(columns)" }

  private init(
    _ id: UInt32, _ name: String, _ columns: Int, _ bytes: Int, _ program: String, fileTypes: [Int],
    refusal: String? = nil
  ) {
    (self.id, self.name, self.columns, self.bytes, self.program) = (id, name, columns, bytes, program)
    self.fileTypes = fileTypes
    self.refusal = refusal
  }

  private init(
    _ id: UInt32, _ name: String, _ layout: any TernaryLayout, _ program: String, fileTypes: [Int]
  ) {
    let block = layout.blockGeometry
    self.init(id, name, block?.columns ?? 1, block?.bytes ?? 1, program, fileTypes: fileTypes)
    self.layout = layout.id
  }

  private static let laneOrders =
    "two orders of its lanes exist, the file does not mark which, and both look alike; convert from the bfloat16 model"

  /// Every meaning of numbers that have several, and of those that came of them; the usual one first.
  package static let all: [GGMLMeaning] = [
    GGMLMeaning(40, "NVFP4", 64, 36, "llama.cpp", fileTypes: [39]),
    GGMLMeaning(
      40, "Q1_0-g32", 32, 6, "PrismML in March and April 2026", fileTypes: [40],
      refusal: "a binary type with a scale for 32 weights that was given up; fetch the model's newer file"),
    GGMLMeaning(
      40, "STQ1_0-i16", 256, 42, "Tencent's phone runtime", fileTypes: [],
      refusal: "its scale is an integer of a format nobody has published; fetch the STQ1_0 or bfloat16 model"),
    GGMLMeaning(41, Q1_0.name, Q1_0.blockElements, Q1_0.blockBytes, "llama.cpp", fileTypes: [40]),
    GGMLMeaning(
      41, "SEQ", 512, 130, "Tencent", fileTypes: [],
      refusal: "its four levels are -3, -1, 1 and 3 times a scale: it is not ternary, and trits cannot hold it"),
    GGMLMeaning(42, Q2_0.id.rawValue, Q2_0(.of64), "llama.cpp", fileTypes: [41]),
    GGMLMeaning(42, "Q2_0-g128", Q2_0(.of128), "PrismML before August 2026", fileTypes: [41]),
    GGMLMeaning(42, "STQ1_0", 256, 42, "Tencent", fileTypes: [41, 42], refusal: laneOrders),
    GGMLMeaning(43, "STQ1_0", 256, 42, "Tencent", fileTypes: [42], refusal: laneOrders),
    GGMLMeaning(142, Q2_0.prismID.rawValue, Q2_0(.of128), "PrismML", fileTypes: [141]),
    GGMLMeaning(
      142, "IQ2_TN", 256, 66, "ik_llama.cpp in 2024", fileTypes: [],
      refusal: "ik_llama.cpp gave it up for IQ2_BN; convert from the original model"),
    GGMLMeaning(143, PTQ1_0.id.rawValue, PTQ1_0(), "PrismML", fileTypes: [143]),
    GGMLMeaning(
      143, "IQ1_TN", 256, 54, "ik_llama.cpp in 2024", fileTypes: [],
      refusal: "ik_llama.cpp gave it up for IQ1_BN; convert from the original model"),
  ]

  /// What a number may stand for; empty for numbers with one meaning everywhere.
  package static func candidates(_ id: UInt32) -> [GGMLMeaning] { byID[id] ?? [] }

  private static let byID = Dictionary(grouping: all) { $0.id }
}

/// The meaning of a type number as the user states it: `42=Q2_0`.
package struct GGMLTypeChoice: Sendable, Hashable, CustomStringConvertible {
  package let meaning: GGMLMeaning

  package var description: String { "\(meaning.id)=\(meaning.name)" }

  /// Nil when the text is not a number with several meanings, '=', and one of them.
  package init?(_ text: String) {
    let parts = text.split(separator: "=", omittingEmptySubsequences: false)
    guard parts.count == 2, let id = UInt32(parts[0]),
      let meaning = GGMLMeaning.candidates(id).first(where: { $0.name == parts[1] })
    else { return nil }
    self.meaning = meaning
  }

  /// Every text that is one.
  package static var known: [String] { GGMLMeaning.all.map { "\($0.id)=\($0.name)" } }
}
