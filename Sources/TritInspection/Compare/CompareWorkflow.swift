// Tritsmith: comparing two models in any formats.

import Synchronization
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritQuantizers
import TritSurvey
import TritVerification

/// Compares two models as they are: structure, codes, scales, dense tensors. Nothing is quantized.
///
/// Names and row order of GGUF are put into Hugging Face's first. Packed codes are decoded by `IndependentDecoder`.
package struct CompareWorkflow: Sendable {
  let first: any TensorSource
  let second: any TensorSource
  let request: CompareRequest
  let work: WorkOptions

  package init(
    first: any TensorSource, second: any TensorSource, request: CompareRequest = CompareRequest(),
    work: WorkOptions = WorkOptions()
  ) {
    self.first = first
    self.second = second
    self.request = request
    self.work = work
  }

  /// - Throws: `TensorIOError`, `FormatError` or `WorkflowError`; models that differ are a result.
  package func run() throws -> CompareResult {
    let (compared, orders) = try weights()
    var result = compared
    result.hints += orders
    // Codes read in a wrong order need no other explanation.
    if orders.isEmpty,
      let rotation = try RotationProbe(first: first, second: second, work: work.silentSingle)
        .finding(unexplained(result.tensors)),
      // Latents have little in common with their own trits.
      rotation.rotated != nil || result.tensors.contains(where: { $0.outcome == .different && !$0.isUncounted })
    {
      result.hints.append(rotation.text)
    }
    result.parts = PartFindings(
      [result.weightsFinding] + (try PartsComparison(first: first, second: second).run()),
      needed: request.parts)
    return result
  }

  /// The tensors alone, without what may be behind differences but a wrong order of bytes, which is told apart.
  ///
  /// - Throws: as `run()`.
  func weights() throws -> (result: CompareResult, orders: [String]) {
    let pairing = try TensorPairing(first, second)
    let pairs = pairing.pairs.map { (first: $0.source, second: $0.converted) }
    let unpaired = unpaired(pairing)
    let (tensors, streams) = try compare(pairs)
    let hashed = streams.keys.sorted().compactMap { index in streams[index].map { (tensors[index].name, $0) } }
    // A hash stands for a whole model: matrices that only one has, or in another shape, were not looked at.
    let compared = pairs.map { ($0.first, $0.second) }
    let isWhole = [(first, Set(compared.map(\.0))), (second, Set(compared.map(\.1)))].map { source, looked in
      source.manifest.tensors.enumerated().allSatisfy { looked.contains($0.offset) || !$0.element.shape.isMatrix }
    }
    let orders = try byteOrders(tensors.filter { $0.isTernary && $0.count > 0 }.map(\.name))
    let result = CompareResult(
      first: first.manifest.path, second: second.manifest.path, structure: unpaired.lines,
      unpairedCount: unpaired.count, tensors: tensors,
      isExact: request.isExact, firstHash: isWhole[0] ? CompareWorkflow.hash(hashed.map { ($0.0, $0.1.first) }) : nil,
      secondHash: isWhole[1] ? CompareWorkflow.hash(hashed.map { ($0.0, $0.1.second) }) : nil,
      hints: ModelOpener.rotationNotes([first, second]), setAside: pairing.setAside)
    return (result, orders)
  }

  /// What has no partner in the other model.
  private func unpaired(_ pairing: TensorPairing) -> UnpairedTensors {
    let (lefts, rights) = (first.manifest.tensors, second.manifest.tensors)
    var result = UnpairedTensors()
    for pair in pairing.reshaped {
      let (left, right) = (lefts[pair.source], rights[pair.converted])
      let bare = [left, right].firstIndex { $0.encoding == ForeignPacking.withoutScale }
      let shapes = "is \(left.shape) in the first, \(right.shape) in the second"
      let text = bare.map { "is packed in the \($0 == 0 ? "first" : "second"), and its scale is not there" } ?? shapes
      result.add(left, "'\(printable(left.name))' \(text)")
    }
    result.add(
      pairing.absent, lackedBy: rights, layers: { "nothing of \($0) is in the second" },
      single: { "'\(printable($0.name))' is only in the first" })
    result.add(
      pairing.extra, lackedBy: lefts, layers: { "nothing of \($0) is in the first" },
      single: { "'\(printable($0.name))' is only in the second" })
    return result
  }

  private static func hash(_ streams: [(String, CodeStream)]) -> Digest? {
    streams.isEmpty ? nil : CodeStream.model(streams.map { (name: $0.0, stream: $0.1) })
  }

  private struct PairResult: Sendable {
    var tensor: ComparedTensor
    var streams: Streams?
    var scales: ScaleAgreement?
  }

  private struct Streams: Sendable {
    var first: CodeStream
    var second: CodeStream
  }

  /// What was found, in the order of `pairs`, and the code streams of those that have them.
  private func compare(_ pairs: [(first: Int, second: Int)]) throws -> ([ComparedTensor], [Int: Streams]) {
    let (lefts, rights) = (first.manifest.tensors, second.manifest.tensors)
    // Filled in place: results of many tensors are large, and are moved to the caller rather than copied.
    let results = Mutex<[ComparedTensor]>(pairs.map { blank(lefts[$0.first], rights[$0.second]) })
    let streams = Mutex<[Int: Streams]>([:])
    let scales = Mutex<[Int: ScaleAgreement]>([:])
    func byteCount(_ pair: (first: Int, second: Int)) -> Int { lefts[pair.first].location.byteCount }
    let order = pairs.indices.sorted { byteCount(pairs[$0]) > byteCount(pairs[$1]) }
    let total = pairs.reduce(UInt64(0)) { $0 + UInt64(byteCount($1)) }
    work.progress.began(ProgressPhase(name: "comparing", totalBytes: total))
    defer { work.progress.ended() }
    let single = work.silentSingle
    try work.parallelism.forEachBand(order.count) { index in
      let pair = pairs[order[index]]
      let (left, right) = (lefts[pair.first], rights[pair.second])
      let result = try compare(left, right, single)
      results.withLock { $0[order[index]] = result.tensor }
      if let found = result.streams { streams.withLock { $0[order[index]] = found } }
      if let found = result.scales, found.agrees { scales.withLock { $0[order[index]] = found } }
      work.progress.advanced(by: left.location.byteCount)
    }
    var compared = results.withLock { all in
      let taken = all
      all = []
      return taken
    }
    CompareWorkflow.doubt(scales.withLock { $0 }, &compared)
    return (compared, streams.withLock { $0 })
  }

  // MARK: - One tensor

  private func compare(
    _ left: TensorDescriptor, _ right: TensorDescriptor, _ work: WorkOptions
  ) throws -> PairResult {
    do {
      return try decoded(left, right, work)
    } catch let error as any DiagnosticError where error.category == .malformedInput || error.category == .misuse {
      // What cannot be read as trits or numbers is the same all the same when every byte is.
      guard let result = try bytes(left, right, work, error.summary) else { throw error }
      return PairResult(tensor: result)
    }
  }

  private func decoded(
    _ left: TensorDescriptor, _ right: TensorDescriptor, _ work: WorkOptions
  ) throws -> PairResult {
    let result = blank(left, right)
    if let unfolded = try UnfoldedComparison(first, left, second, right, work) {
      return PairResult(tensor: try compare(unfolded, result))
    }
    if let blocks = try BlockComparison(first, left, second, right, work) {
      return try compare(blocks.run(), left, right, work)
    }
    return try plain(left, right, result, work)
  }

  /// The verdict on a matrix that stands in blocks in one of the two.
  private func compare(
    _ proof: BlockProof, _ left: TensorDescriptor, _ right: TensorDescriptor, _ work: WorkOptions
  ) throws -> PairResult {
    var result = blank(left, right)
    switch proof.verdict {
    case .proven, .open:
      result.outcome = proof.report.changed == 0 ? .equal : .rounded
      result.rounding = proof.report.changed == 0 ? nil : proof.report
      result.areBlocksOpen = proof.verdict == .open
      result.detail =
        proof.report.changed == 0
        ? "every value equal"
        : proof.report.phrase("by the type")
          + (result.areBlocksOpen
            ? ", within the steps of the blocks: the numbers beside them may be rounded too"
            : ", as the type's encoder rounds them")
      // Packed codes are part of the model's hash, whatever stands beside them.
      guard left.encoding.isTernary || right.encoding.isTernary else { return PairResult(tensor: result) }
      return PairResult(tensor: result, streams: try plain(left, right, blank(left, right), work).streams)
    case .other(let detail):
      // Where it finds a difference itself, the comparison of numbers names it; what scales are of trits it knows.
      var found = try plain(left, right, result, work)
      guard found.tensor.outcome != .different, !left.encoding.isTernary, !right.encoding.isTernary else {
        return found
      }
      found.tensor = result
      (found.tensor.outcome, found.tensor.detail) = (.different, detail)
      (found.streams, found.scales) = (nil, nil)
      return found
    }
  }

  private func plain(
    _ left: TensorDescriptor, _ right: TensorDescriptor, _ result: ComparedTensor, _ work: WorkOptions
  ) throws -> PairResult {
    guard left.encoding.isTernary || right.encoding.isTernary else {
      let result = try dense(left, right, result, work)
      return try result.outcome == .different
        ? sameTrits(left, right, work) ?? PairResult(tensor: result) : PairResult(tensor: result)
    }
    return try ternary(left, right, work)
  }

  /// Dense numbers of F16 and bfloat16 that are trits times inverses of a divisor, each rounded to its type; nil for others.
  private func sameTrits(
    _ left: TensorDescriptor, _ right: TensorDescriptor, _ work: WorkOptions
  ) throws -> PairResult? {
    let types = [left, right].compactMap(\.encoding.dtype)
    guard types.contains(.f16), types.contains(.bf16) else { return nil }
    var result = try ternary(left, right, work)
    guard result.tensor.outcome == .rounded else { return nil }
    result.tensor.isTernary = false
    return PairResult(tensor: result.tensor, scales: result.scales)
  }

  private func ternary(
    _ left: TensorDescriptor, _ right: TensorDescriptor, _ work: WorkOptions
  ) throws -> PairResult {
    var result = blank(left, right)
    result.isTernary = true
    guard let a = try TernaryReader(first, left, work), let b = try TernaryReader(second, right, work) else {
      result.outcome = .different
      if let reason = MLXPacking.damageReason([left, right]) {
        result.detail = reason
        return PairResult(tensor: result)
      }
      if let unread = [left, right].first(where: { $0.unreadReason != nil }), let reason = unread.unreadReason {
        result.detail = "one is stored as \(unread.encoding.name), which is not read: \(reason)"
        return PairResult(tensor: result)
      }
      result.detail =
        "one holds trits, the other numbers that are not ternary (latent weights?): 'tritsmith verify' redoes the "
        + "quantization"
      return PairResult(tensor: result)
    }
    result.firstScale = a.scale
    result.secondScale = b.scale
    var live = LiveUnits(ScaleGrid(a.scale.granularity, b.scale.granularity, left.shape))
    let streams = try codes(a, b, left.shape, &live, &result, work)
    guard result.count == 0 else {
      result.outcome = .different
      result.detail = plural(result.count, "code differs", "codes differ")
      return PairResult(tensor: result, streams: streams)
    }
    let agreement = ScaleAgreement(a.scale, b.scale, live, origin: .either)
    if let difference = agreement.difference {
      result.outcome = .different
      result.detail = "codes equal, scales differ: " + difference
      let (shape, flag) = (left.shape, work.parallelism.cancellation)
      let inSecond = try ScaleLoss.between(a.scale, b.scale, live, shape, flag) { try a.trits($0) }
      let inFirst =
        try inSecond == nil
        ? ScaleLoss.between(b.scale, a.scale, live, shape, flag) { try a.trits($0) } : nil
      if let loss = inSecond ?? inFirst {
        result.scaleLossPercent = loss.percent
        let (poor, rich) = inSecond == nil ? ("first", "second") : ("second", "first")
        // The error is another number in each layer, and is told of the whole.
        result.detail =
          "codes equal, scales lost: the \(poor) has one for each \(loss.to.noun), the \(rich) one for each "
          + loss.from.noun
      }
    } else {
      result.outcome = agreement.rounding == nil ? .equal : .rounded
      result.scaleRounding = agreement.rounding
      result.detail = "codes equal, " + (agreement.rounding?.phrase ?? "scales equal")
    }
    return PairResult(tensor: result, streams: streams, scales: agreement)
  }

  /// The verdict on a tensor that is rotated in one model.
  private func compare(_ unfolded: UnfoldedComparison, _ blank: ComparedTensor) throws -> ComparedTensor {
    var result = blank
    switch try unfolded.run() {
    case .same(let report, let detail):
      result.outcome = report.changed == 0 ? .equal : .rounded
      result.rounding = report.changed == 0 ? nil : report
      result.detail = detail
    case .other(let blocks, let detail):
      result.outcome = .different
      result.count = blocks
      result.detail = detail
    }
    return result
  }

  /// The verdict on two tensors that are stored alike and have equal bytes, scales included; nil for others.
  private func bytes(
    _ left: TensorDescriptor, _ right: TensorDescriptor, _ work: WorkOptions, _ reason: String
  ) throws -> ComparedTensor? {
    var result = blank(left, right)
    guard left.encoding == right.encoding, result.firstEncoding == result.secondEncoding,
      try StoredBytes.areEqual(left, in: first, right, in: second, cancellation: work.parallelism.cancellation),
      try StoredBytes.ofScale(left, first) == StoredBytes.ofScale(right, second)
    else { return nil }
    result.isTernary = left.encoding.isTernary
    result.detail = "same bytes, not decoded: \(reason)"
    return result
  }

  private func blank(_ left: TensorDescriptor, _ right: TensorDescriptor) -> ComparedTensor {
    ComparedTensor(
      name: left.name, shape: left.shape, firstEncoding: CompareWorkflow.encoding(left, first),
      secondEncoding: CompareWorkflow.encoding(right, second), outcome: .equal, detail: "")
  }

  private static func encoding(_ tensor: TensorDescriptor, _ source: any TensorSource) -> String {
    (source as? GGUFModelView)?.typeName(of: tensor) ?? ModelSurvey.binaryType(of: tensor, source)
      ?? tensor.encoding.name
  }

  private func codes(
    _ a: TernaryReader, _ b: TernaryReader, _ shape: TensorShape, _ live: inout LiveUnits,
    _ result: inout ComparedTensor, _ work: WorkOptions
  ) throws -> Streams {
    let (leftHash, rightHash) = (SHA256(), SHA256())
    for band in shape.bands(elements: 1 << 18) {
      try work.parallelism.cancellation.check()
      let left = try a.trits(band)
      let right = try b.trits(band)
      leftHash.update(left.span.bytes)
      rightHash.update(right.span.bytes)
      live.add(left, band)
      guard left != right else { continue }
      for index in left.indices where left[index] != right[index] {
        result.count += 1
        guard result.differences.count < request.limit else { continue }
        let (row, column) = (band.elements.lowerBound + index).quotientAndRemainder(dividingBy: shape.columns)
        result.differences.append(
          ComparedTensor.Difference(
            row: row, column: column, first: CompareWorkflow.text(left[index]),
            second: CompareWorkflow.text(right[index])))
      }
    }
    return Streams(
      first: CodeStream(trits: leftHash.finalize(), rows: shape.rows, columns: shape.columns, scale: a.scale),
      second: CodeStream(trits: rightHash.finalize(), rows: shape.rows, columns: shape.columns, scale: b.scale))
  }

  private static func text(_ trit: Int8) -> String { trit == IndependentDecoder.invalid ? "invalid" : "\(trit)" }

  private func dense(
    _ left: TensorDescriptor, _ right: TensorDescriptor, _ blank: ComparedTensor, _ work: WorkOptions
  ) throws -> ComparedTensor {
    var result = blank
    let comparison = DenseComparison(source: first, converted: second, work: work, origin: .either)
    switch try comparison.compare(left, right, limit: request.limit, countsAll: true) {
    case .same(let report):
      result.outcome = report.changed == 0 ? .equal : .rounded
      result.rounding = report.changed == 0 ? nil : report
      result.detail = report.changed == 0 ? "every value equal" : report.phrase("by the type")
    case .other(let count, let places):
      result.outcome = .different
      result.count = count
      let columns = max(1, left.shape.columns)
      result.differences = places.map {
        ComparedTensor.Difference(
          row: $0.index / columns, column: $0.index % columns, first: DenseComparison.Place.text($0.left),
          second: DenseComparison.Place.text($0.right))
      }
      result.detail = plural(count, "value differs", "values differ")
    case .sameBytes(let type): result.detail = "same bytes, stored as \(type), which is not decoded"
    case .lost(let detail), .unreadable(let detail):
      result.outcome = .different
      result.detail = detail
    }
    return result
  }

  /// Matrices that differ and that not both say to be rotated: a file may have lost the keys that its twin has.
  private func unexplained(_ tensors: [ComparedTensor]) -> [String] {
    func isUnfolded(_ name: String, _ source: any TensorSource) -> Bool {
      guard let view = source as? any ModelView, let tensor = view.manifest.tensor(named: name) else {
        return false
      }
      return view.unfoldedBlock(of: tensor) != nil
    }
    return tensors.filter {
      $0.outcome == .different && $0.shape.isMatrix && !(isUnfolded($0.name, first) && isUnfolded($0.name, second))
    }.map(\.name)
  }

  // MARK: - Byte orders of I2_S

  /// Asks of I2_S tensors that differ whether another byte order explains it.
  private func byteOrders(_ differing: [String]) throws -> [String] {
    let single = work.silentSingle
    return try [(first, second), (second, first)].compactMap { source, counterpart in
      let probe = I2SOrderProbe(source: source) { tensor, band in
        try counterpart.manifest.tensor(named: tensor.name)
          .flatMap { try TernaryReader(counterpart, $0, single)?.trits(band) }
      }
      return try probe.finding(differing.compactMap { source.manifest.tensor(named: $0) })
    }
  }
}
