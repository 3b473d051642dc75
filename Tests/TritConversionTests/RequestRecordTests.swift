// Tritsmith: options as recorded.

import Testing
import TritCore
import TritFormats
import TritQuantizers
import TritTestSupport

@testable import TritConversion
@testable import TritSurvey

@Suite("Recorded options")
struct RequestRecordTests {
  @Test("every field of a request is recorded, or left out on purpose")
  func coversAll() {
    let request = ConversionRequest(input: "", output: "", target: .gguf)
    let fields = Set(Mirror(reflecting: request).children.compactMap(\.label))
    #expect(fields == RequestRecord.covered.union(RequestRecord.leftOut))
    let gguf = Set(Mirror(reflecting: request.gguf).children.compactMap(\.label))
    #expect(gguf == ["weights", "i2sOrder", "embeddings", "misfits", "preTokenizer", "hasTokenizer"])
    let open = Set(Mirror(reflecting: request.open).children.compactMap(\.label))
    // How files are reached is no part of what a conversion is: `access` and `followsLinks` change no byte. Whether
    // weights stay rotated, and the class, follow from the request. The rest is of the program and its messages.
    #expect(
      open == [
        "access", "followsLinks", "scaleConvention", "i2sOrder", "preTokenizer", "ggmlTypes", "keepsRotation",
        "modelClass", "scaleOption", "isTrial", "orderIsOfOutput",
      ])
  }

  /// A request with nothing at its default.
  private static func unusual(_ target: ConversionTarget) -> ConversionRequest {
    var request = ConversionRequest(input: "i", output: "o", target: target)
    request.open.scaleConvention = .multiply
    request.open.i2sOrder = .group64
    request.open.preTokenizer = "falcon_e"
    request.quantizer = AbsMean.kernel.id
    request.forcesQuantizer = true
    request.nonFinite = .carry
    request.outputConvention = .divide
    request.architecture = "BitNetForCausalLM"
    request.keep = [Glob("*.down_proj.weight")]
    request.quantize = [Glob("lm_head.weight"), Glob("a?b")]
    request.maximumShardBytes = 12345
    request.tritpackLayout = LayoutID(rawValue: "two-bit")
    request.compression = .zstd(level: 7)
    request.gguf = GGUFOptions(
      weights: .i2s, i2sOrder: .rows4, embeddings: .q8, misfits: .dense, preTokenizer: "falcon_e", hasTokenizer: false)
    return request
  }

  @Test("a request comes back from its record", arguments: ConversionTarget.allCases)
  func roundTrip(_ target: ConversionTarget) throws {
    for request in [Self.unusual(target), ConversionRequest(input: "i", output: "o", target: target)] {
      let record = RequestRecord.json(request)
      let parsed = try #require(try JSONValue.parse(JSONValue.object(record).serialized()).object)
      let again = try RequestRecord.request(parsed, input: "i", output: "o", file: "f")
      #expect(RequestRecord.json(again).entries.map(\.key) == record.entries.map(\.key))
      #expect(
        JSONValue.object(RequestRecord.json(again)).serialized() == JSONValue.object(record).serialized())
      if target == .gguf { #expect(again.gguf == request.gguf) }
      #expect(again.keep == request.keep && again.quantize == request.quantize)
      #expect(again.maximumShardBytes == request.maximumShardBytes && again.compression == request.compression)
      #expect(
        again.open.scaleConvention == request.open.scaleConvention && again.open.i2sOrder == request.open.i2sOrder)
      #expect(again.forcesQuantizer == request.forcesQuantizer && again.nonFinite == request.nonFinite)
      #expect(again.open.preTokenizer == request.open.preTokenizer)
      #expect(again.quantizer == request.quantizer && again.outputConvention == request.outputConvention)
      #expect(again.architecture == request.architecture && again.tritpackLayout == request.tritpackLayout)
    }
    #expect(RequestRecord.options(ConversionRequest(input: "", output: "", target: target)).entries.isEmpty)
  }

  @Test(
    "an option or value this version does not know is refused",
    arguments: [
      #"{"target":"onnx"}"#, #"{}"#, #"{"target":"dense","future":1}"#, #"{"target":"dense","zstd":20}"#,
      #"{"target":"tritpack","layout":"none"}"#, #"{"target":"dense","keep":[1]}"#,
      #"{"target":"dense","max_shard_bytes":0}"#, #"{"target":"gguf","gguf_tokenizer":"no"}"#,
    ])
  func unknown(_ text: String) throws {
    let record = try #require(try JSONValue.parse(Array(text.utf8)).object)
    #expect(throws: RecordError.self) { try RequestRecord.request(record, input: "i", output: "o", file: "f") }
  }

  @Test("a record of another version is refused by name; the first version need not be named")
  func version() throws {
    func request(_ version: String) throws -> ConversionRequest {
      let text = #"{"version":\#(version),"target":"dense","unfold":true}"#
      let record = try #require(try JSONValue.parse(Array(text.utf8)).object)
      return try RequestRecord.request(record, input: "i", output: "o", file: "f")
    }
    #expect(try request("1").unfolds)
    for (version, found) in [("2", "'request 2'"), ("0", "'request 0'"), (#""1""#, "none")] {
      let error = #expect(throws: RecordError.self) { try request(version) }
      #expect(error?.location.field == "version" && error?.location.file == "f")
      #expect(error?.summary == "expected schema request 1, found \(found)")
    }
  }
}
