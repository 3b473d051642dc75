// Tritsmith: how a tensor's numbers are stored.

/// The name of a way to pack trits into bytes; `TritLayouts` holds the one that goes with it.
public struct LayoutID: RawRepresentable, Sendable, Hashable, Codable, CustomStringConvertible {
  public let rawValue: String

  public init(rawValue: String) {
    self.rawValue = rawValue
  }

  public var description: String { rawValue }
}

/// How the numbers of a tensor are stored.
public enum TensorEncoding: Sendable, Hashable {
  case dense(DType)
  case ternary(LayoutID)
  /// A type known by name and size only; it can be listed and not read.
  case opaque(String)

  /// Whether trits are stored, in whatever layout.
  public var isTernary: Bool {
    if case .ternary = self { true } else { false }
  }

  /// The element type of dense numbers; nil for trits, and for types that are not read.
  package var dtype: DType? {
    if case .dense(let dtype) = self { dtype } else { nil }
  }

  /// A short name for tables: `BF16`, `hf-packed`.
  public var name: String {
    switch self {
    case .dense(let dtype): dtype.rawValue
    case .ternary(let layout): layout.rawValue
    case .opaque(let name): name
    }
  }
}

/// Where a tensor's bytes are.
package struct TensorLocation: Sendable, Hashable {
  /// Index into `ModelManifest.files`.
  package var file: Int
  /// From the start of that file.
  package var offset: UInt64
  /// What a source gives: any range below it can be read.
  package var byteCount: Int
  /// What it takes in the file; less than `byteCount` where the container compresses.
  package var storedByteCount: Int

  package init(file: Int, offset: UInt64, byteCount: Int, storedByteCount: Int? = nil) {
    self.file = file
    self.offset = offset
    self.byteCount = byteCount
    self.storedByteCount = storedByteCount ?? byteCount
  }

  /// What it takes in the file, which a reader has held against the file's size.
  package var bytes: Range<UInt64> { offset..<offset + UInt64(storedByteCount) }
}

/// A tensor as a reader sees it: logical shape, encoding and place.
public struct TensorDescriptor: Sendable, Hashable {
  /// In Hugging Face's words for a model that `Model` opened, such as `model.layers.0.self_attn.q_proj.weight`.
  public var name: String
  /// The logical shape: a packed matrix counts its trits, not its bytes.
  public var shape: TensorShape
  /// How its numbers are stored.
  public var encoding: TensorEncoding
  package var location: TensorLocation
  /// Held apart: it is as large as all the rest, and most tensors of a long table have none.
  private indirect enum ScaleBox: Sendable, Hashable {
    case nothing
    case scale(ScaleDescriptor)
  }

  private var box: ScaleBox

  /// What is known about the scales of a ternary tensor from headers alone; nil for other encodings.
  package var scale: ScaleDescriptor? {
    get { if case .scale(let scale) = box { scale } else { nil } }
    set { box = newValue.map { .scale($0) } ?? .nothing }
  }

  package init(
    name: String, shape: TensorShape, encoding: TensorEncoding, location: TensorLocation, scale: ScaleDescriptor? = nil
  ) {
    self.name = name
    self.shape = shape
    self.encoding = encoding
    self.location = location
    box = scale.map { .scale($0) } ?? .nothing
  }

  /// False for dense tensors, and for layouts that hold scales among their codes.
  package var hasScaleBeside: Bool { scale.map { $0.location.byteCount > 0 } ?? false }

  /// Bytes in the file, those of the scale included.
  public var storedBytes: Int {
    location.storedByteCount + (scale?.location.storedByteCount ?? 0) + (scale?.biases?.storedByteCount ?? 0)
  }

  /// Bytes before compression, those of the scale included.
  package var contentBytes: Int {
    location.byteCount + (scale?.location.byteCount ?? 0) + (scale?.biases?.byteCount ?? 0)
  }
}

/// Type and place of a ternary tensor's scales.
package struct ScaleDescriptor: Sendable, Hashable {
  /// The scale tensor's own name, where the format has one.
  package var name: String?
  package var storage: DType
  package var granularity: ScaleGranularity
  /// Nil while nobody has said, or could prove, what the stored number means.
  package var convention: ScaleConvention?
  package var location: TensorLocation
  /// What a format adds to code × scale, where it stores that too: −scale for each scale, in the same type.
  package var biases: TensorLocation?

  package init(
    name: String?, storage: DType, granularity: ScaleGranularity, convention: ScaleConvention?,
    location: TensorLocation, biases: TensorLocation? = nil
  ) {
    self.name = name
    self.storage = storage
    self.granularity = granularity
    self.convention = convention
    self.location = location
    self.biases = biases
  }
}
