// Tritsmith: a model as a value.

import TritHub

/// A model on disk, of any format: safetensors file or folder, shards, TritPack, GGUF; or on the Hub, by its name.
///
/// Opening reads and proves headers; weights are read when asked for. Every method is a subcommand of the
/// command line with its usual options; `configure` sets the others.
///
///     let model = try Model.open("falcon-e/prequantized")
///     let packed = try model.convert(to: .hfPacked, at: "falcon-e-packed")
///     print(try packed.verify(against: model).passed, try packed.logits(for: "In the beginning"))
public struct Model: Sendable {
  /// As given; of a model given by its name on the Hub, the path it was found under.
  public let path: String
  /// How its files are opened and read: what they do not say, the user says here.
  package let options: OpenOptions
  /// Tensors under Hugging Face's names, whatever the format calls them.
  package let source: any TensorSource

  /// Opens a model.
  ///
  /// - Parameters:
  ///   - path: a file, or a folder of safetensors with their companions; or a name on the Hub such as
  ///     `tiiuae/Falcon-E-1B-Base@prequantized`.
  ///   - options: what its files do not say, such as what stored scales mean.
  /// - Throws: a `DiagnosticError`, with place and advice: `cannotOpen` for a path that cannot be opened, `malformedInput`
  ///   for a damaged file.
  public static func open(_ path: String, _ options: OpenOptions = OpenOptions()) throws -> Model {
    try Model(path, options)
  }

  init(_ path: String, _ options: OpenOptions) throws {
    let path = try HubResolver().path(of: path)
    self.path = path
    self.options = options
    source = try ModelOpener.open(path, options, hasCompanions: true)
  }

  /// The container: `safetensors`, `tritpack` or `gguf`.
  public var format: String { source.manifest.format.rawValue }

  /// Name, logical shape, encoding and size of every tensor, in file order.
  public var tensors: [TensorDescriptor] { source.manifest.tensors }

  /// Metadata of the container as text, in order; of a GGUF file all keys.
  public var metadata: [(key: String, value: String)] { source.manifest.metadata }

  /// The tokenizer that comes with the model.
  ///
  /// - Throws: a `DiagnosticError`, `malformedInput`, when there is none.
  public func tokenizer() throws -> Tokenizer { try Tokenizer(of: source) }

  /// What the weights are: latent, packed, already ternary, ordinary; from headers and a bounded sample.
  ///
  /// - Throws: a `DiagnosticError`, `inputOutput`, when the sample cannot be read.
  public func kind() throws -> ModelKind { try ModelSurvey(of: source).kind }

  /// Everything `tritsmith inspect` tells; with statistics, every weight is read.
  ///
  /// - Throws: a `DiagnosticError`: `inputOutput` when a file cannot be read, `malformedInput` when it is damaged.
  public func inspect(statistics: Bool = false) throws -> InspectResult {
    var request = InspectRequest(path: path)
    request.open = options
    request.statistics = statistics
    return try InspectWorkflow(request).run()
  }

  /// A tensor's values as Float, row-major; of a packed one, trit × scale.
  ///
  /// - Throws: a `DiagnosticError`: `misuse` for a name the model does not have, `malformedInput` for a type that is no
  ///   number.
  public func values(of name: String) throws -> [Float] { try WeightReader(source).values(of: name) }

  /// Trits and scales of a projection: as stored, or as the quantizer makes them of dense weights.
  ///
  /// - Parameters:
  ///   - name: of a tensor that is a matrix.
  ///   - quantizer: nil means that of the model's family.
  /// - Throws: a `DiagnosticError`: `misuse` for a name or a quantizer that there is not, `malformedInput` for a tensor that
  ///   is no matrix of finite numbers.
  public func trits(of name: String, quantizer: QuantizerID? = nil) throws -> TritMatrix {
    try WeightReader(source).trits(of: name, quantizer: quantizer)
  }

  /// The same of a tensor out of `tensors`.
  public func values(of tensor: TensorDescriptor) throws -> [Float] { try values(of: tensor.name) }

  /// The same of a tensor out of `tensors`.
  public func trits(of tensor: TensorDescriptor, quantizer: QuantizerID? = nil) throws -> TritMatrix {
    try trits(of: tensor.name, quantizer: quantizer)
  }
}
