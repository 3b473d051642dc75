// Tritsmith: an inspection as a report.

import TritConversion
import TritCore
import TritModel
import TritReport
import TritSurvey

extension InspectResult {
  /// The report of `tritsmith inspect`, schema `tritsmith.inspect` 2.
  public var report: ReportDocument {
    var report = ReportDocument(
      title: "Model \(manifest.path)", schema: ReportSchema("tritsmith.inspect", version: 2),
      verdict: verdict(withEvidence: false), primaryTable: "tensors")
    report.append(modelFacts)
    report.append(scaleFacts)
    // What to do next comes last of what is shown first.
    if let rotation {
      report.append(InspectResult.rotationFacts(rotation))
    } else if let storedRotation {
      report.append(InspectResult.rotationFacts(storedRotation))
    }
    report.append(overview)
    if !manifest.typeFindings.isEmpty { report.append(typeFacts) }
    report.append(sizeFacts)
    if let tokenizer = GGUFTokenizerSummary(manifest) { report.append(tokenizer.facts) }
    if let recipe { report.append(InspectResult.recipeFacts(recipe)) }
    for note in manifest.notes { report.note(.warning, note) }
    if let className = survey.className, survey.architecture == nil {
      report.note(.warning, "model class '\(className)' is not known; roles follow the usual tensor names")
    }
    if !manifest.entries.isEmpty { report.append(MetadataTable.table(manifest.entries, limit: 6, width: 100)) }
    // Who asks for statistics, or for some tensors, wants to see them.
    let alike = hasStatistics || tensors.count < manifest.tensors.count ? nil : alikeTable
    if let alike { report.append(alike) }
    report.append(tensorTable(withStatistics: hasStatistics))
    // The headline has the size. Those who ask for some tensors or for statistics want to see these: of many the layers
    // are told together.
    let isPart = tensors.count < manifest.tensors.count
    report.brief =
      if hasStatistics || isPart && tensors.count > InspectResult.mostListed {
        ReportBrief(proofKeys.union(isPart ? ["tensors"] : []), rows: ["tensors": Array(tensors.indices)])
      } else if isPart {
        ReportBrief(proofKeys.union(["tensors"]))
      } else {
        ReportBrief(overviewKeys.union(alike == nil ? ["tensors"] : []))
      }
    return report
  }

  /// Tensors that were asked for by name and are listed one by one on a screen.
  private static let mostListed = 12

  /// The tensors alone, every one of them.
  package var tensorListing: ReportDocument {
    let whole = report
    return ReportDocument(
      title: whole.title, schema: whole.schema, verdict: whole.verdict,
      blocks: [.table(tensorTable(withStatistics: hasStatistics))], primaryTable: whole.primaryTable)
  }

  private var modelFacts: ReportFacts {
    var facts = ReportFacts(
      key: "model",
      [
        ReportFact("Path", .text(manifest.path)),
        ReportFact("Format", .text(manifest.format.rawValue), note: typesByRole),
        ReportFact(
          "Kind", .text(survey.kind.rawValue), note: survey.kind == .undetermined ? nil : survey.kind.phrase),
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
    facts.append(chatFact)
    return facts
  }

  private var chatFact: ReportFact {
    let (value, note): (ReportValue, String?) =
      switch chatTemplate {
      case .shape(let shape): (.text(shape.rawValue), "followed by --chat")
      case .unknown(let why): (.text("unknown"), why)
      case nil: (.missing, "there is none")
      }
    return ReportFact("Chat template", value, key: "chat_template", note: note)
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

  /// What type numbers stand for that programs use for different things.
  private var typeFacts: ReportFacts {
    ReportFacts(
      key: "types", title: "Type numbers",
      manifest.typeFindings.map { finding in
        ReportFact(
          "Type \(finding.id)", .text(finding.name), key: "type_\(finding.id)", note: finding.detail)
      })
  }

  private static func rotationFacts(_ rotation: WeightRotation) -> ReportFacts {
    var facts = ReportFacts(
      key: "rotation", title: "Rotated weights",
      [
        ReportFact("Version", .integer(rotation.version)),
        ReportFact(
          "Block size", .integer(rotation.blockSize), note: "columns that a Walsh–Hadamard matrix was multiplied with"),
        ReportFact("Signs", .text(rotation.signs == nil ? "identity" : "explicit")),
        ReportFact("Rotated", .integer(rotation.products.count), note: "products, by name"),
        ReportFact("Embedding rotated", .bool(!rotation.embeddings.isEmpty)),
      ])
    if let heads = rotation.valueHeads {
      facts.append(
        ReportFact("Head groups", .integer(heads.groups), note: "the \(heads.heads) value heads are rotated by these"))
    }
    return facts
  }

  /// The same of signs beside the weights.
  private static func rotationFacts(_ rotation: StoredRotation) -> ReportFacts {
    let sizes = rotation.blockSizes
    let others = sizes.dropLast().map(String.init).joined(separator: ", ")
    return ReportFacts(
      key: "rotation", title: "Rotated weights",
      [
        ReportFact(
          "Block size", .integer(sizes.last ?? 0),
          note: "columns that a Walsh–Hadamard matrix was multiplied with"
            + (others.isEmpty ? "" : "; of some modules \(others)")),
        ReportFact("Signs", .text("explicit")), ReportFact("Rotated", .integer(rotation.count), note: "modules"),
      ])
  }

  private var sizeFacts: ReportFacts {
    ReportFacts(
      key: "size", title: "Size",
      [
        ReportFact("Files", .integer(manifest.files.count)),
        ReportFact("File bytes", .bytes(fileBytes), explanation: "Weight files with their headers."),
        ReportFact(
          "Tensors", .integer(manifest.tensors.count),
          note: tensors.count < manifest.tensors.count ? "\(grouped(tensors.count)) of them shown" : nil),
        ReportFact("Tensor bytes", .bytes(UInt64(tensorBytes)), explanation: "Without headers; scales included."),
        ReportFact(
          "Logical parameters", .integer(logicalParameters),
          note: undecoded.areAllKnown ? "packed tensors counted unpacked" : "numbers as stored: some are not decoded",
          explanation: "Numbers of all tensors; a packed tensor counts its trits, and scales are not counted."),
        ReportFact(
          "Bits per weight", .number(bitsPerWeight), .effectiveBits, kind: .decimal(digits: 3),
          note: "embeddings included"),
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

  /// Tensors that differ in their layer only, one row for all of them; nil where there are too many kinds to help.
  private var alikeTable: ReportTable? {
    struct Alike: Hashable {
      var name: String
      var shape: TensorShape
      var encoding: String
    }
    var order: [Alike] = []
    var members: [Alike: (count: Int, bytes: UInt64, scales: [Double])] = [:]
    for tensor in tensors {
      let name = tensor.descriptor.name.split(separator: ".", omittingEmptySubsequences: false)
        .map { Int($0) == nil ? String($0) : "*" }.joined(separator: ".")
      let key = Alike(name: name, shape: tensor.descriptor.shape, encoding: tensor.descriptor.encoding.name)
      if members[key] == nil { order.append(key) }
      guard order.count <= 100 else { return nil }
      members[key, default: (0, 0, [])].count += 1
      members[key]?.bytes += UInt64(tensor.descriptor.storedBytes)
      if let scale = tensor.scale, scale.granularity == .tensor { members[key]?.scales.append(Double(scale.stored[0])) }
    }
    var table = ReportTable(
      key: "alike", title: "Kinds of tensors",
      columns: [
        ReportColumn("name", "Tensor"), ReportColumn("count", "Count", kind: .integer), ReportColumn("shape", "Shape"),
        ReportColumn("encoding", "Encoding"), ReportColumn("bytes", "Bytes", kind: .bytes),
        ReportColumn("least_scale", "Scale from", kind: .significant(digits: 4)),
        ReportColumn("largest_scale", "to", kind: .significant(digits: 4)),
      ])
    for key in order {
      guard let found = members[key] else { continue }
      table.append([
        .text(key.name), .integer(found.count), .list(key.shape.dimensions.map { .integer($0) }), .text(key.encoding),
        .bytes(found.bytes), .optional(found.scales.min()), .optional(found.scales.max()),
      ])
    }
    return table
  }

  /// Which values in the statistics are no weights; nil where all are.
  var unscaled: String? {
    let count = tensors.count { tensor in
      tensor.descriptor.encoding.isTernary && tensor.statistics?.ternary.map { $0.multiplier == nil } == true
    }
    guard count > 0 else { return nil }
    return "Of \(plural(count, "packed tensor")) Min to Std are those of the trits alone: a tensor has several "
      + "scales, or what they mean is not known"
  }

  func tensorTable(withStatistics hasStatistics: Bool) -> ReportTable {
    var columns = [
      ReportColumn("name", "Tensor"),
      ReportColumn("role", "Role", explanation: "The tensor's part in its model, by its name."),
      ReportColumn("shape", "Shape", explanation: "Rows and columns; a packed tensor's are those of its trits."),
      ReportColumn("encoding", "Encoding", explanation: "A number type, or how trits are packed."),
      ReportColumn("bytes", "Bytes", kind: .bytes, explanation: "Stored bytes, scales included."),
      ReportColumn("scale", "Scale", .storedScale, kind: .significant(digits: 6)),
    ]
    if hasStatistics {
      columns += InspectResult.statisticsColumns
      // What stays of the numbers that were asked for on a narrow terminal, longest first.
      let ranks = ["scale": 0, "entropy": 0, "zero_share": 0, "min": 1, "max": 1, "mean": 1]
      for index in columns.indices.dropFirst() { columns[index].asideRank = ranks[columns[index].key] ?? 2 }
    }
    let tensors = tensors
    return ReportTable(key: "tensors", title: "Tensors", columns: columns, rowCount: tensors.count) { index in
      let tensor = tensors[index]
      let shape = tensor.descriptor.shape.dimensions.map { ReportValue.integer($0) }
      let scale = tensor.scale.flatMap { $0.granularity == .tensor ? Double($0.stored[0]) : nil }
      var row: [ReportValue] = [
        .text(tensor.descriptor.name), .text(tensor.role.name), .list(shape), .text(tensor.descriptor.encoding.name),
        .bytes(UInt64(tensor.descriptor.storedBytes)), .optional(scale),
      ]
      if hasStatistics { row += InspectResult.cells(tensor.statistics) }
      return row
    }
  }

  private static let statisticsColumns = [
    ReportColumn("min", "Min", .moments, kind: .significant(digits: 5), explanation: "Smallest value."),
    ReportColumn("max", "Max", .moments, kind: .significant(digits: 5), explanation: "Largest value."),
    ReportColumn("mean", "Mean", .moments, kind: .significant(digits: 5), explanation: "Mean of the values."),
    ReportColumn(
      "absmean", "Absmean", .moments, kind: .significant(digits: 5),
      explanation: "Mean of |w|: the scale of absmean quantization."),
    ReportColumn("rms", "RMS", .moments, kind: .significant(digits: 5), explanation: "√(mean of w²)."),
    ReportColumn(
      "std", "Std", .moments, kind: .significant(digits: 5), explanation: "√(mean of (w − mean)²), the population's."),
    ReportColumn("zeros", "Zeros", kind: .integer, explanation: "Values equal to zero, either sign."),
    ReportColumn(
      "nonfinite", "Nonfinite", kind: .integer, explanation: "NaNs and infinities; other figures leave them out."),
    ReportColumn("minus_one", "−1", .tritShares, kind: .integer, explanation: "Trits that are −1."),
    ReportColumn("zero", "0", .tritShares, kind: .integer, explanation: "Trits that are 0."),
    ReportColumn("plus_one", "+1", .tritShares, kind: .integer, explanation: "Trits that are +1."),
    ReportColumn("invalid_codes", "Invalid", kind: .integer, explanation: "Codes that are no trit; 0 in a sound file."),
    ReportColumn(
      "scale_for", "Scale for", explanation: "Unit with a scale of its own: the tensor, each row, or a group of a row."),
    ReportColumn("entropy", "Entropy", .entropy, kind: .decimal(digits: 4)),
    ReportColumn("edge_density", "Edge density", .edgeDensity, kind: .decimal(digits: 2)),
    ReportColumn(
      "zero_share", "Zero share", kind: .fraction(digits: 1), explanation: "Values equal to zero, of all finite ones."),
  ]

  private static func cells(_ statistics: TensorStatistics?) -> [ReportValue] {
    guard let statistics else { return [ReportValue](repeating: .missing, count: statisticsColumns.count) }
    let ternary = statistics.ternary
    func count(_ value: Int?) -> ReportValue { value.map { .integer($0) } ?? .missing }
    return [
      .number(statistics.minimum), .number(statistics.maximum), .number(statistics.mean), .number(statistics.absmean),
      .number(statistics.rms), .number(statistics.standardDeviation), .integer(statistics.zeros),
      .integer(statistics.nonfinite), count(ternary?.negative), count(ternary?.zero), count(ternary?.positive),
      count(ternary?.invalid), .optional(ternary?.granularity?.noun), .optional(ternary?.entropy),
      .optional(statistics.edgeDensity),
      statistics.count > 0 ? .number(Double(statistics.zeros) / Double(statistics.count)) : .missing,
    ]
  }
}
