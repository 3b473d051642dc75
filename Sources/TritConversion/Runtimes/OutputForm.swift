// Tritsmith: how a model is stored, as other programs tell files apart.

import TritLayouts
import TritSurvey

/// What a file or folder looks like to a program that loads it: its container, and the layout of its projections.
package enum OutputForm: Sendable, Hashable {
  /// Packed trits in safetensors, in either scale convention.
  case hfPacked
  /// trit × scale as dense bfloat16.
  case dense
  /// Latents that are made the same trits again.
  case trainable
  case tritpack
  /// Packed trits for MLX.
  case mlx
  /// GGUF, but for I2_S.
  case gguf(GGUFWeightType)
  /// GGUF with I2_S in one of its orders.
  case i2s(I2SOrder)
  /// GGUF of ordinary numbers in blocks, which this package reads and does not write.
  case numbers

  /// Every form this package writes.
  package static let all: [OutputForm] =
    [.hfPacked, .dense, .trainable, .tritpack, .mlx]
    + GGUFWeightType.allCases.flatMap { type in
      type == .i2s ? I2SOrder.allCases.map(OutputForm.i2s) : [OutputForm.gguf(type)]
    }

  /// Types of a file of `numbers`, which mixes them.
  package static let numberTypes: [String] = [
    Q4_0.name, Q4_1.name, Q5_0.name, Q5_1.name, Q8_0.name, Q4_K.name, Q5_K.name, Q6_K.name,
  ]

  /// What a conversion writes.
  package init(_ request: ConversionRequest) {
    switch request.target {
    case .hfPacked: self = .hfPacked
    case .dense: self = .dense
    case .trainable: self = .trainable
    case .tritpack: self = .tritpack
    case .mlx: self = .mlx
    case .gguf: self = request.gguf.weights == .i2s ? .i2s(request.gguf.i2sOrder) : .gguf(request.gguf.weights)
    }
  }

  package var isGGUF: Bool {
    switch self {
    case .gguf, .i2s, .numbers: true
    case .hfPacked, .dense, .trainable, .tritpack, .mlx: false
    }
  }

  /// As options and documents name it.
  package var name: String {
    switch self {
    case .hfPacked: ConversionTarget.hfPacked.rawValue
    case .dense: ConversionTarget.dense.rawValue
    case .trainable: ConversionTarget.trainable.rawValue
    case .tritpack: ConversionTarget.tritpack.rawValue
    case .mlx: ConversionTarget.mlx.rawValue
    case .gguf(let type): type.rawValue
    case .numbers: OutputForm.numberTypes.joined(separator: ", ")
    case .i2s(let order): "\(GGUFWeightType.i2s.rawValue) \(order.rawValue)"
    }
  }
}
