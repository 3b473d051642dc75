// Tritsmith: what `quantization_config` says about the projections.

import TritCore
import TritFormats
import TritLayouts

/// How a model's projections compute.
package enum ProjectionClass: String, Sendable, Hashable, CaseIterable {
  /// Ordinary matrix products in float32.
  case linear = "Linear"
  /// int8 activations, packed trits, stored scale divides.
  case bitLinear = "BitLinear"
  /// int8 activations, packed trits, stored scale multiplies.
  case autoBitLinearOffline = "AutoBitLinear offline"
  /// int8 activations, latent weights made ternary when they are used: absmean in float32, the scale not rounded.
  case autoBitLinearOnline = "AutoBitLinear online"
  /// int8 activations, latent weights made what the family's packing tool makes of them: its trits, and its stored
  /// scale, which divides.
  case bitLinearOnline = "BitLinear online"
  /// int8 activations, ordinary products with weights that are trit × scale already.
  case linearQuantizedInput = "Linear, int8 inputs"

  /// Whether inputs are rounded to int8.
  package var quantizesInputs: Bool { self != .linear }
}

extension ProjectionClass {
  /// The class of layer a `quantization_config` names.
  init(_ quantization: HFQuantization) {
    switch (quantization.linearClass, quantization.mode) {
    case (.bitlinear, _): self = .bitLinear
    case (.autobitlinear, .online): self = .autoBitLinearOnline
    case (.autobitlinear, .offline): self = .autoBitLinearOffline
    }
  }
}

/// What dense projections hold, where a configuration does not say. Only their numbers tell.
package enum DenseProjections: Sendable {
  case ordinary
  /// Latents of a BitNet model, which compute as trits.
  case latent
}

/// The quantization of a model's projections.
package struct QuantizationScheme: Sendable, Equatable {
  package var projections: ProjectionClass
  /// Modules that stay as they are, `modules_to_not_convert`.
  package var excluded: [String]
  /// Whether loaders make the head a layer of the projections' class, which only a packed one is.
  package var convertsHead = false
  /// The epsilon of an RMS norm before the input quantization of every projection, or nil when there is no such norm.
  package var inputNormEpsilon: Float?
  /// Packed trits are products with inputs as they are: what stored them quantizes weights alone.
  package var isWeightOnly = false

  package init(projections: ProjectionClass, excluded: [String] = [], inputNormEpsilon: Float? = nil) {
    self.projections = projections
    self.excluded = excluded
    self.inputNormEpsilon = inputNormEpsilon
  }

  /// True when the configuration leaves a module alone.
  package func excludes(_ module: String) -> Bool { HFQuantization.names(excluded, module) }

  /// How a module computes whose weights are dense.
  ///
  /// - Parameter dense: what its numbers are, where the configuration does not say how they compute.
  package func denseClass(
    of module: String, _ dense: DenseProjections, _ architecture: any Architecture
  ) -> ProjectionClass {
    if excludes(module) { return .linear }
    return projections == .linear && dense == .latent ? architecture.defaults.onlineProjections : projections
  }

  /// What a configuration says, whatever else is in it; nil when it says nothing.
  ///
  /// - Throws: `ModelError` for an entry that is not understood.
  package static func stated(by configuration: JSONObject, file: String) throws(ModelError) -> QuantizationScheme? {
    var reader = ConfigurationReader(configuration, file: file)
    return try read(&reader)
  }

  /// The keys it is read from.
  package static let keys = [MLXQuantization.key, MLXQuantization.copyKey]

  /// Reads `quantization_config`; nil when there is none.
  static func read(_ reader: inout ConfigurationReader) throws(ModelError) -> QuantizationScheme? {
    if try reader.takeMLXQuantization() {
      var scheme = QuantizationScheme(projections: .linear)
      scheme.isWeightOnly = true
      return scheme
    }
    guard var nested = try reader.nested("quantization_config") else { return nil }
    let method = try nested.string("quant_method")
    guard method == "bitnet" else {
      throw nested.error(.unsupportedValue(expected: "\"bitnet\"", found: method ?? "nothing"), "quant_method")
    }
    nested.ignore(["linear_class", "quantization_mode"])
    var scheme = QuantizationScheme(projections: ProjectionClass(try nested.quantization()))
    let epsilon = try nested.positive("rms_norm_eps")
    if try nested.flag("use_rms_norm") {
      try nested.refuseNull("rms_norm_eps", "a number")
      scheme.inputNormEpsilon = Float(epsilon ?? 1e-6)
    }
    scheme.excluded = try readExcluded(&nested) ?? HFQuantization.leftAloneWithoutList
    scheme.convertsHead = !scheme.excludes(HFQuantization.head)
    try nested.finish()
    return scheme
  }

  private static func readExcluded(_ reader: inout ConfigurationReader) throws(ModelError) -> [String]? {
    let key = HFQuantization.listKey
    guard let value = reader.value(key) else { return nil }
    guard let list = value.array else {
      throw reader.error(.wrongType(expected: "a list of strings", found: reader.describe(value)), key)
    }
    var result: [String] = []
    for entry in list {
      guard let name = entry.string else {
        throw reader.error(.wrongType(expected: "a list of strings", found: reader.describe(entry)), key)
      }
      guard !name.isEmpty, !name.unicodeScalars.contains(where: { "*+?[](){}|^$\\".unicodeScalars.contains($0) }) else {
        throw reader.error(.unsupportedValue(expected: "plain module names", found: "\"\(name)\""), key)
      }
      result.append(name)
    }
    return result
  }
}

extension QuantizationScheme {
  /// Whether packed trits of a layout are multiplied by inputs as they are, not rounded to int8.
  package func takesPlainInputs(_ layout: LayoutID, isGrouped: Bool) -> Bool {
    isWeightOnly || projections == .linear && (isGrouped || QuantizationScheme.isPlain(layout))
  }

  /// Whether all packed tensors among some are multiplied by inputs as they are.
  package func takesPlainInputs(_ tensors: [TensorDescriptor], in source: any TensorSource) -> Bool {
    tensors.allSatisfy { tensor in
      guard case .ternary(let layout) = tensor.encoding else { return true }
      if takesPlainInputs(layout, isGrouped: false) { return true }
      guard takesPlainInputs(layout, isGrouped: true), case .group = tensor.scale?.granularity,
        case .group = (try? source.scale(of: tensor))?.granularity
      else { return false }
      return true
    }
  }

  /// Whether a layout exists for models which take inputs as they are, whatever their scales turn out to be.
  package static func isPlain(_ layout: LayoutID) -> Bool {
    layout == Q2_0.id || layout == Q2_0.prismID || layout == PTQ1_0.id
  }
}
