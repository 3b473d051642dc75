// Tritsmith: whether a candidate is exactly what converting its reference gives.

import TritCore
import TritFormats
import TritModel
import TritSurvey
import TritVerification

extension ConversionFidelity {
  /// Redoes the quantization of the reference and compares trits, scales, every other tensor, description and tokenizer.
  init(
    reference: any TensorSource, _ referenceKind: ModelKind, candidate: any TensorSource, _ candidateKind: ModelKind,
    quantizer: String?, work: WorkOptions
  ) throws {
    guard candidateKind == .packed || candidateKind == .ternaryDense else {
      self.init(
        verdict: .notApplicable, detail: "the candidate holds no trits (\(candidateKind.phrase)); nothing was converted"
      )
      return
    }
    let request = VerifyRequest(quantizer: quantizer, depth: .audit)
    let result: VerifyResult
    do {
      result = try VerifyWorkflow(source: reference, converted: candidate, request: request, work: work).run()
    } catch let error as WorkflowError {
      if case .unknownQuantizer = error.kind { throw error }
      self.init(verdict: .differs, detail: "the reference cannot be quantized: \(error.summary)")
      return
    }
    let ternary = result.tensors.filter(\.isTernary)
    guard !ternary.isEmpty else {
      self.init(verdict: .notApplicable, detail: result.firstProblem ?? "no tensor is ternary in both")
      return
    }
    let trits = ternary.reduce(0) { $0 + $1.shape.elementCount }
    let how =
      switch referenceKind {
      case .packed: "trits and scales are those of the reference"
      case .ternaryDense: "trits are the signs of the reference, scales its magnitude"
      case .latent, .ordinary, .undetermined: "trits and scales are those of \(result.quantizer) of the reference"
      }
    let wrong = ternary.count { $0.outcome == .differs }
    self.init(
      verdict: !result.passed ? .differs : result.rounding.isEmpty ? .exact : .rounded,
      detail: result.passed
        ? "\(how), in \(ternary.count) tensors; all others are equal; \(result.parts.verdict)"
        : (wrong > 0 ? "\(wrong) of \(ternary.count) ternary tensors differ; " : "")
          + (result.firstProblem ?? "the models differ"),
      quantizer: referenceKind == .packed || referenceKind == .ternaryDense ? nil : result.quantizer,
      tensors: ternary.count, trits: trits, mismatches: ternary.reduce(0) { $0 + $1.mismatches }, wrongTensors: wrong,
      parts: result.parts.findings)
  }
}
