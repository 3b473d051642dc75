// Tritsmith: files of rows too long to be read whole.

import Testing
import TritCore
import TritFormats
import TritTestSupport

@Suite("Files of long rows")
struct LongRowTests {
  /// TQ2_0 has 66 bytes for 256 weights; what is not written is zero.
  private func source(columns: Int) throws -> GGUFSource {
    let scratch = TritTestSupport.ScratchFolder()
    let shape = try #require(TensorShape(rows: 1, columns: columns))
    let size = columns / 256 * 66
    let plan = GGUFPlan(entries: [], tensors: [GGUFTensor(name: "a", shape: shape, type: 35, byteCount: size)])
    Disk.write(plan.header, scratch["a.gguf"])
    Disk.resize(scratch["a.gguf"], to: plan.header.count + size)
    return try GGUFSource(path: scratch["a.gguf"])
  }

  @Test("trits of GGUF in rows longer than the limit are listed, and a note says so")
  func gguf() throws {
    let limit = TensorShape.longestRow
    let fits = try source(columns: limit)
    #expect(fits.manifest.tensors[0].encoding == .ternary(LayoutID(rawValue: "TQ2_0")))
    #expect(!fits.manifest.notes.contains { $0.contains("not read") })
    let long = try source(columns: limit + 256)
    #expect(long.manifest.tensors[0].encoding == .opaque("TQ2_0"))
    #expect(long.manifest.notes.contains { $0.contains("'a'") && $0.contains("\(limit)") && $0.contains("not read") })
  }
}
