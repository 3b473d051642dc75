// Tritsmith: how many numbers bytes stand for that are listed and not decoded.

import TritCore
import TritFormats
import TritModel

/// Weights in bytes that nothing here reads, and what the description of the model says of their shape: their own is one
/// of bytes.
struct UndecodedWeights: Sendable {
  private var counts: [ExactString: Int] = [:]
  /// Scales of such weights, by the weight's name; they are numbers of the packing, not of the model.
  private var owners: [ExactString: String] = [:]
  private var scaleBytes: [ExactString: Int] = [:]
  /// Whether no weight is of an unknown shape.
  private(set) var areAllKnown = true

  /// - Parameter description: of the model, as far as it is understood.
  init(_ manifest: ModelManifest, _ description: ModelDescription?) {
    var layers: [Int?: [ExactString: [Int]]] = [:]
    func shape(_ name: String) -> [Int]? {
      guard let description, let place = description.architecture.place(of: name) else { return nil }
      if let layer = place.layer, !(0..<description.layers ~= layer) { return nil }
      if layers[place.layer] == nil {
        let expected = place.layer.map { description.tensors(ofLayer: $0) } ?? description.tensorsOutsideLayers
        layers[place.layer] = Dictionary(
          expected.map { (ExactString($0.name), $0.shape) }, uniquingKeysWith: { first, _ in first })
      }
      return layers[place.layer]?[ExactString(name)]
    }
    for tensor in manifest.tensors
    where tensor.encoding == ForeignPacking.withoutScale || ForeignPacking.hasScales(tensor) {
      for name in ForeignPacking.scaleNames(of: tensor.name) {
        guard let scale = manifest.tensor(named: name) else { continue }
        owners[ExactString(name)] = tensor.name
        scaleBytes[ExactString(tensor.name), default: 0] += scale.storedBytes
      }
      // A byte holds eight numbers at most: a description is the word of a file.
      let expected = shape(UndecodedWeights.name(tensor.name)).flatMap { TensorShape($0)?.elementCount }
      if let expected, expected / 8 <= tensor.storedBytes {
        counts[ExactString(tensor.name)] = expected
      } else if !["FP8", "MXFP8", "I8"].contains(where: tensor.encoding.name.hasPrefix) {
        areAllKnown = false
      }
    }
  }

  /// What the model calls a weight that a method has renamed.
  private static func name(_ stored: String) -> String {
    for ending in [".weight_packed", ".qweight"] where stored.hasSuffix(ending) {
      return stored.dropLast(ending.count) + ".weight"
    }
    return stored
  }

  /// Whether a tensor holds scales of such a weight, whose bytes count with the weight's.
  func isScale(_ tensor: TensorDescriptor) -> Bool { owners[ExactString(tensor.name)] != nil }

  /// Numbers of the model that a tensor stands for.
  func count(_ tensor: TensorDescriptor) -> Int {
    isScale(tensor) ? 0 : counts[ExactString(tensor.name)] ?? tensor.shape.elementCount
  }

  /// Bytes that these numbers take, scales included.
  func bytes(_ tensor: TensorDescriptor) -> Int { tensor.storedBytes + (scaleBytes[ExactString(tensor.name)] ?? 0) }
}
