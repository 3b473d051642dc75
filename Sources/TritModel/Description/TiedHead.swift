// Tritsmith: a head that is stored although the configuration ties it to the embeddings.

import TritCore

/// transformers 4 leaves such a head aside; transformers 5 computes with it where its numbers are not the embeddings'.
/// So one of other numbers is two models, and nothing takes it.
package enum TiedHead {
  /// The head, where it is stored and is not the embeddings bit for bit.
  ///
  /// Reads both matrices where there is a head; a GGUF file is tied only where it has none.
  ///
  /// - Parameter limit: how many bytes of them are looked at, the first ones.
  package static func differing(
    _ source: any TensorSource, _ description: ModelDescription, upTo limit: Int = .max
  ) throws -> TensorDescriptor? {
    guard description.tiesEmbeddings, let head = tensor(.head, source, description),
      let embedding = tensor(.embedding, source, description)
    else { return nil }
    guard head.shape == embedding.shape, head.encoding == embedding.encoding, head.scale == embedding.scale,
      head.location.byteCount == embedding.location.byteCount
    else { return head }
    let (count, step) = (min(head.location.byteCount, limit), 1 << 20)
    for start in stride(from: 0, to: count, by: step) {
      let range = start..<min(count, start + step)
      let isSame = try source.withBytes(range, of: head) { left in
        try source.withBytes(range, of: embedding) { right in
          left.withUnsafeBytes { left in right.withUnsafeBytes { left.elementsEqual($0) } }
        }
      }
      guard isSame else { return head }
    }
    return nil
  }

  /// Throws for such a head.
  package static func check(_ source: any TensorSource, _ description: ModelDescription) throws {
    guard let head = try differing(source, description) else { return }
    throw ModelError(.headBesideTie, file: source.manifest.path, tensor: head.name)
  }

  private static func tensor(
    _ part: ModulePart, _ source: any TensorSource, _ description: ModelDescription
  ) -> TensorDescriptor? {
    description.architecture.module(part).map { ModulePlace($0, layer: nil, piece: .weight).name }
      .flatMap(source.manifest.tensor(named:))
  }
}
