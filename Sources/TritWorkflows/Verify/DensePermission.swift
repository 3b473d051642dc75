// Tritsmith: projections that may be dense in a ternary model.

import TritCore
import TritFormats
import TritModel

/// Which projections of a converted model may hold other numbers than trits times a scale.
///
/// A projection that was to be made ternary and was not is a difference, however exact a copy it is. Somebody must have
/// said that it stays: `--keep` when it was converted or now, or `modules_to_not_convert` of either configuration.
struct DensePermission: Sendable {
  private var globs: [Glob]
  private var modules: [String]
  private var names: Set<ExactString>
  /// The source is packed: what is dense there was left so on purpose.
  private var sourceIsPacked: Bool

  init(_ source: any TensorSource, _ kind: ModelKind, _ converted: any TensorSource, _ request: VerifyRequest) {
    let base = (converted as? GGUFModelView)?.base ?? converted
    let recorded = Recipe.recorded(in: base)?["keep"]?.array?.compactMap(\.string) ?? []
    globs = request.keep + recorded.map { Glob($0) }
    modules = [source, converted].flatMap { DensePermission.modules($0.manifest.configuration) }
    names = request.plannedDense
    sourceIsPacked = kind == .packed
  }

  /// Nothing is allowed but what a configuration names.
  init(configuration: JSONObject?) {
    (globs, names, sourceIsPacked) = ([], [], false)
    modules = DensePermission.modules(configuration)
  }

  private static func modules(_ configuration: JSONObject?) -> [String] {
    configuration?["quantization_config"]?.object?["modules_to_not_convert"]?.array?.compactMap(\.string) ?? []
  }

  func allows(_ tensor: String) -> Bool {
    if sourceIsPacked || names.contains(ExactString(tensor)) || globs.contains(where: { $0.matches(tensor) }) {
      return true
    }
    // `model.layers.0.mlp.up_proj`, as the configuration names modules: whole, its beginning or its end.
    let module = tensor.hasSuffix(".weight") ? String(tensor.dropLast(".weight".count)) : tensor
    return modules.contains { module == $0 || module.hasPrefix($0 + ".") || module.hasSuffix($0) }
  }
}
