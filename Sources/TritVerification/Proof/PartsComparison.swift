// Tritsmith: comparing what two models are, beside their weights.

import TritCore
import TritFormats
import TritModel
import TritSurvey
import VisibleText

/// Compares description, tokenizer and companions of two opened models, in any containers.
package struct PartsComparison {
  let first: any TensorSource
  let second: any TensorSource
  /// Projections that may compute otherwise, by the names of their weights: somebody asked for it.
  let isExcused: (String) -> Bool
  /// What each says it is; read once for all parts.
  let descriptions: (first: Result<ModelDescription, ModelError>, second: Result<ModelDescription, ModelError>)
  /// Special tokens that are not the same: those of the description, and further ends of a text, which are of the
  /// companions.
  let tokens: (described: [DescriptionDifference], furtherEnds: [DescriptionDifference])

  package init(
    first: any TensorSource, second: any TensorSource, isExcused: @escaping (String) -> Bool = { _ in false }
  ) {
    (self.first, self.second, self.isExcused) = (first, second, isExcused)
    func read(_ source: any TensorSource) -> Result<ModelDescription, ModelError> {
      Result { () throws(ModelError) in try ModelDescription.read(source) }
    }
    descriptions = (read(first), read(second))
    guard case .success(let left) = descriptions.first, case .success(let right) = descriptions.second else {
      tokens = ([], [])
      return
    }
    let all = PartsComparison.tokenDifferences((first, left), (second, right))
    tokens = (
      all.filter { !PartsComparison.isOfFurtherEnds($0, left, right) },
      all.filter { PartsComparison.isOfFurtherEnds($0, left, right) }
    )
  }

  /// All parts but the weights.
  ///
  /// - Throws: what reading companions throws.
  package func run() throws -> [PartFinding] {
    var described = try description()
    let adapters = [first, second].map { source in
      source.manifest.companions.contains { $0.name == OutputCompanions.adapter }
    }
    if adapters[0] || adapters[1] {
      let side = adapters[0] && adapters[1] ? "both" : adapters[0] ? "the first" : "the second"
      described.remarks.append(
        "\(OutputCompanions.adapter) in \(side) not looked at: \(OutputCompanions.adapterMeaning)")
    }
    described.remarks += remarksOnExcused()
    return [described, try tokenizer(), try companions()]
  }

  var isSameContainer: Bool { (first is GGUFModelView) == (second is GGUFModelView) }

  /// Keys of two GGUF files that are compared under their own names, since no model can be made of what they say.
  var storedEntries: (first: [MetadataEntry], second: [MetadataEntry])? {
    guard first.manifest.format == GGUFFormat.id, second.manifest.format == GGUFFormat.id, !(first is GGUFModelView),
      !(second is GGUFModelView)
    else { return nil }
    return (first.manifest.entries, second.manifest.entries)
  }

  /// What keys of a group say that one of two files has and the other has not, or not so.
  func finding(
    _ part: ModelPart, _ entries: (first: [MetadataEntry], second: [MetadataEntry]), _ isOfPart: (String) -> Bool
  ) -> PartFinding {
    let (left, right) = (entries.first.filter { isOfPart($0.key) }, entries.second.filter { isOfPart($0.key) })
    guard !left.isEmpty || !right.isEmpty else { return PartFinding(part, .none, "neither has a key of it") }
    let differences = PartsComparison.differences(
      left.map { ($0.key, $0.value) }, right.map { ($0.key, $0.value) })
    return differences.isEmpty
      ? PartsComparison.partlyUnderstood(part, "the same keys and values, not all understood")
      : PartFinding(part, .differs, PartsComparison.count(differences, "key"), differences: differences)
  }

  private static func partlyUnderstood(_ part: ModelPart, _ detail: String) -> PartFinding {
    var finding = PartFinding(part, .equal, detail)
    finding.isPartlyUnderstood = true
    return finding
  }

  static func count(_ differences: [DescriptionDifference], _ word: String, _ words: String? = nil) -> String {
    differences.count == 1 ? "1 \(word) differs" : "\(differences.count) \(words ?? word + "s") differ"
  }

  // MARK: - Description

  func description() throws -> PartFinding {
    if let storedEntries {
      return finding(.description, storedEntries) { GGUFDescription.describes($0) || GGUFArithmetic.owns($0) }
    }
    let sides = [first, second]
    let has = sides.map { $0.manifest.configuration != nil || $0 is GGUFModelView }
    guard has[0] || has[1] else { return PartFinding(.description, .none, "neither has a configuration") }
    guard has[0], has[1] else {
      return PartFinding(.description, .differs, "only the \(has[0] ? "first" : "second") has a configuration")
    }
    switch descriptions {
    case (.success(let left), .success(let right)): return try settingsFinding(left, right)
    case (.failure(let error), _), (_, .failure(let error)):
      // What is not understood can still be the same, key for key.
      return try keysFinding() ?? PartFinding(.description, .notCompared, "not understood: \(error.placedSummary)")
    }
  }

  /// Two models that are understood.
  private func settingsFinding(_ left: ModelDescription, _ right: ModelDescription) throws -> PartFinding {
    let projections = try ProjectionComparison(
      first: .init(first, left), second: .init(second, right), isExcused: isExcused
    ).run()
    let differences =
      left.differences(from: right) + tokens.described + projections.differences + contradictions() + ownCode()
    var finding =
      differences.isEmpty
      ? PartFinding(
        .description, .equal,
        "\(plural(left.settingCount, "setting")); how \(plural(projections.compared, "projection")) "
          + (projections.compared == 1 ? "computes" : "compute"))
      : PartFinding(.description, .differs, PartsComparison.count(differences, "setting"), differences: differences)
    finding.remarks = projections.remarks
    return finding
  }

  /// Two models that are not both understood, by their keys; nil where these cannot be compared.
  private func keysFinding() throws -> PartFinding? {
    guard let (found, projections) = try keyDifferences() else { return nil }
    var differences = found + contradictions() + ownCode()
    // One that loaders take and one that they refuse are no one model, however small the difference.
    if differences.isEmpty {
      differences = PartsComparison.problemDifferences(descriptions.first, descriptions.second)
    }
    guard differences.isEmpty else {
      return PartFinding(.description, .differs, PartsComparison.count(differences, "key"), differences: differences)
    }
    return PartsComparison.partlyUnderstood(
      .description,
      "the same keys and values, not all understood (bookkeeping left aside); "
        + (projections.map { "how \($0) projections compute" }
          ?? "quantization_config by its text, where both are packed or neither is"))
  }

  /// What of two configurations only one is understood, or not for the same reason.
  private static func problemDifferences(
    _ left: Result<ModelDescription, ModelError>, _ right: Result<ModelDescription, ModelError>
  ) -> [DescriptionDifference] {
    func problem(_ side: Result<ModelDescription, ModelError>) -> ModelError? {
      if case .failure(let error) = side { error } else { nil }
    }
    let (one, two) = (problem(left), problem(right))
    guard one?.kind != two?.kind || one?.location.field != two?.location.field else { return [] }
    func text(_ error: ModelError?, _ key: String?) -> String {
      guard let error else { return "understood" }
      return (error.location.field == key ? "" : (error.location.field ?? "") + ": ") + error.summary
    }
    let key = one?.location.field ?? two?.location.field
    return [DescriptionDifference(key: key ?? "config.json", first: text(one, key), second: text(two, key))]
  }

  /// A configuration that says of its tensors what is not so, where only one does.
  private func contradictions() -> [DescriptionDifference] {
    let texts = zip([first, second], [second, first]).map { source, other -> String? in
      guard !(source is GGUFModelView), let configuration = source.manifest.configuration else { return nil }
      // One that is not understood differs for that reason.
      guard let quantization = PartsComparison.quantization(of: source) else {
        // What is not said there the user said.
        if source.manifest.scaleFinding.isChosen { return nil }
        return configuration[PartsComparison.quantizationKey] ?? .null == .null
          ? ConfigurationCheck.contradiction(source, quantization: nil) : nil
      }
      return ConfigurationCheck.contradiction(source, quantization: quantization)
        ?? PartsComparison.unlistedText(
          TernaryCheck.unlisted(source, quantization).filter { name in
            // Of what the other holds as trits the weights speak.
            !isExcused(name) && other.manifest.tensor(named: name)?.encoding.isTernary != true
          })
    }
    guard texts[0] != texts[1] else { return [] }
    let agrees = "agrees with the tensors"
    return [
      DescriptionDifference(
        key: PartsComparison.quantizationKey, first: texts[0] ?? agrees, second: texts[1] ?? agrees)
    ]
  }

  /// What a configuration says of quantization; nil where it says nothing, or is not understood, and for GGUF.
  private static func quantization(of source: any TensorSource) -> HFQuantization? {
    guard !(source is GGUFModelView), let configuration = source.manifest.configuration else { return nil }
    return try? HFQuantization(configuration: configuration, file: "")
  }

  private static func unlistedText(_ names: [String]) -> String? {
    names.isEmpty
      ? nil : "\(HFQuantization.listKey) does not name \(ModelChecks.list(names)), which no loader takes as they are"
  }

  /// Of projections that stay dense because somebody asked for it.
  private func remarksOnExcused() -> [String] {
    zip(["first", "second"], [first, second]).compactMap { side, source in
      let names = TernaryCheck.unlisted(source, PartsComparison.quantization(of: source)).filter(isExcused)
      return PartsComparison.unlistedText(names).map { "in the \(side), \($0)" }
    }
  }

  /// Code of a model's own that computes it, where two folders do not name the same: loaders that trust it run it.
  private func ownCode() -> [DescriptionDifference] {
    guard !(first is GGUFModelView), !(second is GGUFModelView) else { return [] }
    func named(_ source: any TensorSource) -> [String: String] {
      let entries = source.manifest.configuration?["auto_map"]?.object?.entries ?? []
      let models = entries.filter { $0.key == "AutoModel" || $0.key.hasPrefix("AutoModelFor") }
      return Dictionary(
        models.map { entry in
          // The same class by the name of its repository, and without.
          let name = entry.value.string?.parts(between: "--").last { !$0.isEmpty }.map(String.init)
          return ("auto_map.\(entry.key)", name ?? entry.value.shown)
        }
      ) { _, last in last }
    }
    let (left, right) = (named(first), named(second))
    let none = "no code of the model's own"
    return Set(left.keys).union(right.keys).sorted().filter { left[$0] != right[$0] }.map {
      DescriptionDifference(key: $0, first: left[$0] ?? none, second: right[$0] ?? none)
    }
  }

  /// Keys of two configurations of one kind that are not the same; nil for two kinds, and where nothing tells how
  /// packed and other projections compute.
  ///
  /// How projections compute is compared by effect where that much is understood, else by the text that says it.
  ///
  /// - Returns: differences, and how many projections were compared by effect.
  private func keyDifferences() throws -> (differences: [DescriptionDifference], projections: Int?)? {
    let differences: [DescriptionDifference]
    let sides = [first, second].map { ProjectionComparison.Side(notUnderstood: $0) }
    var projections: ProjectionComparison.Outcome?
    if let left = sides[0], let right = sides[1] {
      projections = try ProjectionComparison(first: left, second: right, isExcused: isExcused).run()
    }
    switch (first as? GGUFModelView, second as? GGUFModelView) {
    case (let left?, let right?):
      func entries(_ view: GGUFModelView) -> [(String, MetadataValue)] {
        view.base.manifest.entries.filter {
          GGUFDescription.describes($0.key) || projections == nil && GGUFArithmetic.owns($0.key)
        }.map { ($0.key, $0.value) }
      }
      // What is the same as it stands needs no tables of it, which take several times its size.
      let isSame = left.base.manifest.entries == right.base.manifest.entries
      differences = isSame ? [] : PartsComparison.differences(entries(left), entries(right))
    case (nil, nil):
      guard let found = configurationDifferences(sides, comparesProjections: projections != nil) else { return nil }
      differences = found
    default: return nil
    }
    return (differences + (projections?.differences ?? []), projections?.compared)
  }

  /// Keys of two `config.json` that are not the same; nil where nothing tells how packed and other projections compute.
  private func configurationDifferences(
    _ sides: [ProjectionComparison.Side?], comparesProjections: Bool
  ) -> [DescriptionDifference]? {
    // Packed weights have a text of their own; they are the other's when their trits are.
    let packed = [first, second].map { $0.manifest.tensors.contains(where: \.encoding.isTernary) }
    let comparesText = !comparesProjections && packed[0] == packed[1]
    if !comparesProjections, packed[0] != packed[1], ![first, second].allSatisfy(PartsComparison.saysScheme) {
      return nil
    }
    func entries(_ source: any TensorSource) -> [(String, JSONValue)] {
      (source.manifest.configuration?.entries ?? []).filter {
        PartsComparison.sayWhat.contains($0.key)
          || !HuggingFaceDescription.isBookkeeping($0.key)
            && (comparesText || !PartsComparison.quantizationKeys.contains($0.key))
      }.map { ($0.key, $0.value) }
    }
    let isSame = first.manifest.configuration == second.manifest.configuration
    let all = isSame ? [] : PartsComparison.differences(entries(first), entries(second))
    // A file without a type is made whole on its way.
    var differences = all.filter { $0.key != "model_type" || ![$0.first, $0.second].contains("absent") }
    if comparesProjections, let left = sides[0]?.scheme, let right = sides[1]?.scheme,
      left.inputNormEpsilon != right.inputNormEpsilon
    {
      func text(_ scheme: QuantizationScheme) -> String { scheme.inputNormEpsilon.map { "epsilon \($0)" } ?? "false" }
      differences.append(
        DescriptionDifference(
          key: PartsComparison.quantizationKey + ".use_rms_norm", first: text(left), second: text(right)))
    }
    return differences
  }

  /// Whether what a configuration says of quantization is understood.
  private static func saysScheme(_ source: any TensorSource) -> Bool {
    guard let configuration = source.manifest.configuration else { return true }
    do throws(ModelError) {
      _ = try QuantizationScheme.stated(by: configuration, file: "")
      return true
    } catch {
      return false
    }
  }

  private static let quantizationKey = "quantization_config"
  /// With that of mlx-lm, which writes both.
  private static let quantizationKeys: Set<String> = [quantizationKey, "quantization"]
  /// Keys that are names, and by which loaders choose what to compute.
  private static let sayWhat: Set<String> = ["architectures", "model_type"]

  /// Only what differs becomes text: a value may be a megabyte. The last of several entries of a key counts.
  static func differences<Value: SettingValue>(
    _ left: [(String, Value)], _ right: [(String, Value)]
  ) -> [DescriptionDifference] {
    func table(_ entries: [(String, Value)]) -> [ExactString: Value] {
      Dictionary(entries.lazy.map { (ExactString($0.0), $0.1) }, uniquingKeysWith: { _, last in last })
    }
    let (a, b) = (table(left), table(right))
    func isSame(_ key: ExactString) -> Bool {
      guard let left = a[key], let right = b[key] else { return false }
      return left.means(right)
    }
    return Set(a.keys).union(b.keys).sorted().filter { !isSame($0) }.flatMap { key -> [DescriptionDifference] in
      // The settings of a model inside another are named one by one.
      if key.string.hasSuffix("_config"), key.string != quantizationKey, let left = a[key]?.entries,
        let right = b[key]?.entries
      {
        return differences(left, right).map {
          DescriptionDifference(key: "\(key.string).\($0.key)", first: $0.first, second: $0.second)
        }
      }
      return [
        DescriptionDifference(key: key.string, first: a[key]?.shown ?? "absent", second: b[key]?.shown ?? "absent")
      ]
    }
  }
}
