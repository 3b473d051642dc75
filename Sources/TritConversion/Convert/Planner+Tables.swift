// Tritsmith: planning embeddings and heads that are ternary, and weights that are binary.

import TritCore
import TritFormats
import TritKernels
import TritLayouts
import TritModel
import TritSurvey

extension Planner {
  /// Whether an embedding or head of a model that is ternary as it stands is so as well, all of it.
  static func isTernaryTable(
    _ tensor: TensorDescriptor, _ role: TensorRole, _ source: any TensorSource, _ survey: ModelSurvey,
    _ sampler: ScaleSampler?, _ found: FoundScales
  ) throws -> Bool {
    guard let pass = try tablePass(tensor, role, source, survey) else { return false }
    // What is no table after all is refused when it passes.
    if sampler != nil { return true }
    guard let scale = try pass.ternaryScale(Parallelism(threads: 0), SilentProgress()) else { return false }
    found.keep(scale, of: tensor)
    return true
  }

  /// An embedding or head that is ternary in the rows looked at; nil for others.
  private static func tablePass(
    _ tensor: TensorDescriptor, _ role: TensorRole, _ source: any TensorSource, _ survey: ModelSurvey
  ) throws -> WeightPass? {
    guard survey.kind == .ternaryDense, role == .embedding || role == .outputHead, tensor.shape.isMatrix,
      tensor.encoding.dtype?.isFloatWeight == true
    else { return nil }
    let pass = try WeightPass(source, tensor, roundsToBFloat16: false, kernels: KernelChoice.best)
    return try pass.sampledGranularity() == nil ? nil : pass
  }

  /// Whether such a table is packed like any other matrix in an output that holds it so.
  func packsTable(_ tensor: TensorDescriptor, _ role: TensorRole) throws -> Bool {
    if request.target == .mlx { return try Planner.isTernaryTable(tensor, role, source, survey, sampler, found) }
    guard request.target == .tritpack, let layout = LayoutRegistry.layout(request.tritpackLayout),
      (try? layout.check(tensor.shape)) != nil, let pass = try Planner.tablePass(tensor, role, source, survey)
    else { return false }
    // One scale of a tensor is stored as bfloat16, and may be a divisor: a table would be rounded. Several are exact.
    if case .ternary(let found)? = try sampler?.dense(tensor, isUsed: false) { return found.granularity != .tensor }
    guard let scale = try pass.spreadScale(Parallelism(threads: 0)) else { return false }
    found.keep(scale, of: tensor)
    return true
  }

  /// Names embeddings and heads that stay dense for a few rows that are not ternary.
  func warnTables(_ tensors: [PlannedTensor], _ warnings: inout [String]) throws {
    let packs =
      switch request.target {
      case .mlx, .tritpack: true
      case .gguf: request.gguf.embeddings == nil && request.gguf.layout != nil && request.gguf.weights != .i2s
      case .hfPacked, .dense, .trainable: false
      }
    // Over a network such a table is refused when it passes.
    guard packs, survey.kind == .ternaryDense, sampler == nil else { return }
    for planned in tensors where planned.role == .embedding || planned.role == .outputHead {
      let tensor = planned.source
      guard !planned.becomesTernary, tensor.encoding.dtype?.isFloatWeight == true,
        !request.keep.contains(where: { $0.matches(tensor.name) })
      else { continue }
      let pass = try WeightPass(source, tensor, roundsToBFloat16: false, kernels: KernelChoice.best)
      guard let found = try pass.firstBreak(Parallelism(threads: 0)) else { continue }
      warnings.append(
        "'\(printable(tensor.name))' is ternary but for some weights and stays \(planned.encoding.name): \(found.text)")
    }
  }

  /// Says that dense numbers that are ternary already are copied.
  func warnCopies(_ tensors: [PlannedTensor], _ warnings: inout [String]) {
    let count = tensors.count(where: \.isTernaryCopy)
    guard count > 0, !tensors.contains(where: \.becomesTernary) else { return }
    warnings.append(
      plural(count, "matrix holds", "matrices hold")
        + " trit × scale as dense numbers already, as --to dense writes them: the bytes are copied")
  }

  /// Refuses to call binary weights ternary.
  func checkBinary() throws {
    let isTernary =
      switch request.target {
      case .hfPacked, .tritpack, .mlx, .trainable: true
      case .gguf: request.gguf.layout != nil
      case .dense: false
      }
    guard let type = survey.binaryType, isTernary || !request.quantize.isEmpty else { return }
    let place = zip(source.manifest.tensors, survey.roles).first { tensor, role in
      role.isProjection && ModelSurvey.binaryType(of: tensor, source) != nil
    }?.0
    throw WorkflowError(.binaryWeights(type), file: source.manifest.path, tensor: place?.name)
  }
}
