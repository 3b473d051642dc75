// Tritsmith: the rows of a table.

/// Rows that are held, or made when they are asked for.
///
/// A model may have tens of thousands of tensors. Cells take several times the memory of what they are made from, so
/// long tables make a row when a renderer comes to it and keep none.
package struct ReportRows: Sendable, RandomAccessCollection, Hashable {
  private enum Storage: Sendable {
    case held([[ReportValue]])
    case made(count: Int, @Sendable (Int) -> [ReportValue])
    /// The first cell is the row's place, the others are of a kind.
    case numbered(count: Int, kind: @Sendable (Int) -> Int, @Sendable (Int) -> [ReportValue])
  }

  private var storage: Storage

  /// Rows that are held.
  package init(_ rows: [[ReportValue]] = []) {
    storage = .held(rows)
  }

  /// Rows that are made: the same row for the same index, however often it is asked for.
  package init(count: Int, _ row: @escaping @Sendable (Int) -> [ReportValue]) {
    storage = .made(count: count, row)
  }

  /// Numbered rows of few kinds: the first cell of each is its place, and rows of one kind have the same other cells.
  ///
  /// A text has some 10,000 kinds of tokens in a million places: renderers spell each kind once.
  package init(
    count: Int, kind: @escaping @Sendable (Int) -> Int, others: @escaping @Sendable (Int) -> [ReportValue]
  ) {
    storage = .numbered(count: count, kind: kind, others)
  }

  /// Where rows are numbered, the kind of each by its place.
  var kind: (@Sendable (Int) -> Int)? {
    if case .numbered(_, let kind, _) = storage { kind } else { nil }
  }

  /// Where rows are numbered, what `make` gives for the cells of a row but the first, made once for each kind.
  func remembering(_ make: @escaping ([ReportValue]) -> String) -> (Int) -> String {
    var known: [Int: String] = [:]
    return { index in
      let kind = kind?(index) ?? index
      if let text = known[kind] { return text }
      let text = make(Array(self[index].dropFirst()))
      if known.count >= ReportRows.mostRemembered { known = [:] }
      known[kind] = text
      return text
    }
  }

  /// Some 10 MB.
  private static let mostRemembered = 1 << 16

  /// The first row's index, 0.
  package var startIndex: Int { 0 }

  /// One past the last row's index.
  package var endIndex: Int {
    switch storage {
    case .held(let rows): rows.count
    case .made(let count, _), .numbered(let count, _, _): count
    }
  }

  /// The row at an index.
  package subscript(index: Int) -> [ReportValue] {
    switch storage {
    case .held(let rows): return rows[index]
    case .made(let count, let row):
      precondition(index >= 0 && index < count, "row \(index) of \(count)")
      return row(index)
    case .numbered(let count, let kind, let others):
      precondition(index >= 0 && index < count, "row \(index) of \(count)")
      return [.integer(index)] + others(kind(index))
    }
  }

  /// Adds a row; from then on all are held.
  mutating func append(_ row: [ReportValue]) {
    if case .held(var rows) = storage {
      // One owner, so that adding does not copy.
      storage = .held([])
      rows.append(row)
      storage = .held(rows)
    } else {
      storage = .held(Array(self) + [row])
    }
  }

  /// Whether both give the same rows.
  package static func == (left: ReportRows, right: ReportRows) -> Bool { left.elementsEqual(right) }

  /// Hashes every row.
  package func hash(into hasher: inout Hasher) {
    for row in self { hasher.combine(row) }
  }
}
