// Tritsmith: a scale that the type of an output has no number for.

import TritCore

/// The first scale of a tensor that its output cannot hold, and where it stands.
public struct UnheldScale: Sendable, Hashable {
  /// What the output is, which decides what there is in its place.
  enum Place: Sendable, Hashable {
    /// Blocks of GGUF with a scale in each.
    case blocks
    /// Dense numbers, trit × scale.
    case dense(ConversionTarget)
    /// Scales beside the trits.
    case beside
  }

  /// What trits are multiplied by.
  public var value: Float
  /// The type of the output's scales.
  public var storage: DType
  /// The row of the source that has it; nil where one scale is that of all weights.
  public var row: Int?
  /// The columns of that row.
  public var columns = 0..<0
  let place: Place

  /// - Parameter index: of the scale among those of its tensor.
  init(_ scale: TernaryScale, _ index: Int, _ shape: TensorShape, _ storage: DType, _ place: Place) {
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
  static func first(of scale: TernaryScale, _ storage: DType, in weight: TernaryWeight) throws -> Int? {
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

extension ConvertWorkflow {
  /// A scale a type can hold: over zeros, where any number is as good, 0 stands for one it cannot.
  ///
  /// - Throws: `WorkflowError.scaleDoesNotFit` for one that weights depend on. Below the smallest normal number a type
  ///   loses digits, and in the end everything.
  func fitting(
    _ scale: TernaryScale, _ storage: DType, _ weight: TernaryWeight, _ place: UnheldScale.Place
  ) throws -> TernaryScale {
    // As they are stored already.
    if scale.storage == storage, scale.multipliers.allSatisfy({ $0 >= 0 && $0.isFinite }) { return scale }
    var multipliers = scale.multipliers
    let unfit = multipliers.indices.filter {
      multipliers[$0] != 0 && ScaleAgreement.held(multipliers[$0], storage) == nil
    }
    guard !unfit.isEmpty else { return scale }
    let live = try LiveUnits(scale.granularity, weight.tensor.shape) { try weight.trits($0) }
    for index in unfit {
      guard live?.isLive[index] == false else { throw unheld(scale, index, storage, weight, place) }
      multipliers[index] = 0
    }
    return TernaryScale(stored: multipliers, storage: .f32, convention: .multiply, granularity: scale.granularity)
  }

  /// Refuses to round scales of rows and groups that are Float numbers in the source: repacking is exact. The one scale of
  /// a matrix, in as many places as its form has, is that of a BitNet: it is rounded and said, as everywhere.
  func refuseRounding(of scale: TernaryScale, to storage: DType, _ weight: TernaryWeight) throws {
    let shape = weight.tensor.shape
    guard scale.storage == .f32, request.scaleLoss == .refuse, weight.hasOwnScales,
      scale.coarsest(rows: shape.rows, columns: shape.columns).granularity != .tensor,
      let index = try UnheldScale.first(of: scale, storage, in: weight)
    else { return }
    throw unheld(scale, index, storage, weight, .blocks)
  }

  private func unheld(
    _ scale: TernaryScale, _ index: Int, _ storage: DType, _ weight: TernaryWeight, _ place: UnheldScale.Place
  ) -> WorkflowError {
    let tensor = weight.tensor
    return WorkflowError(
      .scaleDoesNotFit(UnheldScale(scale, index, tensor.shape, storage, place)),
      file: weight.source.manifest.files[tensor.location.file].path, tensor: tensor.name)
  }
}
