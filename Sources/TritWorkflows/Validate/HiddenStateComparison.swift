// Tritsmith: where two models part.

import TritModel

/// Compares the residual stream of one forward pass with that of another, chunk by chunk.
final class HiddenStateComparison: ForwardObserver {
  private struct Sums {
    var name: String
    var largest = 0.0
    var error = 0.0
    var size = 0.0
  }

  /// Sees P; holds one chunk.
  let reference = HiddenStateRecorder(where: HiddenStateRecorder.isResidual)
  private var sums: [Sums] = []
  private var next = 0

  /// Starts the next chunk: after this P goes through the layers, then Q.
  func beginChunk() {
    reference.removeAll()
    next = 0
  }

  func observe(_ name: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws {
    guard HiddenStateRecorder.isResidual(name), next < reference.states.count else { return }
    let expected = reference.states[next].values
    if next == sums.count { sums.append(Sums(name: name)) }
    for index in 0..<min(values.count, expected.count) {
      let p = Double(expected[index])
      let difference = p - Double(values[index])
      // A state that is not a number must not look like a small difference.
      if !(abs(difference) <= sums[next].largest) { sums[next].largest = abs(difference) }
      sums[next].error += difference * difference
      sums[next].size += p * p
    }
    next += 1
  }

  var result: [HiddenStateAgreement] {
    sums.map { sums in
      HiddenStateAgreement(
        name: sums.name, maximumDifference: sums.largest,
        relativeError: sums.error == 0 ? 0 : (sums.error / sums.size).squareRoot())
    }
  }
}
