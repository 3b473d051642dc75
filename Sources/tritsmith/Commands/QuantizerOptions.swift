// Tritsmith: options that name a quantizer.

import CommandLineKit
import TritQuantizers
import TritSurvey

/// A quantizer of the registry.
struct QuantizerName: ExpressibleByArgument {
  let id: QuantizerID

  init?(argument: String) {
    let id = QuantizerID(rawValue: argument.lowercased())
    guard QuantizerRegistry.quantizer(id) != nil else { return nil }
    self.id = id
  }

  var argumentDescription: String { id.rawValue }
  static var valueName: String? { "name" }
  static var allowedArguments: [String] { QuantizerRegistry.all.map(\.id.rawValue) }
  static var argumentExpectation: String { "one of " + allowedArguments.joined(separator: ", ") }
}

/// The quantizer and the text it looks at.
struct QuantizerArguments: ParsableArguments {
  @Option(help: "Quantizer; the default is the family's own arithmetic.")
  var quantizer: QuantizerName?

  @Option(help: ArgumentHelp("A text for quantizers that look at activations.", valueName: "file"), completion: .file())
  var calibration: String?

  @Option(help: ArgumentHelp("Tokens of it that are used; 8192 by default.", valueName: "count"))
  var calibrationTokens: Int?

  func validate() throws {
    if let calibrationTokens, calibrationTokens < 256 {
      throw ValidationError("--calibration-tokens must be 256 or more, not \(calibrationTokens)")
    }
    if calibrationTokens != nil, calibration == nil {
      throw ValidationError("--calibration-tokens goes with --calibration")
    }
  }

  var request: CalibrationRequest? {
    calibration.map { CalibrationRequest(text: $0, tokens: calibrationTokens ?? 8192) }
  }
}
