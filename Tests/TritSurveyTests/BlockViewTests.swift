// Tritsmith tests: numbers in blocks as the view of a GGUF file gives them.

import Testing
import TritCore
import TritFormats
import TritTestSupport
import WorkflowTestSupport

@testable import TritModel
@testable import TritSurvey

@Suite("Numbers in blocks, through the view")
struct BlockViewTests {
  /// The code of a place in the file; with a scale of 1 the number that it stands for.
  private static func code(_ row: Int, _ column: Int) -> Int8 {
    Int8(truncatingIfNeeded: row * 7 + column * 13 + row / 256)
  }

  /// Blocks of 32 in 34 bytes: 1 as an f16 number, then the codes.
  private static func blocks(_ shape: TensorShape) -> [UInt8] {
    (0..<shape.rows).flatMap { row in
      stride(from: 0, to: shape.columns, by: 32).flatMap { first in
        [0x00, 0x3C] + (first..<first + 32).map { UInt8(bitPattern: code(row, $0)) }
      }
    }
  }

  /// The shipped model in GGUF, with a table and a projection of other bytes.
  private static func file(_ scratch: ScratchFolder) throws -> String {
    try Workflow.bonsai(Checkpoint.prequantized, scratch["f16.gguf"], .f16)
    let file = try GGUFSource(path: scratch["f16.gguf"])
    let tensors = try zip(file.manifest.tensors, ggufTensors(scratch["f16.gguf"])).map { tensor, stored in
      let isChanged = ["token_embd.weight", "blk.0.attn_q.weight"].contains(tensor.name)
      let bytes = isChanged ? blocks(tensor.shape) : stored.bytes
      let types: [String: UInt32] = ["F32": 0, "F16": 1, "BF16": 30]
      let type = try isChanged ? 8 : #require(types[stored.type])
      return (GGUFTensor(name: tensor.name, shape: tensor.shape, type: type, byteCount: bytes.count), bytes)
    }
    let staging = try StagedOutput(.file, at: scratch["q8.gguf"], replacing: false)
    let sink = try GGUFSink(
      plan: GGUFPlan(entries: file.manifest.entries, tensors: tensors.map(\.0)), staging: staging)
    for (tensor, bytes) in tensors { try sink.write(bytes.span.bytes, to: tensor.name, at: 0) }
    try sink.finish()
    try staging.commit()
    return scratch["q8.gguf"]
  }

  /// Rows of a query projection stand in pairs: row p·32 + i of a head of 64 at 2i + p.
  @Test(
    "every range gives the same numbers, in the file's order of rows and in another",
    arguments: [("model.embed_tokens.weight", false), ("model.layers.0.self_attn.q_proj.weight", true)])
  func ranges(_ name: String, _ isPaired: Bool) throws {
    let scratch = ScratchFolder()
    let view = try GGUFModelView(GGUFSource(path: BlockViewTests.file(scratch)), hasCompanions: false)
    let tensor = try #require(view.manifest.tensor(named: name))
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    var numbers: [Float] = []
    for row in 0..<rows {
      let inside = row % 64
      let stored = isPaired ? row / 64 * 64 + inside % 32 * 2 + inside / 32 : row
      numbers += (0..<columns).map { Float(BlockViewTests.code(stored, $0)) }
    }
    let expected = FloatBytes.f32(numbers)
    #expect(tensor.location.byteCount == expected.count)
    func bytes(_ range: Range<Int>) throws -> [UInt8] { try view.withBytes(range, of: tensor) { $0.copied } }
    #expect(try bytes(0..<expected.count) == expected)
    let row = 4 * columns
    for range in [
      0..<4, 1..<3, 5..<row + 7, row - 4..<row + 4, 33 * 4..<65 * 4, 3 * row + 132..<5 * row + 2, 9..<9,
      expected.count - 6..<expected.count, expected.count / 2 - 1..<expected.count,
    ] {
      #expect(try bytes(range) == Array(expected[range]), "\(range)")
    }
  }
}
