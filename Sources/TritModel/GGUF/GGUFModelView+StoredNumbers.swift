// Tritsmith: numbers that a GGUF file holds in the place of others.

import TritCore

extension GGUFModelView {
  /// A number of the file that stands for another one of the model.
  package struct StoredNumber: Sendable, Hashable {
    /// The tensor's name in the file.
    package var tensor: String
    /// The element there.
    package var index: Int
    package var values: ModuleTemplate.StoredValues

    /// What the file's number is not where the model's is not finite: −exp(w) is below 0.
    package var lacks: String? {
      values == .minusExponential ? "no finite number below 0, as −exp(A_log) would be" : nil
    }
  }

  /// What the file holds in the place of a number of a tensor; nil where it holds that number itself.
  package func storedNumber(_ index: Int, of tensor: TensorDescriptor) -> StoredNumber? {
    let values = values(of: tensor)
    guard values != .same else { return nil }
    let place = statedDescription?.architecture.place(of: tensor.name)
    let order = place.flatMap {
      try? statedDescription?.permutation($0, rows: tensor.shape.elementCount, in: manifest.path)
    }
    return StoredNumber(tensor: stored(tensor).name, index: order?.storedRow(of: index) ?? index, values: values)
  }
}
