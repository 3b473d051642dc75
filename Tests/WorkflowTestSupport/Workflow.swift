// Tritsmith tests: what the tests of the verbs share.

import Testing
import TritConversion
import TritCore
import TritFormats
import TritInspection
import TritLayouts
import TritSurvey
import TritTestSupport
import TritVerification

/// Workflows with little to say.
package enum Workflow {
  @discardableResult
  package static func convert(
    _ input: String, _ output: String, to target: ConversionTarget, work: WorkOptions = WorkOptions(),
    _ change: (inout ConversionRequest) -> Void = { _ in }
  ) throws -> ConversionResult {
    var request = ConversionRequest(input: input, output: output, target: target)
    change(&request)
    return try ConvertWorkflow(request, work: work).run()
  }

  package static func plan(
    _ input: String, to target: ConversionTarget, _ change: (inout ConversionRequest) -> Void = { _ in }
  ) throws -> ConversionPlan {
    var request = ConversionRequest(input: input, output: "/nowhere/output", target: target)
    change(&request)
    return try ConvertWorkflow(request).plan()
  }

  package static func verify(
    _ source: String, _ converted: String, quantizer: String? = nil, convertedScale: ScaleConvention? = nil,
    _ change: (inout VerifyRequest) -> Void = { _ in }
  ) throws -> VerifyResult {
    var request = VerifyRequest(quantizer: quantizer)
    change(&request)
    return try VerifyWorkflow(
      source: ModelOpener.open(source, hasCompanions: true),
      converted: ModelOpener.open(converted, OpenOptions(scaleConvention: convertedScale), hasCompanions: true),
      request: request
    ).run()
  }

  package static func inspect(_ path: String, statistics: Bool = false, tensors: [String] = []) throws -> InspectResult
  {
    var request = InspectRequest(path: path)
    request.statistics = statistics
    request.tensors = tensors.map { Glob($0) }
    return try InspectWorkflow(request).run()
  }

  /// Compares two models as `tritsmith compare` does.
  package static func compare(
    _ first: String, _ second: String, request: CompareRequest = CompareRequest(), secondOrder: I2SOrder? = nil
  ) throws -> CompareResult {
    try CompareWorkflow(
      first: ModelOpener.open(first), second: ModelOpener.open(second, OpenOptions(i2sOrder: secondOrder)),
      request: request
    ).run()
  }

  package static func check(_ path: String, strict: Bool = false) throws -> CheckResult {
    try CheckWorkflow(CheckRequest(path: path, isStrict: strict)).run()
  }

  package static func family(_ paths: String...) throws -> FamilyResult {
    try FamilyWorkflow(FamilyRequest(paths: paths)).run()
  }
}

/// Paths of the shipped checkpoints.
package enum Checkpoint {
  package static let prequantized = Fixtures.checkpoint("falcon-e-tiny/prequantized")
  package static let sharded = Fixtures.checkpoint("falcon-e-tiny/prequantized-sharded")
  package static let bitnet = Fixtures.checkpoint("falcon-e-tiny/bitnet")
  package static let bfloat16 = Fixtures.checkpoint("falcon-e-tiny/bfloat16")
  package static let plain = Fixtures.checkpoint("plain-tiny")
  package static let master = Fixtures.checkpoint("bitnet-b158-tiny/bf16-master")
  package static let packed = Fixtures.checkpoint("bitnet-b158-tiny/packed")

  /// `quantization_config` that makes a model ternary while it computes.
  package static let online =
    "{\"quant_method\": \"bitnet\", \"linear_class\": \"autobitlinear\", \"quantization_mode\": \"online\"}"

  /// A copy of a model with keys of its configuration added, changed or, by nil, taken out.
  package static func changed(_ base: String, _ keys: [(String, String?)], _ folder: String) throws -> String {
    Disk.copyFolder(base, to: folder)
    var object = try #require(try JSONValue.parse(Disk.bytes(folder + "/config.json")).object)
    for (key, text) in keys { object[key] = try text.map { try JSONValue.parse(Array($0.utf8)) } }
    Disk.write(JSONValue.object(object).serialized(.pretty), folder + "/config.json")
    return folder
  }
}

/// What differs between two sets of tensors, by name; empty when every byte, shape and dtype is equal.
package func differences(_ left: [RawTensor], _ right: [RawTensor]) -> [String] {
  var result: [String] = []
  let byName = Dictionary(uniqueKeysWithValues: right.map { ($0.name, $0) })
  for tensor in left {
    guard let other = byName[tensor.name] else {
      result.append("\(tensor.name) is only on the left")
      continue
    }
    if tensor.dtype != other.dtype || tensor.shape != other.shape {
      result.append("\(tensor.name): \(tensor.dtype) \(tensor.shape) and \(other.dtype) \(other.shape)")
    } else if tensor.bytes != other.bytes {
      result.append("\(tensor.name): bytes differ")
    }
  }
  let names = Set(left.map(\.name))
  return result + right.filter { !names.contains($0.name) }.map { "\($0.name) is only on the right" }
}

package func differences(ofFolders left: String, _ right: String) -> [String] {
  differences(RawModelFile.tensors(ofFolder: left), RawModelFile.tensors(ofFolder: right))
}

/// A JSON file with its keys sorted, so that two files of the same meaning compare equal.
package func meaning(_ path: String) throws -> JSONValue {
  sorted(try JSONValue.parse(Disk.bytes(path)))
}

private func sorted(_ value: JSONValue) -> JSONValue {
  switch value {
  case .array(let elements): return .array(elements.map(sorted))
  case .object(let object):
    let entries = object.entries.map { JSONObject.Entry(key: $0.key, value: sorted($0.value)) }
    return .object(JSONObject(entries: entries.sorted { $0.key < $1.key }))
  default: return value
  }
}

/// Expects that every file beside the weights came along byte for byte, `config.json` left out.
package func expectCompanions(of source: String, in output: String, sourceLocation: SourceLocation = #_sourceLocation) {
  func companions(_ folder: String) -> [String] {
    Disk.names(folder).filter { !$0.contains("safetensors") && $0 != "config.json" }
  }
  #expect(companions(output) == companions(source), sourceLocation: sourceLocation)
  for name in companions(source) {
    let isSame = Disk.bytes(source + "/" + name) == Disk.bytes(output + "/" + name)
    #expect(isSame, "\(name)", sourceLocation: sourceLocation)
  }
}

extension RawTensor {
  /// Trits of a matrix as Hugging Face packs it: row r is place r div (R/4) of packed row r mod (R/4).
  ///
  /// Written from the description of the format; code 3 reads as 2.
  package var unpackedTrits: [Int8] {
    let (quarter, columns) = (shape[0], shape[1])
    return (0..<4).flatMap { plane in
      (0..<quarter * columns).map { Int8(bytes[$0] >> UInt8(2 * plane) & 3) - 1 }
    }
  }
}

extension [RawTensor] {
  package subscript(name name: String) -> RawTensor {
    guard let tensor = first(where: { $0.name == name }) else { preconditionFailure("no tensor '\(name)'") }
    return tensor
  }
}

/// A cut of the golden models, made by the original programs: one of two layers, which says as much in half the time.
package enum GoldenCut {
  package static let query = "model.layers.0.self_attn.q_proj.weight"
  package static let down = "model.layers.0.mlp.down_proj.weight"
  package static let norm = "model.layers.0.input_layernorm.weight"

  /// `llama_prequantized`, `llama_packed` or `llama_bf16` of the golden models.
  package static func builder(_ model: String) -> ModelFolderBuilder {
    let folder = Fixtures.golden("models/" + model)
    let tensors = RawModelFile(reading: folder + "/model.safetensors").tensors
    let configuration = Disk.text(folder + "/config.json")
      .replacing("\"num_hidden_layers\": 2", with: "\"num_hidden_layers\": 1")
    return ModelFolderBuilder(
      tensors.filter { !$0.name.hasPrefix("model.layers.1.") }, configuration: configuration)
  }
}

/// A small latent model made from a formula.
package struct TinyModel {
  package static let query = "model.layers.0.self_attn.q_proj.weight"
  package static let down = "model.layers.1.mlp.down_proj.weight"

  /// The projections, multiples of 1/256 below 1: exact as BF16, F16, F32 and F64, and so are their sums.
  package var weights: [(name: String, rows: Int, columns: Int, values: [Float])] = [
    (query, 8, 24, TinyModel.values(192, seed: 1)),
    (down, 12, 20, TinyModel.values(240, seed: 2)),
  ]
  package var configuration = ModelFolderBuilder.llama

  package init() {}

  /// Numbers of a linear congruential generator (Numerical Recipes), squared so that small ones are frequent.
  package static func values(_ count: Int, seed: UInt32) -> [Float] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      let whole = Int(state >> 16) % 511 - 255
      return Float(whole * abs(whole) / 255) / 256
    }
  }

  package func builder(
    dtype: String = "BF16", _ encode: ([Float]) -> [UInt8] = FloatBytes.bf16
  ) -> ModelFolderBuilder {
    var tensors = [
      RawTensor("model.embed_tokens.weight", dtype, [6, 8], encode(TinyModel.values(48, seed: 3))),
      RawTensor("model.norm.weight", dtype, [8], encode(TinyModel.values(8, seed: 4))),
    ]
    tensors += weights.map { RawTensor($0.name, dtype, [$0.rows, $0.columns], encode($0.values)) }
    return ModelFolderBuilder(tensors, configuration: configuration)
  }
}

extension ConversionTarget {
  /// Targets the hand-written latent models fit. GGUF needs rows of 256 and a whole configuration; it has tests of its own.
  package static let ofAnyShape = allCases.filter { $0 != .gguf && $0 != .mlx && $0 != .trainable }
}

extension TernaryHybrid {
  /// Writes the model as a folder, `source`, and as a GGUF file of rotated weights, without its keys and with them.
  ///
  /// - Returns: the path of the file with keys.
  package func writeKeyed(
    _ scratch: ScratchFolder, _ weights: GGUFWeightType, stripped: String, keyed: String
  ) throws -> String {
    try Workflow.convert(write(scratch["source"]), scratch[stripped], to: .gguf) {
      $0.gguf.weights = weights
      $0.gguf.hasTokenizer = false
    }
    return try ChangedGGUF.write(scratch[stripped], scratch[keyed]) { $0 += keys(block: 64, isGrouped: false) }
  }
}
