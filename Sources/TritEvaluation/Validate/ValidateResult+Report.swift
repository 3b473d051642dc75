// Tritsmith: a validation as a report.

import TritModel
import TritReport
import TritSurvey
import VisibleText

extension ValidateResult {
  /// The report of `tritsmith validate`, schema `tritsmith.validate` 2.
  public var report: ReportDocument {
    var report = ReportDocument(
      title: "Validation", schema: ReportSchema("tritsmith.validate", version: 2), primaryTable: "prompts")
    var facts = [ReportFact("Passed", .bool(passed))]
    facts += ValidateResult.facts(reference, "Reference", "reference")
    facts += ValidateResult.facts(model, "Model", "model")
    facts.append(
      ReportFact(
        "Same trits", hasSameWeights.map { .bool($0) } ?? .missing, key: "same_weights", kind: .bool,
        note: "with their scales, any format; dense weights are not among them")
    )
    facts.append(ReportFact("Text", .text(text)))
    facts.append(
      ReportFact(
        "Inputs rounded for steps", .optional(roundedForSteps), key: "rounded_for_steps",
        note: roundedForSteps == nil ? "none: both sides run as they are" : "to int8, as the other side does"))
    report.append(ReportFacts(key: "validation", facts))
    let scale = model.scale.facts()
    if !scale.isEmpty { report.append(ReportFacts(key: "scale", title: "Meaning of stored scales", scale)) }
    report.append(agreementFacts)
    report.append(gateTable)
    if !noise.isEmpty { report.append(noiseTable) }
    if !steps.isEmpty { report.append(stepTable) }
    if !rounded.isEmpty { report.append(rounded.facts) }
    report.append(promptTable)
    if !hiddenStates.isEmpty { report.append(hiddenTable) }
    let sides: [(name: String, run: RunDescription?)] = [("reference", reference.run), ("model", model.run)]
    for warning in RunDescription.remarks(\.warnings, of: sides) { report.note(.warning, warning) }
    for note in RunDescription.remarks(\.notes, of: sides) { report.note(.info, note) }
    appendFindings(to: &report)
    report.conclude(passed, conclusion)
    // The verdict has the text and its positions, and gates have what they bound and whether noise sets the bound.
    // Beside what is wrong there is no room for what was typed.
    var keys: Set<String> = passed ? ["reference", "model", "max_abs_difference"] : ["max_abs_difference"]
    if roundedForSteps != nil { keys.insert("rounded_for_steps") }
    // Of steps that are wrong, an error names the first.
    let failing = gates.indices.filter { !gates[$0].passed }
    report.brief = ReportBrief(
      keys, rows: ["gates": failing + gates.indices.filter { gates[$0].passed }], told: Set(gateRemarks))
    return report
  }

  /// What gates of logits are not met, as the table of gates shows it.
  private var gateRemarks: [String] {
    gatesOfLogits.filter { !$0.passed }.map { gate in
      let found = NumberText.significant(gate.found, digits: 4)
      let bound = NumberText.significant(gate.bound, digits: 4)
      return "\(gate.name) is \(found), \(gate.isUpperBound ? "at most" : "at least") \(bound) is wanted"
    }
  }

  /// What is wrong, most telling first, and where to look.
  private func appendFindings(to report: inout ReportDocument) {
    appendRemarks(to: &report)
    if let first = firstDivergence {
      // Where every step is right, rounding alone took the states apart; those of a file that should be the same were not.
      let isWrong = gates.contains { $0.name == GateResult.divergedStates && !$0.passed }
      report.note(
        isWrong ? .error : passed ? .info : .warning,
        "hidden states diverge at \(layerName(first.name)): relative error "
          + NumberText.significant(first.relativeError, digits: 3) + ", bound "
          + NumberText.significant(hiddenBound, digits: 3))
    }
    if agreement.nonFinitePositions > 0 {
      report.note(.error, "\(agreement.nonFinitePositions) positions have logits that are infinite or not a number")
    }
    report.note(nonFinite: nonFinite)
    if let step = firstWrongStep {
      report.note(.error, step.fault)
    }
    for name in unmatchedSteps { report.note(.error, "only one of the two has the step \(layerName(name))") }
    for remark in gateRemarks { report.note(.error, remark) }
    for gate in gates where gate.basis == .noise { report.note(.info, boundSentence(gate)) }
    if let explanation { report.note(.info, explanation.sentence) }
    if let fastNoise { report.note(.warning, fastNoise.fastSentence) }
    if !passed, let advice { report.note(.info, advice) }
  }

  /// Where the bound of a gate that follows the model comes from.
  private func boundSentence(_ gate: GateResult) -> String {
    let measured = ValidationGates.factor * (noise.map(\.meanKL).max() ?? 0)
    if gate.name == GateResult.meanKL, gate.bound > measured {
      return "the bound of \(gate.name) follows that of \(GateResult.largestDifference), d: no KL is above d²/2"
    }
    let factor = NumberText.significant(ValidationGates.factor, digits: 2)
    return "the bound of \(gate.name) follows this model: \(factor) times what rounding alone does to it on this text"
  }

  /// What of the reference's files was not compared, or not closely.
  private func appendRemarks(to report: inout ReportDocument) {
    if !unreadTensors.isEmpty {
      let shown = unreadTensors.prefix(5).joined(separator: ", ")
      let rest = unreadTensors.count > 5 ? ", and \(unreadTensors.count - 5) more" : ""
      report.note(
        .warning,
        "\(unreadTensors.count) tensors of the reference were compared with nothing, as the model computes none of these "
          + "names: \(shown)\(rest)")
    }
    if let unmeasuredStep {
      report.note(
        .warning,
        "numbers of two types behind \(layerName(unmeasuredStep)) were not compared one by one: up to 0.5 % of a unit passes "
          + "there, and the largest difference of logits has no default bound")
    }
    if !unreachedSteps.isEmpty {
      report.note(
        .warning,
        "numbers of \(RoundedMatrices.list(unreachedSteps)) that this text does not reach were not compared: a longer "
          + "text reaches more")
    }
    if let logitType {
      report.note(
        .info,
        "all logits of the file are \(logitType) numbers, so its engine rounded more than sums; the largest difference has "
          + "no default bound")
    }
  }

  /// What was compared, in one sentence.
  private var conclusion: String {
    // Positions without numbers are among those that are counted, and agree with none.
    let doAgree = agreement.nonFinitePositions == 0 && gatesOfLogits.allSatisfy(\.passed)
    var text = "logits \(doAgree ? "agree" : "do not agree") on \(plural(agreement.positions, "position"))"
    text += " of \(self.text)"
    if doAgree, let explanation, explanation.isShown {
      text += ", as closely as numbers rounded to \(explanation.type) allow"
    }
    if !steps.isEmpty {
      let origin = "on the reference's input" + (stepsInReference ? ", in reference arithmetic" : "")
      let count = steps.count + unmatchedSteps.count
      let unseen = steps.count(where: \.isWrongElsewhere)
      text +=
        wrongSteps == 0
        ? "; each of \(plural(steps.count, "step")) \(agreementOfSteps) \(origin)"
        : unseen == wrongSteps
          ? "; \(unseen) of \(count) steps \(unseen == 1 ? "holds" : "hold") other numbers, which this text does not show"
          : "; \(wrongSteps) of \(count) steps give something else \(origin)"
      if wrongSteps == 0, !rounded.isEmpty { text += "; " + rounded.sentence }
    } else if !hiddenStates.isEmpty {
      let diverged = hiddenStates.count { !($0.relativeError <= hiddenBound) }
      let bound = NumberText.significant(hiddenBound, digits: 3)
      text +=
        diverged == 0
        ? "; each of \(plural(hiddenStates.count, "hidden state")) is within \(bound) of the file's"
        : "; \(diverged) of \(hiddenStates.count) hidden states are further than \(bound) from the file's"
    }
    let how = Set([reference.run, model.run].compactMap { $0?.mode.rawValue }).sorted()
    return text
      + " (\(how.joined(separator: " and ")) arithmetic; configurations and tokenizers as such were not compared)"
  }

  /// How steps agree that are all within their bounds.
  private var agreementOfSteps: String {
    guard rounded.isEmpty else { return "agrees" }
    let largest = steps.map(\.relativeError).max() ?? 0
    return largest == 0 ? "gives the same" : "agrees within \(NumberText.significant(largest, digits: 2))"
  }

  private var gatesOfLogits: [GateResult] { gates.filter(\.isOfLogits) }

  /// Whether both have the same trits and scales; nil when that cannot be said.
  package var hasSameWeights: Bool? {
    guard let left = reference.codeStream, let right = model.codeStream else { return nil }
    return left == right
  }

  /// Where to look when logits do not agree.
  private var advice: String? {
    guard let same = hasSameWeights else { return nil }
    guard same else { return "trits or scales differ: 'tritsmith verify' names the tensors" }
    if roundedForSteps != nil, let left = reference.run, let right = model.run {
      let (p, q) = (left.projections.joined(separator: ", "), right.projections.joined(separator: ", "))
      return "both hold the same trits, and scales equal as bfloat16 numbers, but projections compute as \(p) and as "
        + "\(q), and Linear does not quantize activations"
    }
    return "both hold the same trits, and scales that are equal as bfloat16 numbers: look at the other tensors, the "
      + "configuration, or the engine"
  }

  private static func facts(_ side: ValidatedSide, _ label: String, _ key: String) -> [ReportFact] {
    [
      ReportFact(label, .text(side.path), key: key),
      ReportFact("\(label) projections", .optional(side.run?.projections.joined(separator: ", "))),
      ReportFact("\(label) arithmetic", .optional(side.run?.mode.rawValue)),
      ReportFact("\(label) code stream", .optional(side.codeStream?.description), kind: .hash),
    ]
  }

  private var agreementFacts: ReportFacts {
    ReportFacts(
      key: "agreement", title: "Agreement, KL(reference‖model)",
      [
        ReportFact("Positions", .integer(agreement.positions)),
        ReportFact("Non-finite positions", .integer(agreement.nonFinitePositions)),
        ReportFact("Max |Δlogit|", .number(agreement.maximumDifference), key: "max_abs_difference"),
        ReportFact("Mean |Δlogit|", .number(agreement.meanDifference), key: "mean_abs_difference"),
        ReportFact("Logit NMSE", .number(agreement.nmse), key: "logit_nmse"),
        ReportFact("Mean KL", .number(agreement.meanKL), key: "mean_kl", note: "nats"),
        ReportFact("p99 KL", .number(agreement.p99KL), key: "p99_kl"),
        ReportFact("Max KL", .number(agreement.maximumKL), key: "max_kl"),
        ReportFact("Top-1 agreement", .number(agreement.topOne), key: "top1", kind: .fraction(digits: 2)),
        ReportFact("Top-5 agreement", .number(agreement.topFive), key: "top5", kind: .fraction(digits: 2)),
        ReportFact("First divergence", .optional(firstDivergence?.name), kind: .state, note: "hidden states"),
        ReportFact(
          "Relative error there", .optional(firstDivergence?.relativeError), key: "first_divergence_relative_error"),
        ReportFact("Hidden state bound", .number(hiddenBound), key: "hidden_bound"),
      ])
  }

  private var gateTable: ReportTable {
    var table = ReportTable(
      key: "gates", title: "Gates",
      columns: [
        ReportColumn("gate", "Gate"), ReportColumn("found", "Found", kind: .significant(digits: 4)),
        ReportColumn("kind", "Must be"), ReportColumn("bound", "Bound", kind: .significant(digits: 4)),
        ReportColumn("basis", "Bound is"), ReportColumn("passed", "Passed", kind: .bool),
      ])
    for gate in gates {
      table.append([
        .text(gate.name), gate.foundValue, .text(gate.isUpperBound ? "at most" : "at least"), .number(gate.bound),
        .text(gate.basis.rawValue), .bool(gate.passed),
      ])
    }
    return table
  }

  private var noiseTable: ReportTable {
    var table = ReportTable(
      key: "noise", title: "Effect of rounding alone on this model and text",
      columns: [
        ReportColumn("source", "Rounding"), ReportColumn("mean_kl", "Mean KL", kind: .significant(digits: 3)),
        ReportColumn("logit_nmse", "NMSE", kind: .significant(digits: 3)),
        ReportColumn("top1", "Top-1", kind: .fraction(digits: 1)),
        ReportColumn("max_abs_difference", "Max |Δ|", kind: .significant(digits: 3)),
      ])
    for noise in noise {
      table.append([
        .text(noise.source), .number(noise.meanKL), .number(noise.nmse), .number(noise.topOne),
        .number(noise.maximumDifference),
      ])
    }
    return table
  }

  /// Kinds of steps in the order of the forward pass.
  private var stepKinds: [String] {
    var kinds: [String] = []
    for step in steps where !kinds.contains(step.step) { kinds.append(step.step) }
    return kinds
  }

  /// The worst of every kind of step.
  private var stepTable: ReportTable {
    var table = ReportTable(
      key: "steps", title: "Steps, each on the reference's input",
      columns: [
        ReportColumn("step", "Step", kind: .state), ReportColumn("count", "Count", kind: .integer),
        ReportColumn("worst", "Worst", kind: .state), ReportColumn("unit", "Unit", kind: .integer),
        ReportColumn("relative_error", "Relative error", kind: .significant(digits: 3)),
        ReportColumn("bound", "Bound", kind: .significant(digits: 3)), ReportColumn("wrong", "Wrong", kind: .integer),
      ])
    for kind in stepKinds {
      let same = steps.filter { $0.step == kind }
      // One that is not a number is the worst there is.
      let worst = same.first { $0.relativeError.isNaN } ?? same.max { $0.relativeError < $1.relativeError }
      guard let worst else { continue }
      table.append([
        .text(kind), .integer(same.count), .text(worst.name), .integer(worst.unit), .number(worst.relativeError),
        .number(worst.bound), .integer(same.count { !$0.passed }),
      ])
    }
    return table
  }

  private var promptTable: ReportTable {
    var table = ReportTable(
      key: "prompts", title: "Prompts",
      columns: [
        ReportColumn("prompt", "Prompt", kind: .integer), ReportColumn("positions", "Positions", kind: .integer),
        ReportColumn("max_abs_difference", "Max |Δ|", kind: .significant(digits: 3)),
        ReportColumn("mean_abs_difference", "Mean |Δ|", kind: .significant(digits: 3)),
        ReportColumn("logit_nmse", "NMSE", kind: .significant(digits: 3)),
        ReportColumn("mean_kl", "Mean KL", kind: .significant(digits: 3)),
        ReportColumn("p99_kl", "p99 KL", kind: .significant(digits: 3)),
        ReportColumn("max_kl", "Max KL", kind: .significant(digits: 3)),
        ReportColumn("top1", "Top-1", kind: .fraction(digits: 1)),
        ReportColumn("top5", "Top-5", kind: .fraction(digits: 1)),
      ])
    for (index, prompt) in prompts.enumerated() {
      table.append([
        .integer(index), .integer(prompt.positions), .number(prompt.maximumDifference), .number(prompt.meanDifference),
        .number(prompt.nmse), .number(prompt.meanKL), .number(prompt.p99KL), .number(prompt.maximumKL),
        .number(prompt.topOne), .number(prompt.topFive),
      ])
    }
    return table
  }

  private var hiddenTable: ReportTable {
    var table = ReportTable(
      key: "hidden_states", title: "Hidden states",
      columns: [
        ReportColumn("state", "State", kind: .state),
        ReportColumn("max_abs_difference", "Max |Δ|", kind: .significant(digits: 3)),
        ReportColumn("relative_error", "Relative error", kind: .significant(digits: 3)),
      ])
    for state in hiddenStates {
      table.append([.text(state.name), .number(state.maximumDifference), .number(state.relativeError)])
    }
    return table
  }
}

extension StepAgreement {
  /// What is wrong with a step that does not pass, for people.
  var fault: String {
    if let otherBlocks, relativeError <= bound { return "\(layerName(name)) holds other weights: \(otherBlocks)" }
    let strange = otherBlocks ?? otherSetting ?? strangeRow.map { "row \($0) of its weights holds other numbers" }
    if isWrongElsewhere, let strange {
      return "\(layerName(name)) is another step: \(strange), which this text does not show"
    }
    let reason = scaleDifference.map { "its scales differ: \($0)" } ?? strange
    // Its units are columns, and all of them are off by what rounding explains in other rows.
    if name == "embed", let reason, strangeRow != nil { return "\(layerName(name)) is another step: \(reason)" }
    return "on the reference's input, \(layerName(name)) gives something else: unit \(unit) is off by "
      + NumberText.significant(relativeError, digits: 3) + ", at most " + NumberText.significant(bound, digits: 3)
      + " passes" + (reason.map { "; " + $0 } ?? "")
  }
}

extension RoundingNoise {
  /// Of fast arithmetic beside logits of a file.
  fileprivate var fastSentence: String {
    "fast arithmetic alone moves this model's logits by up to \(NumberText.significant(maximumDifference, digits: 2)) on this "
      + "text (mean KL \(NumberText.significant(meanKL, digits: 2))). Gates against a file have no room for it: "
      + "--mode reference compares the model itself"
  }
}

extension RoundingExplanation {
  fileprivate var sentence: String {
    let size = NumberText.significant(maximumDifference, digits: 2)
    let effect =
      "logits differ by more than sums of Floats do; rounding numbers to \(type) moves them by up to \(size) here"
    return effect
      + (isShown
        ? ", and the norms hold sums 1 + w of that type, as llama.cpp's converter makes them"
        : ", but nothing states that this was done: compare the model with its source, or give --max-logit-delta")
  }
}

extension ReportDocument {
  /// Says where the numbers of models, by their paths, stop being finite.
  mutating func note(nonFinite: [String: NonFiniteState]) {
    for (path, state) in nonFinite.sorted(by: { $0.key < $1.key }) {
      note(
        .error, "\(path): numbers stop being finite at \(layerName(state.name)) of token \(state.token): \(state.value)"
      )
    }
  }
}

extension GateResult {
  /// A count is a whole number, without digits after a point.
  fileprivate var foundValue: ReportValue {
    isOfLogits ? .number(found) : Int64(exactly: found).map { .integer($0) } ?? .number(found)
  }
}
