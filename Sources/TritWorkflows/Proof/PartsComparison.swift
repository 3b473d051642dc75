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
    switch (first as? GGUFModelView, second as? GGUFModelView) {
    case (let left?, let right?):
      let (a, b) = (left.base.manifest.entries, right.base.manifest.entries)
      if a == b { return [] }
      return PartsComparison.differences(
        a.filter { GGUFDescription.describes($0.key) }.map { ($0.key, $0.value) },
        b.filter { GGUFDescription.describes($0.key) }.map { ($0.key, $0.value) }
      ) { $0.text() }
    case (nil, nil):
      if first.manifest.configuration == second.manifest.configuration { return [] }
      // How weights are stored is for their tensors to say.
      func entries(_ source: any TensorSource) -> [(String, JSONValue)] {
        (source.manifest.configuration?.entries ?? []).filter {
          !HuggingFaceDescription.isBookkeeping($0.key) && $0.key != "quantization_config"
        }.map { ($0.key, $0.value) }
      }
      return PartsComparison.differences(entries(first), entries(second)) {
        String(decoding: $0.serialized(), as: UTF8.self)
      }
    default: return nil
    }
  }

  /// Only what differs becomes text: a value may be a megabyte. The last of several entries of a key counts.
  private static func differences<Value: Equatable>(
    _ left: [(String, Value)], _ right: [(String, Value)], _ text: (Value) -> String
  ) -> [DescriptionDifference] {
    func table(_ entries: [(String, Value)]) -> [ExactString: Value] {
      Dictionary(entries.lazy.map { (ExactString($0.0), $0.1) }, uniquingKeysWith: { _, last in last })
    }
    let (a, b) = (table(left), table(right))
    return Set(a.keys).union(b.keys).sorted().filter { a[$0] != b[$0] }.map {
      DescriptionDifference(key: $0.string, first: a[$0].map(text) ?? "absent", second: b[$0].map(text) ?? "absent")
    }
  }

  // MARK: - Companions

  func companions() throws -> PartFinding {
    var differences: [DescriptionDifference] = []
    var compared: [String] = []
    let generation: [JSONObject?]
    do {
      generation = try [first, second].map { try object("generation_config.json", $0) }
    } catch let error as FormatError {
      return PartFinding(.companions, .notCompared, "generation_config.json is not understood: \(error.placedSummary)")
    }
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
    let more = try additionalTemplates()
    if more.count > 0 { compared.append(CompanionPath.templates) }
    differences += more.differences
    if !differences.isEmpty {
      return PartFinding(.companions, .differs, "\(differences.count) entries differ", differences: differences)
    }
    return compared.isEmpty
      ? PartFinding(.companions, .none, "neither has generation settings or a chat template to compare")
      : PartFinding(.companions, .equal, compared.joined(separator: ", "))
  }

  /// Named templates beside the default one, where both containers have a place for them.
  private func additionalTemplates() throws -> (count: Int, differences: [DescriptionDifference]) {
    guard !(first is GGUFModelView), !(second is GGUFModelView) else { return (0, []) }
    let names = [first, second].flatMap(\.manifest.companions).map(\.name).filter(CompanionPath.isTemplate)
    let unique = Set(names.map { ExactString($0) }).sorted().map(\.string)
    let differences = try unique.compactMap { name -> DescriptionDifference? in
      let texts = try [first, second].map { source in
        source.manifest.companions.contains { ExactString($0.name) == ExactString(name) }
          ? String(decoding: try source.companion(named: name), as: UTF8.self) : nil
      }
      guard texts[0] != texts[1] else { return nil }
      return DescriptionDifference(
        key: name, first: PartsComparison.size(texts[0]), second: PartsComparison.size(texts[1]))
    }
    return (unique.count, differences)
  }

  private static func size(_ text: String?) -> String { text.map { "\($0.utf8.count) bytes" } ?? "absent" }

  private func object(_ name: String, _ source: any TensorSource) throws -> JSONObject? {
    guard source.manifest.companions.contains(where: { $0.name == name }) else { return nil }
    return try ConfigurationText.object(
      try source.companion(named: name), path: FileSystem.join(source.manifest.path, name))
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
      let object = try? JSONValue.parse(try source.companion(named: "tokenizer_config.json"), dialect: .python).object
    else { return nil }
    if let text = object["chat_template"]?.string { return text.isEmpty ? nil : text }
    // Several templates by name: the default one is what programs take.
    return object["chat_template"]?.array?.compactMap(\.object)
      .first { $0["name"]?.string == "default" }?["template"]?.string
  }
}
