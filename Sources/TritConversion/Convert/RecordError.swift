// Tritsmith: records that cannot be used.

import TritCore
import TritSurvey

/// A record this program wrote, or should have written, cannot be used.
package typealias RecordError = Diagnostic<RecordErrorKind>

package enum RecordErrorKind: DiagnosticKind {
  case unknown(JSONValue?)
  case notJSON(JSONError)
  case wrongSchema(expected: String, found: String?)
  case missing
  case otherVersion(made: String)
  case damaged(String)
  case noRecipe
  case calibrated
  case inside(String)
  /// No source was given, and none stands beside the certificate.
  case noSource(certificate: String)

  package var summary: String {
    switch self {
    case .unknown(let value):
      "expected what this version writes, found \(value.map { printable(RecordErrorKind.text($0), limit: 60) } ?? "nothing")"
    case .notJSON(let error): "expected JSON: \(error)"
    case .wrongSchema(let expected, let found):
      "expected schema \(expected), found \(found.map { "'" + printable($0) + "'" } ?? "none")"
    case .missing: "is missing or of another type"
    case .otherVersion(let made): "it was made by '\(printable(made))', this is \(Product.generator)"
    case .damaged(let detail): "it is not as it was written: \(detail)"
    case .noRecipe: "the model records no conversion by this program"
    case .calibrated: "the conversion depends on a calibration text, which no certificate or plan carries"
    case .inside(let model): "would stand in '\(printable(model))', a model of this conversion"
    case .noSource: "expected the source of the conversion beside its certificate, found nothing"
    }
  }

  package var remedy: String? {
    switch self {
    case .otherVersion: "use that version: another one may write other bytes"
    case .damaged: "fetch it again, or make a new one"
    case .noRecipe: "convert with --certificate, which writes both"
    case .calibrated:
      "convert without --certificate, --plan and --resume; 'tritsmith verify' with --calibration repeats the fit"
    case .inside: "write it beside the model: files in a model's folder are part of it"
    case .noSource(let certificate):
      "say where both stand: 'tritsmith certify SOURCE OUTPUT --check \(printable(certificate))'"
    case .unknown, .notJSON, .wrongSchema, .missing:
      "name a file that this program wrote, such as that of --certificate or --plan"
    }
  }

  package var category: ErrorCategory {
    switch self {
    case .damaged, .otherVersion: .checkFailed
    case .inside, .calibrated: .misuse
    case .noSource: .cannotOpen
    default: .malformedInput
    }
  }

  private static func text(_ value: JSONValue) -> String { String(decoding: value.serialized(), as: UTF8.self) }
}
