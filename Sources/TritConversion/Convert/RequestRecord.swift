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

  /// Of the keys and what they mean. A record names it when it is not 1; the first records had none.
  private static let version = 1
  private static let versionKey = "version"

  package static func json(_ request: ConversionRequest) -> JSONObject {
    var result: JSONObject = ["target": .string(request.target.rawValue)]
    if version != 1 { result.add(versionKey, .number(JSONNumber(version))) }
    add(fields, of: request, to: &result)
    return result
  }

  /// What a recipe does not say elsewhere.
  static func options(_ request: ConversionRequest) -> JSONObject {
    var result = JSONObject()
    add(fields.filter { !$0.standsInRecipe }, of: request, to: &result)
    return result
  }

  private static func add(_ fields: [Field], of request: ConversionRequest, to record: inout JSONObject) {
    for field in fields {
      if let value = field.write(request) { record.add(field.key, value) }
    }
  }

  /// The request of a record.
  ///
  /// - Throws: `RecordError` for a key or value this version does not know: an option that is not understood would give
  ///   other bytes. Of another version nothing else is looked at.
  package static func request(
    _ record: JSONObject, input: String, output: String, file: String
  ) throws(RecordError) -> ConversionRequest {
    func fail(_ key: String) -> RecordError { RecordError(.unknown(record[key]), file: file, field: key) }
    if let stated = record[versionKey], stated.number?.integer != version {
      throw RecordError(
        .wrongSchema(expected: "request \(version)", found: stated.number.map { "request \($0.text)" }), file: file,
        field: versionKey)
    }
    guard let target = record["target"]?.string.flatMap(ConversionTarget.init(rawValue:)) else { throw fail("target") }
    var request = ConversionRequest(input: input, output: output, target: target)
    let fields = fields
    for entry in record.entries where entry.key != "target" && entry.key != versionKey {
      guard let field = fields.first(where: { $0.key == entry.key }), field.read(entry.value, &request) else {
        throw fail(entry.key)
      }
    }
    if target == .tritpack, LayoutRegistry.layout(request.tritpackLayout) == nil { throw fail("layout") }
    return request
  }
}

extension RequestRecord {
  /// One option of a record.
  private struct Field {
    var key: String
    /// Nil for the default.
    var write: (ConversionRequest) -> JSONValue?
    /// False for a value that this version does not know.
    var read: (JSONValue, inout ConversionRequest) -> Bool
    /// Whether a recipe says it beside its options.
    var standsInRecipe = false

    /// Written for the targets that have it. It is read for all.
    func written(for isTarget: @escaping (ConversionTarget) -> Bool) -> Field {
      var field = self
      field.write = { isTarget($0.target) ? write($0) : nil }
      return field
    }

    var besideOptions: Field {
      var field = self
      field.standsInRecipe = true
      return field
    }
  }

  private typealias Path<Value> = WritableKeyPath<ConversionRequest, Value>

  /// All options, in the order in which they are written.
  private static var fields: [Field] {
    [
      name("scale_convention", \.open.scaleConvention), name("i2s_order", \.open.i2sOrder),
      // For GGUF the name is that of the output, and `gguf_pre` says it.
      text("pre_tokenizer", \.open.preTokenizer).written { $0 != .gguf },
      typeChoices, name("output_scale", \.outputConvention), text("architecture", \.architecture), recipe, shardBytes,
      name("layout", \.tritpackLayout), zstd, flag("force_quantizer", \.forcesQuantizer),
      name("non_finite", \.nonFinite), name("scale_loss", \.scaleLoss), name("dense_type", \.denseType), unfold,
      name("gguf_weights", \.gguf.weights).written { $0 == .gguf },
      name("gguf_i2s_order", \.gguf.i2sOrder).written { $0 == .gguf },
      name("gguf_embeddings", \.gguf.embeddings).written { $0 == .gguf },
      name("gguf_misfits", \.gguf.misfits).written { $0 == .gguf },
      outputPreTokenizer.written { $0 == .gguf },
      flag("gguf_tokenizer", \.gguf.hasTokenizer).written { $0 == .gguf },
      name("quantizer", \.quantizer).besideOptions, globs("keep", \.keep).besideOptions,
      globs("quantize", \.quantize).besideOptions,
    ]
  }

  private static func text(_ key: String, _ path: Path<String?>) -> Field {
    Field(
      key: key, write: { $0[keyPath: path].map(JSONValue.string) },
      read: { value, request in
        request[keyPath: path] = value.string
        return value.string != nil
      })
  }

  /// A value by its name, written where there is one.
  private static func name<Value: RawRepresentable<String>>(_ key: String, _ path: Path<Value?>) -> Field {
    Field(
      key: key, write: { ($0[keyPath: path]?.rawValue).map(JSONValue.string) },
      read: { value, request in
        request[keyPath: path] = value.string.flatMap(Value.init(rawValue:))
        return request[keyPath: path] != nil
      })
  }

  /// A value by its name, written where it is not the default.
  private static func name<Value: RawRepresentable<String> & Equatable>(
    _ key: String, _ path: Path<Value>
  ) -> Field {
    Field(
      key: key, write: { isDefault($0, path) ? nil : .string($0[keyPath: path].rawValue) },
      read: { value, request in
        guard let known = value.string.flatMap(Value.init(rawValue:)) else { return false }
        request[keyPath: path] = known
        return true
      })
  }

  private static func flag(_ key: String, _ path: Path<Bool>) -> Field {
    Field(
      key: key, write: { isDefault($0, path) ? nil : .bool($0[keyPath: path]) },
      read: { value, request in
        guard let flag = value.bool else { return false }
        request[keyPath: path] = flag
        return true
      })
  }

  private static func isDefault<Value: Equatable>(_ request: ConversionRequest, _ path: Path<Value>) -> Bool {
    request[keyPath: path] == ConversionRequest(input: "", output: "", target: request.target)[keyPath: path]
  }

  private static func globs(_ key: String, _ path: Path<[Glob]>) -> Field {
    Field(
      key: key,
      write: { $0[keyPath: path].isEmpty ? nil : .array($0[keyPath: path].map { .string($0.pattern) }) },
      read: { value, request in
        guard let list = value.array else { return false }
        let patterns = list.compactMap(\.string)
        request[keyPath: path] = patterns.map { Glob($0) }
        return patterns.count == list.count
      })
  }

  /// What type numbers of GGUF mean in the input.
  private static var typeChoices: Field {
    Field(
      key: "gguf_types",
      write: { $0.open.ggmlTypes.isEmpty ? nil : .array($0.open.ggmlTypes.map { .string($0.description) }) },
      read: { value, request in
        let texts = value.array ?? []
        request.open.ggmlTypes = texts.compactMap { $0.string.flatMap(GGMLTypeChoice.init) }
        return !texts.isEmpty && request.open.ggmlTypes.count == texts.count
      })
  }

  /// A recipe goes with its own target only.
  private static var recipe: Field {
    Field(
      key: "recipe", write: { ($0.recipe?.rawValue).map(JSONValue.string) },
      read: { value, request in
        request.recipe = value.string.flatMap(ConversionRecipe.init(rawValue:))
        return request.recipe?.target == request.target
      })
  }

  private static var shardBytes: Field {
    Field(
      key: "max_shard_bytes", write: { $0.maximumShardBytes.map { .number(JSONNumber($0)) } },
      read: { value, request in
        request.maximumShardBytes = value.number?.unsigned
        return (request.maximumShardBytes ?? 0) > 0
      })
  }

  private static var zstd: Field {
    Field(
      key: "zstd",
      write: { request in
        if case .zstd(let level) = request.compression { .number(JSONNumber(level)) } else { nil }
      },
      read: { value, request in
        guard let level = value.number?.integer, (1...19).contains(level) else { return false }
        request.compression = .zstd(level: level)
        return true
      })
  }

  /// Only `true` is written, and nothing else is read.
  private static var unfold: Field {
    Field(
      key: "unfold", write: { $0.unfolds ? true : nil },
      read: { value, request in
        request.unfolds = value.bool == true
        return request.unfolds
      })
  }

  private static var outputPreTokenizer: Field {
    Field(
      key: "gguf_pre", write: { ($0.gguf.preTokenizer ?? $0.open.preTokenizer).map(JSONValue.string) },
      read: { value, request in
        request.gguf.preTokenizer = value.string
        request.open.preTokenizer = value.string
        return value.string != nil
      })
  }
}
