// Tritsmith: one view on ternary weights, whatever they are stored in.

import TritCore
import TritKernels
import TritLayouts
import TritModel
import TritQuantizers

/// What becomes of dense weights that hold only −a, 0, +a.
package enum TernaryRecognition: Sendable {
  /// They are taken as they are: absmean would shrink a by the share of zeros.
  case takenAsTheyAre
  /// They are quantized like any others, as onebitllms does.
  case quantizedAgain
}

extension TernaryScale {
  /// Of weights that are all zero, which have no scale.
  package static func none(_ storage: DType) -> TernaryScale {
    TernaryScale(stored: 0, storage: storage, convention: .multiply)
  }
}

/// A tensor seen as trits and scales: packed, already ternary in a dense type, or latent and quantized on the way.
package struct TernaryWeight: Sendable {
  /// How the trits come about.
  package enum Origin: Sendable {
    case packed(any TernaryLayout)
    /// Dense, holding only −s, 0, +s, with one s for the tensor, a row or a group; taken as it is, because absmean would
    /// shrink s by the share of zeros. The scale multiplies and has the weights' own type.
    case recognised(WeightPass, TernaryScale)
    case quantized(WeightPass, any ThresholdQuantizer, TernaryDecision)
    /// By a quantizer for ordinary weights; trits and scales are in memory.
    case fitted(WeightPass, FittedMatrix)
  }

  /// True when the tensor holds trits already, packed.
  package var isPacked: Bool {
    if case .packed = origin { true } else { false }
  }

  /// Whether its scales are those of the source, not made on the way.
  package var hasOwnScales: Bool {
    switch origin {
    case .packed, .recognised: true
    case .quantized, .fitted: false
    }
  }

  package let source: any TensorSource
  package let tensor: TensorDescriptor
  package let origin: Origin
  package let kernels: any Kernels
  /// Which of a fitted matrix's planes is read.
  package var plane = 0

  /// Looks at a tensor: for a dense one this is the first pass over its values.
  ///
  /// - Parameters:
  ///   - quantizer: for latent weights.
  ///   - known: the scales, where all of the tensor was read for them before.
  package init(
    _ source: any TensorSource, _ tensor: TensorDescriptor, quantizer: any Quantizer,
    calibration: CalibrationStatistics? = nil, recognition: TernaryRecognition = .takenAsTheyAre,
    known: TernaryScale? = nil, work: WorkOptions
  ) throws {
    self.source = source
    self.tensor = tensor
    kernels = work.kernels
    if case .ternary(let id) = tensor.encoding {
      guard let layout = LayoutRegistry.layout(id) else {
        throw WorkflowError(
          .unsupportedEncoding(found: id.rawValue, wanted: "a known layout"),
          file: source.manifest.files[tensor.location.file].path, tensor: tensor.name)
      }
      origin = .packed(layout)
      return
    }
    // Already-ternary weights are recognised in their own type: rounding first could merge two magnitudes.
    let exact = try WeightPass(source, tensor, roundsToBFloat16: false, kernels: work.kernels)
    if recognition == .takenAsTheyAre, let known {
      origin = .recognised(exact, known)
      work.progress.advanced(by: tensor.location.byteCount)
      return
    }
    if recognition == .takenAsTheyAre, let scale = try exact.ternaryScale(work.parallelism, work.progress) {
      origin = .recognised(exact, scale)
      return
    }
    let findings = try exact.findings(work.parallelism, work.progress)
    let pass = try WeightPass(
      source, tensor, roundsToBFloat16: quantizer.roundsWeightsToBFloat16, kernels: work.kernels)
    let summary =
      pass.isBFloat16 == exact.isBFloat16
      ? findings.summary : try pass.findings(work.parallelism, SilentProgress()).summary
    switch quantizer {
    case let threshold as any ThresholdQuantizer: origin = .quantized(pass, threshold, threshold.decide(summary))
    case let fitting as any FittingQuantizer:
      origin = .fitted(pass, try FittedMatrix(pass, fitting, summary, calibration: calibration, work: work))
    default: preconditionFailure("\(quantizer.id) is neither a threshold nor a fitting quantizer")
    }
  }

  /// The magnitudes of weights that were ternary in a dense type, as they stand there; nil for others.
  package var magnitude: TernaryScale? {
    if case .recognised(_, let scale) = origin { scale } else { nil }
  }

  /// The scales in their stored form. For dense weights the stored number is made for the convention asked for.
  ///
  /// - Parameter convention: what a new scale shall mean; a packed tensor keeps its own.
  package func scale(_ convention: ScaleConvention) throws -> TernaryScale {
    switch origin {
    case .packed: return try source.scale(of: tensor)
    case .recognised(_, let scale):
      // Scales of rows and groups are taken as they are: no checkpoint divides by them.
      guard let magnitude = scale.granularity == .tensor ? scale.stored.first : nil else { return scale }
      let stored = convention == .multiply ? magnitude : TernaryScale.divisor(ofMagnitude: magnitude)
      return TernaryScale(stored: BFloat16.rounded(stored), storage: .bf16, convention: convention)
    case .quantized(_, _, let decision):
      let stored = convention == .multiply ? decision.absmean : decision.inverse
      guard BFloat16.rounded(stored) > 0, BFloat16.rounded(stored).isFinite else {
        throw WorkflowError(
          .unusableScale(stored), file: source.manifest.files[tensor.location.file].path, tensor: tensor.name)
      }
      return TernaryScale(stored: BFloat16.rounded(stored), storage: .bf16, convention: convention)
    case .fitted(_, let matrix): return matrix.scale(plane, convention)
    }
  }

  /// Trits of a band.
  ///
  /// - Throws: `WorkflowError.invalidCodes` when packed bytes hold a code no packer writes.
  package func trits(_ band: MatrixBand) throws -> [Int8] {
    var trits = [Int8](repeating: 0, count: band.count)
    try read(band, into: &trits, at: 0)
    return trits
  }

  /// Codes of a band that are no trit, the first of them by the decoder that trusts no packer.
  private func invalidCodes(_ count: Int, in band: MatrixBand) throws -> WorkflowError {
    let trits = try IndependentDecoder.trits(band, of: tensor, in: source) ?? []
    let place = trits.firstIndex(of: IndependentDecoder.invalid).map { band.elements.lowerBound + $0 }
    let found = trits.count { $0 == IndependentDecoder.invalid }
    let columns = max(1, tensor.shape.columns)
    return WorkflowError(
      .invalidCodes(count: max(count, found), row: place.map { $0 / columns }, column: place.map { $0 % columns }),
      file: source.manifest.files[tensor.location.file].path, tensor: tensor.name)
  }

  /// Reads a band as trits, row-major, to `trits[start…]`.
  package func read(_ band: MatrixBand, into trits: inout [Int8], at start: Int) throws {
    switch origin {
    case .packed(let layout):
      for run in layout.runs(band, tensor.shape) {
        let first = start + run.start(in: band, tensor.shape)
        let invalid = try source.withBytes(run.bytes, of: tensor) { bytes in
          var output = trits.mutableSpan
          return layout.unpack(bytes, run, tensor.shape, with: kernels, into: &output, at: first)
        }
        guard invalid == 0 else {
          throw try invalidCodes(invalid, in: band)
        }
      }
    case .recognised(let pass, _):
      try pass.signs(of: band, into: &trits, at: start)
    case .quantized(let pass, _, let decision):
      try pass.trits(of: band, decision.thresholds, decision.floatThresholds, into: &trits, at: start)
    case .fitted(_, let matrix):
      trits.replaceSubrange(start..<start + band.count, with: matrix.planes[plane].trits[band.elements])
    }
  }

  /// Reads a band of the output, whose rows may be other rows of the source.
  package func read(_ band: MatrixBand, order: RowPermutation?, into trits: inout [Int8], at start: Int) throws {
    guard let order else { return try read(band, into: &trits, at: start) }
    for (index, stored) in band.rows.enumerated() {
      let row = tensor.shape.band(band.columns, ofRow: order.row(ofStored: stored))
      try read(row, into: &trits, at: start + index * band.columns.count)
    }
  }

  /// Gives back the memory of a band's stored bytes.
  package func release(_ band: MatrixBand) {
    switch origin {
    case .packed(let layout):
      for run in layout.runs(band, tensor.shape) { source.release(run.bytes, of: tensor) }
    case .recognised(let pass, _), .quantized(let pass, _, _), .fitted(let pass, _): pass.release(band)
    }
  }
}

/// What happens to scales the output has no room for.
package enum ScaleLossPolicy: String, Sendable, Hashable, CaseIterable {
  /// It is an error.
  case refuse
  /// The largest of those that share a place stands for all of them; the trits stay as they are, and it is said.
  case allow
}

extension TernaryWeight {
  /// Scales on the grid of a layout that keeps them among its codes.
  ///
  /// Over zeros any scale is as good as any other: where the stored ones do not fit, those are left out of account.
  ///
  /// - Parameter trits: those of a band, where they are known.
  /// - Throws: `WorkflowError.scalesDiffer` for the first weights that would have to share a scale.
  package static func scale(
    _ scale: TernaryScale, asHeldBy layout: any TernaryLayout, _ tensor: TensorDescriptor,
    _ loss: ScaleLossPolicy = .refuse, trits: ((MatrixBand) throws -> [Int8])? = nil
  ) throws -> TernaryScale {
    guard let held = layout.embeddedScale?.granularity else { return scale }
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    if let fits = try? scale.regrouped(to: held, rows: rows, columns: columns) { return fits }
    let live = try trits.flatMap { read in try LiveUnits(scale.granularity, tensor.shape) { try read($0) } }
    let used = live.map { scale.keeping($0.isLive) } ?? scale
    do throws(ScaleMisfit) {
      return try used.regrouped(to: held, rows: rows, columns: columns)
    } catch {
      // Of scales below 0 none is the largest: such blocks turn the signs of their trits round.
      if loss == .allow, used.multipliers.allSatisfy({ $0 >= 0 && $0.isFinite }) {
        return used.largest(in: held, rows: rows, columns: columns)
      }
      throw WorkflowError(.scalesDiffer(error, layout: layout.id.rawValue, holds: held.noun), tensor: tensor.name)
    }
  }

  /// The same, of this weight and its trits, columns in the output's order.
  package func scale(
    _ scale: TernaryScale, asHeldBy layout: any TernaryLayout, _ loss: ScaleLossPolicy,
    _ columnOrder: RowPermutation? = nil
  ) throws -> TernaryScale {
    let shape = tensor.shape
    var ordered = scale
    if let columnOrder {
      ordered = scale.reordered(rows: shape.rows, columns: shape.columns, columnOrder) {
        columnOrder.row(ofStored: $0)
      }
    }
    return try TernaryWeight.scale(ordered, asHeldBy: layout, tensor, loss) { band in
      var trits = try trits(band)
      columnOrder?.reorder(&trits, columns: shape.columns)
      return trits
    }
  }
}

extension TernaryScale {
  /// The scales of weights that are not all zero; 0 for the others.
  fileprivate func keeping(_ isLive: [Bool]) -> TernaryScale {
    let values = multipliers.indices.map { isLive[$0] ? multiplier(at: $0) : 0 }
    return TernaryScale(
      stored: values, storage: convention == .multiply ? storage : .f32, convention: .multiply,
      granularity: granularity)
  }
}

extension WeightPass {
  package func byteRange(_ band: MatrixBand) -> Range<Int> { byteRange(elements: band.elements) }

  func byteRange(elements: Range<Int>) -> Range<Int> {
    let width = dtype.bits / 8
    return elements.lowerBound * width..<elements.upperBound * width
  }

  package func release(_ band: MatrixBand) {
    source.release(byteRange(band), of: tensor)
  }

  /// Signs of a band as trits: everything but zero is ±1, down to the smallest number there is.
  package func signs(of band: MatrixBand, into trits: inout [Int8], at start: Int) throws {
    if dtype == .f16 {
      // A sign above a magnitude, as in bfloat16.
      let range = start..<start + band.count
      return try source.withBytes(byteRange(band), of: tensor) { data in
        var output = trits.mutableSpan
        kernels.quantize(bf16: data, TritThresholds(positive: 1, negative: 1), into: &output, range)
      }
    }
    try self.trits(
      of: band, TritThresholds(positive: 1, negative: 1), FloatTritThresholds(positive: 1, negative: 1), into: &trits,
      at: start)
  }

  /// Trits of a band by threshold.
  func trits(
    of band: MatrixBand, _ thresholds: TritThresholds, _ floatThresholds: FloatTritThresholds,
    into trits: inout [Int8], at start: Int
  ) throws {
    let range = start..<start + band.count
    try source.withBytes(byteRange(band), of: tensor) { data in
      var output = trits.mutableSpan
      if dtype == .bf16 {
        kernels.quantize(bf16: data, thresholds, into: &output, range)
      } else if isBFloat16 {
        let rounded = DenseValues.bfloat16(DenseValues.floats(data, dtype))
        kernels.quantize(bf16: rounded.span.bytes, thresholds, into: &output, range)
      } else {
        for (index, value) in DenseValues.floats(data, dtype).enumerated() {
          output[range.lowerBound + index] = floatThresholds.trit(value)
        }
      }
    }
  }
}
