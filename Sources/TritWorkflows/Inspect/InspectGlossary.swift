import TritReport

enum InspectGlossary {
  static let definitions: [ReportDefinition] = [
    ReportDefinition(id: "latent-weight", term: "Latent weight", text: "x")
  ]
}
