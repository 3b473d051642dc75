// Tritsmith: an output that is built and not yet in place.

import TritCore
import TritFormats
import TritSurvey
import TritVerification

/// An output that is complete and audited under its temporary name.
package struct StagedConversion {
  package var plan: ConversionPlan
  package var source: any TensorSource
  package var writer: OutputWriter
  package var audit: VerifyResult
  var recognised: [String]
  var rounded: [(name: String, report: RoundingReport)]
  var findings: [CheckFinding]
  var start: Double

  /// Sizes are read where the output stands after it was put in place.
  package var result: ConversionResult {
    ConversionResult(
      plan: plan, recognised: recognised, audit: audit, rounded: rounded, findings: findings,
      writtenBytes: writer.writtenBytes,
      seconds: Platform.monotonicSeconds - start)
  }
}

extension ConvertWorkflow {
  /// Does everything but put the output in place.
  package func rehearse<Result>(_ body: (StagedConversion) throws -> Result) throws -> Result {
    try OutputPlace.check(request)
    return try build(rehearsal: true, conclude: body)
  }
}
