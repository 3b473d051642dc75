// Tritsmith: scales of weights that are read over a network, by samples.

import Synchronization
import TritCore
import TritKernels
import TritLayouts
import TritModel

/// What samples say of a tensor's scales.
package struct SampledScale: Sendable, Hashable {
  /// How many weights share one.
  package var granularity: ScaleGranularity
  package var storage: DType
  /// The stored number, where the tensor has one.
  package var single: Float?

  package init(_ scale: TernaryScale) {
    granularity = scale.granularity
    storage = scale.storage
    single = scale.granularity == .tensor ? scale.stored.first : nil
  }

  /// As headers state it.
  init(granularity: ScaleGranularity, storage: DType) {
    (self.granularity, self.storage, single) = (granularity, storage, nil)
  }

  /// For people.
  package var noun: String { "one scale for each \(granularity.noun)" + (single.map { ", \($0)" } ?? "") }
}

/// Looks at small parts of tensors that are read over a network.
///
/// A plan must say how many scales an output has before its first byte is written, and on a disk the whole tensor is
/// read for it. Over a network each byte is fetched once: the plan goes by samples, and what they said is held against
/// the whole tensor when it passes (`ConvertWorkflow.prove`).
package final class ScaleSampler: Sendable {
  /// What a look at a dense tensor says.
  package enum Look: Sendable {
    /// Latents or ordinary numbers: a run of the smallest group has several magnitudes. That is certain.
    case otherNumbers
    /// Zeros alone, or a form that is not sampled: only the whole tensor tells.
    case unknown
    case ternary(SampledScale)
  }

  private let source: any TensorSource
  /// What plans were made by.
  private let used = Mutex<[ExactString: SampledScale]>([:])
  private let isExpected = Atomic<Bool>(false)

  /// Slices of a tensor: one of each of so many rows.
  private static let slices = 4
  /// Columns of a slice; the largest groups that are looked for are four to a slice.
  private static let sliceColumns = 4 * (WeightPass.groupSizes.last ?? 256)

  /// Nil for a model of this machine, which is read whole.
  package init?(_ source: any TensorSource) {
    guard source.isRemote else { return nil }
    self.source = source
  }

  /// What a plan was made by that used samples of this tensor.
  package func proofNeeded(of tensor: TensorDescriptor) -> SampledScale? {
    used.withLock { $0[ExactString(tensor.name)] }
  }

  /// Says that the plan goes by a sample.
  private func use(_ scale: SampledScale, _ tensor: TensorDescriptor) {
    used.withLock { $0[ExactString(tensor.name)] = scale }
  }

  // MARK: - Packed trits

  /// The scales of packed trits as far as headers and samples say; nil where the scales themselves have to be read.
  package func packed(_ tensor: TensorDescriptor) throws -> SampledScale? {
    guard tensor.encoding.isTernary, let scale = tensor.scale, scale.convention == .multiply else { return nil }
    guard let view = source as? GGUFModelView else {
      // A file that keeps scales beside the codes says how many there are; one alone is read.
      return scale.granularity == .tensor
        ? nil : SampledScale(granularity: scale.granularity, storage: scale.storage)
    }
    if let known = proofNeeded(of: tensor) { return known }
    try expectAll()
    let stored = view.stored(tensor)
    // A factor of a tensor beside it makes other numbers of the scales.
    guard stored.scale?.storage == scale.storage, case .ternary(let id) = stored.encoding,
      let layout = LayoutRegistry.layout(id), let (storage, granularity) = layout.embeddedScale
    else { return nil }
    let ranges = ScaleSampler.rows(of: stored)
    guard !ranges.isEmpty, let row = TensorShape(rows: 1, columns: stored.shape.columns) else { return nil }
    let perRow = granularity.groups(columns: row.columns)
    var numbers: [Float] = []
    for range in ranges {
      try view.base.withBytes(range, of: stored) { bytes in
        for index in 0..<perRow { numbers.append(layout.readScale(index, row, from: bytes, at: 0)) }
      }
    }
    // What is no scale is the reader's to say, and of zeros alone nothing can be said.
    guard numbers.allSatisfy({ $0.isFinite && $0 >= 0 }), numbers.contains(where: { $0 > 0 }) else { return nil }
    let found = SampledScale(
      TernaryScale(stored: numbers, storage: storage, convention: .multiply, granularity: granularity)
        .coarsest(rows: ranges.count, columns: row.columns))
    use(found, tensor)
    return found
  }

  /// Asks for the samples of all tensors at once.
  private func expectAll() throws {
    guard let view = source as? GGUFModelView, !isExpected.exchange(true, ordering: .relaxed) else { return }
    try view.base.expect(
      view.base.manifest.tensors.flatMap { tensor in
        ScaleSampler.rows(of: tensor).map { ExpectedRange(tensor, $0) }
      })
  }

  /// The bytes of rows that are looked at; none where rows are no runs of blocks with a scale in each.
  private static func rows(of stored: TensorDescriptor) -> [Range<Int>] {
    guard case .ternary(let id) = stored.encoding, let layout = LayoutRegistry.layout(id),
      layout.blockGeometry != nil, let count = layout.contiguousRowBytes(stored.shape), stored.shape.isMatrix
    else { return [] }
    return places(stored.shape.rows).map { $0 * count..<($0 + 1) * count }
  }

  /// Rows spread over a matrix.
  private static func places(_ rows: Int) -> [Int] {
    let count = min(rows, slices)
    return (0..<count).map { rows / count * $0 }
  }

  // MARK: - Dense numbers

  /// Asks for the samples of dense tensors at once.
  package func expect(_ tensors: [TensorDescriptor]) throws {
    try source.expect(
      tensors.flatMap { tensor in ScaleSampler.slices(of: tensor).map { ExpectedRange(tensor, $0) } })
  }

  /// What a sample says of dense numbers that may be ternary as they stand.
  ///
  /// - Parameter isUsed: whether the plan goes by it.
  package func dense(_ tensor: TensorDescriptor, isUsed: Bool = true) throws -> Look {
    guard let dtype = tensor.encoding.dtype else { return .unknown }
    let ranges = ScaleSampler.slices(of: tensor)
    guard !ranges.isEmpty else { return .unknown }
    let columns = min(tensor.shape.columns, ScaleSampler.sliceColumns)
    let size = WeightPass.groupSizes[0]
    var numbers: [Float] = []
    for range in ranges {
      let values = try source.withBytes(range, of: tensor) { DenseValues.floats($0, dtype) }
      for start in stride(from: 0, to: columns, by: size) {
        let group = values[start..<min(columns, start + size)].lazy.map(\.magnitude)
        let largest = group.max() ?? 0
        guard group.allSatisfy({ $0 == 0 || $0 == largest }) else { return .otherNumbers }
        numbers.append(largest)
      }
    }
    guard numbers.contains(where: { $0 > 0 }) else { return .unknown }
    let found = SampledScale(
      TernaryScale(stored: numbers, storage: dtype, convention: .multiply, granularity: .group(columns: size))
        .coarsest(rows: ranges.count, columns: columns, upTo: WeightPass.groupSizes.last ?? 256))
    if isUsed { use(found, tensor) }
    return .ternary(found)
  }

  /// The bytes of slices that are looked at, each at the start of a group; none of tensors that are no matrices.
  private static func slices(of tensor: TensorDescriptor) -> [Range<Int>] {
    let shape = tensor.shape
    guard let dtype = tensor.encoding.dtype, dtype.isFloatWeight, dtype.bits <= 32, shape.isMatrix,
      shape.columns >= WeightPass.leastWeights
    else { return [] }
    let width = dtype.bits / 8
    let columns = min(shape.columns, sliceColumns)
    let step = (shape.columns - columns) / slices / (WeightPass.groupSizes.last ?? 256)
    return places(shape.rows).enumerated().map { index, row in
      let first = row * shape.columns + index * step * (WeightPass.groupSizes.last ?? 256)
      return first * width..<(first + columns) * width
    }
  }
}
