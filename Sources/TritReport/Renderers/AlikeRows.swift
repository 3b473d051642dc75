// Tritsmith: a fault that repeats over layers, told once.

/// A text with its numbers apart: `model.layers.0.mlp` is "model.layers.", "0", ".mlp".
private func parts(_ text: String) -> [Substring] {
  var result: [Substring] = []
  var rest = text[...]
  while let first = rest.first {
    let isNumber = first.isASCII && first.isNumber
    let run = rest.prefix { ($0.isASCII && $0.isNumber) == isNumber }
    result.append(run)
    rest = rest[run.endIndex...]
  }
  return result
}

/// Texts that differ in numbers only give the same.
func withoutNumbers(_ text: String) -> String {
  parts(text).map { $0.first?.isNumber == true && $0.first?.isASCII == true ? "#" : $0 }.joined()
}

/// One text for texts that differ in numbers only: a star where their numbers differ.
func starred(_ texts: [String]) -> String {
  let all = texts.map(parts)
  guard let first = all.first, all.allSatisfy({ $0.count == first.count }) else { return texts.first ?? "" }
  let merged = first.indices.map { place in all.allSatisfy { $0[place] == first[place] } ? first[place] : "*" }
  return merged.joined()
}

extension ReportTable {
  /// Rows whose texts differ in numbers only become one, with a star for the layer and their count.
  func alike(_ indices: [Int]) -> [(cells: [ReportValue], count: Int)] {
    var order: [[String]] = []
    var groups: [[String]: [Int]] = [:]
    for index in indices {
      let key = rows[index].map { value in if case .text(let text) = value { withoutNumbers(text) } else { "" } }
      if groups[key] == nil { order.append(key) }
      groups[key, default: []].append(index)
    }
    return order.compactMap { key in
      guard let members = groups[key], let first = members.first else { return nil }
      var cells = rows[first]
      guard members.count > 1 else { return (cells, 1) }
      var isCounted = false
      for place in cells.indices {
        let values = members.map { rows[$0][place] }
        guard values.contains(where: { $0 != values[0] }) else { continue }
        let texts = values.compactMap { value in if case .text(let text) = value { text } else { nil } }
        guard texts.count == values.count else {
          cells[place] = .text("…")
          continue
        }
        cells[place] = .text(starred(texts) + (isCounted ? "" : " (\(members.count))"))
        isCounted = true
      }
      return (cells, members.count)
    }
  }
}
