// Tritsmith: what takes how much room in a model.

import TritCore
import TritModel
import TritReport
import TritSurvey

/// Bytes by what tensors are for. Embeddings and head dominate small ternary models.
struct RoleSizes {
  private struct Group {
    var name: String
    var tensors = 0
    var parameters = 0
    var bytes = 0
  }

  private var groups: [Group]

  init(_ result: InspectResult) {
    let names = [
      "Embeddings", "Output head", "Attention projections", "Feed-forward projections", "Norms", "Biases", "Others",
    ]
    groups = names.map { Group(name: $0) }
    for (tensor, role) in zip(result.manifest.tensors, result.survey.roles) where !result.undecoded.isScale(tensor) {
      let place = RoleSizes.place(role)
      groups[place].tensors += 1
      groups[place].parameters += result.undecoded.count(tensor)
      groups[place].bytes += result.undecoded.bytes(tensor)
    }
    groups = groups.filter { $0.tensors > 0 }.sorted { $0.bytes > $1.bytes }
  }

  private static func place(_ role: TensorRole) -> Int {
    switch role {
    case .embedding: 0
    case .outputHead: 1
    case .projection(_, .query), .projection(_, .key), .projection(_, .value), .projection(_, .output): 2
    case .projection: 3
    case .norm: 4
    case .bias: 5
    case .other: 6
    }
  }

  func append(to page: inout ReportDocument) {
    let total = Double(max(1, groups.reduce(0) { $0 + $1.bytes }))
    page.append(
      ReportPlot(
        key: "size_by_role", title: "Size by role", x: ReportAxis("Stored size", kind: .bytes),
        y: ReportAxis("Role"),
        series: [
          ReportSeries(
            "Stored size",
            .bars(
              groups.map {
                ReportBar(
                  $0.name, Double($0.bytes), note: NumberText.percent(Double($0.bytes) / total) + " of all tensors")
              }))
        ],
        explanation: "Stored bytes of all tensors of a role, scales included."))
    var table = ReportTable(
      key: "roles", title: nil,
      columns: [
        ReportColumn("role", "Role"), ReportColumn("tensors", "Tensors", kind: .integer),
        ReportColumn("parameters", "Parameters", kind: .integer, explanation: "A packed tensor counts its trits."),
        ReportColumn("bytes", "Size", kind: .bytes, explanation: "Stored bytes, scales included."),
        ReportColumn("share", "Share", kind: .fraction(digits: 1), explanation: "Of the bytes of all tensors."),
        ReportColumn(
          "bits_per_weight", "Bits per weight", kind: .decimal(digits: 2), definition: "effective-bits"),
      ])
    for group in groups {
      table.append([
        .text(group.name), .integer(group.tensors), .integer(group.parameters), .bytes(UInt64(group.bytes)),
        .number(Double(group.bytes) / total),
        group.parameters == 0 ? .missing : .number(8 * Double(group.bytes) / Double(group.parameters)),
      ])
    }
    page.append(table)
  }
}
