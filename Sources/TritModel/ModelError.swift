// Tritsmith: a model that is not what it says, or not one we know.

import TritCore
import VisibleText

/// A configuration, its tensors, or what is asked of a model do not fit together.
package typealias ModelError = Diagnostic<ModelErrorKind>

package enum ModelErrorKind: DiagnosticKind {
  case noArchitecture
  /// A class that was typed.
  case unknownClass(String)
  case unknownArchitecture(String, nearest: String)
  /// A GGUF file without tensors.
  case vocabularyOnly

  // Configuration
  case noConfiguration
  case missingKey
  /// A key without which the file's own readers stop.
  case neededKey(by: String)
  case wrongType(expected: String, found: String)
  case unsupportedValue(expected: String, found: String)
  /// A key nobody here knows: it may change results, so it is not ignored.
  case unknownKey
  case contradiction(expected: String, found: String)
  /// Rotated weights in a form that is not read.
  case rotatedModules(count: Int)
  /// mlx-lm would compute another model.
  case notComputed(found: String, reason: String)

  // Tensors
  case missingTensor(shape: TensorShape)
  case missingLayers(Range<Int>)
  /// Names begin with what a wrapper put before them; an empty prefix means that `model.` is missing.
  case wrappedNames(prefix: String)
  case adapterAttached
  /// A tensor this family has no use for, though leaving it out would change results.
  case unusedTensor
  /// A stored head of other numbers than the embeddings it is tied to.
  case headBesideTie
  case tensorShape(expected: TensorShape, found: TensorShape)
  case tensorEncoding(expected: String, found: String)
  /// Of a type that is listed and not read.
  case unreadType(String, reason: String)
  case scale(expected: String, found: String)
  /// The first in that row and column, as far as they are known.
  case invalidCodes(count: Int, row: Int?, column: Int?)
  case notFinite

  // Requests
  case tokenOutOfRange(id: Int, vocabulary: Int)
  case emptyPrompt
  case contextOverflow(capacity: Int, needed: Int)
  case outOfRange(expected: String, found: String)
  case noFiniteLogit
  /// The model computes infinities or what is no number.
  case notFiniteState(NonFiniteState)

  /// Whether a file may be sound and is only not understood here: kept key for key, it says what it said.
  package var isNotUnderstood: Bool {
    switch self {
    // A loader takes the defaults of its class for what is missing.
    case .noArchitecture, .unknownArchitecture, .missingKey, .unsupportedValue, .unknownKey: true
    default: false
    }
  }

  /// Whether the tensors are not those that the class and the settings ask for.
  package var isOfInventory: Bool {
    switch self {
    case .missingTensor, .missingLayers, .unusedTensor, .tensorShape: true
    default: false
    }
  }

  package var summary: String {
    switch self {
    case .noArchitecture: "the configuration names no model class"
    case .unknownClass(let name):
      "model class '\(printable(name))' is not known; known are "
        + ArchitectureRegistry.all.map(\.className).joined(separator: ", ")
    case .unknownArchitecture(let name, let nearest):
      "model class '\(printable(name))' is not known"
        + (nearest.isEmpty ? "" : "; the nearest known one is '\(nearest)'")
    case .vocabularyOnly: "the file holds no tensors: a vocabulary at most, and no model"
    case .noConfiguration: "the model has no configuration"
    case .missingKey: "this key is needed and missing"
    case .neededKey(let reader): "this key is missing, and \(reader) refuses the file without it"
    case .wrongType(let expected, let found): "expected \(expected), found \(printable(found))"
    case .unsupportedValue(let expected, let found): "supported: \(expected); found \(printable(found))"
    case .unknownKey: "this key is not known and might change results"
    case .contradiction(let expected, let found), .scale(let expected, let found),
      .outOfRange(let expected, let found), .tensorEncoding(let expected, let found):
      "expected \(expected), found \(printable(found))"
    case .rotatedModules(let count):
      (count == 1 ? "the weights of 1 module are" : "the weights of \(count) modules are")
        + " rotated in the form of MLX, for which this has no place"
    case .notComputed(let found, let reason): "mlx-lm does not compute '\(printable(found))': \(reason)"
    case .missingTensor(let shape): "the model needs this tensor, of shape \(shape), and has none of the name"
    case .missingLayers(let layers):
      layers.count == 1
        ? "nothing of layer \(layers.lowerBound) is there, and the configuration asks for it"
        : "nothing of layers \(layers.lowerBound) to \(layers.upperBound - 1) is there, and the configuration asks for them"
    case .wrappedNames(let prefix):
      prefix.isEmpty
        ? "no name is one of the model class: 'model.' is missing before each"
        : "no name is one of the model class: '\(prefix)' stands before each"
    case .adapterAttached: "an adapter is still attached to the weights"
    case .unusedTensor: "no part of this model class uses this tensor, and leaving it out might change results"
    case .headBesideTie:
      "is stored with other numbers than the embeddings, to which the configuration ties it: transformers 5 computes "
        + "with it, transformers 4 does not"
    case .tensorShape(let expected, let found): "expected shape \(expected), found \(found)"
    case .unreadType(let name, let reason): "is stored as \(name), which is not read: \(reason)"
    case .invalidCodes(let count, let row, let column):
      "\(count == 1 ? "1 code stands" : "\(count) codes stand") for no trit"
        + (row.map { ", the first in row \($0)" } ?? "") + (column.map { ", column \($0)" } ?? "")
    case .notFinite: "a weight is infinite or not a number"
    case .tokenOutOfRange(let id, let vocabulary):
      "token id \(id) is outside the vocabulary of \(vocabulary) (0…\(vocabulary - 1))"
    case .emptyPrompt: "expected at least one token, found none"
    case .contextOverflow(let capacity, let needed): "the context holds \(capacity) tokens, \(needed) are needed"
    case .noFiniteLogit: "no logit is a number; the model's arithmetic broke down"
    case .notFiniteState(let state):
      "the model's numbers stop being finite at \(printable(layerName(state.name))) of token \(state.token): "
        + "expected finite numbers, found \(state.value)"
    }
  }

  package var remedy: String? {
    switch self {
    case .noArchitecture:
      "add \"architectures\": [\"LlamaForCausalLM\"]; 'tritsmith convert' takes the class by --architecture as well"
    case .unknownClass: "name one of these by --architecture, if the tensors are named as it names them"
    case .unknownArchitecture:
      "if its tensors are named as a known class names them, 'tritsmith convert' takes that class by --architecture"
    case .vocabularyOnly: "give the file of the model; 'tritsmith tokenize' takes a vocabulary alone"
    case .rotatedModules:
      "unfold them with --unfold --to dense, or take the GGUF file of the same model, which keeps its keys"
    case .notComputed: "write another form: --to hf-packed, dense, tritpack or gguf"
    case .noConfiguration: "put the config.json of the model beside its weights"
    case .missingTensor, .missingLayers: "the checkpoint is incomplete; fetch all of its files, or correct config.json"
    case .wrappedNames(let prefix):
      prefix.isEmpty
        ? "save the whole model (not its inner decoder), so that loaders find the tensors"
        : "save the unwrapped model (drop '\(prefix)' from the names), so that loaders find the tensors"
    case .adapterAttached:
      "merge it first: 'tritsmith merge BASE ADAPTER OUTPUT', or merge_and_unload() where it was trained"
    case .unusedTensor: "remove the tensor, or name the class that uses it with --architecture"
    case .headBesideTie: "set tie_word_embeddings to false if the head is meant, or remove the head"
    case .unknownKey: "remove the key if it means nothing for this model"
    case .contextOverflow: "give fewer tokens; perplexity and gap take shorter windows with --context"
    case .invalidCodes: "the file is damaged or of another packing"
    case .noFiniteLogit, .notFiniteState:
      "look for a weight that is no number or a scale that is too large: 'tritsmith check' names them"
    case .unsupportedValue:
      "correct the setting if it is a mistake; a model that means it needs a program that computes it"
    case .missingKey, .neededKey: "add the key with the value the model was trained with"
    case .wrongType: "write the value as what is expected, and not as text or null"
    case .contradiction, .tensorShape:
      "correct the setting, or fetch the files again: settings and tensors are of different models"
    case .tensorEncoding, .unreadType: "take the checkpoint this was made from, or convert it again"
    case .scale: "convert the model again from what it was made from"
    case .notFinite: "'tritsmith check' lists every such tensor; repair the checkpoint, or fetch it again"
    case .tokenOutOfRange: "take ids from this model's tokenizer: 'tritsmith tokenize' gives them"
    case .emptyPrompt: "give a text that is not empty, or ids where the command takes them"
    case .outOfRange: "give a value within these bounds"
    }
  }

  package var category: ErrorCategory {
    switch self {
    case .tokenOutOfRange, .emptyPrompt, .contextOverflow, .outOfRange: .misuse
    // The folder is sound; what was asked has no place for it.
    case .rotatedModules, .unknownClass: .misuse
    // The file is well formed; what it computes is not.
    case .noFiniteLogit, .notFiniteState: .checkFailed
    default: .malformedInput
    }
  }
}

/// The first state of a forward pass that holds an infinity or no number.
package struct NonFiniteState: Sendable, Hashable {
  /// As `ForwardObserver` names it, or `logits`.
  package var name: String
  /// The first token of the text at which it does.
  package var token: Int
  /// What stands there: `nan`, `inf` or `-inf`.
  package var value: String

  package init(name: String, token: Int, value: String) {
    (self.name, self.token, self.value) = (name, token, value)
  }
}
