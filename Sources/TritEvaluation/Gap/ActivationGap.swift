// Tritsmith: hidden states of two models compared while they are computed.

import TritInference
import TritModel
import TritSurvey

/// Compares hidden states of two models that go through a text in lock-step; holds the states of one layer at most.
final class ActivationGap {
  private struct Sums {
    var largest = 0.0
    var error = 0.0
    var reference = 0.0
    var candidate = 0.0
    var product = 0.0
    var count = 0
  }

  /// Sees P.
  private(set) lazy var reference: any ForwardObserver = Recorder(owner: self)
  /// Sees Q, a layer behind P.
  private(set) lazy var candidate: any ForwardObserver = Comparer(owner: self)
  /// States of P that Q has not reached.
  private var waiting: [String: [Float]] = [:]
  private var order: [String] = []
  private var sums: [String: Sums] = [:]

  /// The residual stream, and what sub-blocks add to it.
  static func isCompared(_ name: String) -> Bool {
    HiddenStateRecorder.isResidual(name) || name.hasSuffix(".self_attn") || name.hasSuffix(".mlp")
  }

  private final class Recorder: ForwardObserver {
    unowned let owner: ActivationGap
    init(owner: ActivationGap) { self.owner = owner }

    func observe(_ name: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws {
      guard ActivationGap.isCompared(name) else { return }
      owner.waiting[name] = values.withUnsafeBufferPointer { Array($0) }
    }
  }

  private final class Comparer: ForwardObserver {
    unowned let owner: ActivationGap
    init(owner: ActivationGap) { self.owner = owner }

    func observe(_ name: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws {
      guard let expected = owner.waiting.removeValue(forKey: name), expected.count == values.count else { return }
      owner.add(name, expected, values)
    }
  }

  private func add(_ name: String, _ expected: [Float], _ values: Span<Float>) {
    if sums[name] == nil { order.append(name) }
    var total = sums[name, default: Sums()]
    var (error, reference, candidate, product) = (0.0, 0.0, 0.0, 0.0)
    for index in expected.indices {
      let (p, q) = (Double(expected[index]), Double(values[index]))
      let difference = p - q
      // A state that is not a number must not look like a small difference.
      if !(abs(difference) <= total.largest) { total.largest = abs(difference) }
      error += difference * difference
      reference += p * p
      candidate += q * q
      product += p * q
    }
    total.error += error
    total.reference += reference
    total.candidate += candidate
    total.product += product
    total.count += expected.count
    sums[name] = total
  }

  var result: [LayerGap] {
    order.map { name in
      let sums = sums[name, default: Sums()]
      let (layer, part) = ActivationGap.place(of: name)
      let isEqual = sums.error == 0
      return LayerGap(
        name: name, layer: layer, part: part,
        relativeError: isEqual ? 0 : (sums.error / sums.reference).squareRoot(),
        cosine: sums.reference > 0 && sums.candidate > 0
          ? sums.product / (sums.reference * sums.candidate).squareRoot() : nil,
        sqnr: isEqual || sums.reference == 0 ? nil : 10 * Logarithm.base10(sums.reference / sums.error),
        maximumDifference: sums.largest, rms: (sums.reference / Double(max(1, sums.count))).squareRoot())
    }
  }

  /// `block3.mlp` is layer 3, part `mlp`.
  private static func place(of name: String) -> (Int?, String) {
    guard name.hasPrefix("block") else { return (nil, name) }
    let parts = name.dropFirst(5).split(separator: ".", maxSplits: 1)
    guard let first = parts.first, let layer = Int(first) else { return (nil, name) }
    return (layer, parts.count == 1 ? "block" : String(parts[1]))
  }
}
