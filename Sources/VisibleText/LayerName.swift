// Tritsmith: hidden states by the names people know their layers by.

/// The name of a hidden state in words: `block0.mlp` of files and JSON is "layer 0 mlp". Other names stay.
package func layerName(_ state: String) -> String {
  let prefix = "block"
  guard state.hasPrefix(prefix) else { return state }
  let rest = state.dropFirst(prefix.count)
  if rest.isEmpty { return "layer" }
  let digits = rest.prefix { ("0"..."9").contains($0) }
  let part = rest.dropFirst(digits.count)
  guard !digits.isEmpty, part.isEmpty || part.first == "." && part.count > 1 else { return state }
  return "layer \(digits)" + (part.isEmpty ? "" : " ") + part.dropFirst()
}
