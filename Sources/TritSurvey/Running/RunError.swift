// Tritsmith: what can be wrong with what a model is asked to compute.

import TritCore
import TritFormats

/// A model can be run, but not on this input or against this other model.
package typealias RunError = Diagnostic<RunErrorKind>

package enum RunErrorKind: PlacedDiagnosticKind {
  /// The model has neither `tokenizer.json` nor `tokenizer.model`, and text was given.
  case noTokenizer
  /// A file that would hold its tokenizer holds none, and text was given.
  case noTokenizerInside
  /// There is a tokenizer, and this program cannot follow it.
  case tokenizerNotRebuilt(String)
  /// Neither text nor ids were given.
  case noInput
  /// A file that should hold a text does not.
  case notText
  /// Something that should be a list of token ids is not.
  case malformedIDs(found: String)
  /// A reference file has prompts of its own.
  case promptsBesideReference
  /// A file of logits where a model is needed.
  case logitsAsModel
  /// A safetensors file that is neither.
  case neitherModelNorLogits
  /// A file of hidden states where logits are needed.
  case statesAsReference
  /// A file of hidden states beside a model, which has its own.
  case statesBesideModel
  /// A file of hidden states whose name tells none of the prompts.
  case statesOfNoPrompt(prompts: [Int])
  /// A file of hidden states none of which the model computes.
  case noStateOfModel
  /// Logits of a file, for which another way of running was asked.
  case referenceIsNotRun
  /// A conversation is longer than the context by now.
  case conversationFull(capacity: Int, needed: Int)
  /// Logits and hidden states under one name.
  case twoOutputs(String)
  /// The model went on with an id its tokenizer has no token for.
  case generatedUnknown(id: Int)
  case vocabularyMismatch(expected: Int, found: Int)
  case layerMismatch(expected: Int, found: Int)
  /// Two models do not cut text into the same tokens.
  case tokenizerMismatch(String)
  /// A reference file lacks a tensor, or has it in another form.
  case referenceTensor(expected: String, found: String)

  package var summary: String {
    switch self {
    case .noTokenizer:
      "the model has no tokenizer.json or tokenizer.model, one of which is needed to turn text into token ids"
    case .noTokenizerInside: "the file holds no tokenizer, which is needed to turn text into token ids"
    case .tokenizerNotRebuilt(let why): why
    case .noInput: "expected a text or token ids, found neither"
    case .notText: "expected UTF-8 text, found other bytes"
    case .malformedIDs(let found): "expected token ids, found \(printable(found, limit: 60))"
    case .promptsBesideReference: "a reference file holds the prompts it was made from; no other ones can be compared"
    case .logitsAsModel: "it holds logits and is no model"
    case .neitherModelNorLogits: "it is neither a model, which has a config.json, nor a file of logits"
    case .statesAsReference: "it holds hidden states without token ids or logits"
    case .statesBesideModel: "hidden states of a file go with logits of a file; a model computes its own"
    case .statesOfNoPrompt(let prompts):
      "expected a name with the number of the prompt, hidden_prompt<i>.safetensors, where the file of logits has "
        + "prompt \(prompts.map(String.init).joined(separator: ", "))"
    case .noStateOfModel: "expected hidden states of this model, such as block0, found none: nothing was compared"
    case .referenceIsNotRun: "it holds logits that were computed elsewhere: no way of running changes them"
    case .conversationFull(let capacity, let needed):
      "the conversation has \(needed) tokens by now, the model's context holds \(capacity)"
    case .twoOutputs(let path): "'\(printable(path))' would hold the hidden states of a prompt as well"
    case .generatedUnknown(let id): "the model goes on with token id \(id), for which its tokenizer has no token"
    case .vocabularyMismatch(let expected, let found): "expected a vocabulary of \(expected) tokens, found \(found)"
    case .layerMismatch(let expected, let found): "expected \(expected) layers, found \(found)"
    case .tokenizerMismatch(let detail): "the two models have different tokenizers: \(printable(detail))"
    case .referenceTensor(let expected, let found): "expected \(expected), found \(printable(found))"
    }
  }

  package func remedy(at location: ErrorLocation) -> String? {
    switch self {
    case .noTokenizer: "put tokenizer.json beside the weights; \(RunErrorKind.ids)"
    case .noTokenizerInside:
      "convert the model's folder again, with tokenizer.json in it; \(RunErrorKind.ids)"
    case .tokenizerNotRebuilt: RunErrorKind.ids
    case .noInput: "give a text, token ids or a conversation"
    case .notText: "save it as UTF-8"
    case .malformedIDs: "write ids as whole numbers with spaces or commas between, or as JSON lists"
    case .promptsBesideReference: "give no text, ids, conversation or limit of tokens"
    case .logitsAsModel: "give the model first, and the file of logits with --against"
    case .neitherModelNorLogits: "give a model, or a file of prompt<i>.ids (I32) and prompt<i>.logits (F32)"
    case .statesAsReference: "give the file of logits with --against, and this one with --against-hidden"
    case .statesBesideModel: "leave --against-hidden out, or give a file of logits with --against"
    case .statesOfNoPrompt: "name the file after its prompt"
    case .noStateOfModel: "give hidden_prompt<i>.safetensors of this model, or leave --against-hidden out"
    case .referenceIsNotRun: "leave --against-mode and --against-projections out"
    case .conversationFull: "begin a new conversation"
    case .twoOutputs: "give the logits another name"
    case .generatedUnknown:
      "weights and tokenizer may be of two models: 'tritsmith check \(printable(location.file ?? "PATH")) --run' scores a "
        + "text by both"
    case .vocabularyMismatch, .layerMismatch: "compare two forms of one model"
    case .tokenizerMismatch:
      "compare two forms of one model, or give token ids that mean the same to both (--ids-file)"
    case .referenceTensor: "a reference holds prompt<i>.ids (I32) and prompt<i>.logits (F32, [tokens, vocabulary])"
    }
  }

  /// Commands whose input need not be text; 'run' takes no other.
  private static let ids = "validate, logits and gap take token ids instead of text, where they know the model's class"

  package func category(at location: ErrorLocation) -> ErrorCategory {
    switch self {
    case .noInput, .promptsBesideReference, .logitsAsModel, .statesAsReference, .statesBesideModel, .statesOfNoPrompt,
      .noStateOfModel,
      .referenceIsNotRun, .conversationFull, .twoOutputs, .vocabularyMismatch, .layerMismatch, .tokenizerMismatch:
      .misuse
    case .notText, .neitherModelNorLogits: .malformedInput
    case .malformedIDs: location.file == nil ? .misuse : .malformedInput
    case .noTokenizer, .noTokenizerInside, .tokenizerNotRebuilt, .referenceTensor, .generatedUnknown: .malformedInput
    }
  }
}

extension RunError {
  /// No tokenizer can be read with a model, in words of its form.
  package static func noTokenizer(of source: any TensorSource) -> RunError {
    let manifest = source.manifest
    let none: Kind = manifest.format == SafetensorsFormat.id ? .noTokenizer : .noTokenizerInside
    return RunError(source.unreadTokenizer.map { .tokenizerNotRebuilt($0) } ?? none, file: manifest.path)
  }
}
