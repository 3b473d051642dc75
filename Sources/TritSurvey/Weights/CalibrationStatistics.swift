// Tritsmith: what projections are multiplied with, from a forward pass of our own.

import Synchronization
import TritCore
import TritFormats
import TritInference
import TritKernels
import TritModel
import TritQuantizers
import TritTokenizer

/// Which text error-compensated rounding looks at.
package struct CalibrationRequest: Sendable, Hashable {
  /// A file of UTF-8 text.
  package var text: String
  /// Tokens used, from the beginning of the text.
  package var tokens: Int
  /// Tokens of a piece, its BOS included when there is one; every piece is run on its own.
  package var window: Int

  /// A text of which activations are gathered.
  ///
  /// - Parameters:
  ///   - text: path of a UTF-8 file.
  ///   - tokens: how many of its tokens are used, from the beginning.
  ///   - window: tokens of a piece, its BOS included; every piece is run on its own.
  package init(text: String, tokens: Int = 8192, window: Int = 256) {
    self.text = text
    self.tokens = tokens
    self.window = window
  }
}

/// Second moments of the inputs of every projection of the unconverted model, made when they are asked for.
///
/// The matrices of as many layers as fit in `budget` bytes (one at least) are gathered in one run of the whole model over
/// the text; asking for another layer drops them and runs the model again. Ask in order of layers.
package final class CalibrationStatistics: Sendable {
  static let budget = 1 << 30
  /// The matrices of one layer may take this much: those of the widest models take 10 GB.
  static let limit = 1 << 36

  private let runnable: RunnableModel
  private let pieces: [[Int]]
  private let groups: [Range<Int>]
  private let work: WorkOptions
  private let cache = Mutex<(group: Int, grams: [String: InputGram])?>(nil)
  /// SHA-256 of the token ids as 32-bit numbers, and how many there are.
  package let digest: Digest
  let tokens: Int

  package init(
    _ path: String, _ open: OpenOptions, _ request: CalibrationRequest, work: WorkOptions,
    budget: Int = CalibrationStatistics.budget
  ) throws {
    self.work = work
    let engine = try InferenceEngine(threads: work.parallelism.threads)
    // Mapped, if that was asked for: the guard against files that shrink is then in place. Otherwise weights are read
    // into memory once.
    let runnable = try RunnableModel(
      ModelOpener.open(path, open, hasCompanions: true), RunOptions(mode: .reference, open: open), engine: engine)
    self.runnable = runnable
    let tokenizer = try Tokenizer(of: runnable.source)
    let begin = tokenizer.bosTokenID.map { [$0] } ?? []
    let text = try TokenInput.text(at: request.text)
    let ids = Array(
      try tokenizer.encode(fileAt: request.text, text, addSpecialTokens: false).prefix(max(0, request.tokens)))
    guard ids.count >= 256 else { throw QuantizerError(.calibrationTooShort(tokens: ids.count), file: request.text) }
    let context = runnable.model.configuration.contextLength
    let window = min(request.window, context)
    // One token and one that depends on it; BOS is the first, when there is one.
    guard window >= 2 else { throw QuantizerError(.calibrationContext(min(request.window, context)), file: path) }
    let step = window - begin.count
    pieces = stride(from: 0, to: ids.count, by: step).map { begin + ids[$0..<min(ids.count, $0 + step)] }
    tokens = ids.count
    let hash = SHA256()
    hash.update(ids.flatMap { littleEndianBytes(UInt32(truncatingIfNeeded: $0)) })
    digest = hash.finalize()
    let widths = CalibrationStatistics.widths(runnable.model.configuration)
    guard let layer = InputGram.byteCount(widths: widths), layer <= CalibrationStatistics.limit else {
      throw QuantizerError(
        .calibrationTooWide(width: widths.max() ?? 0, limit: CalibrationStatistics.limit), file: path)
    }
    groups = CalibrationStatistics.groups(runnable.model.configuration, budget: budget)
  }

  /// Of the inputs of a layer's projections.
  private static func widths(_ configuration: ModelDescription) -> [Int] {
    [
      configuration.hiddenSize, configuration.attention.queryWidth, configuration.hiddenSize,
      configuration.intermediateSize,
    ]
  }

  /// Layers whose matrices fit in the budget together.
  static func groups(_ configuration: ModelDescription, budget: Int) -> [Range<Int>] {
    let layer = InputGram.byteCount(widths: widths(configuration)) ?? .max
    let size = max(1, budget / max(1, layer))
    return stride(from: 0, to: configuration.layers, by: size).map {
      $0..<min(configuration.layers, $0 + size)
    }
  }

  /// For the record of a conversion.
  package var record: JSONObject {
    ["tokens": .number(JSONNumber(tokens)), "ids_sha256": .string(digest.description)]
  }

  /// The inputs of a projection by its tensor's name; nil for other tensors.
  func gram(for tensor: String) throws -> InputGram? {
    guard case .projection(let layer, let kind) = runnable.model.configuration.architecture.role(of: tensor),
      let group = groups.firstIndex(where: { $0.contains(layer) })
    else { return nil }
    let name = "block\(layer)." + CalibrationStatistics.input(of: kind)
    return try cache.withLock { cache in
      if let cache, cache.group == group { return cache.grams[name] }
      // Dropped before the next is made: never two groups at once.
      cache = nil
      let grams = try gather(groups[group])
      cache = (group, grams)
      return grams[name]
    }
  }

  /// Which projection's input stands for that of a kind: some share one.
  private static func input(of kind: ProjectionKind) -> String {
    switch kind {
    case .query, .key, .value: "self_attn.q_proj"
    case .output: "self_attn.o_proj"
    case .gate, .up: "mlp.gate_proj"
    case .down: "mlp.down_proj"
    case .deltaInput, .deltaGate: "linear_attn.in_proj_qkv"
    case .deltaOutput: "linear_attn.out_proj"
    }
  }

  private func gather(_ layers: Range<Int>) throws -> [String: InputGram] {
    work.progress.began(ProgressPhase(name: "calibrating", totalBytes: UInt64(pieces.count)))
    defer { work.progress.ended() }
    let observer = InputObserver(layers, runnable.engine)
    for piece in pieces {
      try work.parallelism.cancellation.check()
      let session = try runnable.session(for: piece.count)
      try session.prefill(piece, logits: .last, observer: observer) { _, _ in }
      work.progress.advanced(by: 1)
    }
    return observer.grams
  }
}

/// Adds up the inputs of projections.
private final class InputObserver: ForwardObserver {
  private(set) var grams: [String: InputGram] = [:]
  private let wanted: Set<String>
  private let engine: InferenceEngine

  init(_ layers: Range<Int>, _ engine: InferenceEngine) {
    self.engine = engine
    wanted = Set(
      layers.flatMap { layer in
        ["self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj"].map { "block\(layer).\($0)" }
      })
  }

  func observe(_ name: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) {}

  func observeInput(_ projection: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) {
    guard wanted.contains(projection) else { return }
    let count = tokens.count
    // Xᵀ times X as a product of Xᵀ with itself.
    var columns = [Float](repeating: 0, count: width * count)
    for token in 0..<count {
      for index in 0..<width { columns[index * count + token] = values[token * width + index] }
    }
    var products = [Float](repeating: 0, count: width * width)
    engine.floatProduct(
      columns.span.bytes, .f32, rows: width, columns: count, columns, tokens: 0..<width, into: &products)
    grams[projection, default: InputGram(width: width)].add(products, count: count)
  }
}
