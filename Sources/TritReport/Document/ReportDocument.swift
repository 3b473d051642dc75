// Tritsmith: a report as a value, before anyone decides how it looks.

/// Names the shape of a report for programs that read it; the version rises when a key changes its meaning or leaves.
package struct ReportSchema: Sendable, Hashable {
  /// A dotted name such as `tritsmith.inspect`.
  package var id: String
  /// Counts from 1.
  package var version: Int

  /// Names a shape.
  package init(_ id: String, version: Int) {
    (self.id, self.version) = (id, version)
  }
}

/// One labelled value.
package struct ReportFact: Sendable, Hashable {
  /// The name in JSON and CSV, in snake case.
  package var key: String
  /// The words in front of the value.
  package var label: String
  /// The value.
  package var value: ReportValue
  /// How the value is shown.
  package var kind: ReportKind
  /// A remark for people; machine formats leave it out.
  package var note: String?
  /// What the number means, for those who ask; shown in pages only.
  package var explanation: String?
  /// The id of a definition in the glossary.
  package var definition: String?
  /// How good or bad the value is, shown as its colour.
  package var tone: ReportSeverity?
  /// Describes a fact; the key derives from the label and the kind from the value unless given.
  package init(
    _ label: String, _ value: ReportValue, key: String? = nil, kind: ReportKind? = nil, note: String? = nil,
    explanation: String? = nil, definition: String? = nil, tone: ReportSeverity? = nil
  ) {
    self.key = key ?? snakeCase(label)
    self.label = label
    self.value = value
    self.kind = kind ?? .fitting(value)
    self.note = note
    (self.explanation, self.definition, self.tone) = (explanation, definition, tone)
  }
}

/// Facts that belong together.
package struct ReportFacts: Sendable, Hashable {
  /// The name in JSON, in snake case.
  package var key: String
  /// The heading above the facts, if any.
  package var title: String?
  /// The facts in reading order.
  package var facts: [ReportFact]
  /// Whether these are the figures a reader looks for first; pages show them large.
  package var isKeyFigures: Bool

  /// Collects facts.
  package init(key: String, title: String? = nil, isKeyFigures: Bool = false, _ facts: [ReportFact] = []) {
    self.key = key
    self.title = title
    self.isKeyFigures = isKeyFigures
    self.facts = facts
  }

  /// Adds a fact.
  package mutating func append(_ fact: ReportFact) {
    facts.append(fact)
  }
}

/// How much a note matters.
package enum ReportSeverity: String, Sendable, Hashable, CaseIterable {
  case info
  case warning
  case error
  case pass
  case fail
}

/// A piece of a report.
package enum ReportBlock: Sendable, Hashable {
  /// A heading for people, level 1 (below the title) or deeper; machine formats leave it out.
  case heading(String, level: Int)
  /// A paragraph for people; machine formats leave it out.
  case paragraph(String)
  /// A remark that machine formats carry too.
  case note(ReportSeverity, String)
  // Held apart: a report may have a remark on each of many thousand tensors, and blocks are as large as the largest.
  indirect case facts(ReportFacts)
  indirect case table(ReportTable)
  indirect case plot(ReportPlot)
  indirect case quotes(ReportQuotes)

  /// Whether it holds nothing to read, whatever its title.
  var isEmpty: Bool {
    switch self {
    case .facts(let facts): facts.facts.isEmpty
    case .table(let table): table.rows.isEmpty
    case .quotes(let quotes): quotes.quotes.isEmpty
    case .heading, .paragraph, .note, .plot: false
    }
  }
}

/// What of a report fits a screen; the rest of its text is shown to those who ask for all.
package struct ReportBrief: Sendable, Hashable {
  /// Keys of facts, tables, plots and quotes that are shown.
  package var keys: Set<String>
  /// Of a table, the rows that are shown, the most telling first; its place in `keys` is not needed.
  package var rows: [String: [Int]]
  /// Texts of notes that tables or the verdict have as well, and that are not told again.
  package var told: Set<String>
  /// Tables whose rows stand in the order of `rows`; others keep their own.
  package var ranked: Set<String> = []

  /// Names what is shown.
  package init(_ keys: Set<String>, rows: [String: [Int]] = [:], told: Set<String> = []) {
    (self.keys, self.rows, self.told) = (keys, rows, told)
  }
}

/// A report: a title, a machine-readable schema name and blocks in reading order.
///
/// Text may come from files nobody vouched for; every renderer makes it safe for its medium.
public struct ReportDocument: Sendable, Hashable {
  /// The title.
  package var title: String
  /// What programs may rely on.
  package var schema: ReportSchema
  /// What it comes down to; shown first.
  package var verdict: ReportVerdict?
  /// The pieces in reading order.
  package private(set) var blocks: [ReportBlock]
  /// The key of the table that CSV shows; the first table when nil.
  package var primaryTable: String?
  /// Whether CSV has the facts although there are tables.
  package var prefersFacts = false
  /// What text shows first; everything when nil. Other formats have everything.
  package var brief: ReportBrief?
  /// Titles of sections that pages show folded.
  package var folded: Set<String> = []
  /// What the words mean, in reading order; shown at the end of pages only.
  package var glossary: [ReportDefinition] = []

  /// A report without blocks unless given.
  package init(
    title: String, schema: ReportSchema, verdict: ReportVerdict? = nil, blocks: [ReportBlock] = [],
    primaryTable: String? = nil
  ) {
    self.title = title
    self.schema = schema
    self.verdict = verdict
    self.blocks = blocks
    self.primaryTable = primaryTable
  }

  /// Adds a heading.
  package mutating func heading(_ text: String, level: Int = 1) { blocks.append(.heading(text, level: level)) }
  /// Adds a paragraph.
  package mutating func paragraph(_ text: String) { blocks.append(.paragraph(text)) }
  /// Adds a remark.
  package mutating func note(_ severity: ReportSeverity, _ text: String) { blocks.append(.note(severity, text)) }
  /// Adds facts.
  package mutating func append(_ facts: ReportFacts) { blocks.append(.facts(facts)) }
  /// Adds a table.
  package mutating func append(_ table: ReportTable) { blocks.append(.table(table)) }
  /// Adds a plot.
  package mutating func append(_ plot: ReportPlot) { blocks.append(.plot(plot)) }
  /// Adds a block of another report.
  package mutating func append(_ block: ReportBlock) { blocks.append(block) }
  /// Adds quotes.
  package mutating func append(_ quotes: ReportQuotes) { blocks.append(.quotes(quotes)) }

  /// Says whether a check passed: as the verdict, and as a remark for readers of `notes`.
  package mutating func conclude(_ passed: Bool, _ text: String) {
    verdict = ReportVerdict(passed ? .pass : .fail, text)
    note(passed ? .pass : .fail, text)
  }

  /// Whether a block is a remark that says what the verdict says.
  func isVerdict(_ block: ReportBlock) -> Bool {
    switch block {
    case .note(.pass, let text), .note(.fail, let text): text == verdict?.headline
    default: false
    }
  }

  /// Takes notes out that a person has seen already.
  package mutating func removeNotes(_ severity: ReportSeverity) {
    blocks.removeAll {
      if case .note(severity, _) = $0 { true } else { false }
    }
  }

  /// Whether it says of no check that it failed.
  package var isGood: Bool {
    verdict?.outcome != .fail
      && !blocks.contains {
        switch $0 {
        case .note(.fail, _), .note(.error, _): true
        default: false
        }
      }
  }

  /// As people read it: without tables, facts and quotes that hold nothing, and the headings above nothing else.
  var withoutEmptyBlocks: ReportDocument {
    guard blocks.contains(where: \.isEmpty) else { return self }
    var kept: [ReportBlock] = []
    // From the end: levels of headings whose part has something to show, and of those that lost something.
    var (full, bare): (Set<Int>, Set<Int>) = ([], [])
    for block in blocks.reversed() {
      if case .heading(_, let level) = block {
        if !bare.contains(level) || full.contains(level) {
          kept.append(block)
          full.formUnion(ReportDocument.levels.prefix { $0 < level })
        }
        (full, bare) = (full.filter { $0 < level }, bare.filter { $0 < level })
      } else if block.isEmpty {
        bare.formUnion(ReportDocument.levels)
      } else {
        kept.append(block)
        full.formUnion(ReportDocument.levels)
      }
    }
    var document = self
    document.blocks = kept.reversed()
    return document
  }

  /// Of headings, as pages have them.
  private static let levels = 0...6

  /// The tables in reading order.
  package var tables: [ReportTable] {
    blocks.compactMap { if case .table(let table) = $0 { table } else { nil } }
  }
}

extension ReportKind {
  /// The kind that shows a value without being told.
  static func fitting(_ value: ReportValue) -> ReportKind {
    switch value {
    case .text, .list, .integers, .missing: .text
    case .integer, .unsigned: .integer
    case .number: .significant(digits: 6)
    case .bytes: .bytes
    case .bool: .bool
    }
  }
}

/// Turns "Peak memory (MB)" into "peak_memory_mb".
func snakeCase(_ label: String) -> String {
  let words = label.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
  return words.joined(separator: "_")
}
