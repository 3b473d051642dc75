// Tritsmith: everything about a model but its weights.

import Synchronization

/// The name of a container format.
package struct FormatID: RawRepresentable, Sendable, Hashable, Codable, CustomStringConvertible {
  package let rawValue: String

  package init(rawValue: String) {
    self.rawValue = rawValue
  }

  package var description: String { rawValue }
}

/// A file whose bytes hold tensors.
package struct ManifestFile: Sendable, Hashable {
  /// Of a folder's files its path with the file's name.
  package var path: String
  /// Its size in bytes.
  package var byteCount: UInt64
  /// Bytes before the first tensor byte.
  package var headerByteCount: UInt64

  package init(path: String, byteCount: UInt64, headerByteCount: UInt64) {
    self.path = path
    self.byteCount = byteCount
    self.headerByteCount = headerByteCount
  }
}

/// A file that belongs to a model beside its tensors: tokenizer, generation settings, licence.
package struct CompanionFile: Sendable, Hashable {
  /// A plain file name, never a path.
  package var name: String
  /// Its size in bytes.
  package var byteCount: Int

  package init(name: String, byteCount: Int) {
    self.name = name
    self.byteCount = byteCount
  }
}

/// One reason for believing in a scale convention.
package struct ScaleEvidence: Sendable, Hashable {
  /// Where evidence comes from.
  package enum Origin: String, Sendable, Codable {
    case configuration, magnitude, container, option
    /// Agreement with the dense weights the scales were computed from.
    case sibling
    /// A forward pass under either meaning.
    case activations
  }
  package var origin: Origin
  /// What this evidence speaks for; nil when it cannot tell.
  package var convention: ScaleConvention?
  package var detail: String

  package init(origin: Origin, convention: ScaleConvention?, detail: String) {
    self.origin = origin
    self.convention = convention
    self.detail = detail
  }
}

/// The scale convention of a model's packed tensors with the reasons.
package struct ScaleFinding: Sendable, Hashable {
  /// Nil when there is no packed tensor, or the evidence conflicts or is missing.
  package var convention: ScaleConvention?
  package var evidence: [ScaleEvidence]

  package init(convention: ScaleConvention?, evidence: [ScaleEvidence]) {
    self.convention = convention
    self.evidence = evidence
  }

  /// Whether the user said what scales mean.
  package var isChosen: Bool { evidence.contains { $0.origin == .option } }

  /// True when two pieces of evidence speak for opposite conventions.
  package var isConflicting: Bool { Set(evidence.compactMap(\.convention)).count > 1 }

  /// This finding with more evidence: what the evidence proves, or nothing where pieces of it conflict.
  ///
  /// A convention the user chose stays chosen.
  package func adding(_ more: [ScaleEvidence]) -> ScaleFinding {
    var result = ScaleFinding(convention: convention, evidence: evidence + more)
    guard !isChosen else { return result }
    if result.isConflicting {
      result.convention = nil
    } else if result.convention == nil {
      result.convention = more.compactMap(\.convention).first
    }
    return result
  }
}

/// What a type number that programs use for different things stands for in one file, and why.
package struct TypeFinding: Sendable, Hashable {
  /// What decided.
  package enum Origin: String, Sendable, Codable {
    /// Where the tensors begin and end.
    case offsets
    /// The user.
    case option
  }

  package var id: UInt32
  /// The meaning, by name.
  package var name: String
  /// How many tensors have the number.
  package var tensors: Int
  package var origin: Origin
  package var detail: String

  package init(id: UInt32, name: String, tensors: Int, origin: Origin, detail: String) {
    self.id = id
    self.name = name
    self.tensors = tensors
    self.origin = origin
    self.detail = detail
  }
}

/// Everything about a model but its weights, validated before it exists.
package struct ModelManifest: Sendable {
  /// Such as `safetensors`, `gguf`, `tritpack`.
  package var format: FormatID
  /// What the user named: a file or a folder.
  package var path: String
  /// Files that hold tensors, one or one a shard; companions are not among them.
  package var files: [ManifestFile]
  /// In file order.
  package var tensors: [TensorDescriptor] {
    didSet { index = TensorIndex() }
  }
  private var index = TensorIndex()
  /// Free text metadata of the container, in order.
  package var metadata: [(key: String, value: String)]
  /// Typed metadata of containers that have it, in order; `metadata` holds the same as text.
  package var entries: [MetadataEntry] = []
  /// The parsed `config.json`, or what the container holds in its place.
  package var configuration: JSONObject?
  /// Companions in byte order of their names; `config.json` is among them.
  package var companions: [CompanionFile]
  /// What stored scales mean, as far as the files or the user say.
  package var scaleFinding: ScaleFinding
  /// Type numbers that had to be decided, in their order; empty for containers without such numbers.
  package var typeFindings: [TypeFinding] = []
  /// Things a user should know that are no errors.
  package var notes: [String]

  package init(
    format: FormatID, path: String, files: [ManifestFile], tensors: [TensorDescriptor],
    metadata: [(key: String, value: String)] = [], configuration: JSONObject? = nil,
    companions: [CompanionFile] = [], scaleFinding: ScaleFinding = ScaleFinding(convention: nil, evidence: []),
    notes: [String] = []
  ) {
    self.format = format
    self.path = path
    self.files = files
    self.tensors = tensors
    self.metadata = metadata
    self.configuration = configuration
    self.companions = companions
    self.scaleFinding = scaleFinding
    self.notes = notes
  }

  /// The typed metadata of a key.
  package func entry(_ key: String) -> MetadataValue? {
    entries.first { ExactString($0.key) == ExactString(key) }?.value
  }

  /// The tensor of that name, if there is one; the first where several have it.
  package func tensor(named name: String) -> TensorDescriptor? {
    position(ofTensor: name).map { tensors[$0] }
  }

  /// Where in `tensors` that one is.
  package func position(ofTensor name: String) -> Int? { index.position(of: name, in: tensors) }
}

/// Places of tensors in the order of their names, made when a name is first looked for: models of 50,000 tensors are
/// searched 50,000 times. Copies of a manifest share it until their tensors change.
private final class TensorIndex: Sendable {
  private let order = Mutex<[UInt32]?>(nil)

  func position(of name: String, in tensors: [TensorDescriptor]) -> Int? {
    let order = order.withLock { order in
      let sorted = order ?? TensorIndex.sorted(tensors)
      order = sorted
      return sorted
    }
    let name = ExactString(name)
    var range = 0..<order.count
    while !range.isEmpty {
      let middle = range.lowerBound + range.count / 2
      if ExactString(tensors[Int(order[middle])].name) < name {
        range = middle + 1..<range.upperBound
      } else {
        range = range.lowerBound..<middle
      }
    }
    guard range.lowerBound < order.count else { return nil }
    let found = Int(order[range.lowerBound])
    return ExactString(tensors[found].name) == name ? found : nil
  }

  private static func sorted(_ tensors: [TensorDescriptor]) -> [UInt32] {
    tensors.indices.map { UInt32($0) }.sorted {
      let (a, b) = (ExactString(tensors[Int($0)].name), ExactString(tensors[Int($1)].name))
      return a == b ? $0 < $1 : a < b
    }
  }
}
