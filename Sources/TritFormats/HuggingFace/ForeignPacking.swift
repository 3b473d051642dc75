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

  /// Bytes with scales of their own.
  package static func withScales(_ dtype: DType) -> TensorEncoding {
    .opaque("\(dtype.rawValue) with scales of its own")
  }

  /// True for a tensor that `withScales` describes.
  package static func hasScales(_ tensor: TensorDescriptor) -> Bool {
    if case .opaque(let name) = tensor.encoding { name.hasSuffix(" with scales of its own") } else { false }
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
