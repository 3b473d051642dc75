// Tritsmith: making certificates, and doing what they say again.

import TritConversion
import TritCore
import TritFormats
import TritModel
import TritQuantizers
import TritSurvey
import TritVerification

/// What is to be certified or checked.
package struct CertifyRequest: Sendable {
  /// The model that was converted; nil to look beside the certificate.
  package var source: String?
  /// What came out; nil to look beside the certificate.
  package var output: String?
  /// Where the conversion is done again, under a temporary name that is removed; nil for the certificate's folder.
  package var scratch: String?
  /// Compare hashes of what is here and do not convert.
  package var hashesOnly = false
  /// How files are got at; what their numbers mean comes from the record.
  package var open = OpenOptions()

  package init() {}
}

/// What a check of a certificate found.
package struct CertifyResult: Sendable {
  /// How a file stands to what is certified.
  package enum Verdict: String, Sendable, Hashable {
    case equal, differs, missing, unexpected
  }

  /// One comparison.
  package struct Check: Sendable, Hashable {
    /// `input`, `output`, `reproduced`, `code stream`, or `field` for what is no file.
    package var of: String
    package var name: String
    package var expected: String?
    package var found: String?
    package var verdict: Verdict
    /// Of a field: what the certificate says and what is so, where they differ. Of an entry that is no file: its kind.
    package var detail: String?
  }

  package var certificate: Certificate
  package var path: String
  package var source: String?
  package var output: String?
  /// True when the conversion was done again.
  package var reproduced: Bool
  package var checks: [Check]
  /// Whether the certificate is a new one, which is written when all checks pass.
  package var isNew = false

  /// Whether something was compared, and everything that was is equal.
  package var passed: Bool { !checks.isEmpty && checks.allSatisfy { $0.verdict == .equal } }
}

/// Checks certificates, and makes them for conversions done before.
package struct CertifyWorkflow: Sendable {
  let request: CertifyRequest
  let work: WorkOptions

  package init(_ request: CertifyRequest = CertifyRequest(), work: WorkOptions = WorkOptions()) {
    self.request = request
    self.work = work
  }

  /// Compares hashes of what is here, converts again, and compares the bytes.
  ///
  /// - Throws: `RecordError` for a certificate that is none or was changed, and when the source is not beside it.
  package func check(_ path: String) throws -> CertifyResult {
    let certificate = try Certificate(reading: path)
    let folder = FileSystem.parent(of: path)
    let source = request.source ?? FileSystem.join(folder, certificate.inputName)
    let output = request.output ?? FileSystem.join(folder, certificate.outputName)
    var result = CertifyResult(
      certificate: certificate, path: path, source: nil, output: nil, reproduced: false, checks: [])
    if request.output != nil || FileSystem.kind(of: output) != nil {
      result.output = output
      let found = try FileRecords(work).output(at: output, named: certificate.outputName)
      result.checks += compare("output", certificate.outputs, found)
      result.checks.append(field("output", certificate.outputName, FileSystem.name(of: output)))
    }
    // A conversion that did not pass its audit has no certificate, whoever says so.
    if let gate = certificate.gates.first(where: { !$0.passed || $0.differences != 0 }) {
      result.checks.append(field("gates", "passed, 0 differences", "'\(printable(gate.name))' did not pass"))
    }
    if request.hashesOnly { result.checks += gateCounts(certificate, output: result.output) }
    guard request.source != nil || FileSystem.kind(of: source) != nil else {
      if request.hashesOnly, result.output != nil { return result }
      throw RecordError(.noSource(certificate: path), file: source)
    }
    result.source = source
    let scratch = request.scratch ?? folder
    let conversion = try RequestRecord.request(
      certificate.request, input: source, output: FileSystem.join(scratch, certificate.outputName), file: path)
    let opened = try ModelOpener.open(source, openOptions(conversion), hasCompanions: true)
    result.checks += compare("input", certificate.inputs, try FileRecords(work).inputs(of: opened))
    let resolved = FileSystem.resolved(source) ?? source
    result.checks.append(field("input", certificate.inputName, FileSystem.name(of: resolved)))
    // A conversion of another input would say nothing about this certificate.
    guard !request.hashesOnly, result.checks.allSatisfy({ $0.of != "input" || $0.verdict == .equal }) else {
      return result
    }
    let again = try repeated(conversion)
    result.reproduced = true
    result.checks += reproduction(of: certificate, again)
    return result
  }

  /// What carrying out the conversion again gave, beside what is certified.
  private func reproduction(of certificate: Certificate, _ again: Certificate) -> [CertifyResult.Check] {
    compare("reproduced", certificate.outputs, again.outputs)
      + zip(certificate.statements, again.statements).map { field($0.key, $0.text, $1.text) }
      + [
        CertifyResult.Check(
          of: "code stream", name: certificate.outputName, expected: certificate.codeStream?.description,
          found: again.codeStream?.description, verdict: certificate.codeStream == again.codeStream ? .equal : .differs)
      ]
  }

  /// A certificate for a conversion done before: the recipe in the output is carried out again, and must give it.
  ///
  /// - Returns: the certificate, and the checks of the output against it. It is written when all of them pass.
  /// - Throws: `RecordError.noRecipe` for an output this program did not write.
  package func certify(source: String, output: String, place: String, replacing: Bool = false) throws -> CertifyResult {
    let staging = try StagedOutput(.file, at: place, replacing: replacing)
    let opened = try FormatRegistry.open(output, OpenOptions().reading(like: request.open))
    guard let recipe = Recipe.recorded(in: opened) else { throw RecordError(.noRecipe, file: output) }
    let scratch = request.scratch ?? FileSystem.parent(of: output)
    let name = FileSystem.name(of: output)
    let conversion = try Recipe.request(
      recipe, input: source, output: FileSystem.join(scratch, name), file: opened.manifest.path)
    try CertificatePlace.check(place, conversion, output: output)
    let again = try repeated(conversion)
    let found = try FileRecords(work).output(at: output, named: name)
    let result = CertifyResult(
      certificate: again, path: place, source: source, output: output, reproduced: true,
      checks: compare("output", again.outputs, found), isNew: true)
    if result.passed {
      try SealedRecord.stage(again.bytes, in: staging)
      try staging.commit()
    }
    return result
  }

  // MARK: - Pieces

  private func openOptions(_ conversion: ConversionRequest) -> OpenOptions {
    conversion.inputOptions.reading(like: request.open)
  }

  /// The certificate of a conversion whose output is built, audited and removed again.
  private func repeated(_ conversion: ConversionRequest) throws -> Certificate {
    var conversion = conversion
    conversion.open = conversion.open.reading(like: request.open)
    // What stands there is compared, never touched: the staged output is dropped.
    conversion.replaces = true
    return try ConvertWorkflow(conversion, work: work).rehearse { try Certificate($0, work: work) }
  }

  /// Whether the numbers of compared tensors fit each other, and the output where it is here: a conversion that is not
  /// done again cannot tell more.
  private func gateCounts(_ certificate: Certificate, output: String?) -> [CertifyResult.Check] {
    func count(_ name: String) -> Int? { certificate.gates.first { $0.name == name }?.tensors }
    var checks: [CertifyResult.Check] = []
    if let all = count("structure"), let ternary = count("trits"), let scales = count("trits and scales"),
      let dense = count("dense")
    {
      if ternary != scales { checks.append(field("gates", "\(scales) ternary tensors", "\(ternary)")) }
      if Checked.sum(ternary, dense) != all {
        checks.append(field("gates", "\(all) tensors", "\(ternary) ternary and \(dense) dense ones"))
      }
      guard let output, let opened = try? ModelOpener.open(output, OpenOptions().reading(like: request.open)),
        let unread = try? TensorInventory.setAside(opened)
      else { return checks }
      let stored = opened.manifest.tensors.count
      let least = stored - opened.manifest.tensors.count { unread.contains(ExactString($0.name)) }
      if !(least...stored).contains(all) { checks.append(field("gates", "\(all) tensors", "\(stored)")) }
    } else {
      checks.append(field("gates", "structure, trits, trits and scales, dense", "one is missing"))
    }
    return checks
  }

  private func field(_ name: String, _ expected: String, _ found: String) -> CertifyResult.Check {
    let isEqual = expected == found
    return CertifyResult.Check(
      of: "field", name: name, expected: nil, found: nil, verdict: isEqual ? .equal : .differs,
      detail: isEqual ? nil : "says \(printable(expected, limit: 160)), is \(printable(found, limit: 160))")
  }

  private func compare(_ of: String, _ expected: [RecordedFile], _ found: [RecordedFile]) -> [CertifyResult.Check] {
    // A repaired name may be another file's own: what is no file is never taken for one.
    let files = found.filter { $0.kind == .file }
    var rest = Dictionary(files.map { (ExactString($0.name), $0) }, uniquingKeysWith: { first, _ in first })
    var checks = expected.map { file in
      let other = rest.removeValue(forKey: ExactString(file.name))
      let verdict: CertifyResult.Verdict =
        other.map { $0.bytes == file.bytes && $0.digest == file.digest ? .equal : .differs } ?? .missing
      return CertifyResult.Check(
        of: of, name: file.name, expected: file.digest?.description, found: other?.digest?.description,
        verdict: verdict)
    }
    for file in found where file.kind != .file || rest[ExactString(file.name)] != nil {
      checks.append(
        CertifyResult.Check(
          of: of, name: file.name, expected: nil, found: file.digest?.description, verdict: .unexpected,
          detail: file.kind == .file ? nil : "is \(file.kind == .link ? "a link that leads nowhere" : file.kind.name)"))
    }
    return checks
  }
}
