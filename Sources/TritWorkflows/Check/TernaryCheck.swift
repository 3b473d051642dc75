// Tritsmith: trits, scales, and leftovers of a half conversion.

import TritCore
import TritFormats
import TritModel

/// Checks that packed weights and scales belong together and mean something.
struct TernaryCheck {
  let source: any TensorSource
  let survey: ModelSurvey

  /// A scale this many times the median of its kind, or less than its inverse, is an outlier.
  private static let outlier = 4.0

  func run() throws -> [CheckFinding] {
    var findings: [CheckFinding] = []
    let tensors = source.manifest.tensors
    let modules = survey.quantization?.modulesToNotConvert ?? []
    var dense: [String] = []
    // Another method's files are no half conversion; `ConfigurationCheck` names the method.
    guard ForeignQuantization(configuration: source.manifest.configuration) == nil else { return [] }
    let known = Set(
      tensors.filter(ForeignPacking.hasScales).flatMap { ForeignPacking.scaleNames(of: $0.name) }.map {
        ExactString($0)
      })
    for (tensor, role) in zip(tensors, survey.roles) {
      if tensor.name.hasSuffix("weight_scale"), !known.contains(ExactString(tensor.name)) {
        findings.append(
          CheckFinding(
            .scaleOrphan, tensor.name, "a scale without packed weights: half of a conversion is missing or undone"))
      }
      if tensor.encoding == ForeignPacking.withoutScale {
        findings.append(
          CheckFinding(
            .scaleMissing, tensor.name, "packed as the others are, and '\(tensor.name)_scale' is not there"))
        continue
      }
      if ForeignPacking.hasScales(tensor) {
        let scale = ForeignPacking.scaleNames(of: tensor.name).lazy.compactMap(source.manifest.tensor(named:)).first
        let found = scale.map { "'\($0.name)' is \($0.encoding.name) \($0.shape)" } ?? "it has others"
        findings.append(
          CheckFinding(.scaleUnusable, tensor.name, "packed BitNet weights have one number for a scale; \(found)"))
        continue
      }
      guard role.isProjection, tensor.shape.isMatrix, !tensor.encoding.isTernary else { continue }
      if tensor.encoding.dtype.map({ !$0.isFloatWeight }) == true {
        findings.append(
          CheckFinding(
            .scaleMissing, tensor.name,
            "stored as \(tensor.encoding.name), as packed weights are, without '\(tensor.name)_scale'"))
        continue
      }
      // `model.layers.0.mlp.up_proj`, as the configuration names modules.
      let module = String(tensor.name.dropLast(".weight".count))
      if !modules.contains(where: { module == $0 || module.hasPrefix($0 + ".") || module.hasSuffix($0) }) {
        dense.append(tensor.name)
      }
    }
    let packed = tensors.filter { $0.encoding.isTernary }
    guard !packed.isEmpty else { return findings }
    if !dense.isEmpty {
      findings.append(
        CheckFinding(
          .mixedForms, "",
          "\(packed.count) tensors are packed, \(dense.count) projections are not: \(CheckWorkflow.list(dense))"))
    }
    let finding = source.manifest.scaleFinding
    guard packed.allSatisfy({ $0.scale?.convention != nil }) else {
      let evidence = finding.evidence.map(\.detail).joined(separator: "; ")
      findings.append(
        CheckFinding(
          .conventionUnknown, "",
          (finding.isConflicting ? "the evidence conflicts: " : "nothing tells: ") + evidence))
      return findings
    }
    return findings + (try scaleFindings())
  }

  private func scaleFindings() throws -> [CheckFinding] {
    var findings: [CheckFinding] = []
    var byKind: [ProjectionKind: [(name: String, value: Double)]] = [:]
    for (tensor, role) in zip(source.manifest.tensors, survey.roles) where tensor.encoding.isTernary {
      let scale: TernaryScale
      do {
        scale = try source.scale(of: tensor)
      } catch let error as any DiagnosticError where error.category == .malformedInput {
        findings.append(CheckWorkflow.finding(.scaleUnusable, error))
        continue
      }
      let bad = scale.multipliers.first { !$0.isFinite || $0 < 0 || ($0 == 0 && scale.granularity == .tensor) }
      if let bad {
        findings.append(CheckFinding(.scaleUnusable, tensor.name, "a trit is multiplied by \(bad)"))
        continue
      }
      guard case .projection(_, let kind) = role, scale.granularity == .tensor else { continue }
      byKind[kind, default: []].append((tensor.name, Double(scale.multiplier())))
    }
    for kind in ProjectionKind.allCases {
      let values = byKind[kind, default: []]
      // The median of fewer says little.
      guard values.count >= 3 else { continue }
      let median = values.map(\.value).sorted()[values.count / 2]
      for (name, value) in values where value > median * TernaryCheck.outlier || value < median / TernaryCheck.outlier {
        findings.append(
          CheckFinding(
            .scaleOutlier, name, "trits are multiplied by \(value), the median of \(kind.rawValue) is \(median)"))
      }
    }
    return findings
  }
}
