// Tritsmith: which U8 tensors are packed trits.

import TritCore
import TritLayouts

/// How packed safetensors name what belongs together.
package enum PackedName {
  /// The scale's name for packed weights, `x.weight` → `x.weight_scale`, as onebitllms writes it.
  ///
  /// - Returns: nil for a name that no reader takes for that of packed weights.
  package static func scale(of weight: String) -> String? { weight.hasSuffix(".weight") ? weight + "_scale" : nil }
}

/// Turns stored tensors into logical ones: a U8 matrix with one number as its `weight_scale` is a packed ternary matrix.
///
/// Bytes with other scales, and packed bytes whose scale is missing, are told apart here once, so that no reader takes
/// them for numbers.
struct PackedInterpretation {
  var tensors: [TensorDescriptor]
  /// Scales read ahead, by the name of their weight.
  var scales: [ExactString: Float]
  var finding: ScaleFinding
  var notes: [String] = []
}

extension PackedInterpretation {
  /// - Parameters:
  ///   - stored: tensors as the files name them.
  ///   - readScalar: the bytes of a small tensor.
  init(
    stored: [TensorDescriptor], configuration: JSONObject?, configurationFile: String, recorded: ScaleConvention?,
    options: OpenOptions, files: [ManifestFile], readScalar: (TensorDescriptor) throws -> [UInt8]
  ) throws {
    let byName = Dictionary(stored.map { (ExactString($0.name), $0) }, uniquingKeysWith: { first, _ in first })
    var result: [TensorDescriptor] = []
    var scales: [ExactString: Float] = [:]
    var used: Set<ExactString> = []
    var foreign: [(weight: TensorDescriptor, scale: TensorDescriptor)] = []
    for var tensor in stored {
      guard tensor.encoding == .dense(.u8), let scaleName = PackedName.scale(of: tensor.name),
        let scaleTensor = byName[ExactString(scaleName)], scaleTensor.shape.elementCount == 1
      else {
        if let dtype = tensor.encoding.dtype, ForeignPacking.isBytes(dtype),
          let scale = ForeignPacking.scaleNames(of: tensor.name).lazy.compactMap({ byName[ExactString($0)] }).first
        {
          foreign.append((tensor, scale))
          tensor.encoding = ForeignPacking.withScales(tensor, scale)
        }
        result.append(tensor)
        continue
      }
      let packed = try PackedInterpretation.packed(tensor, scaleTensor, file: files[tensor.location.file].path)
      scales[ExactString(tensor.name)] = try PackedInterpretation.scale(scaleTensor, files, readScalar)
      used.insert(ExactString(scaleTensor.name))
      result.append(packed)
    }
    result.removeAll { used.contains(ExactString($0.name)) }
    let other = ForeignQuantization(configuration: configuration)
    notes = PackedInterpretation.notes(foreign, other)
    if other == nil {
      let quantization = try configuration.flatMap { try HFQuantization(configuration: $0, file: configurationFile) }
      notes += PackedInterpretation.markIncomplete(&result, saysPacked: quantization?.mode == .offline)
    }
    finding = try PackedInterpretation.convention(
      of: Array(scales.values), configuration: configuration, file: configurationFile, recorded: recorded,
      override: options.scaleConvention)
    try finding.check(options, configurationFile: configurationFile, weightsFile: files.first?.path)
    for index in result.indices where result[index].scale != nil {
      result[index].scale?.convention = finding.convention
    }
    tensors = result
    self.scales = scales
  }

  /// The matrix that bytes and the scale beside them are.
  private static func packed(
    _ stored: TensorDescriptor, _ scale: TensorDescriptor, file: String
  ) throws -> TensorDescriptor {
    // The dimension as stored: `rows` is 0 where a row holds nothing.
    guard stored.shape.isMatrix, let rows = Checked.product(stored.shape.dimensions[0], 4),
      let shape = TensorShape([rows, stored.shape.columns])
    else {
      throw FormatError(.packedShape(found: stored.shape.description), file: file, tensor: stored.name)
    }
    var result = stored
    result.shape = shape
    result.encoding = .ternary(HFPacked.id)
    result.scale = ScaleDescriptor(
      name: scale.name, storage: scale.encoding.dtype ?? .bf16, granularity: .tensor, convention: nil,
      location: scale.location)
    return result
  }

  /// Matrices packed as the others are, or as the configuration says all are, whose scale is not there.
  private static func markIncomplete(_ tensors: inout [TensorDescriptor], saysPacked: Bool) -> [String] {
    guard saysPacked || tensors.contains(where: { $0.encoding.isTernary }) else { return [] }
    var names: [String] = []
    for index in tensors.indices where tensors[index].encoding == .dense(.u8) && tensors[index].shape.isMatrix {
      guard PackedName.scale(of: tensors[index].name) != nil else { continue }
      tensors[index].encoding = ForeignPacking.withoutScale
      names.append(tensors[index].name)
    }
    guard let first = names.first else { return [] }
    return [
      names.count == 1
        ? "the packed tensor '\(printable(first))' has no scale and cannot be used"
        : "\(names.count) packed tensors have no scale and cannot be used; the first is '\(printable(first))'"
    ]
  }

  private static func notes(
    _ foreign: [(weight: TensorDescriptor, scale: TensorDescriptor)], _ method: ForeignQuantization?
  ) -> [String] {
    guard let (weight, scale) = foreign.first else { return [] }
    return [
      "\(foreign.count) \(foreign.count == 1 ? "weight is" : "weights are") \(ForeignPacking.ownBytes)"
        + "\(method.map { ", of " + $0.text } ?? ""), listed and not read: "
        + "'\(printable(weight.name))' is \(weight.encoding.name) \(weight.shape), "
        + "'\(printable(scale.name))' is \(scale.encoding.name) \(scale.shape)"
    ]
  }

  private static func scale(
    _ tensor: TensorDescriptor, _ files: [ManifestFile], _ readScalar: (TensorDescriptor) throws -> [UInt8]
  ) throws -> Float {
    let file = files[tensor.location.file].path
    func bad(_ detail: String) -> FormatError {
      FormatError(.badScale(detail), file: file, tensor: tensor.name, byteOffset: tensor.location.offset)
    }
    guard let dtype = tensor.encoding.dtype, [.bf16, .f16, .f32].contains(dtype) else {
      throw bad("expected BF16, F16 or F32, found \(tensor.encoding.name)")
    }
    let bits = try readScalar(tensor).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    let value =
      switch dtype {
      case .bf16: BFloat16(bits: UInt16(truncatingIfNeeded: bits)).float
      case .f16: HalfFloat(bits: UInt16(truncatingIfNeeded: bits)).float
      default: Float(bitPattern: bits)
      }
    guard value.isFinite, value >= 0 else { throw bad("expected a finite number from 0 up, found \(value)") }
    return value
  }

  /// Decides by `linear_class` alone and checks it against the numbers; never guesses.
  static func convention(
    of scales: [Float], configuration: JSONObject?, file: String, recorded: ScaleConvention?, override: ScaleConvention?
  ) throws -> ScaleFinding {
    guard !scales.isEmpty else { return ScaleFinding(convention: nil, evidence: []) }
    var evidence: [ScaleEvidence] = []
    let quantization = try configuration.flatMap { try HFQuantization(configuration: $0, file: file) }
    if let quantization {
      evidence.append(
        ScaleEvidence(
          origin: .configuration, convention: quantization.linearClass.convention,
          detail: "config.json has linear_class \(quantization.linearClass.rawValue)"
            + (quantization.linearClass == .bitlinear ? " (or none)" : "")))
    } else {
      evidence.append(
        ScaleEvidence(origin: .configuration, convention: nil, detail: "no BitNet quantization_config was found"))
    }
    if let recorded {
      evidence.append(
        ScaleEvidence(
          origin: .container, convention: recorded, detail: "the recipe in the file says \(recorded.rawValue)"))
    }
    evidence.append(.magnitude(of: scales))
    if let override {
      evidence.append(ScaleEvidence(origin: .option, convention: override, detail: "chosen on the command line"))
      return ScaleFinding(convention: override, evidence: evidence)
    }
    let finding = ScaleFinding(convention: quantization?.linearClass.convention ?? recorded, evidence: evidence)
    return finding.isConflicting ? ScaleFinding(convention: nil, evidence: evidence) : finding
  }
}

extension ScaleEvidence {
  /// What the numbers say themselves: an absmean is below 1 in real models and its inverse above.
  package static func magnitude(of scales: [Float]) -> ScaleEvidence {
    let nonzero = scales.filter { $0 > 0 }
    let low = nonzero.min() ?? 0
    let high = nonzero.max() ?? 0
    let range =
      scales.count == 1 ? "the stored scale is \(low)" : "\(scales.count) stored scales from \(low) to \(high)"
    if low > 1 {
      return ScaleEvidence(origin: .magnitude, convention: .divide, detail: range + ", all above 1 as 1/absmean is")
    }
    if high > 0, high < 1 {
      return ScaleEvidence(origin: .magnitude, convention: .multiply, detail: range + ", all below 1 as absmean is")
    }
    return ScaleEvidence(origin: .magnitude, convention: nil, detail: range + ", which does not tell")
  }
}
