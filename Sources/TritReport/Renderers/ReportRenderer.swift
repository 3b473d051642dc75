// Tritsmith: from a document to text.

import VisibleText

/// Writes a document in one format.
package protocol ReportRenderer: Sendable {
  /// Appends the whole document; the last line ends with a line feed.
  func render(_ document: ReportDocument, to output: inout some TextOutputStream)
}

extension ReportRenderer {
  /// The whole document as one string.
  package func text(of document: ReportDocument) -> String {
    var result = ""
    render(document, to: &result)
    return result
  }
}

extension ReportDocument {
  /// The whole report as text, its last line ended: as a table without colour or limit of width, as the JSON of
  /// `Docs/Schemas`, as CSV or as Markdown.
  public func text(as format: ReportFormat = .table) -> String { format.renderer.text(of: self) }
}

/// The formats a report can be written in.
public enum ReportFormat: String, CaseIterable, Sendable {
  case table
  case json
  case csv
  case markdown

  /// The renderer with its default settings, for a file: no colour, no width limit, everything, text as it is where the
  /// format can carry it.
  package var renderer: any ReportRenderer { renderer(width: nil, usesColor: false, showsDetails: true) }

  /// The renderer for a terminal of that width, or for a file.
  ///
  /// - Parameters:
  ///   - width, height, usesColor, showsDetails, foldsRows: of `table` only; the other formats have everything.
  ///   - spellsOut: spells out in CSV and Markdown, too, what cannot be seen; the other formats always do.
  ///   - keepsFormulas: of CSV only.
  package func renderer(
    width: Int?, height: Int? = nil, usesColor: Bool, showsDetails: Bool, foldsRows: Bool = true,
    spellsOut: Bool = false, keepsFormulas: Bool = false
  ) -> any ReportRenderer {
    switch self {
    case .table:
      TextRenderer(
        width: width, height: height, usesColor: usesColor, showsDetails: showsDetails, foldsRows: foldsRows)
    case .json: JSONRenderer()
    case .csv: CSVRenderer(spelling: spellsOut ? .unseen : .kept, keepsFormulas: keepsFormulas)
    case .markdown: MarkdownRenderer(spelling: spellsOut ? .unseen : .driving)
    }
  }
}

/// Which characters of a text are spelled out (`\u{202e}`).
package enum TextSpelling: Sendable, Hashable {
  /// None.
  case kept
  /// Controls, line separators, and what changes the direction of reading.
  case driving
  /// These, and everything else that cannot be seen.
  case unseen

  func applied(to text: String) -> String {
    switch self {
    case .kept: text
    case .driving: spelledOut(text, drivingOnly: true)
    case .unseen: spelledOut(text)
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
