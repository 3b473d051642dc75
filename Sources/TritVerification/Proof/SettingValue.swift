// Tritsmith: values of settings, in either kind of configuration.

import TritCore

/// A value under a key of a configuration, as comparisons see it.
protocol SettingValue {
  /// Whether a reader gets the same from both.
  func means(_ other: Self) -> Bool
  /// For people.
  var shown: String { get }
  /// Keys and values of an object; nil for what is none.
  var entries: [(String, Self)]? { get }
}

extension JSONValue: SettingValue {
  var shown: String { String(decoding: serialized(), as: UTF8.self) }
  var entries: [(String, JSONValue)]? { object?.entries.map { ($0.key, $0.value) } }
}

extension MetadataValue: SettingValue {
  /// Integers and numbers are read whatever their width; where llama.cpp takes one type alone, `check` says so.
  func means(_ other: MetadataValue) -> Bool {
    guard self != other else { return true }
    guard typeName != other.typeName else { return false }
    if let left = integer, let right = other.integer { return left == right }
    if let left = integers, let right = other.integers { return left == right }
    guard let left = double, let right = other.double else { return false }
    return Float(left) == Float(right)
  }
  var shown: String { text() }
  var entries: [(String, MetadataValue)]? { nil }
}
