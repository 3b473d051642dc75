// Tritsmith: hidden states by the names people know their layers by.

/// The name of a hidden state in words: `block0.mlp` of files and JSON is "layer 0 mlp", and `block0–3` of several
/// states "layer 0–3". Other words stay.
package func layerName(_ state: String) -> String {
  if state == layerPrefix { return "layer" }
  return state.split(separator: " ", omittingEmptySubsequences: false).map(layerWord).joined(separator: " ")
}

private let layerPrefix = "block"

private func layerWord(_ word: Substring) -> String {
  guard word.hasPrefix(layerPrefix) else { return String(word) }
  let rest = word.dropFirst(layerPrefix.count)
  let index = rest.prefix { ("0"..."9").contains($0) || $0 == "–" || $0 == "*" }
  let part = rest.dropFirst(index.count)
  guard !index.isEmpty, part.isEmpty || part.first == "." && part.count > 1 else { return String(word) }
  return "layer \(index)" + (part.isEmpty ? "" : " ") + part.dropFirst()
}
