// Tritsmith: every ggml type by name and size.

import TritCore
import TritLayouts

/// A ggml tensor type: its name and how many bytes a block of values has.
package struct GGMLType: Sendable, Hashable {
  package var id: UInt32
  package var name: String
  /// Values in a block, all of one row.
  package var blockElements: Int
  package var blockBytes: Int
  /// False where rows or tensors have extra bytes this table does not count; sizes are then taken from offsets.
  package var isExact: Bool

  /// How this package reads the type.
  package var dtype: DType? {
    switch id {
    case 0: .f32
    case 1: .f16
    case 24: .i8
    case 25: .i16
    case 26: .i32
    case 27: .i64
    case 28: .f64
    case 30: .bf16
    default: nil
    }
  }

  /// The type of dense numbers of an element type; nil when ggml has none.
  package static func id(of dtype: DType) -> UInt32? {
    all.first { $0.dtype == dtype }?.id
  }

  /// The type of that number, if it is known.
  package static func type(_ id: UInt32) -> GGMLType? { byID[id] }

  private static let byID = Dictionary(all.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })

  /// Types of llama.cpp, bitnet.cpp and ik_llama.cpp.
  ///
  /// Numbers collide between the programs: 36 to 38 were other types in llama.cpp once and are I2_S, I8_S and TL1 in
  /// bitnet.cpp; 39 is MXFP4, or TL2 in bitnet.cpp (see `GGUFTensorTable`); for 40 to 43, 142 and 143 see `GGMLMeaning`.
  /// Sources: gguf-py 0.19 and the llama.cpp of its
  /// time, microsoft/BitNet, ik_llama.cpp `gguf-py/gguf/constants.py`.
  package static let all: [GGMLType] =
    llamaCpp.map { GGMLType(id: $0.0, name: $0.1, blockElements: $0.2, blockBytes: $0.3, isExact: true) }
    + layouts + rivals
    + ikLlama.map { GGMLType(id: $0.0, name: $0.1, blockElements: $0.2, blockBytes: $0.3, isExact: false) }

  /// Types of layouts that are nothing but blocks state their size there.
  private static let layouts: [GGMLType] = LayoutRegistry.all.compactMap { layout in
    guard let id = layout.ggmlType, let block = layout.blockGeometry, GGMLMeaning.candidates(id).isEmpty else {
      return nil
    }
    return GGMLType(
      id: id, name: layout.id.rawValue, blockElements: block.columns, blockBytes: block.bytes, isExact: true)
  }

  /// Numbers with several meanings under the usual one; the meaning in a file is found by `GGUFTypeMeanings`.
  private static let rivals: [GGMLType] = GGMLMeaning.all.map {
    GGMLType(id: $0.id, name: $0.name, blockElements: $0.columns, blockBytes: $0.bytes, isExact: true)
  }

  private static let llamaCpp: [(UInt32, String, Int, Int)] = [
    (0, "F32", 1, 4), (1, "F16", 1, 2), (2, "Q4_0", 32, 18), (3, "Q4_1", 32, 20), (6, "Q5_0", 32, 22),
    (7, "Q5_1", 32, 24), (8, "Q8_0", 32, 34), (9, "Q8_1", 32, 36), (10, "Q2_K", 256, 84), (11, "Q3_K", 256, 110),
    (12, "Q4_K", 256, 144), (13, "Q5_K", 256, 176), (14, "Q6_K", 256, 210), (15, "Q8_K", 256, 292),
    (16, "IQ2_XXS", 256, 66), (17, "IQ2_XS", 256, 74), (18, "IQ3_XXS", 256, 98), (19, "IQ1_S", 256, 50),
    (20, "IQ4_NL", 32, 18), (21, "IQ3_S", 256, 110), (22, "IQ2_S", 256, 82), (23, "IQ4_XS", 256, 136),
    (24, "I8", 1, 1), (25, "I16", 1, 2), (26, "I32", 1, 4), (27, "I64", 1, 8), (28, "F64", 1, 8),
    (29, "IQ1_M", 256, 56), (30, "BF16", 1, 2), (31, "Q4_0_4_4", 32, 18), (32, "Q4_0_4_8", 32, 18),
    (33, "Q4_0_8_8", 32, 18), (39, "MXFP4", 32, 17),
  ]

  /// Types beside those of llama.cpp. Many have a scale for each row, which a table of blocks does not count.
  private static let ikLlama: [(UInt32, String, Int, Int)] = [
    (36, "I2_S", 1, 1), (37, "I8_S", 1, 1), (38, "TL1", 1, 1),
    (97, "Q8_0_X4", 32, 34), (98, "Q8_1_X4", 32, 36), (99, "Q8_2_X4", 32, 36), (133, "Q6_0", 32, 26),
    (134, "IQ1_BN", 64, 13), (135, "IQ2_BN", 64, 16), (136, "Q8_K64", 64, 68), (137, "IQ2_K", 256, 76),
    (138, "IQ3_K", 256, 110), (139, "IQ4_K", 256, 144), (140, "IQ5_K", 256, 176), (141, "IQ6_K", 256, 212),
    (144, "IQ4_KS", 256, 136), (145, "IQ2_KS", 256, 70), (146, "IQ4_KSS", 256, 128), (147, "Q8_K16", 64, 64),
    (148, "Q8_K32", 256, 292), (149, "Q8_KR8", 256, 292), (150, "Q8_K128", 128, 140), (151, "Q8_KV", 32, 32),
    (152, "IQ5_KS", 256, 168), (153, "IQ2_KT", 256, 68), (154, "IQ3_KT", 256, 100), (155, "IQ4_KT", 256, 128),
    (156, "IQ3_KS", 256, 102), (157, "IQ2_KL", 256, 86), (158, "IQ1_KT", 256, 56), (202, "Q4_0_R8", 32, 18),
    (206, "Q5_0_R4", 32, 22), (208, "Q8_0_R8", 32, 34), (210, "Q2_K_R4", 256, 84), (211, "Q3_K_R4", 256, 110),
    (212, "Q4_K_R4", 256, 144), (213, "Q5_K_R4", 256, 176), (214, "Q6_K_R4", 256, 210), (216, "IQ2_XXS_R4", 256, 66),
    (217, "IQ2_XS_R4", 256, 74), (218, "IQ3_XXS_R4", 256, 98), (219, "IQ1_S_R4", 32, 6), (220, "IQ4_NL_R4", 32, 18),
    (221, "IQ3_S_R4", 256, 110), (222, "IQ2_S_R4", 256, 82), (223, "IQ4_XS_R8", 256, 136), (229, "IQ1_M_R4", 32, 7),
    (230, "BF16_R16", 1, 2), (233, "Q6_0_R4", 32, 26), (335, "IQ2_BN_R4", 64, 16), (337, "IQ2_K_R4", 256, 76),
    (338, "IQ3_K_R4", 256, 110), (339, "IQ4_K_R4", 256, 144), (340, "IQ5_K_R4", 256, 176),
    (344, "IQ4_KS_R4", 256, 136), (352, "IQ5_KS_R4", 256, 168), (398, "Q8_KV_R8", 32, 32), (399, "Q8_K_R8", 256, 258),
  ]
}
