// Tritsmith: a model held against another form of it.

import Synchronization
import TritCore
import TritFormats
import TritModel
import TritReport
import TritSurvey
import TritVerification

/// How many tensors of a model hold the weights of the sibling it was held against.
public struct SiblingComparison: Sendable, Hashable {
  /// The sibling.
  public var path: String
  /// Tensors that both have, in one shape.
  public var tensors = 0
  public var equal = 0
  /// The same but for what storing them in another type did.
  public var rounded = 0
  public var different = 0

  /// Whether anything was compared and nothing differs.
  public var isSame: Bool { tensors > 0 && different == 0 }

  /// Keys of what the report says of it.
  static let keys = ["sibling", "sibling_tensors", "sibling_equal", "sibling_rounded", "sibling_different"]

  var facts: [ReportFact] {
    [
      ReportFact("Sibling", .text(path)), ReportFact("Sibling tensors", .integer(tensors)),
      ReportFact("Sibling equal", .integer(equal)), ReportFact("Sibling rounded", .integer(rounded)),
      ReportFact("Sibling different", .integer(different)),
    ]
  }
}

/// Compares all weights of a model with those of another form of it, and asks of those that differ whether they are
/// rotated.
struct SiblingCheck {
  /// Rotated weights as they are stored.
  let source: any TensorSource
  let sibling: String
  let open: OpenOptions
  let work: WorkOptions

  struct Outcome {
    var comparison: SiblingComparison
    var findings: [CheckFinding] = []
    var notes: [String] = []
    var cautions: [String] = []
    /// Whether the sibling tells if the weights are rotated.
    var settlesRotation = false
  }

  /// Both models, as they are compared.
  private struct Pair {
    var first: any TensorSource
    var second: any TensorSource

    /// Whether a tensor is shown as the ordinary matrix in one of the two.
    static func isUnfolded(_ name: String, _ source: any TensorSource) -> Bool {
      guard let view = source as? any ModelView, let tensor = view.manifest.tensor(named: name) else { return false }
      return view.unfoldedBlock(of: tensor) != nil
    }

    /// Whether both show a tensor as it is stored, rotated alike.
    func isStored(_ name: String) -> Bool {
      guard let view = first as? any ModelView, let tensor = view.manifest.tensor(named: name) else { return false }
      return view.rotation(of: tensor) != nil
    }
  }

  private var name: String { printable(sibling) }
  private var single: WorkOptions {
    WorkOptions(
      parallelism: Parallelism(threads: 1, cancellation: work.parallelism.cancellation), kernels: work.kernels)
  }

  /// - Throws: what opening and reading the sibling throws, and `CancellationFailure`.
  func run() throws -> Outcome {
    let other = try ModelOpener.open(
      sibling, OpenOptions().reading(like: open).keepingRotation, hasCompanions: false)
    var outcome = Outcome(comparison: SiblingComparison(path: sibling))
    do {
      let shown = try ModelOpener.alike([source, other])
      try compare(Pair(first: shown[0], second: shown[1]), tells: !RotationCheck.leavesOpen(other), &outcome)
    } catch let error as any DiagnosticError where [.malformedInput, .misuse].contains(error.category) {
      var finding = ModelChecks.finding(.sibling, error)
      finding.detail = "the comparison with \(name) stopped: " + finding.detail
      outcome.findings.append(finding)
    }
    return outcome
  }

  /// - Parameter tells: whether the sibling's headers say if its weights are rotated.
  private func compare(_ pair: Pair, tells: Bool, _ outcome: inout Outcome) throws {
    let workflow = CompareWorkflow(
      first: pair.first, second: pair.second, request: CompareRequest(limit: 1), work: work)
    let (result, orders) = try workflow.weights()
    func count(_ kind: ComparedTensor.Outcome) -> Int { result.tensors.count { $0.outcome == kind } }
    outcome.comparison = SiblingComparison(
      path: sibling, tensors: result.tensors.count, equal: count(.equal), rounded: count(.rounded),
      different: count(.different))
    outcome.notes = result.hints
    outcome.cautions = orders
    guard !result.tensors.isEmpty else {
      outcome.findings.append(
        CheckFinding(
          .sibling, "", "\(name) has no tensor of this model, by name and shape: nothing was compared with it"))
      return
    }
    if let first = result.structure.first {
      outcome.findings.append(
        CheckFinding(
          .sibling, "",
          "\(counted(result.structure.count)) in one of the two alone, or of another shape in \(name): \(first)"))
    }
    var rest = result.tensors.filter { $0.outcome == .different }
    takeUnread(&rest, pair, &outcome)
    takeLostScales(&rest, &outcome)
    var knowsBasis = tells
    // Codes read in a wrong order need no other explanation.
    if orders.isEmpty {
      if try takeRotated(&rest, pair, &outcome) { knowsBasis = true }
      try takeRounded(&rest, pair, &outcome)
    }
    let asked = orders.isEmpty && rest.contains { $0.shape.isMatrix && !pair.isStored($0.name) }
    addUnexplained(rest, of: result.tensors.count, asked: asked, &outcome)
    outcome.settlesRotation =
      knowsBasis && result.tensors.contains { $0.shape.isMatrix } && !rest.contains { $0.shape.isMatrix }
  }

  private func counted(_ count: Int) -> String { count == 1 ? "1 tensor is" : "\(count) tensors are" }

  /// One tensor's name for a finding of its own, else nothing.
  private static func subject(_ tensors: [ComparedTensor]) -> String { tensors.count == 1 ? tensors[0].name : "" }

  // MARK: - What differs and why

  /// Types that are not read.
  private func takeUnread(_ rest: inout [ComparedTensor], _ pair: Pair, _ outcome: inout Outcome) {
    func isUnread(_ tensor: ComparedTensor) -> Bool {
      [pair.first, pair.second].contains { $0.manifest.tensor(named: tensor.name)?.unreadReason != nil }
    }
    let unread = rest.filter(isUnread)
    rest.removeAll(where: isUnread)
    guard let first = unread.first else { return }
    outcome.findings.append(
      CheckFinding(
        .sibling, SiblingCheck.subject(unread),
        "\(counted(unread.count)) not compared with \(name), \(ModelChecks.list(unread.map(\.name))): "
          + first.detail))
  }

  /// Trits that are the same, with one scale for several of the other side's.
  private func takeLostScales(_ rest: inout [ComparedTensor], _ outcome: inout Outcome) {
    let lost = rest.filter { $0.scaleLossPercent != nil }
    rest.removeAll { $0.scaleLossPercent != nil }
    guard let worst = lost.compactMap(\.scaleLossPercent).max() else { return }
    outcome.findings.append(
      CheckFinding(
        .sibling, SiblingCheck.subject(lost),
        "the trits of \(lost.count) tensors are those of \(name), with fewer scales in one of the two, "
          + "\(ModelChecks.list(lost.map(\.name))): the mean error is \((worst * 100).rounded() / 100) % at most",
        severity: .warning))
  }

  /// Weights that a rotation explains. Says whether it is known then which of the two is rotated.
  private func takeRotated(_ rest: inout [ComparedTensor], _ pair: Pair, _ outcome: inout Outcome) throws -> Bool {
    let matrices = rest.filter { $0.shape.isMatrix && !pair.isStored($0.name) }
    guard !matrices.isEmpty else { return false }
    // The keys of this model may lie: then its weights are asked as they are stored.
    let keyed = matrices.filter { Pair.isUnfolded($0.name, pair.first) }
    let others = matrices.filter { !Pair.isUnfolded($0.name, pair.first) }
    let stored = RotationProbe(first: source, second: pair.second, work: single)
    let shown = RotationProbe(first: pair.first, second: pair.second, work: single)
    var explained: Set<ExactString> = []
    for group in RotationProbe.groups(try looks(keyed.map(\.name), stored, takesPlain: true))
    where !group.isRounded && group.guess.firstIsRotated {
      let tensors = group.places.map { keyed[$0] }
      explained.formUnion(tensors.map { ExactString($0.name) })
      let isOrdinary = tensors.allSatisfy { Pair.isUnfolded($0.name, pair.second) }
      outcome.findings.append(
        CheckFinding(
          .rotation, SiblingCheck.subject(tensors), text(group, tensors, of: rest.count, isOrdinary: isOrdinary)))
    }
    var tells = false
    for group in RotationProbe.groups(try looks(others.map(\.name), shown, takesPlain: false)) {
      let tensors = group.places.map { others[$0] }
      explained.formUnion(tensors.map { ExactString($0.name) })
      let found = shown.finding(
        group.guess, group.vote, group.votes, group.isRounded,
        of: "\(rest.count) tensors that differ, \(ModelChecks.list(tensors.map(\.name)))")
      let subject = SiblingCheck.subject(tensors)
      switch found.rotated {
      case .first:
        outcome.findings.append(CheckFinding(.rotation, subject, found.text))
        tells = true
      case .second:
        // This model is the ordinary one.
        outcome.findings.append(CheckFinding(.sibling, subject, found.text, severity: .warning))
        tells = true
      case .either, nil:
        outcome.findings.append(
          CheckFinding(.rotation, subject, found.text + "; 'tritsmith check --run' of each tells which it is"))
      }
    }
    rest.removeAll { explained.contains(ExactString($0.name)) }
    return tells
  }

  /// What is wrong with the keys of tensors whose stored weights a guess explains.
  private func text(
    _ group: RotationProbe.Group, _ tensors: [ComparedTensor], of total: Int, isOrdinary: Bool
  ) -> String {
    let signs = "\(group.vote.hasSigns ? "with" : "without") signs"
    let start =
      "the keys do not give the weights of \(name) in \(tensors.count) of \(total) tensors that differ, "
      + "\(ModelChecks.list(tensors.map(\.name))): "
    guard group.guess.size == 1 else {
      return start + "stored is that model's matrix rotated in blocks of \(group.guess.size) \(signs), and they say "
        + "otherwise"
    }
    if group.vote.hasSigns { return start + "stored is that model's matrix but for signs of columns" }
    return start + "stored is that model's matrix"
      + (isOrdinary ? ", which is not rotated" : ": it is not rotated, or \(name) has lost its own keys")
  }

  private func looks(
    _ names: [String], _ probe: RotationProbe, takesPlain: Bool
  ) throws -> [RotationProbe.Look?] {
    let looks = Mutex([RotationProbe.Look?](repeating: nil, count: names.count))
    try work.parallelism.forEachBand(names.count) { index in
      let look = try probe.look(names[index], takesPlain: takesPlain)
      looks.withLock { $0[index] = look }
    }
    return looks.withLock { $0 }
  }

  /// The least cosine of trits with the numbers they were made of: 0.83 for a Laplace distribution, 0.79 to 0.87 in the
  /// trained checkpoint among the fixtures. Of unrelated weights it is 0, give or take 0.02.
  private static let related = 0.5

  /// The same of one row, of so many columns: unrelated rows are near 0, and a short one has few trits.
  private static func related(row columns: Int) -> Double {
    min(related, max(0.25, 4 / Double(max(1, columns)).squareRoot()))
  }

  /// Trits beside the numbers that they may be the rounding of.
  private func takeRounded(_ rest: inout [ComparedTensor], _ pair: Pair, _ outcome: inout Outcome) throws {
    let probe = RotationProbe(first: pair.first, second: pair.second, work: single)
    let asked = rest.filter { $0.shape.isMatrix }
    let cosines = Mutex([Double?](repeating: nil, count: asked.count))
    try work.parallelism.forEachBand(asked.count) { index in
      let name = asked[index].name
      let hasTrits = try (holdsTrits(name, source, pair.first), holdsTrits(name, pair.second, pair.second))
      guard hasTrits.0 != hasTrits.1, let found = try probe.likeness(name, numbersAreFirst: hasTrits.1),
        found.cosine >= SiblingCheck.related,
        found.least >= SiblingCheck.related(row: asked[index].shape.columns)
      else { return }
      cosines.withLock { $0[index] = found.cosine }
    }
    let found = cosines.withLock { $0 }
    let rounded = asked.indices.filter { found[$0] != nil }.map { asked[$0] }
    let least = found.compactMap { $0 }.min() ?? 0
    guard !rounded.isEmpty else { return }
    let names = Set(rounded.map { ExactString($0.name) })
    rest.removeAll { names.contains(ExactString($0.name)) }
    outcome.findings.append(
      CheckFinding(
        .sibling, SiblingCheck.subject(rounded),
        "\(counted(rounded.count)) of trits in one of the two and of other numbers in the other, "
          + "\(ModelChecks.list(rounded.map(\.name))): the cosine of their numbers is \(NumberText.fixed(least, digits: 2)) "
          + "or more, as rounding leaves it; 'tritsmith verify' redoes the quantization",
        severity: .warning))
  }

  /// - Parameter shown: the same model as it is compared, rotated weights unfolded.
  private func holdsTrits(_ name: String, _ stored: any TensorSource, _ shown: any TensorSource) throws -> Bool {
    if stored.manifest.tensor(named: name)?.encoding.isTernary == true { return true }
    guard let tensor = shown.manifest.tensor(named: name) else { return false }
    return try TernaryReader(shown, tensor, single) != nil
  }

  /// - Parameter asked: whether a rotation was looked for.
  private func addUnexplained(
    _ rest: [ComparedTensor], of total: Int, asked: Bool, _ outcome: inout Outcome
  ) {
    guard let first = rest.first else { return }
    let isOne = rest.count == 1
    let start = "\(rest.count) of \(total) tensors \(isOne ? "does" : "do") not hold the weights of \(name)"
    let explanation = asked ? ", and no rotation in blocks of \(RotationProbe.sizesText) explains it" : ""
    let names = isOne ? "" : ", \(ModelChecks.list(rest.map(\.name))); the first"
    outcome.findings.append(
      CheckFinding(.sibling, SiblingCheck.subject(rest), start + explanation + names + ": " + first.detail))
  }
}
