// Tritsmith: two models going through one text side by side.

import TritCore
import TritModel

/// Runs two models over the same tokens, a layer of one and then the same layer of the other.
///
/// Whoever compares hidden states needs to hold those of one layer only, and logits come in small blocks of rows: no
/// state of a whole text is ever kept.
package struct LockStep {
  /// Logits of both models after some tokens, in order.
  package struct LogitRows: Sendable {
    /// Position in the context of the first row's token.
    package var first: Int
    package var count: Int
    package var vocabulary: Int
    /// `[count, vocabulary]`; there may be more behind.
    package var reference: [Float]
    package var candidate: [Float]

    package init(first: Int, count: Int, vocabulary: Int, reference: [Float], candidate: [Float]) {
      (self.first, self.count, self.vocabulary) = (first, count, vocabulary)
      (self.reference, self.candidate) = (reference, candidate)
    }
  }

  package let reference: Session
  package let candidate: Session

  package init(reference: Session, candidate: Session) {
    self.reference = reference
    self.candidate = candidate
  }

  /// Forgets everything.
  package func reset() {
    reference.reset()
    candidate.reset()
  }

  /// Adds tokens to both contexts and gives `each` the logits after each of them.
  ///
  /// With observers, states of one layer come from the reference and then from the candidate, and so on. When one model
  /// has more layers, it goes through the rest alone. After an error both contexts are as they were.
  ///
  /// - Throws: as `Session.prefill`; `ModelError` when the vocabularies differ.
  package func prefill(
    _ ids: [Int], observers: (reference: any ForwardObserver, candidate: any ForwardObserver)? = nil,
    _ each: (LogitRows) throws -> Void
  ) throws {
    try reference.check(ids)
    try candidate.check(ids)
    let vocabulary = reference.model.configuration.vocabularySize
    guard candidate.model.configuration.vocabularySize == vocabulary else {
      throw ModelError(
        .contradiction(
          expected: "a vocabulary of \(vocabulary) in both models",
          found: "\(candidate.model.configuration.vocabularySize)"))
    }
    try reference.restore()
    try candidate.restore()
    let start = (reference.position, candidate.position)
    do {
      for first in stride(from: 0, to: ids.count, by: Session.chunk) {
        let chunk = Array(ids[first..<min(ids.count, first + Session.chunk)])
        try forward(chunk, (start.0 + ids.count, start.1 + ids.count), vocabulary, observers, each)
      }
    } catch {
      reference.truncate(to: start.0)
      candidate.truncate(to: start.1)
      throw error
    }
  }

  private func forward(
    _ ids: [Int], _ lengths: (Int, Int), _ vocabulary: Int,
    _ observers: (reference: any ForwardObserver, candidate: any ForwardObserver)?, _ each: (LogitRows) throws -> Void
  ) throws {
    let left = try reference.begin(ids, of: lengths.0, observers?.reference)
    let right = try candidate.begin(ids, of: lengths.1, observers?.candidate)
    let (leftLayers, rightLayers) = (reference.model.layers.count, candidate.model.layers.count)
    for index in 0..<max(leftLayers, rightLayers) {
      if index < leftLayers { try reference.run(layer: index, left) }
      if index < rightLayers { try candidate.run(layer: index, right) }
    }
    try left.pass.finish()
    try right.pass.finish()
    for first in stride(from: 0, to: ids.count, by: Session.logitsBlock) {
      let rows = first..<min(ids.count, first + Session.logitsBlock)
      try each(
        LogitRows(
          first: left.pass.start + first, count: rows.count, vocabulary: vocabulary,
          reference: try reference.logits(rows, of: left), candidate: try candidate.logits(rows, of: right)))
    }
    reference.advance(left)
    candidate.advance(right)
  }
}
