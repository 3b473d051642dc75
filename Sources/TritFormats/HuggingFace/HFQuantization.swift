// Tritsmith: what config.json says about quantization.

import TritCore

/// The `quantization_config` of a BitNet checkpoint.
///
/// Source: transformers 5.23, `BitNetQuantConfig`.
package struct HFQuantization: Sendable, Hashable {
  /// The layer class, which alone decides what `weight_scale` means.
  package enum LinearClass: String, Sendable {
    /// Divides by the stored scale; the default.
    case bitlinear
    /// Multiplies by the stored scale.
    case autobitlinear

    package var convention: ScaleConvention { self == .bitlinear ? .divide : .multiply }
  }

  /// Whether weights are stored packed or quantized on the way.
  package enum Mode: String, Sendable {
    /// The file holds trits and scales.
    case offline
    /// The file holds latent weights, quantized at every call.
    case online
  }

  package var linearClass: LinearClass
  package var mode: Mode
  package var modulesToNotConvert: [String]?

  /// Reads the configuration's entry; nil when there is none or it is another method's.
  ///
  /// - Throws: `FormatError` for a BitNet entry with an unknown class or mode: guessing would change numbers.
  package init?(configuration: JSONObject, file: String) throws(FormatError) {
    guard let object = configuration["quantization_config"]?.object,
      object["quant_method"]?.string == "bitnet"
    else { return nil }
    try self.init(object, file: file)
  }

  /// Reads the entry itself: what a loader must know to read packed tensors.
  package init(_ object: JSONObject, file: String) throws(FormatError) {
    func word(_ key: String, default value: String) throws(FormatError) -> String {
      // Null is a value no loader takes here.
      guard let entry = object[key] else { return value }
      guard let text = entry.string else {
        throw FormatError(
          .wrongType(expected: "a string", found: entry.kindName), file: file, field: "quantization_config." + key)
      }
      return text
    }
    let className = try word("linear_class", default: LinearClass.bitlinear.rawValue)
    guard let linearClass = LinearClass(rawValue: className) else {
      let kind = FormatError.Kind.wrongType(expected: "'bitlinear' or 'autobitlinear'", found: "'\(className)'")
      throw FormatError(kind, file: file, field: "quantization_config.linear_class")
    }
    let modeName = try word("quantization_mode", default: Mode.offline.rawValue)
    guard let mode = Mode(rawValue: modeName) else {
      let kind = FormatError.Kind.wrongType(expected: "'offline' or 'online'", found: "'\(modeName)'")
      throw FormatError(kind, file: file, field: "quantization_config.quantization_mode")
    }
    self.linearClass = linearClass
    // Only `autobitlinear` reads the mode.
    self.mode = linearClass == .autobitlinear ? mode : .offline
    modulesToNotConvert = object[HFQuantization.listKey]?.array?.compactMap(\.string)
  }

  /// The module of a weight, as lists of modules name it: `model.layers.0.mlp.up_proj`.
  package static func module(of tensor: String) -> String {
    tensor.hasSuffix(".weight") ? String(tensor.dropLast(".weight".count)) : tensor
  }

  package static let listKey = "modules_to_not_convert"
  /// The module of the head, in every family.
  package static let head = "lm_head"
  /// Modules that stay ordinary layers where no list says which do. A list replaces them, and must name the head too.
  ///
  /// Source: transformers `get_keys_to_not_convert`; the other modules it finds are no linear layers.
  package static let leftAloneWithoutList = [head]

  /// Modules that stay ordinary layers.
  package var leftAlone: [String] { modulesToNotConvert ?? HFQuantization.leftAloneWithoutList }

  /// True when a list of modules names one: by a leading path up to the boundary of a module, or by the end of its name.
  ///
  /// Source: transformers `should_convert_module`, whose patterns are regular expressions. Literal ones are read, in
  /// which a dot of a leading path stands for any character.
  package static func names(_ list: [String], _ module: String) -> Bool {
    let name = Array(module.unicodeScalars)
    return list.contains { pattern in
      let pattern = Array(pattern.unicodeScalars)
      guard pattern.count <= name.count else { return false }
      if name.suffix(pattern.count).elementsEqual(pattern) { return true }
      guard zip(pattern, name).allSatisfy({ $0 == "." || $0 == $1 }) else { return false }
      return name.dropFirst(pattern.count).first.map { $0 == "." } ?? true || name.prefix(pattern.count).last == "."
    }
  }
}
