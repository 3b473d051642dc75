// Tritsmith: opening models, whatever they are.

import TritCore
import TritFormats
import TritModel

/// Opens a model under Hugging Face's names, whatever its format calls its tensors.
public enum ModelOpener {
  /// - Parameters:
  ///   - path: a file or a folder.
  ///   - options: how it is read, and what its files leave open.
  ///   - hasCompanions: also rebuild tokenizer files of formats that hold the tokenizer in another form; proofs need them,
  ///     weights alone do not.
  public static func open(
    _ path: String, _ options: OpenOptions = OpenOptions(), hasCompanions: Bool = true
  ) throws -> any TensorSource {
    let source = try FormatRegistry.open(path, options)
    guard source.manifest.format == GGUFFormat.id else { return source }
    return try GGUFModelView(source, hasCompanions: hasCompanions, preTokenizer: options.preTokenizer)
  }

  /// Two models to be compared. GGUF files of which no model can be made keep their own names and row order, both of
  /// them: each tensor and key can still be held against the other's.
  ///
  /// - Parameter hints: says why, where that is so.
  public static func openPair(
    _ first: (path: String, options: OpenOptions), _ second: (path: String, options: OpenOptions),
    hints: inout [String]
  ) throws -> (any TensorSource, any TensorSource) {
    do {
      return (try open(first.path, first.options), try open(second.path, second.options))
    } catch let error as GGUFModelError where error.category == .malformedInput {
      let stored = try [first, second].map { try FormatRegistry.open($0.path, $0.options) }
      guard stored.allSatisfy({ $0.manifest.format == GGUFFormat.id }) else { throw error }
      hints.append("compared under the names of the files, since no model can be made of them: \(error.placedSummary)")
      return (stored[0], stored[1])
    }
  }
}

extension OpenOptions {
  /// The same meaning of numbers, files got at as `other` says.
  func reading(like other: OpenOptions) -> OpenOptions {
    OpenOptions(
      access: other.access, scaleConvention: scaleConvention, i2sOrder: i2sOrder, preTokenizer: preTokenizer,
      ggmlTypes: ggmlTypes, followsLinks: other.followsLinks)
  }
}
