// Tritsmith: the part of a configuration that speaks of the text model.

import TritCore
import TritFormats

/// A `config.json` of a class that holds a text model beside other parts, as that of the text model alone.
struct CompoundConfiguration {
  /// As the text model's own class writes it, with what is said outside of its part.
  var object: JSONObject
  /// What stands before its keys in the file.
  var prefix: String
  /// The first key outside that is not understood.
  var problem: ModelError?

  /// Nil for a configuration that is no compound one.
  ///
  /// - Throws: `ModelError` for a part that is missing or no object.
  init?(_ whole: JSONObject, file: String) throws(ModelError) {
    guard let architecture = CompoundConfiguration.architecture(of: whole), let compound = architecture.compound
    else { return nil }
    var reader = ConfigurationReader(whole, file: file)
    guard let part = reader.value(compound.key) else {
      // Without it loaders take their defaults. Older folders of rotated weights are those of the text model alone.
      if MLXRotation.isStated(whole) { return nil }
      throw reader.error(.missingKey, compound.key)
    }
    guard var text = part.object else {
      throw reader.error(.wrongType(expected: "an object", found: reader.describe(part)), compound.key)
    }
    prefix = compound.key + "."
    problem = CompoundConfiguration.misnamed(whole, architecture, compound, reader)
    if problem == nil, let named = ArchitectureRegistry.className(in: text), named != architecture.className {
      problem = reader.error(
        .contradiction(expected: architecture.className, found: named), prefix + "architectures")
    }
    text["architectures"] = .array([.string(architecture.className)])
    text["model_type"] = text["model_type"] ?? .string(architecture.modelType)
    reader.ignore(irrelevantConfigurationKeys.union(compound.otherKeys))
    if MLXRotation.isStated(whole) { reader.ignore(MLXRotation.keys) }
    let contradiction = CompoundConfiguration.takeShared(from: &reader, into: &text, of: compound)
    problem = problem ?? contradiction
    for key in QuantizationScheme.keys {
      guard let value = reader.value(key) else { continue }
      text[key] = CompoundConfiguration.renamed(value, architecture.otherNames)
    }
    do throws(ModelError) {
      try reader.finish()
    } catch {
      problem = problem ?? error
    }
    object = text
  }

  /// Takes what is said outside and counts for the whole.
  ///
  /// - Returns: What both say otherwise; of the rest loaders go by one of them each.
  private static func takeShared(
    from reader: inout ConfigurationReader, into text: inout JSONObject, of compound: CompoundClass
  ) -> ModelError? {
    var contradiction: ModelError?
    for key in ["tie_word_embeddings"] + SpecialTokens.Role.allCases.map(\.rawValue) {
      guard let outer = reader.value(key) else { continue }
      guard let inner = text[key], !inner.isNull else {
        text[key] = outer
        continue
      }
      if inner != outer, key == "tie_word_embeddings" {
        contradiction = reader.error(
          .contradiction(expected: "as in \(compound.key), \(reader.describe(inner))", found: reader.describe(outer)),
          key)
      }
    }
    return contradiction
  }

  /// The family whose compound class a configuration names, by its class or by what loaders go by.
  static func architecture(of whole: JSONObject) -> (any Architecture)? {
    let name = ArchitectureRegistry.className(in: whole)
    let type = MLXRotation.isStated(whole) ? whole["base_model_type"]?.string : whole["model_type"]?.string
    return ArchitectureRegistry.all.first { family in
      guard let compound = family.compound else { return false }
      return name == compound.className || compound.modelType == type
    }
  }

  /// A class or type of other models than the one whose part is there.
  private static func misnamed(
    _ whole: JSONObject, _ architecture: any Architecture, _ compound: CompoundClass, _ reader: ConfigurationReader
  ) -> ModelError? {
    func other(_ key: String, _ expected: String, _ found: String) -> ModelError {
      reader.error(.contradiction(expected: "\(expected) around \(compound.key)", found: found), key)
    }
    if let name = ArchitectureRegistry.className(in: whole), name != compound.className,
      name != architecture.className
    {
      return other("architectures", compound.className, name)
    }
    if let type = whole["model_type"]?.string, type != compound.modelType, !MLXRotation.isStated(whole) {
      return other("model_type", compound.modelType, type)
    }
    return nil
  }

  /// The entries of modules under the names of the text model.
  private static func renamed(_ value: JSONValue, _ names: OtherNames) -> JSONValue {
    guard let object = value.object else { return value }
    return .object(
      JSONObject(
        entries: object.entries.map { entry in
          JSONObject.Entry(key: names.ours(entry.key), value: entry.value, offset: entry.offset)
        }))
  }
}

extension OtherNames {
  /// The name of a tensor or module in the text model alone.
  func ours(_ name: String) -> String {
    guard let prefix = prefixes.first(where: { name.hasPrefix($0.found) }) else { return name }
    return prefix.ours + name.dropFirst(prefix.found.count)
  }

  /// What a tensor is for that no text needs; nil for others.
  func purpose(ofSetAside name: String) -> String? { setAside.first { name.hasPrefix($0.prefix) }?.what }
}
