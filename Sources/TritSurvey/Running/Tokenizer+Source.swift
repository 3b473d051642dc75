// Tritsmith: the tokenizer that comes with a model.

import TritCore
import TritModel
import TritTokenizer

extension Tokenizer {
  /// Reads the tokenizer among the companions of a model, whatever the container.
  ///
  /// - Parameter composes: whether text is brought into NFC first where the source has no step that rewrites it.
  /// - Throws: `RunError` when there is none, `TokenizerError` when it cannot be used.
  package init(of source: any TensorSource, composes: Bool = false) throws {
    let manifest = source.manifest
    func file(_ name: String) throws -> TokenizerFiles.File? {
      guard manifest.companions.contains(where: { $0.name == name }) else { return nil }
      // A GGUF file holds keys, of which these files are made.
      let place = source is GGUFModelView ? "\(manifest.path) as \(name)" : FileSystem.join(manifest.path, name)
      return TokenizerFiles.File(name: place, bytes: try source.companion(named: name))
    }
    guard let name = manifest.tokenizerFile, var tokenizer = try file(name) else {
      throw RunError.noTokenizer(of: source)
    }
    if composes, var object = try JSONValue.parse(tokenizer.bytes).object, object["normalizer"] ?? .null == .null {
      object["normalizer"] = .object(["type": "NFC"])
      tokenizer.parsed = .object(object)
    }
    let (settings, map) = (try file("tokenizer_config.json"), try file("special_tokens_map.json"))
    let (generation, configuration) = (try file("generation_config.json"), try file("config.json"))
    let added = try file("added_tokens.json")
    var files =
      name == ModelManifest.sentencePieceFile
      ? try TokenizerFiles(
        sentencePiece: tokenizer, tokenizerConfiguration: settings, specialTokensMap: map, addedTokens: added,
        generationConfiguration: generation, modelConfiguration: configuration)
      : TokenizerFiles(
        tokenizer: tokenizer, tokenizerConfiguration: settings, specialTokensMap: map,
        generationConfiguration: generation, modelConfiguration: configuration)
    files.isFolder = !(source is GGUFModelView)
    files.addedTokens = added
    try self.init(files)
  }
}

extension Tokenizer {
  /// The tokenizer of a model that is to be run.
  ///
  /// - Throws: `ModelError` for a class that is not known, before its tokenizer is blamed; what `init(of:)` throws.
  package init(toRun source: any TensorSource) throws {
    let configuration = source.manifest.configuration
    // Of a GGUF file the configuration was made for a class that is known.
    if !(source is GGUFModelView), let configuration, ArchitectureRegistry.className(in: configuration) != nil {
      let file = FileSystem.join(source.manifest.path, "config.json")
      _ = try ArchitectureRegistry.architecture(of: configuration, file: file)
    }
    try self.init(of: source)
  }
}

extension ModelManifest {
  package static let sentencePieceFile = "tokenizer.model"

  /// The file among the companions that the tokenizer is made from; `tokenizer.json` where there are both.
  package var tokenizerFile: String? {
    ["tokenizer.json", ModelManifest.sentencePieceFile].first { name in companions.contains { $0.name == name } }
  }

  /// Files of a tokenizer in a form that is not read, where there is none that is.
  package var foreignTokenizerFiles: [String] {
    guard tokenizerFile == nil else { return [] }
    let known: Set<String> = ["vocab.json", "vocab.txt", "merges.txt", "tekken.json"]
    return companions.map(\.name).filter { name in
      known.contains(name) || name.hasPrefix("tokenizer.") || name.hasSuffix(".tiktoken") || name.hasSuffix(".model")
    }
  }
}

extension TensorSource {
  /// Why the tokenizer that comes with a model is not read; nil where it is, or where there is none.
  package var unreadTokenizer: String? {
    if let view = self as? GGUFModelView { return view.unreadTokenizer }
    let files = manifest.foreignTokenizerFiles
    return files.isEmpty
      ? nil
      : "\(files.map { printable($0, limit: 60) }.joined(separator: ", ")): a tokenizer in this form is not read, only "
        + "tokenizer.json and tokenizer.model"
  }
}

extension Tokenizer {
  /// Encodes a file's bytes; errors name the file.
  package func encode(fileAt path: String, _ bytes: [UInt8], addSpecialTokens: Bool) throws(TokenizerError) -> [Int] {
    do {
      return try encode(utf8: bytes, addSpecialTokens: addSpecialTokens)
    } catch {
      throw error.placed(file: path)
    }
  }
}
