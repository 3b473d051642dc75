// Tritsmith: a report with one of everything, shared by the renderer tests.

import TritReport

enum Sample {
  static let tensors: ReportTable = {
    var table = ReportTable(
      key: "tensors", title: "Tensors",
      columns: [
        ReportColumn("name", "Name"), ReportColumn("shape", "Shape"),
        ReportColumn("elements", "Elements", kind: .integer), ReportColumn("size", "Size", kind: .bytes),
        ReportColumn("scale", "Scale", kind: .significant(digits: 3)),
        ReportColumn("zeros", "Zeros", kind: .fraction(digits: 1)),
        ReportColumn("time", "Time", kind: .decimal(digits: 2), unit: "ms"),
        ReportColumn("ternary", "Ternary", kind: .bool),
      ])
    table.append(["blk.0.attn_q", [2560, 2560], 6_553_600, .bytes(1_638_400), 0.0125, 0.3125, 1.005, true])
    table.append(["output|norm", [2560], 2560, .bytes(10_240), nil, .number(.nan), .number(-0.001), false])
    table.setFooter(["total", nil, 6_556_160, .bytes(1_648_640), nil, nil, 1.004, nil])
    return table
  }()

  static let document: ReportDocument = {
    var document = ReportDocument(title: "Inspection", schema: ReportSchema("tritsmith.inspect", version: 1))
    document.append(
      ReportFacts(
        key: "file",
        [
          ReportFact("Path", "models/a \"b\".gguf"), ReportFact("File size", .bytes(2_912_345)),
          ReportFact("Zero share", 0.31, kind: .fraction(digits: 1), note: "of ternary weights"),
          ReportFact("Largest tensor", .unsigned(18_446_744_073_709_551_615)), ReportFact("Licence", nil),
        ]))
    document.heading("Contents")
    document.paragraph("Every tensor of the file.")
    document.append(tensors)
    document.note(.warning, "block size is assumed")
    document.note(.pass, "all scales are finite")
    return document
  }()

  /// A name that tries to clear the screen, recolour, break the line and reverse the text.
  static let hostile = "a\u{1B}[2J\u{9B}31m\nb\t\u{7F}\u{202E}c"
}
