// Tritsmith: what a person means by a path.

import TritCore
import VisibleText

/// Finds the model that a path stands for where it is not the model's own: a folder around one file, a `config.json`.
///
/// What cannot be told is an error that names what was found. Names of the Hub become paths before, by `HubResolver`.
package enum ModelPlace {
  /// Files that are a whole model each.
  private static let wholeModels = [".gguf", ".tritpack"]
  /// Weights in pickles, which run code when they are read.
  private static let pickles = [".bin", ".pt", ".pth", ".ckpt"]
  /// Files and folders named in an error; more are counted.
  private static let most = 8

  /// The path to open: `path` itself, or the one GGUF or TritPack file of a folder. A `config.json` means its folder.
  ///
  /// - Throws: `FormatError` for a folder of several models and for weights in another form.
  package static func resolved(_ path: String) throws -> String {
    switch FileSystem.kind(of: path) {
    case .file:
      guard FileSystem.name(of: path) == ModelFolder.configurationName else { return path }
      return try folder(FileSystem.parent(of: path), isConfigured: true)
    case .folder: return try folder(path)
    default: return path
    }
  }

  /// The path that opens the same model once more: the model's own, but `config.json` where its folder holds several.
  package static func lasting(_ path: String) throws -> String {
    let place = try resolved(path)
    return (try? resolved(place)) == place ? place : path
  }

  /// - Parameter isConfigured: the user named the `config.json`, which belongs to the safetensors files beside it.
  private static func folder(_ path: String, isConfigured: Bool = false) throws -> String {
    let names = try FileSystem.names(in: path)
    let files = GGUFSplit.models(in: names).filter { name in
      wholeModels.contains(where: name.hasSuffix) && FileSystem.kind(of: FileSystem.join(path, name)) == .file
    }
    if holdsSafetensors(names) {
      guard !files.isEmpty, !isConfigured else { return path }
      let weights = names.filter { $0.hasSuffix(".safetensors") }
      let own = names.contains(ShardIndex.name) ? [ShardIndex.name] : weights
      throw FormatError(.severalModels(listed(own + files)), file: path)
    }
    guard files.isEmpty else {
      if files.count == 1 { return FileSystem.join(path, files[0]) }
      throw FormatError(.severalModels(listed(files)), file: path)
    }
    let pickled = names.filter { name in pickles.contains(where: name.hasSuffix) && !name.hasPrefix("training_args") }
    if !pickled.isEmpty, PartialModel(folder: path, names: names) == nil {
      let alone = isKnownToTransformers(names) ? nil : FileSystem.join(path, pickled[0])
      throw FormatError(.pytorchWeights(listed(pickled), alone: alone), file: path)
    }
    let variants = try names.flatMap { name in try self.variants(name, in: path) }
    guard variants.isEmpty else {
      // One that is a single model answers; another folder of several would ask again.
      let places = variants.map { FileSystem.join(path, $0) }
      let first = places.first { (try? resolved($0)) != nil } ?? places[0]
      throw FormatError(.folderOfModels(listed(variants), first: first), file: path)
    }
    return path
  }

  private static func holdsSafetensors(_ names: [String]) -> Bool {
    names.contains { $0 == ShardIndex.name || $0.hasSuffix(".safetensors") }
  }

  /// The subfolder of that name when it holds a model; of a download cache, the snapshots inside it.
  private static func variants(_ name: String, in folder: String) throws -> [String] {
    let path = FileSystem.join(folder, name)
    guard !name.hasPrefix("."), FileSystem.kind(of: path) == .folder else { return [] }
    guard let names = try? FileSystem.names(in: path) else { return [] }
    if name == "snapshots" {
      return try names.flatMap { try variants($0, in: path) }.map { FileSystem.join(name, $0) }
    }
    let isModel =
      names.contains(ModelFolder.configurationName) && holdsSafetensors(names)
      || names.contains { name in wholeModels.contains(where: name.hasSuffix) }
    return isModel ? [name] : []
  }

  static func listed(_ names: [String]) -> String {
    let shown = names.prefix(most).map { printable($0) }.joined(separator: ", ")
    return names.count > most ? shown + " and \(names.count - most) more" : shown
  }

  /// Whether `from_pretrained` of transformers loads the pickles of a folder with these names.
  private static func isKnownToTransformers(_ names: [String]) -> Bool {
    names.contains(ModelFolder.configurationName)
      && names.contains { $0 == "pytorch_model.bin" || $0 == "pytorch_model.bin.index.json" }
  }

  /// The error about a file that PyTorch saved.
  static func pytorchError(_ path: String) -> FormatError {
    let name = FileSystem.name(of: path)
    let names = (try? FileSystem.names(in: FileSystem.parent(of: path))) ?? []
    let isPart = name.hasPrefix("pytorch_model") && name.hasSuffix(".bin") && isKnownToTransformers(names)
    return FormatError(.pytorchWeights(printable(name), alone: isPart ? nil : path), file: path)
  }

  /// Whether a file is one PyTorch saved: a pickle or a ZIP archive by its name, or an archive that begins with
  /// `NAME/data.pkl`. Other archives are not, and a name alone says nothing.
  static func isPyTorch(_ path: String, _ firstBytes: [UInt8]) -> Bool {
    let isArchive = firstBytes.starts(with: [0x50, 0x4B, 0x03, 0x04])
    let isPickle = firstBytes.first == 0x80 && firstBytes.count > 1 && (2...5).contains(firstBytes[1])
    if pickles.contains(where: path.hasSuffix) { return isArchive || isPickle }
    // The first entry's name follows 30 bytes that say its length among others.
    return isArchive && String(decoding: firstBytes.dropFirst(30), as: UTF8.self).contains(text: "/data.pkl")
  }
}
