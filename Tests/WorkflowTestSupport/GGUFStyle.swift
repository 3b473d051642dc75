// Tritsmith tests: GGUF files in every type.

import Testing
import TritConversion
import TritCore
import TritFormats
import TritLayouts
import TritTestSupport

/// How a GGUF file is to be written.
package struct GGUFStyle: Sendable, CustomTestStringConvertible {
  package var weights: GGUFWeightType
  package var order: I2SOrder

  package init(weights: GGUFWeightType, order: I2SOrder = .group128) {
    (self.weights, self.order) = (weights, order)
  }

  package static let all =
    GGUFWeightType.allCases.filter { $0 != .i2s }.map { GGUFStyle(weights: $0) }
    + I2SOrder.allCases.map { GGUFStyle(weights: .i2s, order: $0) }

  package var testDescription: String { weights == .i2s ? "I2_S \(order.rawValue)" : weights.rawValue }
}

extension Workflow {
  /// Writes a GGUF file.
  @discardableResult
  package static func gguf(
    _ input: String, _ output: String, _ style: GGUFStyle = GGUFStyle(weights: .tq2),
    _ change: (inout ConversionRequest) -> Void = { _ in }
  ) throws -> ConversionResult {
    try convert(input, output, to: .gguf) {
      $0.gguf.weights = style.weights
      $0.gguf.i2sOrder = style.order
      change(&$0)
    }
  }
}

/// Bytes of every tensor of a GGUF file, by name.
package func ggufTensors(_ path: String) throws -> [(name: String, type: String, bytes: [UInt8])] {
  let source = try GGUFSource(path: path)
  return try source.manifest.tensors.map { tensor in
    let bytes = try source.withBytes(0..<tensor.location.byteCount, of: tensor) { span in
      (0..<span.byteCount).map { span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
    }
    return (tensor.name, tensor.encoding.name, bytes)
  }
}
