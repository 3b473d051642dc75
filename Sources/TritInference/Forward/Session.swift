// Tritsmith: one text going through a model.

import TritCore
import TritKernels
import TritModel

/// A context of a model: tokens in, logits out, with the keys and values of earlier tokens kept.
///
/// A session belongs to one thread at a time; any number of sessions may share a model. Logits do not depend on the
/// number of threads, nor on how a text is cut into calls; `longrope` past its original context is the exception, where
/// every call rotates by the length of the text as far as it is known then.
public final class Session {
  package let model: LanguageModel
  package let mode: ArithmeticMode
  package let engine: InferenceEngine
  /// Tokens this context can hold.
  package let capacity: Int
  /// Tokens it holds.
  package private(set) var position = 0

  private var cache: KeyValueCache
  /// What each delta net keeps; nil for layers with attention.
  private var states: [DeltaState?]
  /// Tokens that went in, where states cannot be taken back: they are made again from these.
  private var history: [Int] = []
  /// Whether states are those after `position` tokens.
  private var hasStates = true
  private let workspace: ForwardWorkspace
  private let frequencies: RotaryFrequencies
  private let textLength: Int

  /// Tokens that go through the layers together: enough to use each unpacked weight often, few enough to stay in
  /// cache.
  static let chunk = 128
  /// Rows of logits held at once.
  static let logitsBlock = 16

  /// - Parameters:
  ///   - model: the weights; any number of sessions may share them.
  ///   - mode: which arithmetic.
  ///   - textLength: tokens the text will have, where that is known before they come; `longrope` goes by it.
  ///   - engine: threads and kernels.
  ///   - contextCapacity: nil means the context the model was made for. Memory is taken as the text grows.
  /// - Throws: `ModelError` for a capacity below 1.
  package init(
    _ model: LanguageModel, mode: ArithmeticMode, contextCapacity: Int? = nil, textLength: Int = 0,
    engine: InferenceEngine
  ) throws(ModelError) {
    let configuration = model.configuration
    let capacity = contextCapacity ?? configuration.contextLength
    guard capacity >= 1 else {
      throw ModelError(.outOfRange(expected: "a context of 1 token or more", found: "\(capacity)"))
    }
    self.model = model
    self.mode = mode
    self.engine = engine
    self.capacity = capacity
    self.textLength = textLength
    cache = KeyValueCache(
      layers: model.layers.count, attending: model.layers.indices.filter { model.layers[$0].mixer.isAttention },
      capacity: capacity, shape: configuration.attention)
    states = Session.emptyStates(model)
    workspace = ForwardWorkspace()
    frequencies = configuration.rotary.frequencies(headDimension: configuration.rotaryDimension)
  }

  private static func emptyStates(_ model: LanguageModel) -> [DeltaState?] {
    model.layers.map { $0.mixer.isAttention ? nil : model.configuration.deltaNet.map { DeltaState($0) } }
  }

  private var isRecurrent: Bool { states.contains { $0 != nil } }

  /// Forgets everything.
  package func reset() {
    truncate(to: 0)
  }

  /// Forgets the tokens from `position` on. States of delta nets are made anew when they are needed.
  package func truncate(to position: Int) {
    let new = min(self.position, max(0, position))
    if new != self.position { hasStates = false }
    self.position = new
    if isRecurrent { history.removeLast(history.count - new) }
  }

  /// Brings the states of delta nets to where the context is.
  func restore() throws {
    guard isRecurrent, !hasStates else { return }
    let tokens = history
    states = Session.emptyStates(model)
    (position, history) = (0, [])
    do {
      for first in stride(from: 0, to: tokens.count, by: Session.chunk) {
        let ids = Array(tokens[first..<min(tokens.count, first + Session.chunk)])
        let chunk = try begin(ids, of: tokens.count, nil)
        for index in model.layers.indices { try run(layer: index, chunk) }
        advance(chunk)
      }
    } catch {
      (position, history) = (tokens.count, tokens)
      throw error
    }
    hasStates = true
  }

  /// Adds tokens and gives `each` the logits after each of them, or after the last one only.
  ///
  /// `each` gets the position of a token and the `[vocabulary]` logits of what follows it, in order; rows are valid
  /// during the call only, so a long text needs no memory for all of them. After an error the context is as it was.
  ///
  /// - Throws: `ModelError` for an empty prompt, an id outside the vocabulary, or more tokens than the context holds;
  ///   what the source, `observer` or `each` throw.
  package func prefill(
    _ ids: [Int], logits: LogitsSelection = .last, observer: (any ForwardObserver)? = nil,
    _ each: (Int, Span<Float>) throws -> Void
  ) throws {
    try check(ids)
    try restore()
    let start = position
    let length = start + ids.count
    do {
      var done = 0
      while done < ids.count {
        let chunk = Array(ids[done..<min(ids.count, done + Session.chunk)])
        done += chunk.count
        try forward(chunk, of: length, logits: logits, isEnd: done == ids.count, observer, each)
      }
    } catch {
      truncate(to: start)
      throw error
    }
  }

  /// Adds tokens and returns the `[vocabulary]` logits after the last one. After an error the context is as it was.
  ///
  /// - Throws: a `DiagnosticError`, `misuse`, for no ids, an id outside the vocabulary, or more tokens than the context
  ///   has room for.
  public func prefill(_ ids: [Int]) throws -> [Float] {
    var result: [Float] = []
    try prefill(ids, logits: .last) { _, row in result = engine.array(row) }
    return result
  }

  /// Adds tokens and returns the logits after each, `[ids.count, vocabulary]`. For short texts.
  package func logits(_ ids: [Int], observer: (any ForwardObserver)? = nil) throws -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(ids.count * model.configuration.vocabularySize)
    try prefill(ids, logits: .all, observer: observer) { _, row in result += engine.array(row) }
    return result
  }

  /// Adds one token and returns the `[vocabulary]` logits of what follows it; throws as `prefill` does.
  package func step(_ id: Int) throws -> [Float] {
    try prefill([id])
  }

  func check(_ ids: [Int]) throws(ModelError) {
    guard !ids.isEmpty else { throw ModelError(.emptyPrompt) }
    let vocabulary = model.configuration.vocabularySize
    for id in ids where id < 0 || id >= vocabulary {
      throw ModelError(.tokenOutOfRange(id: id, vocabulary: vocabulary))
    }
    guard ids.count <= capacity - position else {
      throw ModelError(.contextOverflow(capacity: capacity, needed: position + ids.count))
    }
  }

  private func forward(
    _ ids: [Int], of length: Int, logits: LogitsSelection, isEnd: Bool, _ observer: (any ForwardObserver)?,
    _ each: (Int, Span<Float>) throws -> Void
  ) throws {
    let chunk = try begin(ids, of: length, observer)
    for index in model.layers.indices { try run(layer: index, chunk) }
    let pass = chunk.pass
    try pass.finish()
    let wanted =
      switch logits {
      case .all: 0..<ids.count
      case .last: isEnd ? ids.count - 1..<ids.count : 0..<0
      }
    for first in stride(from: wanted.lowerBound, to: wanted.upperBound, by: Session.logitsBlock) {
      let rows = first..<min(wanted.upperBound, first + Session.logitsBlock)
      try pass.logits(rows)
      let width = model.configuration.vocabularySize
      let values = workspace.logits
      for row in rows {
        let start = (row - first) * width
        try each(position + row, values.span.extracting(start..<start + width))
      }
    }
    advance(chunk)
  }
}

// MARK: - Layer by layer

extension Session {
  /// Tokens on their way through the layers.
  struct Chunk {
    let pass: ForwardPass
    fileprivate let ids: [Int]
    fileprivate let cosines: [Float]
    fileprivate let sines: [Float]
  }

  /// Embeds tokens; every layer in order, `pass.finish()`, logits and `advance` follow.
  ///
  /// - Parameter length: of the text when the call that brings these tokens is done.
  func begin(_ ids: [Int], of length: Int, _ observer: (any ForwardObserver)?) throws -> Chunk {
    let pass = ForwardPass(
      model: model, mode: mode, engine: engine, space: workspace, start: position, count: ids.count,
      observer: observer)
    cache.prepare(for: ids.count, after: position)
    try pass.embed(ids)
    let (cosines, sines) = frequencies.angles(first: position, count: ids.count, of: max(length, textLength))
    return Chunk(pass: pass, ids: ids, cosines: cosines, sines: sines)
  }

  func run(layer index: Int, _ chunk: Chunk) throws {
    let layer = model.layers[index]
    switch layer.mixer {
    case .attention(let weights):
      try chunk.pass.attend(layer, weights, index, &cache, chunk.cosines, chunk.sines)
    case .deltaNet(let weights, let shape):
      // Until the chunk is done, states are neither those before nor those after it.
      hasStates = false
      var state = states[index] ?? DeltaState(shape)
      // One owner at a time: a state is changed where it is.
      states[index] = nil
      defer { states[index] = state }
      try chunk.pass.recur(layer, weights, index, shape, &state)
    }
    try chunk.pass.feedForward(layer, index)
  }

  /// Counts the tokens of a finished chunk as held.
  func advance(_ chunk: Chunk) {
    position = chunk.pass.start + chunk.pass.count
    guard isRecurrent else { return }
    history += chunk.ids
    hasStates = true
  }

  /// Logits of some tokens of a finished chunk, `[rows.count, vocabulary]`.
  func logits(_ rows: Range<Int>, of chunk: Chunk) throws -> [Float] {
    try chunk.pass.logits(rows)
    return workspace.logits
  }
}
