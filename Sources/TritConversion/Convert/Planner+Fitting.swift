// Tritsmith: planning conversions by quantizers for ordinary weights.

import TritCore
import TritFormats
import TritKernels
import TritLayouts
import TritModel
import TritQuantizers
import TritSurvey

extension Planner {
  /// Scales of rows and groups, and of planes, always multiply: no outside program reads them, so there is no other
  /// habit to follow. Nil when the quantizer does not decide.
  func fittedConvention(_ quantizer: any Quantizer) throws -> ScaleConvention? {
    guard let fitting = quantizer as? any FittingQuantizer, fitting.granularity != .tensor else { return nil }
    guard request.outputConvention != .divide else {
      throw QuantizerError(.multipliesOnly(quantizer: fitting.id.rawValue))
    }
    return .multiply
  }

  /// Gives the tensors a fitting quantizer makes their scales and planes.
  func fit(_ tensors: inout [PlannedTensor], _ quantizer: any Quantizer) throws {
    if request.target != .tritpack,
      let second = tensors.first(where: { TritPlanes.matrix(ofSecond: $0.source.name) != nil })
    {
      throw QuantizerError(.planesNeedTritPack, file: source.manifest.path, tensor: second.source.name)
    }
    try recognise(&tensors)
    guard let fitting = quantizer as? any FittingQuantizer, fitting.granularity != .tensor else { return }
    if request.target == .dense, fitting.scaleStorage == .f16, request.denseType == nil {
      for index in tensors.indices where tensors[index].step == .snap {
        tensors[index].encoding = .dense(.f16)
        tensors[index].byteCount = 2 * tensors[index].source.shape.elementCount
      }
    }
    tensors = try tensors.flatMap { tensor -> [PlannedTensor] in
      guard tensor.step == .quantize, case .ternary(let id) = tensor.encoding,
        let layout = LayoutRegistry.layout(id), layout.embeddedScale == nil
      else { return [tensor] }
      // What is ternary already is taken as it is, with its own scales.
      guard tensor.scaleGranularity == nil else { return [tensor] }
      let pass = try WeightPass(source, tensor.source, roundsToBFloat16: false, kernels: KernelChoice.best)
      let ternary = try sampler?.proofNeeded(of: tensor.source) != nil || pass.looksTernary()
      guard !ternary else { return [tensor] }
      let shape = tensor.source.shape
      let scales = fitting.granularity.count(rows: shape.rows, columns: shape.columns)
      var planned = tensor
      planned.scaleGranularity = fitting.granularity
      planned.scaleStorage = fitting.scaleStorage
      planned.scaleConvention = .multiply
      planned.byteCount = layout.byteCount(shape) + scales * fitting.scaleStorage.bits / 8
      return (0..<fitting.planes).map { plane in
        var result = planned
        result.plane = plane
        if plane > 0 { result.outputName = TritPlanes.second(of: tensor.source.name) }
        return result
      }
    }
  }

  /// Gives dense tensors that hold −s, 0, +s with several s the places for their scales. Their values are read for it; of
  /// latent weights, the first rows. A layout with a scale in each block has room for what fits: a few rows tell.
  private func recognise(_ tensors: inout [PlannedTensor]) throws {
    try sampler?.expect(tensors.filter { $0.step == .quantize || $0.step == .snap }.map(\.source))
    for index in tensors.indices {
      let tensor = tensors[index]
      guard tensor.step == .quantize || tensor.step == .snap, tensor.source.shape.isMatrix,
        case .dense(let dtype) = tensor.source.encoding, dtype.isFloatWeight
      else { continue }
      let pass = try WeightPass(source, tensor.source, roundsToBFloat16: false, kernels: KernelChoice.best)
      if case .ternary(let id) = tensor.encoding, let layout = LayoutRegistry.layout(id), layout.embeddedScale != nil {
        try checkRoom(pass, layout, tensor.source)
        continue
      }
      guard let scale = try spreadScale(pass) else { continue }
      guard case .ternary(let id) = tensor.encoding, let layout = LayoutRegistry.layout(id) else {
        // Dense in, dense out: it is what it is to become.
        guard request.target == .dense, request.denseType.map({ $0.dtype == dtype }) ?? true else { continue }
        tensors[index].step = .copy
        tensors[index].isTernaryCopy = true
        tensors[index].encoding = tensor.source.encoding
        tensors[index].byteCount = tensor.source.location.byteCount
        continue
      }
      if request.target == .hfPacked {
        throw WorkflowError(
          .oneScaleOnly(found: scale.granularity == .row ? "per-row" : "per-group"), tensor: tensor.source.name)
      }
      tensors[index].scaleGranularity = scale.granularity
      tensors[index].scaleStorage = scale.storage
      tensors[index].scaleConvention = .multiply
      let shape = tensor.source.shape
      tensors[index].byteCount =
        layout.byteCount(shape)
        + scale.granularity.count(rows: shape.rows, columns: shape.columns) * scale.storage.bits / 8
    }
  }

  /// The scales of rows or groups of weights that are ternary as they stand; over a network, as samples say.
  private func spreadScale(_ pass: WeightPass) throws -> SampledScale? {
    guard let sampler, request.recipe == nil else {
      return try pass.spreadScale(Parallelism(threads: 0)).map { SampledScale($0) }
    }
    switch try sampler.dense(pass.tensor) {
    case .otherNumbers: return nil
    case .ternary(let found) where found.granularity == .tensor: return nil
    // What cannot be converted is refused by what is so of the whole tensor.
    case .ternary(let found) where request.target != .hfPacked: return found
    case .ternary, .unknown: return try pass.spreadScale(Parallelism(threads: 0)).map { SampledScale($0) }
    }
  }

  /// Refuses a layout that has no room for the scales of weights that are ternary as they stand.
  private func checkRoom(_ pass: WeightPass, _ layout: any TernaryLayout, _ tensor: TensorDescriptor) throws {
    guard let held = layout.embeddedScale?.granularity, let found = try sampledGranularity(pass),
      !held.holds(found), let scale = try pass.spreadScale(Parallelism(threads: 0))
    else { return }
    _ = try TernaryWeight.scale(scale, asHeldBy: layout, tensor, request.scaleLoss)
  }

  private func sampledGranularity(_ pass: WeightPass) throws -> ScaleGranularity? {
    switch try sampler?.dense(pass.tensor, isUsed: false) {
    case .ternary(let found): found.granularity
    case .otherNumbers: nil
    case .unknown, nil: try pass.sampledGranularity()
    }
  }

  /// Refuses what a fitting quantizer cannot do, or should not.
  func checkFitting(_ quantizer: any Quantizer, _ tensors: [PlannedTensor]) throws {
    let name = quantizer.id.rawValue
    guard let fitting = quantizer as? any FittingQuantizer else {
      if request.calibration != nil { throw QuantizerError(.calibrationUnused(quantizer: name)) }
      return
    }
    guard tensors.contains(where: { $0.step == .quantize || $0.step == .snap }) else { return }
    if survey.kind == .latent, !fitting.isNative, !request.forcesQuantizer {
      throw QuantizerError(
        .native(quantizer: name, verdict: survey.evidence.joined(separator: "; ")), file: source.manifest.path)
    }
    if fitting.needsCalibration != (request.calibration != nil) {
      throw QuantizerError(
        fitting.needsCalibration
          ? .fit(.calibrationMissing, quantizer: name) : .calibrationUnused(quantizer: name))
    }
    let target = request.target
    guard target == .hfPacked || target == .gguf || target == .mlx else { return }
    if fitting.planes == 1, target == .mlx || target == .gguf && holdsScales(of: fitting) { return }
    if fitting.planes > 1 || fitting.granularity != .tensor {
      let reason =
        fitting.planes > 1 ? "it makes two matrices of one" : "it has a scale for each \(fitting.granularity.noun)"
      let asked = target == .gguf ? request.gguf.layout?.rawValue : nil
      throw QuantizerError(
        .target(
          quantizer: name, target: asked ?? target.rawValue, reason: reason, holders: Planner.holders(of: fitting)))
    }
  }
}

extension Planner {
  /// Forms that hold every scale a quantizer makes, as they are asked for.
  private static func holders(of fitting: any FittingQuantizer) -> [String] {
    guard fitting.planes == 1 else { return [] }
    let layouts: [any TernaryLayout] = [Q2_0(.of64), Q2_0(.of128), PTQ1_0()]
    let names = layouts.filter { $0.embeddedScale?.granularity.holds(fitting.granularity) == true }.map(\.id.rawValue)
    let smallest = ScaleGranularity.group(columns: MLXQuantization.groupSizes.min() ?? 32)
    return names.map { "--to gguf --layout \($0)" } + (smallest.holds(fitting.granularity) ? ["--to mlx"] : [])
  }

  /// Whether the layout of a GGUF output has a place for every scale a quantizer makes; dense types do.
  private func holdsScales(of fitting: any FittingQuantizer) -> Bool {
    guard let layout = request.gguf.layout.flatMap(LayoutRegistry.layout) else { return true }
    guard let held = layout.embeddedScale?.granularity else { return false }
    return held.holds(fitting.granularity) || request.scaleLoss == .allow
  }
}

extension WeightPass {
  /// Whether all of a tensor is −a, 0, +a; stops at the first value that is not.
  func looksTernary() throws -> Bool {
    var magnitude: Float = 0
    for band in tensor.shape.bands(elements: bandBytes / 8) {
      let values = try source.withBytes(byteRange(band), of: tensor) { DenseValues.floats($0, dtype) }
      release(band)
      for value in values where value != 0 {
        if magnitude == 0 { magnitude = value.magnitude }
        if value.magnitude != magnitude { return false }
      }
    }
    return magnitude > 0
  }
}

extension ConversionPlan {
  var hasPlanes: Bool { tensors.contains { $0.plane > 0 } }

  /// In order of layers where a calibration is gathered layer by layer, else as they stand.
  var streamingOrder: [PlannedTensor] {
    guard request.calibration != nil else { return tensors }
    return tensors.enumerated().sorted { ($0.element.role.layer, $0.offset) < ($1.element.role.layer, $1.offset) }
      .map(\.element)
  }

  /// What is known of programs that could load the result (`RuntimeTable`).
  package var runtimes: [RuntimeRow] {
    // The table knows forms; rotation is none of them.
    if keepsRotation { return [] }
    guard let family = survey.architecture else { return [] }
    let form = OutputForm(request)
    let lacking =
      form.isGGUF ? GGUFLoaderKeys.missing(family) { key in ggufEntries.first { $0.key == key }?.value } : nil
    return RuntimeTable.known(family.className, form, lacking: lacking)
  }

  /// The programs that load the result, by name: this one where there is no other.
  package var loaders: [String] {
    let names = runtimes.filter { $0.outcome == .loads }.map(\.runtime.name)
    return names.isEmpty ? ["tritsmith"] : names
  }

  /// What this program does where it is the only one.
  var loadingNote: String? {
    if keepsRotation { return "of other programs, those that know prism.hadamard; all others compute nonsense" }
    guard request.target == .tritpack, quantizes, let fitting = quantizer as? any FittingQuantizer else { return nil }
    if fitting.planes > 1 { return "adds the planes up to float32 in memory" }
    if case .group = fitting.granularity { return "expands scales of groups to bfloat16 in memory" }
    return nil
  }
}

extension TernaryWeight {
  /// True when the number trits are multiplied by was found first, not made from a divisor.
  var hasMultiplier: Bool {
    switch origin {
    case .recognised, .fitted: true
    case .packed, .quantized: false
    }
  }

  /// What trits of each plane of fitted weights are multiplied by; nil for other weights.
  func fittedGrids(_ scale: TernaryScale) -> [MultiplierGrid]? {
    guard case .fitted(_, let matrix) = origin else { return nil }
    let scales = matrix.planes.count == 1 ? [scale] : matrix.planes.indices.map { matrix.scale($0, .multiply) }
    return scales.map { $0.grid(columns: tensor.shape.columns) }
  }

  /// Rows of fitted weights as bfloat16, all planes added up; nil for other weights.
  func fittedValues(_ band: MatrixBand, _ grids: [MultiplierGrid]) -> [UInt16]? {
    guard case .fitted(_, let matrix) = origin else { return nil }
    return DenseValues.bfloat16(matrix.values(band.rows, grids))
  }
}
