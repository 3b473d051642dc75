// Tritsmith: what a user asks of a conversion.

import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritQuantizers
import TritSurvey
import TritVerification

/// What `--to dense` stores trit × scale in.
package enum DenseWeightType: String, Sendable, Hashable, CaseIterable {
  case bf16, f16, f32

  /// The element type.
  package var dtype: DType {
    switch self {
    case .bf16: .bf16
    case .f16: .f16
    case .f32: .f32
    }
  }
}

/// What a user asks of a conversion; everything left nil follows the model's family.
public struct ConversionRequest: Sendable {
  package var input: String
  package var output: String
  package var target: ConversionTarget
  package var open: OpenOptions
  /// How dense weights become trits; nil means as the model's family does.
  public var quantizer: QuantizerID?
  /// What new scales shall mean.
  public var outputConvention: ScaleConvention?
  /// The class name to go by instead of the configuration's.
  public var architecture: String?
  /// Tensors to leave dense.
  public var keep: [Glob]
  /// Tensors to make ternary beside those the architecture names.
  public var quantize: [Glob]
  /// Refuse weights that are not a BitNet model's.
  package var requiresNative: Bool
  /// The most bytes of a safetensors file; nil writes one file. A tensor larger than that has a file of its own.
  public var maximumShardBytes: UInt64?
  /// How TritPack stores codes.
  package var tritpackLayout: LayoutID
  /// Whether TritPack's tensors are compressed.
  package var compression: TritPackCompression
  /// How GGUF is written.
  public var gguf: GGUFOptions
  /// Replace what stands at the output.
  public var replaces: Bool
  /// Name of the model in metadata, where the input's path is not its name.
  package var modelName: String?
  /// The text of quantizers that look at activations.
  package var calibration: CalibrationRequest?
  /// The function of onebitllms this does; set by `follow`.
  package internal(set) var recipe: ConversionRecipe?
  /// What happens to NaN and infinity in tensors that are copied or stored in another type.
  package var nonFinite = NonFinitePolicy.refuse
  /// What happens to scales a layout has no room for.
  package var scaleLoss = ScaleLossPolicy.refuse
  /// What trit × scale is stored in by `--to dense`; nil takes the type such checkpoints have: bfloat16 for one scale a
  /// tensor, for groups one that holds their scales.
  package var denseType: DenseWeightType?
  /// Write rotated weights as those of the ordinary model.
  public var unfolds = false
  /// Let a quantizer for ordinary weights loose on the latents of a BitNet model.
  package var forcesQuantizer = false

  package init(input: String, output: String, target: ConversionTarget) {
    self.input = input
    self.output = output
    self.target = target
    open = OpenOptions()
    keep = []
    quantize = []
    requiresNative = false
    tritpackLayout = SplitRow.base3ID
    compression = .none
    gguf = GGUFOptions()
    replaces = false
  }

  /// How the input is opened: as a model of the class asked for, rotated weights as they are unless they are to be unfolded.
  package var inputOptions: OpenOptions {
    var options = unfolds ? open : open.keepingRotation
    options.orderIsOfOutput = target == .gguf && gguf.weights == .i2s
    // Proofs hold the output against the class that was asked for; a name nobody knows is an error of the plan.
    options.modelClass = architecture.flatMap(ArchitectureRegistry.architecture(typed:)).map {
      ModelClassChoice(
        className: $0.className, modelType: $0.modelType,
        otherNames: $0.aliases + ($0.compound.map { [$0.className] } ?? []))
    }
    return options
  }

  /// Whether the output is one safetensors file, which has no place for a configuration or a tokenizer.
  var isBareFile: Bool { target != .tritpack && target != .gguf && output.hasSuffix(".safetensors") }

  /// Whether `check`'s rules have something to go by: not for tensors named by hand, of a model nobody knows.
  func knowsRules(of survey: ModelSurvey) -> Bool {
    quantize.isEmpty || (try? survey.description.get()) != nil
  }

  /// Whether a finding of `check` stops this conversion: every error, but what it mends, and what comes along key for key and
  /// is only not understood here.
  func refuses(_ finding: CheckFinding, from source: any TensorSource) -> Bool {
    guard finding.severity == .error, !finding.isMendedByConversion else { return false }
    // Projections that no loader takes as they are may become ternary here.
    if finding.rule == .mixedForms { return quantize.isEmpty }
    // What is left out stops nothing.
    if target == .gguf, !gguf.hasTokenizer, finding.rule == .badTokenizer { return false }
    let keepsKeys = (target == .gguf) == (source.manifest.format == GGUFFormat.id)
    return !keepsKeys || !finding.isNotUnderstood
  }

  /// How what this request writes is opened again.
  ///
  /// - Parameter convention: what its scales mean, where its files do not say.
  package func reopening(_ convention: ScaleConvention?) -> OpenOptions {
    var options = OpenOptions(
      access: open.access, scaleConvention: convention, i2sOrder: target == .gguf ? gguf.i2sOrder : nil,
      keepsRotation: !unfolds)
    options.isTrial = true
    return options
  }
}

extension ConversionRequest {
  /// Does what a function of onebitllms does; only input and output are left to choose.
  package mutating func follow(_ recipe: ConversionRecipe) {
    self.recipe = recipe
    target = recipe.target
    quantizer = AbsMean.bf16.id
    outputConvention = recipe.convention
  }
}
