// Tritsmith: the table of programs as Docs/Runtimes.md shows it.

import TritModel

extension RuntimeTable {
  /// Before and after the table in `Docs/Runtimes.md`; a test holds what stands between against `markdown`.
  package static let markers = ("<!-- from RuntimeTable.swift -->", "<!-- end of table -->")

  /// A table in Markdown for each family. Forms that every program treats alike share a row; a form of which nothing is
  /// known has none.
  package static var markdown: String {
    ArchitectureRegistry.all.map { family in
      var groups: [(forms: [OutputForm], cells: [String])] = []
      for form in OutputForm.known {
        let rows = known(family.className, form)
        guard !rows.isEmpty else { continue }
        let cells = ["loads", "misreads", "refuses"].map { outcome in cell(rows.filter { $0.outcome.name == outcome }) }
        if let last = groups.last, last.cells == cells, last.forms[0].isGGUF == form.isGGUF {
          groups[groups.count - 1].forms.append(form)
        } else {
          groups.append(([form], cells))
        }
      }
      let architecture = family.gguf.map { " (`\($0.architecture)`)" } ?? ""
      let lines = groups.map { group in
        let forms = (group.forms[0].isGGUF ? "GGUF " : "") + group.forms.map(\.name).joined(separator: ", ")
        return "| " + ([forms] + group.cells).joined(separator: " | ") + " |"
      }
      let head = "### \(family.className)\(architecture)\n\n| form | loads | misreads | refuses |\n|---|---|---|---|"
      return ([head] + lines).joined(separator: "\n")
    }.joined(separator: "\n\n")
  }

  /// Programs with their reasons; the name of one whose source alone was read is in italics.
  private static func cell(_ rows: [RuntimeRow]) -> String {
    var parts: [(names: [String], reason: String?)] = []
    for row in rows {
      let name = row.evidence == .tried ? row.runtime.name : "*\(row.runtime.name)*"
      if let last = parts.last, last.reason == row.outcome.reason {
        parts[parts.count - 1].names.append(name)
      } else {
        parts.append(([name], row.outcome.reason))
      }
    }
    return parts.map { $0.names.joined(separator: ", ") + ($0.reason.map { ": " + $0 } ?? "") }.joined(separator: "; ")
  }
}
