// Tritsmith: writing SVG.

/// Pixels to a tenth, in as few characters as possible.
func pixels(_ value: Double) -> String {
  let tenths = (value * 10).rounded()
  guard tenths.isFinite, abs(tenths) < 1e9 else { return "0" }
  let whole = Int(tenths)
  if whole.isMultiple(of: 10) { return "\(whole / 10)" }
  return (whole < 0 ? "-" : "") + "\(abs(whole) / 10).\(abs(whole) % 10)"
}

/// Text inside an element or a quoted attribute of HTML or SVG, whatever a file has put into it.
///
/// Controls and marks that change reading direction are spelled out first, as in every other renderer.
func htmlText(_ text: String) -> String {
  var result = ""
  for scalar in safeText(text).unicodeScalars {
    switch scalar {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    case "'": result += "&#39;"
    case "`": result += "&#96;"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}

/// Elements of a drawing, escaped.
struct SVGBuilder {
  private(set) var text = ""

  mutating func open(_ name: String, _ attributes: KeyValuePairs<String, String>) {
    text += "<\(name)\(written(attributes))>"
  }

  mutating func close(_ name: String) {
    text += "</\(name)>"
  }

  /// An element without children, or with a title: what is shown when it is pointed at.
  mutating func element(_ name: String, _ attributes: KeyValuePairs<String, String>, title: String? = nil) {
    text += "<\(name)\(written(attributes))"
    text += title.map { "><title>\(htmlText($0))</title></\(name)>" } ?? "/>"
  }

  mutating func label(_ content: String, x: Double, y: Double, kind: String, title: String? = nil) {
    text += "<text\(written(["x": pixels(x), "y": pixels(y), "class": kind]))>"
    text += htmlText(content) + (title.map { "<title>\(htmlText($0))</title>" } ?? "") + "</text>"
  }

  private func written(_ attributes: KeyValuePairs<String, String>) -> String {
    attributes.map { " \($0)=\"\(htmlText($1))\"" }.joined()
  }
}

/// About how wide text of the plots' size is, in pixels; fonts differ, so this is generous.
func textWidth(_ text: String, size: Double = 12) -> Double {
  Double(displayWidth(text)) * size * 0.58
}
