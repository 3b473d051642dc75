// Tritsmith: quantizers by their names.

import TritQuantizers

extension QuantizerRegistry {
  /// The quantizer of a name that a user gave or a file records.
  ///
  /// - Throws: `WorkflowError` that names those there are.
  package static func known(_ id: QuantizerID) throws(WorkflowError) -> any Quantizer {
    guard let quantizer = quantizer(id) else {
      throw WorkflowError(.unknownQuantizer(id.rawValue, known: all.map(\.id.rawValue).joined(separator: ", ")))
    }
    return quantizer
  }
}
