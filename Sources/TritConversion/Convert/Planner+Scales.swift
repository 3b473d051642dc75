// Tritsmith: scales of a folder, held against what it says of them.

import TritCore
import TritFormats
import TritSurvey

extension Planner {
  /// Refuses scales whose numbers speak against the meaning a folder would state: no reader would take it.
  ///
  /// Scales that are yet to be computed, or to come over a network, are left to the audit.
  func checkScales(_ tensors: [PlannedTensor], _ convention: ScaleConvention) throws {
    let ternary = tensors.filter(\.encoding.isTernary)
    guard request.target == .hfPacked, sampler == nil, ternary.allSatisfy({ $0.step == .repack }) else { return }
    var stored: [Float] = []
    for tensor in ternary {
      stored += try (tensor.outputScale ?? source.scale(of: tensor.source)).stored
      // One that does not speak against it is enough.
      guard stored.allSatisfy({ $0 == 0 }) || ScaleEvidence.magnitude(of: stored).denies(convention) else { return }
    }
    let numbers = ScaleEvidence.magnitude(of: stored)
    guard numbers.denies(convention) else { return }
    throw WorkflowError(
      .scalesDenied(convention, numbers: numbers.detail, from: source.scaleOrigin), file: source.manifest.path)
  }
}

extension ConvertWorkflow {
  /// The same of a folder that was written; nil where it is sound.
  static func deniedScales(_ output: any TensorSource, _ plan: ConversionPlan, _ source: any TensorSource)
    -> WorkflowError?
  {
    let finding = output.manifest.scaleFinding
    guard finding.convention == nil, finding.isConflicting,
      let numbers = finding.evidence.first(where: { $0.origin == .magnitude && $0.denies(plan.convention) })
    else { return nil }
    let origin = plan.quantizes ? ScaleOrigin.weights : source.scaleOrigin
    return WorkflowError(
      .scalesDenied(plan.convention, numbers: numbers.detail, from: origin), file: source.manifest.path)
  }
}

extension ScaleEvidence {
  /// Whether it speaks for the other meaning.
  fileprivate func denies(_ convention: ScaleConvention) -> Bool { self.convention.map { $0 != convention } ?? false }
}

extension TensorSource {
  fileprivate var scaleOrigin: ScaleOrigin { manifest.scaleFinding.isChosen ? .option : .file }
}
