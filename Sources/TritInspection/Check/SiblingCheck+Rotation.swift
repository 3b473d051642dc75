// Tritsmith: weights that are rotated in one of two models.

import TritConversion
import TritCore
import TritModel
import TritSurvey
import TritVerification

extension SiblingCheck {
  /// Asks whether matrices of two models are rotated, each as it tells most.
  private struct Probes {
    /// This model as it is stored: its keys may lie.
    let stored: RotationProbe
    /// Both as they are compared.
    let shown: RotationProbe
    /// The sibling as it is stored.
    let storedSecond: RotationProbe

    init(_ source: any TensorSource, _ pair: Pair, _ work: WorkOptions) {
      let single = work.silentSingle
      stored = RotationProbe(first: source, second: pair.second, work: single)
      shown = RotationProbe(first: pair.first, second: pair.second, work: single)
      storedSecond = RotationProbe(first: pair.first, second: pair.storedSecond, work: single)
    }

    func look(_ tensor: ComparedTensor, _ pair: Pair) throws -> RotationProbe.Look? {
      Pair.isUnfolded(tensor.name, pair.first)
        ? try stored.look(tensor.name, takesPlain: true) : try shown.look(tensor.name)
    }
  }

  /// How many matrices were looked at where no matrix of two models is the same and those few have nothing in common:
  /// then there is nothing to explain in all the others. 0 elsewhere.
  func strangers(_ all: [ComparedTensor], _ rest: [ComparedTensor], _ pair: Pair) throws -> Int {
    guard !all.contains(where: { $0.shape.isMatrix && $0.outcome != .different }) else { return 0 }
    let few = RotationProbe.spread(rest.filter { $0.shape.isMatrix })
    let probes = Probes(source, pair, work)
    let looks = try work.parallelism.mapBands(few.count) { try probes.look(few[$0], pair) }.compactMap { $0 }
    return looks.allSatisfy { $0.isUnlike && $0.matches.isEmpty } ? looks.count : 0
  }

  /// Weights that a rotation explains. Says whether it is known then which of the two is rotated.
  func takeRotated(
    _ rest: inout [ComparedTensor], _ pair: Pair, _ all: [ComparedTensor], _ outcome: inout Outcome
  ) throws -> Bool {
    let matrices = rest.filter { $0.shape.isMatrix }
    guard !matrices.isEmpty else { return false }
    let probes = Probes(source, pair, work)
    let looks = try work.parallelism.mapBands(matrices.count) { try probes.look(matrices[$0], pair) }
    let isKeyed = matrices.map { Pair.isUnfolded($0.name, pair.first) }
    // Wrong keys turn all rows of a matrix: where most are the sibling's, they are right, and some weights are not.
    let hasSoundKeys = try work.parallelism.mapBands(matrices.count) { index in
      guard isKeyed[index], let middle = try probes.shown.middleDistance(matrices[index].name) else { return false }
      return middle < RotationProbe.explained
    }
    func groups(_ places: [Int]) -> [(RotationProbe.Group, [ComparedTensor])] {
      RotationProbe.groups(places.map { looks[$0] }).map { group in
        (group, group.places.map { matrices[places[$0]] })
      }
    }
    var explained: Set<ExactString> = []
    var tells = false
    func take(_ tensors: [ComparedTensor], _ finding: CheckFinding) {
      explained.formUnion(tensors.map { ExactString($0.name) })
      outcome.findings.append(finding)
    }
    for (group, tensors) in groups(matrices.indices.filter { isKeyed[$0] && !hasSoundKeys[$0] })
    where group.kind == .exact && group.guess.firstIsRotated {
      let isOrdinary = tensors.allSatisfy { Pair.isUnfolded($0.name, pair.second) }
      let text = text(group, tensors, of: rest.count, isOrdinary: isOrdinary)
      take(tensors, CheckFinding(.rotation, SiblingCheck.subject(tensors), text))
    }
    for (group, tensors) in groups(matrices.indices.filter { !isKeyed[$0] && pair.isStored(matrices[$0].name) }) {
      take(tensors, CheckFinding(.sibling, SiblingCheck.subject(tensors), textOfListed(group, tensors)))
    }
    for (group, tensors) in groups(matrices.indices.filter { !isKeyed[$0] && !pair.isStored(matrices[$0].name) }) {
      let (finding, isKnown) = try finding(group, tensors, of: rest.count, probes, pair, all)
      take(tensors, finding)
      if isKnown { tells = true }
    }
    rest.removeAll { explained.contains(ExactString($0.name)) }
    return tells
  }

  /// What a guess explains of tensors that this model says nothing of, and whether it is known then which is rotated.
  private func finding(
    _ group: RotationProbe.Group, _ tensors: [ComparedTensor], of total: Int, _ probes: Probes, _ pair: Pair,
    _ all: [ComparedTensor]
  ) throws -> (finding: CheckFinding, isKnown: Bool) {
    let found = probes.shown.finding(
      group.guess, group.vote, group.votes, group.kind,
      of: "\(differing(total)), \(ModelChecks.list(tensors.map(\.name)))")
    let subject = SiblingCheck.subject(tensors)
    switch found.rotated {
    case .first:
      guard try areStoredAlike(group, tensors, probes, pair) else {
        return (CheckFinding(.rotation, subject, found.text), true)
      }
      // Keys that are lost are lost for all matrices; where most agree, either side may have forgotten a few.
      let agreeing = all.count {
        $0.outcome != .different && Pair.isUnfolded($0.name, pair.second) && !Pair.isUnfolded($0.name, pair.first)
      }
      guard agreeing > tensors.count else {
        let doubt = "; or \(name), which stores the same numbers, lists as rotated what is not"
        return (CheckFinding(.rotation, subject, found.text + doubt), true)
      }
      return (CheckFinding(.sibling, subject, text(tensors, agreeing: agreeing, group)), false)
    case .second:
      // This model is the ordinary one. But for a factor it is another.
      let severity = group.kind == .scaled ? CheckSeverity.error : .warning
      return (CheckFinding(.sibling, subject, found.text, severity: severity), true)
    case .either, nil:
      let runs = [source.manifest.path, sibling].map { "'tritsmith check \(printable($0)) --run'" }
      return (
        CheckFinding(.rotation, subject, found.text + "; \(runs.joined(separator: " and ")) tell which it is"), false
      )
    }
  }

  /// Whether the sibling stores what this model holds, of tensors that it lists as rotated.
  private func areStoredAlike(
    _ group: RotationProbe.Group, _ tensors: [ComparedTensor], _ probes: Probes, _ pair: Pair
  ) throws -> Bool {
    guard tensors.allSatisfy({ Pair.isUnfolded($0.name, pair.second) }) else { return false }
    let bound = group.kind == .rounded ? RotationProbe.rounded : RotationProbe.explained
    let distances = try work.parallelism.mapBands(tensors.count) { try probes.storedSecond.distance(tensors[$0].name) }
    return distances.allSatisfy { $0.map { $0 < bound } ?? false }
  }

  private func differing(_ count: Int) -> String {
    plural(count, "tensor that differs", "tensors that differ")
  }

  /// What neither side's other matrices decide: a few that the sibling lists and stores as this model holds them.
  private func text(_ tensors: [ComparedTensor], agreeing: Int, _ group: RotationProbe.Group) -> String {
    let isOne = tensors.count == 1
    return "\(name) lists \(ModelChecks.list(tensors.map(\.name))) as rotated, and stores "
      + (group.kind == .rounded ? "but for rounding " : "") + "what this model holds\(group.vote.extent): "
      + (isOne ? "it is" : "they are") + " not rotated there, or rotated here and not listed. The other "
      + "\(agreeing) that it lists are this model's once unfolded, and do not decide which of the two is wrong"
  }

  /// What is wrong with tensors that both list as rotated alike.
  private func textOfListed(_ group: RotationProbe.Group, _ tensors: [ComparedTensor]) -> String {
    let paths = [source.manifest.path, sibling].map { printable($0) }
    let (rotated, ordinary) = group.guess.firstIsRotated ? (paths[0], paths[1]) : (paths[1], paths[0])
    return "both list \(ModelChecks.list(tensors.map(\.name))) as rotated, and \(rotated) stores what \(ordinary) "
      + "stores rotated once more, in blocks of \(group.guess.size)\(group.vote.extent): one of the two is not "
      + "rotated, or the other is twice"
  }

  /// What is wrong with the keys of tensors whose stored weights a guess explains.
  private func text(
    _ group: RotationProbe.Group, _ tensors: [ComparedTensor], of total: Int, isOrdinary: Bool
  ) -> String {
    let signs = "\(group.vote.hasSigns ? "with" : "without") signs"
    let start =
      "the keys do not give the weights of \(name) in \(tensors.count) of \(differing(total)), "
      + "\(ModelChecks.list(tensors.map(\.name)))\(group.vote.extent): "
    guard group.guess.size == 1 else {
      return start + "stored is that model's matrix rotated in blocks of \(group.guess.size) \(signs), and they say "
        + "otherwise"
    }
    if group.vote.hasSigns { return start + "stored is that model's matrix but for signs of columns" }
    return start + "stored is that model's matrix"
      + (isOrdinary ? ", which is not rotated" : ": it is not rotated, or \(name) has lost its own keys")
  }
}
