// Tritsmith: converting and comparing models.

import TritCertificates

extension Model {
  private func request(
    _ target: ConversionTarget, _ output: String, _ configure: (inout ConversionRequest) -> Void
  ) -> ConversionRequest {
    var request = ConversionRequest(input: path, output: output, target: target)
    request.open = options
    configure(&request)
    return request
  }

  /// What a conversion would do; nothing is written.
  ///
  /// - Throws: a `DiagnosticError`, `misuse` or `malformedInput`, when the model cannot become that.
  public func plan(
    to target: ConversionTarget, at output: String = "", configure: (inout ConversionRequest) -> Void = { _ in }
  ) throws -> ConversionPlan {
    try ConvertWorkflow(request(target, output, configure)).plan()
  }

  /// Converts, audits by an independent decoder, puts the output in place, and opens it.
  ///
  /// - Parameters:
  ///   - target: what it becomes.
  ///   - output: a folder or file that does not exist; set `replaces` in `configure` to replace one.
  ///   - certificate: also writes a certificate there, which `tritsmith certify` checks.
  ///   - work: threads, progress and cancellation; none of them changes the output.
  ///   - configure: sets further options.
  /// - Throws: a `DiagnosticError`: `misuse` or `malformedInput` when the model cannot become that, `cannotCreate` when
  ///   the output exists, `inputOutput` when reading or writing fails, `checkFailed` when the output fails its audit,
  ///   `interrupted` when it was cancelled; nothing is left behind then.
  public func convert(
    to target: ConversionTarget, at output: String, certificate: String? = nil, work: WorkOptions = WorkOptions(),
    configure: (inout ConversionRequest) -> Void = { _ in }
  ) throws -> Model {
    let request = request(target, output, configure)
    let workflow = ConvertWorkflow(request, work: work)
    let result = try certificate.map { try workflow.run(certificate: $0) } ?? workflow.run()
    // A single safetensors file has no configuration of its own to say what its scales mean.
    let convention = result.plan.tensors.contains { $0.encoding.isTernary } ? result.plan.convention : nil
    return try Model(output, request.reopening(target == .hfPacked ? convention : nil))
  }

  /// Compares this model with the one it was made from: structure, every trit, scales, dense bytes, errors, hash,
  /// configuration and tokenizer.
  ///
  /// - Parameters:
  ///   - source: the model it was made from.
  ///   - parts: what the verdict rests on; a file that is weights alone has nothing else.
  ///   - work: threads, progress and cancellation; none of them changes the result.
  /// - Throws: a `DiagnosticError`: `inputOutput` when a file cannot be read, `malformedInput` when it is damaged, `misuse`
  ///   when the two cannot be compared; models that differ are a result.
  public func verify(
    against source: Model, parts: Set<ModelPart> = ModelPart.needed, work: WorkOptions = WorkOptions()
  ) throws -> VerifyResult {
    var request = VerifyRequest()
    request.parts = parts
    request.open = source.options
    return try VerifyWorkflow(source: source.source, converted: self.source, request: request, work: work).run()
  }
}
