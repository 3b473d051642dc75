// Tritsmith: from a document to text.

/// Writes a document in one format.
public protocol ReportRenderer: Sendable {
  /// Appends the whole document; the last line ends with a line feed.
  func render(_ document: ReportDocument, to output: inout some TextOutputStream)
}

extension ReportRenderer {
  /// The whole document as one string.
  public func text(of document: ReportDocument) -> String {
    var result = ""
    render(document, to: &result)
    return result
  }
}

/// The formats a report can be written in.
public enum ReportFormat: String, CaseIterable, Sendable {
  case table
  case json
  case csv
  case markdown

  /// The renderer with its default settings: no colour, no width limit.
  public var renderer: any ReportRenderer { renderer(width: nil, usesColor: false, showsDetails: true) }

  /// The renderer for a terminal of that width; width, colour and details matter to `table` only, the others have all.
  public func renderer(width: Int?, usesColor: Bool, showsDetails: Bool) -> any ReportRenderer {
    switch self {
    case .table: TextRenderer(width: width, usesColor: usesColor, showsDetails: showsDetails)
    case .json: JSONRenderer()
    case .csv: CSVRenderer()
    case .markdown: MarkdownRenderer()
    }
  }
}

/// Makes keys unique by counting: a second "tensors" becomes "tensors_2", so that no value hides another.
struct UniqueKeys {
  private var used: Set<String>

  init(reserving reserved: Set<String> = []) {
    used = reserved
  }

  mutating func next(_ key: String) -> String {
    let key = key.isEmpty ? "value" : key
    if used.insert(key).inserted { return key }
    var count = 2
    while !used.insert("\(key)_\(count)").inserted { count += 1 }
    return "\(key)_\(count)"
  }
}
