// Tritsmith: conversions by the names onebitllms gives them.

import CommandLineKit
import TritCore
import TritWorkflows

/// Functions of onebitllms as settings of a conversion.
enum ConversionRecipe: String, CaseIterable, ExpressibleByArgument {
  /// Packed trits and 1/absmean, every step in bfloat16.
  case quantizeTo1Bit = "quantize_to_1bit"
  /// trit ÷ scale as dense bfloat16, every step in bfloat16.
  case convertToBF16 = "convert_to_bf16"

  var target: ConversionTarget {
    switch self {
    case .quantizeTo1Bit: .hfPacked
    case .convertToBF16: .dense
    }
  }

  var convention: ScaleConvention { .divide }
}
