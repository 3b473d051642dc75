// Tritsmith: a model continues a text.

import TritCore
import TritFormats
import TritInference
import TritModel
import TritSurvey
import TritTokenizer

/// What to continue, and how.
package struct GenerateRequest: Sendable {
  package var path: String
  /// Taken as it is, with BOS in front when the model has one.
  package var prompt: String
  /// A conversation to go on with, in place of the prompt: `TokenInput.chat` or `.messages`.
  package var conversation: TokenInput?
  /// What stands behind the last message of a conversation.
  package var ending = ChatEnding.answer
  package var maximumTokens = 128
  /// How a token is chosen among the likely ones.
  package var sampling = SamplingMethod.greedy
  /// Of `nucleus` sampling: the same seed gives the same tokens.
  package var seed: UInt64 = 0
  /// Arithmetic, threads and kernels.
  package var options = RunOptions(mode: .fast)

  package init(path: String, prompt: String) {
    self.path = path
    self.prompt = prompt
  }
}

/// What came out.
public struct GenerateResult: Sendable {
  /// Why a text ended.
  public enum Stop: String, Sendable, Hashable {
    /// The model said that the text ends.
    case endToken = "end of text"
    case maximumTokens = "token limit"
    case context = "context full"
    /// The caller wanted no more.
    case caller = "stopped"
  }

  package var run: RunDescription
  /// The model's chat template, and whether the prompt was written by it.
  package var chatTemplate: ChatTemplateFinding?
  package var isChat: Bool
  /// Token ids of the prompt, BOS included.
  package var promptIDs: [Int]
  /// Without the token that ended it.
  public var ids: [Int]
  /// The new text alone, without the prompt.
  public var text: String
  /// Why it ended.
  public var stop: Stop
  package var promptSeconds: Double
  package var decodeSeconds: Double

  /// nil for nothing measured.
  package var promptTokensPerSecond: Double? { promptSeconds > 0 ? Double(promptIDs.count) / promptSeconds : nil }

  /// Steps after the prompt; the first new token comes with the prompt.
  package var decodedTokensPerSecond: Double? {
    decodeSeconds > 0 && ids.count > 1 ? Double(ids.count - 1) / decodeSeconds : nil
  }
}

/// Continues a text token by token.
package struct GenerateWorkflow: Sendable {
  let request: GenerateRequest

  package init(_ request: GenerateRequest) {
    self.request = request
  }

  /// - Parameter emit: gets text as soon as its characters are complete; false ends the generation.
  /// - Throws: `ModelError` for an empty prompt, one longer than the context, sampling out of range, or logits
  ///   that are not finite; `RunError`, `TokenizerError`, `ChatError`, and what opening throws.
  package func run(emit: (String) -> Bool) throws -> GenerateResult {
    let messages = try request.conversation?.conversation()
    let file = request.conversation?.messagesFile
    let opened = try OpenedModel(request)
    let prompt =
      if let messages {
        try opened.tokenizer.ids(of: messages, ChatTemplate(of: opened.source), request.ending, file: file)
      } else { try opened.tokenizer.prompt(request.prompt) }
    var generator = try TextGenerator(request, opened)
    return try generator.text(after: prompt, isChat: messages != nil, emit: emit)
  }
}

/// A conversation that goes on: an answer to each message of a user, by a model that stays loaded.
package struct ConversationWorkflow {
  private var generator: TextGenerator
  private let template: ChatTemplate
  private var messages: [ChatMessage] = []

  /// - Throws: `ChatError` for a model without a chat template or with one that is not known here; what
  ///   `GenerateWorkflow` throws.
  package init(_ request: GenerateRequest) throws {
    let opened = try OpenedModel(request)
    template = try ChatTemplate(of: opened.source)
    generator = try TextGenerator(request, opened)
  }

  /// The answer to a message, which it follows in the conversation from then on.
  ///
  /// - Throws: `RunError.conversationFull` when the message does not fit behind earlier ones.
  package mutating func answer(_ message: String, emit: (String) -> Bool) throws -> GenerateResult {
    messages.append(ChatMessage(.user, message))
    let ids = try generator.tokenizer.ids(of: messages, template, generator.request.ending)
    let capacity = generator.runnable.model.configuration.contextLength
    if ids.count > capacity, messages.count > 1 {
      throw RunError(.conversationFull(capacity: capacity, needed: ids.count), file: generator.runnable.path)
    }
    let result = try generator.text(after: ids, isChat: true, emit: emit)
    messages.append(ChatMessage(.assistant, result.text))
    return result
  }
}

/// A model with its tokenizer before weights are loaded: what is wrong with a prompt is said in time.
private struct OpenedModel {
  let source: any TensorSource
  let tokenizer: Tokenizer
  let chatTemplate: ChatTemplateFinding?

  init(_ request: GenerateRequest) throws {
    source = try ModelOpener.toRun(request.path, request.options.open)
    tokenizer = try Tokenizer(toRun: source)
    chatTemplate = try ChatTemplateFinding(of: source)
  }
}

/// A model that is loaded to continue texts.
private struct TextGenerator {
  let request: GenerateRequest
  let runnable: RunnableModel
  let tokenizer: Tokenizer
  private var sampler: Sampler
  private let chatTemplate: ChatTemplateFinding?

  init(_ request: GenerateRequest, _ opened: OpenedModel) throws {
    guard request.maximumTokens >= 1 else {
      throw ModelError(.outOfRange(expected: "1 token or more to generate", found: "\(request.maximumTokens)"))
    }
    self.request = request
    sampler = try Sampler(request.sampling, seed: request.seed)
    runnable = try RunnableModel(opened.source, request.options, engine: request.options.engine())
    (tokenizer, chatTemplate) = (opened.tokenizer, opened.chatTemplate)
  }

  mutating func text(after prompt: [Int], isChat: Bool, emit: (String) -> Bool) throws -> GenerateResult {
    try runnable.check(prompt)
    let context = runnable.model.configuration.contextLength
    let session = try runnable.session(for: min(context, prompt.count + min(request.maximumTokens, context)))
    let start = Platform.monotonicSeconds
    var logits = try session.prefill(prompt)
    let prefilled = Platform.monotonicSeconds
    let ends = Set(tokenizer.endTokenIDs)
    var decoder = tokenizer.streamingDecoder()
    var (ids, text) = ([Int](), "")
    var stop = GenerateResult.Stop.maximumTokens
    while ids.count < request.maximumTokens {
      try request.options.cancellation.check()
      try runnable.checkFinite(logits.span, of: prompt + ids)
      let id = try RunnableModel.locating(runnable.path) { try sampler.next(logits) }
      if ends.contains(id) {
        stop = .endToken
        break
      }
      ids.append(id)
      let piece = try decode(id, &decoder, breaksLine: !text.isEmpty, emit)
      text += piece
      if !piece.isEmpty, !emit(piece) {
        stop = .caller
        break
      }
      guard ids.count < request.maximumTokens else { break }
      guard session.position < session.capacity else {
        stop = .context
        break
      }
      logits = try session.step(id)
    }
    let decoded = Platform.monotonicSeconds
    let rest = decoder.finish()
    if !rest.isEmpty {
      text += rest
      _ = emit(rest)
    }
    return GenerateResult(
      run: runnable.description, chatTemplate: chatTemplate, isChat: isChat, promptIDs: prompt, ids: ids,
      text: text, stop: stop, promptSeconds: prefilled - start, decodeSeconds: decoded - prefilled)
  }

  /// The text that a token completes.
  private func decode(
    _ id: Int, _ decoder: inout StreamingDecoder, breaksLine: Bool, _ emit: (String) -> Bool
  ) throws -> String {
    do throws(TokenizerError) {
      return try decoder.append(id)
    } catch {
      // What stands on the line already is not run into by the error.
      if breaksLine { _ = emit("\n") }
      throw RunError(.generatedUnknown(id: id), file: runnable.path)
    }
  }
}
