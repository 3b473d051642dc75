// Tritsmith: a conversion's options, written down.

import TritCore
import TritFormats
import TritLayouts
import TritQuantizers
import TritSurvey
import TritVerification

/// What of a request decides the bytes of an output, as JSON: in recipes, certificates and shard plans.
///
/// Only what differs from the default is named, so that a new option changes no existing record. Paths, threads and
/// whether something may be replaced are left out: they change no byte.
package enum RequestRecord {
  /// The fields of `ConversionRequest` a record covers, and those it leaves out on purpose; a test holds the type
  /// against both.
  static let covered: Set<String> = [
    "target", "open", "quantizer", "outputConvention", "architecture", "keep", "quantize", "maximumShardBytes",
    "tritpackLayout", "compression", "gguf", "forcesQuantizer", "recipe", "nonFinite", "scaleLoss", "denseType",
    "unfolds",
  ]
  /// A calibration text decides bytes and is not part of a record: `checkRecordable` refuses it.
  static let leftOut: Set<String> = ["input", "output", "requiresNative", "replaces", "calibration", "modelName"]

  /// - Throws: `RecordError.calibrated` for a conversion nobody could repeat from its record.
  package static func checkRecordable(_ request: ConversionRequest) throws(RecordError) {
    guard let text = request.calibration?.text else { return }
    throw RecordError(.calibrated, file: text)
  }

  package static func json(_ request: ConversionRequest) -> JSONObject {
    var result = options(request)
    result.entries.insert(.init(key: "target", value: .string(request.target.rawValue)), at: 0)
    if let quantizer = request.quantizer { result.add("quantizer", .string(quantizer.rawValue)) }
    if !request.keep.isEmpty { result.add("keep", .array(request.keep.map { .string($0.pattern) })) }
    if !request.quantize.isEmpty { result.add("quantize", .array(request.quantize.map { .string($0.pattern) })) }
    return result
  }

  /// What a recipe does not say elsewhere.
  static func options(_ request: ConversionRequest) -> JSONObject {
    let plain = ConversionRequest(input: "", output: "", target: request.target)
    var result = JSONObject()
    func add(_ key: String, _ value: String?) { if let value { result.add(key, .string(value)) } }
    add("scale_convention", request.open.scaleConvention?.rawValue)
    add("i2s_order", request.open.i2sOrder?.rawValue)
    // For GGUF the name is that of the output, and `gguf_pre` says it.
    if request.target != .gguf { add("pre_tokenizer", request.open.preTokenizer) }
    if !request.open.ggmlTypes.isEmpty {
      result.add("gguf_types", .array(request.open.ggmlTypes.map { .string($0.description) }))
    }
    add("output_scale", request.outputConvention?.rawValue)
    add("architecture", request.architecture)
    add("recipe", request.recipe?.rawValue)
    if let bytes = request.maximumShardBytes { result.add("max_shard_bytes", .number(JSONNumber(bytes))) }
    if request.tritpackLayout != plain.tritpackLayout { add("layout", request.tritpackLayout.rawValue) }
    if case .zstd(let level) = request.compression { result.add("zstd", .number(JSONNumber(level))) }
    if request.forcesQuantizer { result.add("force_quantizer", true) }
    if request.nonFinite != plain.nonFinite { add("non_finite", request.nonFinite.rawValue) }
    if request.scaleLoss != plain.scaleLoss { add("scale_loss", request.scaleLoss.rawValue) }
    add("dense_type", request.denseType?.rawValue)
    if request.unfolds { result.add("unfold", true) }
    guard request.target == .gguf else { return result }
    let (gguf, usual) = (request.gguf, GGUFOptions())
    if gguf.weights != usual.weights { add("gguf_weights", gguf.weights.rawValue) }
    if gguf.i2sOrder != usual.i2sOrder { add("gguf_i2s_order", gguf.i2sOrder.rawValue) }
    add("gguf_embeddings", gguf.embeddings?.rawValue)
    if gguf.misfits != usual.misfits { add("gguf_misfits", gguf.misfits.rawValue) }
    add("gguf_pre", gguf.preTokenizer ?? request.open.preTokenizer)
    if !gguf.hasTokenizer { result.add("gguf_tokenizer", false) }
    return result
  }

  /// The request of a record.
  ///
  /// - Throws: `RecordError` for a key or value this version does not know: an option that is not understood would give
  ///   other bytes.
  package static func request(
    _ record: JSONObject, input: String, output: String, file: String
  ) throws(RecordError) -> ConversionRequest {
    func fail(_ key: String) -> RecordError { RecordError(.unknown(record[key]), file: file, field: key) }
    func value<Value: RawRepresentable>(_ key: String, _ type: Value.Type) throws(RecordError) -> Value
    where Value.RawValue == String {
      guard let text = record[key]?.string, let value = Value(rawValue: text) else { throw fail(key) }
      return value
    }
    func text(_ key: String) throws(RecordError) -> String {
      guard let text = record[key]?.string else { throw fail(key) }
      return text
    }
    func globs(_ key: String) throws(RecordError) -> [Glob] {
      guard let list = record[key]?.array else { throw fail(key) }
      let patterns = list.compactMap(\.string)
      guard patterns.count == list.count else { throw fail(key) }
      return patterns.map { Glob($0) }
    }
    var request = ConversionRequest(input: input, output: output, target: try value("target", ConversionTarget.self))
    for entry in record.entries {
      let key = entry.key
      switch key {
      case "target": break
      case "quantizer": request.quantizer = QuantizerID(rawValue: try text(key))
      case "keep": request.keep = try globs(key)
      case "quantize": request.quantize = try globs(key)
      case "scale_convention": request.open.scaleConvention = try value(key, ScaleConvention.self)
      case "i2s_order": request.open.i2sOrder = try value(key, I2SOrder.self)
      case "pre_tokenizer": request.open.preTokenizer = try text(key)
      case "gguf_types":
        let texts = entry.value.array ?? []
        request.open.ggmlTypes = texts.compactMap { $0.string.flatMap(GGMLTypeChoice.init) }
        guard !texts.isEmpty, request.open.ggmlTypes.count == texts.count else { throw fail(key) }
      case "output_scale": request.outputConvention = try value(key, ScaleConvention.self)
      case "architecture": request.architecture = try text(key)
      case "recipe":
        let recipe = try value(key, ConversionRecipe.self)
        guard recipe.target == request.target else { throw fail(key) }
        request.recipe = recipe
      case "force_quantizer":
        guard let forces = entry.value.bool else { throw fail(key) }
        request.forcesQuantizer = forces
      case "unfold":
        guard entry.value.bool == true else { throw fail(key) }
        request.unfolds = true
      case "non_finite": request.nonFinite = try value(key, NonFinitePolicy.self)
      case "scale_loss": request.scaleLoss = try value(key, ScaleLossPolicy.self)
      case "dense_type": request.denseType = try value(key, DenseWeightType.self)
      case "max_shard_bytes":
        guard let bytes = entry.value.number?.unsigned, bytes > 0 else { throw fail(key) }
        request.maximumShardBytes = bytes
      case "layout": request.tritpackLayout = LayoutID(rawValue: try text(key))
      case "zstd":
        guard let level = entry.value.number?.integer, (1...19).contains(level) else { throw fail(key) }
        request.compression = .zstd(level: level)
      case "gguf_weights": request.gguf.weights = try value(key, GGUFWeightType.self)
      case "gguf_i2s_order": request.gguf.i2sOrder = try value(key, I2SOrder.self)
      case "gguf_embeddings": request.gguf.embeddings = try value(key, GGUFEmbeddingType.self)
      case "gguf_misfits": request.gguf.misfits = try value(key, GGUFMisfit.self)
      case "gguf_pre":
        request.gguf.preTokenizer = try text(key)
        request.open.preTokenizer = request.gguf.preTokenizer
      case "gguf_tokenizer":
        guard let isThere = entry.value.bool else { throw fail(key) }
        request.gguf.hasTokenizer = isThere
      default: throw fail(key)
      }
    }
    if request.target == .tritpack, LayoutRegistry.layout(request.tritpackLayout) == nil { throw fail("layout") }
    return request
  }
}

/// A record this program wrote, or should have written, cannot be used.
public struct RecordError: DiagnosticError, Equatable {
  /// What went wrong.
  public enum Kind: Sendable, Equatable {
    case unknown(JSONValue?)
    case notJSON(JSONError)
    case wrongSchema(expected: String, found: String?)
    case missing
    case otherVersion(made: String)
    case damaged(String)
    case noRecipe
    case calibrated
    case inside(String)
    /// No source was given, and none stands beside the certificate.
    case noSource(certificate: String)
  }

  public var kind: Kind
  public var location: ErrorLocation

  public init(_ kind: Kind, file: String, field: String? = nil) {
    self.kind = kind
    location = ErrorLocation(file: file, field: field)
  }

  public var summary: String {
    switch kind {
    case .unknown(let value):
      "expected what this version writes, found \(value.map { printable(RecordError.text($0), limit: 60) } ?? "nothing")"
    case .notJSON(let error): "expected JSON: \(error)"
    case .wrongSchema(let expected, let found):
      "expected schema \(expected), found \(found.map { "'" + printable($0) + "'" } ?? "none")"
    case .missing: "is missing or of another type"
    case .otherVersion(let made): "it was made by '\(printable(made))', this is \(Product.generator)"
    case .damaged(let detail): "it is not as it was written: \(detail)"
    case .noRecipe: "the model records no conversion by this program"
    case .calibrated: "the conversion depends on a calibration text, which no certificate or plan carries"
    case .inside(let model): "would stand in '\(printable(model))', a model of this conversion"
    case .noSource: "expected the source of the conversion beside its certificate, found nothing"
    }
  }

  public var remedy: String? {
    switch kind {
    case .otherVersion: "use that version: another one may write other bytes"
    case .damaged: "fetch it again, or make a new one"
    case .noRecipe: "convert with --certificate, which writes both"
    case .calibrated:
      "convert without --certificate, --plan and --resume; 'tritsmith verify' with --calibration repeats the fit"
    case .inside: "write it beside the model: files in a model's folder are part of it"
    case .noSource(let certificate):
      "say where both stand: 'tritsmith certify SOURCE OUTPUT --check \(printable(certificate))'"
    case .unknown, .notJSON, .wrongSchema, .missing:
      "name a file that this program wrote, such as that of --certificate or --plan"
    }
  }

  public var category: ErrorCategory {
    switch kind {
    case .damaged, .otherVersion: .checkFailed
    case .inside, .calibrated: .misuse
    case .noSource: .cannotOpen
    default: .malformedInput
    }
  }

  private static func text(_ value: JSONValue) -> String { String(decoding: value.serialized(), as: UTF8.self) }
}
