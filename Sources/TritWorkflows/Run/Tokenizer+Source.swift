// Tritsmith: the tokenizer that comes with a model.

import TritCore
import TritModel
import TritTokenizer

extension Tokenizer {
  /// Reads the tokenizer among the companions of a model, whatever the container.
  ///
  /// - Throws: `RunError` when there is none, `TokenizerError` when it cannot be used.
  public init(of source: any TensorSource) throws {
    let manifest = source.manifest
    func file(_ name: String) throws -> TokenizerFiles.File? {
      guard manifest.companions.contains(where: { $0.name == name }) else { return nil }
      // A GGUF file holds keys, of which these files are made.
      let place = source is GGUFModelView ? "\(manifest.path) as \(name)" : FileSystem.join(manifest.path, name)
      return TokenizerFiles.File(name: place, bytes: try source.companion(named: name))
    }
    guard let name = manifest.tokenizerFile, let tokenizer = try file(name) else {
      let reason = (source as? GGUFModelView)?.unreadTokenizer
      throw RunError(reason.map { .tokenizerNotRebuilt($0) } ?? .noTokenizer, file: manifest.path)
    }
    let (settings, map) = (try file("tokenizer_config.json"), try file("special_tokens_map.json"))
    let (generation, configuration) = (try file("generation_config.json"), try file("config.json"))
    try self.init(
      name == ModelManifest.sentencePieceFile
        ? TokenizerFiles(
          sentencePiece: tokenizer, tokenizerConfiguration: settings, specialTokensMap: map,
          addedTokens: try file("added_tokens.json"), generationConfiguration: generation,
          modelConfiguration: configuration)
        : TokenizerFiles(
          tokenizer: tokenizer, tokenizerConfiguration: settings, specialTokensMap: map,
          generationConfiguration: generation, modelConfiguration: configuration))
  }
}

extension ModelManifest {
  static let sentencePieceFile = "tokenizer.model"

  /// The file among the companions that the tokenizer is made from; `tokenizer.json` where there are both.
  var tokenizerFile: String? {
    ["tokenizer.json", ModelManifest.sentencePieceFile].first { name in companions.contains { $0.name == name } }
  }
}
