// Tritsmith: what a tensor of a GGUF file looks like under Hugging Face's names.

import TritCore
import TritLayouts

extension GGUFModelView {
  /// What a stored tensor looks like in the view, and how it is read.
  static func shown(
    _ stored: TensorDescriptor, _ permutation: RowPermutation?, _ columns: RowPermutation?,
    _ unfolding: RowUnfolding?, _ module: ModuleTemplate?
  ) -> (TensorDescriptor, Access) {
    var shown = stored
    func asFloats() -> Bool {
      guard StoredRows.isRead(stored.encoding), let byteCount = Checked.product(4, stored.shape.elementCount) else {
        return false
      }
      shown.encoding = .dense(.f32)
      shown.scale = nil
      shown.location.byteCount = byteCount
      return true
    }
    if let unfolding {
      return asFloats() ? (shown, .unfolded(unfolding)) : (shown, .refused(.cannotUnfold(type: stored.encoding.name)))
    }
    if let values = module?.values, values != .same, stored.shape.rank == 1 {
      guard stored.encoding.dtype?.isFloatWeight == true, asFloats() else { return (shown, .direct) }
      return (shown, .numbers(values))
    }
    if module?.form == .convolution, stored.shape.rank == 2,
      let shape = TensorShape([stored.shape.rows, 1, stored.shape.columns])
    {
      shown.shape = shape
    }
    if let columns {
      if let bits = stored.encoding.dtype?.bits, bits % 8 == 0 { return (shown, .columns(byteCount: bits / 8)) }
      guard case .ternary(let id) = stored.encoding, let layout = LayoutRegistry.layout(id) else {
        return asFloats() ? (shown, .ordered) : (shown, .direct)
      }
      let packed = SplitRow(.twoBit)
      shown.encoding = .ternary(packed.id)
      shown.location.byteCount = packed.byteCount(stored.shape)
      if case .group(let size) = shown.scale?.granularity {
        shown.scale?.granularity = .group(columns: TernaryScale.commonDivisor(size, columns.headRows))
      }
      return (shown, .repacked(layout))
    }
    if let codec = stored.encoding.blockCodec, let byteCount = Checked.product(4, stored.shape.elementCount) {
      shown.encoding = .dense(.f32)
      shown.location.byteCount = byteCount
      return (shown, .decoded(codec))
    }
    guard permutation != nil else { return (shown, .direct) }
    switch stored.encoding {
    case .dense(let dtype):
      let columns = stored.shape.rank == 1 ? 1 : stored.shape.columns
      return (shown, .rows(byteCount: columns * dtype.bits / 8))
    case .ternary(let id):
      guard let layout = LayoutRegistry.layout(id) else { return (shown, .direct) }
      if let count = layout.contiguousRowBytes(stored.shape) { return (shown, .rows(byteCount: count)) }
      let packed = SplitRow(.twoBit)
      shown.encoding = .ternary(packed.id)
      shown.location.byteCount = packed.byteCount(stored.shape)
      return (shown, .repacked(layout))
    case .opaque: return (shown, .direct)
    }
  }
}
