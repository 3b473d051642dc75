// Tritsmith: JSON text from values.

/// How JSON text is laid out.
package enum JSONStyle: Sendable {
  /// No white space, as safetensors headers are written.
  case compact
  /// Two spaces a level and a final newline, as Hugging Face writes `config.json`.
  case pretty
}

extension JSONValue {
  /// UTF-8 text of the value; the same value always gives the same bytes.
  package func serialized(_ style: JSONStyle = .compact) -> [UInt8] {
    var output: [UInt8] = []
    write(to: &output, style: style, level: 0)
    if style == .pretty { output.append(UInt8(ascii: "\n")) }
    return output
  }

  fileprivate func write(to output: inout [UInt8], style: JSONStyle, level: Int) {
    switch self {
    case .null: output.append(contentsOf: "null".utf8)
    case .bool(let value): output.append(contentsOf: (value ? "true" : "false").utf8)
    case .number(let number): output.append(contentsOf: number.text.utf8)
    case .string(let string): JSONValue.write(string, to: &output)
    case .array(let elements):
      JSONValue.writeList(elements, brackets: ("[", "]"), to: &output, style: style, level: level) { element, output in
        element.write(to: &output, style: style, level: level + 1)
      }
    case .object(let object):
      JSONValue.writeList(object.entries, brackets: ("{", "}"), to: &output, style: style, level: level) {
        entry, output in
        JSONValue.write(entry.key, to: &output)
        output.append(UInt8(ascii: ":"))
        if style == .pretty { output.append(UInt8(ascii: " ")) }
        entry.value.write(to: &output, style: style, level: level + 1)
      }
    }
  }

  fileprivate static func writeList<Elements: Sequence>(
    _ elements: Elements, brackets: (open: UnicodeScalar, close: UnicodeScalar), to output: inout [UInt8],
    style: JSONStyle, level: Int, item: (Elements.Element, inout [UInt8]) throws -> Void
  ) rethrows {
    output.append(UInt8(ascii: brackets.open))
    var isEmpty = true
    for element in elements {
      if !isEmpty { output.append(UInt8(ascii: ",")) }
      isEmpty = false
      if style == .pretty { breakLine(level + 1, to: &output) }
      try item(element, &output)
    }
    if style == .pretty, !isEmpty { breakLine(level, to: &output) }
    output.append(UInt8(ascii: brackets.close))
  }

  private static func breakLine(_ level: Int, to output: inout [UInt8]) {
    output.append(UInt8(ascii: "\n"))
    output.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * level))
  }

  fileprivate static func write(_ string: String, to output: inout [UInt8]) {
    output.append(UInt8(ascii: "\""))
    for byte in string.utf8 {
      switch byte {
      case UInt8(ascii: "\""): output.append(contentsOf: "\\\"".utf8)
      case UInt8(ascii: "\\"): output.append(contentsOf: "\\\\".utf8)
      case UInt8(ascii: "\n"): output.append(contentsOf: "\\n".utf8)
      case UInt8(ascii: "\r"): output.append(contentsOf: "\\r".utf8)
      case UInt8(ascii: "\t"): output.append(contentsOf: "\\t".utf8)
      case 0..<0x20:
        let hex = String(byte, radix: 16)
        output.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - hex.count) + hex).utf8)
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }
}

/// Compact text of an object, a member at a time and given away a piece at a time: neither lists of thousands nor their
/// text need exist whole.
package struct JSONObjectText {
  private static let piece = 64 << 10

  private var output: [UInt8] = [UInt8(ascii: "{")]
  private var isEmpty = true
  private let receive: ([UInt8]) throws -> Void

  /// - Parameter receive: gets the text in order, in pieces.
  package init(to receive: @escaping ([UInt8]) throws -> Void) { self.receive = receive }

  /// Adds a member.
  package mutating func add(_ key: String, _ value: JSONValue) throws {
    begin(key)
    value.write(to: &output, style: .compact, level: 0)
    try JSONObjectText.give(&output, from: JSONObjectText.piece, to: receive)
  }

  /// Adds an array whose elements are made one after the other.
  package mutating func add<Elements: Sequence>(
    _ key: String, listing elements: Elements, _ value: (Elements.Element) throws -> JSONValue
  ) throws {
    begin(key)
    let receive = receive
    try JSONValue.writeList(elements, brackets: ("[", "]"), to: &output, style: .compact, level: 0) {
      element, output in
      try value(element).write(to: &output, style: .compact, level: 0)
      try JSONObjectText.give(&output, from: JSONObjectText.piece, to: receive)
    }
  }

  /// Adds an object whose members `body` adds.
  package mutating func add(_ key: String, object body: (inout JSONObjectText) throws -> Void) throws {
    begin(key)
    output.append(UInt8(ascii: "{"))
    isEmpty = true
    try body(&self)
    output.append(UInt8(ascii: "}"))
    isEmpty = false
  }

  private mutating func begin(_ key: String) {
    if !isEmpty { output.append(UInt8(ascii: ",")) }
    isEmpty = false
    JSONValue.write(key, to: &output)
    output.append(UInt8(ascii: ":"))
  }

  private static func give(_ output: inout [UInt8], from size: Int, to receive: ([UInt8]) throws -> Void) throws {
    guard output.count >= size else { return }
    try receive(output)
    output.removeAll(keepingCapacity: true)
  }

  /// Ends the object and gives away what is left of its text.
  package consuming func finish() throws {
    output.append(UInt8(ascii: "}"))
    try receive(output)
  }
}
