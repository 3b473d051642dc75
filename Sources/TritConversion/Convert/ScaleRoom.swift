// Tritsmith: forms of an output with room for a model's scales.

import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritSurvey

/// Which forms hold the scales of a ternary model, as headers say: what `inspect` proposes, and errors of conversions.
package struct ScaleRoom {
  /// How many weights share a scale where the fewest do; nil where headers do not say, or scales may be no F16 numbers.
  private let finest: ScaleGranularity?
  private let matrices: [TensorShape]
  private let description: ModelDescription?
  private let isGGUF: Bool
  private let isRotated: Bool

  /// - Parameters:
  ///   - manifest: of the model, a role for each tensor in the survey.
  ///   - isRotated: whether weights are rotated as they are stored, and stay so.
  package init(_ manifest: ModelManifest, _ survey: ModelSurvey, isRotated: Bool) {
    let tensors = zip(manifest.tensors, survey.roles).filter { tensor, role in
      tensor.shape.isMatrix && (survey.kind == .packed ? tensor.encoding.isTernary : role.isProjection)
    }.map(\.0)
    switch survey.kind {
    case .packed: finest = ScaleRoom.finest(ofPacked: tensors)
    // Numbers of 32 bits may have more digits than blocks of GGUF hold.
    case .ternaryDense: finest = tensors.contains { $0.encoding == .dense(.f32) } ? nil : survey.finest
    case .latent, .ordinary, .undetermined: finest = nil
    }
    matrices = tensors.map(\.shape)
    description = try? survey.description.get()
    isGGUF = manifest.format == GGUFFormat.id
    self.isRotated = isRotated
  }

  private static func finest(ofPacked tensors: [TensorDescriptor]) -> ScaleGranularity? {
    var finest = ScaleGranularity.tensor
    for tensor in tensors {
      guard let scale = tensor.scale else { return nil }
      switch (finest, scale.granularity) {
      case (_, .tensor), (.group, .row): continue
      case (.tensor, let found), (.row, let found): finest = found
      case (.group(let one), .group(let other)): finest = .group(columns: TernaryScale.commonDivisor(one, other))
      }
      if scale.storage == .f32 { return nil }
    }
    return finest
  }

  /// Types of GGUF whose blocks hold the scales and are filled by the rows, in the order they are proposed.
  package var types: [GGUFWeightType] {
    guard let finest, let description, description.architecture.gguf != nil,
      isGGUF || (try? GGUFDescription.entries(description, name: "")) != nil
    else { return [] }
    let needed = inOrderOfGGUF(finest, description)
    let grouped: [GGUFWeightType] = [.pq2, .q2, .ptq1]
    return (finest == .tensor ? [GGUFOptions().weights] + grouped : grouped).filter { type in
      guard let layout = GGUFOptions(weights: type).layout.flatMap(LayoutRegistry.layout),
        layout.embeddedScale?.granularity.holds(needed) == true
      else { return false }
      return matrices.allSatisfy { (try? layout.checkForWriting($0)) != nil }
    }
  }

  /// Columns that stand in another order there are moved by heads: no group reaches from one into the next.
  private func inOrderOfGGUF(_ finest: ScaleGranularity, _ description: ModelDescription) -> ScaleGranularity {
    guard case .group(let size) = finest, !isRotated, let columns = description.columnsMovedTogether else {
      return finest
    }
    return .group(columns: TernaryScale.commonDivisor(size, columns))
  }

  private var fitsMLX: Bool {
    guard let finest, let description, (try? MLXDescription.check(description, file: "")) != nil else { return false }
    return MLXQuantization.groupSizes.contains { size in
      ScaleGranularity.group(columns: size).holds(finest) && matrices.allSatisfy { $0.columns % size == 0 }
    }
  }

  /// Options of `convert` that write each form there is room in, but for what was asked; nil where headers do not say.
  func options(besides request: ConversionRequest) -> [String]? {
    guard finest != nil, let description else { return nil }
    let names = types.filter { request.target != .gguf || $0 != request.gguf.weights }.map(\.rawValue)
    var options = names.isEmpty ? [] : ["--to gguf --layout " + WorkflowError.alternatives(names)]
    if isRotated { return options + ["--unfold --to dense"] }
    if request.target != .mlx, fitsMLX { options.append("--to mlx") }
    if request.target != .tritpack { options.append("--to tritpack") }
    if request.target != .dense, description.quantization.inputNormEpsilon == nil { options.append("--to dense") }
    return options
  }

  /// Does a part of a conversion. An error says in which file its tensor is, and where scales or rows find no place, what has
  /// one.
  static func naming<Result>(
    _ source: any TensorSource, _ survey: ModelSurvey, _ request: ConversionRequest, _ body: () throws -> Result
  ) throws -> Result {
    do {
      return try WorkflowError.locating(source, body)
    } catch var error as WorkflowError {
      switch error.kind {
      case .oneScaleOnly, .scalesDiffer, .tensorsDoNotFit:
        let isRotated = (source as? any ModelView)?.storedRotation != nil
        let holders = ScaleRoom(source.manifest, survey, isRotated: isRotated).options(besides: request)
        if let holders { error.knownRemedy = error.kind.remedy(holders: holders) }
      default: break
      }
      throw error
    }
  }
}
