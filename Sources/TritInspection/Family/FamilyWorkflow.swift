// Tritsmith: proving that checkpoints are forms of one model.

import TritCore
import TritFormats
import TritModel
import TritQuantizers
import TritSurvey
import TritVerification

/// What can be wrong with what a family check is given.
package typealias FamilyError = Diagnostic<FamilyErrorKind>

package enum FamilyErrorKind: DiagnosticKind {
  case tooFew(found: Int)
  case tooMany(found: Int, limit: Int)

  package var summary: String {
    switch self {
    case .tooFew(let found): "expected two models or more to compare, found \(found)"
    case .tooMany(let found, let limit): "expected at most \(limit) models, found \(found)"
    }
  }

  package var remedy: String? {
    switch self {
    case .tooFew: "name several checkpoints, or a folder that holds them as subfolders"
    case .tooMany: "name the checkpoints that may belong together"
    }
  }

  package var category: ErrorCategory { .misuse }
}

/// Checkpoints that may belong together.
package struct FamilyRequest: Sendable {
  /// Models, or folders that hold models as subfolders.
  package var paths: [String]
  /// What paths are called in equations, where that is not their last part.
  package var names: [String: String] = [:]
  package var open: OpenOptions
  /// The quantizer latent weights are held against; nil takes the recorded one, then the family's.
  package var quantizer: String?

  package init(paths: [String], open: OpenOptions = OpenOptions(), quantizer: String? = nil) {
    self.paths = paths
    self.open = open
    self.quantizer = quantizer
  }
}

/// Proves for every pair that both are forms of one model.
///
/// Latent weights are quantized anew, packed ones unpacked, dense ternary ones taken by their signs; codes are decoded
/// by code that shares nothing with the packers. Other tensors must be equal, too.
package struct FamilyWorkflow: Sendable {
  let request: FamilyRequest
  let work: WorkOptions
  private static let limit = 16

  package init(_ request: FamilyRequest, work: WorkOptions = WorkOptions()) {
    self.request = request
    self.work = work
  }

  private struct Model {
    /// Its place among the members.
    var place: Int
    var member: FamilyMember
    var kind: ModelKind
    var source: any TensorSource
    /// The last part of its path, in equations.
    var name: String

    /// What stands for the trits of this model.
    var trits: String {
      switch kind {
      case .packed: "trits(\(name))"
      case .ternaryDense: "sign(\(name))"
      case .latent, .ordinary, .undetermined: "trits(quantize(\(name)))"
      }
    }

    var isTernary: Bool { kind == .packed || kind == .ternaryDense }
  }

  /// A model that does not hold what it should is a member that cannot be read, as long as two others can.
  ///
  /// - Throws: `FamilyError` for fewer than two models; what opening and reading them throws.
  package func run() throws -> FamilyResult {
    var notes: [String] = []
    let paths = try paths(&notes)
    guard paths.count <= FamilyWorkflow.limit else {
      throw FamilyError(.tooMany(found: paths.count, limit: FamilyWorkflow.limit))
    }
    var faults: [Int: any DiagnosticError] = [:]
    func reading<Value>(_ place: Int, _ step: () throws -> Value) throws -> Value? {
      do {
        return try step()
      } catch let error as any DiagnosticError where isOfMember(error, paths[place]) {
        faults[place] = error
        return nil
      }
    }
    let opened = try paths.indices.compactMap { place in
      try reading(place) { (place: place, source: try ModelOpener.open(paths[place], request.open.keepingRotation)) }
    }
    let sources = try ModelOpener.alike(opened.map(\.source))
    notes += ModelOpener.rotationNotes(sources)
    let models = try zip(opened, sources).compactMap { found, source in
      try reading(found.place) { try model(found.place, paths[found.place], source) }
    }
    guard models.count > 1 else {
      let fault = faults.min { $0.key < $1.key }?.value
      throw fault ?? FamilyError(.tooFew(found: models.count), file: request.paths.first)
    }
    var proofs: [FamilyProof] = []
    for first in models.indices {
      for second in models.indices where second > first {
        proofs.append(try prove(first, second, models))
      }
    }
    var members = paths.indices.map { place in
      FamilyMember(path: paths[place], format: "", fault: faults[place].map { FamilyWorkflow.fault($0, paths[place]) })
    }
    for (model, family) in zip(models, FamilyWorkflow.families(models.count, proofs)) {
      members[model.place] = model.member
      members[model.place].family = family
    }
    return FamilyResult(members: members, proofs: proofs, notes: notes)
  }

  /// The families of models, counted from 1: those joined by a proof are one.
  private static func families(_ count: Int, _ proofs: [FamilyProof]) -> [Int] {
    var family = Array(0..<count)
    for proof in proofs where proof.holds {
      let (left, right) = (family[proof.first], family[proof.second])
      for index in family.indices where family[index] == max(left, right) { family[index] = min(left, right) }
    }
    let numbers = Array(Set(family)).sorted()
    return family.map { (numbers.firstIndex(of: $0) ?? 0) + 1 }
  }

  private func model(_ place: Int, _ path: String, _ source: any TensorSource) throws -> Model {
    try source.checkIntegrity(work.parallelism, SilentProgress())
    let kind = try ModelSurvey(of: source).kind
    let member = FamilyMember(
      path: path, format: source.manifest.format.rawValue, kind: kind,
      codeStream: try CodeStream.model(of: source, silent))
    return Model(
      place: place, member: member, kind: kind, source: source,
      name: printable(request.names[path] ?? FileSystem.name(of: path)))
  }

  /// Whether an error is one of a member alone. A path that was named and is not there is a mistake of the call.
  private func isOfMember(_ error: any DiagnosticError, _ path: String) -> Bool {
    error.category == .malformedInput || error.category == .cannotOpen && !request.paths.contains(path)
  }

  /// An error in a line behind the member's path.
  private static func fault(_ error: any DiagnosticError, _ path: String) -> String {
    let finding = ModelChecks.finding(.unreadable, error)
    return error.location.file == path ? finding.detail : "\(finding.subject): \(finding.detail)"
  }

  private var silent: WorkOptions { WorkOptions(parallelism: work.parallelism, kernels: work.kernels) }

  // MARK: - Finding members

  /// The models that are named, or that lie in a folder that is named and is no model itself.
  private func paths(_ notes: inout [String]) throws -> [String] {
    var result: [String] = []
    for path in request.paths {
      guard FileSystem.kind(of: path) == .folder, try !isModel(path) else {
        result.append(path)
        continue
      }
      let found = try FileSystem.names(in: path).filter { !$0.hasPrefix(".") }.map { FileSystem.join(path, $0) }
      let models = try found.filter { try isModel($0) || holdsOneFile($0) }
      if models.isEmpty { result.append(path) }
      result += models
      for other in found where !models.contains(other) && FileSystem.kind(of: other) == .folder {
        notes.append("\(printable(other)) is left out: it is not one model")
      }
    }
    return result
  }

  /// Whether a folder is opened as the one file in it that is a model.
  private func holdsOneFile(_ path: String) -> Bool {
    guard FileSystem.kind(of: path) == .folder, let place = try? ModelPlace.resolved(path) else { return false }
    return place != path && FileSystem.kind(of: place) == .file
  }

  private func isModel(_ path: String) throws -> Bool {
    switch FileSystem.kind(of: path) {
    case .folder:
      let names = try FileSystem.names(in: path)
      // A folder of references holds safetensors files that are no models; a model has a configuration.
      return names.contains("config.json") && names.contains { $0.hasSuffix(".safetensors") }
    case .file: return path.hasSuffix(".tritpack") || path.hasSuffix(".gguf")
    default: return false
    }
  }

  // MARK: - One pair

  private func prove(_ first: Int, _ second: Int, _ models: [Model]) throws -> FamilyProof {
    let (left, right) = (models[first], models[second])
    let isVerified = left.isTernary != right.isTernary
    // Latent weights are the source, whichever was named first.
    let (source, other) = right.isTernary || !isVerified ? (left, right) : (right, left)
    let unproved = FamilyProof(
      first: first, second: second,
      equation: left.isTernary || right.isTernary
        ? "\(source.trits) = \(other.trits)" : "\(left.name) = \(right.name)",
      holds: false, tensors: 0, trits: 0, mismatches: 0, detail: "")
    do {
      return try isVerified ? verified(source, other, unproved) : compared(left, right, unproved)
    } catch let error as any DiagnosticError where error.category == .malformedInput {
      // One model that cannot be read leaves what the others are to each other.
      var proof = unproved
      proof.isCompared = false
      proof.firstTensor = error.location.tensor
      proof.detail = "not compared: \(error.placedSummary)"
      return proof
    }
  }

  private func verified(_ source: Model, _ other: Model, _ unproved: FamilyProof) throws -> FamilyProof {
    var proof = unproved
    let request = VerifyRequest(quantizer: request.quantizer, depth: .audit)
    let result = try VerifyWorkflow(
      source: source.source, converted: other.source, request: request, work: work
    ).run()
    let ternary = result.tensors.filter(\.isTernary)
    let wrong = result.tensors.first { $0.outcome == .differs }
    proof.holds = result.passed
    proof.tensors = ternary.count
    proof.trits = ternary.reduce(0) { $0 + $1.shape.elementCount }
    proof.mismatches = ternary.reduce(0) { $0 + $1.mismatches }
    // A tensor whose trits are equal and that differs all the same has another scale.
    proof.scalesAgree = ternary.allSatisfy { $0.mismatches > 0 || $0.outcome != .differs }
    proof.firstTensor = wrong?.name
    proof.parts = result.parts
    proof.detail =
      result.structure.first ?? wrong?.detail ?? result.firstProblem
      ?? "equal under \(result.quantizer); \(result.parts.verdict)"
    return proof
  }

  private func compared(_ left: Model, _ right: Model, _ unproved: FamilyProof) throws -> FamilyProof {
    var proof = unproved
    let result = try CompareWorkflow(first: left.source, second: right.source, work: work).run()
    let ternary = result.tensors.filter(\.isTernary)
    let wrong = result.tensors.first { $0.outcome == .different }
    proof.holds = result.isSame
    proof.tensors = ternary.count
    proof.trits = ternary.reduce(0) { $0 + $1.shape.elementCount }
    proof.mismatches = ternary.reduce(0) { $0 + $1.count }
    proof.scalesAgree = ternary.isEmpty ? nil : ternary.allSatisfy { $0.count > 0 || $0.outcome != .different }
    proof.firstTensor = wrong?.name
    proof.parts = result.parts
    let areLatents = left.kind == .latent && right.kind == .latent
    proof.detail =
      result.structure.first ?? wrong.map {
        FamilyWorkflow.detail($0) + (areLatents ? FamilyWorkflow.otherLatents : "")
      }
      ?? result.parts.problem
      ?? result.parts.verdict
    return proof
  }

  /// Trainable revisions and checkpoints of one training may have the same trits in other latents.
  private static let otherLatents =
    "; both are latents, of which every number is compared: convert both to compare the trits they give"

  private static func detail(_ tensor: ComparedTensor) -> String {
    guard let place = tensor.differences.first else { return tensor.detail }
    return "\(tensor.detail), first at row \(place.row), column \(place.column): \(place.first) and \(place.second)"
  }
}
