// Tritsmith: a scale that the type of an output has no number for.

import TritCore

/// The first scale of a tensor that its output cannot hold, and where it stands.
package struct UnheldScale: Sendable, Hashable {
  /// What the output is, which decides what there is in its place.
  package enum Place: Sendable, Hashable {
    /// Blocks of GGUF with a scale in each.
    case blocks
    /// Dense numbers, trit × scale.
    case dense(ConversionTarget)
    /// Scales beside the trits.
    case beside
  }

  /// What trits are multiplied by.
  package var value: Float
  /// The type of the output's scales.
  package var storage: DType
  /// The row of the source that has it; nil where one scale is that of all weights.
  package var row: Int?
  /// The columns of that row.
  package var columns = 0..<0
  let place: Place

  /// - Parameter index: of the scale among those of its tensor.
  package init(_ scale: TernaryScale, _ index: Int, _ shape: TensorShape, _ storage: DType, _ place: Place) {
    value = scale.multiplier(at: index)
    self.storage = storage
    self.place = place
    let grid = ScaleGrid(scale.granularity, scale.granularity, shape)
    guard let size = grid.size else { return }
    let (row, column) = grid.place(index)
    self.row = row
    columns = column..<min(grid.columns, column + size)
  }

  /// Where the first weights stand whose scale a type has another number for; nil where it holds every one.
  package static func first(of scale: TernaryScale, _ storage: DType, in weight: TernaryWeight) throws -> Int? {
    let multipliers = scale.multipliers
    let unheld = multipliers.indices.filter { TernaryScale.rounded(multipliers[$0], to: storage) != multipliers[$0] }
    guard !unheld.isEmpty else { return nil }
    let live = try LiveUnits(scale.granularity, weight.tensor.shape) { try weight.trits($0) }
    return unheld.first { live?.isLive[$0] != false }
  }

  /// For people.
  var summary: String {
    let stored = TernaryScale.rounded(value, to: storage)
    var text = row.map { "in row \($0), columns \(columns.lowerBound) to \(columns.upperBound - 1), " } ?? ""
    text += "the scale \(value) "
    guard stored.isFinite else { return text + "is too large for \(storage.rawValue)" }
    let change = ScaleRounding.parts(abs(Double(stored) - Double(value)) / Double(value.magnitude))
    let isBelow = value.magnitude < 0x1p-14 && storage == .f16
    text += isBelow ? "is below 6.1035156e-05, where F16 has fewer digits" : "is no \(storage.rawValue) number"
    return text + ": it would become \(stored), \(change) off"
  }

  /// What holds the scale.
  var remedy: String {
    switch place {
    case .dense(.gguf): "choose F32 for it with --layout or --embeddings, which holds every scale"
    case .dense(.dense): "choose --dense-type f32, which holds every scale"
    case .blocks where row == nil: "choose --layout I2_S, which stores scales as F32"
    case .blocks:
      "write --to tritpack, or --to dense, which hold it"
        + (isRounded ? "; --allow-scale-loss rounds such scales, and says so" : "")
    case .dense, .beside: "write --to tritpack, or --to dense, which hold it"
    }
  }

  /// Whether the type has a number beside it with all its digits.
  private var isRounded: Bool { ScaleAgreement.held(value, storage) != nil }
}
