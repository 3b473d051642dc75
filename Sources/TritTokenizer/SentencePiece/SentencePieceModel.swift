// Tritsmith: tokenizer.model, as SentencePiece writes it.

import TritCore

/// A SentencePiece model of type BPE (`sentencepiece_model.proto`), read.
package struct SentencePieceModel: Sendable {
  package enum PieceType: UInt64, Sendable {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  package struct Piece: Sendable {
    package var text: String
    /// Pieces of higher scores are made first.
    package var score: Float
    package var type: PieceType

    package init(text: String, score: Float, type: PieceType) {
      self.text = text
      self.score = score
      self.type = type
    }
  }

  package private(set) var pieces: [Piece] = []
  /// Whether characters without a piece become the pieces of their bytes.
  package private(set) var fallsBackToBytes = false
  /// Whether a mark is put before a text.
  package private(set) var addsPrefix = true
  /// What an unknown piece decodes to.
  package private(set) var unknownSurface = " \u{2047} "
  private var bos = 1
  private var eos = 2
  private var pad = -1
  private let file: String

  /// - Throws: when it is no such model, one of another type, or says of text what is not done here.
  package init(_ bytes: [UInt8], file: String) throws(TokenizerError) {
    self.file = file
    if let standIn = StandIn(firstBytes: bytes) { throw TokenizerError(.standIn(standIn), file: file) }
    var type: UInt64 = 1
    var spec = NormalizerSpec()
    var outputSpec = NormalizerSpec()
    var marksWordEnds = false
    var reader = ProtobufReader(bytes, file: file)
    while let field = try reader.next() {
      switch (field.number, field.value) {
      case (1, .message(let message)):
        guard pieces.count < Vocabulary.idLimit else {
          throw TokenizerError(
            .tooLarge(what: "number of pieces", found: pieces.count + 1, limit: Vocabulary.idLimit), file: file)
        }
        pieces.append(try SentencePieceModel.piece(message, pieces.count, file))
      case (2, .message(var trainer)):
        while let field = try trainer.next() {
          switch (field.number, field.value) {
          case (3, .integer(let value)): type = value
          case (24, .integer(let value)): marksWordEnds = value != 0
          case (35, .integer(let value)): fallsBackToBytes = value != 0
          case (41, .integer(let value)): bos = Int(truncatingIfNeeded: Int32(truncatingIfNeeded: value))
          case (42, .integer(let value)): eos = Int(truncatingIfNeeded: Int32(truncatingIfNeeded: value))
          case (44, .message(let bytes)): unknownSurface = String(decoding: bytes.contents, as: UTF8.self)
          case (43, .integer(let value)): pad = Int(truncatingIfNeeded: Int32(truncatingIfNeeded: value))
          default: break
          }
        }
      case (3, .message(var message)): spec = try NormalizerSpec(&message)
      case (5, .message(var message)): outputSpec = try NormalizerSpec(&message)
      default: break
      }
    }
    addsPrefix = spec.addsPrefix
    try checkPieces(of: type)
    try check(spec, decoding: outputSpec, marksWordEnds: marksWordEnds)
  }

  /// Refuses what is done to texts before and after, where it is not followed.
  private func check(
    _ spec: NormalizerSpec, decoding outputSpec: NormalizerSpec, marksWordEnds: Bool
  ) throws(TokenizerError) {
    func refuse(_ condition: Bool, _ what: String, _ field: String) throws(TokenizerError) {
      if condition { throw TokenizerError(.unsupported(what), file: file, field: field) }
    }
    try refuse(marksWordEnds, "marks behind words", "trainer_spec.treat_whitespace_as_suffix")
    try refuse(
      spec.hasTable, "normalizer '\(printable(spec.name))'", "normalizer_spec.precompiled_charsmap")
    try refuse(spec.dropsSpaces, "dropping of spaces that stand together", "normalizer_spec.remove_extra_whitespaces")
    try refuse(!spec.marksSpaces, "spaces that do not become marks", "normalizer_spec.escape_whitespaces")
    try refuse(
      outputSpec.hasTable, "a table by which decoded text is rewritten ('\(printable(outputSpec.name))')",
      "denormalizer_spec.precompiled_charsmap")
  }

  /// Refuses another type of model, and pieces that the sentencepiece library refuses or that are not followed.
  private func checkPieces(of type: UInt64) throws(TokenizerError) {
    func damage(_ what: String) -> TokenizerError { TokenizerError(.malformedModel(what), file: file, field: "pieces") }
    guard !pieces.isEmpty else { throw TokenizerError(.malformedModel("it holds no pieces"), file: file) }
    let names: [UInt64: String] = [1: "Unigram", 3: "Word", 4: "Char"]
    guard type == 2 else {
      throw TokenizerError(
        .unsupportedModelType(names[type] ?? "number \(type)"), file: file, field: "trainer_spec.model_type")
    }
    if let unused = pieces.first(where: { $0.type == .unused }) {
      throw TokenizerError(.unsupported("the unused piece '\(printable(unused.text))'"), file: file, field: "pieces")
    }
    let unknown = pieces.indices.filter { pieces[$0].type == .unknown }
    if unknown.count > 1 { throw damage("pieces \(unknown[0]) and \(unknown[1]) are both the unknown one") }
    var bytes: Set<UInt8> = []
    for (index, piece) in pieces.enumerated() where piece.type == .byte {
      guard fallsBackToBytes else { throw damage("piece \(index) is of a byte, and byte_fallback is false") }
      guard let byte = CharacterAlphabet.byte(named: piece.text), CharacterAlphabet.name(of: byte) == piece.text else {
        throw damage(
          "piece \(index), '\(printable(piece.text, limit: 40))', is of no byte; those are '<0x00>' to '<0xFF>'")
      }
      bytes.insert(byte)
    }
    if fallsBackToBytes, bytes.count < 256 {
      throw damage("byte_fallback needs a piece for each of 256 bytes, and there are \(bytes.count)")
    }
  }

  private static func piece(
    _ message: ProtobufReader, _ index: Int, _ file: String
  ) throws(TokenizerError) -> Piece {
    var message = message
    var text: String?
    var score: Float = 0
    var type = PieceType.normal
    while let field = try message.next() {
      switch (field.number, field.value) {
      case (1, .message(let bytes)): text = String(validating: bytes.contents, as: UTF8.self)
      case (2, .fixed32(let bits)): score = Float(bitPattern: bits)
      case (3, .integer(let value)):
        guard let known = PieceType(rawValue: value) else {
          throw TokenizerError(.unsupported("piece type \(value)"), file: file, field: "pieces[\(index)]")
        }
        type = known
      default: break
      }
    }
    guard let text, !text.utf8.isEmpty, score.isFinite else {
      throw TokenizerError(
        .malformedModel("piece \(index) has no text in UTF-8, or no finite score"), file: file,
        field: "pieces[\(index)]")
    }
    return Piece(text: text, score: score, type: type)
  }

  private struct NormalizerSpec {
    var name = ""
    var hasTable = false
    var addsPrefix = true
    var dropsSpaces = true
    var marksSpaces = true

    init() {}

    init(_ reader: inout ProtobufReader) throws(TokenizerError) {
      while let field = try reader.next() {
        switch (field.number, field.value) {
        case (1, .message(let bytes)): name = String(decoding: bytes.contents, as: UTF8.self)
        case (2, .message(let bytes)): hasTable = !bytes.contents.isEmpty
        case (3, .integer(let value)): addsPrefix = value != 0
        case (4, .integer(let value)): dropsSpaces = value != 0
        case (5, .integer(let value)): marksSpaces = value != 0
        default: break
        }
      }
    }
  }

  /// Whether bytes can be such a model: they begin with a piece.
  package static func matches(_ firstBytes: [UInt8]) -> Bool { firstBytes.first == 0x0A }
}

// MARK: - As tokenizer.json

extension SentencePieceModel {
  /// The pieces that are looked for in text: control, unknown and user-defined ones.
  var addedTokens: [AddedToken] {
    pieces.enumerated().compactMap { id, piece in
      switch piece.type {
      case .control, .unknown: return AddedToken(id: id, content: piece.text, isSpecial: true)
      case .userDefined:
        // SentencePiece looks for these behind the normalizer, where spaces have become marks.
        return piece.text.utf8.contains(0x20) ? nil : AddedToken(id: id, content: piece.text, isSpecial: false)
      case .normal, .unused, .byte: return nil
      }
    }
  }

  /// The model in the words of `tokenizer.json`, with the rank of each merge.
  ///
  /// Merges of one score have one rank, which a list of merges cannot say: of those the leftmost is made first.
  /// - Parameter scheme: before which text a mark is put; as the model says where it is nil.
  func document(
    _ addedTokens: [AddedToken], scheme: Metaspace.Scheme? = nil, postProcessor: JSONValue = .null
  ) throws(TokenizerError) -> (tokenizer: JSONObject, ranks: [Int]) {
    let (merges, ranks) = try ScoredMerges(pieces, file: file).list()
    var vocab = JSONObject()
    vocab.entries.reserveCapacity(pieces.count)
    for (id, piece) in pieces.enumerated() {
      vocab.entries.append(.init(key: piece.text, value: .number(JSONNumber(id))))
    }
    let scheme = scheme ?? (addsPrefix ? .always : .never)
    var tokenizer = SentencePieceModel.document(
      vocab: vocab, merges: merges, added: addedTokens.map { .object($0.entry) },
      unknown: pieces.first { $0.type == .unknown }?.text, fallsBackToBytes: fallsBackToBytes,
      addsPrefix: scheme != .never, postProcessor: postProcessor)
    if scheme == .first {
      tokenizer["normalizer"] = .null
      tokenizer["pre_tokenizer"] = .object([
        "type": "Metaspace", "replacement": .string(String(Metaspace.mark)), "prepend_scheme": .string(scheme.rawValue),
        "split": false,
      ])
    }
    return (tokenizer, ranks)
  }

  /// `tokenizer.json` of a vocabulary whose words begin with marks.
  package static func document(
    vocab: JSONObject, merges: [JSONValue], added: [JSONValue], unknown: String?, fallsBackToBytes: Bool,
    addsPrefix: Bool, postProcessor: JSONValue = .null
  ) -> JSONObject {
    func replace(_ pattern: String, _ content: String) -> JSONValue {
      .object([
        "type": "Replace", "pattern": .object(["String": .string(pattern)]), "content": .string(content),
      ])
    }
    let mark = String(Metaspace.mark)
    let prefix: [JSONValue] = addsPrefix ? [.object(["type": "Prepend", "prepend": .string(mark)])] : []
    let strip: [JSONValue] =
      addsPrefix
      ? [.object(["type": "Strip", "content": " ", "start": .number(JSONNumber(1)), "stop": .number(JSONNumber(0))])]
      : []
    let decoders: [JSONValue] = [replace(mark, " "), .object(["type": "ByteFallback"]), .object(["type": "Fuse"])]
    return [
      "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .array(added),
      "normalizer": .object(["type": "Sequence", "normalizers": .array(prefix + [replace(" ", mark)])]),
      "pre_tokenizer": .null, "post_processor": postProcessor,
      "decoder": .object(["type": "Sequence", "decoders": .array(decoders + strip)]),
      "model": .object([
        "type": "BPE", "dropout": .null, "unk_token": unknown.map { .string($0) } ?? .null,
        "continuing_subword_prefix": .null, "end_of_word_suffix": .null, "fuse_unk": true,
        "byte_fallback": .bool(fallsBackToBytes), "ignore_merges": false, "vocab": .object(vocab),
        "merges": .array(merges),
      ]),
    ]
  }

  /// Names of tokens with a role, for where no other file says them.
  var settings: JSONObject {
    var result = JSONObject()
    for (key, id) in [("bos_token", bos), ("eos_token", eos), ("pad_token", pad)] {
      if pieces.indices.contains(id), pieces[id].type == .control { result[key] = .string(pieces[id].text) }
    }
    return result
  }
}
