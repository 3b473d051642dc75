// Tritsmith: comparing how the projections of two models compute.

import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritSurvey

/// Compares the class every projection runs as, by effect and not by the words of a configuration.
///
/// Trits, trit × scale in a dense type and latents that run as trits are forms of one projection: where one side holds
/// trits, comparing weights says whether they are the other's. Where both hold other numbers, an ordinary product of
/// them and one that makes them ternary first are two models. So are trits of which one side says that inputs are
/// rounded to int8 and the other that they are not; a form that has no say in it is mentioned.
struct ProjectionComparison {
  /// What of a model tells how its projections compute.
  struct Side {
    let source: any TensorSource
    let architecture: any Architecture
    let scheme: QuantizationScheme

    init(_ source: any TensorSource, _ architecture: any Architecture, _ scheme: QuantizationScheme) {
      (self.source, self.architecture, self.scheme) = (source, architecture, scheme)
    }

    init(_ source: any TensorSource, _ description: ModelDescription) {
      self.init(source, description.architecture, description.quantization)
    }

    /// Of a model that is not understood otherwise; nil when this is not understood either.
    init?(notUnderstood source: any TensorSource) {
      if let view = source as? GGUFModelView {
        guard let description = view.statedDescription, (try? GGUFArithmetic(view.manifest)) != nil else { return nil }
        self.init(source, description)
        return
      }
      guard let configuration = source.manifest.configuration,
        let architecture = try? ArchitectureRegistry.architecture(of: configuration, file: ""),
        let stated = try? QuantizationScheme.stated(by: configuration, file: "")
      else { return nil }
      self.init(source, architecture, stated)
    }
  }

  let first: Side
  let second: Side
  /// Projections that differ because somebody asked for it, by the names of their weights.
  let isExcused: (String) -> Bool

  struct Outcome {
    var compared = 0
    var differences: [DescriptionDifference] = []
    /// What a verdict mentions: forms that compute otherwise, where one of them has no say in it.
    var remarks: [String] = []
  }

  /// How a projection is found on one side.
  private enum Form: Hashable {
    case packed
    /// Packed, in a comparison that turns on what its inputs are.
    case packedOnRoundedInputs
    case packedOnPlainInputs
    /// Packed, and named among the modules that loaders leave alone.
    case packedAndLeftAlone
    case dense(ProjectionClass)

    var text: String {
      switch self {
      case .packed: "packed trits"
      case .packedOnRoundedInputs: "packed trits, int8 inputs"
      case .packedOnPlainInputs: "packed trits, inputs as they are"
      case .packedAndLeftAlone: "packed trits that modules_to_not_convert leaves alone"
      case .dense(let projectionClass): projectionClass.rawValue
      }
    }
  }

  /// Projections that differ in one way.
  private struct Group: Hashable {
    var path: String
    var first: Form
    var second: Form
  }

  /// What makes two forms of one projection two.
  private enum Disagreement {
    case forms(Form, Form)
    /// Inputs are rounded to int8 on one side alone, and a form has no say in it.
    case inputs(rounded: [Bool])
  }

  /// - Throws: what reading a sample of the weights throws.
  func run() throws -> Outcome {
    var outcome = Outcome()
    let sides = [first, second]
    var kinds: [ModelKind?] = [nil, nil]
    func form(_ side: Int, _ tensor: TensorDescriptor, _ module: String) throws -> Form {
      let scheme = sides[side].scheme
      if tensor.encoding.isTernary { return scheme.excludes(module) ? .packedAndLeftAlone : .packed }
      // Only dense numbers need a look at what they are.
      let kind = try kinds[side] ?? ModelSurvey(of: sides[side].source).kind
      kinds[side] = kind
      return .dense(scheme.denseClass(of: module, kind.denseProjections, sides[side].architecture))
    }
    var groups: [Group: [Int]] = [:]
    var roundedInputs: Set<[Bool]> = []
    let modules = first.architecture.modules.filter { if case .projection = $0.part { true } else { false } }
    // Of modules that not every layer has.
    var layerCounts: [String: Int] = [:]
    for tensor in first.source.manifest.tensors where !isExcused(tensor.name) {
      guard let place = first.architecture.place(of: tensor.name), place.role.isProjection,
        let layer = place.layer, tensor.shape.isMatrix,
        let other = second.source.manifest.tensor(named: tensor.name)
      else { continue }
      outcome.compared += 1
      if place.template.layers != nil { layerCounts[place.template.path, default: 0] += 1 }
      let (left, right) = (try form(0, tensor, place.module), try form(1, other, place.module))
      switch try disagreement(tensor, left, other, right) {
      case .forms(let left, let right)?:
        groups[Group(path: place.template.path, first: left, second: right), default: []].append(layer)
      case .inputs(let rounded)?: roundedInputs.insert(rounded)
      case nil: break
      }
    }
    outcome.differences = ProjectionComparison.differences(
      groups, layers: layerCount, layerCounts, modules: modules.count)
    outcome.remarks = roundedInputs.sorted { $0[0] && !$1[0] }.map {
      "projections take inputs rounded to int8 in the \($0[0] ? "first" : "second") alone"
    }
    return outcome
  }

  /// What makes two forms of a projection two; nil where they compute alike, or where comparing weights says so.
  private func disagreement(
    _ tensor: TensorDescriptor, _ left: Form, _ other: TensorDescriptor, _ right: Form
  ) throws -> Disagreement? {
    switch (left, right) {
    case (.packed, .packed):
      guard let inputs = try packedInputs(tensor, other) else { return nil }
      guard inputs.areStated else { return .inputs(rounded: inputs.rounded) }
      let forms = inputs.rounded.map { $0 ? Form.packedOnRoundedInputs : .packedOnPlainInputs }
      return .forms(forms[0], forms[1])
    case (.packed, .dense(let dense)):
      return try first.rounds(tensor, beside: dense).map { .inputs(rounded: [$0, !$0]) }
    case (.dense(let dense), .packed):
      return try second.rounds(other, beside: dense).map { .inputs(rounded: [!$0, $0]) }
    case (.dense, .dense) where left != right:
      // Of two, the later one is the more likely to be made of the other.
      let isTernary =
        try NativenessProbe.isTernary(other, second.source) || NativenessProbe.isTernary(tensor, first.source)
      return isTernary ? nil : .forms(left, right)
    default: return left == right ? nil : .forms(left, right)
    }
  }

  /// Whether inputs of trits are rounded to int8 on each side, and whether both sides say so; nil where they are alike.
  private func packedInputs(
    _ left: TensorDescriptor, _ right: TensorDescriptor
  ) throws -> (rounded: [Bool], areStated: Bool)? {
    let (a, b) = (first.packedInputs(left), second.packedInputs(right))
    // Scales that are compared as weights decide alike on both sides.
    if a == b { return nil }
    let rounded = [try first.roundsInputs(left, a), try second.roundsInputs(right, b)]
    guard rounded[0] != rounded[1] else { return nil }
    // A type of GGUF whose models take inputs as they are holds a BitNet's trits as well.
    let isOneKind = first.isGGUF == second.isGGUF
    return (rounded, try isOneKind && first.hasSay(left) && second.hasSay(right))
  }

  private var layerCount: Int {
    Set(first.source.manifest.tensors.lazy.compactMap { first.architecture.place(of: $0.name)?.layer }).count
  }

  /// One for all projections that differ alike, or one for each module of a layer.
  private static func differences(
    _ groups: [Group: [Int]], layers: Int, _ layerCounts: [String: Int], modules: Int
  ) -> [DescriptionDifference] {
    let key = "quantization_config"
    let ways = Set(groups.keys.map { [$0.first, $0.second] })
    func isFull(_ path: String, _ found: [Int]) -> Bool { found.count == layerCounts[path] ?? layers }
    let isEverywhere = groups.allSatisfy { isFull($0.key.path, $0.value) }
    if ways.count == 1, isEverywhere, groups.count == modules, let group = groups.keys.first {
      return [
        DescriptionDifference(key: key + ", all projections", first: group.first.text, second: group.second.text)
      ]
    }
    return groups.map { group, found in
      let numbers = found.sorted().map(String.init).joined(separator: ", ")
      let which = isFull(group.path, found) ? "" : " of layers \(numbers)"
      return DescriptionDifference(
        key: "\(key), \(group.path)\(which)", first: group.first.text, second: group.second.text)
    }.sorted { ($0.key, $0.first) < ($1.key, $1.first) }
  }
}

extension ProjectionComparison.Side {
  /// What decides whether inputs of packed trits are rounded.
  enum PackedInputs: Hashable {
    case rounded
    case plain
    /// Plain where there are several scales.
    case byScales
  }

  var isGGUF: Bool { source is GGUFModelView }

  private func layout(_ tensor: TensorDescriptor) -> LayoutID? {
    if case .ternary(let id) = tensor.encoding { id } else { nil }
  }

  private func isGrouped(_ tensor: TensorDescriptor) throws -> Bool {
    guard case .group = tensor.scale?.granularity, case .group = try source.scale(of: tensor).granularity else {
      return false
    }
    return true
  }

  fileprivate func packedInputs(_ tensor: TensorDescriptor) -> PackedInputs {
    guard let layout = layout(tensor), source.manifest.tensor(named: TritPlanes.second(of: tensor.name)) == nil else {
      return scheme.isWeightOnly ? .plain : .rounded
    }
    if scheme.takesPlainInputs(layout, isGrouped: false) { return .plain }
    guard case .group = tensor.scale?.granularity, scheme.takesPlainInputs(layout, isGrouped: true) else {
      return .rounded
    }
    return .byScales
  }

  fileprivate func roundsInputs(_ tensor: TensorDescriptor, _ inputs: PackedInputs) throws -> Bool {
    switch inputs {
    case .rounded: true
    case .plain: false
    case .byScales: try !isGrouped(tensor)
    }
  }

  /// Whether what a side says decides how its trits compute: MLX rounds no inputs, whatever the model; a configuration
  /// without an entry says nothing.
  fileprivate func hasSay(_ tensor: TensorDescriptor) throws -> Bool {
    guard let view = source as? GGUFModelView else {
      return !scheme.isWeightOnly && source.manifest.configuration?["quantization_config"]?.object != nil
    }
    guard let stated = try GGUFArithmetic(view.manifest) else { return true }
    switch stated.linearClass {
    case .bitlinear, .autobitlinear: return true
    case .linear: return try packedInputs(tensor) == .plain || isGrouped(tensor)
    // Such a file is made of MLX's, which has no say.
    case .weightsOnly: return try layout(tensor).map(QuantizationScheme.isPlain) ?? false || isGrouped(tensor)
    }
  }

  /// Whether trits take rounded inputs where dense weights of the same model do otherwise; nil where that is nothing to
  /// speak of: a dense form of a BitNet is an ordinary product by habit.
  fileprivate func rounds(_ tensor: TensorDescriptor, beside dense: ProjectionClass) throws -> Bool? {
    if dense == .linear { return try roundsAgainstHabit(tensor) ? true : nil }
    return dense.quantizesInputs && packedInputs(tensor) == .plain ? false : nil
  }

  /// Whether trits of a family whose packed forms take inputs as they are take rounded ones, because the file says so.
  private func roundsAgainstHabit(_ tensor: TensorDescriptor) throws -> Bool {
    guard architecture.defaults.packedProjections == .linear, packedInputs(tensor) == .rounded,
      let layout = layout(tensor)
    else { return false }
    return try QuantizationScheme.isPlain(layout) || isGrouped(tensor)
  }
}
