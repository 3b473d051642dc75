// Tritsmith: what config.json says about quantization.

import TritCore

/// The `quantization_config` of a BitNet checkpoint.
///
/// Source: transformers 5.23, `BitNetQuantConfig`.
public struct HFQuantization: Sendable, Hashable {
  /// The layer class, which alone decides what `weight_scale` means.
  public enum LinearClass: String, Sendable {
    /// Divides by the stored scale; the default.
    case bitlinear
    /// Multiplies by the stored scale.
    case autobitlinear

    public var convention: ScaleConvention { self == .bitlinear ? .divide : .multiply }
  }

  public enum Mode: String, Sendable {
    /// The file holds trits and scales.
    case offline
    /// The file holds latent weights, quantized at every call.
    case online
  }

  public var linearClass: LinearClass
  public var mode: Mode
  public var modulesToNotConvert: [String]?

  /// Reads the configuration's entry; nil when there is none or it is another method's.
  ///
  /// - Throws: `FormatError` for a BitNet entry with an unknown class or mode: guessing would change numbers.
  public init?(configuration: JSONObject, file: String) throws(FormatError) {
    guard let object = configuration["quantization_config"]?.object,
      object["quant_method"]?.string == "bitnet"
    else { return nil }
    let className = object["linear_class"]?.string ?? LinearClass.bitlinear.rawValue
    guard let linearClass = LinearClass(rawValue: className) else {
      let kind = FormatError.Kind.wrongType(expected: "'bitlinear' or 'autobitlinear'", found: "'\(className)'")
      throw FormatError(kind, file: file, field: "quantization_config.linear_class")
    }
    let modeName = object["quantization_mode"]?.string ?? Mode.offline.rawValue
    guard let mode = Mode(rawValue: modeName) else {
      let kind = FormatError.Kind.wrongType(expected: "'offline' or 'online'", found: "'\(modeName)'")
      throw FormatError(kind, file: file, field: "quantization_config.quantization_mode")
    }
    self.linearClass = linearClass
    // Only `autobitlinear` reads the mode.
    self.mode = linearClass == .autobitlinear ? mode : .offline
    modulesToNotConvert = object["modules_to_not_convert"]?.array?.compactMap(\.string)
  }
}
