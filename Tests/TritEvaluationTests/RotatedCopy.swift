// Tritsmith tests: the trained Qwen3.5 made ternary in a rotated basis.

import Testing
import TritCore
import TritFormats
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritSurvey

/// A copy of the trained model whose matrices are ternary once rotated: W′ = trits(H(s ∘ W)), scales of 128, as PQ2_0.
///
/// It is another model, as good as rounding leaves it: trits that were trained are rounded once more. Three files of it:
/// with the keys that say so, without them, and W = H·W′ ∘ s in F32.
struct RotatedCopy {
  static let block = 256
  static let group = 128
  let keyed: String
  let stripped: String
  let unfolded: String

  /// A sign for each column, by no rule that H knows.
  private static func sign(_ column: Int) -> Double { column * column % 7 > 2 ? -1 : 1 }

  /// H of one block in place, by sums and differences: entry (r, c) is (−1)^popcount(r & c) ÷ √B.
  static func transform(_ values: inout [Double], at start: Int) {
    var step = 1
    while step < block {
      for place in 0..<block where place & step == 0 {
        let (a, b) = (values[start + place], values[start + place + step])
        (values[start + place], values[start + place + step]) = (a + b, a - b)
      }
      step *= 2
    }
    let size = Double(block).squareRoot()
    for place in start..<start + block { values[place] /= size }
  }

  private static func transformed(_ row: [Double]) -> [Double] {
    var result = row
    for start in stride(from: 0, to: row.count, by: block) { transform(&result, at: start) }
    return result
  }

  /// Trits and the scale that leave least of a group: the k largest magnitudes count, for the k whose sum squared over k
  /// is largest, and their mean is the scale.
  static func rounded(_ values: ArraySlice<Double>) -> (trits: [Int], scale: HalfFloat) {
    let order = values.indices.sorted { abs(values[$0]) > abs(values[$1]) }
    var (sum, best, count, mean) = (0.0, -1.0, 0, 0.0)
    for (index, place) in order.enumerated() {
      sum += abs(values[place])
      let gain = sum * sum / Double(index + 1)
      if gain > best { (best, count, mean) = (gain, index + 1, sum / Double(index + 1)) }
    }
    var trits = [Int](repeating: 0, count: values.count)
    for place in order.prefix(count) where values[place] != 0 {
      trits[place - values.startIndex] = values[place] < 0 ? -1 : 1
    }
    return (trits, HalfFloat(Float(mean)))
  }

  private struct Matrix {
    var bytes: [UInt8] = []
    var unfolded: [Float] = []
  }

  /// - Parameters:
  ///   - values: an ordinary matrix, columns in the order of the file.
  ///   - places: for each column as it is rotated the one of the file; nil where all stay.
  private static func matrix(_ values: [Float], columns: Int, _ places: [Int]?) -> Matrix {
    let order = places ?? Array(0..<columns)
    var result = Matrix()
    for start in stride(from: 0, to: values.count, by: columns) {
      let folded = transformed(order.indices.map { Double(values[start + order[$0]]) * sign($0) })
      var stored: [Double] = []
      for first in stride(from: 0, to: columns, by: group) {
        let (trits, scale) = rounded(folded[first..<first + group])
        result.bytes += LittleEndian.bytes(scale.bits)
        for byte in stride(from: 0, to: group, by: 4) {
          result.bytes.append((0..<4).reduce(UInt8(0)) { $0 | UInt8(trits[byte + $1] + 1) << UInt8(2 * $1) })
        }
        stored += trits.map { Double($0) * Double(scale.float) }
      }
      let back = transformed(stored)
      var row = [Float](repeating: 0, count: columns)
      for place in order.indices { row[order[place]] = Float(back[place] * sign(place)) }
      result.unfolded += row
    }
    return result
  }

  /// - Parameters:
  ///   - folder: of the trained model, for MLX.
  ///   - isGrouped: whether value heads are rotated in Hugging Face's order.
  init(of folder: String, in scratch: ScratchFolder, isGrouped: Bool) throws {
    let plain = scratch["plain.gguf"]
    try Workflow.convert(folder, plain, to: .gguf) { $0.gguf.weights = .f16 }
    let file = try FormatRegistry.open(plain)
    // Two groups of two value heads of 64 columns: heads 0, 2, 1, 3 of the file are rotated as 0, 1, 2, 3.
    let places = (0..<256).map { [0, 2, 1, 3][$0 / 64] * 64 + $0 % 64 }
    var (packed, dense): ([(GGUFTensor, [UInt8])], [(GGUFTensor, [UInt8])]) = ([], [])
    var names: [String] = []
    for tensor in file.manifest.tensors {
      let bytes = try file.withBytes(0..<tensor.location.byteCount, of: tensor) { span in
        span.withUnsafeBytes { Array($0) }
      }
      let dtype = try #require(tensor.encoding.dtype)
      func entry(_ type: UInt32, _ bytes: [UInt8]) -> (GGUFTensor, [UInt8]) {
        (GGUFTensor(name: tensor.name, shape: tensor.shape, type: type, byteCount: bytes.count), bytes)
      }
      // Decay and rate are no matrices that the published models rotate.
      guard dtype == .f16, tensor.shape.columns % RotatedCopy.block == 0, tensor.shape.rows > 4 else {
        let same = entry(dtype == .f32 ? 0 : 1, bytes)
        packed.append(same)
        dense.append(same)
        continue
      }
      names.append(tensor.name)
      let made = RotatedCopy.matrix(
        DenseValues.floats(bytes.span.bytes, .f16), columns: tensor.shape.columns,
        isGrouped && tensor.name.hasSuffix("ssm_out.weight") ? places : nil)
      packed.append(entry(142, made.bytes))
      dense.append(entry(0, FloatBytes.f32(made.unfolded)))
    }
    (keyed, stripped, unfolded) = (scratch["keyed.gguf"], scratch["stripped.gguf"], scratch["unfolded.gguf"])
    func entries(_ fileType: UInt32) -> [MetadataEntry] {
      file.manifest.entries.map { $0.key == "general.file_type" ? MetadataEntry($0.key, .uint32(fileType)) : $0 }
    }
    try RotatedCopy.write(packed, entries(141) + RotatedCopy.keys(names, isGrouped: isGrouped), keyed)
    try RotatedCopy.write(packed, entries(141), stripped)
    try RotatedCopy.write(dense, entries(0), unfolded)
  }

  private static func keys(_ names: [String], isGrouped: Bool) -> [MetadataEntry] {
    func entry(_ key: String, _ value: MetadataValue) -> MetadataEntry { MetadataEntry("prism.hadamard." + key, value) }
    let widths = [256, 768]
    let embedding = "token_embd.weight"
    return [
      entry("version", .uint32(2)), entry("block_size", .uint32(UInt32(block))),
      entry("transform", .string("normalized-sylvester-walsh-hadamard")),
      entry("axis", .string("input-last-dimension")), entry("sign_mode", .string("explicit")),
      entry("sign_widths", .array(.int32(widths.map { Int32($0) }))),
      entry("sign_values", .array(.int32(widths.flatMap { (0..<$0).map { Int32(sign($0)) } }))),
      entry("weight_names", .array(.string(names.filter { $0 != embedding }))),
      entry("inverse_weight_names", .array(.string([embedding]))), entry("gdn_v_grouped", .bool(isGrouped)),
      entry("tied_output", .bool(true)),
    ]
  }

  private static func write(
    _ tensors: [(GGUFTensor, [UInt8])], _ entries: [MetadataEntry], _ output: String
  ) throws {
    let staging = try StagedOutput(.file, at: output, replacing: false)
    let sink = try GGUFSink(plan: GGUFPlan(entries: entries, tensors: tensors.map(\.0)), staging: staging)
    for (tensor, bytes) in tensors { try sink.write(bytes.span.bytes, to: tensor.name, at: 0) }
    try sink.finish()
    try staging.commit()
  }
}
