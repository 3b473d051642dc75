// Tritsmith: the scales of steps, of all matrices together.

import TritCore
import TritLayouts
import TritModel
import TritSurvey
import TritVerification

extension StepBounds {
  /// Holds the scales of matrices that both sides store as trits against each other, and all of them together.
  mutating func compareScales(of names: [String]) {
    for name in names {
      guard let (part, layer) = place(name) else { continue }
      scales[name] = agreement(part, layer, in: sources)
    }
    for name in doubtful(names, { scales[$0]?.certainty }) { scales[name]?.doubt() }
  }

  /// Whether rounding explains the scales of a matrix that both sides store as trits; nil where one does not.
  func agreement(_ part: ModulePart, _ layer: Int?, in sources: [any TensorSource]) -> ScaleAgreement? {
    let scales = sources.compactMap { source -> (scale: TernaryScale, shape: TensorShape)? in
      guard let tensor = matrix(part, layer, source), tensor.encoding.isTernary,
        let scale = try? source.scale(of: tensor)
      else { return nil }
      return (scale, tensor.shape)
    }
    guard scales.count == 2, scales[0].shape == scales[1].shape else { return nil }
    let live = LiveUnits(all: ScaleGrid(scales[0].scale.granularity, scales[1].scale.granularity, scales[0].shape))
    return ScaleAgreement(scales[0].scale, scales[1].scale, live, origin: .model)
  }

  /// Steps whose scales agree as few of the model do: one conversion makes all matrices that are stored alike.
  func doubtful(_ names: [String], _ certainty: (String) -> ScaleCertainty?) -> [String] {
    var forms: [String: [(name: String, certainty: ScaleCertainty)]] = [:]
    for name in names {
      if let certainty = certainty(name), let form = storedForm(name) {
        forms[form, default: []].append((name, certainty))
      }
    }
    return forms.values.flatMap { steps in
      ScaleCertainty.doubtful(steps.map(\.certainty)).map { steps[$0].name }
    }
  }

  /// How both sides store the matrix of a step: matrices of one form were made in one way.
  private func storedForm(_ name: String) -> String? {
    guard let (part, layer) = place(name) else { return nil }
    let forms = sources.compactMap { source in
      matrix(part, layer, source).map { tensor in
        let stored = source.storedInGGUF(tensor)
        let scale = stored.scale.map { "\($0.storage.rawValue) \($0.convention?.rawValue ?? "")" } ?? ""
        return "\(stored.encoding.name) \(scale)"
      }
    }
    return forms.count == 2 ? forms.joined(separator: ", ") : nil
  }
}

/// Numbers that are ternary on one side at least, dense on one at least: their magnitudes, on the grid of the scales.
struct ScalesBeside {
  typealias Side = (source: any TensorSource, tensor: TensorDescriptor)

  private struct Numbers {
    let type: DType
    /// Nil for dense numbers.
    let trits: TernaryScale?
    /// Of each row or group of dense numbers; 0 for zeros alone.
    var magnitudes: [Float] = []
  }

  private var sides: [Numbers]
  private let shape: TensorShape
  private let granularity: ScaleGranularity
  /// Whether dense numbers have no scales on either side.
  private(set) var isOrdinary = false
  /// The first row with two magnitudes where the other side has one.
  private var strangeRow: Int?
  /// Of fewer numbers one magnitude proves nothing.
  private static let leastColumns = 16

  /// Nil where both sides store trits, or one stores no plain numbers.
  init?(_ left: Side, _ right: Side) throws {
    sides = try [left, right].compactMap { side in
      let stored = side.source.storedInGGUF(side.tensor)
      if side.tensor.encoding.isTernary {
        let scale = try side.source.scale(of: side.tensor)
        return Numbers(type: scale.storage, trits: scale)
      }
      return stored.encoding.dtype.flatMap { $0.isFloatWeight ? Numbers(type: $0, trits: nil) : nil }
    }
    shape = left.tensor.shape
    let scales = sides.compactMap(\.trits)
    guard sides.count == 2, scales.count < 2, scales.count == 1 || shape.columns >= ScalesBeside.leastColumns else {
      return nil
    }
    let shared = scales.first?.granularity ?? .tensor
    granularity = shared == .tensor ? .row : shared
    let count = granularity.count(rows: shape.rows, columns: shape.columns)
    for side in sides.indices where sides[side].trits == nil {
      sides[side].magnitudes = [Float](repeating: 0, count: count)
    }
  }

  /// Whether neither side stores trits.
  var areDense: Bool { !sides.contains { $0.trits != nil } }

  /// Takes note of the numbers of both sides, whole rows.
  mutating func add(_ left: [Float], _ right: [Float], _ band: MatrixBand) {
    let places = ScalePlaces(granularity, columns: shape.columns)
    for (number, row) in band.rows.enumerated() {
      places.forEachRun(ofRow: row) { columns, index in
        guard !isOrdinary else { return }
        let start = number * shape.columns
        let range = start + columns.lowerBound..<start + columns.upperBound
        var several = 0
        for (side, values) in [left, right].enumerated() where sides[side].trits == nil {
          let magnitude = ScalesBeside.magnitude(values[range])
          sides[side].magnitudes[index] = magnitude ?? 0
          if magnitude == nil { several += 1 }
        }
        isOrdinary = several == 2
        if several == 1, strangeRow == nil { strangeRow = row }
      }
    }
  }

  /// The one magnitude beside 0, or 0; nil for several.
  private static func magnitude(_ values: ArraySlice<Float>) -> Float? {
    var found: Float = 0
    for value in values where value != 0 && value.magnitude != found {
      guard found == 0 else { return nil }
      found = value.magnitude
    }
    return found
  }

  /// How they agree; nil where there are no scales.
  var agreement: ScaleAgreement? {
    guard !isOrdinary else { return nil }
    var scales = sides.map { side in
      side.trits
        ?? TernaryScale(stored: side.magnitudes, storage: side.type, convention: .multiply, granularity: granularity)
    }
    // Where dense numbers have one magnitude on one side, they have one on the other.
    if areDense,
      let (side, one) = sides.indices.lazy.compactMap({ side in one(sides[side].magnitudes).map { (side, $0) } }).first
    {
      scales[side] = TernaryScale(stored: one, storage: sides[side].type, convention: .multiply)
    }
    let dense = sides.filter { $0.trits == nil }
    let live = dense[0].magnitudes.indices.map { index in dense.allSatisfy { $0.magnitudes[index] != 0 } }
    let grid = ScaleGrid(scales[0].granularity, scales[1].granularity, shape)
    var result = ScaleAgreement(scales[0], scales[1], LiveUnits(grid, live), origin: .model)
    if let strangeRow { result.note(twoMagnitudesInRow: strangeRow) }
    return result
  }

  /// The one number of many, zeros aside; nil where there are several or none.
  private func one(_ magnitudes: [Float]) -> Float? {
    let first = magnitudes.first { $0 != 0 }
    return first.flatMap { value in magnitudes.allSatisfy { $0 == 0 || $0 == value } ? value : nil }
  }
}
