// Tritsmith: how a conversion's source computes, for the file made of it.

import TritCore
import TritFormats
import TritModel

extension GGUFArithmetic {
  /// How the projections of a source compute when it is run as it is; nil for a source without projections.
  init?(of source: any TensorSource, _ survey: ModelSurvey, _ tensors: [PlannedTensor]) throws {
    let projections = tensors.filter(\.role.isProjection)
    guard !projections.isEmpty else { return nil }
    if let known = try GGUFArithmetic(source) {
      self = known
      return
    }
    let linearClass: LinearClass
    switch survey.kind {
    case .packed, .latent:
      let convention = survey.architecture?.packedConvention ?? .multiply
      let stored = projections.compactMap(\.source.scale?.convention).first ?? convention
      linearClass =
        switch survey.quantization?.linearClass.convention ?? stored {
        case .divide: .bitlinear
        case .multiply: .autobitlinear
        }
    case .ternaryDense, .ordinary, .undetermined: linearClass = .linear
    }
    // Dense projections that stay as they are, beside ternary ones.
    let kept = projections.filter { !$0.source.encoding.isTernary && ($0.step == .copy || $0.step == .recode) }
    self.init(linearClass, linearModules: kept.map { String($0.source.name.dropLast(".weight".count)) })
  }
}
