// Tritsmith: scales of rows and groups as an output must hold them, kept as fingerprints.

import TritCore
import TritSurvey

/// What the trits of a matrix must be multiplied by, where rows or groups have scales of their own.
///
/// The scales themselves would take an eighth of what the model does in memory until its audit; a fingerprint for each
/// band of rows takes nothing. It is of exact numbers: where an output rounds scales, it proves nothing.
package struct SpreadScales: Sendable {
  let units: ScaleUnits
  let granularity: ScaleGranularity
  /// Whether the trits were packed in the source.
  let isPacked: Bool
  /// One for each of the witness's bands.
  let fingerprints: [UInt64]
}

/// The runs of columns that have one scale in the source.
///
/// A fingerprint is XXH64 of one number for each unit of a band: what its trits are multiplied by, in Float. It is 0
/// where all of them are 0, over which any scale is as good as any other.
struct ScaleUnits: Sendable, Hashable {
  private let places: ScalePlaces

  init(_ granularity: ScaleGranularity, columns: Int) { places = ScalePlaces(granularity, columns: columns) }

  /// The fingerprint of trits with scales on any grid.
  ///
  /// Nil where the trits of a unit have several multipliers, and where there is one that is no finite number, which
  /// matters over zeros too.
  func fingerprint(_ trits: [Int8], _ grid: MultiplierGrid, _ band: MatrixBand) -> UInt64? {
    var numbers: [UInt32] = []
    for row in 0..<band.rows.count {
      var isSound = true
      // Where the first column of the matrix would be.
      let first = row * band.columns.count - band.columns.lowerBound
      forEachUnit(band) { unit in
        var number: UInt32?
        var column = unit.lowerBound
        while column < unit.upperBound {
          let end = min(unit.upperBound, grid.places.runEnd(after: column))
          let multiplier = grid.multiplier(row: band.rows.lowerBound + row, column: column)
          isSound = isSound && multiplier.isFinite
          if trits[first + column..<first + end].contains(where: { $0 != 0 }) {
            isSound = isSound && number ?? multiplier.bitPattern == multiplier.bitPattern
            number = multiplier.bitPattern
          }
          column = end
        }
        numbers.append(number ?? 0)
      }
      guard isSound else { return nil }
    }
    return XXH64.hash(numbers.span.bytes)
  }

  /// The units of a row, as far as a band has columns of them.
  @inline(__always)
  private func forEachUnit(_ band: MatrixBand, _ body: (Range<Int>) -> Void) {
    places.forEachRun(ofRow: 0) { unit, _ in
      let part = unit.clamped(to: band.columns)
      if !part.isEmpty { body(part) }
    }
  }

  /// Takes dense numbers of a band apart into trits and the fingerprint of their magnitudes.
  ///
  /// Nil where those of a unit have several magnitudes, or one that is no finite number.
  func fingerprint(of values: [Float], _ band: MatrixBand, trits: inout [Int8]) -> UInt64? {
    if trits.count != values.count { trits = [Int8](repeating: 0, count: values.count) }
    var numbers: [UInt32] = []
    for row in 0..<band.rows.count {
      var isSound = true
      let first = row * band.columns.count - band.columns.lowerBound
      forEachUnit(band) { unit in
        var number: UInt32?
        for index in first + unit.lowerBound..<first + unit.upperBound {
          let value = values[index]
          trits[index] = value > 0 ? 1 : value < 0 ? -1 : 0
          guard value != 0 else { continue }
          isSound = isSound && value.isFinite && number ?? value.magnitude.bitPattern == value.magnitude.bitPattern
          number = value.magnitude.bitPattern
        }
        numbers.append(number ?? 0)
      }
      guard isSound else { return nil }
    }
    return XXH64.hash(numbers.span.bytes)
  }
}

extension TensorComparison {
  /// Scales of rows and groups, judged by their fingerprints.
  ///
  /// - Returns: nil where the witness does not prove that trits and scales are equal.
  func bySpread(_ witness: AuditWitness, _ spread: SpreadScales) throws -> TensorVerification? {
    defer { converted.release(0..<found.location.byteCount, of: found) }
    var result = TensorVerification(
      name: expected.name, role: role, shape: expected.shape, outcome: .equal, detail: "")
    result.isTernary = true
    if case .dense(let dtype) = found.encoding {
      // Of wider numbers Float would not hold all.
      guard dtype.isFloatWeight, dtype.bits <= 32 else { return nil }
      let width = dtype.bits / 8
      var trits: [Int8] = []
      for index in 0..<witness.bands.count {
        try work.parallelism.cancellation.check()
        let band = witness.bands[index]
        let bytes = band.elements.lowerBound * width..<band.elements.upperBound * width
        let values = try converted.withBytes(bytes, of: found) { DenseValues.floats($0, dtype) }
        converted.release(bytes, of: found)
        guard spread.units.fingerprint(of: values, band, trits: &trits) == spread.fingerprints[index],
          XXH64.hash(trits.span.bytes) == witness.fingerprints[index]
        else { return nil }
        result.zeros += trits.count { $0 == 0 }
      }
      result.detail =
        spread.isPacked ? "every value is trit times scale" : WeightScales.origin(isPacked: false, isRecognised: true)
      return result
    }
    let scale = try converted.scale(of: found)
    // Where stored numbers are compared, they have the places and the meaning they had.
    guard comparesMultipliers || scale.convention == .multiply && scale.granularity == spread.granularity else {
      return nil
    }
    let grid = scale.grid(columns: expected.shape.columns)
    var hasScales = true
    let hasTrits = try witness.agrees(cancellation: work.parallelism.cancellation) {
      try foundTrits($0, nil)
    } look: { trits, band, index in
      hasScales = hasScales && spread.units.fingerprint(trits, grid, band) == spread.fingerprints[index]
    }
    guard hasTrits, hasScales else { return nil }
    result.detail = WeightScales.origin(isPacked: spread.isPacked, isRecognised: true)
    return result
  }
}
