// Tritsmith: what may be dense in a ternary model, and what may be ternary.

import TritCore
import TritFormats
import TritModel
import TritSurvey

/// Which tensors of a converted model may hold other numbers than trits times a scale, and which must.
///
/// A projection that was to be made ternary and was not is a difference, however exact a copy it is: it computes as
/// ordinary numbers what its source computes as trits. The source says which stay, by `modules_to_not_convert` or by
/// being packed itself; otherwise the user does, and the verdict then says so. What a converted model says of itself
/// permits nothing.
package struct DensePermission: Sendable {
  /// Who says that a projection stays dense.
  enum Reason: Sendable {
    case source
    case user
    /// Neither: rotated weights stored as dense numbers are an ordinary model's, or trits of that basis. Both may stay.
    case rotation
  }

  private var globs: [Glob]
  private var quantized: [Glob]
  private var modules: [String]
  private var names: Set<ExactString>
  private var binary: Set<ExactString> = []
  private var rotated: Set<ExactString> = []
  /// The source is packed: what is dense there was left so on purpose.
  private var sourceIsPacked: Bool

  init(_ source: any TensorSource, _ kind: ModelKind, _ request: VerifyRequest) {
    globs = request.keep
    quantized = request.quantize
    modules = DensePermission.modules(source.manifest.configuration)
    // Binary weights have no zeros: nobody makes trits of them.
    names = request.plannedDense
    binary = Set(
      source.manifest.tensors.filter { ModelSurvey.binaryType(of: $0, source) != nil }.map { ExactString($0.name) })
    if let view = source as? any ModelView {
      let dense = source.manifest.tensors.filter { !$0.encoding.isTernary && view.rotation(of: $0) != nil }
      rotated = Set(dense.map { ExactString($0.name) })
    }
    sourceIsPacked = kind == .packed
  }

  /// Nothing is allowed but what a configuration names.
  init(configuration: JSONObject?) {
    (globs, quantized, names, sourceIsPacked) = ([], [], [], false)
    modules = DensePermission.modules(configuration)
  }

  private static func modules(_ configuration: JSONObject?) -> [String] {
    configuration?["quantization_config"]?.object?["modules_to_not_convert"]?.array?.compactMap(\.string) ?? []
  }

  /// Whether a projection may compute otherwise than in the source, which is what keeping latents dense does: only the
  /// user may ask for it.
  func allowsAnotherClass(_ tensor: String) -> Bool { reason(tensor) == .user }

  /// Nil where nobody allows it.
  func reason(_ tensor: String) -> Reason? {
    if sourceIsPacked || binary.contains(ExactString(tensor))
      || HFQuantization.names(modules, HFQuantization.module(of: tensor))
    {
      return .source
    }
    if rotated.contains(ExactString(tensor)) { return .rotation }
    return names.contains(ExactString(tensor)) || globs.contains { $0.matches(tensor) } ? .user : nil
  }

  func allows(_ tensor: String) -> Bool { reason(tensor) != nil }

  /// Whether dense weights that are not ternary may become so: projections the source computes as trits, and what the
  /// user names. An embedding or a head computes as the numbers it has, and so does what the source leaves dense.
  func allowsTrits(_ tensor: String, _ role: TensorRole) -> Bool {
    quantized.contains { $0.matches(tensor) } || role.isProjection && reason(tensor) != .source
  }
}
