// Tritsmith: a folder as Hugging Face lays it out.

import TritCore

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

  /// What a model needs beside its weights, for a single file that may lie among anything.
  private static func isModelFile(_ name: String) -> Bool {
    let known = [
      configurationName, "generation_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
      "vocab.txt", "merges.txt",
    ]
    return known.contains(name) || name.hasPrefix("tokenizer") || name.hasPrefix("chat_template")
  }

  /// - Parameter wholeFolder: true when the user named the folder: everything in it but weights belongs to the model.
  /// - Throws: `FormatError.linkOutside` for a file that is a link out of the folder, `TensorIOError` for one the model
  ///   needs and that leads nowhere.
  init(path: String, wholeFolder: Bool, followsLinks: Bool) throws {
    self.path = path
    companions = []
    notes = []
    for name in try FileSystem.names(in: path) {
      let file = FileSystem.join(path, name)
      guard wholeFolder || ModelFolder.isModelFile(name), !name.hasPrefix("."),
        !ModelFolder.weightEndings.contains(where: name.hasSuffix)
      else { continue }
      let kind = FileSystem.kind(of: file)
      // Folders are no part of a model folder.
      if kind == .folder { continue }
      guard kind == .file, let size = FileSystem.size(of: file) else {
        // In a download cache that was cleaned half, links lead nowhere: the model would lose its tokenizer.
        if kind == nil, ModelFolder.isModelFile(name) { _ = try InputFile(path: file, mode: .buffered) }
        notes.append("'\(printable(name))' is \(kind?.name ?? "a link that leads nowhere") and is left out")
        continue
      }
      guard size <= ModelFolder.companionLimit else {
        notes.append("'\(printable(name))' (\(size) bytes) is too large for a companion file and is left out")
        continue
      }
      companions.append(CompanionFile(name: name, byteCount: Int(clamping: size)))
    }
    if !followsLinks { try ModelFolder.checkLinks(companions.map(\.name), in: path) }
    configuration = try readConfiguration()
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
    let object = try ModelFolder.configuration(
      try InputFile(path: file, mode: .buffered).contents(limit: 64 << 20), path: file)
    for key in object.duplicateKeys {
      notes.append("config.json holds '\(printable(key))' twice; the last one counts")
    }
    return object
  }

  static func configuration(_ bytes: [UInt8], path: String) throws(FormatError) -> JSONObject {
    do {
      let value = try JSONValue.parse(bytes)
      guard let object = value.object else {
        throw FormatError(.wrongType(expected: "an object", found: value.kindName), file: path)
      }
      return object
    } catch let error as JSONError {
      throw FormatError(.json(error), file: path, byteOffset: UInt64(error.offset))
    } catch let error as FormatError {
      throw error
    } catch {
      throw FormatError(.wrongType(expected: "JSON", found: "\(error)"), file: path)
    }
  }

  func companion(named name: String) throws -> [UInt8] {
    try InputFile(path: FileSystem.join(path, name), mode: .buffered).contents(limit: ModelFolder.companionLimit)
  }
}
