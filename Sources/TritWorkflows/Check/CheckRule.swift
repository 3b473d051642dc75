// Tritsmith: what a health check looks for.

import TritCore
import TritReport

/// How bad a finding is.
public enum CheckSeverity: String, Sendable, Hashable, CaseIterable {
  /// The model cannot be used as it is, or computes something else than it says.
  case error
  /// Probably a mistake; `--strict` fails on it.
  case warning
}

/// A rule of the health check. Ids are stable; `Docs/Checks.md` explains each.
public enum CheckRule: String, Sendable, Hashable, CaseIterable {
  // Files
  case unreadable = "file.unreadable"
  case checksum = "file.checksum"
  case leftover = "file.leftover"
  case mixedShards = "file.mixed-shards"
  case indexSize = "file.index-size"
  // Numbers
  case nonFinite = "tensor.non-finite"
  case allZero = "tensor.all-zero"
  case deadRows = "tensor.dead-rows"
  case deadColumns = "tensor.dead-columns"
  // Trits and scales
  case invalidCode = "ternary.invalid-code"
  case scaleMissing = "ternary.scale-missing"
  case scaleOrphan = "ternary.scale-orphan"
  case scaleUnusable = "ternary.scale-unusable"
  case damaged = "ternary.damaged"
  case rounded = "ternary.rounded"
  case scaleOutlier = "ternary.scale-outlier"
  case conventionUnknown = "ternary.convention-unknown"
  case mixedForms = "ternary.mixed-forms"
  // What is computed
  case computation = "model.computes"
  case noise = "model.noise"
  case sibling = "model.sibling"
  // Configuration
  case noConfiguration = "config.missing"
  case badConfiguration = "config.unusable"
  case modelType = "config.model-type"
  case duplicateKey = "config.duplicate-key"
  case missingTensor = "config.tensor-missing"
  case unusedTensor = "config.tensor-unused"
  case shape = "config.shape"
  case tiedHead = "config.tied-head"
  case quantization = "config.quantization"
  case dtype = "config.dtype"
  case rotation = "config.rotation"
  case keyType = "config.key-type"
  // Tokenizer
  case noTokenizer = "tokenizer.missing"
  case badTokenizer = "tokenizer.unusable"
  case preTokenizer = "tokenizer.pre-tokenizer"
  case vocabulary = "tokenizer.vocabulary"
  case specialToken = "tokenizer.special-token"

  public var severity: CheckSeverity {
    switch self {
    case .leftover, .mixedShards, .indexSize, .deadRows, .deadColumns, .scaleOutlier, .mixedForms, .noConfiguration,
      .duplicateKey, .dtype, .noTokenizer, .tiedHead, .preTokenizer, .keyType:
      .warning
    default: .error
    }
  }

  /// What the rule asks for, in a line.
  public var summary: String {
    switch self {
    case .unreadable: "headers, offsets, index and shards are sound"
    case .checksum: "the container's checksums match"
    case .leftover: "no unfinished files beside the model"
    case .mixedShards: "one set of weight files, not two"
    case .indexSize: "the index's total size is that of the tensors"
    case .nonFinite: "every number is finite"
    case .allZero: "no matrix or norm is all zeros"
    case .deadRows: "no row of a matrix is all zeros"
    case .deadColumns: "no column of a matrix is all zeros"
    case .invalidCode: "every packed code is a trit"
    case .scaleMissing: "packed weights have a scale"
    case .scaleOrphan: "every weight_scale has packed weights"
    case .scaleUnusable: "every scale is finite and above 0"
    case .damaged: "no ternary weights were damaged by a quantizer of ordinary ones"
    case .rounded: "no weights are rounded to few bits by MLX, which leaves no trits"
    case .scaleOutlier: "scales of one kind of projection are within a factor of 4 of their median"
    case .conventionUnknown: "it is known what stored scales mean"
    case .mixedForms:
      "either all projections are packed, or the configuration names those that are not; none is ternary but for some "
        + "weights"
    case .computation: "a short text gives finite logits"
    case .noise: "a short text is predicted better than by a tenth of the vocabulary at random (with --run)"
    case .sibling: "the weights are those of another form of the model (with --sibling)"
    case .noConfiguration: "there is a config.json"
    case .badConfiguration: "the configuration can be read and describes a known class"
    case .modelType: "model_type is that of the class architectures names"
    case .duplicateKey: "no key of config.json stands twice"
    case .missingTensor: "every tensor the configuration asks for is there"
    case .unusedTensor: "no tensor is left over"
    case .shape: "shapes are those the configuration gives"
    case .tiedHead: "no head is stored where the configuration ties it to the embeddings"
    case .quantization: "quantization_config and the tensors agree"
    case .dtype: "dense tensors have the type the configuration names, and every type is read"
    case .rotation: "the keys of rotated weights are complete, and agree with each other and the tensors"
    case .keyType: "keys of a GGUF file have the types llama.cpp takes"
    case .noTokenizer: "there is a tokenizer"
    case .badTokenizer: "the tokenizer can be used"
    case .preTokenizer: "a GGUF file says by a known name how its tokenizer cuts text"
    case .vocabulary: "every token has an embedding"
    case .specialToken: "BOS and EOS ids are in the vocabulary, and files agree on them"
    }
  }
}

/// Something the check found.
public struct CheckFinding: Sendable, Hashable {
  public var rule: CheckRule
  public var severity: CheckSeverity
  /// A tensor, a file or a key; empty for the model as a whole.
  public var subject: String
  public var detail: String
  /// Whether what was found may be sound and is only not understood here: a conversion may carry it along unchanged.
  package var isNotUnderstood = false
  /// Whether a conversion writes something sound in the place of what was found.
  package var isMendedByConversion = false

  public init(_ rule: CheckRule, _ subject: String, _ detail: String, severity: CheckSeverity? = nil) {
    self.rule = rule
    self.severity = severity ?? rule.severity
    self.subject = subject
    self.detail = detail
  }
}

/// What a health check found.
public struct CheckResult: Sendable {
  public var path: String
  /// Nil when the model cannot be opened.
  public var format: String?
  public var kind: ModelKind?
  public var tensors: Int
  /// Tensors whose values were read.
  public var readTensors: Int
  public var findings: [CheckFinding]
  /// Whether warnings fail as well.
  public var isStrict: Bool
  /// What could not be looked at.
  public var notes: [String]
  /// What no rule decides and everyone should know.
  public var cautions: [String] = []
  /// What holding the weights against a sibling's gave; nil where none was named, or the model was not read.
  public var sibling: SiblingComparison?

  /// Findings of that severity.
  public func count(_ severity: CheckSeverity) -> Int { findings.count { $0.severity == severity } }
  public var passed: Bool { count(.error) == 0 && (!isStrict || findings.isEmpty) }

  /// The report of `tritsmith check`, schema `tritsmith.check` 1.
  public var report: ReportDocument {
    var report = ReportDocument(
      title: "Check", schema: ReportSchema("tritsmith.check", version: 1),
      verdict: ReportVerdict(!passed ? .fail : findings.isEmpty ? .pass : .warning, headline),
      primaryTable: "findings")
    report.append(ReportFacts(key: "check", facts))
    var table = ReportTable(
      key: "findings", title: "Findings",
      columns: [
        ReportColumn("severity", "Severity", kind: .severity), ReportColumn("rule", "Rule"),
        ReportColumn("subject", "Where"), ReportColumn("detail", "What"),
      ])
    table.columns[3].isProse = true
    for finding in findings {
      table.append([
        .text(finding.severity.rawValue), .text(finding.rule.rawValue), .text(finding.subject), .text(finding.detail),
      ])
    }
    report.append(table)
    for caution in cautions { report.note(.warning, caution) }
    for note in notes { report.note(.info, note) }
    // What the findings say of tensors, the notes of opening them say again.
    let told = findings.contains { $0.rule == .damaged } ? notes.filter { $0.contains("damaged") } : []
    report.brief = ReportBrief(
      Set(["path", "kind", "errors", "warnings", "tensors_read", "rules"] + SiblingComparison.keys),
      rows: ["findings": Array(findings.indices)], told: Set(told))
    return report
  }

  /// What it comes down to: what was compared with a sibling is part of it.
  private var headline: String {
    let numbers = plural(count(.error), "error") + ", " + plural(count(.warning), "warning")
    guard passed else { return numbers }
    // What no rule decides is no warning, and no PASS passes over it.
    let open = cautions.isEmpty ? "" : "; \(plural(cautions.count, "point")) left open, below"
    let text = (findings.isEmpty ? "nothing is wrong" : "passed with \(numbers)") + open
    guard let sibling, sibling.isSame else { return text }
    return text + "; all \(sibling.tensors) tensors hold the weights of \(printable(sibling.path))"
      + (sibling.rounded > 0 ? ", \(sibling.rounded) of them rounded by their types" : "")
  }

  private var facts: [ReportFact] {
    let facts = [
      ReportFact("Path", .text(path)), ReportFact("Format", .optional(format)),
      ReportFact("Kind", .optional(kind?.rawValue)), ReportFact("Passed", .bool(passed)),
      ReportFact("Strict", .bool(isStrict)), ReportFact("Errors", .integer(count(.error))),
      ReportFact("Warnings", .integer(count(.warning))), ReportFact("Tensors", .integer(tensors)),
      ReportFact("Tensors read", .integer(readTensors)), ReportFact("Rules", .integer(CheckRule.allCases.count)),
    ]
    return facts + (sibling?.facts ?? [])
  }
}
