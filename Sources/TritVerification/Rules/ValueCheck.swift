// Tritsmith: numbers that should not be in a model.

import Synchronization
import TritCore
import TritFormats
import TritModel
import TritSurvey

/// Reads every tensor once: NaN and infinities, invalid codes, zeros where none should be.
package struct ValueCheck: Sendable {
  let source: any TensorSource
  let roles: [TensorRole]
  let work: WorkOptions

  package init(source: any TensorSource, roles: [TensorRole], work: WorkOptions) {
    (self.source, self.roles, self.work) = (source, roles, work)
  }

  package struct Outcome: Sendable {
    package var findings: [CheckFinding] = []
    package var notes: [String] = []
    package var read = 0
  }

  /// Counts of one tensor.
  private struct Counts: Sendable {
    var nonFinite = 0
    var firstNonFinite: Int?
    var invalid = 0
    var firstInvalid: Int?
    var deadRows: [Int] = []
    var deadColumns: [Int] = []
    var isZero = true
  }

  package func run() throws -> Outcome {
    let tensors = source.manifest.tensors
    let results = Mutex<[Counts?]>(Array(repeating: nil, count: tensors.count))
    let order = tensors.indices.sorted { tensors[$0].location.byteCount > tensors[$1].location.byteCount }
    work.progress.began(
      ProgressPhase(
        name: "reading weights", totalBytes: tensors.reduce(UInt64(0)) { $0 + UInt64($1.location.byteCount) }))
    defer { work.progress.ended() }
    try work.parallelism.forEachBand(order.count) { place in
      let tensor = tensors[order[place]]
      let counts = try counts(of: tensor)
      results.withLock { $0[order[place]] = counts }
      work.progress.advanced(by: tensor.location.byteCount)
    }
    var outcome = Outcome()
    let counted = results.withLock { $0 }
    for index in tensors.indices {
      guard let counts = counted[index] else {
        // Of one without its scale a finding says more.
        if tensors[index].encoding == ForeignPacking.withoutScale { continue }
        outcome.notes.append(
          "'\(printable(tensors[index].name))' is stored as \(tensors[index].encoding.name), which is not read")
        continue
      }
      outcome.read += 1
      outcome.findings += findings(counts, tensors[index], roles[index])
    }
    return outcome
  }

  private func findings(_ counts: Counts, _ tensor: TensorDescriptor, _ role: TensorRole) -> [CheckFinding] {
    let name = tensor.name
    // What every reader computes for itself, and no conversion carries over.
    if TensorInventory.isDerivedBuffer(name) { return [] }
    var result: [CheckFinding] = []
    if let first = counts.firstNonFinite { result.append(nonFinite(counts.nonFinite, first, tensor)) }
    if counts.invalid > 0 {
      let columns = max(1, tensor.shape.columns)
      let place = counts.firstInvalid.map { ", the first in row \($0 / columns), column \($0 % columns)" } ?? ""
      let text = plural(counts.invalid, "code is", "codes are") + " no trit"
      result.append(CheckFinding(.invalidCode, name, text + place))
    }
    if counts.isZero, tensor.shape.elementCount > 0 {
      if let finding = ValueCheck.allZero(tensor, role) { result.append(finding) }
      return result
    }
    // Integers are positions or ids, of which 0 is one.
    guard tensor.shape.isMatrix, tensor.encoding.dtype?.isInteger != true else { return result }
    // Rows of tokens that never occur in training may be zero.
    let isTable = role == .embedding || role == .outputHead
    if !counts.deadRows.isEmpty, !isTable {
      result.append(CheckFinding(.deadRows, name, ValueCheck.list("row", counts.deadRows, of: tensor.shape.rows)))
    }
    if !counts.deadColumns.isEmpty {
      result.append(
        CheckFinding(.deadColumns, name, ValueCheck.list("column", counts.deadColumns, of: tensor.shape.columns)))
    }
    return result
  }

  /// What is said of numbers that are not finite: of the file's own, where it holds others in their place.
  private func nonFinite(_ count: Int, _ first: Int, _ tensor: TensorDescriptor) -> CheckFinding {
    guard let held = (source as? GGUFModelView)?.storedNumber(first, of: tensor) else {
      return CheckFinding(
        .nonFinite, tensor.name,
        plural(count, "value is", "values are") + " infinite or NaN" + (count == 1 ? "" : ", the first")
          + " at element \(first)")
    }
    let what = held.lacks ?? "infinite or NaN"
    return CheckFinding(
      .nonFinite, held.tensor,
      plural(count, "value") + ": \(what)" + (count == 1 ? "" : ", one of them") + " at element \(held.index)")
  }

  /// What is said of a tensor of nothing but zeros; nil where that is nothing to speak of.
  package static func allZero(_ tensor: TensorDescriptor, _ role: TensorRole) -> CheckFinding? {
    // Biases are often all zero, and a scale has rules of its own.
    guard role != .bias, !tensor.name.hasSuffix(".bias"), tensor.shape.elementCount > 0,
      !tensor.name.hasSuffix("weight_scale")
    else { return nil }
    // A block that is added to a deeper model begins with projections of zeros.
    return CheckFinding(
      .allZero, tensor.name,
      tensor.shape.elementCount == 1
        ? "the one value is zero" : "all \(grouped(tensor.shape.elementCount)) values are zero",
      severity: role.isProjection ? .warning : nil)
  }

  private static func list(_ word: String, _ places: [Int], of total: Int) -> String {
    let shown = places.prefix(8).map(String.init).joined(separator: ", ")
    let verb = places.count == 1 ? "is" : "are"
    return "\(grouped(places.count)) of \(grouped(total)) \(word)s \(verb) all zero: \(shown)"
      + (places.count > 8 ? ", …" : "")
  }

  // MARK: - One tensor

  private func counts(of tensor: TensorDescriptor) throws -> Counts? {
    var counts = Counts()
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    guard rows > 0, columns > 0 else { return counts }
    let dtype = tensor.encoding.dtype
    guard tensor.encoding.isTernary || dtype?.isDecodable == true else { return nil }
    if tensor.shape.hasLongRows { return try countsOfLongRows(tensor) }
    var isLive = [Bool](repeating: false, count: columns)
    for band in tensor.shape.bands(elements: ValueCheck.bandElements) {
      try work.parallelism.cancellation.check()
      if let dtype {
        add(try values(band, of: tensor, dtype), columns, first: band.rows.lowerBound, &counts, &isLive)
      } else {
        guard let trits = try IndependentDecoder.trits(band, of: tensor, in: source) else { return nil }
        add(trits, columns, first: band.rows.lowerBound, &counts, &isLive)
      }
    }
    counts.deadColumns = isLive.indices.filter { !isLive[$0] }
    counts.isZero = counts.deadColumns.count == columns && counts.invalid == 0 && counts.nonFinite == 0
    return counts
  }

  private static let bandElements = 1 << 20

  /// Rows that are longer than any matrix has are read in pieces, and dead rows and columns not looked for.
  private func countsOfLongRows(_ tensor: TensorDescriptor) throws -> Counts? {
    var counts = Counts()
    for band in tensor.shape.bands(elements: ValueCheck.bandElements) {
      try work.parallelism.cancellation.check()
      guard let dtype = tensor.encoding.dtype else {
        guard let trits = try IndependentDecoder.trits(band, of: tensor, in: source) else { return nil }
        if let place = trits.firstIndex(of: IndependentDecoder.invalid) {
          counts.invalid += trits.count { $0 == IndependentDecoder.invalid }
          if counts.firstInvalid == nil { counts.firstInvalid = band.elements.lowerBound + place }
        }
        if trits.contains(where: { $0 != 0 }) { counts.isZero = false }
        continue
      }
      for (index, value) in try values(band, of: tensor, dtype).enumerated() where value != 0 {
        counts.isZero = false
        guard !value.isFinite else { continue }
        counts.nonFinite += 1
        if counts.firstNonFinite == nil { counts.firstNonFinite = band.elements.lowerBound + index }
      }
    }
    return counts
  }

  private func values(_ band: MatrixBand, of tensor: TensorDescriptor, _ dtype: DType) throws -> [Float] {
    try work.parallelism.cancellation.check()
    let width = dtype.bits / 8
    let bytes = band.elements.lowerBound * width..<band.elements.upperBound * width
    let values = try source.withBytes(bytes, of: tensor) { DenseValues.floats($0, dtype) }
    source.release(bytes, of: tensor)
    return values
  }

  private func add(_ trits: [Int8], _ columns: Int, first: Int, _ counts: inout Counts, _ isLive: inout [Bool]) {
    for row in 0..<trits.count / columns {
      var lives = false
      for column in 0..<columns {
        let trit = trits[row * columns + column]
        guard trit != 0 else { continue }
        if trit == IndependentDecoder.invalid {
          counts.invalid += 1
          if counts.firstInvalid == nil { counts.firstInvalid = (first + row) * columns + column }
        }
        lives = true
        isLive[column] = true
      }
      if !lives { counts.deadRows.append(first + row) }
    }
  }

  private func add(_ values: [Float], _ columns: Int, first: Int, _ counts: inout Counts, _ isLive: inout [Bool]) {
    for row in 0..<values.count / columns {
      var lives = false
      for column in 0..<columns {
        let value = values[row * columns + column]
        guard value != 0 else { continue }
        lives = true
        isLive[column] = true
        guard !value.isFinite else { continue }
        counts.nonFinite += 1
        if counts.firstNonFinite == nil { counts.firstNonFinite = (first + row) * columns + column }
      }
      if !lives { counts.deadRows.append(first + row) }
    }
  }
}
