// Tritsmith: a model held against another form of it.

import Synchronization
import TritCore
import TritFormats
import TritModel
import TritReport
import TritSurvey
import TritVerification

/// How many tensors of a model hold the weights of the sibling it was held against.
package struct SiblingComparison: Sendable, Hashable {
  /// The sibling.
  package var path: String
  /// Tensors that both have, in one shape.
  package var tensors = 0
  package var equal = 0
  /// The same but for what storing them in another type did.
  package var rounded = 0
  package var different = 0

  /// Whether anything was compared and nothing differs.
  package var isSame: Bool { tensors > 0 && different == 0 }

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
  struct Pair {
    var first: any TensorSource
    var second: any TensorSource
    /// The sibling with rotated weights as they are stored.
    var storedSecond: any TensorSource

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

  var name: String { printable(sibling) }

  /// - Throws: what opening and reading the sibling throws, and `CancellationFailure`.
  func run() throws -> Outcome {
    let other = try ModelOpener.open(
      sibling, OpenOptions().reading(like: open).keepingRotation, hasCompanions: false)
    var outcome = Outcome(comparison: SiblingComparison(path: sibling))
    do {
      let shown = try ModelOpener.alike([source, other])
      let pair = Pair(first: shown[0], second: shown[1], storedSecond: other)
      try compare(pair, tells: !RotationCheck.leavesOpen(other), &outcome)
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
    let trips = result.tensors.filter { ($0.rounding?.roundTripped ?? 0) > 0 }
    outcome.notes =
      result.hints + trips.map { "'\(printable($0.name))' beside \(name): \($0.detail)" }
    outcome.cautions = orders + openBlocks(result.tensors)
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
          plural(result.unpairedCount, "tensor is", "tensors are")
            + " in one of the two alone, or of another shape in \(name): \(first)"))
    }
    var rest = result.tensors.filter { $0.outcome == .different }
    takeUnread(&rest, pair, &outcome)
    takeLostScales(&rest, &outcome)
    var knowsBasis = tells
    // Codes read in a wrong order need no other explanation.
    let strangers = orders.isEmpty ? try strangers(result.tensors, rest, pair) : 0
    let looksFurther = orders.isEmpty && strangers == 0
    if looksFurther {
      if try takeRotated(&rest, pair, result.tensors, &outcome) { knowsBasis = true }
      try takeRounded(&rest, pair, &outcome)
    }
    let asked = looksFurther && rest.contains { $0.shape.isMatrix }
    addUnexplained(rest, of: result.tensors.count, asked: asked, strangers: strangers, &outcome)
    outcome.settlesRotation =
      knowsBasis && result.tensors.contains { $0.shape.isMatrix } && !rest.contains { $0.shape.isMatrix }
  }

  /// Blocks that may hold other numbers within their steps.
  private func openBlocks(_ tensors: [ComparedTensor]) -> [String] {
    let open = tensors.filter(\.areBlocksOpen).map(\.name)
    guard !open.isEmpty else { return [] }
    return [
      "blocks of \(ModelChecks.list(open)) hold the numbers of \(name) only as far as their steps tell: those beside them "
        + "may be rounded too"
    ]
  }

  /// One tensor's name for a finding of its own, else nothing.
  static func subject(_ tensors: [ComparedTensor]) -> String { tensors.count == 1 ? tensors[0].name : "" }

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
        plural(unread.count, "tensor is", "tensors are")
          + " not compared with \(name), \(ModelChecks.list(unread.map(\.name))): "
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
        "the trits of \(plural(lost.count, "tensor")) are those of \(name), with fewer scales in one of the two, "
          + "\(ModelChecks.list(lost.map(\.name))): the mean error is \(ScaleLoss.text(worst)) at most",
        severity: .warning))
  }

  /// The least cosine of trits with the numbers they were made of: 0.83 for a Laplace distribution, 0.79 to 0.87 in the
  /// trained checkpoint among the fixtures. Of unrelated weights it is 0, give or take 0.02.
  private static let related = 0.5

  /// Numbers so near to trits were such before they stood in blocks, or were unfolded, and are no latents: those of even
  /// spread, the nearest, have a cosine of 0.94.
  private static let nearlyTrits = 0.98

  /// Whether one side does not show trits as such: in blocks, or unfolded.
  private func isTransformed(_ name: String, _ pair: Pair) -> Bool {
    [pair.first, pair.second].contains { source in
      let stored = source.manifest.tensor(named: name).map { source.storedInGGUF($0).encoding }
      return stored?.blockCodec != nil || Pair.isUnfolded(name, source)
    }
  }

  /// The same of one row, of so many columns: unrelated rows are near 0, and a short one has few trits.
  private static func related(row columns: Int) -> Double {
    min(related, max(0.25, 4 / Double(max(1, columns)).squareRoot()))
  }

  /// Trits beside the numbers that they may be the rounding of.
  private func takeRounded(_ rest: inout [ComparedTensor], _ pair: Pair, _ outcome: inout Outcome) throws {
    let probe = RotationProbe(first: pair.first, second: pair.second, work: work.silentSingle)
    let asked = rest.filter { $0.shape.isMatrix }
    let found = try work.parallelism.mapBands(asked.count) { index -> RotationProbe.Likeness? in
      let name = asked[index].name
      let hasTrits = try (holdsTrits(name, source, pair.first), holdsTrits(name, pair.second, pair.second))
      guard hasTrits.0 != hasTrits.1, let found = try probe.likeness(name, numbersAreFirst: hasTrits.1),
        found.cosine >= SiblingCheck.related,
        found.least >= SiblingCheck.related(row: asked[index].shape.columns),
        found.cosine < SiblingCheck.nearlyTrits || !isTransformed(name, pair)
      else { return nil }
      return found
    }
    for fit in RotationProbe.Likeness.Fit.allCases {
      let places = asked.indices.filter { found[$0]?.fit == fit }
      guard !places.isEmpty else { continue }
      let tensors = places.map { asked[$0] }
      let names = Set(tensors.map { ExactString($0.name) })
      rest.removeAll { names.contains(ExactString($0.name)) }
      outcome.findings.append(
        CheckFinding(
          .sibling, SiblingCheck.subject(tensors),
          plural(tensors.count, "tensor holds", "tensors hold")
            + " trits in one of the two and other numbers in the other"
            // A list of names may be cut: what to do stands before it.
            + (fit == .fitting ? "; 'tritsmith verify' redoes the quantization: " : ": ")
            + "\(ModelChecks.list(tensors.map(\.name))); " + text(places.compactMap { found[$0] }, fit),
          severity: fit == .fitting ? .warning : .error))
    }
  }

  private func text(_ found: [RotationProbe.Likeness], _ fit: RotationProbe.Likeness.Fit) -> String {
    let least = NumberText.fixed(found.map(\.cosine).min() ?? 0, digits: 2)
    let cosine = "the cosine of their numbers is \(least) or more, as rounding leaves it"
    let share = NumberText.percent(found.map { abs($0.surplus) }.min() ?? 0)
    return switch fit {
    case .fitting: cosine
    case .tooLarge:
      cosine + ", and the scales are too large for the trits: numbers below 0.4 of them are not 0 in \(share) of all "
        + "places or more"
    case .tooSmall:
      cosine
        + ", and the scales are too small for the trits: numbers above 0.6 of them are 0 in \(share) of all places "
        + "or more"
    }
  }

  /// - Parameter shown: the same model as it is compared, rotated weights unfolded.
  private func holdsTrits(_ name: String, _ stored: any TensorSource, _ shown: any TensorSource) throws -> Bool {
    if stored.manifest.tensor(named: name)?.encoding.isTernary == true { return true }
    guard let tensor = shown.manifest.tensor(named: name) else { return false }
    return try TernaryReader(shown, tensor, work.silentSingle) != nil
  }

  /// - Parameters:
  ///   - asked: whether a rotation was looked for.
  ///   - strangers: matrices that have nothing in common, where all that were looked at have not.
  private func addUnexplained(
    _ rest: [ComparedTensor], of total: Int, asked: Bool, strangers: Int, _ outcome: inout Outcome
  ) {
    guard let first = rest.first else { return }
    let isOne = rest.count == 1
    let start = "\(rest.count) of \(total) tensors \(isOne ? "does" : "do") not hold the weights of \(name)"
    let rotation = "no rotation in blocks of \(RotationProbe.sizesText) explains"
    let names = isOne ? "" : ": \(ModelChecks.list(rest.map(\.name)))"
    let strange = strangers == 1 ? "1 matrix looked at has" : "\(strangers) matrices looked at have"
    let explanation =
      strangers > 0 ? "; \(strange) nothing in common, and \(rotation) that" : asked ? "; \(rotation) it" : ""
    let detail = start + names + explanation + (isOne ? "; " : "; the first: ") + first.detail
    outcome.findings.append(CheckFinding(.sibling, SiblingCheck.subject(rest), detail))
  }
}
