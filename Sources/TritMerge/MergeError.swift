// Tritsmith: adapters that cannot be merged.

import TritCore

/// An adapter, or a base, that cannot be merged.
package typealias MergeError = Diagnostic<MergeErrorKind>

package enum MergeErrorKind: DiagnosticKind {
  /// A folder without one of an adapter's two files, or both.
  case notAnAdapter(missing: [String], hasPickle: Bool)
  case wrongType(expected: String)
  /// Something PEFT can do and this merge cannot.
  case unsupported(String)
  case pattern(String)
  case unknownTensor(String)
  case halfPair(missing: String)
  case shape(expected: String, found: String)
  case rank(expected: Int, found: Int)
  case notTargeted
  case missing(module: String)
  case noModule(String)
  case base(found: String)
  /// Of the merged matrix, by what the adapter adds.
  case notFinite(index: Int)
  case adapterNotFinite(index: Int, value: String)
  case baseNotFinite(index: Int, value: String)
  case empty
  case auditFailed(String)

  package var summary: String {
    switch self {
    case .notAnAdapter(let missing, _): "is no adapter: it holds no \(missing.joined(separator: " and no "))"
    case .wrongType(let expected): "expected \(expected)"
    case .unsupported(let what): "\(what) cannot be merged into a matrix here"
    case .pattern(let key): "the pattern '\(printable(key))' is a regular expression; only module names are understood"
    case .unknownTensor(let name): "'\(printable(name))' is no LoRA matrix"
    case .halfPair(let missing): "its other half '\(printable(missing))' is missing"
    case .shape(let expected, let found): "has shape \(found), expected \(expected)"
    case .rank(let expected, let found): "has rank \(found), the configuration says \(expected)"
    case .notTargeted: "is not among the configuration's target_modules"
    case .missing(let module): "holds no matrices for '\(printable(module))', one of the configuration's target_modules"
    case .noModule(let name): "the base has no tensor '\(printable(name))'"
    case .base(let found): "is stored as \(found) in the base; an adapter is merged into dense BF16, F16 or F32 weights"
    case .notFinite(let index):
      "the adapter's product B·A is too large: element \(index) of the merged matrix would be infinite or NaN"
    case .adapterNotFinite(let index, let value): "the adapter holds \(value), at element \(index) of this matrix"
    case .baseNotFinite(let index, let value): "the base holds \(value), at element \(index) of this tensor"
    case .empty: "holds no LoRA matrices"
    case .auditFailed(let detail): "the merged model did not pass its audit and was not put in place: \(detail)"
    }
  }

  package var remedy: String? {
    switch self {
    case .notAnAdapter(_, hasPickle: true):
      "save adapter_model.bin as safetensors first: load it with PEFT, then save_pretrained(…, safe_serialization=True)"
    case .notAnAdapter: "name the folder that PEFT's save_pretrained wrote"
    case .unsupported: "merge it with PEFT's merge_and_unload and convert the result"
    case .base: "merge into the prequantized checkpoint; 'tritsmith convert PACKED OUTPUT --to trainable' makes one"
    case .missing, .halfPair: "fetch the adapter again: it is not complete"
    case .unknownTensor, .pattern: "merge it with PEFT's merge_and_unload and convert the result"
    case .adapterNotFinite, .notFinite:
      "its training diverged or the file is damaged: take an earlier checkpoint of the adapter, or fetch it again"
    case .baseNotFinite: "repair the base first; 'tritsmith check' lists every such tensor"
    case .noModule: "use the base the adapter was trained on"
    default: nil
    }
  }

  package var category: ErrorCategory {
    switch self {
    case .notAnAdapter: .cannotOpen
    case .auditFailed: .checkFailed
    default: .malformedInput
    }
  }
}
