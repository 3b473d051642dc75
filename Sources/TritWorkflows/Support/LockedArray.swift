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
}
