// Tritsmith: trits, scales, and leftovers of a half conversion.

import Synchronization
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritReport
import TritSurvey

/// Checks that packed weights and scales belong together and mean something.
package struct TernaryCheck {
  let source: any TensorSource
  let survey: ModelSurvey
  /// Leaves scales alone that have to be read over a network: whoever reads the tensors looks at them then.
  let leavesRemoteScales: Bool
  let parallelism = Parallelism(threads: 0)

  package init(source: any TensorSource, survey: ModelSurvey, leavesRemoteScales: Bool = false) {
    (self.source, self.survey, self.leavesRemoteScales) = (source, survey, leavesRemoteScales)
  }

  func run() throws -> [CheckFinding] { headerFindings() + (areScalesKnown ? try scaleFindings() : []) }

  /// Whether it is known what the scales of packed tensors mean.
  private var areScalesKnown: Bool {
    let packed = source.manifest.tensors.filter(\.encoding.isTernary)
    return ForeignQuantization(configuration: source.manifest.configuration) == nil && !packed.isEmpty
      && packed.allSatisfy { $0.scale?.convention != nil }
  }

  /// What needs no number of a scale.
  func headerFindings() -> [CheckFinding] {
    // Another method's files are no half conversion; `ConfigurationCheck` names the method.
    guard ForeignQuantization(configuration: source.manifest.configuration) == nil else { return [] }
    var findings: [CheckFinding] = []
    let tensors = source.manifest.tensors
    let permission = DensePermission(configuration: source.manifest.configuration)
    var dense: [String] = []
    var listed: [TensorDescriptor] = []
    let scalesOfPacked = Set(
      tensors.filter(ForeignPacking.hasScales).flatMap { ForeignPacking.scaleNames(of: $0.name) }.map {
        ExactString($0)
      })
    for (tensor, role) in zip(tensors, survey.roles) {
      if tensor.name.hasSuffix("weight_scale"), !scalesOfPacked.contains(ExactString(tensor.name)) {
        findings.append(
          CheckFinding(
            .scaleOrphan, tensor.name, "a scale without packed weights: half of a conversion is missing or undone"))
      }
      if tensor.encoding != ForeignPacking.withoutScale, isListed(tensor) {
        listed.append(tensor)
      } else if let finding = storageFinding(tensor, role) {
        findings.append(finding)
      } else if role.isProjection, tensor.shape.isMatrix, !tensor.encoding.isTernary, !permission.allows(tensor.name) {
        dense.append(tensor.name)
      }
    }
    findings += listedFindings(listed)
    let packed = tensors.filter { $0.encoding.isTernary }
    guard !packed.isEmpty else { return findings }
    if !dense.isEmpty { findings.append(mixedForms(dense, packedCount: packed.count)) }
    let scales = source.manifest.scaleFinding
    if !areScalesKnown {
      let evidence = scales.evidence.map(\.detail).joined(separator: "; ")
      findings.append(
        CheckFinding(
          .conventionUnknown, "",
          (scales.isConflicting ? "the evidence conflicts: " : "nothing states it: ") + evidence
            + "; --scale-convention says it"))
    }
    if let doubt = scales.doubt { findings.append(CheckFinding(.conventionUnknown, "", doubt, severity: .warning)) }
    return findings
  }

  /// What is wrong with the bytes of one tensor and the scale that has to stand beside them.
  private func storageFinding(_ tensor: TensorDescriptor, _ role: TensorRole) -> CheckFinding? {
    if tensor.encoding == ForeignPacking.withoutScale {
      return CheckFinding(
        .scaleMissing, tensor.name, "packed as the others are, and '\(tensor.name)_scale' is not there")
    }
    if ForeignPacking.hasScales(tensor) {
      let scale = ForeignPacking.scaleNames(of: tensor.name).lazy.compactMap(source.manifest.tensor(named:)).first
      let found = scale.map { "'\($0.name)' is \($0.encoding.name) \($0.shape)" } ?? "it has others"
      return CheckFinding(.scaleUnusable, tensor.name, "packed BitNet weights have one number for a scale; \(found)")
    }
    if HFPacked.isUnloadable(tensor.encoding, role) {
      return CheckFinding(.quantization, tensor.name, HFPacked.linearOnly)
    }
    if role.isProjection, tensor.shape.isMatrix, let dtype = tensor.encoding.dtype, !dtype.isFloatWeight {
      return CheckFinding(
        .scaleMissing, tensor.name,
        "stored as \(tensor.encoding.name), as packed weights are, without '\(tensor.name)_scale'")
    }
    return nil
  }

  private func mixedForms(_ dense: [String], packedCount: Int) -> CheckFinding {
    let isListWrong = TernaryCheck.isUnloadable(dense, survey.quantization, source.manifest)
    return CheckFinding(
      .mixedForms, "",
      plural(packedCount, "tensor is", "tensors are") + " packed, "
        + plural(dense.count, "projection is", "projections are") + " not: \(ModelChecks.list(dense))"
        + (isListWrong ? "; no loader takes them: add them to \(HFQuantization.listKey)" : ""),
      severity: isListWrong ? .error : nil)
  }

  /// Whether no loader takes dense projections that a list leaves unnamed: what a configuration calls ternary layers are
  /// bytes, or have a scale beside them.
  private static func isUnloadable(
    _ dense: [String], _ quantization: HFQuantization?, _ manifest: ModelManifest
  ) -> Bool {
    guard let quantization, quantization.mode == .offline else { return false }
    return dense.contains {
      quantization.linearClass == .bitlinear || manifest.tensor(named: $0 + "_scale") == nil
    }
  }

  /// Dense projections among packed ones that the configuration does not name, though no loader takes them as they are.
  static func unlisted(_ source: any TensorSource, _ quantization: HFQuantization?) -> [String] {
    let manifest = source.manifest
    guard quantization?.mode == .offline, manifest.tensors.contains(where: \.encoding.isTernary) else { return [] }
    let permission = DensePermission(configuration: manifest.configuration)
    let dense = manifest.tensors.filter {
      $0.shape.isMatrix && $0.encoding.dtype?.isFloatWeight == true && !permission.allows($0.name)
        && ArchitectureRegistry.role(of: $0.name).isProjection
    }.map(\.name)
    return isUnloadable(dense, quantization, manifest) ? dense : []
  }

  /// Whether the scales of a tensor have to be read over a network.
  package static func isRemoteScale(of tensor: TensorDescriptor, in source: any TensorSource) -> Bool {
    // Those of packed safetensors came with the headers.
    guard tensor.encoding.isTernary, source.isRemote else { return false }
    return source.manifest.format != SafetensorsFormat.id || tensor.scale?.biases != nil
  }

  /// Whether weights are of a type that is listed and not read.
  private func isListed(_ tensor: TensorDescriptor) -> Bool {
    MLXPacking.isPlain(tensor.encoding) || tensor.unreadReason != nil || MLXPacking.isUnsaid(tensor, source.manifest)
  }

  /// One finding for all such weights that are stored alike: what they hold was not looked at.
  private func listedFindings(_ tensors: [TensorDescriptor]) -> [CheckFinding] {
    let unsaid = TensorEncoding.opaque("packed without an entry")
    let alike = Dictionary(grouping: tensors) { tensor in
      // Whatever their scales make of it, they lack the same thing.
      MLXPacking.isUnsaid(tensor, source.manifest) ? unsaid : tensor.encoding
    }.sorted { $0.key.name < $1.key.name }
    return alike.map { encoding, tensors in
      let names = tensors.map(\.name)
      let one = names.count == 1
      let text = "\(names.count) \(one ? "tensor" : "tensors"), \(ModelChecks.list(names)), \(one ? "is" : "are") "
      if let reason = tensors[0].unreadReason {
        return CheckFinding(
          .dtype, names[0], text + "\(encoding.name), which is not read: \(reason)", severity: .error)
      }
      guard encoding != unsaid else {
        return CheckFinding(.quantization, MLXQuantization.key, text + "U32: \(MLXFault.noEntry.summary)")
      }
      if MLXPacking.isDamaged(encoding) { return CheckFinding(.damaged, names[0], text + MLXPacking.damageText) }
      let why = names.lazy.compactMap { MLXPacking.reason(of: $0, in: source.manifest.notes) }.first
      return CheckFinding(
        .rounded, names[0], text + MLXPacking.meaning(encoding) + ", and no trits" + (why.map { ": \($0)" } ?? ""))
    }
  }

  private func scaleFindings() throws -> [CheckFinding] {
    let tensors = zip(source.manifest.tensors, survey.roles).filter { tensor, _ in
      tensor.encoding.isTernary && !(leavesRemoteScales && TernaryCheck.isRemoteScale(of: tensor, in: source))
    }
    // There may be millions of scales.
    let found = Mutex(Array(repeating: (finding: CheckFinding?.none, singles: SingleScales()), count: tensors.count))
    try parallelism.forEachBand(tensors.count) { index in
      var singles = SingleScales()
      let finding = try scaleFinding(tensors[index].0, tensors[index].1, &singles)
      found.withLock { $0[index] = (finding, singles) }
    }
    let all = found.withLock { $0 }
    let singles = SingleScales(all.map(\.singles))
    // Of a folder the configuration is held against the numbers when it is opened.
    let inverted = source.manifest.format == SafetensorsFormat.id ? nil : singles.inverted
    return all.compactMap(\.finding) + singles.outliers + [inverted].compactMap { $0 }
  }

  /// What is wrong with the scales of one tensor; one that is alone is kept to be held against the others.
  package func scaleFinding(
    _ tensor: TensorDescriptor, _ role: TensorRole, _ singles: inout SingleScales
  ) throws -> CheckFinding? {
    let scale: TernaryScale
    do {
      scale = try source.scale(of: tensor)
    } catch let error as any DiagnosticError where error.category == .malformedInput {
      return ModelChecks.finding(.scaleUnusable, error)
    }
    let multipliers = scale.multipliers
    if let bad = multipliers.first(where: { !$0.isFinite || $0 < 0 }) {
      return CheckFinding(.scaleUnusable, tensor.name, "a trit is multiplied by \(bad)")
    }
    // Half of all forms store the inverse, which must be a number as well.
    if multipliers.contains(where: { !TernaryCheck.hasInverse($0) }), let detail = try lostWeights(tensor, scale) {
      return CheckFinding(.scaleUnusable, tensor.name, detail)
    }
    if scale.convention == .divide, scale.stored.contains(0) {
      var finding = CheckFinding(.scaleUnusable, tensor.name, TernaryCheck.zeroDivisor)
      finding.isMendedByConversion = true
      return finding
    }
    // Of a matrix of zeros the scale says nothing.
    if case .projection(_, let kind) = role, scale.granularity == .tensor, scale.multiplier() > 0 {
      singles.byKind[kind, default: []].append((tensor.name, Double(scale.multiplier())))
    }
    return nil
  }

  private static let zeroDivisor =
    "the divisor is 0, and so are the trits: programs that divide by it compute NaN (0/0) in every logit; "
    + "'tritsmith convert' writes a sound scale in its place"

  private static func hasInverse(_ multiplier: Float) -> Bool { (1 / multiplier).isFinite }

  /// Weights that no scale is left of although their trits are not 0, being 0 or too small; nil when there are none.
  private func lostWeights(_ tensor: TensorDescriptor, _ scale: TernaryScale) throws -> String? {
    let units = try LiveUnits(scale.granularity, tensor.shape) {
      try IndependentDecoder.trits($0, of: tensor, in: source)
    }
    guard let live = units else { return nil }
    let lost = live.isLive.indices.filter { live.isLive[$0] && !TernaryCheck.hasInverse(scale.multiplier(at: $0)) }
    guard let first = lost.first else { return nil }
    let (row, column) = live.grid.place(first)
    guard lost.allSatisfy({ scale.multiplier(at: $0) == 0 }) else {
      let place = scale.granularity == .tensor ? "" : " at row \(row), column \(column)"
      return "the scale\(place) is \(scale.multiplier(at: first)), whose inverse is not finite, and the trits are not 0"
    }
    return scale.granularity == .tensor
      ? "the scale is 0, and the trits are not"
      : "\(grouped(lost.count)) of \(grouped(live.grid.count)) scales are 0 over trits that are not, the first at row \(row), "
        + "column \(column)"
  }
}

/// What trits of whole tensors are multiplied by, each held against those of its kind.
package struct SingleScales {
  fileprivate(set) var byKind: [ProjectionKind: [(name: String, value: Double)]] = [:]

  package init() {}

  /// Those of several, in order.
  fileprivate init(_ parts: [SingleScales]) {
    for part in parts { byKind.merge(part.byKind) { $0 + $1 } }
  }

  /// A scale this many times the median of its kind, or less than its inverse, is an outlier.
  private static let outlier = 4.0

  /// Said of multipliers that are all above 1: a mean of |w| is below in real models.
  fileprivate var inverted: CheckFinding? {
    let values = byKind.values.joined().map(\.value)
    guard values.count >= 3, let low = values.min(), let high = values.max(), low > 1 else { return nil }
    let range = [low, high].map { NumberText.significant($0, digits: 4) }.joined(separator: " to ")
    return CheckFinding(
      .conventionUnknown, "",
      "trits are multiplied by \(range), all above 1 as the inverse of a scale is: a wrong --scale-convention leaves that",
      severity: .warning)
  }

  package var outliers: [CheckFinding] {
    var findings: [CheckFinding] = []
    for kind in ProjectionKind.allCases {
      let values = byKind[kind, default: []]
      // The median of fewer says little.
      guard values.count >= 3 else { continue }
      let median = values.map(\.value).sorted()[values.count / 2]
      for (name, value) in values where value > median * SingleScales.outlier || value < median / SingleScales.outlier {
        let (own, usual) = (NumberText.significant(value, digits: 4), NumberText.significant(median, digits: 4))
        let text = "trits are multiplied by \(own), the median of \(kind.rawValue) is \(usual)"
        findings.append(CheckFinding(.scaleOutlier, name, text))
      }
    }
    return findings
  }
}
