// Tritsmith: scales as the type of an output can hold them.

import TritCore
import TritSurvey

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
