// Tritsmith: an inspection as a page.

import TritCore
import TritModel
import TritReport
import TritSurvey

extension InspectResult {
  /// The page of `tritsmith inspect --html`: verdict, sizes, weights, then the tables of the report.
  package var page: ReportDocument {
    let report = report
    var page = ReportDocument(
      title: pageTitle, schema: report.schema, verdict: verdict(withEvidence: true), primaryTable: "tensors")
    page.append(keyFigures)
    for note in report.blocks {
      if case .note(let severity, let text) = note { page.note(severity, text) }
    }
    page.heading("Where the bytes are")
    RoleSizes(self).append(to: &page)
    let plots = WeightPlots(self)
    if !plots.isEmpty {
      page.heading("Weights")
      plots.append(to: &page)
    }
    page.heading("Tensors")
    var table = tensorTable(withStatistics: tensors.contains { $0.statistics != nil })
    table.title = nil
    page.append(table)
    page.heading("The file")
    for block in report.blocks {
      switch block {
      case .facts(let facts): page.append(facts)
      case .table(let table) where table.key == "metadata": page.append(table)
      default: break
      }
    }
    page.folded = ["The file"]
    page.glossary = InspectResult.glossary
    return page
  }

  /// The end of the path: it names the model, and what is before it is in the facts.
  private var pageTitle: String {
    let parts = manifest.path.split(separator: "/").filter { $0 != "." && $0 != ".." }
    return parts.isEmpty ? manifest.path : parts.suffix(2).joined(separator: "/")
  }

  private static var glossary: [ReportDefinition] {
    let latent = ReportDefinition(
      id: "latent-weight", term: "Latent weight",
      text: "The number training moves and quantization turns into a trit: round(w/γ) within −1 to 1, γ being the mean "
        + "magnitude of the tensor. Weights within ±½ γ become 0.")
    let metrics: [Metric] = [
      .effectiveBits, .tritShares, .entropy, .storedScale, .scaleConvention, .edgeDensity, .moments,
    ]
    return [latent] + Metric.glossary(metrics)
  }

  // MARK: - Verdict

  /// What the model is and how large, and what is odd about it; with the evidence where no table of facts has it. A page
  /// shows by its colour that something is odd; in text no "warning:" stands before what the model is.
  func verdict(withEvidence hasEvidence: Bool) -> ReportVerdict {
    if let count = vocabularyAlone {
      return ReportVerdict(
        .info, "A vocabulary without a model: \(NumberText.grouped(count)) tokens in \(NumberText.bytes(fileBytes)).")
    }
    let kind =
      switch survey.kind {
      case .packed: "A packed ternary model"
      case .latent: "Latent weights of a BitNet model, to be quantized or fine-tuned"
      case .ternaryDense: "A ternary model stored as dense numbers"
      case .ordinary:
        survey.binaryType.map { "A model of binary weights (\($0)), not a ternary one" } ?? "An ordinary dense model"
      case .undetermined: "A model of undetermined kind"
      }
    let parameters =
      NumberText.grouped(logicalParameters) + (undecoded.areAllKnown ? " parameters" : " stored numbers")
    let bits = NumberText.fixed(bitsPerWeight, digits: 2)
    let odd = oddities
    let points =
      (hasEvidence ? survey.evidence + [conventionPoint].compactMap { $0 } : []) + odd
      + [hasEvidence || hasStatistics ? unscaled : nil].compactMap { $0 }
    return ReportVerdict(
      odd.isEmpty || !hasEvidence ? .info : .warning,
      (part.map { "Shard \($0.number) of \($0.count), without the others. " } ?? "")
        + "\(kind)\(rotation == nil && !isRotated ? "" : " whose weights are rotated"): \(parameters) in "
        + "\(NumberText.bytes(fileBytes)), \(bits) bits per weight.", points: points)
  }

  private var conventionPoint: String? {
    let finding = manifest.scaleFinding
    guard !finding.evidence.isEmpty else { return nil }
    switch finding.convention {
    case .divide: return "Scales divide: a weight is trit ÷ stored scale."
    case .multiply: return "Scales multiply: a weight is trit × stored scale."
    case nil: return nil
    }
  }

  /// What a reader should know before trusting the model.
  private var oddities: [String] {
    var odd: [String] = []
    func tell(_ what: String, where matches: (InspectedTensor) -> Bool) {
      let found = tensors.filter(matches)
      guard let first = found.first else { return }
      let rest = found.count > 1 ? " and \(found.count - 1) more" : ""
      odd.append("\(what): \(first.descriptor.name)\(rest)")
    }
    tell("NaN or infinite values") { ($0.statistics?.nonfinite ?? 0) > 0 }
    tell("Codes that are no trit") { ($0.statistics?.ternary?.invalid ?? 0) > 0 }
    tell("Nothing but zeros") { $0.statistics.map { $0.count > 0 && $0.zeros == $0.count } ?? false }
    let finding = manifest.scaleFinding
    if !finding.evidence.isEmpty && finding.convention == nil {
      odd.append(
        "The meaning of stored scales is \(finding.isConflicting ? "contradicted by the evidence" : "not known")")
    }
    if let doubt = finding.doubt { odd.append("The meaning of stored scales is doubtful: \(doubt)") }
    if survey.className == nil {
      let named = manifest.entry(GGUFDescription.architectureKey)?.string
      odd.append(
        named.map { "The architecture '\(printable($0, limit: 60))' gives no model class" } ?? "No model class is named"
      )
    }
    return odd
  }

  // MARK: - Key figures

  private var keyFigures: ReportFacts {
    var facts = ReportFacts(key: "figures", isKeyFigures: true)
    facts.append(
      ReportFact(
        "Parameters", .integer(logicalParameters),
        note: undecoded.areAllKnown ? "packed ones unpacked" : "numbers as stored: some are not decoded",
        explanation: "Numbers of all tensors; a packed tensor counts its trits, and scales are not counted."))
    facts.append(
      ReportFact(
        "On disk", .bytes(fileBytes), note: manifest.files.count == 1 ? "one file" : "\(manifest.files.count) files",
        explanation: "Bytes of the weight files, headers included."))
    facts.append(
      ReportFact(
        "Bits per weight", .number(bitsPerWeight), kind: .decimal(digits: 2), note: "embeddings included",
        definition: "effective-bits"))
    let ternary = tensors.compactMap { $0.statistics?.ternary }
    let trits = ternary.reduce(0) { $0 + $1.negative + $1.zero + $1.positive }
    guard trits > 0 else { return facts }
    facts.append(
      ReportFact(
        "Ternary weights", .number(Double(trits) / Double(max(1, logicalParameters))), kind: .fraction(digits: 1),
        note: "of all parameters", explanation: "Share of the parameters that are −1, 0 or +1 times a scale."))
    facts.append(
      ReportFact(
        "Zeros among trits", .number(Double(ternary.reduce(0) { $0 + $1.zero }) / Double(trits)),
        kind: .fraction(digits: 1), definition: "trit-shares"))
    return facts
  }
}
