// Tritsmith: the record of a conversion, and the conversion a record is of.

import TritCore
import TritQuantizers
import TritSurvey
import TritVerification

extension Recipe {
  /// The record of a plan. It holds no time and no machine, so that the same conversion gives the same bytes.
  package static func record(_ plan: ConversionPlan, sources: [(name: String, bytes: UInt64, digest: Digest?)])
    -> JSONObject
  {
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
    record.entries += plan.remarks.entries
    if plan.request.target == .gguf {
      record.entries.append(.init(key: "layout", value: .string(plan.request.gguf.weights.rawValue)))
    }
    // With these the conversion can be done again; absent when all are the default.
    let options = RequestRecord.options(plan.request)
    if !options.entries.isEmpty { record.add("options", .object(options)) }
    return record
  }

  /// The request that gives a model with this record again.
  package static func request(
    _ record: JSONObject, input: String, output: String, file: String
  ) throws(RecordError) -> ConversionRequest {
    guard let made = record["generator"]?.string, let target = record["target"]?.string else {
      throw RecordError(.noRecipe, file: file)
    }
    guard made == Product.generator else { throw RecordError(.otherVersion(made: made), file: file) }
    // A merge is no conversion: nothing here knows its adapter.
    guard record["merged_adapter"] == nil else { throw RecordError(.noRecipe, file: file) }
    guard record["calibration"] == nil else { throw RecordError(.calibrated, file: file) }
    var options: JSONObject = ["target": .string(target)]
    for key in ["quantizer", "keep", "quantize"] {
      if let value = record[key], !value.isNull { options.add(key, value) }
    }
    options.entries += record["options"]?.object?.entries ?? []
    return try RequestRecord.request(options, input: input, output: output, file: file)
  }
}
