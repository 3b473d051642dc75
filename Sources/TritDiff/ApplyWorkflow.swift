// Tritsmith: a fine-tune made from its base and a patch.

import TritConversion
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritSurvey
import TritVerification

/// What a user asks of an application.
package struct ApplyRequest: Sendable {
  package var base: String
  package var patch: String
  package var output: String
  package var openBase = OpenOptions()
  /// Nil for the files the patch was made of; else what to convert them to.
  package var conversion: ConversionRequest?
  package var replaces = false

  package init(base: String, patch: String, output: String) {
    self.base = base
    self.patch = patch
    self.output = output
  }
}

/// Applies a patch: is this its base? Then write the target's files, read them back, compare every hash, put in place.
package struct ApplyWorkflow: Sendable {
  let request: ApplyRequest
  let work: WorkOptions

  package init(_ request: ApplyRequest, work: WorkOptions = WorkOptions()) {
    self.request = request
    self.work = work
  }

  /// Checks the base, makes the target, reads it back and puts it in place.
  package func run() throws -> ApplyResult {
    let start = Platform.monotonicSeconds
    for input in [request.base, request.patch] {
      try OutputPlace.check(request.output, input: input, replaces: request.replaces)
    }
    let patch = try openPatch()
    var request = request
    request.conversion = request.conversion ?? implied(by: patch.header)
    if request.conversion == nil { try checkName(patch.header) }
    let base = try FormatRegistry.open(request.base, request.openBase)
    try patch.checkIntegrity(work.parallelism, work.progress)
    try base.checkIntegrity(work.parallelism, work.progress)
    try BaseCheck(patch: patch, base: base, work: work).run()
    let header = patch.header
    try OutputPlace.checkSpace(header.targetBytes, for: request.output)
    // A converted output is made of files in a folder that is dropped afterwards; their names enter its record.
    let isFolder = header.target.isFolder || request.conversion != nil
    let place = request.conversion == nil ? request.output : request.output + ".applied"
    let staging = try StagedOutput(
      isFolder ? .folder : .file, at: place, replacing: request.conversion == nil && request.replaces)
    let writer = TargetWriter(patch: patch, base: base, staging: staging, work: work)
    try writer.write()
    for check in [base.checkUnchanged, patch.checkUnchanged] { try check() }
    try writer.check()
    try work.parallelism.cancellation.check()
    var result = ApplyResult(
      base: request.base, patch: request.patch, output: request.output, summary: PatchSummary(patch),
      writtenBytes: header.targetBytes, conversion: nil, seconds: 0)
    if var conversion = request.conversion {
      conversion.input = header.target.isFolder ? staging.stagingPath : staging.path(of: header.files[0].name)
      conversion.output = request.output
      conversion.open = try writer.conversionOptions(conversion.input)
      conversion.replaces = request.replaces
      conversion.modelName = header.target.name
      result.conversion = try ConvertWorkflow(conversion, work: work).run()
    } else {
      try staging.commit()
    }
    result.seconds = Platform.monotonicSeconds - start
    return result
  }
}

extension ApplyWorkflow {
  /// Opens the patch; where base and patch were turned round, the error says so.
  private func openPatch() throws -> TritDiffPatch {
    do {
      return try TritDiffPatch(path: request.patch, access: request.openBase.access)
    } catch {
      do {
        _ = try FormatRegistry.open(request.base, request.openBase)
      } catch let base as FormatError where base.kind == .isPatch {
        throw DiffError(.swapped, file: request.base)
      } catch {}
      throw error
    }
  }

  /// The conversion to the one file that the output's name promises; nil where the patch gives such a file itself.
  private func implied(by header: TritDiffHeader) -> ConversionRequest? {
    guard let named = OutputPlace.form(named: request.output), named != ownForm(header),
      let target = ConversionTarget(rawValue: named)
    else { return nil }
    return ConversionRequest(input: request.base, output: request.output, target: target)
  }

  /// The form of the one file a patch gives; nil for a folder, and for a name that says none.
  private func ownForm(_ header: TritDiffHeader) -> String? {
    header.target.isFolder ? nil : header.files.first.flatMap { OutputPlace.form(named: $0.name) }
  }

  /// Refuses a name that promises another form: a folder called m.safetensors would be taken for what its name says.
  private func checkName(_ header: TritDiffHeader) throws(DiffError) {
    guard let named = OutputPlace.form(named: request.output) else { return }
    let own = ownForm(header)
    guard named != own, own != nil || header.target.isFolder else { return }
    let form = own.map { "a .\($0) file" } ?? "a folder"
    throw DiffError(.otherName(gives: form, named: named), file: request.output)
  }
}

/// Whether a model is the one a patch was made for.
struct BaseCheck {
  let patch: TritDiffPatch
  let base: any TensorSource
  let work: WorkOptions

  /// - Throws: `DiffError` that names the first tensor, in the patch's order, or the first file that differs.
  func run() throws {
    // What headers say is compared before anything is read.
    try checkHeaders()
    try checkContents()
    try checkCodeStream()
    try checkCompanions()
  }

  private func checkHeaders() throws {
    let path = base.manifest.path
    var isExpected = [Bool](repeating: false, count: base.manifest.tensors.count)
    for identity in patch.header.base.tensors {
      guard let position = base.manifest.position(ofTensor: identity.name) else {
        let hasOtherNames =
          base.manifest.format == GGUFFormat.id && ArchitectureRegistry.role(of: identity.name) != .other
        throw DiffError(hasOtherNames ? .otherNames : .missingTensor, file: path, tensor: identity.name)
      }
      isExpected[position] = true
      let meaning = (expected: BaseCheck.text(identity), found: try BaseCheck.text(tensor(identity)))
      guard meaning.expected == meaning.found else {
        throw DiffError(
          .otherTensor(expected: meaning.expected, found: meaning.found), file: path, tensor: identity.name)
      }
    }
    if let extra = isExpected.firstIndex(of: false) {
      throw DiffError(.extraTensor, file: path, tensor: base.manifest.tensors[extra].name)
    }
  }

  private func checkContents() throws {
    let expected = patch.header.base.tensors
    work.progress.began(
      ProgressPhase(
        name: "checking base", totalBytes: base.manifest.tensors.reduce(0) { $0 + UInt64($1.location.byteCount) }))
    defer { work.progress.ended() }
    try work.parallelism.forEachBand(expected.count) { index in
      let found = try tensor(expected[index]).identity()
      guard found.content == expected[index].content else {
        let kind: DiffError.Kind =
          switch (expected[index].content, found.content) {
          case (.trits(let digest, let scale), .trits(let same, let other)) where digest == same:
            .otherTensor(expected: "scales with SHA-256 \(scale.digest)", found: "\(other.digest)")
          default: .otherHash(expected: "\(expected[index].digest)", found: "\(found.digest)")
          }
        throw DiffError(kind, file: base.manifest.path, tensor: found.name)
      }
    }
  }

  private func checkCompanions() throws {
    let path = base.manifest.path
    for companion in patch.header.companions where companion.section == nil {
      guard base.manifest.companions.contains(where: { ExactString($0.name) == ExactString(companion.name) }) else {
        throw DiffError(.missingFile(companion.name), file: path)
      }
      let digest = SHA256.digest(of: try base.companion(named: companion.name))
      guard digest == companion.digest else {
        throw DiffError(.otherFile(companion.name, expected: "\(companion.digest)", found: "\(digest)"), file: path)
      }
    }
  }

  /// The base's tensor; made when it is needed, for there may be tens of thousands.
  private func tensor(_ identity: TritDiffIdentity) throws -> DiffedTensor {
    guard let tensor = base.manifest.tensor(named: identity.name) else {
      throw DiffError(.missingTensor, file: base.manifest.path, tensor: identity.name)
    }
    return try DiffedTensor(tensor, in: base, work.single)
  }

  /// What a patch tells people of its base follows from the tensors it names.
  private func checkCodeStream() throws {
    let streams = try patch.header.base.tensors.compactMap { identity -> (name: String, stream: CodeStream)? in
      guard identity.isTernary else { return nil }
      return try identity.codeStream(tensor(identity).scale()).map { (identity.name, $0) }
    }
    guard patch.header.base.codeStream == (streams.isEmpty ? nil : CodeStream.model(streams)) else {
      throw FormatError(
        .badSection("the code stream is not that of the base's tensors"), file: patch.path, field: "base.code_stream")
    }
  }

  /// All that headers and scales say of a tensor.
  private static func text(_ identity: TritDiffIdentity) -> String {
    switch identity.content {
    case .trits(_, let scale): "trits \(identity.shape), \(text(scale))"
    case .bytes(let encoding, let count, _): "\(encoding.name) \(identity.shape) of \(count) bytes"
    }
  }

  private static func text(_ tensor: DiffedTensor) throws -> String {
    guard tensor.isTernary else { return "\(tensor.encoding.name) \(tensor.tensor.shape) of \(tensor.byteCount) bytes" }
    return "trits \(tensor.tensor.shape), \(text(TritDiffScale(try tensor.scale())))"
  }

  private static func text(_ scale: TritDiffScale) -> String {
    "scale \(scale.convention.rawValue) \(scale.storage.rawValue) \(scale.granularity)"
  }
}
