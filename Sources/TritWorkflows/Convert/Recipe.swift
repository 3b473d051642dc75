// Tritsmith: what made a converted model.

import TritCore
import TritFormats

/// The choices behind a converted model, as recorded in it: in TritPack's header, or in safetensors metadata.
enum Recipe {
  static let metadataKey = "tritsmith_recipe"
  /// The same in GGUF metadata, where keys have dots.
  static let ggufKey = "tritsmith.recipe"

  /// The record of a plan. It holds no time and no machine, so that the same conversion gives the same bytes.
  static func record(_ plan: ConversionPlan, sources: [(name: String, bytes: UInt64, digest: Digest?)]) -> JSONObject {
    var record: JSONObject = [
      "generator": .string(Product.generator),
      "target": .string(plan.request.target.rawValue),
      "source_kind": .string(plan.survey.kind.rawValue),
      "quantizer": plan.usesQuantizer ? .string(plan.quantizer.id.rawValue) : .null,
      "scale_convention": .string(plan.convention.rawValue),
      "keep": .array(plan.request.keep.map { .string($0.pattern) }),
      "quantize": .array(plan.request.quantize.map { .string($0.pattern) }),
      "sources": .array(
        sources.map { source in
          var object: JSONObject = ["name": .string(source.name), "bytes": .number(JSONNumber(source.bytes))]
          if let digest = source.digest { object["sha256"] = .string(digest.description) }
          return .object(object)
        }),
    ]
    if plan.request.target == .gguf {
      record.entries.append(.init(key: "layout", value: .string(plan.request.gguf.weights.rawValue)))
    }
    // With these the conversion can be done again; absent when all are the default.
    let options = RequestRecord.options(plan.request)
    if !options.entries.isEmpty { record.add("options", .object(options)) }
    return record
  }

  /// The record in a model; nil when there is none.
  static func recorded(in source: any TensorSource) -> JSONObject? {
    if let pack = source as? TritPackSource { return pack.recipe }
    let text =
      source.manifest.entry(ggufKey)?.string
      ?? source.manifest.metadata.first(where: { $0.key == metadataKey })?.value
    guard let text else { return nil }
    return try? JSONValue.parse(Array(text.utf8)).object
  }

  /// The request that gives a model with this record again.
  static func request(
    _ record: JSONObject, input: String, output: String, file: String
  ) throws(RecordError) -> ConversionRequest {
    guard let made = record["generator"]?.string, let target = record["target"]?.string else {
      throw RecordError(.noRecipe, file: file)
    }
    guard made == Product.generator else { throw RecordError(.otherVersion(made: made), file: file) }
    var options: JSONObject = ["target": .string(target)]
    for key in ["quantizer", "keep", "quantize"] {
      if let value = record[key], !value.isNull { options.add(key, value) }
    }
    options.entries += record["options"]?.object?.entries ?? []
    return try RequestRecord.request(options, input: input, output: output, file: file)
  }

  /// The quantizer a model records; nil when it records none.
  static func quantizer(of source: any TensorSource) -> String? {
    recorded(in: source)?["quantizer"]?.string
  }
}
