// Tritsmith: everything a conversion will do, before it does anything.

import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritQuantizers
import TritSurvey
import TritVerification

/// What happens to one tensor.
package enum ConversionStep: Sendable, Hashable {
  /// Bytes are taken as they are.
  case copy
  /// Floats become trits (or are recognised as ternary already) and are packed.
  case quantize
  /// Packed trits are packed another way, trit for trit.
  case repack
  /// Floats become trit × scale, dense.
  case snap
  /// Packed trits become trit × scale, dense.
  case dequantize
  /// Dense numbers are stored in another type.
  case recode
  /// Trits become latent weights that are made the same trits again.
  case restore

  package var name: String {
    switch self {
    case .copy: "copy"
    case .quantize: "quantize"
    case .repack: "repack"
    case .snap: "quantize, keep dense"
    case .dequantize: "unpack to dense"
    case .recode: "change type"
    case .restore: "restore latents"
    }
  }
}

/// One tensor of the output.
package struct PlannedTensor: Sendable {
  package var source: TensorDescriptor
  package var role: TensorRole
  package var step: ConversionStep
  /// In the output.
  package var encoding: TensorEncoding
  /// In the output, scales included.
  package var byteCount: Int
  /// Of the output's scales.
  package var scaleConvention: ScaleConvention?
  /// Name in the output, where it is not the source's.
  package var outputName: String?
  /// Order of rows in the output, where it is not the source's.
  package var rowOrder: RowPermutation?
  /// Order of columns in the output, where it is not the source's.
  package var columnOrder: RowPermutation?
  /// What numbers the output holds in the place of the source's.
  package var storedValues = ModuleTemplate.StoredValues.same
  /// Shape in the output, where it is not the source's.
  package var outputShape: TensorShape?
  /// Whether the bytes of a GGUF source go on as they stand in its file, which the view shows in another form.
  package var copiesStored = false
  /// Whether dense numbers are trits times scales as they stand, and are copied.
  package var isTernaryCopy = false
  /// Which plane of a sum of ternary matrices this is.
  package var plane = 0
  /// How many weights share a scale in the output, where the quantizer says so.
  package var scaleGranularity: ScaleGranularity?
  /// The type of the output's scales, where the quantizer says so.
  package var scaleStorage: DType?
  /// The output's scale where the plan knows it already: it comes from a format that stores another number.
  package var outputScale: TernaryScale?
  /// What samples said of the source's scales, where the plan goes by that: it is proved when the tensor passes.
  var sampled: SampledScale?

  /// Whether its numbers stand in the output as they come from the source.
  var isInOrder: Bool { rowOrder == nil && columnOrder == nil && storedValues == .same }

  /// Name in the output.
  package var name: String { outputName ?? source.name }

  /// True when the tensor holds only trits times a scale afterwards, in whatever encoding.
  package var becomesTernary: Bool { step != .copy && step != .recode && step != .restore }

  /// True when dense numbers are looked at whether they are ternary as they stand.
  var isRecognised: Bool { becomesTernary && !source.encoding.isTernary }

  /// True when the conversion reads the source's bytes more than once. Rows in another order are read one by one; a
  /// dense tensor that stays one is read once.
  var isReadOften: Bool { becomesTernary && plane == 0 || step == .restore || !isInOrder || sampled != nil }
}

/// Everything a conversion will do; made from headers and a small sample alone.
public struct ConversionPlan: Sendable {
  package var request: ConversionRequest
  package var survey: ModelSurvey
  package var quantizer: any Quantizer
  /// Whose choice the quantizer is, for the log.
  package var quantizerReason: String
  package var convention: ScaleConvention
  package var tensors: [PlannedTensor]
  /// What a person should know before it is done, a sentence each.
  public var warnings: [String]
  /// Files that come along, with `config.json` as it will be written.
  package var companions: [(name: String, bytes: Int)]
  package var configuration: JSONObject?
  /// Metadata of a GGUF output, but for the record of the conversion.
  package var ggufEntries: [MetadataEntry] = []
  /// Settings a GGUF output holds as F32 tensors: rotary factors.
  package var ggufTensors: [(name: String, values: [Float])] = []

  /// Whether the output's weights stay rotated, with the keys that say so.
  package var keepsRotation = false
  /// What need not be found out again.
  var found = FoundScales()

  /// What else the record of the conversion tells: calibration, adapter.
  package var remarks = JSONObject()

  package var inputBytes: Int { tensors.reduce(0) { $0 + $1.source.storedBytes } }
  /// Bytes of all tensors that will be written, before compression; headers and companions are not counted.
  public var outputBytes: Int {
    tensors.reduce(0) { $0 + $1.byteCount } + ggufTensors.reduce(0) { $0 + 4 * $1.values.count }
  }
  /// False when all trits come from the source.
  package var usesQuantizer: Bool { tensors.contains { $0.step == .quantize || $0.step == .snap } }
  /// What the audit must find equal: a single safetensors file holds weights alone, and a tokenizer can be left out.
  var provedParts: Set<ModelPart> {
    if request.isBareFile { return [.weights] }
    let leavesTokenizer = request.target == .gguf && !request.gguf.hasTokenizer
    return leavesTokenizer ? ModelPart.needed.subtracting([.tokenizer]) : ModelPart.needed
  }
  /// Tensors that are packed trits in the output; of an output that packs none, those that hold trits times scales.
  package var ternaryCount: Int {
    let packed = tensors.count { $0.becomesTernary && $0.encoding.isTernary }
    return packed > 0 ? packed : tensors.count { $0.becomesTernary || $0.isTernaryCopy }
  }
  /// True when weights are made ternary, not only packed another way.
  package var quantizes: Bool { tensors.contains { $0.step == .quantize || $0.step == .snap } }
}

extension ConversionPlan {
  /// A plan in which each tensor keeps its name, its shape and its type: what changes is in its numbers.
  package init(
    keepingTensorsOf source: any TensorSource, _ request: ConversionRequest, _ survey: ModelSurvey,
    quantizer: any Quantizer, quantizerReason: String, companions: [CompanionFile], warnings: [String]
  ) {
    self.init(
      request: request, survey: survey, quantizer: quantizer, quantizerReason: quantizerReason,
      convention: survey.newScaleConvention,
      tensors: zip(source.manifest.tensors, survey.roles).map {
        PlannedTensor(source: $0, role: $1, step: .copy, encoding: $0.encoding, byteCount: $0.location.byteCount)
      },
      warnings: warnings, companions: companions.map { ($0.name, $0.byteCount) }, configuration: nil)
  }
}
