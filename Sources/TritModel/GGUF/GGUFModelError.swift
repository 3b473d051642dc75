// Tritsmith: models that cannot be said in GGUF, or GGUF files that say no model.

import TritCore

/// A model cannot be written as GGUF, or a GGUF file does not describe one.
package typealias GGUFModelError = Diagnostic<GGUFModelErrorKind>

package enum GGUFModelErrorKind: DiagnosticKind {
  case unknownFamily(String)
  case missingKey(String)
  case badValue(expected: String, found: String)
  /// A key holds another kind of value than its readers take.
  case badType(expected: String, found: String)
  /// Rows or columns that cannot be cut into heads.
  case headsDoNotFit(expected: String, found: Int)
  case noName
  /// A dense tensor has a factor in a tensor of its own.
  case factorOfDense
  case badFactor(String)
  /// Keys of rotated weights are missing, not known, or contradict each other or the tensors.
  case badRotation(expected: String, found: String)
  /// A rotated tensor is of a type that is not read.
  case cannotUnfold(type: String)
  /// GGUF has no key for a setting, and its readers compute something else.
  case notSayable(found: String, graph: String)
  case unsupportedTokenizer(String)
  /// An engine has no name for how the tokenizer cuts text.
  case unnamedPreTokenizer(found: String, engine: String, elsewhere: [String])
  /// The user's name stands for other rules than the tokenizer's.
  case otherPreTokenizer(name: String, engine: String, fitting: [String])
  case tokenBeyondVocabulary(id: Int, size: Int)

  package var summary: String {
    switch self {
    case .unknownFamily(let name):
      "model class '\(printable(name))' has no form in GGUF here; known are "
        + ArchitectureRegistry.all.filter { $0.gguf != nil }.map(\.className).joined(separator: ", ")
    case .missingKey(let key): "'\(printable(key))' is missing, and GGUF readers need it"
    case .badValue(let expected, let found), .badType(let expected, let found):
      "expected \(expected), found \(printable(found))"
    case .headsDoNotFit(let expected, let found): "expected \(expected), found \(found) rows or columns"
    case .noName: "GGUF has no name for this tensor"
    case .factorOfDense: "its values are to be multiplied by a '.scale' tensor, which is read for ternary types only"
    case .badFactor(let found): "a '.scale' tensor holds one F32 number above 0, found \(printable(found))"
    case .notSayable(let found, let graph): "GGUF cannot say '\(printable(found))': \(graph)"
    case .badRotation(let expected, let found):
      "the keys of its rotated weights are not sound: expected \(printable(expected, limit: 300)), found "
        + printable(found)
    case .cannotUnfold(let type):
      "its rotated weights cannot be unfolded: they are stored as \(type), which is not read"
    case .unsupportedTokenizer(let detail): "the tokenizer cannot be written to GGUF: \(detail)"
    case .unnamedPreTokenizer(let found, let engine, let elsewhere):
      "\(engine) has no name for how the tokenizer cuts text: \(printable(found, limit: 300))"
        + (elsewhere.isEmpty ? "" : "; " + elsewhere.joined(separator: ", "))
    case .otherPreTokenizer(let name, let engine, let fitting):
      "under '\(printable(name))' \(engine) cuts text otherwise than this tokenizer; its names there are "
        + fitting.map { "'\($0)'" }.joined(separator: ", ")
    case .tokenBeyondVocabulary(let id, let size): "token id \(id) lies beyond the vocabulary of \(size)"
    }
  }

  package var remedy: String? {
    switch self {
    case .unknownFamily: "if the model is built alike, choose the class with --architecture"
    case .missingKey: "convert the model again, or add the key to the file with a GGUF editor"
    case .notSayable: "write TritPack or safetensors, which keep the configuration as it is"
    case .noName: "write TritPack or safetensors, which take any tensor"
    case .unsupportedTokenizer: "write the file without one (--no-tokenizer), or write TritPack"
    case .unnamedPreTokenizer: "name it with --gguf-pre, write the file without one (--no-tokenizer), or write TritPack"
    case .otherPreTokenizer: "leave --gguf-pre out, or give one of these"
    case .factorOfDense: "quantize the file with the program it is for first (IQ2_BN), and read that"
    case .badRotation:
      "fetch the file again from who published it: no program can know the meaning of its weights"
    case .cannotUnfold: "convert the tensor to a type that is read with the program the file is for"
    case .badFactor: "write the file again with a correct tool"
    case .badType: "write the key again with its type: llama.cpp refuses the file as well"
    case .badValue, .headsDoNotFit, .tokenBeyondVocabulary:
      "check the setting against the tensors' shapes, in config.json or the keys of the GGUF file"
    }
  }

  package var category: ErrorCategory { .malformedInput }

  /// Whether the keys of rotated weights are what is wrong.
  package var speaksOfRotation: Bool {
    if case .badRotation = self { true } else { false }
  }
}
