// Tritsmith: models of MLX whose weights are binary.

import Testing
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("MLX: binary weights")
struct MLXBinaryTests {
  private static let down = "model.layers.0.mlp.down_proj.weight"
  private static let type = "MLX 1-bit by 128 (binary)"

  /// A model with every matrix in 1 bit: the scales of its groups, and bits in the place of codes. As Q1_0, too, where the
  /// bits stand in the same order.
  private static func models(_ scratch: ScratchFolder) throws -> (mlx: String, q1: String) {
    let unpacked = Bonsai.folder(scratch["unpacked"])
    try Workflow.convert(unpacked, scratch["mlx"], to: .mlx)
    try Workflow.bonsai(unpacked, scratch["pq2.gguf"], .pq2)
    var generator = SeededGenerator(seed: 3)
    let path = scratch["mlx"] + "/model.safetensors"
    var file = RawModelFile(reading: path)
    var bits: [String: [UInt8]] = [:]
    for index in file.tensors.indices where file.tensors[index].dtype == "U32" {
      let tensor = file.tensors[index]
      var random = (0..<tensor.bytes.count / 2).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
      // Llama's queries and keys have their rows in another order in GGUF: alike, they have none.
      if tensor.name.contains("q_proj") || tensor.name.contains("k_proj") {
        let row = random.count / tensor.shape[0]
        random = (0..<random.count).map { random[$0 % row] }
      }
      bits[tensor.name] = random
      file.tensors[index] = RawTensor(tensor.name, "U32", [tensor.shape[0], tensor.shape[1] / 2], random)
      let scales = String(tensor.name.dropLast(".weight".count)) + ".scales"
      // Twice the number: 1 more in the exponent.
      file[scales].bytes = LittleEndian.u16s(file[scales].bytes)
        .map { $0 == 0 ? 0 : $0 + 0x0400 }.flatMap { LittleEndian.bytes($0) }
    }
    Disk.write(file.serialized, path)
    var configuration = try #require(try JSONValue.parse(Disk.bytes(scratch["mlx"] + "/config.json")).object)
    for key in ["quantization", "quantization_config"] {
      guard var entry = configuration[key]?.object else { continue }
      entry["bits"] = 1
      configuration[key] = .object(entry)
    }
    Disk.write(JSONValue.object(configuration).serialized(), scratch["mlx"] + "/config.json")
    return (scratch["mlx"], try q1(scratch, bits))
  }

  private static func q1(_ scratch: ScratchFolder, _ bits: [String: [UInt8]]) throws -> String {
    let source = try GGUFSource(path: scratch["pq2.gguf"])
    let view = try GGUFModelView(source, hasCompanions: false)
    var (described, data): ([GGUFTensor], [UInt8]) = ([], [])
    for (tensor, stored) in zip(source.manifest.tensors, try ggufTensors(scratch["pq2.gguf"])) {
      var bytes = stored.bytes
      if stored.type == "PQ2_0" {
        let own = try #require(view.name(ofStored: tensor.name).flatMap { bits[$0] })
        bytes = []
        for block in 0..<stored.bytes.count / 34 {
          bytes += stored.bytes[34 * block..<34 * block + 2]
          bytes += own[16 * block..<16 * block + 16]
        }
      }
      described.append(
        GGUFTensor(
          name: tensor.name, shape: tensor.shape, type: stored.type == "PQ2_0" ? 41 : 0, byteCount: bytes.count))
      data += bytes + [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32)
    }
    let entries = source.manifest.entries.filter { $0.key != Recipe.ggufKey }
    Disk.write(GGUFPlan(entries: entries, tensors: described).header + data, scratch["q1.gguf"])
    return scratch["q1.gguf"]
  }

  /// mlx: code × scale + bias, with scale 2s and bias −s.
  @Test("binary weights are never called ternary: statistics, refused as trits, and exact as F16")
  func numbers() throws {
    let scratch = ScratchFolder()
    let path = try Self.models(scratch).mlx
    let inspected = try Workflow.inspect(path, statistics: true)
    #expect(inspected.survey.kind == .ordinary && inspected.survey.binaryType == Self.type)
    #expect(inspected.verdict(withEvidence: false).headline.contains("binary weights (\(Self.type))"))
    let tensor = try #require(inspected.tensors.first { $0.descriptor.name == Self.down })
    #expect(tensor.descriptor.encoding.name == Self.type && tensor.scale == nil)
    let statistics = try #require(tensor.statistics)
    #expect(statistics.ternary == nil && statistics.nonfinite == 0 && statistics.absmean > 0)
    for target in [ConversionTarget.tritpack, .mlx, .hfPacked, .gguf] {
      let error = #expect(throws: WorkflowError.self) {
        try Workflow.convert(path, scratch["out"], to: target) { $0.gguf.weights = .q2 }
      }
      #expect(error?.kind == .binaryWeights(Self.type), "\(target)")
    }
    let file = RawModelFile(reading: path + "/model.safetensors")
    let biases = LittleEndian.u16s(file[String(Self.down.dropLast(".weight".count)) + ".biases"].bytes)
    let bits = file[Self.down].bytes
    let wanted = (0..<8 * bits.count).map { (place: Int) -> UInt16 in
      let isSet = bits[place / 8] >> (place % 8) & 1 == 1
      return biases[place / 128] ^ (isSet ? 0x8000 : 0)
    }
    try Workflow.convert(path, scratch["dense"], to: .dense)
    let dense = RawModelFile.tensors(ofFolder: scratch["dense"])[name: Self.down]
    #expect(dense.dtype == "F16" && LittleEndian.u16s(dense.bytes) == wanted)
    let verified = try Workflow.verify(path, scratch["dense"]) { $0.parts = [.weights, .description] }
    #expect(verified.passed && !verified.tensors.contains(where: \.isTernary))
  }

  @Test("the same weights as Q1_0 are the same model, and one bit less is another")
  func twins() throws {
    let scratch = ScratchFolder()
    let (mlx, q1) = try Self.models(scratch)
    func compare() throws -> CompareResult {
      try CompareWorkflow(first: ModelOpener.open(mlx), second: ModelOpener.open(q1)).run()
    }
    let same = try compare()
    #expect(same.tensors.allSatisfy { $0.outcome == .equal }, "\(same.tensors.filter { $0.outcome != .equal })")
    var file = RawModelFile(reading: mlx + "/model.safetensors")
    file[Self.down].bytes[5] ^= 4
    Disk.write(file.serialized, mlx + "/model.safetensors")
    #expect(try compare().tensors.filter { $0.outcome != .equal }.map(\.name) == [Self.down])
  }
}
