// Tritsmith: what templates of each shape write, and the templates that are known.

/// How a chat template writes messages.
struct ChatStyle: Sendable, Equatable {
  var shape: ChatTemplate.Shape
  /// Whether the text begins with the BOS token.
  var writesBOS = false
  /// Whether contents lose white space at their ends.
  var trims = false
  var thoughts = Thoughts.kept
  /// Whether a turn without thinking begins with empty thoughts.
  var closesThoughts = false
  /// Whether an empty system message is no message.
  var leavesEmptySystem = false
  /// Llama 3.1: a system message with two dates, whatever is given.
  var writesDates = false
  /// Llama 3: the assistant's turn is begun whether or not it is asked for.
  var alwaysAsks = false
  var mistral = Mistral()

  /// What becomes of an assistant's thoughts.
  enum Thoughts: Sendable {
    case kept
    /// Qwen3 drops what the assistant thought before the last question.
    case sinceQuestion
    /// LFM2.5 drops those of all answers but the last.
    case ofLastAnswer
  }

  /// What stands around messages of Mistral's shape.
  struct Mistral: Sendable, Equatable {
    var question = "[INST] "
    var questionEnd = "[/INST]"
    var answer = ""
    /// Before and behind the end token.
    var answerEnd = ("", "")
    var trimsAnswers = false
    var system = System.refused
    /// Whether user and assistant have to take turns.
    var minds = true

    enum System: Sendable {
      case refused
      /// In the first message, which is a user's.
      case inFirst
      /// In the last message, if that is a user's.
      case inLast
      /// A turn of its own, wherever it stands, with these marks.
      case turn
    }

    static func == (left: Mistral, right: Mistral) -> Bool {
      left.question == right.question && left.questionEnd == right.questionEnd && left.answer == right.answer
        && left.answerEnd == right.answerEnd && left.trimsAnswers == right.trimsAnswers && left.system == right.system
        && left.minds == right.minds
    }
  }
}

extension ChatStyle {
  /// Templates whose every word is known, by the digest of their spelling: `ChatTemplateSpelling`.
  ///
  /// Each was held against transformers' `apply_chat_template` on conversations of every order of roles. A template of
  /// other digest is refused, however much it looks like one of these: a word more is not seen by its marks.
  static let known: [String: ChatStyle] = [
    // ChatML: OpenHermes and many others; the same with BOS, with trimmed contents.
    "e1ffafbadb4486f4": ChatStyle(shape: .chatML),
    "4c6032fc5abe9f57": ChatStyle(shape: .chatML, writesBOS: true),
    "0c3815a08db2825f": ChatStyle(shape: .chatML, trims: true),
    // With empty thoughts where none are wanted.
    "593675108e5a1401": ChatStyle(shape: .chatML, closesThoughts: true),
    // With a default system message: Qwen1.5, Qwen2 and SmolLM; Qwen2.5 and MiMo-VL.
    "39b82864fba70b49": ChatStyle(shape: .chatML),
    "340790fa17dfb7ca": ChatStyle(shape: .chatML),
    "d4d5d7af7ef90735": ChatStyle(shape: .chatML),
    // Qwen3; Qwen3-Coder.
    "93604db1ac1a196c": ChatStyle(shape: .chatML, thoughts: .sinceQuestion, closesThoughts: true),
    "06029c8e36476cc9": ChatStyle(shape: .chatML),
    // LFM2; LFM2.5.
    "7db47d583e96e7de": ChatStyle(shape: .chatML, writesBOS: true, leavesEmptySystem: true),
    "9ed717be4887db83": ChatStyle(
      shape: .chatML, writesBOS: true, thoughts: .ofLastAnswer, leavesEmptySystem: true),

    // Llama 3, in two spellings; of the first days; with contents as they are.
    "ef1d1c7a46a3a2fc": ChatStyle(shape: .llama3, trims: true),
    "1cff4f5692675b01": ChatStyle(shape: .llama3, trims: true),
    "5ba318dc77336ba4": ChatStyle(shape: .llama3, trims: true, alwaysAsks: true),
    "8cdb28e401e04f11": ChatStyle(shape: .llama3, trims: true, alwaysAsks: true),
    "f3d955cc6178f2be": ChatStyle(shape: .llama3),
    // Llama 3.1 and 3.3.
    "49257356e3842665": ChatStyle(shape: .llama3, trims: true, writesDates: true),

    // Falcon3 and Falcon-E; Zephyr, TinyLlama and StableLM.
    "f640bec31af5e62a": ChatStyle(shape: .falcon),
    "eb0464941cf1b773": ChatStyle(shape: .zephyr),

    // Mistral before version 1, in two spellings, and with a space behind the end token.
    "2c07f844fcbc8c1c": ChatStyle(.init(questionEnd: " [/INST]")),
    "48a7a618bce559c6": ChatStyle(.init(questionEnd: " [/INST]")),
    "1ad995ca4c58efd3": ChatStyle(.init(questionEnd: " [/INST]", answerEnd: ("", " "))),
    // Version 1, and with a space before the end token.
    "3d817ae725377d5f": ChatStyle(
      .init(question: " [INST] ", questionEnd: " [/INST]", answer: " ", system: .inFirst)),
    "04cbb564229b0b85": ChatStyle(
      .init(question: " [INST] ", questionEnd: " [/INST]", answer: " ", answerEnd: (" ", ""))),
    // Version 3, and without tools; the same of Tekken.
    "7b09ae47a131d1cb": ChatStyle(.init(answer: " ", trimsAnswers: true, system: .inLast)),
    "280442f6deea1fbf": ChatStyle(.init(answer: " ", system: .inLast, minds: false)),
    "332814a74283b9e3": ChatStyle(.init(question: "[INST]", system: .inLast)),
    "677f4c5859ec7d5b": ChatStyle(.init(question: "[INST]", system: .inLast, minds: false)),
    // Version 7, which refuses other roles or leaves them out.
    "d054d4c41f9b4527": ChatStyle(.init(answer: " ", system: .turn, minds: false)),
    "b069448c2108fbc3": ChatStyle(.init(answer: " ", system: .turn, minds: false)),
  ]

  private init(_ mistral: Mistral) {
    self.init(shape: .mistral, mistral: mistral)
  }
}
