// Tritsmith: what a model's folder, headers and settings say, held against the rules.

import TritCore
import TritFormats
import TritModel
import TritReport
import TritSurvey
import VisibleText

/// The rules that need no weights, together, and how findings are worded.
package enum ModelChecks {
  /// Findings that opening a model has noted already, and the other notes.
  package static func noted(_ manifest: ModelManifest) -> (findings: [CheckFinding], notes: [String]) {
    var (findings, notes): ([CheckFinding], [String]) = ([], [])
    for note in manifest.notes {
      if note.contains(text: "total_size") {
        findings.append(CheckFinding(.indexSize, ShardIndex.name, note))
      } else if note.contains(text: "twice") {
        findings.append(CheckFinding(.duplicateKey, "config.json", note))
      } else if note.contains(text: GGUFFormat.surplus) {
        findings.append(CheckFinding(.unreadable, FileSystem.name(of: manifest.path), note, severity: .warning))
      } else if note.contains(text: "byte order mark") {
        findings.append(CheckFinding(.badConfiguration, "config.json", note, severity: .warning))
      } else if note.contains(text: "--gguf-pre") {
        let isKnown = !note.contains(text: "no program known here")
        var finding = CheckFinding(.preTokenizer, "tokenizer.ggml.pre", note, severity: isKnown ? .warning : .error)
        // A program newer than this one may know the name.
        finding.isNotUnderstood = !isKnown
        findings.append(finding)
      } else if note.hasPrefix(WeightRotation.orderKey) {
        findings.append(CheckFinding(.rotation, WeightRotation.orderKey, note, severity: .warning))
      } else if note.contains(text: ForeignPacking.ownBytes),
        ForeignQuantization(configuration: manifest.configuration) != nil
      {
        // The error about the method says it.
        continue
      } else if !note.contains(text: "both exist"), !note.contains(text: "no scale and cannot be used") {
        notes.append(note)
      }
    }
    return (findings, notes)
  }

  /// Trits and scales, configuration, tokenizer: all rules that read no weights.
  package static func described(
    _ source: any TensorSource, _ survey: ModelSurvey, leavesRemoteScales: Bool = false
  ) throws -> [CheckFinding] {
    try TernaryCheck(source: source, survey: survey, leavesRemoteScales: leavesRemoteScales).run()
      + ConfigurationCheck(source: source, survey: survey).run()
      + TokenizerCheck(source: source).run()
  }

  /// Those of them that headers answer.
  ///
  /// - Parameters:
  ///   - inventory: of the source and its description; nil where that is not understood.
  ///   - headBytes: how much of a head that should be the embeddings is held against them.
  package static func ofHeaders(
    _ source: any TensorSource, _ survey: ModelSurvey, _ inventory: TensorInventory?, headBytes: Int
  ) throws -> [CheckFinding] {
    try TernaryCheck(source: source, survey: survey).headerFindings()
      + ConfigurationCheck(source: source, survey: survey, headBytes: headBytes, inventory: inventory).run()
  }

  /// What a conversion looks at before it writes, and again in what it has written; numbers, and scales that come over a
  /// network, are looked at in its pass.
  package static func withoutValues(_ source: any TensorSource, _ survey: ModelSurvey) throws -> [CheckFinding] {
    folderFindings(source.manifest.path) + noted(source.manifest).findings
      + (try described(source, survey, leavesRemoteScales: true))
  }

  /// An error of a library as a finding.
  package static func finding(_ rule: CheckRule, _ error: any DiagnosticError) -> CheckFinding {
    let place = [error.location.file.map { FileSystem.name(of: $0) }, error.location.field].compactMap { $0 }
    // A cell has no lines, and a command that was broken cannot be pasted.
    let remedy = error.remedy.map { remedy in
      guard remedy.contains("\n"), let file = error.location.file else { return remedy }
      return "'tritsmith inspect \(printable(file))' prints the line that helps"
    }
    let text = [error.summary, remedy].compactMap { $0 }.joined(separator: "; ")
    return CheckFinding(rule, error.location.tensor ?? place.joined(separator: ", "), text)
  }

  /// What lies in a model's folder and should not.
  package static func folderFindings(_ path: String) -> [CheckFinding] {
    guard FileSystem.kind(of: path) == .folder, let names = try? FileSystem.names(in: path) else { return [] }
    var findings: [CheckFinding] = []
    for name in names where [".partial", ".part", ".incomplete", ".tmp", ".crdownload"].contains(where: name.hasSuffix)
    {
      findings.append(CheckFinding(.leftover, name, "an unfinished file of a conversion or a download"))
    }
    let weights = names.filter { $0.hasSuffix(".safetensors") && !$0.hasPrefix(".") }
    // A folder of an adapter alone is none of a model.
    if names.contains(OutputCompanions.adapter), weights.contains(where: { $0 != "adapter_model.safetensors" }) {
      findings.append(
        CheckFinding(
          .badConfiguration, OutputCompanions.adapter,
          "\(OutputCompanions.adapterMeaning); move it away, or 'tritsmith merge' what belongs to it",
          severity: .warning))
    }
    guard names.contains(ShardIndex.name) else {
      if weights.contains("model.safetensors"), weights.count > 1 {
        findings.append(
          CheckFinding(
            .mixedShards, "model.safetensors",
            "other weight files lie beside it and are not used: \(list(weights.filter { $0 != "model.safetensors" }))"))
      }
      return findings
    }
    if names.contains("model.safetensors") {
      if ShardIndex.namesSingleFile(in: path) { return findings }
      findings.append(
        CheckFinding(.mixedShards, ShardIndex.name, "model.safetensors and an index both exist; the file is used"))
    } else if let bytes = try? InputFile(path: FileSystem.join(path, ShardIndex.name), mode: .buffered)
      .contents(limit: 100 << 20), let index = try? ShardIndex(json: bytes, path: path)
    {
      let strays = weights.filter { !index.shards.contains($0) }
      if !strays.isEmpty {
        findings.append(
          CheckFinding(.mixedShards, ShardIndex.name, "the index does not name \(list(strays)); mixed revisions?"))
      }
    }
    return findings
  }

  package static func list(_ names: [String]) -> String {
    let shown = names.prefix(4).map { "'\(printable($0))'" }.joined(separator: ", ")
    return shown + (names.count > 4 ? " and \(names.count - 4) more" : "")
  }

  /// The same of names that may repeat over layers: they are named together where only the layer differs.
  package static func layers(_ names: [String]) -> String {
    let alike = foldedNames(names.map { printable($0) })
    let rest = alike.dropFirst(4).reduce(0) { $0 + $1.count }
    return alike.prefix(4).map { "'\($0.name)'" }.joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
  }
}

extension CheckFinding {
  /// Whether a sentence says it already: of the same file, tensor or key, for the same reason.
  package func isTold(by sentence: String) -> Bool {
    // The last of "config.json, license", and what stands before the remedy.
    let place = subject.split(separator: " ").last ?? ""
    let reason = detail.split(separator: ";").first ?? ""
    return sentence == detail
      || !place.isEmpty && !reason.isEmpty && sentence.contains(text: String(place))
        && sentence.contains(text: String(reason))
  }
}
