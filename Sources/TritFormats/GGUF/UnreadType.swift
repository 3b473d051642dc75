// Tritsmith: why weights of a type are listed and not read.

import TritCore
import TritLayouts

extension TensorDescriptor {
  /// Why its numbers are listed and not read; nil where they are, and for packings with words of their own (`MLXPacking`,
  /// `ForeignPacking`).
  package var unreadReason: String? {
    guard case .opaque(let name) = encoding, encoding.blockCodec == nil, !MLXPacking.isNumbers(encoding),
      !ForeignPacking.hasScales(self), encoding != ForeignPacking.withoutScale
    else { return nil }
    if let reason = GGMLMeaning.all.lazy.filter({ $0.name == name }).compactMap(\.refusal).first { return reason }
    if name == "I2_S" || LayoutRegistry.all.contains(where: { $0.id.rawValue == name }) {
      return "the type holds no matrix of shape \(shape) that is read here"
    }
    return "little more than its name and size is known here"
  }
}
