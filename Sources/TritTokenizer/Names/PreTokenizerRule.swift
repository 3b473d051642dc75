// Tritsmith: the ways of cutting text that have names in GGUF files.

import Synchronization
import TritCore

/// One way of cutting text, as the steps a `tokenizer.json` has for it.
///
/// The steps are those of the models that the way comes from, not the regular expressions in which an engine says the
/// same again. Where engines cut a little otherwise than these models, the models are followed, since their weights
/// were trained so.
package final class PreTokenizerRule: Sendable {
  /// The steps of `tokenizer.json` a tokenizer is rebuilt with.
  package let steps: [JSONValue]
  /// Steps of other models that engines give the same name.
  private let variants: [[JSONValue]]
  /// The steps and variants, read when first asked for: most rules never are.
  private let read = Mutex<[PreTokenizer]?>(nil)

  init(_ steps: [JSONValue], variants: [[JSONValue]] = []) {
    self.steps = steps
    self.variants = variants
  }

  /// The `pre_tokenizer` section.
  package var section: JSONValue { PreTokenizerRule.section(steps) }

  static func section(_ steps: [JSONValue]) -> JSONValue {
    steps.count == 1 ? steps[0] : .object(["type": "Sequence", "pretokenizers": .array(steps)])
  }

  /// Whether a tokenizer cuts by this rule.
  func describes(_ preTokenizer: PreTokenizer) -> Bool {
    let forms = read.withLock { known in
      if let known { return known }
      let forms = ([steps] + variants).compactMap { try? PreTokenizer(section: PreTokenizerRule.section($0)) }
      known = forms
      return forms
    }
    return forms.contains { $0.cuts(like: preTokenizer) }
  }
}

extension PreTokenizer {
  /// Reads a section by itself.
  init(section: JSONValue) throws(TokenizerError) {
    try self.init(FieldReader(section, file: "tokenizer.json", path: "pre_tokenizer"))
  }
}

// MARK: - Steps

extension JSONValue {
  fileprivate static func split(_ pattern: String) -> JSONValue {
    .object([
      "type": "Split", "pattern": .object(["Regex": .string(pattern)]), "behavior": "Isolated", "invert": false,
    ])
  }

  fileprivate static func bytes(pattern: Bool = false) -> JSONValue {
    .object([
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": .bool(pattern),
    ])
  }

  fileprivate static func digits(individually: Bool) -> JSONValue {
    .object(["type": "Digits", "individual_digits": .bool(individually)])
  }

  fileprivate static func punctuation(_ behavior: SplitBehavior) -> JSONValue {
    .object(["type": "Punctuation", "behavior": .string(behavior.rawValue)])
  }
}

// MARK: - Patterns

/// Pieces that patterns are put together from.
private enum Part {
  static let contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
  static let word = #"[^\r\n\p{L}\p{N}]?\p{L}+"#
  static let signs = #" ?[^\s\p{L}\p{N}]+[\r\n]*"#
  static let lines = #"\s*[\r\n]+"#
  static let spaces = #"\s+(?!\S)|\s+"#
  /// Words that begin with capitals or have none, with a contraction behind.
  static func cased(_ contraction: String) -> String {
    let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
    let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
    return
      #"[^\r\n\p{L}\p{N}]?\#(upper)*\#(lower)+\#(contraction)|[^\r\n\p{L}\p{N}]?\#(upper)+\#(lower)*\#(contraction)"#
  }
  static let signsOrSlash = #" ?[^\s\p{L}\p{N}]+[\r\n/]*"#
  static let ideographs = "[一-龥\u{3040}-ゟ゠-ヿ]+"
  static let oldIdeographs = "[一-龥\u{800}-一가-\u{D7FF}]+"
  static let codeWord = ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"##
  static let markedWord = #"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"#
  static let bloom = #" ?[^(\s|[.,!?…。，、।۔،])]+"#

  static func any(_ parts: String...) -> String { parts.joined(separator: "|") }
}

// MARK: - Rules

extension PreTokenizerRule {
  /// GPT-2's pattern alone.
  static let gpt2 = PreTokenizerRule([.bytes(pattern: true)])

  static let llama3 = PreTokenizerRule([
    .split(Part.any(Part.contraction, Part.word, #"\p{N}{1,3}"#, Part.signs, Part.lines, Part.spaces)), .bytes(),
  ])

  /// Llama 3's with single digits.
  static let qwen2 = PreTokenizerRule([.split(qwen2Pattern), .bytes()])
  private static let qwen2Pattern = Part.any(
    Part.contraction, Part.word, #"\p{N}"#, Part.signs, Part.lines, Part.spaces)

  /// Qwen2's with marks as parts of words.
  static let qwen35 = PreTokenizerRule([
    .split(
      Part.any(
        Part.contraction, #"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+"#, #"\p{N}"#, #" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"#,
        Part.lines, Part.spaces)), .bytes(),
  ])

  /// Qwen2's without contractions.
  static let ufakzeka = PreTokenizerRule([
    .split(Part.any(Part.word, #"\p{N}"#, Part.signs, Part.lines, Part.spaces)), .bytes(),
  ])

  /// Qwen2's inside of lines.
  static let laguna = PreTokenizerRule([.split(#"[^\n]+|[\n]+"#), .split(qwen2Pattern), .bytes()])

  static let seedCoder = PreTokenizerRule([
    .split(
      Part.any(
        Part.contraction, Part.word, #"\p{N}{1}"#, #" ?[^\s\p{L}\p{N}\r\n]+"#, Part.lines, Part.spaces)), .bytes(),
  ])

  static let exaoneMoE = PreTokenizerRule([
    .split(
      Part.any(
        Part.contraction, #"[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+"#, #"\p{N}"#,
        #" ?[^\s\p{L}\p{N}]+[\r\n/]?"#, #"\s*[\r\n]"#, Part.spaces)), .bytes(),
  ])

  static let miniCPM5 = PreTokenizerRule([
    .split(#"\p{N}{1,3}"#),
    .split(Part.any(Part.contraction, Part.word, #"\p{N}+"#, Part.signs, Part.lines, Part.spaces)), .bytes(),
  ])

  static let jais2 = PreTokenizerRule([
    .split(
      Part.any(
        Part.contraction, Part.word, #"\p{N}{1,3}"#, Part.signs, Part.lines,
        [512, 256, 128, 64, 32, 16, 8, 4].map { #"\s{\#($0)}(?!\S)"# }.joined(separator: "|"),
        #"\s{1,2}(?!\S)|\s{1}"#)), .bytes(),
  ])

  static let gpt4o = PreTokenizerRule([.split(gpt4oPattern), .bytes()])
  private static let gpt4oPattern = Part.any(
    Part.cased(Part.contraction + "?"), #"\p{N}{1,3}"#, Part.signsOrSlash, Part.lines, Part.spaces)

  /// Mistral's: GPT-4o's without contractions, single digits.
  static let tekken = PreTokenizerRule([
    .split(Part.any(Part.cased(""), #"\p{N}"#, Part.signsOrSlash, Part.lines, Part.spaces)), .bytes(),
  ])

  static let tinyAya = PreTokenizerRule([.split(#"\d{1,3}(?=(?:\d{3})*\b)"#), .split(gpt4oPattern), .bytes()])

  static let youtu = PreTokenizerRule([
    .split("[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|" + Part.ideographs),
    .split(
      Part.any(
        Part.cased(Part.contraction + "?"), #"\p{N}"#, Part.signsOrSlash, Part.lines, Part.spaces)), .bytes(),
  ])

  static let deepSeekLLM = PreTokenizerRule(
    deepSeekLLMSteps + [.digits(individually: true), .bytes()],
    variants: [deepSeekLLMSteps + [.digits(individually: false), .bytes()]])
  private static let deepSeekLLMSteps: [JSONValue] = [
    .split("[\r\n]"), .split(#"\s?["# + latinGreekCyrillic + "]+"),
    .split("\\s?[!-/:-~！-／：-～‘-‟\u{3000}-。]+"), .split(#"\s+$"#), .split(Part.oldIdeographs),
  ]
  private static let latinGreekCyrillic =
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u{1F7D}ᾀ-ᾴᾶ-ᾼ\u{1FBE}ῂ-ῄῆ-ῌ"
    + "ῐ-\u{1FD3}ῖ-\u{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u{2126}ℨ\u{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ"
    + "𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"

  static let deepSeekCoder = PreTokenizerRule([
    .split("[\r\n]"), .split(#"\s?\p{L}+"#), .split(#"\s?\p{P}+"#), .split(Part.oldIdeographs),
    .digits(individually: true), .bytes(),
  ])

  static let deepSeekV3 = PreTokenizerRule([
    .split(#"\p{N}{1,3}"#), .split(Part.ideographs),
    .split(
      Part.any(Part.codeWord, Part.markedWord, #" ?[\p{P}\p{S}]+[\r\n]*"#, Part.lines, Part.spaces)), .bytes(),
  ])

  static let spark = PreTokenizerRule([
    .split(#"\p{N}{1,3}"#), .split(Part.ideographs),
    .split(Part.any(Part.codeWord, Part.markedWord, #" ?[\p{P}\p{S}]+"#, #"[\r\n]"#, Part.spaces)),
    .split(#"\p{N}"#), .bytes(),
  ])

  /// Falcon of 2023: digits in groups of three.
  static let falcon = PreTokenizerRule([
    .punctuation(.contiguous), .bytes(pattern: true), .digits(individually: false), .split("[0-9][0-9][0-9]"),
  ])

  /// What bitnet.cpp means by Falcon3 and Falcon-E: Falcon of 2023 with single digits.
  static let falconDigits = PreTokenizerRule(
    [.punctuation(.contiguous), .bytes(pattern: true), .digits(individually: true)],
    variants: [
      [.punctuation(.contiguous), .bytes(pattern: true), .split("[0-9]")],
      [.punctuation(.contiguous), .bytes(pattern: true), .digits(individually: true), .split("[0-9][0-9][0-9]")],
    ])

  /// GPT-2's with single digits.
  static let starCoder = PreTokenizerRule([.digits(individually: true), .bytes(pattern: true)])

  static let bloom = PreTokenizerRule([.split(Part.bloom), .bytes()])

  static let viking = PreTokenizerRule([.split(Part.bloom), .digits(individually: true), .bytes()])

  static let chameleon = PreTokenizerRule([
    .split("<sentinel:[0-9]+>"), .split("(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"), .split(#"([\t\n]|    |  )"#),
    .digits(individually: true), .punctuation(.isolated), .bytes(pattern: true),
  ])

  /// What engines do under no name, or under `default`.
  static let unnamed = PreTokenizerRule([
    .split(#"[\p{P}\$\+<=>\^~\|]+"#), .bytes(pattern: true), .split(#"\p{N}+"#), .split("[0-9][0-9][0-9]"),
  ])
}
