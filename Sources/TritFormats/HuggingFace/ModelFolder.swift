// Tritsmith: a folder as Hugging Face lays it out.

import TritCore
import VisibleText

/// The files of a model folder beside the weights.
struct ModelFolder {
  var path: String
  /// In byte order of their names.
  var companions: [CompanionFile]
  var configuration: JSONObject?
  var notes: [String]

  static let configurationName = "config.json"
  /// A tokenizer of a large vocabulary has 10 to 35 MB; weights in foreign formats have more and have their endings.
  static let companionLimit: UInt64 = 256 << 20
  private static let weightEndings = [
    ".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".pt", ".pth", ".gguf", ".h5", ".msgpack",
    ".onnx", ".tritpack", ".npz", ".ckpt",
  ]

  /// Weights, or an index of weights; variants have a word between (`model.safetensors.index.fp16.json`).
  private static func holdsWeights(_ name: String) -> Bool {
    weightEndings.contains(where: name.hasSuffix)
      || name.hasSuffix(".json") && [".safetensors.index.", ".bin.index."].contains { name.contains(text: $0) }
  }

  /// What stands in place of a file beside the weights. A page may be a page here, where the model does not need the
  /// file.
  private static func standIn(at path: String) -> StandIn? {
    guard let found = try? InputFile(path: path, mode: .buffered).standIn() else { return nil }
    return found.isPointer || CompanionName.isNeeded(FileSystem.name(of: path)) ? found : nil
  }

  /// - Parameter wholeFolder: true when the user named the folder: everything in it but weights belongs to the model.
  /// - Throws: `FormatError.linkOutside` for a file that is a link out of the folder, `TensorIOError` for one the model
  ///   needs and that leads nowhere.
  init(path: String, wholeFolder: Bool, followsLinks: Bool) throws {
    self.path = path
    companions = []
    notes = []
    try RemoteFolders.expect([ModelFolder.configurationName] + ConfigurationText.names, in: path)
    for name in try CompanionPath.names(in: path, followingLinks: true) {
      let file = FileSystem.join(path, name)
      guard wholeFolder || CompanionName.isNeeded(name), !name.hasPrefix("."),
        !ModelFolder.holdsWeights(name)
      else { continue }
      let kind = FileSystem.kind(of: file)
      // Folders are no part of a model folder.
      if kind == .folder { continue }
      guard CompanionPath.isValid(name) else {
        notes.append("'\(printable(name))' is left out: it is no template, whose name ends in .jinja")
        continue
      }
      guard kind == .file, let size = FileSystem.size(of: file) else {
        // In a download cache that was cleaned half, links lead nowhere: the model would lose its tokenizer.
        if kind == nil, CompanionName.isNeeded(name) { _ = try InputFile(path: file, mode: .buffered) }
        notes.append("'\(printable(name))' is \(kind?.name ?? "a link that leads nowhere") and is left out")
        continue
      }
      if let standIn = ModelFolder.standIn(at: file) {
        guard CompanionName.isNeeded(name) else {
          notes.append("'\(printable(name))' is left out: \(standIn.summary)")
          continue
        }
        notes.append("'\(printable(name))' cannot be used: \(standIn.summary); \(standIn.remedy)")
      }
      guard size <= ModelFolder.companionLimit else {
        notes.append("'\(printable(name))' (\(size) bytes) is too large for a companion file and is left out")
        continue
      }
      companions.append(CompanionFile(name: name, byteCount: Int(clamping: size)))
    }
    if !followsLinks { try ModelFolder.checkLinks(companions.map(\.name), in: path) }
    configuration = try readConfiguration()
    notes += ConfigurationText.notes(on: companions) { [path] companion in
      try InputFile(path: FileSystem.join(path, companion.name), mode: .buffered)
        .contents(limit: ModelFolder.companionLimit)
    }
  }

  static func checkLinks(_ names: [String], in folder: String) throws(FormatError) {
    for name in names {
      if let target = FileSystem.escape(of: name, in: folder) {
        throw FormatError(.linkOutside(name: name, target: target), file: FileSystem.join(folder, name))
      }
    }
  }

  /// Parses `config.json`. Some published files hold `quantization_config` twice; the last one counts, as in Python.
  private mutating func readConfiguration() throws -> JSONObject? {
    guard companions.contains(where: { $0.name == ModelFolder.configurationName }) else { return nil }
    let file = FileSystem.join(path, ModelFolder.configurationName)
    let bytes = try InputFile(path: file, mode: .buffered).contents(limit: 64 << 20)
    let object = try ConfigurationText.object(bytes, path: file)
    notes += ConfigurationText.notes(on: object, bytes, name: ModelFolder.configurationName)
    for key in object.duplicateKeys {
      notes.append("config.json holds '\(printable(key))' twice; the last one counts")
    }
    return object
  }

  /// - Throws: `FormatError.standIn` for a file that was never fetched: what it would mean to a model cannot be known.
  func companion(named name: String) throws -> [UInt8] {
    let file = try InputFile(path: FileSystem.join(path, name), mode: .buffered)
    if CompanionName.isNeeded(name), let standIn = try file.standIn() {
      throw FormatError(.standIn(standIn), file: file.path)
    }
    return try file.contents(limit: ModelFolder.companionLimit)
  }
}

/// Names of files beside weights.
package enum CompanionName {
  /// What a model needs beside its weights, for a single file that may lie among anything.
  package static func isNeeded(_ name: String) -> Bool {
    let known = [
      ModelFolder.configurationName, "generation_config.json", "special_tokens_map.json", "added_tokens.json",
      "vocab.json", "vocab.txt", "merges.txt",
    ]
    return known.contains(name) || name.hasPrefix("tokenizer") || name.hasPrefix("chat_template")
      || CompanionPath.isTemplate(name)
  }
}
