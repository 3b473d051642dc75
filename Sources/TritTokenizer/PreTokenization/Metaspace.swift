// Tritsmith: the mark that SentencePiece puts for a space.

import TritCore

/// The `Metaspace` section of a pre-tokenizer or decoder.
struct Metaspace: Sendable, Equatable {
  /// Before which pieces a mark is put that do not begin with one.
  enum Scheme: String, Sendable, Equatable {
    case always, never
    /// Before the beginning of the text alone.
    case first
  }

  var mark: Unicode.Scalar
  var scheme: Scheme
  /// Whether pieces are cut before every mark.
  var splits: Bool

  /// What SentencePiece puts: `▁`.
  static let mark: Unicode.Scalar = "\u{2581}"

  init(_ reader: FieldReader) throws(TokenizerError) {
    try reader.allow(["type", "replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split"])
    let replacement = try reader.requiredString("replacement")
    guard let mark = replacement.unicodeScalars.first, replacement.unicodeScalars.count == 1, mark != " " else {
      throw reader.error(.unsupported("a replacement that is not one character"), at: "replacement")
    }
    self.mark = mark
    let stated = try reader.string("prepend_scheme")
    guard let scheme = Scheme(rawValue: stated ?? Scheme.always.rawValue) else {
      throw reader.error(.unsupported("prepend_scheme '\(printable(stated ?? ""))'"), at: "prepend_scheme")
    }
    self.scheme = scheme
    // What files of before 2024 say; the library refuses it too where the two do not agree.
    if try reader.bool("add_prefix_space") == false, scheme != .never {
      throw reader.error(
        .unsupported("add_prefix_space false beside prepend_scheme '\(scheme.rawValue)'"), at: "add_prefix_space")
    }
    splits = try reader.bool("split") ?? true
  }

  /// Rewrites the text of pieces; `isAtStart` says whether the first can be the beginning of the whole text.
  func apply(to text: inout [UInt8], _ pieces: inout [Piece], from start: Int, isAtStart: Bool) {
    let mark = Array(String(mark).utf8)
    var marked: [UInt8] = []
    marked.reserveCapacity(text.count + text.count / 2)
    var result: [Piece] = []
    for piece in pieces {
      var begin = marked.count
      let addsMark = scheme == .always || scheme == .first && isAtStart && piece.start == start
      if addsMark, text[piece.start] != UInt8(ascii: " "), !text[piece.start..<piece.end].starts(with: mark) {
        marked += mark
      }
      var position = piece.start
      while position < piece.end {
        let isMark =
          text[position] == UInt8(ascii: " ")
          || text[position] == mark[0] && text[position..<piece.end].starts(with: mark)
        if splits, isMark, marked.count > begin {
          result.append(Piece(start: begin, end: marked.count))
          begin = marked.count
        }
        if isMark {
          marked += mark
          position += text[position] == UInt8(ascii: " ") ? 1 : mark.count
        } else {
          marked.append(text[position])
          position += 1
        }
      }
      result.append(Piece(start: begin, end: marked.count))
    }
    text = marked
    pieces = result
  }
}
