// Tritsmith: two models compared step by step, each step from the same input.

import TritInference
import TritModel

/// Runs Q along P: every step of Q begins with what P has at that place, so no difference reaches the next step.
///
/// Rounding inputs to int8 turns a last-bit difference into a whole step, and later layers amplify it; from equal inputs
/// nothing is rounded otherwise. What is left is what the step itself does: its weights, its scale, its settings.
/// Holds the states of one layer of one chunk of tokens, and a number for each unit of every state.
final class StepComparison {
  private struct Sums {
    /// Σ (p − q)² and Σ (p − bias)² of each unit, over all tokens: a bias is stored whole, and where it takes away what
    /// the product gives, the product's own rounding would look large beside what is left.
    var error: [Double]
    var size: [Double]

    /// A unit that is nearly nothing beside the others is not divided by its own size.
    var divisors: [Double] {
      let least = 1e-6 * size.reduce(0, +) / Double(max(1, size.count))
      return size.map { max($0, least) }
    }

    /// The unit that is most of its bound off.
    func worst(_ bounds: UnitBounds) -> (unit: Int, error: Double) {
      let divisors = divisors
      var worst = (unit: 0, error: 0.0, share: 0.0)
      for unit in error.indices where error[unit] != 0 {
        let found = (error[unit] / divisors[unit]).squareRoot()
        let share = found / bounds[unit]
        // A unit that is not a number must not look like one that agrees.
        if !(share <= worst.share) { worst = (unit, found, share) }
        if share.isNaN { break }
      }
      if worst.share > 1, let suspect = bounds.suspect, error.indices.contains(suspect) {
        let found = (error[suspect] / divisors[suspect]).squareRoot()
        if found > bounds[suspect] { return (suspect, found) }
      }
      return (worst.unit, worst.error)
    }
  }

  /// Sees P.
  private(set) lazy var reference: any ForwardObserver = Recorder(owner: self)
  /// Sees Q, a layer behind P, and puts P's states in the place of Q's.
  private(set) lazy var model: any ForwardObserver = Corrector(owner: self)
  private var waiting: [String: [Float]] = [:]
  private var order: [String] = []
  private var sums: [String: Sums] = [:]
  private let bias: (String) -> [Float]?
  /// Steps that only one of the two has, or that are of another width in the other.
  private(set) var unmatched: [String] = []

  /// - Parameter bias: what P adds to the product a state is made of, for each unit; nil when nothing.
  init(bias: @escaping (String) -> [Float]? = { _ in nil }) { self.bias = bias }

  private final class Recorder: ForwardObserver {
    unowned let owner: StepComparison
    init(owner: StepComparison) { self.owner = owner }

    func observe(_ name: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws {
      owner.waiting[name] = values.withUnsafeBufferPointer { Array($0) }
    }
  }

  private final class Corrector: ForwardCorrector {
    unowned let owner: StepComparison
    init(owner: StepComparison) { self.owner = owner }

    func observe(_ name: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws {}

    func correct(_ name: String, tokens: Range<Int>, width: Int, _ values: inout [Float]) throws {
      let count = tokens.count * width
      guard let expected = owner.waiting.removeValue(forKey: name), expected.count == count else {
        return owner.note(unmatched: name)
      }
      owner.add(name, width: width, expected[...], values[..<count])
      values.replaceSubrange(0..<count, with: expected)
    }
  }

  /// Adds rows of logits, which no observer sees.
  func add(_ rows: LockStep.LogitRows) {
    let count = rows.count * rows.vocabulary
    add("logits", width: rows.vocabulary, rows.reference[..<count], rows.candidate[..<count])
  }

  /// Call after each chunk: what P has and Q did not ask for is a step that Q lacks.
  func finishChunk() {
    for name in waiting.keys.sorted() { note(unmatched: name) }
    waiting = [:]
  }

  private func note(unmatched name: String) {
    if !unmatched.contains(name) { unmatched.append(name) }
  }

  private func add(_ name: String, width: Int, _ expected: ArraySlice<Float>, _ found: ArraySlice<Float>) {
    if sums[name] == nil { order.append(name) }
    let zeros = [Double](repeating: 0, count: width)
    // Taken out while it grows: a copy for each call would cost more than the sums.
    var total = sums.removeValue(forKey: name) ?? Sums(error: zeros, size: zeros)
    let bias = bias(name)
    var unit = 0
    for (p, q) in zip(expected, found) {
      let difference = Double(p) - Double(q)
      let product = Double(p) - Double(bias?[unit] ?? 0)
      total.error[unit] += difference * difference
      total.size[unit] += product * product
      unit += 1
      if unit == width { unit = 0 }
    }
    sums[name] = total
  }

  /// In the order of the forward pass.
  var names: [String] { order }

  /// Steps whose worst unit is off by more than a bound.
  func steps(above bound: Double) -> [String] {
    order.filter { name in sums[name].map { $0.worst(UnitBounds(bound)).error > bound } ?? false }
  }

  /// Steps in the order of the forward pass, each with the bounds `bounds` has for its name and Σ p² of its units.
  func result(_ bounds: (String, [Double]) -> UnitBounds) -> [StepAgreement] {
    order.compactMap { name in
      guard let sums = sums[name] else { return nil }
      let bounds = bounds(name, sums.divisors)
      let worst = sums.worst(bounds)
      return StepAgreement(name: name, unit: worst.unit, relativeError: worst.error, bound: bounds[worst.unit])
    }
  }
}

/// How far a step of Q is from that of P when both begin with P's input.
package struct StepAgreement: Sendable, Hashable {
  /// As `ForwardObserver` names the state it ends in, or `logits`.
  package var name: String
  /// The unit (row of a weight) that is furthest off.
  package var unit: Int
  /// Of that unit, over all tokens: root of Σ (p − q)² / Σ (p − bias)².
  package var relativeError: Double
  /// The largest that passes; it follows the types that weights are stored in.
  package var bound: Double
  /// How the scales of its matrix differ, where they do, for people.
  package var scaleDifference: String?
  /// The first row of its weights with numbers that are others, whether or not the text reaches them.
  package var strangeRow: Int?
  /// How its settings differ, where they do, whether or not the text shows it, for people.
  package var otherSetting: String?

  /// How its blocks are not what the other side's numbers make, where they are not, for people.
  package var otherBlocks: String?

  private var hasOtherNumbers: Bool { strangeRow != nil || otherSetting != nil || otherBlocks != nil }

  package var passed: Bool { relativeError <= bound && !hasOtherNumbers }

  /// Whether it is right on this text, which does not show the numbers that are others.
  var isWrongElsewhere: Bool { relativeError <= bound && hasOtherNumbers && otherBlocks == nil }

  /// Takes note of what holding its numbers against each other found.
  ///
  /// - Parameters:
  ///   - matrix: how its numbers are apart; nil where they were not compared.
  ///   - isAlwaysRead: whether a text may hide that its numbers are others.
  mutating func note(_ matrix: MatrixRounding?, isAlwaysRead: Bool, _ bounds: StepBounds) {
    if isAlwaysRead, matrix?.blocks == nil { strangeRow = matrix?.strangeRow }
    if case .other(let text) = matrix?.blocks { otherBlocks = text }
    if !passed { scaleDifference = bounds.scales[name]?.difference ?? matrix?.scales?.difference }
  }

  /// The state without its block: `self_attn.q_proj`.
  package var step: String {
    guard name.hasPrefix("block"), let dot = name.firstIndex(of: ".") else {
      return name.hasPrefix("block") ? "block" : name
    }
    return String(name[name.index(after: dot)...])
  }
}
