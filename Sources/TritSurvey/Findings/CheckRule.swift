// Tritsmith: what a health check looks for.

import TritCore

/// How bad a finding is.
package enum CheckSeverity: String, Sendable, Hashable, CaseIterable {
  /// The model cannot be used as it is, or computes something else than it says.
  case error
  /// Probably a mistake; `--strict` fails on it.
  case warning
}

/// A rule of the health check. Ids are stable; `Docs/Checks.md` explains each.
package enum CheckRule: String, Sendable, Hashable, CaseIterable {
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

  package var severity: CheckSeverity {
    switch self {
    case .leftover, .mixedShards, .indexSize, .deadRows, .deadColumns, .scaleOutlier, .mixedForms, .noConfiguration,
      .duplicateKey, .dtype, .noTokenizer, .tiedHead, .preTokenizer, .keyType:
      .warning
    default: .error
    }
  }

  /// What the rule asks for, in a line.
  package var summary: String {
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
package struct CheckFinding: Sendable, Hashable {
  package var rule: CheckRule
  package var severity: CheckSeverity
  /// A tensor, a file or a key; empty for the model as a whole.
  package var subject: String
  package var detail: String
  /// Whether what was found may be sound and is only not understood here: a conversion may carry it along unchanged.
  package var isNotUnderstood = false
  /// Whether a conversion writes something sound in the place of what was found.
  package var isMendedByConversion = false

  package init(_ rule: CheckRule, _ subject: String, _ detail: String, severity: CheckSeverity? = nil) {
    self.rule = rule
    self.severity = severity ?? rule.severity
    self.subject = subject
    self.detail = detail
  }

  /// For people, where findings stand alone: "tensor.all-zero: model.norm.weight: all 256 values are zero".
  package var sentence: String { "\(rule.rawValue): \(subject.isEmpty ? "" : printable(subject) + ": ")\(detail)" }
}
