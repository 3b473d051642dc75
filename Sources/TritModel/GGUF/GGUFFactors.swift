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
    let candidates = source.manifest.tensors.filter { $0.name.hasSuffix(suffix) }
    guard !candidates.isEmpty else { return }
    func weight(_ factor: TensorDescriptor) -> ExactString {
      ExactString(String(factor.name.dropLast(suffix.count)) + ".weight")
    }
    // Only names that are asked for are kept: the table of a file without factors costs nothing.
    let wanted = Set(candidates.map(weight))
    let present = Set(source.manifest.tensors.lazy.map { ExactString($0.name) }.filter(wanted.contains))
    for tensor in candidates {
      let weight = weight(tensor)
      guard present.contains(weight) else { continue }
      guard tensor.encoding == .dense(.f32), tensor.shape.elementCount == 1 else {
        throw GGUFModelError(
          .badFactor("\(tensor.encoding.name) \(tensor.shape)"), file: source.manifest.path, tensor: tensor.name)
      }
      let bits = try source.withBytes(0..<4, of: tensor) { $0.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt32.self) }
      let factor = Float(bitPattern: UInt32(littleEndian: bits))
      guard factor.isFinite, factor > 0 else {
        throw GGUFModelError(.badFactor("\(factor)"), file: source.manifest.path, tensor: tensor.name)
      }
      // 1 changes no number, and leaves the scale what its own type made of it.
      if factor != 1 { values[weight] = factor }
      names.insert(ExactString(tensor.name))
    }
  }

  func isFactor(_ name: String) -> Bool { names.contains(ExactString(name)) }
  func factor(of weight: String) -> Float? { values[ExactString(weight)] }
}
