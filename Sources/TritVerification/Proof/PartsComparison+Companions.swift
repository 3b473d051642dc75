// Tritsmith: comparing what stands beside two models: generation settings and chat templates.

import TritCore
import TritFormats
import TritModel
import TritSurvey
import TritTokenizer

extension PartsComparison {
  /// What companions were compared, and what came of it.
  private struct Comparison {
    var compared: [String] = []
    var differences: [DescriptionDifference] = []
    /// What was not compared, and why.
    var omission: String?
  }

  func companions() throws -> PartFinding {
    var comparison = Comparison()
    do {
      try compareGeneration(&comparison)
    } catch let error as FormatError {
      var finding = PartFinding(
        .companions, .notCompared, "generation_config.json is not understood: \(error.placedSummary)")
      finding.remarks = ["companions not compared (\(finding.detail))"]
      return finding
    }
    comparison.differences += tokens.furtherEnds
    try compareTemplates(&comparison)
    let (differences, omission) = (comparison.differences, comparison.omission)
    if !differences.isEmpty {
      return PartFinding(
        .companions, .differs, plural(differences.count, "entry differs", "entries differ"), differences: differences)
    }
    guard comparison.compared.isEmpty else {
      let parts = comparison.compared + (omission.map { [$0] } ?? [])
      return PartFinding(.companions, .equal, parts.joined(separator: "; "))
    }
    return omission.map { PartFinding(.companions, .notCompared, $0) }
      ?? PartFinding(.companions, .none, "neither has generation settings or a chat template")
  }

  private func compareGeneration(_ comparison: inout Comparison) throws {
    let generation = try [first, second].map { try object("generation_config.json", $0) }
    guard isSameContainer else {
      if generation.contains(where: { $0 != nil }) { compareSampling(generation, &comparison) }
      return
    }
    switch (generation[0], generation[1]) {
    case (let left?, let right?):
      comparison.compared.append("generation_config.json")
      comparison.differences += PartsComparison.differences(
        left, right, ignoring: PartsComparison.bookkeepingOfGeneration)
    case (nil, nil): break
    default:
      comparison.differences.append(
        DescriptionDifference(
          key: "generation_config.json", first: generation[0] == nil ? "absent" : "there",
          second: generation[1] == nil ? "absent" : "there"))
    }
  }

  private func compareTemplates(_ comparison: inout Comparison) throws {
    let templates: [String?] = try [first, second].map { try ChatTemplate.text(of: $0) }
    if templates[0] != nil || templates[1] != nil {
      comparison.compared.append("chat template")
      if templates[0] != templates[1] {
        comparison.differences.append(
          DescriptionDifference(
            key: "chat_template", first: PartsComparison.size(templates[0]), second: PartsComparison.size(templates[1]))
        )
      }
    }
    let named = try namedTemplates()
    if named.count > 0 { comparison.compared.append(plural(named.count, "named chat template")) }
    comparison.differences += named.differences
  }

  /// Generation settings of a folder against GGUF's keys, which say some of them.
  private func compareSampling(_ generation: [JSONObject?], _ comparison: inout Comparison) {
    let isFirst = !(first is GGUFModelView)
    let (settings, keys) = (generation[isFirst ? 0 : 1], generation[isFirst ? 1 : 0])
    let inFolder = settings.map(GGUFSampling.carried) ?? JSONObject()
    let inKeys = keys.map(GGUFSampling.carried) ?? JSONObject()
    if !inFolder.entries.isEmpty || !inKeys.entries.isEmpty { comparison.compared.append("settings of sampling") }
    comparison.differences += PartsComparison.differences(
      isFirst ? inFolder : inKeys, isFirst ? inKeys : inFolder, ignoring: [])
    // GGUF has no place for the others: what config.json does not say as well is lost.
    let description = isFirst ? descriptions.first : descriptions.second
    let lost = PartsComparison.further(settings, than: try? description.get()).filter { inFolder[$0.key] == nil }
    comparison.differences += lost.map { key, value in
      DescriptionDifference(
        key: "generation_config.json, \(key)", first: isFirst ? value : "absent", second: isFirst ? "absent" : value)
    }
    if settings != nil {
      comparison.omission =
        "generation_config.json is only in the \(isFirst ? "first" : "second"), and GGUF holds settings of sampling alone"
    }
  }

  /// Generation settings that the description of their model does not say as well.
  private static func further(
    _ settings: JSONObject?, than description: ModelDescription?
  ) -> [(key: String, value: String)] {
    (settings?.entries ?? []).filter { entry in
      guard !PartsComparison.bookkeepingOfGeneration.contains(entry.key) else { return false }
      guard let description, let role = SpecialTokens.Role(rawValue: entry.key) else { return !entry.value.isNull }
      let ids = entry.value.isNull ? [] : (entry.value.array ?? [entry.value]).map { $0.number?.integer }
      return ids.compactMap { $0 }.sorted() != description.tokens(role) || ids.contains(nil)
    }.map { ($0.key, $0.value.shown) }
  }

  private static let bookkeepingOfGeneration: Set<String> = ["transformers_version", "_from_model_config"]

  /// Named templates beside the default one.
  private func namedTemplates() throws -> (count: Int, differences: [DescriptionDifference]) {
    let sides = try [first, second].map { try ChatTemplate.named(of: $0) }
    let names = Set(sides[0].keys).union(sides[1].keys).sorted()
    return (
      names.count,
      names.filter { sides[0][$0] != sides[1][$0] }.map {
        let other = sides[0][$0] == nil ? "" : "other "
        return DescriptionDifference(
          key: "chat_template.\($0.string)", first: PartsComparison.size(sides[0][$0]),
          second: PartsComparison.size(sides[1][$0], other))
      }
    )
  }

  private static func size(_ text: String?, _ other: String = "") -> String {
    text.map { "\($0.utf8.count) \(other)bytes" } ?? "absent"
  }

  func object(_ name: String, _ source: any TensorSource) throws -> JSONObject? {
    guard source.manifest.companions.contains(where: { $0.name == name }) else { return nil }
    return try ConfigurationText.object(
      try source.companion(named: name), path: FileSystem.join(source.manifest.path, name))
  }

  private static func differences(
    _ left: JSONObject, _ right: JSONObject, ignoring ignored: Set<String>
  ) -> [DescriptionDifference] {
    func entries(_ object: JSONObject) -> [(String, JSONValue)] {
      object.entries.filter { !ignored.contains($0.key) }.map { ($0.key, $0.value) }
    }
    return differences(entries(left), entries(right))
  }
}
