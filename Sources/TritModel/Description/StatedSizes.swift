// Tritsmith: sizes of a model whose class is not known, by the names that most files give them.

import TritCore

/// What `config.json` or the metadata of GGUF state; nothing is checked against tensors.
package struct StatedSizes: Sendable, Equatable {
  package let layers: Int?
  package let hiddenSize: Int?
  package let vocabularySize: Int?

  /// Reads the sizes a manifest states; those that are no positive integer are left out.
  package init(_ manifest: ModelManifest) {
    let family = manifest.entry("general.architecture")?.string
    func stated(_ key: String, _ metadata: String) -> Int? {
      let count =
        manifest.configuration?[key]?.number?.integer
        ?? family.flatMap { manifest.entry("\($0).\(metadata)")?.integer }
      return count.flatMap { $0 > 0 ? $0 : nil }
    }
    layers = stated("num_hidden_layers", "block_count")
    hiddenSize = stated("hidden_size", "embedding_length")
    vocabularySize = stated("vocab_size", "vocab_size")
  }
}
