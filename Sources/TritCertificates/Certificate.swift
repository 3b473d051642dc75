// Tritsmith: what a conversion was made from, how, and what came out.

import TritConversion
import TritCore
import TritFormats
import TritModel
import TritSurvey
import TritVerification

/// The record of a conversion that anyone can repeat: schema `tritsmith.certificate` 1 (`Docs/Certificate.md`).
///
/// It names no time, machine or folder, so that the same conversion gives the same certificate everywhere.
package struct Certificate: Sendable {
  /// Names the form of the file.
  package static let schema = "tritsmith.certificate"
  /// Rises when a key changes its meaning or leaves.
  package static let version = 1

  /// One check of the audit.
  package struct Gate: Sendable, Hashable {
    package var name: String
    package var passed: Bool
    /// Tensors it looked at.
    package var tensors: Int
    /// What it counted that should be 0: tensors or trits that differ.
    package var differences: Int

    var json: JSONValue {
      .object([
        "gate": .string(name), "passed": passed ? true : false, "tensors": .number(JSONNumber(tensors)),
        "differences": .number(JSONNumber(differences)),
      ])
    }
  }

  /// Own name of the model that was read, and of what was written.
  package var inputName: String
  package var outputName: String
  /// The options; paths are left out.
  var request: JSONObject
  /// As recorded in the output.
  var recipe: JSONObject
  package var inputs: [RecordedFile]
  package var outputs: [RecordedFile]
  /// Of the output's trits and scales, the same in every format.
  package var codeStream: Digest?
  package var gates: [Gate]

  /// The bytes of the file.
  package var bytes: [UInt8] {
    var content: JSONObject = [
      "input": .string(inputName), "output": .string(outputName), "request": .object(request),
      "recipe": .object(recipe), "inputs": .array(inputs.map(\.json)), "outputs": .array(outputs.map(\.json)),
      "code_stream": codeStream.map { .string($0.description) } ?? .null,
    ]
    content.add(
      "gates",
      .array(
        gates.map(\.json)))
    return SealedRecord.bytes(Certificate.schema, version: Certificate.version, content)
  }

  /// Reads a certificate.
  ///
  /// - Throws: `RecordError` when it is not one, was made by another version, or was changed by a single byte.
  package init(reading path: String) throws {
    let (object, _) = try SealedRecord.read(path, schema: Certificate.schema, version: Certificate.version)
    func text(_ key: String) throws(RecordError) -> String {
      guard let text = object[key]?.string else { throw RecordError(.missing, file: path, field: key) }
      return text
    }
    func list(_ key: String) throws(RecordError) -> [JSONValue] {
      guard let list = object[key]?.array else { throw RecordError(.missing, file: path, field: key) }
      return list
    }
    func record(_ key: String) throws(RecordError) -> JSONObject {
      guard let record = object[key]?.object else { throw RecordError(.missing, file: path, field: key) }
      return record
    }
    inputName = try text("input")
    outputName = try text("output")
    for (key, name) in [("input", inputName), ("output", outputName)] where !FileSystem.isPlainName(name) {
      throw RecordError(.unknown(object[key]), file: path, field: key)
    }
    request = try record("request")
    recipe = try record("recipe")
    inputs = try list("inputs").map { try RecordedFile($0, file: path) }
    outputs = try list("outputs").map { try RecordedFile($0, file: path) }
    for (key, files) in [("inputs", inputs), ("outputs", outputs)]
    where files.isEmpty || files.contains(where: { $0.digest == nil }) {
      throw RecordError(.missing, file: path, field: key)
    }
    let stream = object["code_stream"]
    codeStream = stream?.string.flatMap { Digest(hex: $0) }
    guard codeStream != nil || stream?.isNull == true else {
      throw RecordError(.unknown(stream), file: path, field: "code_stream")
    }
    gates = try list("gates").map { value in
      guard let gate = value.object, let name = gate["gate"]?.string, let passed = gate["passed"]?.bool,
        let tensors = gate["tensors"]?.number?.integer, let differences = gate["differences"]?.number?.integer
      else { throw RecordError(.missing, file: path, field: "gates") }
      return Gate(name: name, passed: passed, tensors: tensors, differences: differences)
    }
    guard !gates.isEmpty else { throw RecordError(.missing, file: path, field: "gates") }
    try Certificate.checkKeys(object, path)
  }

  /// A key nobody knows says something nobody checks.
  private static func checkKeys(_ object: JSONObject, _ path: String) throws(RecordError) {
    func check(_ object: JSONObject?, _ known: [String], in place: String) throws(RecordError) {
      guard let entry = object?.entries.first(where: { !known.contains($0.key) }) else { return }
      throw RecordError(.unknown(entry.value), file: path, field: place + entry.key)
    }
    let own = ["schema", "schema_version", "generator", "input", "output", "code_stream"]
    try check(object, own + ["request", "recipe", "inputs", "outputs", "gates"], in: "")
    let parts = [
      "inputs": ["name", "bytes", "sha256"], "outputs": ["name", "bytes", "sha256"],
      "gates": ["gate", "passed", "tensors", "differences"],
    ]
    for (key, known) in parts {
      for (index, value) in (object[key]?.array ?? []).enumerated() {
        try check(value.object, known, in: "\(key)[\(index)].")
      }
    }
  }

  /// What a certificate says beside hashes, by key, in one spelling.
  var statements: [(key: String, text: String)] {
    func text(_ value: JSONValue) -> String { String(decoding: value.serialized(), as: UTF8.self) }
    return [
      ("request", text(.object(request))), ("recipe", text(.object(recipe))),
      ("gates", text(.array(gates.map(\.json)))),
    ]
  }

  /// The certificate of an output that is built and audited, and not yet in place.
  init(_ staged: StagedConversion, work: WorkOptions) throws {
    let plan = staged.plan
    inputName = FileSystem.name(of: FileSystem.resolved(plan.request.input) ?? plan.request.input)
    outputName = FileSystem.name(of: plan.request.output)
    // The quantizer by name: a default may change, a certificate does not.
    var stated = plan.request
    stated.quantizer = plan.usesQuantizer ? plan.quantizer.id : nil
    request = RequestRecord.json(stated)
    let output = try ModelOpener.open(
      staged.writer.auditPath,
      plan.request.reopening(staged.writer.auditConvention))
    recipe = Recipe.recorded(in: (output as? GGUFModelView)?.base ?? output) ?? JSONObject()
    inputs = try FileRecords(work).inputs(of: staged.source)
    try staged.source.checkUnchanged()
    outputs = try FileRecords(work).output(
      at: staged.writer.staging.stagingPath, named: outputName)
    codeStream = try CodeStream.model(of: output, work)
    gates = Certificate.gates(staged.audit)
  }

  /// What the audit compared. A staged output that fails one is never put in place.
  private static func gates(_ audit: VerifyResult) -> [Gate] {
    let ternary = audit.tensors.filter(\.isTernary)
    let dense = audit.tensors.filter { !$0.isTernary }
    func failures(_ tensors: [TensorVerification]) -> Int { tensors.count { $0.outcome == .differs } }
    return [
      Gate(
        name: "structure", passed: audit.structure.isEmpty, tensors: audit.tensors.count,
        differences: audit.structure.count),
      Gate(
        name: "trits", passed: !ternary.contains { $0.mismatches > 0 }, tensors: ternary.count,
        differences: ternary.reduce(0) { $0 + $1.mismatches }),
      Gate(
        name: "trits and scales", passed: failures(ternary) == 0, tensors: ternary.count,
        differences: failures(ternary)),
      Gate(name: "dense", passed: failures(dense) == 0, tensors: dense.count, differences: failures(dense)),
    ]
  }
}

/// Names, sizes and hashes of the files of a model.
struct FileRecords: Sendable {
  let work: WorkOptions

  init(_ work: WorkOptions) {
    self.work = work
  }

  /// The files of a source: weights, index, and what comes along. Containers hold all in their own files.
  func inputs(of source: any TensorSource) throws -> [RecordedFile] {
    let manifest = source.manifest
    var result = try records(manifest.files.map { ($0.path, FileSystem.name(of: $0.path)) })
    guard manifest.format == SafetensorsFormat.id else { return result }
    for companion in manifest.companions {
      let bytes = try source.companion(named: companion.name)
      result.append(RecordedFile(name: companion.name, bytes: UInt64(bytes.count), digest: SHA256.digest(of: bytes)))
    }
    let index = FileSystem.join(manifest.path, ShardIndex.name)
    if FileSystem.kind(of: index) == .file, !manifest.companions.contains(where: { $0.name == ShardIndex.name }) {
      result += try records([(index, ShardIndex.name)])
    }
    return result
  }

  /// The files of an output. Whatever else is in it counts as well, without a digest: no certificate names that.
  func output(at path: String, named name: String) throws -> [RecordedFile] {
    switch FileSystem.kind(of: path) {
    case .folder: break
    case .other: return [RecordedFile(name: name, bytes: 0, digest: nil, kind: .other)]
    case .file, .link, nil: return try records([(path, name)])
    }
    var files: [(path: String, name: String)] = []
    var others: [RecordedFile] = []
    for name in try CompanionPath.names(in: path) {
      let entry = FileSystem.join(path, name)
      // A link out of the output is no part of it, whatever it leads to today.
      let isLinkedOut = FileSystem.escape(of: name, in: path) != nil
      let kind = isLinkedOut ? .link : FileSystem.kind(of: entry) ?? .link
      if kind == .file {
        files.append((entry, name))
      } else {
        others.append(RecordedFile(name: name, bytes: 0, digest: nil, kind: kind))
      }
    }
    let unusable = try FileSystem.unusableNames(in: path).map {
      RecordedFile(name: $0, bytes: 0, digest: nil, kind: .other)
    }
    return try records(files) + others + unusable
  }

  private func records(_ files: [(path: String, name: String)]) throws -> [RecordedFile] {
    let sizes = files.map { FileSystem.size(of: $0.path) ?? 0 }
    work.progress.began(ProgressPhase(name: "hashing", totalBytes: sizes.reduce(0, +)))
    defer { work.progress.ended() }
    let digests = try FileHasher(work).digests(files.map(\.path))
    return zip(zip(files, sizes), digests).map { RecordedFile(name: $0.0.name, bytes: $0.1, digest: $1) }
  }
}
