// Tritsmith tests: how a text is cut for a perplexity.

import Testing

@testable import TritInference

@Suite("Windows of a perplexity")
struct PerplexityWindowTests {
  static let ids = Array(10..<19)

  private func windows(_ count: Int, bos: Int?, _ scoring: PerplexityProtocol) throws -> [PerplexityWindow] {
    try PerplexityWindow.windows(of: Array(PerplexityWindowTests.ids.prefix(count)), bos: bos, scoring)
  }

  @Test("after BOS every token is scored once, in the same windows")
  func begin() throws {
    #expect(
      try windows(9, bos: 1, .chunked(window: 5)) == [
        PerplexityWindow(ids: [1, 10, 11, 12, 13], firstScored: 1),
        PerplexityWindow(ids: [1, 14, 15, 16, 17], firstScored: 1), PerplexityWindow(ids: [1, 18], firstScored: 1),
      ])
    #expect(
      try windows(6, bos: 1, .sliding(window: 4, stride: 2)) == [
        PerplexityWindow(ids: [1, 10, 11, 12], firstScored: 1),
        PerplexityWindow(ids: [11, 12, 13, 14], firstScored: 2),
        PerplexityWindow(ids: [13, 14, 15], firstScored: 2),
      ])
  }

  @Test("without BOS windows hold the text alone, and no window is of one token")
  func none() throws {
    #expect(
      try windows(9, bos: nil, .chunked(window: 4)) == [
        PerplexityWindow(ids: [10, 11, 12, 13], firstScored: 1),
        PerplexityWindow(ids: [14, 15, 16, 17], firstScored: 1),
      ])
    #expect(
      try windows(6, bos: nil, .sliding(window: 4, stride: 2)) == [
        PerplexityWindow(ids: [10, 11, 12, 13], firstScored: 1),
        PerplexityWindow(ids: [12, 13, 14, 15], firstScored: 2),
      ])
    #expect(try windows(1, bos: nil, .chunked(window: 4)).isEmpty)
    #expect(try windows(1, bos: nil, .sliding(window: 4, stride: 2)).isEmpty)
  }

  @Test("a number of scored tokens takes those in front of them too", arguments: [1, nil])
  func limit(_ bos: Int?) throws {
    for scoring in [PerplexityProtocol.chunked(window: 4), .sliding(window: 4, stride: 2)] {
      for count in 0...6 {
        let taken = scoring.tokens(toScore: count, hasBOS: bos != nil)
        let scored = try windows(taken, bos: bos, scoring).reduce(0) { $0 + $1.ids.count - $1.firstScored }
        #expect(scored == count, "\(scoring.name): \(taken) tokens")
      }
    }
  }
}
