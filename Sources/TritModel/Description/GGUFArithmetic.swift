// Tritsmith: how a GGUF file's source computes, in keys of our own.

import TritCore

/// How the projections of a file's source compute.
///
/// GGUF's own keys say nothing of it, and logits depend on it: dense weights of a BitNet model take inputs rounded to
/// int8 in their source, those of an ordinary model do not. Ternary types are computed with int8 inputs by every
/// runtime, whatever the source does.
public struct GGUFArithmetic: Sendable, Equatable {
  /// The layers of the source.
  public enum LinearClass: String, Sendable, CaseIterable {
    /// Ordinary products.
    case linear
    /// int8 inputs; the source divides by its stored scales.
    case bitlinear
    /// int8 inputs; the source multiplies by its stored scales.
    case autobitlinear
  }

  public var linearClass: LinearClass
  /// Modules that compute ordinary products all the same, under Hugging Face's names.
  public var linearModules: [String]

  static let classKey = "tritsmith.linear_class"
  static let modulesKey = "tritsmith.linear_modules"

  public init(_ linearClass: LinearClass, linearModules: [String] = []) {
    (self.linearClass, self.linearModules) = (linearClass, linearModules)
  }

  /// What a file says; nil when it says nothing.
  ///
  /// - Throws: `ModelError` for a class that is not known, or modules that are no list of names.
  public init?(_ manifest: ModelManifest) throws(ModelError) {
    guard let value = manifest.entry(GGUFArithmetic.classKey) else { return nil }
    guard let found = value.string.flatMap(LinearClass.init(rawValue:)) else {
      let known = LinearClass.allCases.map(\.rawValue).joined(separator: ", ")
      throw ModelError(
        .unsupportedValue(expected: known, found: value.text()),
        location: ErrorLocation(file: manifest.path, field: GGUFArithmetic.classKey))
    }
    linearClass = found
    linearModules = []
    guard let modules = manifest.entry(GGUFArithmetic.modulesKey) else { return }
    guard let names = modules.strings else {
      throw ModelError(
        .wrongType(expected: "a list of names", found: modules.text()),
        location: ErrorLocation(file: manifest.path, field: GGUFArithmetic.modulesKey))
    }
    linearModules = names
  }

  /// Keys to write.
  public var entries: [MetadataEntry] {
    var result = [MetadataEntry(GGUFArithmetic.classKey, .string(linearClass.rawValue))]
    if linearClass != .linear, !linearModules.isEmpty {
      result.append(MetadataEntry(GGUFArithmetic.modulesKey, .array(.string(linearModules))))
    }
    return result
  }

  /// What this says of dense projections; ternary ones take inputs rounded to int8 whatever it is.
  var scheme: QuantizationScheme {
    linearClass == .linear
      ? QuantizationScheme(projections: .linear)
      : QuantizationScheme(projections: .linearQuantizedInput, excluded: linearModules)
  }

  /// Whether a key is one of these two.
  package static func owns(_ key: String) -> Bool { key == classKey || key == modulesKey }
}
