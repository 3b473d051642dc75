// Tritsmith: results of bands, in order.

import Testing
import TritCore

@Suite struct LockedArrayTests {
  @Test(arguments: [1, 2, 8])
  func resultsAreInTheOrderOfBands(_ threads: Int) throws {
    let work = Parallelism(threads: threads)
    #expect(try work.mapBands(1000) { $0 * $0 } == (0..<1000).map { $0 * $0 })
    // Of optional results none is left out.
    #expect(try work.mapBands(5) { $0 % 2 == 0 ? $0 : nil } == [0, nil, 2, nil, 4])
    #expect(try work.mapBands(0) { $0 } == [])
  }

  @Test func anErrorIsThatOfABand() {
    #expect(throws: CancellationFailure.self) {
      try Parallelism(threads: 2).mapBands(10) { band in
        if band == 7 { throw CancellationFailure() }
        return band
      }
    }
  }

  @Test func whatIsTakenIsGone() {
    let array = LockedArray(count: 3, filler: 0)
    array.set(1, 5)
    #expect(array.all == [0, 5, 0])
    #expect(array.take() == [0, 5, 0] && array.all.isEmpty)
  }
}
