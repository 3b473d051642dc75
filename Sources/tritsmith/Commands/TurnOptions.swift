// Tritsmith: options for the turn of the assistant that follows a conversation.

import CommandLineKit
import TritTokenizer

/// What stands behind the last message.
struct TurnOptions: ParsableArguments {
  @Flag(
    help: ArgumentHelp(
      "End with the last message: leave the generation prompt out, which begins the assistant's turn.", isDetail: true))
  var noGenerationPrompt = false

  @Flag(
    help: ArgumentHelp(
      "Begin the assistant's turn with empty thoughts, where the chat template knows that.", isDetail: true))
  var noThink = false

  /// Refuses what would change nothing.
  func check(isChat: Bool) throws(ValidationError) {
    guard noGenerationPrompt || noThink else { return }
    guard isChat else {
      throw ValidationError("\(noThink ? "--no-think" : "--no-generation-prompt") goes with --chat or --messages")
    }
    guard noGenerationPrompt, noThink else { return }
    throw ValidationError("--no-think changes the generation prompt, which --no-generation-prompt leaves out")
  }

  var ending: ChatEnding {
    if noGenerationPrompt { return .lastMessage }
    return noThink ? .answerWithoutThinking : .answer
  }
}
