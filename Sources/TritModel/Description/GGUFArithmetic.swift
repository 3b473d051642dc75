// Tritsmith: how a GGUF file's source computes, in keys of our own.

import TritCore

/// How the projections of a file's source compute.
///
/// GGUF's own keys say nothing of it, and logits depend on it: dense weights of a BitNet model take inputs rounded to
/// int8 in their source, those of an ordinary model do not. Ternary types with one scale for a matrix are those of
/// BitNets, and a dense form of a BitNet is an ordinary product by habit: they round inputs unless the family takes them
/// as they are, or the file says that packed matrices do.
package struct GGUFArithmetic: Sendable, Equatable {
  /// The layers of the source.
  package enum LinearClass: String, Sendable, CaseIterable {
    /// Ordinary products of dense weights; packed ones compute as the family's own.
    case linear
    /// Ordinary products, of packed trits as well, in a family whose packed matrices round inputs elsewhere.
    case weightsOnly = "weights_only"
    /// int8 inputs; the source divides by its stored scales.
    case bitlinear
    /// int8 inputs; the source multiplies by its stored scales.
    case autobitlinear

    /// Whether inputs are rounded to int8.
    var roundsInputs: Bool {
      switch self {
      case .linear, .weightsOnly: false
      case .bitlinear, .autobitlinear: true
      }
    }
  }

  package var linearClass: LinearClass
  /// Modules that compute ordinary products all the same, under Hugging Face's names.
  package var linearModules: [String]

  static let classKey = "tritsmith.linear_class"
  static let modulesKey = "tritsmith.linear_modules"

  package init(_ linearClass: LinearClass, linearModules: [String] = []) {
    (self.linearClass, self.linearModules) = (linearClass, linearModules)
  }

  /// What a file says; nil when it says nothing.
  ///
  /// - Throws: `ModelError` for a class that is not known, or modules that are no list of names.
  package init?(_ manifest: ModelManifest) throws(ModelError) {
    guard let value = manifest.entry(GGUFArithmetic.classKey) else { return nil }
    guard let found = value.string.flatMap(LinearClass.init(rawValue:)) else {
      let known = LinearClass.allCases.map(\.rawValue).joined(separator: ", ")
      throw ModelError(
        .unsupportedValue(expected: known, found: value.text()), file: manifest.path, field: GGUFArithmetic.classKey)
    }
    linearClass = found
    linearModules = []
    guard let modules = manifest.entry(GGUFArithmetic.modulesKey) else { return }
    guard let names = modules.strings else {
      throw ModelError(
        .wrongType(expected: "a list of names", found: modules.text()),
        file: manifest.path, field: GGUFArithmetic.modulesKey)
    }
    linearModules = names
  }

  /// Keys to write.
  package var entries: [MetadataEntry] {
    var result = [MetadataEntry(GGUFArithmetic.classKey, .string(linearClass.rawValue))]
    if linearClass.roundsInputs, !linearModules.isEmpty {
      result.append(MetadataEntry(GGUFArithmetic.modulesKey, .array(.string(linearModules))))
    }
    return result
  }

  /// What this says of the projections of a family.
  func scheme(_ architecture: any Architecture) -> QuantizationScheme {
    guard !linearClass.roundsInputs else {
      return QuantizationScheme(projections: .linearQuantizedInput, excluded: linearModules)
    }
    var result = QuantizationScheme(projections: .linear)
    result.isWeightOnly = linearClass == .weightsOnly || architecture.defaults.packedProjections == .linear
    return result
  }

  /// Whether a key is one of these two.
  package static func owns(_ key: String) -> Bool { key == classKey || key == modulesKey }
}
