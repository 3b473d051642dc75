// Tritsmith: results of bands.

import Synchronization

/// Results set from any thread, one a band, and read in order.
package final class LockedArray<Element: Sendable>: Sendable {
  private let elements: Mutex<[Element]>

  package init(count: Int, filler: Element) {
    elements = Mutex(Array(repeating: filler, count: count))
  }

  package func set(_ index: Int, _ element: Element) {
    elements.withLock { $0[index] = element }
  }

  package var all: [Element] { elements.withLock { $0 } }

  /// The results, of which nothing is kept here.
  package func take() -> [Element] {
    elements.withLock { elements in
      defer { elements = [] }
      return elements
    }
  }
}

extension Parallelism {
  /// Runs `body` once for every band, and gives its results in order.
  package func mapBands<Element: Sendable>(
    _ count: Int, _ body: @Sendable (Int) throws -> Element
  ) throws -> [Element] {
    let results = LockedArray<Element?>(count: count, filler: nil)
    try forEachBand(count) { results.set($0, try body($0)) }
    return results.take().compactMap { $0 }
  }
}
