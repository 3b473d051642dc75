// Tritsmith: where hostile bytes meet the readers.

import TritCore
import TritFormats
import TritHub
import TritKernels
import TritModel
import TritTestSupport
import TritTokenizer

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A scratch folder with the good files that stand beside a hostile one. One thread at a time.
package final class HostileLab {
  /// How much is done with an input.
  package enum Depth: Sendable {
    case everything
    /// What is dear is done for one input in eight, chosen by the input's bytes: an input is seen less, many more are.
    case sampled
  }

  /// What a lab of samples leaves out of seven inputs in eight.
  enum Step: UInt64 {
    case wordsOfErrors, inspect, verify, compare, run, check, diff, family, convert, longTexts, gguf, allBytes
  }

  let folder: String
  let depth: Depth
  let engine: InferenceEngine
  let parallelism = Parallelism(threads: 1)
  /// Folders of tiny models whose `config.json` is replaced.
  let modelFolders: [String]
  /// A folder whose configuration says that its weights are packed for MLX.
  let mlxFolder: String
  let shardFolder: String
  /// The model patches of the corpus were made for, by `generate.py`.
  let patchBase: String
  /// The model whose conversions records of the corpus speak of, by `generate.py` too.
  let recordBase: String
  /// A model, and an adapter of it of which one file is replaced.
  let adaptedFolder: String
  let adapterFolder: String
  /// Made when it is needed: a conversion leaves memory behind that would count for every other reader.
  private(set) lazy var records = RecordLab(folder: folder + "/records", base: recordBase, work: work)
  let bases: [EditableFile]
  /// Templates of each shape, which lists of messages are rendered by.
  let templates: [ChatTemplate]
  /// A model of SentencePiece with pieces for all bytes, and one of ten pieces.
  let pieces: (all: [UInt8], few: [UInt8])

  /// - Parameter folder: an empty folder, in memory if possible: files are written in it many times a second.
  package init(folder: String, depth: Depth = .everything) throws {
    self.folder = folder
    self.depth = depth
    engine = try InferenceEngine(threads: 1)
    modelFolders = [folder + "/plain", folder + "/ternary", folder + "/packed"]
    TinyModel.plain.write(modelFolders[0])
    TinyModel.ternary.write(modelFolders[1])
    TinyModel.mlx.write(modelFolders[2])
    mlxFolder = folder + "/mlx"
    TinyModel.mlx.write(mlxFolder)
    shardFolder = folder + "/shards"
    TinyModel.writeShards(shardFolder)
    Disk.makeFolder(folder + "/single")
    patchBase = folder + "/base"
    recordBase = folder + "/recorded"
    // Both hold the same tensors; a conversion wants all that its configuration asks for, so that one asks for none.
    for (base, configuration) in [(patchBase, "valid-bitnet"), (recordBase, "sizeless")] {
      Disk.makeFolder(base)
      Disk.write(Disk.bytes(HostileTarget.safetensors.folder + "/valid-packed"), base + "/model.safetensors")
      Disk.write(Disk.bytes(HostileTarget.config.folder + "/" + configuration), base + "/config.json")
    }
    adaptedFolder = folder + "/adapted"
    TinyModel.plain.write(adaptedFolder)
    Disk.write(Disk.bytes(HostileTarget.config.folder + "/valid-llama"), adaptedFolder + "/config.json")
    adapterFolder = folder + "/adapter"
    Disk.makeFolder(adapterFolder)
    bases = try EditableFile.all()
    templates = try ["chatml", "llama3", "mistral", "zephyr", "falcon-e"].map {
      try ChatTemplate(Disk.text(HostileTarget.chat.folder + "/valid-" + $0))
    }
    pieces = (
      Disk.bytes(HostileTarget.sentencepiece.folder + "/valid"),
      Disk.bytes(HostileTarget.sentencepiece.folder + "/valid-no-bytes")
    )
  }

  /// A folder for a lab: in memory where the system has such a place.
  package static func makeFolder() -> String {
    var template = Array("/dev/shm/tritsmith-lab-XXXXXX".utf8CString)
    if let made = mkdtemp(&template) { return String(cString: made) }
    template = Array("/tmp/tritsmith-lab-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { preconditionFailure("no folder for the lab, errno \(errno)") }
    return String(cString: made)
  }

  /// Writes a line to standard error.
  package static func complain(_ text: String) {
    let bytes = Array((text + "\n").utf8)
    _ = write(2, bytes, bytes.count)
  }

  /// Points a reader at the bytes, as deep as the program would go.
  package func probe(_ target: HostileTarget, _ bytes: [UInt8]) -> HostileVerdict {
    var log = HostileLog()
    log.spellsErrors = takes(.wordsOfErrors, HostileLab.hash(bytes))
    switch target {
    case .safetensors: probeFile(bytes, named: "model.safetensors", &log)
    case .gguf: probeFile(bytes, named: "model.gguf", &log)
    case .tritpack:
      probeFile(bytes, named: "model.tritpack", &log)
      if let sealed = TritPackSeal.sealed(bytes), sealed != bytes {
        probeFile(sealed, named: "model.tritpack", &log)
      }
    case .tritdiff:
      probePatch(bytes, &log)
      if let sealed = TritPackSeal.sealed(bytes), sealed != bytes { probePatch(sealed, &log) }
    case .mlx:
      Disk.write(bytes, mlxFolder + "/model.safetensors")
      probeModel(mlxFolder, seed: HostileLab.hash(bytes), &log)
    case .shardIndex:
      Disk.write(bytes, shardFolder + "/" + ShardIndex.name)
      probeModel(shardFolder, seed: HostileLab.hash(bytes), &log)
    case .tokenizer: probeTokenizer(bytes, &log)
    case .sentencepiece: probePieces(bytes, &log)
    case .chat: probeChat(bytes, &log)
    case .config: probeConfiguration(bytes, &log)
    case .adapter: probeAdapter(bytes, &log)
    case .record:
      probeRecord(bytes, &log)
      if let sealed = records.sealed(bytes), sealed != bytes { probeRecord(sealed, &log) }
    case .hub: log.attempt("answer") { try HubProbe.read(bytes) }
    case .structured:
      guard let (file, edited) = EditProgram.apply(bytes, to: bases) else { return .refused("no edits") }
      switch file.kind {
      case .tokenizer: probeTokenizer(edited, &log)
      case .config: probeConfiguration(edited, &log)
      case .tritdiff: probePatch(edited, &log)
      case .record: probeRecord(records.sealed(edited) ?? edited, &log)
      default: probeFile(edited, named: file.name, &log)
      }
    }
    return log.verdict
  }

  private func probeFile(_ bytes: [UInt8], named name: String, _ log: inout HostileLog) {
    let path = folder + "/single/" + name
    Disk.write(bytes, path)
    probeModel(path, seed: HostileLab.hash(bytes), &log)
    Disk.remove(path)
  }

  /// Whether a step is taken for bytes of this hash.
  func takes(_ step: Step, _ seed: UInt64) -> Bool {
    depth == .everything
      || ((seed ^ step.rawValue &* 0x9E37_79B9_7F4A_7C15) &* 0xD6E8_FEB8_6659_FD93) >> 61 == 0
  }

  /// FNV-1a; chooses between ways to go on, the same for the same bytes.
  static func hash(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}
