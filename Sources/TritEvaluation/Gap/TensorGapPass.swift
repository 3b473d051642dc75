// Tritsmith: comparing the weights of two models tensor by tensor.

import Synchronization
import TritCore
import TritFormats
import TritModel
import TritQuantizers
import TritSurvey
import TritVerification

/// Compares every tensor both models have, in bands, tensors in parallel.
struct TensorGapPass: Sendable {
  let reference: any TensorSource
  let candidate: any TensorSource
  let work: WorkOptions

  struct Outcome: Sendable {
    var tensors: [TensorGap]
    /// What could not be compared, and why.
    var notes: [String]
  }

  func run() throws -> Outcome {
    let roles = try ModelSurvey(of: reference).roles
    var found: [(TensorDescriptor, TensorDescriptor, TensorRole)] = []
    var notes: [String] = []
    for (tensor, role) in zip(reference.manifest.tensors, roles) {
      guard let other = candidate.manifest.tensor(named: tensor.name) else { continue }
      guard other.shape == tensor.shape else {
        notes.append("'\(printable(tensor.name))' is \(tensor.shape) and \(other.shape): not compared")
        continue
      }
      guard TensorGapPass.isReadable(tensor), TensorGapPass.isReadable(other) else {
        notes.append("'\(printable(tensor.name))' is stored in a type that is only listed: not compared")
        continue
      }
      found.append((tensor, other, role))
    }
    let pairs = found
    let missing = reference.manifest.tensors.count - pairs.count
    if missing > notes.count {
      notes.append("\(missing - notes.count) tensors of the reference are not in the candidate")
    }
    let results = Mutex<[TensorGap?]>(Array(repeating: nil, count: pairs.count))
    let order = pairs.indices.sorted { pairs[$0].0.shape.elementCount > pairs[$1].0.shape.elementCount }
    work.progress.began(
      ProgressPhase(
        name: "comparing weights", totalBytes: pairs.reduce(UInt64(0)) { $0 + UInt64($1.0.location.byteCount) }))
    defer { work.progress.ended() }
    let single = work.silentSingle
    try work.parallelism.forEachBand(order.count) { index in
      let (left, right, role) = pairs[order[index]]
      let gap = try compare(left, right, role, single)
      results.withLock { $0[order[index]] = gap }
      work.progress.advanced(by: left.location.byteCount)
    }
    return Outcome(tensors: results.withLock { $0.compactMap { $0 } }, notes: notes)
  }

  private static func isReadable(_ tensor: TensorDescriptor) -> Bool {
    tensor.encoding.isTernary || tensor.encoding.dtype?.isFloatWeight == true
  }

  private func compare(
    _ left: TensorDescriptor, _ right: TensorDescriptor, _ role: TensorRole, _ work: WorkOptions
  ) throws -> TensorGap {
    var gap = TensorGap(
      name: left.name, role: role, shape: left.shape,
      referenceEncoding: TensorGapPass.encoding(left, reference),
      candidateEncoding: TensorGapPass.encoding(right, candidate), bytes: right.storedBytes,
      moments: TensorGap.Moments(mean: 0, standardDeviation: 0, absoluteMean: 0, largest: 0), maximumError: 0,
      maximumErrorIndex: 0, histogram: [])
    let codes = try ternary(candidate, right, role, work)
    let source = try ternary(reference, left, role, work)
    var sums = WeightGapSums()
    for band in left.shape.bands(elements: 1 << 18) {
      try work.parallelism.cancellation.check()
      let weights = try values(band, source, left, reference)
      if let codes {
        let trits = try codes.trits(band)
        let isLatent = source == nil
        if let multiplier = codes.grid.uniform {
          sums.add(weights, trits: trits, isLatent: isLatent) { _ in multiplier }
        } else {
          sums.add(weights, trits: trits, isLatent: isLatent) {
            codes.grid.multiplier(at: band.elements.lowerBound + $0)
          }
        }
      } else {
        sums.add(weights, dense: try values(band, nil, right, candidate))
      }
    }
    sums.finish(&gap, scale: codes?.scale, isLatent: source == nil)
    return gap
  }

  /// A projection that holds trits, packed or recognised by its values; nil for any other tensor.
  private func ternary(
    _ source: any TensorSource, _ tensor: TensorDescriptor, _ role: TensorRole, _ work: WorkOptions
  ) throws -> TernaryReader? {
    guard tensor.encoding.isTernary || role.isProjection && tensor.shape.isMatrix else { return nil }
    do {
      return try TernaryReader(source, tensor, work)
    } catch let error as WorkflowError {
      // Weights that are no numbers are not trits; their sums say so.
      if case .notFinite = error.kind { return nil }
      throw error
    }
  }

  private func values(
    _ band: MatrixBand, _ reader: TernaryReader?, _ tensor: TensorDescriptor, _ source: any TensorSource
  ) throws -> [Float] {
    if let reader { return reader.grid.values(try reader.trits(band), band) }
    guard let dtype = tensor.encoding.dtype else { return [] }
    let width = dtype.bits / 8
    let range = band.elements.lowerBound * width..<band.elements.upperBound * width
    let values = try source.withBytes(range, of: tensor) { DenseValues.floats($0, dtype) }
    source.release(range, of: tensor)
    return values
  }

  static func encoding(_ tensor: TensorDescriptor, _ source: any TensorSource) -> String {
    (source as? GGUFModelView)?.typeName(of: tensor) ?? ModelSurvey.binaryType(of: tensor, source)
      ?? tensor.encoding.name
  }
}
