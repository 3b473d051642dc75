// Tritsmith: the pre_tokenizer section of tokenizer.json.

import TritCore

extension PreTokenizer {
  /// Reads the section, which may be null: then the text between added tokens is one word.
  init(_ reader: FieldReader?) throws(TokenizerError) {
    guard let reader else { return }
    var names: [String] = []
    var isMapped = false
    try append(reader, &names, &isMapped)
    guard steps.count <= PreTokenizer.stepLimit else {
      throw reader.error(.tooLarge(what: "number of steps", found: steps.count, limit: PreTokenizer.stepLimit))
    }
    summary = names.joined(separator: ", ")
  }

  private mutating func append(
    _ reader: FieldReader, _ names: inout [String], _ isMapped: inout Bool
  ) throws(TokenizerError) {
    let type = try reader.requiredString("type")
    switch type {
    case "Sequence":
      try reader.allow(["type", "pretokenizers"])
      for step in try reader.readers("pretokenizers") { try append(step, &names, &isMapped) }
    case "ByteLevel":
      try reader.allow(["type", "add_prefix_space", "trim_offsets", "use_regex"])
      if isMapped { throw reader.error(.unsupported("ByteLevel twice")) }
      names.append(try appendByteLevel(reader))
      isMapped = true
    case "Metaspace" where !isMapped:
      let space = try Metaspace(reader)
      steps.append(.metaspace(space))
      names.append("Metaspace(\(space.scheme.rawValue)\(space.splits ? ", cut before marks" : ""))")
    case "Split":
      try reader.allow(["type", "pattern", "behavior", "invert"])
      let splitter = try Splitter(reader, isMapped: isMapped)
      steps.append(.split(splitter))
      names.append("Split(\(splitter.name), \(splitter.behavior.rawValue)\(splitter.isInverted ? ", inverted" : ""))")
    case "Digits":
      try reader.allow(["type", "individual_digits"])
      names.append(try appendDigits(reader, named: type))
    case "Punctuation":
      try reader.allow(["type", "behavior"])
      append(PreTokenizer.punctuation, try SplitBehavior(reader, default: .isolated), named: type)
      names.append(type)
    case "WhitespaceSplit":
      try reader.allow(["type"])
      append(ScalarSet(items: [.whiteSpace(true)]), .removed, named: type)
      names.append(type)
    case "Whitespace":
      try reader.allow(["type"])
      steps.append(.split(try Splitter(#"\w+|[^\w\s]+"#, .removed, isInverted: true, reader, unicode: .regex)))
      names.append(type)
    default:
      throw reader.error(.unsupported("pre-tokenizer '\(printable(type))'"), at: "type")
    }
  }

  private static var punctuation: ScalarSet {
    let symbols: [ScalarSet.Item] = [.range(0x21, 0x2F), .range(0x3A, 0x40), .range(0x5B, 0x60), .range(0x7B, 0x7E)]
    let category = ScalarSet.Item.categories(GeneralCategories.mask(named: "P") ?? 0)
    return ScalarSet(items: symbols + [category], unicode: .punctuation)
  }

  /// Cuts at numbers; returns the name for the summary.
  private mutating func appendDigits(_ reader: FieldReader, named name: String) throws(TokenizerError) -> String {
    let individually = try reader.requiredBool("individual_digits")
    let numbers = ScalarSet(items: [.categories(GeneralCategories.mask(named: "N") ?? 0)], unicode: .rust)
    append(numbers, individually ? .isolated : .contiguous, named: name)
    return individually ? "Digits(individual)" : "Digits"
  }

  private mutating func append(_ set: ScalarSet, _ behavior: SplitBehavior, named name: String) {
    let program = PatternProgram(oneOf: set, named: name)
    steps.append(.split(Splitter(pattern: .program(program), behavior: behavior, isInverted: false, name: name)))
  }

  /// Maps to bytes; returns the name for the summary.
  private mutating func appendByteLevel(_ reader: FieldReader) throws(TokenizerError) -> String {
    let addsSpace = try reader.requiredBool("add_prefix_space")
    _ = try reader.bool("trim_offsets")
    let usesPattern = try reader.bool("use_regex") ?? true
    if addsSpace { steps.append(.prefixSpace) }
    if usesPattern {
      steps.append(.split(try Splitter(PreTokenizer.gpt2Pattern, .isolated, isInverted: false, reader)))
    }
    steps.append(.mapBytes)
    var options: [String] = []
    if addsSpace { options.append("prefix space") }
    if usesPattern { options.append("GPT-2 pattern") }
    return options.isEmpty ? "ByteLevel" : "ByteLevel(\(options.joined(separator: ", ")))"
  }
}

extension SplitBehavior {
  init(_ reader: FieldReader, default standard: SplitBehavior?) throws(TokenizerError) {
    guard let name = try reader.string("behavior") else {
      guard let standard else { throw reader.error(.missingField, at: "behavior") }
      self = standard
      return
    }
    guard let behavior = SplitBehavior(rawValue: name) else {
      throw reader.error(.unsupported("split behavior '\(printable(name))'"), at: "behavior")
    }
    self = behavior
  }
}

extension Splitter {
  /// A splitter by a regular expression.
  init(
    _ regex: String, _ behavior: SplitBehavior, isInverted: Bool, _ reader: FieldReader, at key: String? = nil,
    unicode: UnicodeVersion = .oniguruma
  ) throws(TokenizerError) {
    let program: PatternProgram
    do {
      program = try PatternProgram(regex, unicode: unicode)
    } catch {
      throw reader.error(.unsupportedPattern(construct: error.construct, offset: error.offset), at: key)
    }
    self.init(pattern: .program(program), behavior: behavior, isInverted: isInverted, name: regex)
  }

  /// A `Split` section; after the mapping to bytes a literal is spelled in stand-ins.
  init(_ reader: FieldReader, isMapped: Bool) throws(TokenizerError) {
    let behavior = try SplitBehavior(reader, default: nil)
    let isInverted = try reader.requiredBool("invert")
    let pattern = try reader.requiredReader("pattern")
    try pattern.allow(["Regex", "String"])
    guard pattern.object.entries.count == 1 else {
      throw pattern.error(.unsupported("a pattern that is not one of Regex and String"))
    }
    if let regex = try pattern.string("Regex") {
      try self.init(regex, behavior, isInverted: isInverted, pattern, at: "Regex")
      return
    }
    let literal = try pattern.requiredString("String")
    guard !literal.utf8.isEmpty else { throw pattern.error(.unsupported("an empty pattern"), at: "String") }
    guard literal.utf8.count <= AddedToken.contentLimit else {
      throw pattern.error(
        .tooLarge(what: "length of a pattern", found: literal.utf8.count, limit: AddedToken.contentLimit), at: "String")
    }
    let bytes = isMapped ? ByteAlphabet.decode(literal) : Array(literal.utf8)
    self.init(
      pattern: bytes.map { .literal($0) } ?? .never, behavior: behavior, isInverted: isInverted, name: literal)
  }
}
