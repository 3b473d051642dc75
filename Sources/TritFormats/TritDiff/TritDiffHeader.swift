// Tritsmith: what a TritDiff file says.

import TritCore

/// The header of a TritDiff file. Specified in Docs/Formats/TritDiff.md.
public struct TritDiffHeader: Sendable {
  public var generator: String
  public var base: TritDiffBase
  public var target: TritDiffTarget
  /// The target's tensors, in the target's order.
  public var tensors: [TritDiffTensor]
  /// The target's weight files and indexes.
  public var files: [TritDiffFile]
  /// The target's other files.
  public var companions: [TritDiffCompanion]
  var sections: [TritPackSection]

  /// Of all files the patch gives; the largest number there is when they claim more.
  public var targetBytes: UInt64 {
    Checked.clampedSum(
      [Checked.clampedSum(files.lazy.map(\.byteCount))] + companions.map { UInt64(clamping: $0.byteCount) })
  }
}

/// The model a patch must be applied to.
public struct TritDiffBase: Sendable {
  /// Hash of all its ternary tensors; nil when it has none.
  public var codeStream: Digest?
  /// All its tensors.
  public var tensors: [TritDiffIdentity]

  public init(codeStream: Digest?, tensors: [TritDiffIdentity]) {
    self.codeStream = codeStream
    self.tensors = tensors
  }

  /// Where in `tensors` each name is.
  var places: [ExactString: Int] {
    Dictionary(
      tensors.enumerated().lazy.map { (ExactString($0.element.name), $0.offset) },
      uniquingKeysWith: { first, _ in first })
  }
}

/// The model a patch gives.
public struct TritDiffTarget: Sendable {
  /// Name of its folder or file, which conversions write into metadata.
  public var name: String
  /// Format of its files.
  public var format: String
  /// Whether it is a folder or one file.
  public var isFolder: Bool
  public var codeStream: Digest?

  public init(name: String, format: String, isFolder: Bool, codeStream: Digest?) {
    self.name = name
    self.format = format
    self.isFolder = isFolder
    self.codeStream = codeStream
  }
}

/// What a tensor is, whatever file holds it.
public struct TritDiffIdentity: Sendable, Equatable {
  /// What a tensor holds, as far as its hash goes.
  public enum Content: Sendable, Hashable {
    /// A matrix of trits: SHA-256 of it as row-major int8, and its scales.
    case trits(Digest, TritDiffScale)
    /// Bytes as stored: dense numbers, or codes with scales among them. SHA-256 of all.
    case bytes(TensorEncoding, count: Int, Digest)
  }

  public var name: String
  public var shape: TensorShape
  public var content: Content

  public init(name: String, shape: TensorShape, content: Content) {
    self.name = name
    self.shape = shape
    self.content = content
  }

  /// Of the trits, or of the bytes.
  public var digest: Digest {
    switch content {
    case .trits(let digest, _), .bytes(_, _, let digest): digest
    }
  }

  public var isTernary: Bool {
    if case .trits = content { true } else { false }
  }

  /// Bytes of one element as codings split them: 2, 4 or 8 for dense numbers of that size, 1 for all others.
  public var elementWidth: Int {
    guard case .bytes(let encoding, _, _) = content else { return 1 }
    return TritDiffIdentity.width(encoding)
  }

  /// Bytes of a number of that encoding, as differences take them.
  public static func width(_ encoding: TensorEncoding) -> Int {
    guard let dtype = encoding.dtype, [16, 32, 64].contains(dtype.bits) else { return 1 }
    return dtype.bits / 8
  }
}

/// Scales of a ternary tensor: how they are stored, and the stored bytes by hash.
public struct TritDiffScale: Sendable, Hashable {
  public var storage: DType
  public var granularity: ScaleGranularity
  public var convention: ScaleConvention
  /// Of the stored bytes.
  public var digest: Digest

  public init(storage: DType, granularity: ScaleGranularity, convention: ScaleConvention, digest: Digest) {
    self.storage = storage
    self.granularity = granularity
    self.convention = convention
    self.digest = digest
  }

  public init(_ scale: TernaryScale) {
    self.init(
      storage: scale.storage, granularity: scale.granularity, convention: scale.convention,
      digest: SHA256.digest(of: scale.storedBytes))
  }

  /// Bytes of the stored numbers; nil when that overflows.
  public func byteCount(_ shape: TensorShape) -> Int? {
    Checked.product(granularity.count(rows: shape.rows, columns: shape.columns), storage.bits / 8)
  }
}

/// How a tensor is written down.
public enum TritDiffCoding: String, Sendable, CaseIterable {
  /// The base's, unchanged.
  case same
  /// Of trits: where they change, as lengths of the runs between, and what they become.
  case gaps
  /// Of bytes: exclusive-or with the base's, split by their place in the number.
  case xor
  /// Every trit, five in a byte; or every byte, split by its place in the number. Needs no base.
  case whole

  public var needsBase: Bool { self != .whole }

  /// Whether it is a coding of trits, or of bytes.
  func fits(isTernary: Bool) -> Bool { self != (isTernary ? .xor : .gaps) }
}

/// A place in the target's files.
public struct TritDiffPlace: Sendable, Equatable {
  /// Index into `files`.
  public var file: Int
  public var offset: UInt64

  public init(file: Int, offset: UInt64) {
    self.file = file
    self.offset = offset
  }
}

/// How much a tensor changed.
public enum TritDiffChange: Sendable, Equatable {
  /// Counts of −1→0, −1→+1, 0→−1, 0→+1, +1→−1, +1→0.
  case flips([Int])
  /// Elements that are not the same, and by how much at most; nil where they are no numbers.
  case elements(Int, largest: Double?)

  /// Keys of the counts of changed trits, in the order they are kept.
  public static let flipKeys = [
    "minus_to_zero", "minus_to_plus", "zero_to_minus", "zero_to_plus", "plus_to_minus", "plus_to_zero",
  ]

  public var count: Int {
    switch self {
    case .flips(let counts): counts.reduce(0, +)
    case .elements(let count, _): count
    }
  }
}

/// A tensor of the target.
public struct TritDiffTensor: Sendable {
  public var identity: TritDiffIdentity
  /// Packing of a ternary tensor in the target's files.
  public var layout: LayoutID?
  public var place: TritDiffPlace
  /// Of its scales, for a ternary tensor.
  public var scalePlace: TritDiffPlace?
  /// The base's tensor it comes from; nil when there is none.
  public var from: String?
  public var coding: TritDiffCoding
  /// Nil when nothing is stored.
  public var section: Int?
  public var scale: ScaleCoding?
  /// Nil for a tensor without a base.
  public var change: TritDiffChange?

  /// How scales are written down.
  public enum ScaleCoding: Sendable, Equatable {
    case same
    case inline([UInt8])
    case section(Int)

    /// Scales of more bytes have a section.
    public static let inlineLimit = 32
  }

  public init(identity: TritDiffIdentity, place: TritDiffPlace, coding: TritDiffCoding) {
    self.identity = identity
    self.place = place
    self.coding = coding
  }
}

/// A weight file of the target, or its index: tensors at their places, and everything else in order in a section.
public struct TritDiffFile: Sendable {
  /// A plain file name.
  public var name: String
  public var byteCount: UInt64
  public var digest: Digest
  /// Bytes outside of tensors: headers, padding.
  public var section: Int

  public init(name: String, byteCount: UInt64, digest: Digest, section: Int) {
    self.name = name
    self.byteCount = byteCount
    self.digest = digest
    self.section = section
  }
}

/// Another file of the target.
public struct TritDiffCompanion: Sendable {
  public var name: String
  public var byteCount: Int
  public var digest: Digest
  /// Nil when the base has the very same file.
  public var section: Int?

  public init(name: String, byteCount: Int, digest: Digest, section: Int?) {
    self.name = name
    self.byteCount = byteCount
    self.digest = digest
    self.section = section
  }
}
