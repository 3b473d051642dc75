// Tritsmith: what a TritDiff file says.

import TritCore

/// The header of a TritDiff file. Specified in Docs/Formats/TritDiff.md.
package struct TritDiffHeader: Sendable {
  package var generator: String
  package var base: TritDiffBase
  package var target: TritDiffTarget
  /// The target's tensors, in the target's order.
  package var tensors: [TritDiffTensor]
  /// The target's weight files and indexes.
  package var files: [TritDiffFile]
  /// The target's other files.
  package var companions: [TritDiffCompanion]
  var sections: [TritPackSection]

  /// Of all files the patch gives; the largest number there is when they claim more.
  package var targetBytes: UInt64 {
    Checked.clampedSum(
      [Checked.clampedSum(files.lazy.map(\.byteCount))] + companions.map { UInt64(clamping: $0.byteCount) })
  }
}

/// The model a patch must be applied to.
package struct TritDiffBase: Sendable {
  /// Hash of all its ternary tensors; nil when it has none.
  package var codeStream: Digest?
  /// All its tensors.
  package var tensors: [TritDiffIdentity]

  package init(codeStream: Digest?, tensors: [TritDiffIdentity]) {
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
package struct TritDiffTarget: Sendable {
  /// Name of its folder or file, which conversions write into metadata.
  package var name: String
  /// Format of its files.
  package var format: String
  /// Whether it is a folder or one file.
  package var isFolder: Bool
  package var codeStream: Digest?

  package init(name: String, format: String, isFolder: Bool, codeStream: Digest?) {
    self.name = name
    self.format = format
    self.isFolder = isFolder
    self.codeStream = codeStream
  }
}

/// What a tensor is, whatever file holds it.
package struct TritDiffIdentity: Sendable, Equatable {
  /// What a tensor holds, as far as its hash goes.
  package enum Content: Sendable, Hashable {
    /// A matrix of trits: SHA-256 of it as row-major int8, and its scales.
    case trits(Digest, TritDiffScale)
    /// Bytes as stored: dense numbers, or codes with scales among them. SHA-256 of all.
    case bytes(TensorEncoding, count: Int, Digest)
  }

  package var name: String
  package var shape: TensorShape
  package var content: Content

  package init(name: String, shape: TensorShape, content: Content) {
    self.name = name
    self.shape = shape
    self.content = content
  }

  /// Of the trits, or of the bytes.
  package var digest: Digest {
    switch content {
    case .trits(let digest, _), .bytes(_, _, let digest): digest
    }
  }

  package var isTernary: Bool {
    if case .trits = content { true } else { false }
  }

  /// Bytes of one element as codings split them: 2, 4 or 8 for dense numbers of that size, 1 for all others.
  package var elementWidth: Int {
    guard case .bytes(let encoding, _, _) = content else { return 1 }
    return TritDiffIdentity.width(encoding)
  }

  /// Bytes of a number of that encoding, as differences take them.
  package static func width(_ encoding: TensorEncoding) -> Int {
    guard let dtype = encoding.dtype, [16, 32, 64].contains(dtype.bits) else { return 1 }
    return dtype.bits / 8
  }
}

/// Scales of a ternary tensor: how they are stored, and the stored bytes by hash.
package struct TritDiffScale: Sendable, Hashable {
  package var storage: DType
  package var granularity: ScaleGranularity
  package var convention: ScaleConvention
  /// Of the stored bytes.
  package var digest: Digest

  package init(storage: DType, granularity: ScaleGranularity, convention: ScaleConvention, digest: Digest) {
    self.storage = storage
    self.granularity = granularity
    self.convention = convention
    self.digest = digest
  }

  package init(_ scale: TernaryScale) {
    self.init(
      storage: scale.storage, granularity: scale.granularity, convention: scale.convention,
      digest: SHA256.digest(of: scale.storedBytes))
  }

  /// Bytes of the stored numbers; nil when that overflows.
  package func byteCount(_ shape: TensorShape) -> Int? {
    Checked.product(granularity.count(rows: shape.rows, columns: shape.columns), storage.bits / 8)
  }
}

/// How a tensor is written down.
package enum TritDiffCoding: String, Sendable, CaseIterable {
  /// The base's, unchanged.
  case same
  /// Of trits: where they change, as lengths of the runs between, and what they become.
  case gaps
  /// Of bytes: exclusive-or with the base's, split by their place in the number.
  case xor
  /// Every trit, five in a byte; or every byte, split by its place in the number. Needs no base.
  case whole

  package var needsBase: Bool { self != .whole }

  /// Whether it is a coding of trits, or of bytes.
  func fits(isTernary: Bool) -> Bool { self != (isTernary ? .xor : .gaps) }
}

/// A place in the target's files.
package struct TritDiffPlace: Sendable, Equatable {
  /// Index into `files`.
  package var file: Int
  package var offset: UInt64

  package init(file: Int, offset: UInt64) {
    self.file = file
    self.offset = offset
  }
}

/// How much a tensor changed.
package enum TritDiffChange: Sendable, Equatable {
  /// Counts of −1→0, −1→+1, 0→−1, 0→+1, +1→−1, +1→0.
  case flips([Int])
  /// Elements that are not the same, and by how much at most; nil where they are no numbers.
  case elements(Int, largest: Double?)

  /// Keys of the counts of changed trits, in the order they are kept.
  package static let flipKeys = [
    "minus_to_zero", "minus_to_plus", "zero_to_minus", "zero_to_plus", "plus_to_minus", "plus_to_zero",
  ]

  package var count: Int {
    switch self {
    case .flips(let counts): counts.reduce(0, +)
    case .elements(let count, _): count
    }
  }
}

/// A tensor of the target.
package struct TritDiffTensor: Sendable {
  package var identity: TritDiffIdentity
  /// Packing of a ternary tensor in the target's files.
  package var layout: LayoutID?
  package var place: TritDiffPlace
  /// Of its scales, for a ternary tensor.
  package var scalePlace: TritDiffPlace?
  /// The base's tensor it comes from; nil when there is none.
  package var from: String?
  package var coding: TritDiffCoding
  /// Nil when nothing is stored.
  package var section: Int?
  package var scale: ScaleCoding?
  /// Nil for a tensor without a base.
  package var change: TritDiffChange?

  /// How scales are written down.
  package enum ScaleCoding: Sendable, Equatable {
    case same
    case inline([UInt8])
    case section(Int)

    /// Scales of more bytes have a section.
    package static let inlineLimit = 32
  }

  package init(identity: TritDiffIdentity, place: TritDiffPlace, coding: TritDiffCoding) {
    self.identity = identity
    self.place = place
    self.coding = coding
  }
}

/// A weight file of the target, or its index: tensors at their places, and everything else in order in a section.
package struct TritDiffFile: Sendable {
  /// A plain file name.
  package var name: String
  package var byteCount: UInt64
  package var digest: Digest
  /// Bytes outside of tensors: headers, padding.
  package var section: Int

  package init(name: String, byteCount: UInt64, digest: Digest, section: Int) {
    self.name = name
    self.byteCount = byteCount
    self.digest = digest
    self.section = section
  }
}

/// Another file of the target.
package struct TritDiffCompanion: Sendable {
  package var name: String
  package var byteCount: Int
  package var digest: Digest
  /// Nil when the base has the very same file.
  package var section: Int?

  package init(name: String, byteCount: Int, digest: Digest, section: Int?) {
    self.name = name
    self.byteCount = byteCount
    self.digest = digest
    self.section = section
  }
}
