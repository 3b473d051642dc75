// Tritsmith: reading a configuration without losing a key.

import TritCore
import TritFormats

/// Reads keys of a configuration object and remembers which, so that a key nobody asked for is noticed.
///
/// When a key stands twice the last one counts, as in Python: published files hold `quantization_config` twice.
struct ConfigurationReader {
  private let object: JSONObject
  private let file: String
  /// The dotted place of this object inside the file, with a dot at the end, or nothing.
  private let prefix: String
  private var readKeys: Set<String> = []
  /// Keys whose class default was taken because they are missing.
  private(set) var assumed: [String] = []

  init(_ object: JSONObject, file: String, prefix: String = "") {
    self.object = object
    self.file = file
    self.prefix = prefix
  }

  func location(_ key: String) -> ErrorLocation { ErrorLocation(file: file, field: prefix + key) }

  func error(_ kind: ModelError.Kind, _ key: String) -> ModelError { ModelError(kind, location: location(key)) }

  /// Whether a key stands there, null or not.
  func has(_ key: String) -> Bool { object[key] != nil }

  /// Throws for a key that is null though its class computes with what stands there: null is not absent, and loaders
  /// fail on it or take it for off.
  ///
  /// - Parameter expected: what belongs there.
  func refuseNull(_ key: String, _ expected: String) throws(ModelError) {
    guard object[key]?.isNull == true else { return }
    throw error(.wrongType(expected: expected + " (a loader takes null as it is, not as absent)", found: "null"), key)
  }

  /// The value of a key; nil when it is missing or null.
  mutating func value(_ key: String) -> JSONValue? {
    readKeys.insert(key)
    guard let value = object[key], !value.isNull else { return nil }
    return value
  }

  mutating func integer(_ key: String, in range: ClosedRange<Int> = 1...(1 << 31)) throws(ModelError) -> Int? {
    guard let value = value(key) else { return nil }
    guard let number = value.number, let integer = number.integer else {
      throw error(.wrongType(expected: "a whole number", found: describe(value)), key)
    }
    guard range.contains(integer) else {
      throw error(.unsupportedValue(expected: "\(range.lowerBound)…\(range.upperBound)", found: number.text), key)
    }
    return integer
  }

  mutating func requiredInteger(_ key: String) throws(ModelError) -> Int {
    guard let value = try integer(key) else { throw error(.missingKey, key) }
    return value
  }

  mutating func integer(_ key: String, default standard: Int) throws(ModelError) -> Int {
    guard let value = try integer(key) else {
      assumed.append("\(prefix)\(key) = \(standard)")
      return standard
    }
    return value
  }

  /// A finite number above zero, as a Double and as a Float.
  mutating func positive(_ key: String) throws(ModelError) -> Double? {
    guard let value = value(key) else { return nil }
    guard let number = value.number, let double = number.double else {
      throw error(.wrongType(expected: "a number", found: describe(value)), key)
    }
    guard double > 0, double.isFinite else {
      throw error(.unsupportedValue(expected: "a finite number above 0", found: number.text), key)
    }
    // A forward pass computes with Floats, and so do GGUF files: others would be infinite there, or 0.
    guard Float(double) > 0, Float(double).isFinite else {
      throw error(.unsupportedValue(expected: "a number above 0 that a Float can hold", found: number.text), key)
    }
    return double
  }

  /// A list of finite numbers above zero, as Floats.
  mutating func positives(_ key: String) throws(ModelError) -> [Float]? {
    guard let value = value(key) else { return nil }
    guard let list = value.array else {
      throw error(.wrongType(expected: "a list of numbers", found: describe(value)), key)
    }
    var result: [Float] = []
    result.reserveCapacity(list.count)
    for item in list {
      guard let number = item.number?.double.map(Float.init) else {
        throw error(.wrongType(expected: "a number", found: describe(item)), key)
      }
      guard number > 0, number.isFinite else {
        throw error(.unsupportedValue(expected: "finite numbers above 0", found: describe(item)), key)
      }
      result.append(number)
    }
    return result
  }

  mutating func requiredPositive(_ key: String) throws(ModelError) -> Double {
    guard let value = try positive(key) else { throw error(.missingKey, key) }
    return value
  }

  mutating func positive(_ key: String, default standard: Double) throws(ModelError) -> Double {
    guard let value = try positive(key) else {
      assumed.append("\(prefix)\(key) = \(standard)")
      return standard
    }
    return value
  }

  mutating func flag(_ key: String, default standard: Bool = false) throws(ModelError) -> Bool {
    guard let value = value(key) else { return standard }
    guard let flag = value.bool else { throw error(.wrongType(expected: "a boolean", found: describe(value)), key) }
    return flag
  }

  /// A token id or a list of them; a negative id means none, as old configurations say it.
  mutating func tokens(_ key: String) throws(ModelError) -> [Int] {
    guard let value = value(key) else { return [] }
    var result: [Int] = []
    for item in value.array ?? [value] {
      guard let id = item.number?.integer else {
        throw error(.wrongType(expected: "a token id", found: describe(item)), key)
      }
      if id >= 0 { result.append(id) }
    }
    return result
  }

  mutating func string(_ key: String) throws(ModelError) -> String? {
    guard let value = value(key) else { return nil }
    guard let string = value.string else { throw error(.wrongType(expected: "a string", found: describe(value)), key) }
    return string
  }

  mutating func nested(_ key: String) throws(ModelError) -> ConfigurationReader? {
    guard let value = value(key) else { return nil }
    guard let inner = value.object else { throw error(.wrongType(expected: "an object", found: describe(value)), key) }
    return ConfigurationReader(inner, file: file, prefix: prefix + key + ".")
  }

  /// This object as the `quantization_config` of a BitNet model.
  func quantization() throws(ModelError) -> HFQuantization {
    do throws(FormatError) {
      return try HFQuantization(object, file: file)
    } catch {
      guard case .wrongType(let expected, let found) = error.kind else {
        throw ModelError(
          .unsupportedValue(expected: "a BitNet quantization", found: error.summary), location: error.location)
      }
      throw ModelError(.unsupportedValue(expected: expected, found: found), location: error.location)
    }
  }

  /// Whether an entry says how MLX packs the weights: mlx-lm is the program for such a model.
  var isForMLX: Bool { MLXQuantization(configuration: object, file: file) != nil }

  /// Whether this is a model for MLX, whose entries say how tensors are stored and were read with them.
  mutating func takeMLXQuantization() throws(ModelError) -> Bool {
    guard let quantization = MLXQuantization(configuration: object, file: file) else { return false }
    // mlx-lm goes by one of the entries, transformers by the other.
    for key in [MLXQuantization.key, MLXQuantization.copyKey] {
      guard let other = object[key], !other.isNull, !MLXQuantization.isEntry(other) else { continue }
      throw error(
        .contradiction(
          expected: "one way to pack weights, as programs go by quantization or by quantization_config alone",
          found: "settings of MLX and others"), key)
    }
    if let key = MLXQuantization.difference(object) {
      throw error(
        .contradiction(expected: "a copy of quantization", found: "something else"), key)
    }
    if let key = quantization.unknownKey { throw error(.unknownKey, key) }
    ignore([MLXQuantization.key, MLXQuantization.copyKey])
    return true
  }

  /// Throws unless a key is missing, null or one of the values that mean "not used".
  mutating func mustBeOff(_ key: String, _ accepted: [JSONValue] = [false]) throws(ModelError) {
    guard let value = value(key) else { return }
    if accepted.contains(value) { return }
    // 1 and 1.0 are one number with two spellings.
    if let double = value.number?.double, accepted.contains(where: { $0.number?.double == double }) { return }
    let expected = accepted.isEmpty ? "null" : accepted.map(describe).joined(separator: " or ")
    throw error(.unsupportedValue(expected: expected, found: describe(value)), key)
  }

  mutating func ignore(_ keys: Set<String>) {
    readKeys.formUnion(keys)
  }

  mutating func noteAssumption(_ text: String) {
    assumed.append(text)
  }

  /// Throws for the first key that was neither read nor ignored.
  func finish() throws(ModelError) {
    for entry in object.entries where !readKeys.contains(entry.key) { throw error(.unknownKey, entry.key) }
  }

  func describe(_ value: JSONValue) -> String {
    switch value {
    case .number(let number): number.text
    case .bool(let flag): flag ? "true" : "false"
    case .string(let text): "\"\(text)\""
    default: value.kindName
    }
  }
}
