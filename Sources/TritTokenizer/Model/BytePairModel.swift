// Tritsmith: byte pair encoding of one word.

/// The merges of a BPE model.
///
/// A word starts as one symbol a byte or a character. Of all neighbouring pairs that have a merge, the one with the **lowest rank** is
/// merged, among equal ranks the **leftmost**, until none is left. This is the order of the `tokenizers` library
/// (`Word::merge_all`, a heap over rank, then position).
struct BytePairModel: Sendable {
  /// The symbols a word starts as.
  var alphabet: SymbolAlphabet
  /// `PairTable.key(left, right)` to rank in the high half and merged id in the low half.
  var merges: PairTable
  /// Set when a whole word that is a token is taken as it is (`ignore_merges`): spelled bytes, and the ids in order.
  var wholeWords: (spellings: ByteStringTable, ids: [Int32])?
  /// What a byte or character without token becomes; nil when it is dropped.
  var unknownID: Int32?
  /// Whether neighbouring unknown symbols become one unknown token.
  var fusesUnknown: Bool
  /// A mark before which words can be encoded apart, since no merge reaches across: one that follows another character.
  var wordMark: [UInt8]?

  /// Work arrays of the merge loop, kept between words.
  struct Workspace: Sendable {
    var symbols: [Int32] = []
    /// For each symbol the merge with its right neighbour, or `noMerge`.
    var candidates: [UInt64] = []
    var previous: [Int32] = []
    var next: [Int32] = []
    var queue = MergeQueue()
  }

  private static let noMerge = UInt64.max
  /// Up to this many symbols a scan for the best pair is faster than a heap.
  private static let scanLimit = 48

  /// Leaves the ids of a word in `workspace.symbols`.
  func encode(_ range: Range<Int>, of text: [UInt8], workspace: inout Workspace) {
    workspace.symbols.removeAll(keepingCapacity: true)
    if let wholeWords {
      let hash = wholeWords.spellings.hash(range, in: text)
      if let index = wholeWords.spellings.index(of: range, in: text, hash: hash) {
        workspace.symbols.append(wholeWords.ids[index])
        return
      }
    }
    switch alphabet {
    case .bytes(let ids): appendBytes(range, of: text, ids, to: &workspace.symbols)
    case .characters(let alphabet): appendCharacters(range, of: text, alphabet, to: &workspace.symbols)
    }
    if workspace.symbols.count < 2 { return }
    workspace.candidates.removeAll(keepingCapacity: true)
    for index in 1..<workspace.symbols.count {
      workspace.candidates.append(merge(workspace.symbols[index - 1], workspace.symbols[index]))
    }
    if workspace.symbols.count <= BytePairModel.scanLimit {
      mergeByScanning(&workspace)
    } else {
      mergeByQueue(&workspace)
    }
  }

  /// Without an unknown token the library drops what has no token.
  @inline(__always)
  private func appendBytes(_ range: Range<Int>, of text: [UInt8], _ ids: [Int32], to symbols: inout [Int32]) {
    var afterUnknown = false
    for index in range {
      let id = ids[Int(text[index])]
      if id >= 0 {
        symbols.append(id)
        afterUnknown = false
        continue
      }
      guard let unknownID else { continue }
      if !(afterUnknown && fusesUnknown) { symbols.append(unknownID) }
      afterUnknown = true
    }
  }

  /// As the library does it: an unknown token is put down when the next known character comes, so the bytes of a
  /// character between them stand before it.
  private func appendCharacters(
    _ range: Range<Int>, of text: [UInt8], _ alphabet: CharacterAlphabet, to symbols: inout [Int32]
  ) {
    var pending: Int32?
    var position = range.lowerBound
    while position < range.upperBound {
      let (value, next) = UTF8Coding.scalar(at: position, in: text)
      let id = alphabet.id(of: value)
      if id >= 0 {
        if let unknown = pending { symbols.append(unknown) }
        pending = nil
        symbols.append(id)
      } else if !alphabet.appendBytes(position..<next, of: text, to: &symbols), let unknownID {
        if let unknown = pending, !fusesUnknown { symbols.append(unknown) }
        pending = unknownID
      }
      position = next
    }
    if let unknown = pending { symbols.append(unknown) }
  }

  /// Tokens of single bytes, -1 where there is none.
  var byteIDs: [Int32] {
    switch alphabet {
    case .bytes(let ids): ids
    case .characters(let alphabet): alphabet.byteTokens ?? [Int32](repeating: -1, count: 256)
    }
  }

  @inline(__always)
  private func merge(_ left: Int32, _ right: Int32) -> UInt64 {
    merges[PairTable.key(left, right)] ?? BytePairModel.noMerge
  }

  private func mergeByScanning(_ work: inout Workspace) {
    while !work.candidates.isEmpty {
      var best = BytePairModel.noMerge
      var at = 0
      // Several merges may have one rank; the leftmost is made first.
      for index in 0..<work.candidates.count where work.candidates[index] >> 32 < best >> 32 {
        best = work.candidates[index]
        at = index
      }
      if best == BytePairModel.noMerge { return }
      work.symbols[at] = Int32(truncatingIfNeeded: best)
      work.symbols.remove(at: at + 1)
      work.candidates.remove(at: at)
      if at > 0 { work.candidates[at - 1] = merge(work.symbols[at - 1], work.symbols[at]) }
      if at < work.candidates.count { work.candidates[at] = merge(work.symbols[at], work.symbols[at + 1]) }
    }
  }

  private func mergeByQueue(_ work: inout Workspace) {
    let count = work.symbols.count
    work.candidates.append(BytePairModel.noMerge)
    work.previous.removeAll(keepingCapacity: true)
    work.next.removeAll(keepingCapacity: true)
    for index in 0..<count {
      work.previous.append(Int32(index) - 1)
      work.next.append(index + 1 < count ? Int32(index) + 1 : -1)
    }
    work.queue.removeAll()
    for index in 0..<count where work.candidates[index] != BytePairModel.noMerge {
      work.queue.push(rank: UInt32(truncatingIfNeeded: work.candidates[index] >> 32), position: index)
    }
    while let (rank, at) = work.queue.pop() {
      let best = work.candidates[at]
      // The pair at this place may have changed since it was queued; its present one is queued by itself.
      guard best != BytePairModel.noMerge, UInt32(truncatingIfNeeded: best >> 32) == rank else { continue }
      let right = Int(work.next[at])
      let after = work.next[right]
      work.symbols[at] = Int32(truncatingIfNeeded: best)
      work.candidates[right] = BytePairModel.noMerge
      work.symbols[right] = -1
      work.next[at] = after
      if after >= 0 { work.previous[Int(after)] = Int32(at) }
      updateCandidate(at, &work)
      if work.previous[at] >= 0 { updateCandidate(Int(work.previous[at]), &work) }
    }
    work.symbols.removeAll { $0 < 0 }
  }

  private func updateCandidate(_ index: Int, _ work: inout Workspace) {
    let next = work.next[index]
    let candidate =
      next < 0 ? BytePairModel.noMerge : merge(work.symbols[index], work.symbols[Int(next)])
    work.candidates[index] = candidate
    if candidate != BytePairModel.noMerge {
      work.queue.push(rank: UInt32(truncatingIfNeeded: candidate >> 32), position: index)
    }
  }
}

/// A binary heap of merges, lowest rank first, leftmost among equals.
struct MergeQueue: Sendable {
  private var keys: [UInt64] = []

  mutating func removeAll() {
    keys.removeAll(keepingCapacity: true)
  }

  mutating func push(rank: UInt32, position: Int) {
    keys.append(UInt64(rank) << 32 | UInt64(truncatingIfNeeded: position))
    var child = keys.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      if keys[parent] <= keys[child] { return }
      keys.swapAt(parent, child)
      child = parent
    }
  }

  mutating func pop() -> (rank: UInt32, position: Int)? {
    guard let top = keys.first, let last = keys.popLast() else { return nil }
    if !keys.isEmpty {
      keys[0] = last
      var parent = 0
      while true {
        var child = 2 * parent + 1
        if child >= keys.count { break }
        if child + 1 < keys.count, keys[child + 1] < keys[child] { child += 1 }
        if keys[parent] <= keys[child] { break }
        keys.swapAt(parent, child)
        parent = child
      }
    }
    return (UInt32(truncatingIfNeeded: top >> 32), Int(top & 0xFFFF_FFFF))
  }
}
