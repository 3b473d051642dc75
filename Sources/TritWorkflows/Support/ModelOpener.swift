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
}

extension OpenOptions {
  /// The same meaning of numbers, files got at as `other` says.
  func reading(like other: OpenOptions) -> OpenOptions {
    OpenOptions(
      access: other.access, scaleConvention: scaleConvention, i2sOrder: i2sOrder, preTokenizer: preTokenizer,
      ggmlTypes: ggmlTypes, followsLinks: other.followsLinks)
  }
}
