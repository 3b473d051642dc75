// Tritsmith: patches that cannot be made or applied.

import TritCore

/// Two models a patch cannot be made of, or a model it does not belong to.
package typealias DiffError = Diagnostic<DiffErrorKind>

package enum DiffErrorKind: DiagnosticKind {
  // Applying
  case missingTensor
  /// A GGUF file, whose tensors have names of their own.
  case otherNames
  case extraTensor
  case otherTensor(expected: String, found: String)
  case otherHash(expected: String, found: String)
  case missingFile(String)
  case otherFile(String, expected: String, found: String)
  case otherTarget(expected: String, found: String)
  case otherCodeStream(expected: String, found: String)
  /// The patch stands where the base belongs.
  case swapped
  /// The output has the name of another form.
  case otherName(gives: String, named: String)
  // Making
  case compressedTarget
  case fileBesideModel(String)
  case filledPadding

  package var summary: String {
    switch self {
    case .missingTensor: "the patch was made for a base that has this tensor; this model has none of this name"
    case .otherNames:
      "the patch was made for a base with Hugging Face's names of tensors; this is a GGUF file, which has others"
    case .extraTensor: "the patch was made for a base that does not have this tensor"
    case .otherTensor(let expected, let found):
      "the patch was made for another base: expected \(printable(expected)), found \(printable(found))"
    case .otherHash(let expected, let found):
      "the patch was made for another base: expected content with SHA-256 \(expected), found \(found)"
    case .missingFile(let name): "the patch takes '\(printable(name))' from its base, which is not there"
    case .otherFile(let name, let expected, let found):
      "the patch was made for another '\(printable(name))': expected SHA-256 \(expected), found \(found)"
    case .otherTarget(let expected, let found):
      "the result is not the one that the patch states: expected SHA-256 \(expected), found \(found)"
    case .otherCodeStream(let expected, let found):
      "the result is not the one that the patch states: expected the code stream \(expected), found \(found)"
    case .otherName(let gives, let named): "the patch gives \(gives), and this is the name of a .\(named) file"
    case .swapped: "this is the patch, and the base comes first"
    case .compressedTarget: "its tensors are compressed, and a patch could not give the same bytes again"
    case .filledPadding:
      "its rows end with codes past the last column that are not those of trit 0; a patch could not restore them"
    case .fileBesideModel(let name): "a file of it is called '\(printable(name))', as one of its companions is"
    }
  }

  package var remedy: String? {
    switch self {
    case .missingTensor, .extraTensor, .otherTensor, .otherHash, .missingFile, .otherFile:
      "apply it to the model it was made for: 'tritsmith inspect PATCH -v' states its code stream, 'tritsmith compare A B -v' that of two models"
    case .otherNames: "apply it to the safetensors or TritPack form of the base, and add --to gguf for a GGUF file"
    case .otherTarget, .otherCodeStream: "the patch is damaged or was made by a faulty program: have it made again"
    case .swapped: "turn the two round: 'tritsmith apply BASE PATCH -o MODEL'"
    case .otherName: "choose another name, or convert the result with --to"
    case .compressedTarget: "store it uncompressed: 'tritsmith convert MODEL PLAIN --to tritpack'"
    case .filledPadding: "write it again: 'tritsmith convert MODEL NEW --to tritpack'"
    case .fileBesideModel: nil
    }
  }

  package var category: ErrorCategory {
    switch self {
    case .compressedTarget, .filledPadding, .otherName, .swapped: .misuse
    case .otherTarget, .otherCodeStream: .checkFailed
    default: .malformedInput
    }
  }
}
