// Tritsmith: what is known of a program that loads models.

import TritModel

/// A program that loads models, in the version that was tried or read.
package struct Runtime: Sendable, Hashable {
  package var name: String
  /// Release or commit.
  package var version: String
  /// Forms it has a reader for; of others there is nothing to try.
  var reads: @Sendable (OutputForm) -> Bool

  /// Programs are told apart by name.
  package static func == (left: Runtime, right: Runtime) -> Bool { left.name == right.name }
  /// By name, as `==`.
  package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// What a program does with a model of one family in one form.
package enum RuntimeOutcome: Sendable, Hashable {
  /// It computes the model's numbers.
  case loads
  /// It stops, and says so.
  case refuses(String)
  /// It loads the file without a word and computes something else.
  case misreads(String)
}

/// How an outcome is known.
package enum RuntimeEvidence: String, Sendable, Hashable {
  /// The program was run on what this package wrote, and its numbers were compared (`Tests/Interop`).
  case tried
  /// Read in the program's source.
  case source
}

/// One row of the table: what a program does with a family in some forms.
package struct RuntimeRow: Sendable {
  package var runtime: Runtime
  /// The family by its class (`Architecture.className`).
  package var family: String
  package var forms: Set<OutputForm>
  package var outcome: RuntimeOutcome
  package var evidence: RuntimeEvidence

  init(
    _ runtime: Runtime, _ family: any Architecture, _ forms: [OutputForm], _ outcome: RuntimeOutcome,
    _ evidence: RuntimeEvidence
  ) {
    self.runtime = runtime
    self.family = family.className
    self.forms = Set(forms)
    self.outcome = outcome
    self.evidence = evidence
  }
}

extension RuntimeRow {
  /// What is known of a file without a key that llama.cpp needs: of programs made of it nothing is, but what they refuse
  /// anyway.
  fileprivate func lacking(_ key: String) -> RuntimeRow? {
    guard RuntimeTable.madeOfLlamaCpp.contains(runtime) else { return self }
    if case .refuses = outcome { return self }
    guard runtime == RuntimeTable.llamaCpp else { return nil }
    var result = self
    (result.outcome, result.evidence) = (.refuses("'\(key)' is missing"), .source)
    return result
  }
}

extension RuntimeTable {
  /// What is known of a program, a family and a form; nil when nothing is.
  package static func row(_ runtime: Runtime, _ family: String, _ form: OutputForm) -> RuntimeRow? {
    rows.first { $0.runtime == runtime && $0.family == family && $0.forms.contains(form) }
  }

  /// What is known of every program about a family in a form: those that load it first, tried ones before those only
  /// read about.
  ///
  /// - Parameter key: that the file lacks and llama.cpp needs; nil where all are there.
  package static func known(_ family: String, _ form: OutputForm, lacking key: String? = nil) -> [RuntimeRow] {
    let rows = runtimes.compactMap { row($0, family, form) }
    let known = key.map { key in rows.compactMap { $0.lacking(key) } } ?? rows
    let loading = known.filter { $0.outcome == .loads }
    return loading.filter { $0.evidence == .tried } + loading.filter { $0.evidence == .source }
      + known.filter { $0.outcome != .loads }
  }
}

extension RuntimeOutcome {
  /// As reports name it.
  package var name: String {
    switch self {
    case .loads: "loads"
    case .refuses: "refuses"
    case .misreads: "misreads"
    }
  }

  /// What the program says, or why it computes something else; nil where it loads the model.
  package var reason: String? {
    switch self {
    case .loads: nil
    case .refuses(let reason), .misreads(let reason): reason
    }
  }
}
