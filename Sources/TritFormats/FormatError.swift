// Tritsmith: files that break the rules of their format.

import TritCore

/// A file exists and can be read, but its content is not what its format says.
package typealias FormatError = Diagnostic<FormatErrorKind>

/// What is wrong with the file.
package enum FormatErrorKind: PlacedDiagnosticKind {
  // Any container
  case notRecognised(found: String)
  /// Something was saved in the file's place.
  case standIn(StandIn)
  /// A file beside the weights is not JSON.
  case jsonFile(JSONError)
  case emptyFile
  /// A file of another kind than the one that was asked for.
  case otherFile(expected: String, found: String)
  // Safetensors headers
  case headerTooSmall(found: UInt64)
  case headerTooLarge(length: UInt64, limit: UInt64)
  case headerPastEnd(length: UInt64, available: UInt64)
  case json(JSONError)
  case wrongType(expected: String, found: String)
  case missingField
  case duplicateField
  case duplicateTensor
  case unknownDType(String)
  case overflow(shape: String)
  case fractionalBytes(bits: UInt64)
  case invertedOffsets(begin: UInt64, end: UInt64)
  case hole(expectedBegin: UInt64, begin: UInt64)
  case sizeMismatch(expected: UInt64, found: UInt64)
  case notCovered(dataEnd: UInt64, fileSize: UInt64)
  // Folders and shards
  case unsafeName(String)
  case linkOutside(name: String, target: String)
  case missingShard(String)
  case tensorInTwoShards(first: String, second: String)
  case tensorNotInShard(shard: String)
  case tensorNotInIndex
  case noModel(String)
  /// A folder of several weight files and no index.
  case noIndex(files: Int, names: String)
  /// A folder with more than one model in it.
  case severalModels(String)
  /// A folder of folders that hold models.
  case folderOfModels(String, first: String)
  /// - `alone`: a file that transformers does not find by its name; nil for those it loads.
  case pytorchWeights(String, alone: String?)
  // Packed tensors
  case packedShape(found: String)
  case scaleMissing(name: String)
  case badScale(String)
  /// - `option`: what says it in this command; nil where nothing does.
  case unknownScaleConvention(hint: String, option: String?)
  case conflictingScaleConvention(detail: String, option: String?)
  /// An option that says something else than the files state.
  case choiceContradicted(ContradictedChoice)
  // TritPack, TritDiff
  case unsupportedVersion(found: String, supported: String)
  /// Of a patch that an earlier program wrote.
  case outdatedVersion(found: String, supported: String)
  case badPreamble(String)
  case checksum(section: String)
  case badSection(String)
  case unknownLayout(String)
  case decompression(String)
  // TritDiff
  case isPatch
  // Adapters and other helpers
  case partialModel(PartialModel)
  // GGUF
  case gguf(GGUFFault)
  // MLX
  case mlx(MLXFault)

  package func category(at _: ErrorLocation) -> ErrorCategory {
    // What was said of the file is wrong, not the file.
    switch self {
    case .gguf(.choiceFitsNone), .choiceContradicted: .misuse
    default: .malformedInput
    }
  }
}

// MARK: - Sentences

extension FormatErrorKind {
  package var summary: String {
    switch self {
    case .notRecognised(let found): "not a model format this program knows: \(found)"
    case .standIn(let found): found.summary
    case .jsonFile(let error): "the file is not valid JSON: \(error)"
    case .emptyFile: "the file is empty"
    case .otherFile(let expected, let found): "expected \(expected), found \(found)"
    case .headerTooSmall(let found): "a safetensors file begins with an 8-byte length, this one has \(found) bytes"
    case .headerTooLarge(let length, let limit): "the header claims \(length) bytes, the format allows \(limit)"
    case .headerPastEnd(let length, let available):
      "the header claims \(length) bytes, but only \(available) follow its length"
    case .json(let error): "the header is not valid JSON: \(error)"
    case .wrongType(let expected, let found): "expected \(expected), found \(printable(found))"
    case .missingField: "the field is missing"
    case .duplicateField: "the field stands twice"
    case .duplicateTensor: "the name stands twice, and nothing decides between the two"
    case .unknownDType(let name): "'\(printable(name))' is not a dtype of the format"
    case .overflow(let shape): "the size of shape \(printable(shape)) does not fit 64 bits"
    case .fractionalBytes(let bits): "\(bits) bits are not a whole number of bytes"
    case .invertedOffsets(let begin, let end): "data begins at \(begin) and ends before it, at \(end)"
    case .hole(let expected, let begin):
      begin > expected
        ? "data begins at \(begin), which leaves a hole after \(expected)"
        : "data begins at \(begin), inside another tensor that ends at \(expected)"
    case .sizeMismatch(let expected, let found):
      "shape and type need \(expected) bytes, the offsets span \(found)"
    case .notCovered(let end, let size):
      size > end
        ? "the tensors end at byte \(end), but the file goes on to \(size)"
        : "the tensors need \(end) bytes, but the file ends at \(size)"
    case .unsafeName(let name): "'\(printable(name))' is not a plain file name beside the index"
    case .linkOutside(let name, let target):
      "'\(printable(name))' is a link out of the folder, to '\(printable(target))'"
    case .missingShard(let name): "the index names '\(printable(name))', which is not there"
    case .tensorInTwoShards(let first, let second):
      "stands in two shards, '\(printable(first))' and '\(printable(second))'"
    case .tensorNotInShard(let shard): "the index puts it in '\(printable(shard))', which does not hold it"
    case .tensorNotInIndex: "a shard holds it, but the index does not name it"
    case .noModel(let detail): detail
    case .noIndex(let files, let names):
      "the folder holds \(files) safetensors files, but no \(ShardIndex.name): \(names)"
    case .severalModels(let names): "the folder holds several models: \(names)"
    case .folderOfModels(let names, _): "the folder holds no model itself, but folders that do: \(names)"
    case .pytorchWeights(let names, _):
      "these are weights saved by PyTorch (\(names)), and this program reads safetensors"
    case .packedShape(let found): "a packed weight has shape [rows / 4, columns], found \(found)"
    case .scaleMissing(let name): "these are packed trits, and their scale '\(printable(name))' is not there"
    case .badScale(let detail): "the scale is unusable: \(detail)"
    case .unknownScaleConvention(let hint, _):
      "nothing states the convention: weight = trit × scale, or trit ÷ scale\(hint.isEmpty ? "" : " (\(hint))")"
    case .conflictingScaleConvention(let detail, _): "the evidence on the scale's meaning conflicts: \(detail)"
    case .choiceContradicted(let choice): choice.summary
    case .unsupportedVersion(let found, let supported): "version \(found); this program reads \(supported)"
    case .outdatedVersion(let found, let supported):
      "version \(found), which this program no longer reads; it reads \(supported)"
    case .badPreamble(let detail): "the preamble is damaged: \(detail)"
    case .checksum(let section): "the checksum of \(section) does not match its bytes"
    case .badSection(let detail): detail
    case .unknownLayout(let name): "ternary layout '\(printable(name))' is not known"
    case .decompression(let detail): "a compressed section cannot be read: \(detail)"
    case .isPatch: "this is a patch, which is a model only together with its base"
    case .partialModel(let found): found.summary
    case .gguf(let fault): fault.summary
    case .mlx(let fault): fault.summary
    }
  }

  package func remedy(at location: ErrorLocation) -> String? {
    switch self {
    case .notRecognised, .noModel: "name a safetensors, GGUF or TritPack file, or a folder that holds a model"
    case .noIndex: "fetch the index of the same model, or name one of the files"
    case .severalModels: "name one of them"
    case .folderOfModels(_, let first):
      "name one, such as '\(printable(first))'; 'tritsmith family' compares all of a folder"
    case .pytorchWeights(_, let alone?): FormatErrorKind.savingLine(ofFile: alone)
    case .pytorchWeights: FormatErrorKind.savingLine(of: location.file ?? "MODEL")
    case .standIn(let found): found.remedy
    case .otherFile: "name a file of the expected kind"
    case .jsonFile(let error), .json(let error): error.remedy
    case .emptyFile, .headerTooSmall, .headerPastEnd, .notCovered, .checksum, .badPreamble:
      "the file is damaged or a download is incomplete: fetch it again and compare its size"
    case .missingShard: "fetch the missing file, or the whole model again"
    case .duplicateTensor: "write the file again with a correct tool; readers disagree on which one counts"
    case .unsafeName: "do not trust this model: its index reaches outside its folder"
    case .linkOutside: "name the folder it leads to, or, for links of your own, allow them with --follow-links"
    case .tensorInTwoShards, .tensorNotInShard, .tensorNotInIndex: "fetch index and shards again, from one revision"
    case .unknownScaleConvention(_, let option?), .conflictingScaleConvention(_, let option?):
      "say which it is: \(option) divide (Falcon-E) or multiply (BitNet b1.58)"
    case .unknownScaleConvention, .conflictingScaleConvention:
      "write a file that states it: 'tritsmith convert MODEL model.tritpack --scale-convention divide' (Falcon-E) or "
        + "multiply (BitNet b1.58)"
    case .choiceContradicted(let choice): choice.remedy
    case .unsupportedVersion: "use a newer tritsmith"
    case .outdatedVersion:
      "make the patch again: 'tritsmith diff BASE TARGET -o PATCH'; tritsmith 0.1.0 applies this one"
    case .isPatch: "'tritsmith apply BASE PATCH -o MODEL' gives the model; 'tritsmith inspect' shows the patch"
    case .partialModel(let found): found.remedy
    case .scaleMissing: "fetch the model again; without the scale no weight of this tensor is known"
    case .gguf(let fault): fault.remedy
    case .mlx(let fault): fault.remedy
    case .headerTooLarge, .wrongType, .missingField, .duplicateField, .unknownDType, .overflow, .fractionalBytes,
      .invertedOffsets, .hole, .sizeMismatch, .badSection, .decompression:
      "the file is damaged, or a program wrote it wrongly: fetch it again, or write it again with a correct tool"
    case .packedShape, .badScale: "fetch the model again, or convert it again from the latent weights"
    case .unknownLayout: "use a newer tritsmith, or write it with a layout this one knows"
    }
  }
}

extension FormatErrorKind {
  /// The line of Python that saves a PyTorch checkpoint anew.
  fileprivate static func savingLine(of path: String) -> String {
    let folder = FileSystem.kind(of: path) == .folder ? path : FileSystem.parent(of: path)
    let name = printable(folder)
    // The command has a line of its own, which is pasted as it stands.
    return "save them as safetensors by this line, then copy the tokenizer's files there:\n"
      + "python -c \"from transformers import AutoModelForCausalLM as M; "
      + "M.from_pretrained('\(name)', torch_dtype='auto').save_pretrained('\(name)-safetensors')\""
  }

  /// The line of Python that saves the tensors of one file: transformers finds no file of another name.
  fileprivate static func savingLine(ofFile path: String) -> String {
    let name = FileSystem.name(of: path)
    let stem = name.lastIndex(of: ".").map { name[..<$0] } ?? name[...]
    let output = FileSystem.join(FileSystem.parent(of: path), String(stem) + ".safetensors")
    return "where the file is a dictionary of tensors, this line saves them as safetensors:\n"
      + "python -c \"import torch; from safetensors.torch import save_file; "
      + "save_file({k: v.contiguous().clone() for k, v in torch.load('\(printable(path))', map_location='cpu', "
      + "weights_only=True).items()}, '\(printable(output))')\""
  }
}
