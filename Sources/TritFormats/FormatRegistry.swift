// Tritsmith: every container format.

import TritCore
import TritLayouts

/// How to open a model.
public struct OpenOptions: Sendable {
  package var access: FileAccessMode
  /// What the stored scales mean, when the user says so: where files do not state it, or their numbers contradict them.
  package var scaleConvention: ScaleConvention?
  /// The byte order of I2_S tensors, when the user says so; most GGUF files do not tell.
  package var i2sOrder: I2SOrder?
  /// The name of a GGUF file's pre-tokenizer, when the user says so; many files say none, or a wrong one.
  package var preTokenizer: String?
  /// What type numbers of a GGUF file stand for that programs use for different things, when the user says so.
  package var ggmlTypes: [GGMLTypeChoice]
  /// Accept files of a model folder that are links to somewhere else.
  package var followsLinks: Bool
  /// Show rotated weights as they are stored, not as those of the ordinary model.
  package var keepsRotation: Bool
  /// The class of a checkpoint, when the user says so: its `config.json` names none, or another.
  package var modelClass: ModelClassChoice?
  /// The option that says what this model's scales mean, for remedies; nil where a command has none for it.
  package var scaleOption: String? = usualScaleOption

  package static let usualScaleOption = "--scale-convention"
  /// Whether what is said may contradict what files state: this program tries a model in every meaning, or knows better.
  package var isTrial = false
  /// Whether the byte order is that of an output, and says of an input only what its file leaves open.
  package var orderIsOfOutput = false

  /// What files do not say, or say wrongly. What contradicts a sound statement of theirs is refused.
  ///
  /// - Parameters:
  ///   - scaleConvention: what stored scales mean, where files do not state it or numbers contradict them.
  ///   - i2sOrder: the byte order of I2_S tensors, which most GGUF files do not tell.
  ///   - preTokenizer: the name of a GGUF file's pre-tokenizer; many files say none, or a wrong one.
  ///   - followsLinks: accept files of a folder that are links to somewhere else.
  public init(
    scaleConvention: ScaleConvention? = nil, i2sOrder: I2SOrder? = nil, preTokenizer: String? = nil,
    followsLinks: Bool = false
  ) {
    self.init(
      access: .buffered, scaleConvention: scaleConvention, i2sOrder: i2sOrder, preTokenizer: preTokenizer,
      followsLinks: followsLinks)
  }

  /// - Parameter access: whether files are read or mapped; results are the same.
  package init(
    access: FileAccessMode, scaleConvention: ScaleConvention? = nil, i2sOrder: I2SOrder? = nil,
    preTokenizer: String? = nil, ggmlTypes: [GGMLTypeChoice] = [], followsLinks: Bool = false,
    keepsRotation: Bool = false
  ) {
    self.access = access
    self.scaleConvention = scaleConvention
    self.i2sOrder = i2sOrder
    self.preTokenizer = preTokenizer
    self.ggmlTypes = ggmlTypes
    self.followsLinks = followsLinks
    self.keepsRotation = keepsRotation
  }
}

/// A model class that stands in the place of the one a configuration names.
package struct ModelClassChoice: Sendable, Equatable {
  package let className: String
  package let modelType: String
  /// Further names of the class; a configuration that has one of them stays as it is.
  package let otherNames: [String]

  package init(className: String, modelType: String, otherNames: [String]) {
    (self.className, self.modelType, self.otherNames) = (className, modelType, otherNames)
  }

  /// A configuration with the class in it.
  func named(_ configuration: JSONObject) -> JSONObject {
    let named = configuration["architectures"]?.array?.first?.string
    if let named, named == className || otherNames.contains(named) { return configuration }
    var result = configuration
    result["architectures"] = .array([.string(className)])
    result["model_type"] = .string(modelType)
    return result
  }
}

/// A container format that can be read.
package protocol ModelFormat: Sendable {
  /// Its name, as reports print it.
  static var id: FormatID { get }
  /// One line for lists.
  static var summary: String { get }
  /// True when a path looks like this format, judged by its name, kind and first bytes.
  static func matches(_ path: String, kind: FileKind, firstBytes: [UInt8]) -> Bool
  /// Opens a path that `matches`.
  ///
  /// - Throws: `TensorIOError` when it cannot be read, `FormatError` when it is malformed.
  static func open(_ path: String, _ options: OpenOptions) throws -> any TensorSource
}

/// Every container format this package reads; one line each.
package enum FormatRegistry {
  /// Every format, in the order they are asked whether a path is theirs.
  package static let all: [any ModelFormat.Type] = [
    TritPackFormat.self,
    GGUFFormat.self,
    SafetensorsFormat.self,
  ]

  /// Opens a model, whatever its format; the path may be any that `ModelPlace` understands.
  ///
  /// - Throws: `TensorIOError` when the path cannot be opened, `FormatError` when no format fits or it is malformed.
  package static func open(_ path: String, _ options: OpenOptions = OpenOptions()) throws -> any TensorSource {
    let path = try ModelPlace.resolved(path)
    guard let kind = FileSystem.kind(of: path) else {
      // Opening says why: not there, or not allowed.
      _ = try InputFile(path: path, mode: .buffered)
      throw TensorIOError(.cannotOpen(errno: 2), path: path)
    }
    var first: [UInt8] = []
    if kind == .file {
      let file = try InputFile(path: path, mode: .buffered)
      guard file.byteCount > 0 else { throw FormatError(.emptyFile, file: path) }
      if let standIn = try file.standIn() { throw FormatError(.standIn(standIn), file: path, byteOffset: 0) }
      first = try file.bytes(0..<min(64, file.byteCount))
      guard !first.starts(with: TritPackPreamble.Kind.tritdiff.magic) else {
        throw FormatError(.isPatch, file: path, byteOffset: 0)
      }
    } else if kind != .folder {
      throw TensorIOError(.notAFile(found: "a device, pipe or socket"), path: path)
    }
    guard let format = all.first(where: { $0.matches(path, kind: kind, firstBytes: first) }) else {
      guard !ModelPlace.isPyTorch(path, first) else {
        throw ModelPlace.pytorchError(path)
      }
      let shown = Hexadecimal.text(first.prefix(8), separator: " ")
      throw FormatError(.notRecognised(found: "it begins with bytes \(shown)"), file: path, byteOffset: 0)
    }
    return try format.open(path, options)
  }
}

/// safetensors: one file, a folder, or shards with an index.
package enum SafetensorsFormat: ModelFormat {
  package static let id = FormatID(rawValue: "safetensors")
  package static let summary = "safetensors: a file, a Hugging Face folder, or shards with an index"

  package static func matches(_ path: String, kind: FileKind, firstBytes: [UInt8]) -> Bool {
    if kind == .folder { return true }
    if path.hasSuffix(".safetensors") || path.hasSuffix(".index.json") { return true }
    // A header's length is below 100 MB, so bytes 4 to 7 are zero, and its JSON begins with '{' (or white space).
    return firstBytes.count >= 9 && firstBytes[4..<8].allSatisfy { $0 == 0 }
      && [0x7B, 0x20, 0x09, 0x0A, 0x0D].contains(firstBytes[8])
  }

  package static func open(_ path: String, _ options: OpenOptions) throws -> any TensorSource {
    try SafetensorsSource(path: path, options: options)
  }
}
