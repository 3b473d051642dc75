// Tritsmith: tokens by id and by spelling.

import TritCore

/// Every token of a tokenizer, those of the model and the added ones; ids may have gaps.
struct Vocabulary: Sendable {
  /// Ids must stay below this. The largest published vocabularies hold about 262,000 tokens; the limit bounds what a
  /// hostile id can make us allocate.
  static let idLimit = 1 << 22

  /// Ids a vocabulary of so many tokens may use: gaps are rare and small, and each id costs memory.
  static func idLimit(tokens: Int) -> Int { min(idLimit, 65536 + 8 * min(tokens, idLimit)) }

  /// UTF-8 spelling of each token, as the file has it.
  private var spellings: ByteStringTable
  private var idOfSpelling: [Int32] = []
  /// Index of the spelling of each id, or -1.
  private var spellingOfID: [Int32] = []

  /// - Parameter minimumCapacity: tokens there will be, as far as is known.
  init(minimumCapacity: Int = 0) {
    let capacity = min(minimumCapacity, Vocabulary.idLimit)
    spellings = ByteStringTable(minimumCapacity: capacity)
    idOfSpelling.reserveCapacity(capacity)
    spellingOfID.reserveCapacity(capacity)
  }

  var count: Int { spellings.count }
  /// Bytes of all spellings.
  var byteCount: Int { spellings.byteCount }
  /// One more than the highest id.
  var endID: Int { spellingOfID.count }

  /// Adds a token; the error names both tokens when the id is taken, and the key when the spelling stands twice.
  mutating func add(_ token: String, id: Int) -> TokenizerError.Kind? {
    guard id >= 0, id < Vocabulary.idLimit else { return .invalidID(found: String(id), limit: Vocabulary.idLimit) }
    if let other = self.token(id) { return .duplicateID(id, first: other, second: token) }
    guard let index = spellings.insert(Array(token.utf8)) else { return .duplicateKey(token) }
    if id >= spellingOfID.count {
      spellingOfID.append(contentsOf: repeatElement(-1, count: id + 1 - spellingOfID.count))
    }
    spellingOfID[id] = Int32(index)
    idOfSpelling.append(Int32(id))
    return nil
  }

  func id(of token: String) -> Int? {
    spellings.index(of: Array(token.utf8)).map { Int(idOfSpelling[$0]) }
  }

  /// The id of the token spelled by these bytes.
  func id(of range: Range<Int>, in text: [UInt8]) -> Int32? {
    spellings.index(of: range, in: text, hash: spellings.hash(range, in: text)).map { idOfSpelling[$0] }
  }

  /// The id of the token spelled by these bytes.
  func id(ofSpelling spelling: ArraySlice<UInt8>) -> Int? {
    let bytes = Array(spelling)
    return id(of: bytes.indices, in: bytes).map { Int($0) }
  }

  /// The UTF-8 spelling of an id's token.
  func spelling(of id: Int) -> ArraySlice<UInt8>? {
    contains(id) ? spellings[Int(spellingOfID[id])] : nil
  }

  func contains(_ id: Int) -> Bool {
    id >= 0 && id < spellingOfID.count && spellingOfID[id] >= 0
  }

  func token(_ id: Int) -> String? {
    guard contains(id) else { return nil }
    return String(decoding: spellings[Int(spellingOfID[id])], as: UTF8.self)
  }

  /// Ids that have a token, ascending.
  var ids: [Int] { (0..<endID).filter { contains($0) } }
}
