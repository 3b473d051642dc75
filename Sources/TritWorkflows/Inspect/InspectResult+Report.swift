// Tritsmith: an inspection as a report.

import TritCore
import TritReport

extension InspectResult {
  /// The report of `tritsmith inspect`, schema `tritsmith.inspect` 1.
  public var report: ReportDocument {
    var report = ReportDocument(
      title: "Model \(manifest.path)", schema: ReportSchema("tritsmith.inspect", version: 1), primaryTable: "tensors")
    report.append(modelFacts)
    report.append(scaleFacts)
    report.append(sizeFacts)
    if let tokenizer = GGUFTokenizerSummary(manifest) { report.append(tokenizer.facts) }
    if let recipe { report.append(InspectResult.recipeFacts(recipe)) }
    for note in manifest.notes { report.note(.warning, note) }
    if let className = survey.className, survey.architecture == nil {
      report.note(.warning, "model class '\(className)' is not known; roles follow the usual tensor names")
    }
    if !manifest.entries.isEmpty { report.append(MetadataTable.table(manifest.entries, limit: 6, width: 100)) }
    report.append(tensorTable)
    return report
  }

  private var modelFacts: ReportFacts {
    var facts = ReportFacts(
      key: "model",
      [
        ReportFact("Path", .text(manifest.path)),
        ReportFact("Format", .text(manifest.format.rawValue)),
        ReportFact("Kind", .text(survey.kind.rawValue), note: survey.kind.phrase),
      ])
    for (index, evidence) in survey.evidence.enumerated() {
      facts.append(ReportFact("Because", .text(evidence), key: "kind_evidence_\(index + 1)"))
    }
    facts.append(ReportFact("Class", .optional(survey.className)))
    facts.append(ReportFact("Family", .optional(survey.architecture?.family)))
    if let quantization = survey.quantization {
      facts.append(
        ReportFact("Linear class", .text(quantization.linearClass.rawValue), note: quantization.mode.rawValue))
    }
    return facts
  }

  private var scaleFacts: ReportFacts {
    var facts = ReportFacts(key: "scale", title: "Scale convention")
    let finding = manifest.scaleFinding
    guard !finding.evidence.isEmpty else {
      facts.append(ReportFact("Convention", .missing, note: "there is no packed tensor"))
      return facts
    }
    for fact in finding.facts(label: "Convention") { facts.append(fact) }
    return facts
  }

  private var sizeFacts: ReportFacts {
    ReportFacts(
      key: "size", title: "Size",
      [
        ReportFact("Files", .integer(manifest.files.count)),
        ReportFact("File bytes", .bytes(fileBytes)),
        ReportFact("Tensors", .integer(manifest.tensors.count)),
        ReportFact("Tensor bytes", .bytes(UInt64(tensorBytes))),
        ReportFact("Logical parameters", .integer(logicalParameters), note: "packed tensors counted unpacked"),
        ReportFact("Bits per weight", .number(bitsPerWeight), kind: .decimal(digits: 3), note: "embeddings included"),
      ])
  }

  private static func recipeFacts(_ recipe: JSONObject) -> ReportFacts {
    var facts = ReportFacts(key: "recipe", title: "Made by")
    for entry in recipe.entries {
      switch entry.value {
      case .string(let text): facts.append(ReportFact(entry.key, .text(text), key: entry.key))
      case .array(let elements) where elements.contains(where: { $0.object != nil }):
        for (index, element) in elements.enumerated() {
          guard let object = element.object else { continue }
          let text = [object["name"]?.string, object["sha256"]?.string].compactMap { $0 }.joined(separator: "  ")
          facts.append(ReportFact("source", .text(text), key: "source_\(index + 1)"))
        }
      case .array(let elements) where !elements.isEmpty:
        facts.append(ReportFact(entry.key, .list(elements.map { .optional($0.string) }), key: entry.key))
      default: break
      }
    }
    return facts
  }

  private var tensorTable: ReportTable {
    var columns = [
      ReportColumn("name", "Tensor"), ReportColumn("role", "Role"), ReportColumn("shape", "Shape"),
      ReportColumn("encoding", "Encoding"), ReportColumn("bytes", "Bytes", kind: .bytes),
      ReportColumn("scale", "Scale", kind: .significant(digits: 6)),
    ]
    if hasStatistics { columns += InspectResult.statisticsColumns }
    var table = ReportTable(key: "tensors", title: "Tensors", columns: columns)
    for tensor in tensors {
      let shape = tensor.descriptor.shape.dimensions.map { ReportValue.integer($0) }
      let scale = tensor.scale.flatMap { $0.granularity == .tensor ? Double($0.stored[0]) : nil }
      var row: [ReportValue] = [
        .text(tensor.descriptor.name), .text(tensor.role.name), .list(shape), .text(tensor.descriptor.encoding.name),
        .bytes(UInt64(tensor.descriptor.storedBytes)), .optional(scale),
      ]
      if hasStatistics { row += InspectResult.cells(tensor.statistics) }
      table.append(row)
    }
    return table
  }

  private static let statisticsColumns = [
    ReportColumn("min", "Min", kind: .significant(digits: 5)),
    ReportColumn("max", "Max", kind: .significant(digits: 5)),
    ReportColumn("mean", "Mean", kind: .significant(digits: 5)),
    ReportColumn("absmean", "Absmean", kind: .significant(digits: 5)),
    ReportColumn("rms", "RMS", kind: .significant(digits: 5)),
    ReportColumn("std", "Std", kind: .significant(digits: 5)),
    ReportColumn("zeros", "Zeros", kind: .integer),
    ReportColumn("nonfinite", "Nonfinite", kind: .integer),
    ReportColumn("minus_one", "−1", kind: .integer),
    ReportColumn("zero", "0", kind: .integer),
    ReportColumn("plus_one", "+1", kind: .integer),
    ReportColumn("invalid_codes", "Invalid", kind: .integer),
    ReportColumn("entropy", "Entropy", kind: .decimal(digits: 4), unit: "bits"),
    ReportColumn("edge_density", "Edge density", kind: .decimal(digits: 2)),
  ]

  private static func cells(_ statistics: TensorStatistics?) -> [ReportValue] {
    guard let statistics else { return [ReportValue](repeating: .missing, count: statisticsColumns.count) }
    let ternary = statistics.ternary
    func count(_ value: Int?) -> ReportValue { value.map { .integer($0) } ?? .missing }
    return [
      .number(statistics.minimum), .number(statistics.maximum), .number(statistics.mean), .number(statistics.absmean),
      .number(statistics.rms), .number(statistics.standardDeviation), .integer(statistics.zeros),
      .integer(statistics.nonfinite), count(ternary?.negative), count(ternary?.zero), count(ternary?.positive),
      count(ternary?.invalid), .optional(ternary?.entropy), .optional(statistics.edgeDensity),
    ]
  }
}
