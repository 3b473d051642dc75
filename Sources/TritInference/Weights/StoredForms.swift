// Tritsmith: whether two models hold a matrix in the same form.

import TritCore
import TritKernels
import TritModel

/// How the numbers of a matrix in one model relate to those in another that should be the same.
package enum StoredForm: Sendable {
  /// The same types on both sides: equal numbers are equal bits.
  case same
  /// Other types: values or scales were rounded on the way.
  case rounded
}

extension LanguageModel {
  /// The form of a projection beside that of another model; nil when one of them has none there.
  package func form(ofLayer layer: Int, _ kind: ProjectionKind, beside other: LanguageModel) -> StoredForm? {
    guard layer < layers.count, layer < other.layers.count else { return nil }
    guard let mine = layers[layer][kind], let theirs = other.layers[layer][kind] else { return nil }
    return mine.weights.form(beside: theirs.weights)
  }

  /// Whether a projection multiplies by the numbers its tensor holds: latents were made trits when they were loaded, and
  /// unpacked trits have a scale beside them.
  package func multipliesAsStored(ofLayer layer: Int, _ kind: ProjectionKind) -> Bool {
    guard layers.indices.contains(layer), let projection = layers[layer][kind] else { return false }
    return switch projection.weights {
    case .dense(_, let scale, _): scale == 1
    case .ternary: false
    case .grouped: true
    }
  }

  /// What a projection adds to its product, for each output; nil when it adds nothing, or there is no such layer.
  package func addedBias(ofLayer layer: Int, _ kind: ProjectionKind) -> [Float]? {
    layer < layers.count ? layers[layer][kind]?.weights.addedBias : nil
  }

  package func embeddingForm(beside other: LanguageModel) -> StoredForm {
    embedding.form(beside: other.embedding)
  }

  /// The form of the norm that a state comes out of; nil for another state, and for norms that hold other numbers.
  package func normForm(ofState name: String, beside other: LanguageModel) -> StoredForm? {
    guard configuration.architecture.normWeights == .aboveOne, let mine = norm(ofState: name),
      let theirs = other.norm(ofState: name), mine.count == theirs.count
    else { return nil }
    if mine == theirs { return .same }
    let areSums = zip(mine, theirs).allSatisfy { ModuleTemplate.StoredValues.areOneSum($0, $1) }
    return areSums ? .rounded : nil
  }

  /// Whether its norms hold 1 + w, each sum a number of F16: what llama.cpp's converter leaves, which adds up in the type
  /// of a checkpoint of F16.
  package var hasSumsOfHalves: Bool {
    guard configuration.architecture.normWeights == .aboveOne else { return false }
    let norms = layers.flatMap { layer -> [NormWeights] in
      guard case .attention(let attention) = layer.mixer else { return [layer.inputNorm, layer.feedForwardNorm] }
      return [layer.inputNorm, layer.feedForwardNorm] + [attention.queryNorm, attention.keyNorm].compactMap(\.self)
    }
    let values = (norms + [finalNorm]).flatMap(\.values)
    // Sums of zeros were not rounded.
    return values.allSatisfy(HalfFloat.holds) && values.contains { $0 != 1 }
  }

  /// The weights 1 + w of a norm, by the state that comes out of it.
  private func norm(ofState name: String) -> [Float]? {
    if name == "final_norm" { return finalNorm.values }
    let parts = name.split(separator: ".", maxSplits: 1)
    guard parts.count == 2, parts[0].hasPrefix("block"), let index = Int(parts[0].dropFirst(5)),
      layers.indices.contains(index)
    else { return nil }
    let layer = layers[index]
    let table = configuration.architecture
    var norms: [(part: ModulePart, weights: NormWeights?)] = [
      (.inputNorm, layer.inputNorm), (.feedForwardNorm, layer.feedForwardNorm),
    ]
    if case .attention(let attention) = layer.mixer {
      norms += [(.queryNorm, attention.queryNorm), (.keyNorm, attention.keyNorm)]
    }
    return norms.first { table.module($0.part)?.path == String(parts[1]) }?.weights?.values
  }

  package func headForm(beside other: LanguageModel) -> StoredForm { head.form(beside: other.head) }
}

extension TokenWeights {
  fileprivate func form(beside other: TokenWeights) -> StoredForm {
    switch (self, other) {
    case (.dense(let left), .dense(let right)): left.element == right.element ? .same : .rounded
    case (.grouped(let left), .grouped(let right)): left.form(beside: right)
    case (.grouped(let matrix), .dense(let weights)): matrix.form(beside: weights.element)
    case (.dense(let weights), .grouped(let matrix)): matrix.form(beside: weights.element)
    }
  }
}

extension GroupedMatrix {
  fileprivate func form(beside other: GroupedMatrix) -> StoredForm {
    scaleTypes == other.scaleTypes || !scaleTypes.isDisjoint(with: other.scaleTypes) ? .same : .rounded
  }

  fileprivate func form(beside element: FloatElement) -> StoredForm {
    switch element {
    case .f16: scaleTypes.contains(.f16) ? .same : .rounded
    case .bf16: scaleTypes.contains(.bf16) ? .same : .rounded
    case .f32: scaleTypes.isEmpty ? .same : .rounded
    }
  }
}

extension Projection.Weights {
  /// The bias as it is in the outputs: some classes multiply it with the scale as well.
  fileprivate var addedBias: [Float]? {
    switch self {
    case .dense(_, let scale, let bias): bias.map { $0.map { $0 * scale } }
    case .ternary(_, let operand):
      if case .multiply(let stored) = operand.epilogue {
        operand.bias?.enumerated().map { $0.element * (stored.count == 1 ? stored[0] : stored[$0.offset]) }
      } else {
        operand.bias
      }
    case .grouped(_, let bias): bias
    }
  }

  fileprivate func form(beside other: Projection.Weights) -> StoredForm {
    switch (self, other) {
    case (.ternary(_, let left), .ternary(_, let right)): left.epilogue.form(beside: right.epilogue)
    case (.dense(let left, _, _), .dense(let right, _, _)): left.element == right.element ? .same : .rounded
    case (.grouped(let left, _), .grouped(let right, _)): left.form(beside: right)
    case (.grouped(let matrix, _), .dense(let weights, _, _)): matrix.form(beside: weights.element)
    case (.dense(let weights, _, _), .grouped(let matrix, _)): matrix.form(beside: weights.element)
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
    let isBFloat16 = (left + right).allSatisfy(BFloat16.holds)
    return isBFloat16 || left == right ? .same : .rounded
  }
}
