// Tritsmith: what storage types did to weights that are otherwise the same.

import TritCore
import TritReport

/// What storing a scale in another type did to it.
package struct ScaleRounding: Sendable, Hashable {
  /// The type it was rounded to.
  package var storage: DType
  /// |after − before| ÷ before: the largest among the tensor's scales.
  package var relative: Double
  /// Whether the tensor has a scale for each row or group, not one.
  package var isSpread = false

  package init(storage: DType, relative: Double, isSpread: Bool = false) {
    (self.storage, self.relative, self.isSpread) = (storage, relative, isSpread)
  }

  /// For people, with the change in millionths.
  package var phrase: String { "scale rounded to \(storage.rawValue), by \(ScaleRounding.parts(relative))" }

  /// A relative change in millionths.
  package static func parts(_ change: Double) -> String {
    let millionths = change * 1e6
    return millionths < 0.1 ? "less than 0.1 ppm" : NumberText.groupedFixed(millionths, digits: 1) + " ppm"
  }
}

/// The rounding of all tensors together: a proof that lets it pass says so in its verdict.
package struct WeightRounding: Sendable, Hashable {
  /// Tensors whose scale was rounded.
  package var scales = 0
  /// Of those, tensors with a scale for each row or group.
  package var spread = 0
  /// The largest relative change of a scale.
  package var largestScaleChange = 0.0
  /// Dense tensors with rounded values.
  package var tensors = 0
  package var values = RoundingReport()

  package init() {}

  package mutating func add(_ scale: ScaleRounding?, _ dense: RoundingReport?) {
    if let scale {
      scales += 1
      if scale.isSpread { spread += 1 }
      largestScaleChange = max(largestScaleChange, scale.relative)
    }
    if let dense, dense.changed > 0 {
      tensors += 1
      values.add(dense)
    }
  }

  package var isEmpty: Bool { scales == 0 && tensors == 0 }

  /// A few words for a line that says much else: "28 scales ±282.2 ppm, 2 tensors rounded". Of tensors with
  /// many scales the tensors are counted: "scales of 28 tensors ±282.2 ppm".
  package var words: String {
    var texts: [String] = []
    if scales > 0 {
      let noun = spread > 0 ? "tensor" : "scale"
      let count = (spread > 0 ? "scales of " : "") + plural(scales, noun)
      texts.append("\(count) ±\(ScaleRounding.parts(largestScaleChange))")
    }
    if tensors > 0 { texts.append("\(plural(tensors, "tensor")) rounded") }
    return texts.joined(separator: ", ")
  }

  /// For people, without a verb: "scales of 28 tensors (at most 282 ppm), values of 2 (13537 are 0 now)".
  package var phrase: String {
    var texts: [String] = []
    if scales > 0 {
      texts.append("scales of \(plural(scales, "tensor")) (at most \(ScaleRounding.parts(largestScaleChange)))")
    }
    if tensors > 0 {
      let zeros = values.vanished > 0 ? ", \(plural(values.vanished, "is", "are")) 0 now" : ""
      let trips = values.roundTripName.map { ", \(grouped(values.roundTripped)) by the GGUF round trip of \($0)" } ?? ""
      texts.append(
        "values of \(plural(tensors, "tensor")) (at most \(RoundingReport.text(values.largest))\(zeros)\(trips))")
    }
    return texts.joined(separator: ", ")
  }
}
