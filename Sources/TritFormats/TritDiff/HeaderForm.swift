// Tritsmith: JSON of a header, read and written by one description.

import TritCore

/// What entries of a header refer to.
struct HeaderContext {
  var sections: [TritPackSection] = []
  var base = TritDiffBase(codeStream: nil, tensors: [])
  /// Where in the base's tensors each name is.
  var places: [ExactString: Int] = [:]

  func baseTensor(_ name: String) -> TritDiffIdentity? { places[ExactString(name)].map { base.tensors[$0] } }
}

/// Where a value that is read stands.
struct HeaderPlace {
  let field: String
  let reader: TritDiffHeaderReader
  let context: HeaderContext
}

/// One kind of JSON value, both ways.
struct HeaderValue<Value> {
  let json: (Value, HeaderContext) throws -> JSONValue
  let read: (JSONValue, HeaderPlace) throws -> Value
}

/// An entry of a header: what it says is described once, for reading and for writing.
protocol HeaderRecord {
  /// - Parameter known: the record to write; nil when one is read.
  /// - Returns: the record that was read, or the one that was written.
  static func described(_ known: Self?, by form: inout HeaderForm) throws -> Self

  /// Checks a record that was read against the rest of the header.
  func prove(_ place: HeaderPlace) throws
}

extension HeaderRecord {
  func prove(_ place: HeaderPlace) throws {}
}

/// An object of the header that is read or written; each key is named once, and what is named goes both ways.
struct HeaderForm {
  let context: HeaderContext
  /// Nil while the object is written.
  let place: HeaderPlace?
  private(set) var object: JSONObject

  var isRead: Bool { place != nil }

  /// Whether the object that is read has a key.
  func has(_ key: String) -> Bool { object[key] != nil }

  /// A key that is always there.
  mutating func value<Value>(_ key: String, _ known: Value?, _ kind: HeaderValue<Value>) throws -> Value {
    guard let place else {
      guard let known else { preconditionFailure("a record that is written has a '\(key)'") }
      object.add(key, try kind.json(known, context))
      return known
    }
    return try kind.read(
      object[key] ?? .null,
      HeaderPlace(field: "\(place.field).\(key)", reader: place.reader, context: context))
  }

  /// A key that is absent where there is no value.
  mutating func optional<Value>(_ key: String, _ known: Value?, _ kind: HeaderValue<Value>) throws -> Value? {
    guard isRead ? has(key) : known != nil else { return nil }
    return try value(key, known, kind)
  }
}

/// The outermost object of the header, whose lists are too long to be held as JSON.
struct HeaderText {
  var context = HeaderContext()
  private var written: JSONObjectText?
  private let source: (document: JSONDocument, reader: TritDiffHeaderReader)?
  private let prefix: String

  init(reading document: JSONDocument, _ reader: TritDiffHeaderReader, prefix: String = "") {
    source = (document, reader)
    self.prefix = prefix
  }

  init(writing text: JSONObjectText) {
    (written, source, prefix) = (text, nil, "")
  }

  mutating func value<Value>(_ key: String, _ known: Value?, _ kind: HeaderValue<Value>) throws -> Value {
    guard let source else {
      guard let known else { preconditionFailure("a header that is written has a '\(key)'") }
      try written?.add(key, kind.json(known, context))
      return known
    }
    let place = HeaderPlace(field: prefix + key, reader: source.reader, context: context)
    return try kind.read(source.document[key] ?? .null, place)
  }

  /// A list whose elements are read or written one after the other.
  mutating func list<Element>(
    _ key: String, _ known: [Element]?, _ kind: HeaderValue<Element>
  ) throws -> [Element] {
    guard let source else {
      let (known, context) = (known ?? [], context)
      try written?.add(key, listing: known) { try kind.json($0, context) }
      return known
    }
    let (context, prefix) = (context, prefix)
    return try source.reader.list(source.document, key, prefix.isEmpty ? "header" : String(prefix.dropLast())) {
      try kind.read(
        $0, HeaderPlace(field: "\(prefix)\(key)[\($1)]", reader: source.reader, context: context))
    }
  }

  /// An object that has long lists itself.
  mutating func part<Part>(_ key: String, _ describe: (inout HeaderText) throws -> Part) throws -> Part {
    if let source {
      var part = HeaderText(
        reading: try source.reader.part(source.document, key), source.reader, prefix: prefix + key + ".")
      part.context = context
      return try describe(&part)
    }
    var result: Part?
    let context = context
    try written?.add(key) { text in
      var part = HeaderText(writing: text)
      part.context = context
      result = try describe(&part)
      text = part.written ?? text
    }
    guard let result else { preconditionFailure("a header is read or written") }
    return result
  }

  /// Ends the text of a header that is written.
  consuming func finish() throws { try written?.finish() }
}

// MARK: - Kinds of values

extension HeaderValue where Value: HeaderRecord {
  static var record: Self {
    Self(
      json: { record, context in
        var form = HeaderForm(context: context, place: nil, object: JSONObject())
        _ = try Value.described(record, by: &form)
        return .object(form.object)
      },
      read: { value, place in
        let object = try place.reader.object(value, place.field)
        var form = HeaderForm(context: place.context, place: place, object: object)
        let record = try Value.described(nil, by: &form)
        try record.prove(place)
        return record
      })
  }
}

extension HeaderValue where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
  static var name: Self {
    Self(
      json: { value, _ in .string(value.rawValue) },
      read: { value, place in
        let name = try place.reader.string(value, place.field)
        guard let value = Value(rawValue: name) else {
          let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
          throw place.reader.wrong(known, "'\(name)'", place.field)
        }
        return value
      })
  }
}

extension HeaderValue<String> {
  static var text: Self {
    Self(json: { text, _ in .string(text) }, read: { try $1.reader.string($0, $1.field) })
  }

  /// What people read and nothing depends on.
  static var remark: Self { Self(json: { text, _ in .string(text) }, read: { value, _ in value.string ?? "" }) }

  /// The name of a file, without a folder.
  static var fileName: Self {
    Self(
      json: { name, _ in .string(name) },
      read: { value, place in
        let name = try place.reader.string(value, place.field)
        guard CompanionPath.isValid(name) else {
          throw FormatError(.unsafeName(name), file: place.reader.path, field: place.field)
        }
        return name
      })
  }
}

extension HeaderValue<UInt64> {
  static var unsigned: Self {
    Self(json: { number, _ in .number(JSONNumber(number)) }, read: { try $1.reader.unsigned($0, $1.field) })
  }
}

extension HeaderValue<Int> {
  static var integer: Self {
    Self(json: { number, _ in .number(JSONNumber(number)) }, read: { try $1.reader.integer($0, $1.field) })
  }

  /// The number of a section.
  static var section: Self {
    Self(
      json: { number, _ in .number(JSONNumber(number)) },
      read: {
        try $1.reader.sectionIndex($0, $1.context.sections, $1.field)
      })
  }
}

extension HeaderValue<Double> {
  static var number: Self {
    Self(
      json: { number, _ in .number(JSONNumber(number)) },
      read: { value, place in
        guard let number = value.number?.double else {
          throw place.reader.wrong("a number", value.kindName, place.field)
        }
        return number
      })
  }
}

extension HeaderValue<TensorShape> {
  /// Of the tensor of a name.
  static func shape(of name: String) -> Self {
    Self(
      json: { shape, _ in .array(shape.dimensions.map { .number(JSONNumber($0)) }) },
      read: {
        try $1.reader.shape($0, $1.field, of: name)
      })
  }
}

extension HeaderValue<DType> {
  /// Of the dense tensor of a name.
  static func dtype(of name: String) -> Self {
    Self(
      json: { dtype, _ in .string(dtype.rawValue) },
      read: { value, place in
        let text = try place.reader.string(value, place.field)
        guard let dtype = DType(rawValue: text) else {
          throw FormatError(.unknownDType(text), file: place.reader.path, tensor: name, field: place.field)
        }
        return dtype
      })
  }

  /// Of stored scales.
  static var scaleType: Self {
    Self(json: { dtype, _ in .string(dtype.rawValue) }, read: { try $1.reader.scaleType($0, $1.field) })
  }
}

extension HeaderValue<Digest> {
  static var digest: Self {
    Self(json: { digest, _ in .string(digest.description) }, read: { try $1.reader.digest($0, $1.field) })
  }
}

extension HeaderValue<Digest?> {
  /// Null where there is none.
  static var digestOrNull: Self {
    Self(
      json: { digest, _ in digest.map { .string($0.description) } ?? .null },
      read: {
        $0 == .null ? nil : try $1.reader.digest($0, $1.field)
      })
  }
}

extension HeaderValue<[UInt8]> {
  static var hexadecimal: Self {
    Self(
      json: { bytes, _ in .string(Hexadecimal.text(bytes)) },
      read: { value, place in
        guard let bytes = Hexadecimal.bytes(try place.reader.string(value, place.field)) else {
          throw place.reader.wrong("hexadecimal digits", "something else", place.field)
        }
        return bytes
      })
  }
}

extension HeaderValue<TritPackSection> {
  static var section: Self { Self(json: { section, _ in section.json }, read: { try $1.reader.section($0, $1.field) }) }
}
