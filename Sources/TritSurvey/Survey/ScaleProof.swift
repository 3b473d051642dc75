// Tritsmith: proving what a stored scale means from numbers alone.

import TritCore
import TritFormats
import TritInference
import TritKernels
import TritModel
import TritQuantizers
import TritReport
import TritTokenizer

/// Finds evidence on the scale convention of a packed model beyond its configuration.
///
/// Two independent proofs: the dense weights the scales were computed from, and what the activations of a forward pass
/// do under either meaning. Neither looks at the configuration's `linear_class`.
package struct ScaleProof: Sendable {
  /// Dense weights of the same model: latent, `bfloat16`, or already ternary.
  package var sibling: String?
  /// Runs the model under both meanings.
  package var usesActivations: Bool
  package var threads: Int
  package var kernels: KernelChoice

  package init(
    sibling: String? = nil, usesActivations: Bool = false, threads: Int = 0, kernels: KernelChoice = .auto
  ) {
    self.sibling = sibling
    self.usesActivations = usesActivations
    self.threads = threads
    self.kernels = kernels
  }

  package var isAsked: Bool { sibling != nil || usesActivations }

  /// Scales may be off by this factor: bfloat16 rounds them by 0.4 % at most, and means by an ulp.
  private static let tolerance = 0.02
  /// Growths of the residual stream that differ by less than this factor prove nothing.
  private static let growthRatio = 10.0
  private static let tokens = 64

  /// Evidence for a packed model; none when it has no packed tensor.
  package func evidence(for path: String, _ open: OpenOptions, work: WorkOptions) throws -> [ScaleEvidence] {
    // The stored numbers can be read only under some meaning; which one does not matter here.
    var options = open
    options.scaleConvention = .multiply
    options.isTrial = true
    let source = try ModelOpener.open(path, options, hasCompanions: true)
    guard !source.manifest.scaleFinding.evidence.isEmpty else { return [] }
    var result: [ScaleEvidence] = []
    if let sibling {
      result.append(
        try ScaleProof.evidence(
          for: source, sibling: ModelOpener.open(sibling, OpenOptions().reading(like: open), hasCompanions: false), work
        )
      )
    }
    if usesActivations { result.append(try activationEvidence(path, open)) }
    return result
  }

  // MARK: - A sibling

  /// Whether stored scales are the absmean of a sibling's weights, or its inverse.
  package static func evidence(
    for source: any TensorSource, sibling: any TensorSource, _ work: WorkOptions
  ) throws -> ScaleEvidence {
    var counts: [ScaleConvention: Int] = [:]
    var (compared, neither) = (0, 0)
    var example: String?
    let path = printable(sibling.manifest.path)
    for tensor in source.manifest.tensors where tensor.scale?.granularity == .tensor {
      try work.parallelism.cancellation.check()
      guard let other = sibling.manifest.tensor(named: tensor.name), other.shape == tensor.shape,
        let magnitude = try magnitude(of: other, in: sibling, work), magnitude > 0,
        let stored = try source.scale(of: tensor).stored.first.map({ Double($0) }), stored > 0
      else { continue }
      compared += 1
      let isMean = abs(stored / magnitude - 1) <= tolerance
      let isInverse = abs(stored * magnitude - 1) <= tolerance
      switch (isMean, isInverse) {
      case (true, false): counts[.multiply, default: 0] += 1
      case (false, true): counts[.divide, default: 0] += 1
      // Near 1 both hold, which tells nothing.
      case (true, true): break
      case (false, false):
        neither += 1
        example = example ?? "\(printable(tensor.name)) stores \(stored), absmean there is \(magnitude)"
      }
    }
    func finding(_ convention: ScaleConvention?, _ detail: String) -> ScaleEvidence {
      ScaleEvidence(origin: .sibling, convention: convention, detail: detail)
    }
    guard compared > 0 else {
      return finding(nil, "no tensor with a scale of its own has weights in \(path) to compare it with")
    }
    if let example {
      return finding(nil, "\(neither) of \(compared) stored scales do not belong to \(path): \(example)")
    }
    guard counts.count == 1, let (convention, count) = counts.first else {
      return finding(nil, "stored scales fit \(path) in both meanings, or some in one and some in the other")
    }
    let meaning = convention == .multiply ? "absmean" : "1/absmean"
    return finding(
      convention, "\(grouped(count)) of \(grouped(compared)) stored scales are \(meaning) of the weights in \(path)")
  }

  /// The absmean of latent weights, or the one magnitude of ternary ones; nil where there is none to be had.
  private static func magnitude(
    of tensor: TensorDescriptor, in source: any TensorSource, _ work: WorkOptions
  ) throws -> Double? {
    if tensor.encoding.isTernary {
      // A packed sibling whose meaning is known proves it as well.
      guard tensor.scale?.convention != nil else { return nil }
      let scale = try source.scale(of: tensor)
      return scale.granularity == .tensor ? Double(scale.multiplier()) : nil
    }
    guard tensor.encoding.dtype?.isFloatWeight == true else { return nil }
    let pass = try WeightPass(source, tensor, roundsToBFloat16: false, kernels: work.kernels)
    let findings = try pass.findings(work.parallelism, SilentProgress())
    if let magnitude = findings.ternaryMagnitude { return Double(magnitude) }
    return findings.count == 0 ? nil : findings.magnitudeSum / Double(findings.count)
  }

  // MARK: - Activations

  /// What a forward pass does under one meaning.
  private struct Trial {
    /// Largest RMS of the residual stream after a block, over that of the embeddings; infinite when it overflows.
    var growth: Double
    /// Mean −ln p of the text's tokens; nil without a tokenizer.
    var loss: Double?

    var phrase: String {
      let size = growth.isFinite ? "\(ScaleProof.digits(growth))-fold" : "past all bounds"
      return size + (loss.map { " (\(ScaleProof.digits($0)) nats per token)" } ?? "")
    }
  }

  /// Runs the model under both meanings: the wrong one makes every projection hundreds of times too large.
  private func activationEvidence(_ path: String, _ open: OpenOptions) throws -> ScaleEvidence {
    let multiply = try trial(path, open, .multiply)
    let divide = try trial(path, open, .divide)
    let detail =
      "the residual stream grows \(multiply.phrase) when trits are multiplied by the stored scale, "
      + "\(divide.phrase) when divided"
    let (smaller, larger, convention): (Trial, Trial, ScaleConvention) =
      multiply.growth < divide.growth ? (multiply, divide, .multiply) : (divide, multiply, .divide)
    let isClear = smaller.growth.isFinite && larger.growth >= ScaleProof.growthRatio * smaller.growth
    // A text must not be less likely under the meaning that looks right.
    let agrees = zip(smaller.loss, larger.loss).map { $0 <= $1 } ?? true
    return ScaleEvidence(origin: .activations, convention: isClear && agrees ? convention : nil, detail: detail)
  }

  private func zip(_ left: Double?, _ right: Double?) -> (Double, Double)? {
    guard let left, let right, left.isFinite, right.isFinite else { return nil }
    return (left, right)
  }

  private func trial(_ path: String, _ open: OpenOptions, _ convention: ScaleConvention) throws -> Trial {
    var options = RunOptions(mode: .fast, kernels: kernels, threads: threads, open: open)
    options.open.scaleConvention = convention
    options.open.isTrial = true
    let source = try ModelOpener.open(path, options.open, hasCompanions: true)
    let model = try RunnableModel(source, options, engine: options.engine())
    let vocabulary = model.model.configuration.vocabularySize
    let hasTokenizer = source.manifest.tokenizerFile != nil
    var ids: [Int]
    if hasTokenizer {
      ids = try Tokenizer(of: source).prompt(TextInput.sampleOpening)
    } else {
      ids = Array(0..<vocabulary)
    }
    ids = Array(ids.prefix(min(ScaleProof.tokens, model.model.configuration.contextLength)))
    try model.check(ids)
    let growth = GrowthObserver()
    var losses: [Double] = []
    try model.session(for: ids.count).prefill(ids, logits: .all, observer: growth) { position, row in
      guard hasTokenizer, position + 1 < ids.count else { return }
      losses.append(negativeLogLikelihood(row, of: ids[position + 1]))
    }
    return Trial(growth: growth.result, loss: losses.isEmpty ? nil : losses.reduce(0, +) / Double(losses.count))
  }

  private static func digits(_ value: Double) -> String { NumberText.significant(value, digits: 3) }
}

/// Measures how the residual stream grows.
private final class GrowthObserver: ForwardObserver {
  private var squares: [String: Double] = [:]

  func observe(_ name: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws {
    guard HiddenStateRecorder.isResidual(name), name != "final_norm" else { return }
    var sum = 0.0
    for index in values.indices { sum += Double(values[index]) * Double(values[index]) }
    squares[name, default: 0] += sum
  }

  var result: Double {
    guard let embedded = squares["embed"], embedded > 0 else { return .infinity }
    var largest = 0.0
    for (name, sum) in squares where name != "embed" {
      guard sum.isFinite else { return .infinity }
      largest = max(largest, sum)
    }
    return (largest / embedded).squareRoot()
  }
}
