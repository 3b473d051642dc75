// Tritsmith: requests that cannot be carried out.

import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritReport

/// A model is readable, but what was asked of it cannot be done.
package typealias WorkflowError = Diagnostic<WorkflowErrorKind>

package enum WorkflowErrorKind: DiagnosticKind {
  case notFinite(index: Int, value: String)
  /// In a tensor that is only copied.
  case copiesNotFinite(index: Int, value: String)
  case unsupportedEncoding(found: String, wanted: String)
  /// Of a type that is listed and not read.
  case unreadType(String, reason: String)
  case doesNotFit(layout: String, detail: String)
  case oneScaleOnly(found: String)
  /// A form whose layers round inputs, of a model whose projections do not.
  case roundsInputs(target: String)
  /// A packed safetensors file could not say that the tensor is packed.
  case nameCannotBePacked
  /// Another tensor has the name a scale must have.
  case scaleNameTaken(String)
  case mixedConventions
  /// Scales whose numbers speak against what a folder would say of them.
  case scalesDenied(ScaleConvention, numbers: String, from: ScaleOrigin)
  case keepsConvention(ScaleConvention)
  case unusableScale(Float)
  case latentsOverflow(mean: Float)
  case latentsVanish(mean: Float)
  case noConfiguration(String)
  /// Of a form whose header holds the model's settings.
  case noSettings(String)
  /// Of a tensor that was named to become ternary.
  case noMatrix(shape: String)
  /// A file that is one of several of a model, opened alone.
  case loneShard(number: Int, of: Int)
  /// Tensors that are not those of the class that was asked for.
  case otherClass(String, detail: String)
  case nothingToQuantize
  case nothingToRestore(kind: String)
  case globWithoutMatch(String)
  /// Where one tensor is needed.
  case globOfSeveral(String, count: Int, first: [String])
  case contradictoryGlobs
  case notNative(String)
  /// The first in that row and column, as far as they are known.
  case invalidCodes(count: Int, row: Int? = nil, column: Int? = nil)
  case auditFailed(String)
  case unknownQuantizer(String, known: String)
  case unpackedOffline
  case hasForeignQuantization(String)
  case tensorsDoNotFit(layout: String, names: [String], detail: String)
  case scaleDoesNotFit(UnheldScale)
  /// Weights that share a scale in the output have different ones.
  case scalesDiffer(ScaleMisfit, layout: String, holds: String)
  case valuesOverflow(type: String)
  /// In a dense model that is ternary already, a projection that is not.
  case partlyTernary(TernaryBreak?)
  /// Weights of plus and minus a scale, without zeros.
  case binaryWeights(String)
  /// A tensor that is read over a network is not what samples of it say.
  case samplesMislead(sampled: String, found: String)
  /// Numbers too small for a type, so that what is stored is no rounding of them.
  case roundingLoses(detail: String)
  /// The nearest key, nil where none is near; and how many there are.
  case unknownMetadata(String, nearest: String?, count: Int)
  /// A rule of `check` is broken.
  case unsound(CheckFinding)
  case blocksDoNotFit(type: String, columns: Int, block: Int)
  case recipeNeedsDense(String, found: String)
  case recipeQuantizesAll(String)
  /// A single file has no place for the configuration that readers need.
  case needsFolder
  /// Parts are single files.
  case notInParts(String)
  /// Weights MLX has quantized to other numbers than trits.
  case roundedByMLX(String, isDamaged: Bool)
  /// A form that cannot say that weights are rotated.
  case rotatedWeights(WeightRotation, target: String)
  /// Keys would name a tensor the output has not.
  case rotatedTensorLeftOut
  case notRotated
  case unfoldsToDense(asked: String)
  /// Of what works on whole rows.
  case rowTooLong(columns: Int)

  package var summary: String {
    switch self {
    case .notFinite(let index, let value): "element \(index) is \(value); a weight to be made ternary must be finite"
    case .copiesNotFinite(let index, let value):
      "element \(index) is \(value); a model with it computes NaN or infinities"
    case .unsupportedEncoding(let found, let wanted): "is stored as \(found); \(wanted) is needed here"
    case .unreadType(let name, let reason): "is stored as \(name), which is not read: \(reason)"
    case .doesNotFit(let layout, let detail): "does not fit layout \(layout): \(detail)"
    case .oneScaleOnly(let found): "has \(found) scales; this output format holds one for a tensor"
    case .roundsInputs(let target):
      "its projections take inputs as they are, and every packed layer of \(target) rounds them to int8: the output would "
        + "be another model"
    case .nameCannotBePacked:
      "a packed tensor of this output format has a name that ends in '.weight', and its scale is found by it"
    case .scaleNameTaken(let name): "its scale would be '\(printable(name))', which is another tensor"
    case .mixedConventions: "some tensors multiply by their scale, others divide; one configuration cannot say both"
    case .scalesDenied(let convention, let numbers, _):
      "the folder would say \(convention.rawValue), and \(numbers): readers refuse such a contradiction"
    case .keepsConvention(let convention):
      "its scales \(convention.rawValue); turning them round would round them, so packed scales keep their meaning"
    case .unusableScale(let value): "its scale would be \(value), which nothing can be divided by"
    case .latentsOverflow(let mean):
      "latents with a mean magnitude of \(mean) would be larger than the largest bfloat16 number"
    case .latentsVanish(let mean):
      "latents with a mean magnitude of \(mean) become 0 when they are made ternary, which takes no mean below 0.00001"
    case .noConfiguration(let why), .noSettings(let why): "there is no config.json, \(why)"
    case .noMatrix(let shape): "is a tensor of shape \(shape), and only matrices become ternary"
    case .loneShard(let number, let count): "this is shard \(number) of \(count) of a model, without the others"
    case .otherClass(let name, let detail): "these are not the tensors of \(printable(name)): \(detail)"
    case .nothingToQuantize: "no tensor would be ternary in the output"
    case .nothingToRestore(let kind): "there are no trits to make latents of: the weights are \(kind)"
    case .globWithoutMatch(let glob): "the pattern '\(printable(glob))' matches no tensor"
    case .globOfSeveral(let glob, let count, let first):
      "the pattern '\(printable(glob))' matches \(count) tensors where one is needed: "
        + first.map { printable($0) }.joined(separator: ", ") + (count > first.count ? ", …" : "")
    case .contradictoryGlobs: "one pattern leaves it dense, another makes it ternary"
    case .notNative(let verdict): "the weights are not those of a BitNet model: \(verdict)"
    case .invalidCodes(let count, let row, let column):
      "holds \(count == 1 ? "a code" : plural(count, "code")) that no packer writes"
        + (row.map { ", the first in row \($0)" } ?? "") + (column.map { ", column \($0)" } ?? "")
    case .auditFailed(let detail): "the finished output did not pass its audit and was not put in place: \(detail)"
    case .unknownQuantizer(let name, let known): "quantizer '\(printable(name))' is not known; there are \(known)"
    case .unpackedOffline:
      "holds trits as dense numbers beside a scale (unpacked autobitlinear), which is not supported"
    case .tensorsDoNotFit(let layout, let names, let detail):
      plural(names.count, "tensor does", "tensors do") + " not fit \(layout): " + WorkflowError.named(names)
        + " (the first: \(detail))"
    case .scaleDoesNotFit(let scale): scale.summary
    case .roundingLoses(let detail): detail
    case .samplesMislead(let sampled, let found):
      "the output was planned by samples of it, which have \(sampled); all of it has \(found)"
    case .partlyTernary(let found):
      (found.map(\.text) ?? "holds more than three values") + ", in a model whose projections are ternary otherwise"
    case .binaryWeights(let type):
      "is stored as \(type), a binary type: its weights are +s or −s and never 0, so the model is no ternary one"
    case .scalesDiffer(let misfit, let layout, let holds):
      "\(layout) holds one scale for each \(holds), but in row \(misfit.row), columns \(misfit.columns.lowerBound) to "
        + "\(misfit.columns.upperBound - 1), trits are multiplied by \(misfit.first) and by \(misfit.second)"
    case .valuesOverflow(let type): "holds values too large for \(type)"
    case .blocksDoNotFit(let type, let columns, let block):
      "its rows of \(columns) numbers are no whole blocks of \(block), which \(type) has"
    case .recipeNeedsDense(let recipe, let found):
      "is stored as \(found); \(recipe) of onebitllms reads dense safetensors only"
    case .recipeQuantizesAll(let recipe): "\(recipe) of onebitllms would quantize it as well, which ruins the model"
    case .needsFolder: "readers of this target find groups and bits in config.json, and a single file has none"
    case .notInParts(let target):
      "\(target) is not made in parts: they are single files, which cannot be read back"
    case .roundedByMLX(let name, let isDamaged):
      isDamaged
        ? "is \(name): \(MLXPacking.damageText)"
        : "is \(MLXPacking.meaning(.opaque(name))), and there are no trits in it"
    case .rotatedWeights(let rotation, let target):
      "the weights are rotated (\(rotation.text)), and \(target) cannot say so: every program would load the output and "
        + "compute nonsense"
    case .rotatedTensorLeftOut: "is rotated by the keys of the file and would not be in the output"
    case .notRotated: "there is nothing to unfold: no key of the model says that its weights are rotated"
    case .unfoldsToDense(let asked): "unfolded weights are ordinary dense ones, \(asked) makes others of them"
    case .rowTooLong(let columns):
      "has rows of \(columns) weights; this command works on whole rows, of at most \(TensorShape.longestRow)"
    case .unknownMetadata(let pattern, _, _): "no metadata key matches '\(printable(pattern))'"
    case .unsound(let finding):
      finding.sentence
    case .hasForeignQuantization(let method): "the model is quantized with '\(printable(method))', which is not BitNet"
    }
  }

  package var remedy: String? { remedy(holders: nil) }

  /// - Parameter holders: options that write the same model with all of its scales; nil where it was not looked for them.
  package func remedy(holders: [String]?) -> String? {
    switch self {
    case .notFinite: "repair the checkpoint, or leave this tensor dense with --keep"
    case .copiesNotFinite:
      "repair the checkpoint ('tritsmith check' lists every such tensor), or copy it as it is with --allow-nonfinite"
    case .doesNotFit: "leave it dense with --keep, or write TritPack, which takes any size"
    case .oneScaleOnly where holders != nil:
      "write \(WorkflowError.alternatives(holders ?? [])), which have room for its scales"
    case .oneScaleOnly:
      "write --to tritpack, --to dense, --to mlx, or --to gguf --layout Q2_0, PQ2_0 or PTQ1_0, which hold scales per row "
        + "and group"
    case .roundsInputs: "write --to tritpack, --to gguf, --to mlx or --to dense, which take inputs as the model does"
    case .nameCannotBePacked, .scaleNameTaken: "leave it dense, or write TritPack, which takes any name"
    case .scalesDenied(_, _, let origin): origin.remedy
    case .noSettings: "put the config.json of the model beside its weights"
    case .noMatrix: "leave it out: give --quantize a pattern that matches matrices alone"
    case .loneShard: "name the folder that holds them all, or the index"
    case .otherClass: "name the class whose tensors these are, or leave --architecture out"
    case .keepsConvention: "leave --output-scale out, or convert from the latent weights"
    case .partlyTernary(.some):
      "where that is damage, fetch the model again; else say what it is: --keep leaves it an ordinary matrix, --quantize "
        + "makes it ternary with one new scale"
    case .binaryWeights: "write --to dense, or --to gguf --layout F16, which hold its numbers"
    case .unusableScale: "the magnitudes are too large for this arithmetic; leave the tensor dense with --keep"
    case .latentsOverflow, .latentsVanish:
      "nothing can be trained from such a scale; 'tritsmith check' says what else is wrong"
    case .noConfiguration: "name the tensors with --quantize, or put config.json beside the file"
    case .nothingToQuantize:
      "name tensors with --quantize; 'tritsmith inspect' lists them; --to gguf --layout F16, with --keep for every "
        + "projection, writes an ordinary model as it is"
    case .nothingToRestore: "latents and ordinary weights can be trained as they are; give a packed or ternary model"
    case .globWithoutMatch: "'tritsmith inspect MODEL --tensors' lists the names; quote the pattern for the shell"
    case .globOfSeveral: "give the whole name of one of them"
    case .contradictoryGlobs: "take it out of --keep or of --quantize"
    case .notNative: "leave --require-native out to convert anyway, and measure the loss"
    case .invalidCodes: "the file is damaged or its packing is another one"
    case .auditFailed: "please report this: it is a fault of this program or of the disk"
    case .tensorsDoNotFit:
      "store these as F16 with --misfits dense, or "
        + (holders.map { "write " + WorkflowError.alternatives($0) } ?? "choose another --layout")
    case .scalesDiffer(_, let layout, _):
      "write "
        + (holders.map { WorkflowError.alternatives($0) + ", which have room for its scales" }
          ?? WorkflowErrorKind.holders(besides: layout) + "TritPack or dense weights")
        + (layout.hasPrefix("I2_S") ? "" : "; --allow-scale-loss keeps the trits and the largest of the scales")
    case .scaleDoesNotFit(let scale): scale.remedy
    case .partlyTernary: "say what it is: --keep leaves it an ordinary matrix, --quantize makes it ternary"
    case .samplesMislead: "fetch the model with 'hf download' and convert it from there, where it is read whole first"
    case .valuesOverflow, .roundingLoses: "choose --embeddings bf16 or f32"
    case .blocksDoNotFit: "choose another type with --embeddings, or leave it out"
    case .recipeNeedsDense: "use --to hf-packed or --to dense, which take packed models as they are"
    case .recipeQuantizesAll: "use --to hf-packed or --to dense, which quantize projections only"
    case .rotatedWeights:
      "--unfold writes the ordinary weights, with --to dense or --to gguf --layout F16; --to gguf with the file's own "
        + "--layout keeps them rotated, and their keys"
    case .rotatedTensorLeftOut: "--unfold writes the ordinary weights"
    case .notRotated:
      "leave --unfold out; 'tritsmith compare' with another form of the file finds rotation that it does not state"
    case .unfoldsToDense:
      "--unfold goes with --to dense, or --to gguf and --layout BF16, F16 or F32; that output can be converted again"
    case .rowTooLong: "leave the tensor dense with --keep where it is converted; no program computes with such rows"
    case .unknownMetadata(_, _, 0): "these files have no metadata; 'tritsmith inspect MODEL' shows what they hold"
    case .unknownMetadata(_, let nearest, _):
      (nearest.map { "the nearest key is '\(printable($0))'; " } ?? "")
        + "'tritsmith inspect MODEL --metadata \"*\"' lists every key with its value"
    case .needsFolder: "name a folder, without the ending .safetensors"
    case .notInParts: "leave --plan or --resume out; a conversion reads and writes its tensors one at a time anyway"
    case .roundedByMLX(_, let isDamaged): isDamaged ? nil : "take the checkpoint it was quantized from"
    case .unsound: "'tritsmith check' lists everything that is wrong with the model"
    case .unpackedOffline: "pack the model with the tool that wrote it"
    case .hasForeignQuantization: "take the checkpoint it was quantized from"
    case .unsupportedEncoding, .unreadType: "take the checkpoint it was made from, in BF16, F16 or F32"
    case .mixedConventions: "write --to dense or --to gguf, which hold what the scales multiply to"
    case .unknownQuantizer: "choose one of these; 'tritsmith help convert' says what each does"
    }
  }

  package var category: ErrorCategory {
    switch self {
    case .auditFailed, .notNative: .checkFailed
    case .tensorsDoNotFit, .scaleDoesNotFit, .scalesDiffer, .valuesOverflow, .roundingLoses, .partlyTernary,
      .binaryWeights, .samplesMislead, .unknownMetadata, .blocksDoNotFit,
      .recipeNeedsDense, .recipeQuantizesAll, .rotatedWeights, .rotatedTensorLeftOut, .notRotated, .unfoldsToDense:
      .misuse
    case .globWithoutMatch, .globOfSeveral, .contradictoryGlobs, .keepsConvention, .unknownQuantizer, .oneScaleOnly,
      .roundsInputs, .nameCannotBePacked, .scaleNameTaken, .nothingToQuantize, .nothingToRestore,
      .scalesDenied(_, _, from: .option), .noMatrix, .loneShard, .otherClass:
      .misuse
    default: .malformedInput
    }
  }
}

extension WorkflowErrorKind {
  /// Of a tensor whose type is listed and not read.
  package static func unread(_ tensor: TensorDescriptor) -> WorkflowErrorKind {
    let name = tensor.encoding.name
    return tensor.unreadReason.map { .unreadType(name, reason: $0) }
      ?? .unsupportedEncoding(found: name, wanted: "a type that can be read")
  }

  /// Of a tensor that was named to become ternary and cannot.
  package static func notQuantizable(_ tensor: TensorDescriptor) -> WorkflowErrorKind {
    tensor.shape.isMatrix
      ? .unsupportedEncoding(found: tensor.encoding.name, wanted: "a matrix of BF16, F16, F32 or F64")
      : .noMatrix(shape: "\(tensor.shape)")
  }

  /// What may hold scales that a layout does not, for a remedy: forms with smaller groups.
  fileprivate static func holders(besides layout: String) -> String {
    switch layout {
    case MLXTwoBit.id.rawValue: ""
    case Q2_0.id.rawValue: "--to mlx where its groups are those of the model, "
    case Q2_0.prismID.rawValue, PTQ1_0.id.rawValue:
      "--layout Q2_0 or --to mlx where their groups are those of the model, "
    default: "--layout Q2_0, PQ2_0 or PTQ1_0, or --to mlx, where their groups are those of the model, "
    }
  }
}

extension WorkflowError {
  /// "a, b or c".
  package static func alternatives(_ names: [String]) -> String {
    guard names.count > 1, let last = names.last else { return names.first ?? "" }
    return names.dropLast().joined(separator: ", ") + " or " + last
  }

  /// The first of names, those of many layers together, and how many more there are.
  package static func named(_ names: [String]) -> String {
    let alike = foldedNames(names.map { printable($0) })
    let rest = alike.dropFirst(3).reduce(0) { $0 + $1.count }
    return alike.prefix(3).map(\.name).joined(separator: ", ") + (rest > 0 ? " and \(grouped(rest)) more" : "")
  }

  /// Does something with a source; an error that names a tensor and no file says in which it is.
  package static func locating<Result>(_ source: any TensorSource, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as WorkflowError {
      guard error.location.file == nil, let name = error.location.tensor else { throw error }
      let manifest = source.manifest
      let tensor = manifest.tensor(named: name)
      throw error.placed(file: tensor.map { manifest.files[$0.location.file].path } ?? manifest.path)
    }
  }
}
