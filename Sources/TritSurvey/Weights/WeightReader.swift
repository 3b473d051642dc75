// Tritsmith: weights as numbers, for programs.

import TritCore
import TritKernels
import TritModel
import TritQuantizers

/// Reads single tensors of a model into memory.
package struct WeightReader: Sendable {
  let source: any TensorSource
  let work: WorkOptions

  package init(_ source: any TensorSource, work: WorkOptions = WorkOptions()) {
    self.source = source
    self.work = work
  }

  /// A tensor's values as Float, row-major: exact for BF16, F16 and F32, trit × scale for packed ones.
  ///
  /// - Throws: `WorkflowError` for a name that is not there or a type that cannot be decoded.
  package func values(of name: String) throws -> [Float] {
    let tensor = try tensor(name)
    if tensor.encoding.isTernary { return try trits(of: name).values }
    guard let dtype = tensor.encoding.dtype, dtype.isDecodable else {
      throw WorkflowError(
        .unsupportedEncoding(found: tensor.encoding.name, wanted: "numbers"), file: source.manifest.path, tensor: name)
    }
    return try source.withBytes(0..<tensor.location.byteCount, of: tensor) { DenseValues.floats($0, dtype) }
  }

  /// Trits and scales of a matrix: as stored, or as a quantizer makes them of dense weights.
  ///
  /// - Parameters:
  ///   - name: of a tensor that is a matrix.
  ///   - quantizer: nil means that of the model's family.
  package func trits(of name: String, quantizer: QuantizerID? = nil) throws -> TritMatrix {
    let tensor = try tensor(name)
    guard tensor.shape.isMatrix else {
      throw WorkflowError(
        .unsupportedEncoding(found: "a tensor of shape \(tensor.shape)", wanted: "a matrix"),
        file: source.manifest.path, tensor: name)
    }
    let survey = try ModelSurvey(of: source)
    let weight = try TernaryWeight(
      source, tensor,
      quantizer: QuantizerRegistry.known(quantizer ?? QuantizerID(rawValue: survey.defaultQuantizer.name)),
      work: work)
    return try TritMatrix(weight, survey.newScaleConvention)
  }

  private func tensor(_ name: String) throws -> TensorDescriptor {
    guard let tensor = source.manifest.tensor(named: name) else {
      throw WorkflowError(.globWithoutMatch(name), file: source.manifest.path)
    }
    return tensor
  }
}
