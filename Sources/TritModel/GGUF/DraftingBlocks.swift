// Tritsmith: blocks of a GGUF file that no text needs.

import TritCore

/// Blocks behind those of the model, which draft tokens.
///
/// Each has a part `nextn`. Others behind the model's are layers that a wrong count leaves out: without them another
/// model is computed, so they are no drafting blocks. Source: llama.cpp `llama-arch.cpp`, names of `LLM_TENSOR_NEXTN_…`.
struct DraftingBlocks {
  private static let part = "nextn."
  private let numbers: Set<Int>

  /// - Parameter manifest: of the file, under its own names.
  init(_ manifest: ModelManifest, _ description: ModelDescription) {
    guard description.architecture.keys.layerKinds == .deltaNets else {
      numbers = []
      return
    }
    numbers = Set(
      manifest.tensors.compactMap { tensor in
        guard let place = DraftingBlocks.place(tensor.name), place.block >= description.layers,
          place.rest.hasPrefix(DraftingBlocks.part)
        else { return nil }
        return place.block
      })
  }

  /// The first of blocks that are said to draft of which there are tensors, and none is a part that drafts.
  static func first(withoutPartIn blocks: Range<Int>, of manifest: ModelManifest) -> Int? {
    var found: Set<Int> = []
    var drafting: Set<Int> = []
    for tensor in manifest.tensors {
      guard let place = place(tensor.name), blocks.contains(place.block) else { continue }
      found.insert(place.block)
      if place.rest.hasPrefix(part) { drafting.insert(place.block) }
    }
    return found.subtracting(drafting).min()
  }

  /// Whether a tensor of the file belongs to one of them.
  func hold(_ name: String) -> Bool {
    guard !numbers.isEmpty, let place = DraftingBlocks.place(name) else { return false }
    return numbers.contains(place.block)
  }

  /// 3 and `attn_q.weight` of `blk.3.attn_q.weight`.
  private static func place(_ name: String) -> (block: Int, rest: Substring)? {
    guard name.hasPrefix(ModulePlace.storedLayerPrefix) else { return nil }
    let parts = name.dropFirst(ModulePlace.storedLayerPrefix.count).split(separator: ".", maxSplits: 1)
    guard parts.count == 2, let block = UInt32(parts[0]).flatMap({ Int(exactly: $0) }) else { return nil }
    return (block, parts[1])
  }
}
