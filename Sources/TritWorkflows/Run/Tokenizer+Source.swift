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
    guard let tokenizer = try file("tokenizer.json") else {
      let reason = manifest.notes.first { $0.contains("cannot be rebuilt") }
      throw RunError(reason.map { .tokenizerNotRebuilt($0) } ?? .noTokenizer, file: manifest.path)
    }
    try self.init(
      TokenizerFiles(
        tokenizer: tokenizer, tokenizerConfiguration: file("tokenizer_config.json"),
        specialTokensMap: file("special_tokens_map.json"), generationConfiguration: file("generation_config.json"),
        modelConfiguration: file("config.json")))
  }
}
