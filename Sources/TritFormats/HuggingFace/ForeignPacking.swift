// Tritsmith: bytes with scales that are no packed trits.

import TritCore

/// Another method's `quantization_config`, for messages.
///
/// Sources: `quantization_config` as transformers 5.23, ModelOpt, compressed-tensors and Quark write it.
package struct ForeignQuantization: Sendable, Hashable {
  /// `quant_method`.
  package var method: String
  /// What the method did, as far as the entry says: `NVFP4`, `float-quantized`, `4 bits`.
  package var detail: String?

  /// Nil when there is no entry, or it is BitNet's.
  package init?(configuration: JSONObject?) {
    guard let object = configuration?["quantization_config"]?.object, let method = object["quant_method"]?.string,
      method != "bitnet"
    else { return nil }
    self.method = method
    detail =
      ["quant_algo", "format", "fmt"].lazy.compactMap { object[$0]?.string }.first
      ?? object["bits"]?.number.map { "\($0.text) bits" }
  }

  /// `modelopt (NVFP4)`.
  package var text: String {
    printable(method, limit: 60) + (detail.map { " (" + printable($0, limit: 60) + ")" } ?? "")
  }
}

/// Weights in bytes that this package lists and does not read.
///
/// FP8, NVFP4, MXFP4, int8 and rows of trits all store bytes and put a block of scales beside them. Read as numbers, or
/// as BitNet's trits, they would be another model.
package enum ForeignPacking {
  /// Packed as BitNet packs, in a model that is packed, and the scale is not there.
  package static let withoutScale = TensorEncoding.opaque("packed U8 without its scale")

  /// How they are spoken of.
  package static let ownBytes = "bytes with scales of their own"

  /// Bytes with scales of their own, by the name of the packing where type and number of the scales give it away.
  ///
  /// Sources: OCP Microscaling 1.0 (blocks of 32 with an E8M0 scale), ModelOpt (NVFP4: blocks of 16 with an E4M3 scale),
  /// compressed-tensors (a scale a row, an element or a tensor), DeepSeek-V3 (blocks of 128 × 128).
  static func withScales(_ weight: TensorDescriptor, _ scale: TensorDescriptor) -> TensorEncoding {
    let (type, scaleType) = (weight.encoding.dtype ?? .u8, scale.encoding.dtype ?? .f32)
    let (count, scales) = (weight.shape.elementCount, scale.shape.elementCount)
    // Numbers that share a scale, where all blocks are alike.
    func block(_ perElement: Int) -> Int? {
      guard scales > 1, let numbers = Checked.product(count, perElement), numbers % scales == 0 else { return nil }
      return numbers / scales
    }
    let isPower = scaleType == .u8 || scaleType == .f8E8M0
    let name: String
    switch type {
    case .u8, .f4:
      let size = block(type == .u8 ? 2 : 1)
      if size == 32, isPower { return .opaque("MXFP4" + ownScales) }
      if size == 16, scaleType == .f8E4M3 { return .opaque("NVFP4" + ownScales) }
      name = type.rawValue
    case .f8E4M3, .f8E5M2, .f8E4M3FNUZ, .f8E5M2FNUZ:
      let kind = type.rawValue.dropFirst("F8_".count)
      if block(1) == 32, isPower { return .opaque("MXFP8 (\(kind))" + ownScales) }
      name = "FP8 (\(kind))"
    default: name = type.rawValue
    }
    let rows = weight.shape.dimensions.first ?? 0
    // Packed trits have four rows in one of bytes.
    let isByRow = scales > 1 && (scales == rows || type == .u8 && scales / 4 == rows && scales % 4 == 0)
    return .opaque(name + (isByRow ? " by rows" : scales > 1 ? " by blocks" : "") + ownScales)
  }

  private static let ownScales = " with separate scales"

  /// True for a tensor that `withScales` describes.
  package static func hasScales(_ tensor: TensorDescriptor) -> Bool {
    if case .opaque(let name) = tensor.encoding { name.hasSuffix(ownScales) } else { false }
  }

  /// Endings of names that methods give to scales, by the ending of the weight's name.
  ///
  /// Sources: compressed-tensors (`weight_scale`, `weight_packed`, `weight_global_scale`), ModelOpt (`weight_scale_2`),
  /// DeepSeek-V3 (`weight_scale_inv`), GPTQ and AWQ (`qweight`, `scales`), bitsandbytes (`SCB`, `absmax`), gpt-oss
  /// (`_blocks`, `_scales`), MLX (`scales`).
  private static let endings: [(weight: String, scales: [String])] = [
    (
      ".weight",
      [
        ".weight_scale", ".weight_scale_inv", ".weight_scale_2", ".weight_global_scale", ".scales", ".SCB",
        ".weight.absmax",
      ]
    ),
    (".weight_packed", [".weight_scale", ".weight_global_scale"]), (".qweight", [".scales"]), ("_blocks", ["_scales"]),
  ]

  /// Names scales of a weight may have.
  package static func scaleNames(of weight: String) -> [String] {
    guard let known = endings.first(where: { weight.hasSuffix($0.weight) }) else { return [] }
    let stem = weight.dropLast(known.weight.count)
    return known.scales.map { stem + $0 }
  }

  /// True for element types that hold no numbers of their own.
  static func isBytes(_ dtype: DType) -> Bool {
    switch dtype {
    case .u8, .i8, .i32, .u32, .f4, .f6E2M3, .f6E3M2, .f8E5M2, .f8E4M3, .f8E5M2FNUZ, .f8E4M3FNUZ: true
    default: false
    }
  }
}
