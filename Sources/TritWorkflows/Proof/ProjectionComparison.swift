// Tritsmith: comparing how the projections of two models compute.

import TritCore
import TritFormats
import TritModel

/// Compares the class every projection runs as, by effect and not by the words of a configuration.
///
/// Trits, trit × scale in a dense type and latents that run as trits are forms of one projection: where one side holds
/// trits, comparing weights says whether they are the other's. Where both hold other numbers, an ordinary product of
/// them and one that makes them ternary first are two models.
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
  }

  /// How a projection is found on one side.
  private enum Form: Hashable {
    case packed
    /// Packed, and named among the modules that loaders leave alone.
    case packedAndLeftAlone
    case dense(ProjectionClass)

    var text: String {
      switch self {
      case .packed: "packed trits"
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

  /// - Throws: what reading a sample of the weights throws.
  func run() throws -> Outcome {
    var outcome = Outcome()
    var kinds: [ModelKind?] = [nil, nil]
    /// Only dense numbers need a look at what they are.
    func kind(_ side: Int) throws -> ModelKind {
      if let known = kinds[side] { return known }
      let found = try ModelSurvey(of: side == 0 ? first.source : second.source).kind
      kinds[side] = found
      return found
    }
    func form(_ side: Int, _ tensor: TensorDescriptor, _ module: String) throws -> Form {
      let scheme = side == 0 ? first.scheme : second.scheme
      if tensor.encoding.isTernary { return scheme.excludes(module) ? .packedAndLeftAlone : .packed }
      let architecture = side == 0 ? first.architecture : second.architecture
      return .dense(scheme.denseClass(of: module, try kind(side).denseProjections, architecture))
    }
    var groups: [Group: [Int]] = [:]
    let modules = first.architecture.modules.filter { if case .projection = $0.part { true } else { false } }
    // Layers of a module that not every layer has.
    var places: [String: Int] = [:]
    for tensor in first.source.manifest.tensors where !isExcused(tensor.name) {
      guard let place = first.architecture.place(of: tensor.name), place.role.isProjection,
        let layer = place.layer, tensor.shape.isMatrix,
        let other = second.source.manifest.tensor(named: tensor.name)
      else { continue }
      outcome.compared += 1
      if place.template.layers != nil { places[place.template.path, default: 0] += 1 }
      let (left, right) = (try form(0, tensor, place.module), try form(1, other, place.module))
      guard left != right else { continue }
      let group = Group(path: place.template.path, first: left, second: right)
      if left != .packedAndLeftAlone, right != .packedAndLeftAlone {
        if left == .packed || right == .packed { continue }
        // Of two, the later one is the more likely to be made of the other.
        if try NativenessProbe.isTernary(other, second.source) || NativenessProbe.isTernary(tensor, first.source) {
          continue
        }
      }
      groups[group, default: []].append(layer)
    }
    outcome.differences = ProjectionComparison.differences(
      groups, layers: layerCount, places, modules: modules.count)
    return outcome
  }

  private var layerCount: Int {
    Set(first.source.manifest.tensors.lazy.compactMap { first.architecture.place(of: $0.name)?.layer }).count
  }

  /// One for all projections that differ alike, or one for each module of a layer.
  private static func differences(
    _ groups: [Group: [Int]], layers: Int, _ places: [String: Int], modules: Int
  ) -> [DescriptionDifference] {
    let key = "quantization_config"
    let ways = Set(groups.keys.map { [$0.first, $0.second] })
    func isFull(_ path: String, _ found: [Int]) -> Bool { found.count == places[path] ?? layers }
    let isEverywhere = groups.allSatisfy { isFull($0.key.path, $0.value) }
    if ways.count == 1, isEverywhere, groups.count == modules, let group = groups.keys.first {
      return [
        DescriptionDifference(key: key + ", all projections", first: group.first.text, second: group.second.text)
      ]
    }
    return groups.map { group, found in
      let numbers = found.sorted().map(String.init).joined(separator: ", ")
      let place = isFull(group.path, found) ? "" : " of layers \(numbers)"
      return DescriptionDifference(
        key: "\(key), \(group.path)\(place)", first: group.first.text, second: group.second.text)
    }.sorted { ($0.key, $0.first) < ($1.key, $1.first) }
  }
}

extension ModelKind {
  /// What a loader is told of dense projections where the configuration does not say.
  var denseProjections: DenseProjections { self == .latent ? .latent : .ordinary }
}
