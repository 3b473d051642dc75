// Tritsmith: the tokens a gap is measured on.

import TritCore
import TritInference
import TritModel
import TritSurvey
import TritTokenizer

/// A text as windows of token ids, with what a report says about it.
struct GapText {
  var name: String
  var sha256: Digest
  /// Ids that are run; those from `firstScored` on are predicted.
  var windows: [PerplexityWindow]
  var firstTokenRule: String
  /// For showing tokens as text; nil when neither model has one.
  var tokenizer: Tokenizer?
  var notes: [String] = []

  /// Scored tokens.
  var count: Int { windows.reduce(0) { $0 + $1.ids.count - $1.firstScored } }

  /// Of the scored ids as int32, little-endian.
  var idsSHA256: Digest {
    let hash = SHA256()
    for window in windows {
      hash.update(window.ids[window.firstScored...].flatMap { littleEndianBytes(UInt32(truncatingIfNeeded: $0)) })
    }
    return hash.finalize()
  }

  /// Reads the text, makes ids of it with the models' tokenizer, and cuts them into windows.
  ///
  /// - Throws: `RunError` when the models' tokenizers differ, or there is none and text is given; `ModelError` for an
  ///   empty text; what reading throws.
  init(_ request: GapRequest, reference: any TensorSource, candidate: any TensorSource) throws {
    var tokenizers: [Found] = []
    do {
      tokenizers = try GapText.tokenizers(reference, candidate)
    } catch let error as any DiagnosticError {
      // Ids need no tokenizer; without one that both have, none are shown as text.
      guard case .idsFile = request.text else { throw error }
      notes.append("tokens are not shown as text: \(error.summary)")
    }
    tokenizer = tokenizers.first?.tokenizer
    if tokenizers.count == 1, let only = tokenizers.first {
      notes.append("only \(printable(only.path)) has a tokenizer; it is used for both")
    }
    switch request.text {
    case .idsFile(let path):
      (name, sha256) = (path, SHA256.digest(of: try TokenInput.text(at: path)))
      windows = GapText.windows(of: try TokenIDs.read(path), context: request.context)
      firstTokenRule =
        "ids as given, in windows of \(request.context); the first id of a window is context only"
      try limit(to: request.tokenLimit, path)
      return
    case .chat, .messages:
      let conversation = try GapText.conversation(request, tokenizers, reference, candidate)
      (name, sha256) = (conversation.name, SHA256.digest(of: conversation.bytes))
      windows = GapText.windows(of: [conversation.ids], context: request.context)
      firstTokenRule =
        "a conversation by the chat template, in windows of \(request.context); the first id of a window is context only"
      try limit(to: request.tokenLimit, name)
      return
    case .sample, .text, .file: break
    }
    let input = request.text.input ?? .sample
    let bytes = try input.bytes()
    (name, sha256) = (input.name, SHA256.digest(of: bytes))
    let ids = try GapText.encode(bytes, name, tokenizers, candidate)
    let bos = tokenizer?.bosTokenID
    windows = try PerplexityWindow.windows(
      of: ids.flatMap { $0 }, bos: bos, .chunked(window: request.context))
    firstTokenRule =
      (bos == nil
        ? "\(grouped(request.context)) tokens per window, there is no BOS; every token but a window's first is scored"
        : "BOS and \(grouped(request.context - 1)) tokens per window; every token after BOS is scored")
      + " (chunked \(request.context))"
    try limit(to: request.tokenLimit, name)
  }

  /// A conversation as the reference's template writes it; the candidate's, where the reference has no tokenizer.
  private static func conversation(
    _ request: GapRequest, _ tokenizers: [Found], _ reference: any TensorSource, _ candidate: any TensorSource
  ) throws -> (name: String, bytes: [UInt8], ids: [Int]) {
    guard let first = tokenizers.first else { throw RunError.noTokenizer(of: candidate) }
    let (name, bytes, messages): (String, [UInt8], [ChatMessage])
    var path: String?
    switch request.text {
    case .chat(let input):
      bytes = try input.bytes()
      (name, messages) = (input.name, [ChatMessage(.user, try input.text(bytes))])
    case .messages(let list, let file):
      (name, bytes, messages) = (file ?? "standard input", list, try ChatMessage.list(list, file: file))
      path = file
    case .sample, .text, .file, .idsFile: return ("", [], [])
    }
    let source = reference.manifest.tokenizerFile == nil ? candidate : reference
    let ids = try first.tokenizer.ids(of: messages, ChatTemplate(of: source), request.ending, file: path)
    return (name, bytes, ids)
  }

  // MARK: - Windows

  /// Each list cut on its own; an id alone predicts nothing.
  private static func windows(of prompts: [[Int]], context: Int) -> [PerplexityWindow] {
    prompts.flatMap { ids in
      stride(from: 0, to: ids.count, by: context).map {
        PerplexityWindow(ids: Array(ids[$0..<min(ids.count, $0 + context)]), firstScored: 1)
      }
    }.filter { $0.ids.count > 1 }
  }

  /// Keeps the first scored tokens.
  private mutating func limit(to limit: Int?, _ file: String) throws(ModelError) {
    var rest = limit ?? Int.max
    var kept: [PerplexityWindow] = []
    for var window in windows where rest > 0 {
      let scored = window.ids.count - window.firstScored
      window.ids.removeLast(max(0, scored - rest))
      rest -= min(rest, scored)
      kept.append(window)
    }
    windows = kept
    guard count > 0 else { throw ModelError(.emptyPrompt, file: file) }
  }

  // MARK: - Tokenizers

  private typealias Found = (path: String, tokenizer: Tokenizer)

  /// The tokenizers the models have: one or two that agree on every token, or none.
  private static func tokenizers(_ reference: any TensorSource, _ candidate: any TensorSource) throws -> [Found] {
    let found: [Found] = try [reference, candidate].compactMap { source in
      guard source.manifest.tokenizerFile != nil else { return nil }
      return (source.manifest.path, try Tokenizer(of: source))
    }
    guard found.count == 2 else { return found }
    let (left, right) = (found[0].tokenizer, found[1].tokenizer)
    guard left.endID == right.endID else {
      throw RunError(
        .tokenizerMismatch("\(left.endID) ids against \(right.endID)"), file: found[1].path)
    }
    for id in 0..<left.endID where left.token(forID: id) != right.token(forID: id) {
      throw RunError(
        .tokenizerMismatch(
          "token \(id) is '\(left.token(forID: id) ?? "")' in one and '\(right.token(forID: id) ?? "")' in the other"),
        file: found[1].path)
    }
    guard left.bosTokenID == right.bosTokenID else {
      throw RunError(.tokenizerMismatch("they begin a text with different tokens (BOS)"), file: found[1].path)
    }
    return found
  }

  /// The ids of a text, which both tokenizers must give.
  private static func encode(
    _ bytes: [UInt8], _ name: String, _ tokenizers: [Found], _ candidate: any TensorSource
  ) throws -> [[Int]] {
    guard let first = tokenizers.first else { throw RunError.noTokenizer(of: candidate) }
    let ids = try first.tokenizer.encode(fileAt: name, bytes, addSpecialTokens: false)
    for other in tokenizers.dropFirst() {
      let others = try other.tokenizer.encode(fileAt: name, bytes, addSpecialTokens: false)
      guard others == ids else {
        let place = zip(ids, others).enumerated().first { $0.element.0 != $0.element.1 }?.offset
        throw RunError(
          .tokenizerMismatch("they cut the text differently from token \(place ?? min(ids.count, others.count)) on"),
          file: other.path)
      }
    }
    return [ids]
  }
}
