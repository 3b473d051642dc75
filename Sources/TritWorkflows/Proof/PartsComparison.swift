// Tritsmith: comparing what two models are, beside their weights.

import TritCore
import TritFormats
import TritModel
import TritTokenizer

/// Compares description, tokenizer and companions of two opened models, in any containers.
struct PartsComparison {
  let first: any TensorSource
  let second: any TensorSource

  /// All parts but the weights.
  ///
  /// - Throws: what reading companions throws.
  func run() throws -> [PartFinding] { [description(), try tokenizer(), try companions()] }

  private var isSameContainer: Bool { (first is GGUFModelView) == (second is GGUFModelView) }

  // MARK: - Description

  func description() -> PartFinding {
    let sides = [first, second]
    let has = sides.map { $0.manifest.configuration != nil || $0 is GGUFModelView }
    guard has[0] || has[1] else { return PartFinding(.description, .none, "neither has a configuration") }
    guard has[0], has[1] else {
      return PartFinding(.description, .differs, "only the \(has[0] ? "first" : "second") has a configuration")
    }
    let read = sides.map { source in
      Result { () throws(ModelError) in try ModelDescription.read(source) }
    }
    switch (read[0], read[1]) {
    case (.success(let left), .success(let right)):
      var differences = left.differences(from: right)
      if isSameContainer { differences += left.tokenDifferences(from: right) }
      return differences.isEmpty
        ? PartFinding(.description, .equal, "\(left.settingCount) settings")
        : PartFinding(.description, .differs, "\(differences.count) settings differ", differences: differences)
    case (.failure(let error), _), (_, .failure(let error)):
      // What is not understood can still be the same, key for key.
      if let differences = keyDifferences() {
        return differences.isEmpty
          ? PartFinding(.description, .equal, "the same keys and values, not all understood")
          : PartFinding(.description, .differs, "\(differences.count) keys differ", differences: differences)
      }
      return PartFinding(.description, .notCompared, "not understood: \(error.placedSummary)")
    }
  }

  /// Keys of two configurations of one kind that are not the same; nil for two kinds.
  private func keyDifferences() -> [DescriptionDifference]? {
    guard isSameContainer else { return nil }
    let (left, right) = (keys(first), keys(second))
    let names = Set(left.keys).union(right.keys).sorted()
    return names.filter { left[$0] != right[$0] }.map {
      DescriptionDifference(key: $0.string, first: left[$0] ?? "absent", second: right[$0] ?? "absent")
    }
  }

  private func keys(_ source: any TensorSource) -> [ExactString: String] {
    var result: [ExactString: String] = [:]
    if let view = source as? GGUFModelView {
      for entry in view.base.manifest.entries where GGUFDescription.describes(entry.key) {
        result[ExactString(entry.key)] = entry.value.text()
      }
      return result
    }
    for entry in source.manifest.configuration?.entries ?? [] where !HuggingFaceDescription.isBookkeeping(entry.key) {
      // How weights are stored is for their tensors to say.
      if entry.key == "quantization_config" { continue }
      result[ExactString(entry.key)] = String(decoding: entry.value.serialized(), as: UTF8.self)
    }
    return result
  }

  // MARK: - Companions

  func companions() throws -> PartFinding {
    var differences: [DescriptionDifference] = []
    var compared: [String] = []
    let generation = try [first, second].map { try object("generation_config.json", $0) }
    switch (generation[0], generation[1]) {
    case (let left?, let right?):
      compared.append("generation_config.json")
      differences += PartsComparison.differences(left, right, ignoring: ["transformers_version", "_from_model_config"])
    case (nil, nil): break
    // GGUF has no place for generation settings.
    default:
      if isSameContainer {
        differences.append(
          DescriptionDifference(
            key: "generation_config.json", first: generation[0] == nil ? "absent" : "there",
            second: generation[1] == nil ? "absent" : "there"))
      }
    }
    let templates = try [first, second].map { try ChatTemplate.text(of: $0) }
    if templates[0] != nil || templates[1] != nil {
      compared.append("chat template")
      if templates[0] != templates[1] {
        differences.append(
          DescriptionDifference(
            key: "chat_template", first: PartsComparison.size(templates[0]), second: PartsComparison.size(templates[1]))
        )
      }
    }
    if !differences.isEmpty {
      return PartFinding(.companions, .differs, "\(differences.count) entries differ", differences: differences)
    }
    return compared.isEmpty
      ? PartFinding(.companions, .none, "neither has generation settings or a chat template to compare")
      : PartFinding(.companions, .equal, compared.joined(separator: ", "))
  }

  private static func size(_ text: String?) -> String { text.map { "\($0.utf8.count) bytes" } ?? "absent" }

  private func object(_ name: String, _ source: any TensorSource) throws -> JSONObject? {
    guard source.manifest.companions.contains(where: { $0.name == name }) else { return nil }
    return try? JSONValue.parse(try source.companion(named: name)).object
  }

  private static func differences(
    _ left: JSONObject, _ right: JSONObject, ignoring ignored: Set<String>
  ) -> [DescriptionDifference] {
    func text(_ value: JSONValue?) -> String {
      value.map { String(decoding: $0.serialized(), as: UTF8.self) } ?? "absent"
    }
    var keys: [String] = []
    for entry in left.entries + right.entries where !ignored.contains(entry.key) && !keys.contains(entry.key) {
      keys.append(entry.key)
    }
    return keys.filter { text(left[$0]) != text(right[$0]) }.map {
      DescriptionDifference(key: $0, first: text(left[$0]), second: text(right[$0]))
    }
  }
}

/// The chat template that comes with a model, wherever its files keep it.
enum ChatTemplate {
  static func text(of source: any TensorSource) throws -> String? {
    let names = source.manifest.companions.map(\.name)
    if names.contains("chat_template.jinja") {
      return String(decoding: try source.companion(named: "chat_template.jinja"), as: UTF8.self)
    }
    guard names.contains("tokenizer_config.json"),
      let object = try? JSONValue.parse(try source.companion(named: "tokenizer_config.json")).object
    else { return nil }
    if let text = object["chat_template"]?.string { return text.isEmpty ? nil : text }
    // Several templates by name: the default one is what programs take.
    return object["chat_template"]?.array?.compactMap(\.object)
      .first { $0["name"]?.string == "default" }?["template"]?.string
  }
}
