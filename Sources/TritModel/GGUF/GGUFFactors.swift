// Tritsmith: factors that stand beside the weights of a GGUF file.

import TritCore

/// Tensors `NAME.scale` beside `NAME.weight`: one Float that the product with the weight is multiplied by.
///
/// ik_llama.cpp's converter writes bitnet models so: weights are −1, 0 and 1, and the scale stands beside them. The
/// factor belongs to the weight's scale; a model read without it would be off by that factor in every layer.
struct GGUFFactors {
  private var values: [ExactString: Float] = [:]
  private var names: Set<ExactString> = []

  /// - Throws: `GGUFModelError` when such a tensor holds no factor.
  init(_ source: any TensorSource) throws {
    let suffix = ".scale"
    let all = Set(source.manifest.tensors.map { ExactString($0.name) })
    for tensor in source.manifest.tensors where tensor.name.hasSuffix(suffix) {
      let weight = ExactString(String(tensor.name.dropLast(suffix.count)) + ".weight")
      guard all.contains(weight) else { continue }
      guard tensor.encoding == .dense(.f32), tensor.shape.elementCount == 1 else {
        throw GGUFModelError(
          .badFactor("\(tensor.encoding.name) \(tensor.shape)"), file: source.manifest.path, tensor: tensor.name)
      }
      let bits = try source.withBytes(0..<4, of: tensor) { $0.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt32.self) }
      let factor = Float(bitPattern: UInt32(littleEndian: bits))
      guard factor.isFinite, factor > 0 else {
        throw GGUFModelError(.badFactor("\(factor)"), file: source.manifest.path, tensor: tensor.name)
      }
      values[weight] = factor
      names.insert(ExactString(tensor.name))
    }
  }

  func isFactor(_ name: String) -> Bool { names.contains(ExactString(name)) }
  func factor(of weight: String) -> Float? { values[ExactString(weight)] }
}
