// Tritsmith: how a conversion's source computes, for the file made of it.

import TritCore
import TritFormats
import TritModel
import TritSurvey

extension GGUFArithmetic {
  /// How the projections of a source compute when it is run as it is; nil for a source without projections.
  init?(
    of source: any TensorSource, _ description: ModelDescription, _ survey: ModelSurvey, _ tensors: [PlannedTensor]
  ) throws(ModelError) {
    let projections = tensors.filter(\.role.isProjection)
    guard !projections.isEmpty else { return nil }
    if let view = source as? GGUFModelView, let known = try GGUFArithmetic(view.manifest) {
      self = known
      // What becomes ternary now is an ordinary product no longer.
      let packed = projections.filter(\.becomesTernary).map { HFQuantization.module(of: $0.source.name) }
      linearModules.removeAll { module in packed.contains { HFQuantization.names([module], $0) } }
      return
    }
    // Dense projections that stay as they are, beside ternary ones.
    let kept = projections.filter { !$0.source.encoding.isTernary && ($0.step == .copy || $0.step == .recode) }
    self.init(
      GGUFArithmetic.linearClass(description, survey, projections, source),
      linearModules: kept.map { HFQuantization.module(of: $0.source.name) })
  }

  private static func linearClass(
    _ description: ModelDescription, _ survey: ModelSurvey, _ projections: [PlannedTensor],
    _ source: any TensorSource
  ) -> LinearClass {
    switch description.quantization.projections {
    case .bitLinear, .bitLinearOnline: return .bitlinear
    case .autoBitLinearOffline, .autoBitLinearOnline, .linearQuantizedInput: return .autobitlinear
    case .linear: break
    }
    // The configuration is silent: the weights tell.
    switch survey.kind {
    case .packed:
      if description.quantization.takesPlainInputs(projections.map(\.source), in: source) {
        // Where the family's packed matrices round inputs, a layout of one scale has to say that these do not.
        let isOwn = description.architecture.defaults.packedProjections == .linear
        return isOwn || !projections.contains(where: \.encoding.isTernary) ? .linear : .weightsOnly
      }
      let stored = projections.lazy.compactMap(\.source.scale?.convention).first
      return stored ?? description.architecture.packedConvention == .divide ? .bitlinear : .autobitlinear
    case .latent:
      return description.architecture.defaults.onlineProjections == .bitLinearOnline ? .bitlinear : .autobitlinear
    case .ternaryDense, .ordinary, .undetermined: return .linear
    }
  }
}
