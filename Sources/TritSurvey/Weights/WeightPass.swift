// Tritsmith: the first pass over a dense weight.

import Synchronization
import TritCore
import TritKernels
import TritQuantizers

/// What the first pass over a dense weight found.
package struct WeightFindings: Sendable, Equatable {
  package var count: Int
  /// Σ|w|, in the order `Kernels.summarize` defines.
  package var magnitudeSum: Double
  /// Largest and smallest non-zero magnitude.
  package var largest: Float
  package var smallestNonzero: Float

  /// The one magnitude beside zero when the weight is already {−a, 0, +a}; nil otherwise, and for all zeros.
  package var ternaryMagnitude: Float? { largest > 0 && largest == smallestNonzero ? largest : nil }

  package var summary: WeightSummary { WeightSummary(count: count, magnitudeSum: magnitudeSum) }
}

/// Reads dense weights as a quantizer sees them.
package struct WeightPass: Sendable {
  package let source: any TensorSource
  package let tensor: TensorDescriptor
  package let dtype: DType
  /// Weights of other types are rounded to bfloat16 first, as a program that loads the model in bfloat16 does.
  let roundsToBFloat16: Bool
  let kernels: any Kernels

  package init(
    _ source: any TensorSource, _ tensor: TensorDescriptor, roundsToBFloat16: Bool, kernels: any Kernels
  ) throws(WorkflowError) {
    guard let dtype = tensor.encoding.dtype, dtype.isFloatWeight else {
      throw WorkflowError(
        .unsupportedEncoding(found: tensor.encoding.name, wanted: "BF16, F16, F32 or F64"),
        file: source.manifest.files[tensor.location.file].path, tensor: tensor.name)
    }
    self.source = source
    self.tensor = tensor
    self.dtype = dtype
    self.roundsToBFloat16 = roundsToBFloat16
    self.kernels = kernels
  }

  /// True when the bfloat16 kernels apply.
  package var isBFloat16: Bool { dtype == .bf16 || roundsToBFloat16 }

  private var width: Int { dtype.bits / 8 }

  /// One pass over the whole tensor.
  ///
  /// - Throws: `WorkflowError.notFinite` naming the first infinity or NaN.
  package func findings(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws -> WeightFindings {
    let count = tensor.shape.elementCount
    let bandElements = bandBytes / 2 / sumBlock * sumBlock
    let bandCount = (count + bandElements - 1) / bandElements
    let bands = MutexedBands(count: bandCount)
    try parallelism.forEachBand(bandCount) { band in
      let elements = band * bandElements..<min(count, (band + 1) * bandElements)
      let bytes = elements.lowerBound * width..<elements.upperBound * width
      try bands.set(band, summarize(elements, bytes))
      source.release(bytes, of: tensor)
      progress.advanced(by: bytes.count)
    }
    // Block sums are added in order, so that the total does not depend on bands or threads.
    var result = WeightFindings(count: count, magnitudeSum: 0, largest: 0, smallestNonzero: 0)
    for part in bands.all {
      for sum in part.blockSums { result.magnitudeSum += sum }
      result.largest = max(result.largest, part.largest)
      if part.smallest > 0 {
        let smallest = result.smallestNonzero == 0 ? part.smallest : result.smallestNonzero
        result.smallestNonzero = min(smallest, part.smallest)
      }
    }
    return result
  }

  struct BandFindings: Sendable {
    var blockSums: [Double] = []
    var largest: Float = 0
    var smallest: Float = 0
  }

  private func summarize(_ elements: Range<Int>, _ bytes: Range<Int>) throws -> BandFindings {
    var result = BandFindings()
    result.blockSums = [Double](repeating: 0, count: (elements.count + sumBlock - 1) / sumBlock)
    try source.withBytes(bytes, of: tensor) { data in
      guard !isBFloat16 else {
        var sums = result.blockSums.mutableSpan
        let summary: MagnitudeSummary
        if dtype == .bf16 {
          summary = kernels.summarize(bf16: data, blockSums: &sums)
        } else {
          let rounded = DenseValues.bfloat16(DenseValues.floats(data, dtype))
          summary = kernels.summarize(bf16: rounded.span.bytes, blockSums: &sums)
        }
        result.largest = BFloat16(bits: summary.largest).float
        result.smallest = BFloat16(bits: summary.smallestNonzero).float
        if !summary.isFinite { throw notFinite(data, from: elements.lowerBound) }
        return
      }
      let values = DenseValues.floats(data, dtype)
      for block in result.blockSums.indices {
        let start = block * sumBlock
        let found = BlockOfMagnitudes(values.span, start..<min(start + sumBlock, values.count))
        // The sum of a block of Floats is far from the largest Double.
        guard found.sum.isFinite else { throw notFinite(data, from: elements.lowerBound) }
        result.blockSums[block] = found.sum
        result.largest = max(result.largest, found.largest)
        if found.smallest > 0 {
          result.smallest = result.smallest == 0 ? found.smallest : min(result.smallest, found.smallest)
        }
      }
    }
    return result
  }

  /// What `Kernels.summarize` finds, of Floats, eight at a time.
  private struct BlockOfMagnitudes {
    private var lanes = SIMD8<Double>.zero
    /// As bits, which are ordered as magnitudes are.
    private var largestBits = SIMD8<UInt32>.zero
    /// One less than the bits: zero is above everything then.
    private var smallestBits = SIMD8<UInt32>(repeating: .max)

    init(_ values: Span<Float>, _ places: Range<Int>) {
      let whole = places.lowerBound + places.count / 8 * 8
      for first in stride(from: places.lowerBound, to: whole, by: 8) { add(values, first, count: 8) }
      add(values, whole, count: places.upperBound - whole)
    }

    /// Zeros in lanes without a value change nothing.
    @inline(__always)
    private mutating func add(_ values: Span<Float>, _ first: Int, count: Int) {
      var bits = SIMD8<UInt32>.zero
      for lane in 0..<count { bits[lane] = values[first + lane].magnitude.bitPattern }
      for lane in 0..<8 { lanes[lane] += Double(Float(bitPattern: bits[lane])) }
      largestBits = pointwiseMax(largestBits, bits)
      smallestBits = pointwiseMin(smallestBits, bits &- 1)
    }

    /// Added in the order that `Kernels.summarize` defines.
    var sum: Double {
      ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
    }
    var largest: Float { Float(bitPattern: largestBits.max()) }
    /// But for zeros; 0 where there is nothing else.
    var smallest: Float { Float(bitPattern: smallestBits.min() &+ 1) }
  }

  private func notFinite(_ data: RawSpan, from first: Int) -> WorkflowError {
    let values = DenseValues.floats(data, dtype)
    let index = values.firstIndex { !(isBFloat16 ? BFloat16.rounded($0) : $0).isFinite } ?? 0
    return WorkflowError(
      .notFinite(index: first + index, value: "\(values[index])"),
      file: source.manifest.files[tensor.location.file].path, tensor: tensor.name)
  }
}

/// Results of bands, set from any thread and read in order.
private final class MutexedBands: Sendable {
  private let bands: Mutex<[WeightPass.BandFindings]>

  init(count: Int) {
    bands = Mutex(Array(repeating: WeightPass.BandFindings(), count: count))
  }

  func set(_ band: Int, _ findings: WeightPass.BandFindings) {
    bands.withLock { $0[band] = findings }
  }

  var all: [WeightPass.BandFindings] { bands.withLock { $0 } }
}
