// Tritsmith: what config.json says about weights MLX has quantized.

import TritCore

/// The `quantization` entry of a model for MLX.
///
/// Sources: mlx-lm 0.32 `load_model`, mlx 0.32 `nn.quantize`. An entry of a module replaces the model's: `false` leaves
/// the module alone, an object is all that is known of it, and what it does not say has the values of `mx.quantize`.
package struct MLXQuantization: Sendable {
  /// How the weights of one module are quantized.
  package struct Form: Sendable, Hashable {
    package var bits: Int
    package var groupSize: Int
    /// `affine`, or one of the floating-point blocks.
    package var mode: String

    package init(bits: Int, groupSize: Int, mode: String = Form.affine) {
      self.bits = bits
      self.groupSize = groupSize
      self.mode = mode
    }

    package static let affine = "affine"

    /// The mode, which is a file's word, for messages.
    var shownMode: String { printable(mode, limit: 40) }

    /// Ternary weights in groups of that many.
    package static func ternary(_ groupSize: Int) -> Form { Form(bits: 2, groupSize: groupSize) }

    /// As MLX's own tools write it.
    package var json: JSONObject {
      [
        "group_size": .number(JSONNumber(groupSize)), "bits": .number(JSONNumber(bits)), "mode": .string(mode),
      ]
    }
  }

  /// Group sizes MLX has, the largest first.
  package static let groupSizes = [128, 64, 32]
  /// Bits MLX has for affine numbers.
  static let widths = [1, 2, 3, 4, 5, 6, 8]
  /// The key mlx-lm goes by, and the one it writes beside it with the same content.
  package static let key = "quantization"
  package static let copyKey = "quantization_config"
  private static let groupKey = "group_size"
  /// What mlx-lm puts before the names of a text model's weights that lack it, in classes with other parts.
  ///
  /// Source: mlx-lm 0.32.2, `sanitize` of `qwen3_5.py`.
  private static let textPrefix = "language_model."

  private let object: JSONObject
  private let field: String
  private let file: String

  /// Nil when the configuration has no such entry.
  package init?(configuration: JSONObject?, file: String) {
    let found = [MLXQuantization.key, MLXQuantization.copyKey].lazy.compactMap { key -> (JSONObject, String)? in
      guard let value = configuration?[key], MLXQuantization.isEntry(value) else { return nil }
      return value.object.map { ($0, key) }
    }.first
    guard let (object, field) = found else { return nil }
    (self.object, self.field, self.file) = (object, field, file)
  }

  /// Whether a value says how MLX has quantized a model.
  package static func isEntry(_ value: JSONValue) -> Bool {
    guard let object = value.object else { return false }
    return object["quant_method"] == nil && object["bits"] != nil && object[groupKey] != nil
  }

  /// The first key that the entry and its copy do not say alike, with its place; nil where they do, or one is missing.
  package static func difference(_ configuration: JSONObject) -> String? {
    guard let first = configuration[key], let copy = configuration[copyKey], isEntry(first), isEntry(copy),
      let own = first.object, let other = copy.object
    else { return nil }
    func value(_ key: String, _ object: JSONObject) -> JSONValue {
      let value = object[key] ?? .null
      return key == "mode" && value.isNull ? .string(Form.affine) : value
    }
    let names = own.entries.map(\.key) + other.entries.map(\.key)
    return names.first { !value($0, own).means(value($0, other)) }.map { "\(copyKey).\($0)" }
  }

  /// How a module is quantized; nil for one that is left alone.
  ///
  /// - Throws: `FormatError` for a size MLX does not have.
  package func form(of module: String) throws(FormatError) -> Form? {
    // mlx-lm goes by the names of its own modules, where a file may leave out the words before.
    guard let own = object[module] ?? object[MLXQuantization.textPrefix + module] else {
      return try form(object, field, standard: nil)
    }
    if let flag = own.bool, !flag { return nil }
    if own.bool != nil { return try form(object, field, standard: nil) }
    guard let entry = own.object else {
      throw FormatError(
        .wrongType(expected: "false or an object", found: own.kindName), file: file, field: "\(field).\(module)")
    }
    return try form(entry, "\(field).\(module)", standard: Form(bits: 4, groupSize: 64))
  }

  /// The first key that is neither a setting nor a module, with its place; nil where all is understood.
  package var unknownKey: String? {
    let settings: Set<String> = ["bits", MLXQuantization.groupKey, "mode"]
    for entry in object.entries where !settings.contains(entry.key) {
      guard let own = entry.value.object else {
        if entry.value.bool == nil { return "\(field).\(entry.key)" }
        continue
      }
      if let key = own.entries.first(where: { !settings.contains($0.key) })?.key {
        return "\(field).\(entry.key).\(key)"
      }
    }
    return nil
  }

  private func form(_ entry: JSONObject, _ field: String, standard: Form?) throws(FormatError) -> Form {
    let mode: String
    switch entry["mode"] {
    case nil, .null: mode = Form.affine
    case .string(let text): mode = text
    case let other?:
      throw FormatError(.wrongType(expected: "a string", found: other.kindName), file: file, field: field + ".mode")
    }
    func size(_ key: String, _ known: [Int], _ standard: Int?) throws(FormatError) -> Int {
      let value = entry[key] ?? .null
      if value.isNull, let standard { return standard }
      guard let number = value.number else {
        throw FormatError(.wrongType(expected: "a number", found: value.kindName), file: file, field: "\(field).\(key)")
      }
      // Other modes have sizes of their own, which nothing here computes with.
      guard let size = number.integer, known.contains(size) || mode != Form.affine && (1...1024).contains(size) else {
        throw FormatError(
          .mlx(.size(known: known.sorted(), found: number.text)), file: file, field: "\(field).\(key)")
      }
      return size
    }
    return Form(
      bits: try size("bits", MLXQuantization.widths, standard?.bits),
      groupSize: try size(MLXQuantization.groupKey, MLXQuantization.groupSizes, standard?.groupSize), mode: mode)
  }
}

/// A way tensors and configuration of a model for MLX do not go together.
package enum MLXFault: Sendable, Equatable {
  case size(known: [Int], found: String)
  /// Words, scales and biases, and no entry that says what they are.
  case noEntry
  /// Packed weights need scales and biases.
  case missing(String)
  /// The configuration says that the module is not quantized.
  case excluded
  case shape(String, expected: [Int], found: TensorShape)
  case type(String, expected: String, found: String)
  /// Rows that are no whole groups.
  case columns(Int, groupSize: Int)
  /// A weight would be neither trit × scale nor finite.
  case scale(row: Int, group: Int, scale: Float, bias: Float)
  /// The two values of a bit would not be −s and +s.
  case binary(row: Int, group: Int, scale: Float, bias: Float)

  package var summary: String {
    switch self {
    case .size(let known, let found):
      "MLX has \(known.map(String.init).joined(separator: ", ")) here, found \(printable(found, limit: 40))"
    case .noEntry:
      "the weights are packed as MLX packs them, and config.json has no quantization entry, which gives bits and "
        + "group_size"
    case .missing(let name): "MLX needs '\(printable(name))' beside packed weights, and it is not there"
    case .excluded: "the tensor is packed, and the quantization entry of config.json says that its module is not"
    case .shape(let name, let expected, let found):
      "'\(printable(name))' has shape \(found), the packed weights need \(expected)"
    case .type(let name, let expected, let found): "'\(printable(name))' is \(found), expected \(expected)"
    case .columns(let columns, let groupSize):
      "rows of \(columns) weights are no whole groups of \(groupSize), which config.json gives"
    case .scale(let row, let group, let scale, let bias):
      "row \(row), group \(group): scale \(scale) and bias \(bias); trits have a finite scale from 0 up and bias = −scale"
    case .binary(let row, let group, let scale, let bias):
      "row \(row), group \(group): scale \(scale) and bias \(bias); binary weights, as the groups before, have bias = "
        + "−scale ÷ 2"
    }
  }

  var remedy: String? {
    switch self {
    case .noEntry: "fetch config.json again"
    case .size, .excluded, .columns: "config.json and weights must be of one revision: fetch both again"
    case .missing, .shape, .type: "fetch the model again; shards and config.json must be of one revision"
    case .scale: "'tritsmith convert UNPACKED OUTPUT --to mlx' makes it anew from the unpacked model"
    case .binary: "take the checkpoint it was quantized from"
    }
  }
}
