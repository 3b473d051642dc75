// Tritsmith tests: contexts that grow, are cut back, and refuse.

import Testing
import TritCore
import TritKernels
import TritModel
import TritTestSupport

@testable import TritInference

@Suite("Sessions")
struct SessionTests {
  static let falcon = Fixtures.checkpoint("falcon-e-tiny/bitnet")
  /// More than one chunk of the forward pass.
  static let ids = (0..<150).map { ($0 * 37 + 11) % 2048 }

  @Test("logits do not depend on how a text is cut, nor on threads or kernels", arguments: ArithmeticMode.allCases)
  func invariance(_ mode: ArithmeticMode) throws {
    let loaded = try LoadedModel(Self.falcon)
    let whole = try loaded.session(mode).logits(Self.ids).suffix(2048).map(\.bitPattern)
    for size in [1, 7, 64, 149] {
      let session = try loaded.session(mode)
      var last: [Float] = []
      for start in stride(from: 0, to: Self.ids.count, by: size) {
        last = try session.prefill(Array(Self.ids[start..<min(Self.ids.count, start + size)]))
      }
      #expect(last.map(\.bitPattern) == whole, "pieces of \(size)")
      #expect(session.position == Self.ids.count)
    }
    for name in InferenceEngine.kernelNames {
      for threads in [1, 2, 3, 8] where name != "scalar" || threads == 3 {
        let engine = try #require(InferenceEngine(threads: threads, kernelsNamed: name))
        let session = try Session(loaded.model, mode: mode, engine: engine)
        #expect(try session.prefill(Self.ids).map(\.bitPattern) == whole, "\(name), \(threads) threads")
      }
    }
  }

  @Test("a context filled to its last place, and not further")
  func capacity() throws {
    let loaded = try LoadedModel(Self.falcon)
    let session = try Session(loaded.model, mode: .fast, contextCapacity: 5, engine: loaded.engine)
    #expect(throws: ModelError(.contextOverflow(capacity: 5, needed: 6))) { try session.prefill([1, 2, 3, 4, 5, 6]) }
    #expect(session.position == 0)
    let first = try session.prefill([1, 2, 3, 4, 5])
    #expect(throws: ModelError(.contextOverflow(capacity: 5, needed: 6))) { try session.step(1) }
    #expect(session.position == 5)
    session.truncate(to: 4)
    #expect(try session.step(5) == first)
    session.truncate(to: 99)
    #expect(session.position == 5)
    session.reset()
    #expect(session.position == 0)
    #expect(try session.prefill([1, 2, 3, 4, 5]) == first)
    #expect(throws: (any Error).self) {
      try Session(loaded.model, mode: .fast, contextCapacity: 0, engine: loaded.engine)
    }
  }

  @Test("ids that are none leave the context as it was")
  func refusals() throws {
    let loaded = try LoadedModel(Self.falcon)
    let session = try loaded.session(.fast)
    let first = try session.prefill([1, 2, 3])
    #expect(throws: ModelError(.emptyPrompt)) { try session.prefill([]) }
    for id in [-1, 2048, Int.max, Int.min] {
      #expect(throws: ModelError(.tokenOutOfRange(id: id, vocabulary: 2048))) { try session.prefill([4, id]) }
    }
    #expect(session.position == 3)
    session.truncate(to: 2)
    #expect(try session.step(3) == first)
  }

  @Test("an error of the caller's in the middle of a text undoes all of it")
  func interruption() throws {
    struct Stop: Error {}
    let loaded = try LoadedModel(Self.falcon)
    let session = try loaded.session(.fast)
    let next = try session.prefill([1, 2])
    #expect(throws: Stop.self) {
      try session.prefill(Self.ids, logits: .all) { position, _ in if position == 140 { throw Stop() } }
    }
    #expect(session.position == 2)
    session.truncate(to: 1)
    #expect(try session.step(2) == next)
  }

  @Test("the best token, and sampling from it")
  func sampler() throws {
    var greedy = try Sampler(.greedy)
    #expect(try greedy.next([1, 3, 3, 2]) == 1)
    #expect(try greedy.next([.nan, -1, .nan]) == 1)
    #expect(throws: ModelError(.noFiniteLogit)) { try greedy.next([.nan, -.infinity]) }
    for method in [
      SamplingMethod.nucleus(temperature: 0, topP: 1), .nucleus(temperature: .nan, topP: 1),
      .nucleus(temperature: 1, topP: 0), .nucleus(temperature: 1, topP: 1.5),
    ] {
      #expect(throws: ModelError.self) { try Sampler(method) }
    }
    // Probabilities 0.5, 0.3, 0.2: a cut at 0.6 keeps the first two, at 0.5 the first.
    let logits: [Float] = [0.5, 0.3, 0.2].map { Float(logarithm($0)) }
    func counts(_ topP: Double) throws -> [Int] {
      var sampler = try Sampler(.nucleus(temperature: 1, topP: topP), seed: 3)
      var counts = [0, 0, 0]
      for _ in 0..<10000 { counts[try sampler.next(logits)] += 1 }
      return counts
    }
    // Four standard deviations of 10,000 draws are 200.
    let all = try counts(1)
    for (count, expected) in zip(all, [5000, 3000, 2000]) { #expect(abs(count - expected) < 200) }
    let two = try counts(0.6)
    #expect(two[2] == 0 && abs(two[0] - 6250) < 200)
    #expect(try counts(0.5) == [10000, 0, 0])
    #expect(try counts(0.0001) == [10000, 0, 0])
  }

  /// log by Newton's steps on exp, which is the one function the module has.
  private func logarithm(_ x: Double) -> Double {
    var y = 0.0
    for _ in 0..<60 { y -= 1 - x / exponential(y) }
    return y
  }
}
