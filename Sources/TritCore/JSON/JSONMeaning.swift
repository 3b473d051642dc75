// Tritsmith: whether two JSON values mean the same.

extension JSONValue {
  /// Whether a reader gets the same from both: order of keys, spelling of numbers and place in a file aside.
  ///
  /// `==` compares what files hold, with order, duplicate keys and places of keys.
  package func means(_ other: JSONValue) -> Bool {
    switch (self, other) {
    case (.number(let left), .number(let right)): left.means(right)
    case (.array(let left), .array(let right)):
      left.count == right.count && zip(left, right).allSatisfy { $0.means($1) }
    case (.object(let left), .object(let right)): left.means(right)
    default: self == other
    }
  }
}

extension JSONObject {
  /// Whether both have the same keys with the same meanings; of a key that stands twice the last counts.
  package func means(_ other: JSONObject) -> Bool {
    let (left, right) = (lastValues, other.lastValues)
    return left.count == right.count && left.allSatisfy { key, value in right[key]?.means(value) == true }
  }

  private var lastValues: [ExactString: JSONValue] {
    Dictionary(entries.lazy.map { (ExactString($0.key), $0.value) }, uniquingKeysWith: { _, last in last })
  }
}

extension JSONNumber {
  /// 4 and 4.0 are one number; whole numbers beyond the digits of Double are compared as they are written.
  fileprivate func means(_ other: JSONNumber) -> Bool {
    if text == other.text { return true }
    if let left = integer, let right = other.integer { return left == right }
    guard let left = double, let right = other.double else { return false }
    return left == right
  }
}
