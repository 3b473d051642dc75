// Tritsmith: what a tensor of a GGUF file looks like under Hugging Face's names.

import TritCore
import TritLayouts

extension GGUFModelView {
  /// What a stored tensor looks like in the view, and how it is read.
  static func shown(
    _ stored: TensorDescriptor, _ permutation: RowPermutation?, _ columns: RowPermutation?,
    _ unfolding: RowUnfolding?, _ module: ModuleTemplate?
  ) -> (TensorDescriptor, Access) {
    let floats = StoredRows.isRead(stored.encoding) ? stored.asFloats : nil
    if let unfolding {
      return floats.map { ($0, .unfolded(unfolding)) } ?? (stored, .refused(.cannotUnfold(type: stored.encoding.name)))
    }
    if let values = module?.values, values != .same, stored.shape.rank == 1 {
      guard stored.encoding.dtype?.isFloatWeight == true, let floats else { return (stored, .direct) }
      return (floats, .numbers(values))
    }
    var shown = stored
    if module?.form == .convolution, stored.shape.rank == 2,
      let shape = TensorShape([stored.shape.rows, 1, stored.shape.columns])
    {
      shown.shape = shape
    }
    if let columns { return GGUFModelView.shown(shown, inOrderOf: columns) }
    if let codec = stored.encoding.blockCodec, let floats = shown.asFloats { return (floats, .decoded(codec)) }
    guard permutation != nil else { return (shown, .direct) }
    switch stored.encoding {
    case .dense(let dtype):
      let columns = stored.shape.rank == 1 ? 1 : stored.shape.columns
      return (shown, .rows(byteCount: columns * dtype.bits / 8))
    case .ternary(let id):
      guard let layout = LayoutRegistry.layout(id) else { return (shown, .direct) }
      if let count = layout.contiguousRowBytes(stored.shape) { return (shown, .rows(byteCount: count)) }
      return (repacked(shown), .repacked(layout))
    case .opaque: return (shown, .direct)
    }
  }

  /// A matrix whose columns the file has in another order.
  private static func shown(
    _ tensor: TensorDescriptor, inOrderOf columns: RowPermutation
  ) -> (TensorDescriptor, Access) {
    if let bits = tensor.encoding.dtype?.bits, bits % 8 == 0 { return (tensor, .columns(byteCount: bits / 8)) }
    guard case .ternary(let id) = tensor.encoding, let layout = LayoutRegistry.layout(id) else {
      let floats = StoredRows.isRead(tensor.encoding) ? tensor.asFloats : nil
      return floats.map { ($0, .ordered) } ?? (tensor, .direct)
    }
    var result = repacked(tensor)
    if case .group(let size) = result.scale?.granularity {
      result.scale?.granularity = .group(columns: TernaryScale.commonDivisor(size, columns.headRows))
    }
    return (result, .repacked(layout))
  }

  /// Trits packed anew: rows that share bytes cannot be put in order.
  private static func repacked(_ tensor: TensorDescriptor) -> TensorDescriptor {
    let packed = SplitRow(.twoBit)
    var result = tensor
    result.encoding = .ternary(packed.id)
    result.location.byteCount = packed.byteCount(tensor.shape)
    return result
  }
}
