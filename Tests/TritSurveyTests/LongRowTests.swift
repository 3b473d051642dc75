// Tritsmith: rows too long to be held whole, in what is computed.

import Testing
import TritCore
import TritFormats
import TritLayouts
import TritQuantizers
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Weights of long rows")
struct LongRowTests {
  private static let columns = TensorShape.longestRow + 300_004

  private static func trits(_ rows: Int) -> [Int8] {
    var generator = SeededGenerator(seed: 18)
    return (0..<rows * columns).map { _ in Int8(generator.next() % 3) - 1 }
  }

  private static func file(_ scratch: ScratchFolder, _ values: [Float], rows: Int) throws -> any TensorSource {
    let bytes = values.flatMap { LittleEndian.bytes(UInt16($0.bitPattern >> 16)) }
    let tensor = RawTensor("long.weight", "BF16", [rows, columns], bytes)
    Disk.write(RawModelFile([tensor]).serialized, scratch["long.safetensors"])
    return try SafetensorsSource(path: scratch["long.safetensors"])
  }

  private static func weight(_ source: any TensorSource) throws -> TernaryWeight {
    try TernaryWeight(source, source.manifest.tensors[0], quantizer: AbsMean.float32, work: WorkOptions())
  }

  private static func all(_ weight: TernaryWeight) throws -> [Int8] {
    try weight.tensor.shape.bands(elements: 1 << 18).flatMap { try weight.trits($0) }
  }

  @Test("rows with a scale each are found; groups in a row are refused, by name and limit")
  func scales() throws {
    let scratch = ScratchFolder()
    let trits = Self.trits(2)
    func values(_ scale: (Int) -> Float) -> [Float] { trits.indices.map { Float(trits[$0]) * scale($0) } }
    let rows = try Self.weight(Self.file(scratch, values { $0 < Self.columns ? 0.5 : 0.75 }, rows: 2))
    guard case .recognised(_, let scale) = rows.origin else {
      Issue.record("not ternary as it stands")
      return
    }
    #expect(scale.granularity == .row && scale.stored == [0.5, 0.75])
    #expect(try Self.all(rows) == trits)
    let groups = values { $0 % Self.columns < 1 << 20 ? 0.5 : 0.75 }
    let error = #expect(throws: WorkflowError.self) { try Self.weight(Self.file(scratch, groups, rows: 2)) }
    #expect(error?.kind == .rowTooLong(columns: Self.columns) && error?.location.tensor == "long.weight")
    #expect(error?.summary.contains("\(TensorShape.longestRow)") == true)
  }

  /// Half a mean magnitude is where latents become ±1; 0.25 and 1 are on either side of half of about 0.8.
  @Test("latents become trits wherever they stand")
  func latents() throws {
    let scratch = ScratchFolder()
    let trits = Self.trits(1)
    let values = trits.indices.map { trits[$0] == 0 ? 0.25 : Float(trits[$0]) * ($0 % 5 == 0 ? 1.5 : 1) }
    let weight = try Self.weight(Self.file(scratch, values, rows: 1))
    guard case .quantized = weight.origin else {
      Issue.record("not latents")
      return
    }
    #expect(try Self.all(weight) == trits)
  }

  @Test("the independent decoder reads pieces of rows", arguments: ["hf-packed", "two-bit", "base3"])
  func decoder(_ layout: String) throws {
    let trits = Self.trits(4)
    let scale = TernaryScale(stored: 2, storage: .bf16, convention: .divide)
    let id = LayoutID(rawValue: layout)
    let bytes = try TritMatrix(trits: trits, rows: 4, columns: Self.columns, scale: scale).packed(as: id)
    let source = BytesSource(bytes, id, try #require(TensorShape(rows: 4, columns: Self.columns)))
    let tensor = source.manifest.tensors[0]
    for band in tensor.shape.bands(elements: 1 << 18) {
      let found = try #require(try IndependentDecoder.trits(band, of: tensor, in: source))
      #expect(found == Array(trits[band.elements]), "\(band.rows), \(band.columns)")
    }
    // Across the end of a part.
    for first in [Self.columns / 4 - 100, Self.columns / 5 - 100, Self.columns - 200] {
      let band = tensor.shape.band(first..<first + 200, ofRow: 3)
      #expect(try IndependentDecoder.trits(band, of: tensor, in: source) == Array(trits[band.elements]))
      #expect(try Self.weight(source).trits(band) == Array(trits[band.elements]))
    }
  }

  @Test("check finds codes that are no trit, and the first number that is none")
  func check() throws {
    let scratch = ScratchFolder()
    var values = [Float](repeating: 0.5, count: Self.columns)
    (values[Self.columns - 3], values[Self.columns - 1]) = (.nan, .infinity)
    _ = try Self.file(scratch, values, rows: 1)
    let numbers = try CheckWorkflow(CheckRequest(path: scratch["long.safetensors"])).run()
    let finding = try #require(numbers.findings.first { $0.rule == .nonFinite })
    #expect(finding.detail.hasPrefix("2 values") && finding.detail.contains("element \(Self.columns - 3)"))
    #expect(!numbers.findings.contains { $0.rule == .allZero })

    let count = Self.columns
    var codes = [UInt8](repeating: 0b01_01_01_01, count: count)
    codes[count - 7] = 0b11_01_11_01
    let packed = RawTensor("long.weight", "U8", [1, count], codes)
    let scale = RawTensor("long.weight_scale", "BF16", [1], [0x80, 0x3F])
    Disk.write(RawModelFile([packed, scale]).serialized, scratch["packed.safetensors"])
    let trits = try CheckWorkflow(
      CheckRequest(path: scratch["packed.safetensors"], open: OpenOptions(scaleConvention: .multiply))
    ).run()
    // Places 1 and 3 of the byte, which are rows 1 and 3.
    let found = trits.findings.first { $0.rule == .invalidCode }?.detail
    #expect(found == "2 codes are no trit, the first in row 1, column \(count - 7)")
  }

  @Test("units of rows are alive where any piece of the row is")
  func live() throws {
    let shape = try #require(TensorShape(rows: 3, columns: Self.columns))
    let place = Self.columns + 700_001
    let live = try #require(
      LiveUnits(.row, shape) { band in band.elements.map { $0 == place ? 1 : 0 } })
    #expect(live.isLive == [false, true, false])
  }

  @Test("a matrix of long rows goes through every form and back")
  func forms() throws {
    let scratch = ScratchFolder()
    let trits = Self.trits(4)
    _ = try Self.file(scratch, trits.map { Float($0) * 0.5 }, rows: 4)
    func quantize(_ request: inout ConversionRequest) { request.quantize = [Glob("long.weight")] }
    let input = scratch["long.safetensors"]
    try Workflow.convert(input, scratch["a.tritpack"], to: .tritpack, quantize)
    try Workflow.convert(input, scratch["b.tritpack"], to: .tritpack) {
      quantize(&$0)
      $0.tritpackLayout = SplitRow.base3ID
    }
    try Workflow.convert(input, scratch["c.safetensors"], to: .hfPacked, quantize)
    try Workflow.convert(scratch["b.tritpack"], scratch["d.safetensors"], to: .dense)
    for name in ["a.tritpack", "b.tritpack", "c.safetensors", "d.safetensors"] {
      let isBare = name == "c.safetensors"
      let source = try ModelOpener.open(
        scratch[name], OpenOptions(scaleConvention: isBare ? .divide : nil), hasCompanions: false)
      #expect(try Self.all(Self.weight(source)) == trits, "\(name)")
    }
    #expect(try Workflow.verify(input, scratch["a.tritpack"]) { $0.quantize = [Glob("long.weight")] }.passed)
    #expect(Disk.bytes(scratch["a.tritpack"]).count < Disk.bytes(input).count / 7)
  }
}

/// Packed bytes as a model of one tensor.
private struct BytesSource: TensorSource {
  let manifest: ModelManifest
  private let bytes: [UInt8]

  init(_ bytes: [UInt8], _ layout: LayoutID, _ shape: TensorShape) {
    self.bytes = bytes
    manifest = ModelManifest(
      format: FormatID(rawValue: "memory"), path: "memory",
      files: [ManifestFile(path: "memory", byteCount: UInt64(bytes.count), headerByteCount: 0)],
      tensors: [
        TensorDescriptor(
          name: "weight", shape: shape, encoding: .ternary(layout),
          location: TensorLocation(file: 0, offset: 0, byteCount: bytes.count))
      ])
  }

  func withBytes<Result>(
    _ range: Range<Int>, of tensor: TensorDescriptor, _ body: (RawSpan) throws -> Result
  ) throws -> Result {
    try body(bytes.span.bytes.extracting(range))
  }

  func readsInPlace(_ tensor: TensorDescriptor) -> Bool { true }
  func release(_ range: Range<Int>, of tensor: TensorDescriptor) {}
  func scale(of tensor: TensorDescriptor) throws -> TernaryScale {
    TernaryScale(stored: 1, storage: .f32, convention: .multiply)
  }
  func companion(named name: String) throws -> [UInt8] { throw TensorIOError(.cannotOpen(errno: 2), path: name) }
  func checkUnchanged() throws {}
}
