// Tritsmith tests: a small model of which some weights are rotated.

import Testing
import TritConversion
import TritCore
import TritFormats
import TritQuantizers
import TritSurvey
import TritTestSupport

/// A small GGUF model of packed trits, some matrices of which are stored rotated as dense numbers: W′ = (W ∘ s)·H, worked
/// out as a product with the matrix.
package struct RotatedModel {
  package enum Storage {
    case f16, f32
  }

  package var block = 64
  package var storage = Storage.f32
  package var hasKeys = true
  package var hasSigns = true
  /// Names in the file.
  package static let rotated = ["blk.0.attn_q.weight", "blk.0.attn_output.weight", "blk.0.ffn_down.weight"]
  package var names = RotatedModel.rotated

  package init() {}

  package static let width = 256

  /// The ordinary model as TQ2_0, one scale of 1/16 for every matrix; products with ordinary inputs. The same as numbers
  /// is in the folder `ordinary`.
  package static func plain(_ family: MeaningModel.Family, _ scratch: ScratchFolder) throws -> String {
    let path = scratch["plain.gguf"]
    try Workflow.convert(MeaningModel(family).write(scratch["source"]), scratch["ordinary"], to: .dense) {
      $0.quantizer = QuantizerID(rawValue: "absmean-float32")
    }
    try Workflow.convert(scratch["ordinary"], path, to: .gguf) { $0.gguf.embeddings = .f32 }
    return path
  }

  /// A sign for each column, by no rule that H knows.
  package var signs: [Int] { (0..<Self.width).map { hasSigns && $0 * $0 % 7 > 2 ? -1 : 1 } }

  /// Keys of a sound file.
  package var keys: [MetadataEntry] {
    func entry(_ key: String, _ value: MetadataValue) -> MetadataEntry { MetadataEntry("prism.hadamard." + key, value) }
    let widths: [Int32] = hasSigns ? [Int32(Self.width)] : []
    let values: [Int32] = hasSigns ? signs.map { Int32($0) } : []
    return [
      entry("version", .uint32(1)), entry("block_size", .uint32(UInt32(block))),
      entry("transform", .string("normalized-sylvester-walsh-hadamard")),
      entry("axis", .string("input-last-dimension")),
      entry("sign_mode", .string(hasSigns ? "explicit" : "identity")), entry("sign_widths", .array(.int32(widths))),
      entry("sign_values", .array(.int32(values))), entry("weight_names", .array(.string(names))),
      entry("inverse_weight_names", .array(.string([]))), entry("gdn_v_grouped", .bool(false)),
      entry("tied_output", .bool(false)),
    ]
  }

  /// As F16: roots of 32 are no numbers of it.
  private static func rounded(_ value: Float) -> [UInt8] {
    let bits = HalfFloat(value).bits
    return [UInt8(truncatingIfNeeded: bits), UInt8(bits >> 8)]
  }

  private func folded(_ row: [Float]) -> [Float] {
    let signs = signs
    return row.indices.map { column in
      let first = column / block * block
      let sum = (first..<first + block).reduce(0.0) {
        let sign = (($1 - first) & (column - first)).nonzeroBitCount % 2 == 0 ? 1.0 : -1
        return $0 + Double(row[$1]) * Double(signs[$1]) * sign
      }
      return Float(sum / Double(block).squareRoot())
    }
  }

  /// Writes the ordinary model's file with some matrices rotated.
  @discardableResult
  package func write(_ plain: String, _ output: String, _ change: (inout [MetadataEntry]) -> Void = { _ in }) throws
    -> String
  {
    let file = try FormatRegistry.open(plain)
    var entries = file.manifest.entries + (hasKeys ? keys : [])
    change(&entries)
    let tensors = try file.manifest.tensors.map { tensor -> (GGUFTensor, [UInt8]) in
      var bytes = try file.withBytes(0..<tensor.location.byteCount, of: tensor) { span in
        span.withUnsafeBytes { Array($0) }
      }
      var type: UInt32 = tensor.encoding == .dense(.f32) ? 0 : 35
      if names.contains(tensor.name) {
        let scale = try file.scale(of: tensor).multiplier()
        let rows = try (0..<tensor.shape.rows).map { row in
          try #require(try IndependentDecoder.trits(tensor.shape.band(row..<row + 1), of: tensor, in: file)).map {
            Float($0) * scale
          }
        }
        let values = rows.flatMap(folded)
        bytes = storage == .f32 ? FloatBytes.f32(values) : values.flatMap(Self.rounded)
        type = storage == .f32 ? 0 : 1
      }
      return (GGUFTensor(name: tensor.name, shape: tensor.shape, type: type, byteCount: bytes.count), bytes)
    }
    let staging = try StagedOutput(.file, at: output, replacing: false)
    let sink = try GGUFSink(plan: GGUFPlan(entries: entries, tensors: tensors.map(\.0)), staging: staging)
    for (tensor, bytes) in tensors { try sink.write(bytes.span.bytes, to: tensor.name, at: 0) }
    try sink.finish()
    try staging.commit()
    return output
  }
}
