// Tritsmith: the scales of two models, of all matrices together.

import TritCore
import TritSurvey

extension CompareWorkflow {
  /// Fewer matrices do not tell what was done to all of them.
  private static let leastMatrices = 8

  /// Takes back what rounding explains of few matrices, where those that are stored alike are equal: one conversion makes
  /// all of them.
  static func doubt(_ scales: [Int: ScaleAgreement], _ tensors: inout [ComparedTensor]) {
    let forms = Dictionary(grouping: scales.keys.sorted()) { form(tensors[$0]) }
    for places in forms.values where places.count >= leastMatrices {
      let agreements = places.compactMap { scales[$0] }
      guard 2 * agreements.count(where: { $0.rounding == nil }) > places.count else { continue }
      for index in ScaleCertainty.doubtful(agreements.map(\.certainty)) where agreements[index].rounding != nil {
        var agreement = agreements[index]
        agreement.doubt()
        let place = places[index]
        tensors[place].outcome = .different
        tensors[place].scaleRounding = nil
        tensors[place].detail = "codes equal, scales differ: " + (agreement.difference ?? "")
      }
    }
  }

  /// How both sides store a matrix.
  private static func form(_ tensor: ComparedTensor) -> [String] {
    let scales = [tensor.firstScale, tensor.secondScale].map { scale in
      scale.map { "\($0.storage.rawValue) \($0.convention.rawValue)" } ?? ""
    }
    return [tensor.firstEncoding, tensor.secondEncoding] + scales
  }
}
