// Tritsmith: the table of programs as Docs/Runtimes.md shows it.

import TritModel

extension RuntimeTable {
  /// Before and after the table in `Docs/Runtimes.md`; a test holds what stands between against `markdown`.
  package static let markers = ("<!-- from RuntimeTable.swift -->", "<!-- end of table -->")

  /// The table in Markdown. Forms that every program treats alike share a row.
  package static var markdown: String {
    let titles = ["family", "form"] + runtimes.map(\.name)
    var lines = ["| " + titles.joined(separator: " | ") + " |"]
    lines.append("|" + String(repeating: "---|", count: titles.count))
    for family in ArchitectureRegistry.all {
      var groups: [(forms: [OutputForm], cells: [String])] = []
      for form in OutputForm.all {
        let cells = runtimes.map { cell($0, family.className, form) }
        let last = groups.indices.last
        if let last, groups[last].cells == cells, groups[last].forms[0].isGGUF == form.isGGUF {
          groups[last].forms.append(form)
        } else {
          groups.append(([form], cells))
        }
      }
      for group in groups {
        let names = group.forms.map(\.name).joined(separator: ", ")
        let architecture = family.gguf.map { " `\($0.architecture)`" } ?? ""
        let form = group.forms[0].isGGUF ? "GGUF\(architecture): \(names)" : names
        lines.append("| " + ([family.className, form] + group.cells).joined(separator: " | ") + " |")
      }
    }
    return lines.joined(separator: "\n")
  }

  private static func cell(_ runtime: Runtime, _ family: String, _ form: OutputForm) -> String {
    guard let row = row(runtime, family, form) else { return runtime.reads(form) ? "not tried" : "–" }
    let text = row.outcome.name + (row.outcome.reason.map { ": " + $0 } ?? "")
    return text + (row.evidence == .tried ? ", **tried**" : ", source")
  }
}
