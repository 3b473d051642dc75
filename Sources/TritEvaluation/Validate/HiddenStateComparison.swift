// Tritsmith: where two models part.

import TritInference
import TritModel
import TritSurvey

/// How far a hidden state of Q is from that of P, number by number.
struct HiddenStateSums {
  let name: String
  private var largest = 0.0
  private var error = 0.0
  private var size = 0.0

  init(name: String) { self.name = name }

  mutating func add(_ expected: Float, _ found: Float) {
    let p = Double(expected)
    let difference = p - Double(found)
    // A state that is not a number must not look like a small difference.
    if !(abs(difference) <= largest) { largest = abs(difference) }
    error += difference * difference
    size += p * p
  }

  var agreement: HiddenStateAgreement {
    HiddenStateAgreement(
      name: name, maximumDifference: largest, relativeError: error == 0 ? 0 : (error / size).squareRoot())
  }
}

/// Compares the residual stream of one forward pass with that of another, chunk by chunk.
final class HiddenStateComparison: ForwardObserver {
  /// Sees P; holds one chunk.
  let reference = HiddenStateRecorder(where: HiddenStateRecorder.isResidual)
  private var sums: [HiddenStateSums] = []
  private var next = 0

  /// Starts the next chunk: after this P goes through the layers, then Q.
  func beginChunk() {
    reference.removeAll()
    next = 0
  }

  func observe(_ name: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws {
    guard HiddenStateRecorder.isResidual(name), next < reference.states.count else { return }
    let expected = reference.states[next].values
    if next == sums.count { sums.append(HiddenStateSums(name: name)) }
    for index in 0..<min(values.count, expected.count) { sums[next].add(expected[index], values[index]) }
    next += 1
  }

  var result: [HiddenStateAgreement] { sums.map(\.agreement) }
}
