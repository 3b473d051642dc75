// Tritsmith: whether two models hold a matrix in the same form.

import TritCore
import TritKernels

/// How the numbers of a matrix in one model relate to those in another that should be the same.
package enum StoredForm: Sendable {
  /// The same types on both sides: equal numbers are equal bits.
  case same
  /// Other types: values or scales were rounded on the way.
  case rounded
}

extension LanguageModel {
  /// The form of a projection beside that of another model; nil when the other has no such layer.
  package func form(ofLayer layer: Int, _ kind: ProjectionKind, beside other: LanguageModel) -> StoredForm? {
    guard layer < layers.count, layer < other.layers.count else { return nil }
    return layers[layer][kind].weights.form(beside: other.layers[layer][kind].weights)
  }

  package func embeddingForm(beside other: LanguageModel) -> StoredForm {
    embedding.element == other.embedding.element ? .same : .rounded
  }

  package func headForm(beside other: LanguageModel) -> StoredForm {
    head.element == other.head.element ? .same : .rounded
  }
}

extension Projection.Weights {
  fileprivate func form(beside other: Projection.Weights) -> StoredForm {
    switch (self, other) {
    case (.ternary(_, let left), .ternary(_, let right)): left.epilogue.form(beside: right.epilogue)
    case (.dense(let left, _, _), .dense(let right, _, _)): left.element == right.element ? .same : .rounded
    default: .rounded
    }
  }
}

extension ProductEpilogue {
  fileprivate func form(beside other: ProductEpilogue) -> StoredForm {
    let (left, right): ([Float], [Float])
    switch (self, other) {
    case (.divide(let a), .divide(let b)), (.multiply(let a), .multiply(let b)): (left, right) = (a, b)
    case (.weights(let a), .weights(let b)): (left, right) = ([a], [b])
    default: return .rounded
    }
    // Equal bfloat16 numbers on both sides, or numbers of another type on one.
    let isBFloat16 = (left + right).allSatisfy { BFloat16.rounded($0) == $0 }
    return isBFloat16 || left == right ? .same : .rounded
  }
}
