// Tritsmith: holding models against rules, against each other, and against what was certified.

extension Model {
  /// Looks for everything that makes the model unusable or suspicious: files, numbers, trits, settings, tokenizer.
  ///
  /// - Parameters:
  ///   - isStrict: warnings fail, too.
  ///   - scoresText: scores a text as well, which takes as long as running it.
  ///   - sibling: another form of the model, whose weights it must hold.
  ///   - work: threads, progress and cancellation; none of them changes the result.
  /// - Throws: a `DiagnosticError`, `cannotOpen` or `inputOutput`, when a file cannot be read; what is wrong with the
  ///   model is a finding.
  public func check(
    isStrict: Bool = false, scoresText: Bool = false, sibling: Model? = nil, work: WorkOptions = .standard
  ) throws -> CheckResult {
    let request = CheckRequest(
      path: path, open: options, isStrict: isStrict, scoresText: scoresText, sibling: sibling?.path)
    return try CheckWorkflow(request, work: work).run()
  }

  /// Compares two models as they are, whatever their formats: structure, trits, scales, dense numbers, settings and
  /// tokenizer. Nothing is quantized.
  ///
  /// - Parameters:
  ///   - other: the model it is held against, of any format.
  ///   - isExact: what storing numbers in another type did counts as a difference.
  ///   - parts: what the verdict rests on; a file that is weights alone has nothing else.
  ///   - work: threads, progress and cancellation; none of them changes the result.
  /// - Throws: a `DiagnosticError`: `inputOutput` when a file cannot be read, `malformedInput` when it is damaged, `misuse`
  ///   when the two cannot be compared; models that differ are a result.
  public func compare(
    with other: Model, isExact: Bool = false, parts: Set<ModelPart> = ModelPart.needed, work: WorkOptions = .standard
  ) throws -> CompareResult {
    let request = CompareRequest(isExact: isExact, parts: parts)
    return try CompareWorkflow(first: source, second: other.source, request: request, work: work).run()
  }

  /// Runs this model in lock-step with another form of it, or along a file of reference logits, and compares logits.
  ///
  /// - Parameters:
  ///   - reference: the path of a model, or of a safetensors file as `tritsmith logits` writes it.
  ///   - configure: sets texts, arithmetic, and files of hidden states.
  /// - Throws: a `DiagnosticError`: `cannotOpen` or `inputOutput` when a file cannot be read, `malformedInput` when it is
  ///   damaged or the model is not understood, `misuse` when the two cannot be compared.
  public func validate(
    against reference: String, configure: (inout ValidateRequest) -> Void = { _ in }
  ) throws -> ValidateResult {
    var request = ValidateRequest(path: path, against: reference)
    configure(&request)
    // What this model was opened with says nothing of the other one.
    request.referenceOptions = request.referenceOptions ?? request.options
    request.options = running(request.options)
    return try ValidateWorkflow(request).run()
  }

  /// Does again what a certificate says was done, and compares all bytes.
  ///
  /// - Parameters:
  ///   - certificate: the JSON file that `convert(to:at:certificate:)` wrote.
  ///   - source: the model that was converted; nil looks beside the certificate.
  ///   - output: what came of it; nil looks beside the certificate.
  ///   - work: threads, progress and cancellation; none of them changes the result.
  /// - Throws: a `DiagnosticError`: `cannotOpen` for a file that is missing, `checkFailed` for a certificate that was
  ///   changed or is of another version.
  public static func check(
    certificate: String, source: String? = nil, output: String? = nil, work: WorkOptions = .standard
  ) throws -> CertifyResult {
    var request = CertifyRequest()
    request.source = source
    request.output = output
    return try CertifyWorkflow(request, work: work).check(certificate)
  }
}
