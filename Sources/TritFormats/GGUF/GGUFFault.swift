// Tritsmith: what can be wrong with a GGUF file.

import TritCore

/// A rule of GGUF that a file breaks; part of `FormatError`.
package enum GGUFFault: Sendable, Equatable {
  case badMagic(found: String)
  case bigEndian
  case unsupportedVersion(UInt32)
  /// Something reaches past the end of the file.
  case endsEarly(what: String, needed: UInt64, available: UInt64)
  case tooMany(what: String, count: UInt64, limit: UInt64)
  case emptyKey
  case duplicateKey
  case notUTF8(what: String)
  case unknownValueType(UInt32)
  case nestedArray
  case badBoolean(UInt8)
  case badAlignment(String)
  case tooManyDimensions(UInt32)
  case shapeTooLarge(String)
  case blockMisfit(type: String, columns: Int, block: Int)
  case misaligned(offset: UInt64, alignment: UInt64)
  case overlap(with: String)
  case pastEnd(end: UInt64, fileSize: UInt64)
  case badSplit(String)
  case missingPart(String)
  /// Programs use the number for different things, and the offsets fit several of them.
  case ambiguousType(id: UInt32, names: [String], tensors: Int)
  /// Programs use the number for different things, and the offsets fit none of them.
  case unexplainedType(id: UInt32, bytes: UInt64, wanted: [String], dimensions: [Int])
  /// A meaning was chosen that no tensor of the number can have.
  case choiceFitsNone(choice: String, tensors: Int)
  case retagsOneFile
  /// There are no tensors of the older type.
  case nothingToRetag(found: String?)

  var summary: String {
    switch self {
    case .badMagic(let found): "a GGUF file begins with 'GGUF', this one with \(printable(found))"
    case .bigEndian: "the file is big-endian; this program reads little-endian GGUF"
    case .unsupportedVersion(let version): "GGUF version \(version); this program reads versions 2 and 3"
    case .endsEarly(let what, let needed, let available):
      "\(what) needs \(needed) bytes, but \(available) are left in the file"
    case .tooMany(let what, let count, let limit):

      "\(count) \(what) are claimed, the file has room for \(limit) at most"
    case .emptyKey: "a metadata key is empty"
    case .duplicateKey: "the key stands twice; readers disagree on which one counts"
    case .notUTF8(let what): "\(what) is not UTF-8"
    case .unknownValueType(let type): "value type \(type) does not exist; the types are 0 to 12"
    case .nestedArray: "an array holds arrays, which no reader of models supports"
    case .badBoolean(let byte): "a boolean is 0 or 1, found \(byte)"
    case .badAlignment(let found): "the alignment must be a power of two in a u32, found \(printable(found))"
    case .tooManyDimensions(let count): "\(count) dimensions; the format has at most 4"
    case .shapeTooLarge(let shape): "the size of shape \(printable(shape)) does not fit 64 bits"
    case .blockMisfit(let type, let columns, let block):
      "type \(type) stores blocks of \(block) values, but a row has \(columns)"
    case .misaligned(let offset, let alignment): "its data begins at \(offset), not a multiple of \(alignment)"
    case .overlap(let other): "its data overlaps that of '\(printable(other))'"
    case .pastEnd(let end, let size): "its data ends at byte \(end), but the file ends at \(size)"
    case .badSplit(let detail): "the parts of the split model do not fit together: \(detail)"
    case .missingPart(let name): "part '\(printable(name))' of the split model is not there"
    case .ambiguousType(let id, let names, let tensors):
      "type \(id) may be \(names.joined(separator: " or ")), and the offsets of \(tensors) tensors fit each of them"
    case .choiceFitsNone(let choice, let tensors):
      "\(choice) was asked for as the meaning of a type, and the offsets of none of \(tensors) tensors agree with it"
    case .retagsOneFile: "this is one part of several; type numbers are changed in whole files"
    case .nothingToRetag(let found):
      "no tensor is Q2_0 in blocks of 128, which could be called PQ2_0: "
        + (found.map { "type 42 is \(printable($0)) here" } ?? "none has type 42")
    case .unexplainedType(let id, let bytes, let wanted, let dimensions):
      "type \(id) of shape \(dimensions) spans \(bytes) bytes, which none of its meanings explains: "
        + wanted.joined(separator: ", ")
    }
  }

  var remedy: String? {
    switch self {
    case .badMagic: "name a GGUF file"
    case .bigEndian: "convert it first: gguf-convert-endian FILE little"
    case .unsupportedVersion(let version):
      version == 1 ? "convert the model again; version 1 is from 2023" : "use a newer tritsmith"
    case .endsEarly, .pastEnd: "a download is incomplete or the file is damaged: fetch it again, compare its size"
    case .ambiguousType(let id, let names, _):
      "say which it is: --gguf-type \(names.map { "\(id)=\($0)" }.joined(separator: " or "))"
    case .unexplainedType(let id, _, _, _):
      "the file is damaged or incomplete, or from a program not known here; --gguf-type \(id)=NAME reads it as you say"
    case .choiceFitsNone: "leave --gguf-type out: the offsets tell most types"
    case .retagsOneFile, .nothingToRetag: "convert it: 'tritsmith convert IN OUT --to gguf --layout PQ2_0'"
    case .missingPart, .badSplit: "fetch all parts again, from one revision, and keep their names"
    case .duplicateKey, .nestedArray, .badAlignment, .blockMisfit, .misaligned, .overlap:
      "write the file again with a correct tool"
    default: "the file is damaged or no GGUF file"
    }
  }
}
