// Tritsmith: what a gap report is asked to measure.

import TritCore
import TritModel
import TritSurvey
import TritTokenizer

/// Two models, a text, and what to measure.
package struct GapRequest: Sendable {
  /// Where the tokens come from.
  package enum Text: Sendable, Equatable {
    /// The Book of Ruth in the King James Version, which is in the public domain.
    case sample
    case text(String)
    /// A file of UTF-8 text.
    case file(String)
    /// Token ids, taken as they are: see `TokenInput.idsFile`.
    case idsFile(String)
    /// A text, or a file of UTF-8 text, as the one message of a user.
    case chat(TextInput)
    /// A conversation as JSON; the name is for errors.
    case messages([UInt8], file: String?)

    /// The text that is taken as it is; nil for ids and conversations.
    var input: TextInput? {
      switch self {
      case .sample: .sample
      case .text(let text): .text(text)
      case .file(let path): .file(path)
      case .idsFile, .chat, .messages: nil
      }
    }
  }

  /// P: what is taken as the measure, a bf16 model.
  package var reference: String
  /// Q: the ternary model.
  package var candidate: String
  package var text = Text.sample
  /// What stands behind the last message of a conversation.
  package var ending = ChatEnding.answer
  /// Tokens a window holds; BOS included, when there is one.
  package var context = 256
  /// Scores only this many tokens from the beginning; nil means all.
  package var tokenLimit: Int?
  package var referenceOptions = RunOptions(mode: .fast)
  package var candidateOptions = RunOptions(mode: .fast)
  /// Measures the gap of models in which one layer, or one kind of projection, is the candidate's.
  package var attributes = false
  /// Tokens the attribution uses at most.
  package var attributionTokens = 1024
  /// Compares weights tensor by tensor.
  package var comparesTensors = true
  /// Checks that the candidate's trits and scales are what quantizing the reference gives.
  package var checksFidelity = true
  /// The quantizer fidelity is checked with; nil takes the one recorded in the candidate, then the family's.
  package var quantizer: String?
  /// Relative error from which on a layer is reported as the first one past the bound.
  package var layerBound = GapRequest.defaultLayerBound
  package var budgets = GapBudgets()

  /// A tenth of a hidden state: far above exchanged roundings of activations (0.01), below what ordinary weights do
  /// when they are made ternary (0.5).
  package static let defaultLayerBound = 0.1

  package init(reference: String, candidate: String) {
    self.reference = reference
    self.candidate = candidate
  }
}

/// What the loss of quality may be at most; nil means no such gate.
package struct GapBudgets: Sendable, Hashable {
  /// Of KL(P‖Q), in nats a token.
  package var maximumMeanKL: Double?
  /// Share of tokens with the same likeliest token.
  package var minimumTopOne: Double?
  /// PPL(Q) / PPL(P).
  package var maximumPerplexityRatio: Double?

  package init(maximumMeanKL: Double? = nil, minimumTopOne: Double? = nil, maximumPerplexityRatio: Double? = nil) {
    self.maximumMeanKL = maximumMeanKL
    self.minimumTopOne = minimumTopOne
    self.maximumPerplexityRatio = maximumPerplexityRatio
  }
}
