// Tritsmith: a conversion that leaves a certificate beside its output.

import TritConversion
import TritCore
import TritFormats

extension ConvertWorkflow {
  /// Converts and writes a certificate beside: both appear, or neither is begun.
  package func run(
    certificate path: String, announce: (ConversionPlan) -> Void = { _ in }
  ) throws -> ConversionResult {
    try OutputPlace.check(request)
    try RequestRecord.checkRecordable(request)
    try CertificatePlace.check(path, request)
    let place = try StagedOutput(.file, at: path, replacing: request.replaces)
    return try build(announce: announce) { staged in
      try SealedRecord.stage(Certificate(staged, work: work).bytes, in: place)
      try staged.writer.staging.commit()
      try place.commit()
      return staged.result
    }
  }
}

/// Where a certificate may stand.
enum CertificatePlace {
  /// Refuses a certificate in the input, in the output, or in the output's place.
  static func check(_ path: String, _ request: ConversionRequest, output: String? = nil) throws {
    let output = output ?? request.output
    guard let place = FileSystem.realTarget(path) else {
      throw TensorIOError(.parentMissing(FileSystem.parent(of: path)), path: path)
    }
    let input = FileSystem.realPath(request.input)
    for (name, folder) in [
      (request.input, input), (output, FileSystem.realTarget(output)),
      (output, FileSystem.realPath(output)),
    ] {
      guard let folder, FileSystem.isInside(place, of: folder) else { continue }
      throw RecordError(.inside(name), file: path)
    }
  }
}
