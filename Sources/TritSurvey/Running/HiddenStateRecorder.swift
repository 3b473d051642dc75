// Tritsmith: keeping hidden states.

import TritInference
import TritModel

/// Keeps hidden states of a forward pass, chunks joined, in order of first sight.
package final class HiddenStateRecorder: ForwardObserver {
  package struct State {
    package var name: String
    package var width: Int
    package var values: [Float]
  }

  package private(set) var states: [State] = []
  private var places: [String: Int] = [:]
  private let isWanted: (String) -> Bool

  package init(where isWanted: @escaping (String) -> Bool) {
    self.isWanted = isWanted
  }

  package func observe(_ name: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws {
    guard isWanted(name) else { return }
    let place = places[name] ?? states.count
    if place == states.count {
      places[name] = place
      states.append(State(name: name, width: width, values: []))
    }
    values.withUnsafeBufferPointer { states[place].values.append(contentsOf: $0) }
  }

  package func removeAll() {
    states = []
    places = [:]
  }

  /// The residual stream: `embed`, `block<i>`, `final_norm`.
  package static func isResidual(_ name: String) -> Bool {
    name == "embed" || name == "final_norm" || !name.contains(".")
  }

  /// What reference files hold: the residual stream, and every state inside some of the blocks.
  package static func isInReferences(_ name: String, insideOf blocks: [Int]) -> Bool {
    isResidual(name) || blocks.contains { name.hasPrefix("block\($0).") }
  }
}
