// Tritsmith: comparing a converted model with its source.

import Synchronization
import TritCore
import TritFormats
import TritModel
import TritQuantizers

/// Compares a converted model with its source: structure, then trits, then scales, then round-trip errors.
///
/// Trits are compared with a fresh quantization of the source, decoded by `IndependentDecoder`, which shares no code
/// with the packers: a mistake that packing and unpacking have in common does not pass.
public struct VerifyWorkflow: Sendable {
  let source: any TensorSource
  let converted: any TensorSource
  let request: VerifyRequest
  let work: WorkOptions
  /// What the conversion's audit may go by instead of reading a tensor's source again; by the source's names.
  private let witnesses: [ExactString: AuditWitness]

  public init(
    source: any TensorSource, converted: any TensorSource, request: VerifyRequest, work: WorkOptions = WorkOptions()
  ) {
    self.init(source: source, converted: converted, request: request, work: work, witnesses: [:])
  }

  init(
    source: any TensorSource, converted: any TensorSource, request: VerifyRequest, work: WorkOptions,
    witnesses: [ExactString: AuditWitness]
  ) {
    self.witnesses = witnesses
    self.source = source
    self.converted = converted
    self.request = request
    self.work = work
  }

  public func run() throws -> VerifyResult {
    let survey = try ModelSurvey(of: source)
    let (quantizer, reason) = try chooseQuantizer(survey)
    var structure: [String] = []
    var pairs: [(source: TensorDescriptor, converted: TensorDescriptor, role: TensorRole)] = []
    var convertedByName = Dictionary(
      converted.manifest.tensors.map { (ExactString($0.name), $0) }, uniquingKeysWith: { first, _ in first })
    for (tensor, role) in zip(source.manifest.tensors, survey.roles)
    where request.only?.contains(ExactString(tensor.name)) ?? true {
      guard let other = convertedByName.removeValue(forKey: ExactString(tensor.name)) else {
        structure.append("tensor '\(printable(tensor.name))' is missing")
        continue
      }
      guard other.shape == tensor.shape else {
        structure.append("tensor '\(printable(tensor.name))' has shape \(other.shape), expected \(tensor.shape)")
        continue
      }
      pairs.append((tensor, other, role))
    }
    for name in convertedByName.keys.sorted() {
      structure.append("tensor '\(printable(name.string))' is not in the source")
    }
    let results = try compare(pairs, quantizer)
    var result = VerifyResult(
      source: source.manifest.path, converted: converted.manifest.path, quantizer: quantizer.id.rawValue,
      quantizerReason: reason, structure: structure, tensors: results.map(\.0))
    if request.depth == .full {
      let streams = result.tensors.compactMap { tensor in tensor.stream.map { (tensor.name, $0) } }
      result.modelHash = streams.isEmpty ? nil : CodeStream.model(streams)
      var total = ErrorSums()
      for sums in results.compactMap(\.1) { total.add(sums) }
      result.total = total.count == 0 ? nil : total.result
      let differing = Set(result.tensors.filter { $0.mismatches > 0 }.map { ExactString($0.name) })
      result.hints = try byteOrders(pairs.filter { differing.contains(ExactString($0.source.name)) }, quantizer)
    }
    return result
  }

  /// Asks of I2_S tensors that differ whether another byte order explains it.
  private func byteOrders(
    _ pairs: [(source: TensorDescriptor, converted: TensorDescriptor, role: TensorRole)], _ quantizer: any Quantizer
  ) throws -> [String] {
    guard !pairs.isEmpty else { return [] }
    let single = WorkOptions(
      parallelism: Parallelism(threads: 1, cancellation: work.parallelism.cancellation), kernels: work.kernels)
    let ofConverted = I2SOrderProbe(source: converted) { tensor, rows in
      guard let original = source.manifest.tensor(named: tensor.name) else { return nil }
      let weight = try TernaryWeight(source, original, quantizer: quantizer, work: single)
      var trits = [Int8](repeating: 0, count: rows.count * original.shape.columns)
      try weight.read(rows, into: &trits, at: 0)
      return trits
    }
    let ofSource = I2SOrderProbe(source: source) { tensor, rows in
      try converted.manifest.tensor(named: tensor.name).flatMap {
        try TernaryReader(converted, $0, single)?.trits(rows)
      }
    }
    return try [ofConverted.finding(pairs.map(\.converted)), ofSource.finding(pairs.map(\.source))].compactMap { $0 }
  }

  private func chooseQuantizer(_ survey: ModelSurvey) throws -> (any Quantizer, String) {
    func named(_ name: String) throws -> any Quantizer {
      guard let quantizer = QuantizerRegistry.quantizer(QuantizerID(rawValue: name)) else {
        let known = QuantizerRegistry.all.map(\.id.rawValue).joined(separator: ", ")
        throw WorkflowError(.unknownQuantizer(name, known: known))
      }
      return quantizer
    }
    if let name = request.quantizer { return (try named(name), "chosen") }
    if let name = Recipe.quantizer(of: converted) { return (try named(name), "recorded in the converted model") }
    let architecture = survey.architecture ?? Llama()
    return (try named(architecture.defaultQuantizer), "default of \(architecture.className)")
  }

  // MARK: - Tensors

  /// Tensors in parallel, the largest first so that no thread is left with a big one at the end.
  private func compare(
    _ pairs: [(source: TensorDescriptor, converted: TensorDescriptor, role: TensorRole)], _ quantizer: any Quantizer
  ) throws -> [(TensorVerification, ErrorSums?)] {
    let order = pairs.indices.sorted { pairs[$0].source.location.byteCount > pairs[$1].source.location.byteCount }
    let results = Mutex<[(TensorVerification, ErrorSums?)?]>(Array(repeating: nil, count: pairs.count))
    let total = pairs.reduce(UInt64(0)) { $0 + UInt64($1.source.location.byteCount) }
    work.progress.began(
      ProgressPhase(name: request.depth == .audit ? "auditing" : "verifying", totalBytes: total))
    defer { work.progress.ended() }
    let single = WorkOptions(
      parallelism: Parallelism(threads: 1, cancellation: work.parallelism.cancellation), kernels: work.kernels)
    try work.parallelism.forEachBand(order.count) { index in
      let pair = pairs[order[index]]
      let comparison = TensorComparison(
        source: source, converted: converted, expected: pair.source, found: pair.converted, role: pair.role,
        quantizer: quantizer, depth: request.depth, work: single, witness: witnesses[ExactString(pair.source.name)])
      let result = try comparison.run()
      results.withLock { $0[order[index]] = result }
      work.progress.advanced(by: pair.source.location.byteCount)
    }
    return results.withLock { $0.compactMap { $0 } }
  }
}
