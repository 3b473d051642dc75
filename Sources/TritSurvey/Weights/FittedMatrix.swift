// Tritsmith: trits and scales fitted to a tensor.

import Synchronization
import TritCore
import TritQuantizers

/// Trits and scales a `FittingQuantizer` made of a tensor, held in memory: a byte for each weight and plane.
package struct FittedMatrix: Sendable {
  let quantizer: any FittingQuantizer
  let rows: Int
  let columns: Int
  package let planes: [FittedPlane]

  /// Fits a tensor, bands of rows in parallel.
  init(
    _ pass: WeightPass, _ quantizer: any FittingQuantizer, _ summary: WeightSummary,
    calibration: CalibrationStatistics?, work: WorkOptions
  ) throws {
    guard !pass.tensor.shape.hasLongRows else {
      throw WorkflowError(
        .rowTooLong(columns: pass.tensor.shape.columns),
        file: pass.source.manifest.files[pass.tensor.location.file].path, tensor: pass.tensor.name)
    }
    self.quantizer = quantizer
    (rows, columns) = (pass.tensor.shape.rows, pass.tensor.shape.columns)
    var evidence = MatrixEvidence(rows: rows, columns: columns, summary: summary)
    if quantizer.needsHistogram { evidence.histogram = try FittedMatrix.histogram(pass, work) }
    if quantizer.needsCalibration { evidence.calibration = try calibration?.gram(for: pass.tensor.name) }
    let fit: any RowFit
    do throws(FitError) {
      fit = try quantizer.prepare(evidence)
    } catch {
      throw QuantizerError(.fit(error, quantizer: quantizer.id.rawValue), tensor: pass.tensor.name)
    }
    // Multiples of 16 rows: a fit may take rows in such lots.
    let step = max(16, bandBytes / 4 / max(1, columns) / 16 * 16)
    let count = (rows + step - 1) / step
    let (rowCount, shape) = (rows, pass.tensor.shape)
    let fitted = try work.parallelism.mapBands(count) { band in
      let range = shape.band(band * step..<min(rowCount, (band + 1) * step))
      defer { pass.release(range) }
      return fit.fit(try pass.values(of: range), rows: range.rows.count)
    }
    for value in fitted.flatMap({ $0.flatMap(\.multipliers) }) where !value.isFinite {
      throw WorkflowError(
        .unusableScale(value), file: pass.source.manifest.files[pass.tensor.location.file].path,
        tensor: pass.tensor.name)
    }
    planes = (0..<quantizer.planes).map { plane in
      var result = FittedPlane(trits: [], multipliers: [])
      result.trits.reserveCapacity(rowCount * pass.tensor.shape.columns)
      for part in fitted { result.trits += part[plane].trits }
      result.multipliers =
        quantizer.granularity == .tensor
        ? fitted.first?[plane].multipliers ?? [0] : fitted.flatMap { $0[plane].multipliers }
      return result
    }
  }

  private static func histogram(_ pass: WeightPass, _ work: WorkOptions) throws -> MagnitudeHistogram {
    let total = Mutex(MagnitudeHistogram())
    let bands = pass.tensor.shape.bands(elements: bandBytes / 2)
    try work.parallelism.forEachBand(bands.count) { band in
      var part = MagnitudeHistogram()
      part.add(try pass.values(of: bands[band]))
      total.withLock { $0.merge(part) }
    }
    return total.withLock { $0 }
  }

  /// The scales of a plane as they are stored. Only one scale a tensor can be turned into a divisor.
  package func scale(_ plane: Int, _ convention: ScaleConvention) -> TernaryScale {
    let multipliers = planes[plane].multipliers
    guard quantizer.granularity == .tensor, convention == .divide else {
      return TernaryScale(
        stored: multipliers, storage: quantizer.scaleStorage, convention: .multiply,
        granularity: quantizer.granularity)
    }
    return TernaryScale(
      stored: BFloat16.rounded(TernaryScale.divisor(ofMagnitude: multipliers[0])), storage: .bf16, convention: .divide)
  }

  /// The weights of rows as they are now: the sum over planes of trit × multiplier.
  ///
  /// - Parameter grids: of each plane, of its scales as stored.
  package func values(_ range: Range<Int>, _ grids: [MultiplierGrid]) -> [Float] {
    var result = [Float](repeating: 0, count: range.count * columns)
    for (plane, grid) in zip(planes, grids) {
      let trits = Array(plane.trits[range.lowerBound * columns..<range.upperBound * columns])
      let part = grid.values(trits, firstRow: range.lowerBound)
      for index in result.indices { result[index] += part[index] }
    }
    return result
  }
}

extension WeightPass {
  /// A band as the quantizer sees it: rounded to bfloat16 where that is its rule.
  func values(of band: MatrixBand) throws -> [Float] {
    try source.withBytes(byteRange(band), of: tensor) { data in
      let values = DenseValues.floats(data, dtype)
      return roundsToBFloat16 && dtype != .bf16 ? values.map { BFloat16.rounded($0) } : values
    }
  }
}

/// A quantizer that cannot do what was asked.
package typealias QuantizerError = Diagnostic<QuantizerErrorKind>

package enum QuantizerErrorKind: DiagnosticKind {
  case fit(FitError, quantizer: String)
  /// For a model that was trained to be ternary.
  case native(quantizer: String, verdict: String)
  /// The output has no place for its scales; `holders` have, as they are asked for.
  case target(quantizer: String, target: String, reason: String, holders: [String])
  case multipliesOnly(quantizer: String)
  case planesNeedTritPack
  case calibrationUnused(quantizer: String)
  case calibrationTooShort(tokens: Int)
  case calibrationDiffers(recorded: String, found: String)
  case calibrationContext(Int)
  case calibrationTooWide(width: Int, limit: Int)

  package var summary: String {
    switch self {
    case .fit(.calibrationMissing, let quantizer): "\(quantizer) needs calibration activations"
    case .fit(.calibrationWidth(let expected, let found), _):
      "its inputs have \(found) numbers, expected \(expected)"
    case .fit(.singular, _): "the calibration activations of this tensor are all zero or not finite"
    case .native(let quantizer, let verdict):
      "\(quantizer) is for ordinary weights; these are the latents of a BitNet model (\(verdict)), whose own arithmetic "
        + "gives the trits it was trained with"
    case .target(let quantizer, let target, let reason, _): "\(quantizer) cannot be written as \(target): \(reason)"
    case .multipliesOnly(let quantizer): "the scales of \(quantizer) multiply"
    case .planesNeedTritPack: "the model holds sums of two ternary matrices, which only TritPack can hold"
    case .calibrationUnused(let quantizer): "\(quantizer) takes no calibration text"
    case .calibrationTooShort(let tokens): "the calibration text has only \(tokens) tokens; 256 is the least"
    case .calibrationDiffers(let recorded, let found):
      "the converted model was made with calibration \(recorded), this text gives \(found)"
    case .calibrationContext(let context):
      "calibration needs a context of 2 tokens or more, the model has \(context) (max_position_embeddings)"
    case .calibrationTooWide(let width, let limit):
      "second moments of inputs of \(width) numbers take more than \(limit >> 30) GiB for a layer"
    }
  }

  package var remedy: String? {
    switch self {
    case .fit(.calibrationMissing, _): "give a text with --calibration; it must not be one the model is judged by"
    case .fit: "calibrate with more text"
    case .native: "leave --quantizer out; --force-quantizer does it all the same"
    case .target(_, _, _, let holders):
      "write " + (holders + ["TritPack (--to tritpack)"]).joined(separator: ", ") + " or dense bfloat16 (--to dense)"
    case .multipliesOnly: "leave --output-scale out"
    case .planesNeedTritPack: "convert from the original model with --quantizer two-plane-group128"
    case .calibrationUnused: "leave --calibration out"
    case .calibrationTooShort: "give a longer text; some thousand tokens are usual"
    case .calibrationDiffers: "give the text and --calibration-tokens of the conversion"
    case .calibrationContext, .calibrationTooWide: "choose a quantizer without calibration, such as optimal-row"
    }
  }

  package var category: ErrorCategory {
    switch self {
    case .fit(.calibrationMissing, _), .native, .target, .multipliesOnly, .calibrationUnused, .planesNeedTritPack:
      .misuse
    case .fit, .calibrationTooShort, .calibrationDiffers, .calibrationContext, .calibrationTooWide: .malformedInput
    }
  }
}
