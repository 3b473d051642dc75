// Tritsmith: the matrices of steps, held against each other number by number.

import Synchronization
import TritCore
import TritFormats
import TritModel
import TritSurvey
import TritVerification

extension StepBounds {
  /// How far the matrices of steps are apart, where both sides multiply by the numbers they store.
  ///
  /// - Parameters:
  ///   - names: of steps that sums do not explain.
  ///   - all: of all steps, of which the others hold equal numbers.
  ///   - options: how the two sides were opened.
  /// - Throws: `CancellationFailure`, and what opening rotated models in one basis throws.
  func measured(
    _ names: [String], of all: [String], _ options: [OpenOptions], _ work: WorkOptions
  ) throws -> [String: MatrixRounding] {
    guard !names.isEmpty else { return [:] }
    let sources = try inOneBasis(options)
    let result = Mutex<[String: MatrixRounding]>([:])
    try work.parallelism.forEachBand(names.count) { index in
      guard let (part, layer) = place(names[index]), multiplyAsStored(part, layer),
        let found = try measured(names[index], part, layer, sources, work.single)
      else { return }
      result.withLock { $0[names[index]] = found }
    }
    var found = result.withLock { $0 }
    // Those that were read and hold equal numbers are as those that were not.
    let equal = small(of: all).filter { found[$0]?.share == 0 }
    let suspects = Set(names).subtracting(equal)
    let doubtful = doubtful(all) { found[$0]?.scales?.certainty ?? (suspects.contains($0) ? nil : .equal) }
    for name in doubtful { found[name]?.doubt() }
    return found
  }

  /// Both rotated alike, or both ordinary.
  private func inOneBasis(_ options: [OpenOptions]) throws -> [any TensorSource] {
    guard hasRotation else { return sources }
    return try ModelOpener.alike(zip(sources, options).map { ($0.manifest.path, $1) })
  }

  private var hasRotation: Bool { sources.contains { ($0 as? any ModelView)?.storedRotation != nil } }

  /// Latents are made ternary when they are loaded: their own numbers say nothing about the product.
  private func multiplyAsStored(_ part: ModulePart, _ layer: Int?) -> Bool {
    guard case .projection(let kind) = part, let layer else { return true }
    return [reference, model].allSatisfy { side in
      matrix(part, layer, side.source)?.encoding.isTernary == true
        || side.model.multipliesAsStored(ofLayer: layer, kind)
    }
  }

  private func measured(
    _ name: String, _ part: ModulePart, _ layer: Int?, _ sources: [any TensorSource], _ work: WorkOptions
  ) throws -> MatrixRounding? {
    guard let left = matrix(part, layer, sources[0]), let right = matrix(part, layer, sources[1]),
      left.shape == right.shape, left.shape.isMatrix, !left.shape.hasLongRows
    else { return nil }
    do {
      // In one basis these may be other matrices than those whose scales were compared.
      let scales = hasRotation ? agreement(part, layer, in: sources) : scales[name]
      guard let rule = try rule((sources[0], left), (sources[1], right), scales),
        let first = try WeightRows(sources[0], left, work), let second = try WeightRows(sources[1], right, work)
      else { return nil }
      var beside = rule.isOfScales ? try ScalesBeside((sources[0], left), (sources[1], right)) : nil
      var found = FoundRounding(rule, columns: left.shape.columns, areDense: beside?.areDense == true)
      let encoded = isCutAsStored(part) ? try BlockComparison.proof((sources[0], left), (sources[1], right)) : nil
      var proof = encoded?.proof
      for band in left.shape.bands(elements: bandBytes / 8) {
        try work.parallelism.cancellation.check()
        let (one, two) = (try first.values(band), try second.values(band))
        if let encoded { encoded.isFirst ? proof?.add(two, one) : proof?.add(one, two) }
        beside?.add(one, two, band)
        found.add(one, two, isOrdinary: beside?.isOrdinary != false)
      }
      var result = found.result(beside?.agreement ?? scales)
      if let proof { result.note(proof.verdict) }
      return result
    } catch let error as any DiagnosticError where error.category == .malformedInput || error.category == .misuse {
      // What this reader cannot decode is bounded by its type, as before the numbers were looked at.
      return nil
    }
  }

  /// Embeddings and heads are encoded as they are; of other matrices in blocks only steps are compared.
  private func isCutAsStored(_ part: ModulePart) -> Bool { part == .embedding || part == .head }

  /// Steps whose blocks can be held against the other side's numbers, encoded.
  func encodable(of names: [String]) -> [String] {
    names.filter { name in
      guard let (part, layer) = place(name), isCutAsStored(part), let left = matrix(part, layer, sources[0]),
        let right = matrix(part, layer, sources[1])
      else { return false }
      return (try? BlockComparison.proof((sources[0], left), (sources[1], right))) != nil
    }
  }

  /// Of numbers in blocks: each by what its type takes of a row; of a type whose rounding is not known, equal ones.
  private static func ruleOfBlocks(
    _ sides: [(source: any TensorSource, tensor: TensorDescriptor)]
  ) -> RoundingRule? {
    let names = sides.map { blockType(of: $0.tensor, in: $0.source) }
    guard names != [nil, nil] else { return nil }
    guard let coarsest = names.compactMap({ $0.flatMap(StoredRounding.init(blocks:)) }).max() else {
      return names[0] == names[1] ? .equal : nil
    }
    return .blocks(size: coarsest == .sixBits ? 256 : 32, share: coarsest.rowBound)
  }

  /// Nil where nothing tells rounding from another number.
  private func rule(
    _ left: (source: any TensorSource, tensor: TensorDescriptor),
    _ right: (source: any TensorSource, tensor: TensorDescriptor), _ scales: ScaleAgreement?
  ) throws -> RoundingRule? {
    let sides = [left, right]
    if let rule = StepBounds.ruleOfBlocks(sides) { return rule }
    let blocks = sides.map { ($0.source as? any ModelView)?.unfoldedBlock(of: $0.tensor) }
    let numbers = try zip(sides, blocks).compactMap { side, block -> StoredNumbers? in
      let stored = side.source.storedInGGUF(side.tensor)
      // Unfolded from trits: exact but for the sums.
      if block != nil, stored.encoding.isTernary { return StoredNumbers(.f32) }
      if side.tensor.encoding.isTernary { return StoredNumbers(try side.source.scale(of: side.tensor)) }
      return stored.encoding.dtype.flatMap { $0.isFloatWeight ? StoredNumbers($0) : nil }
    }
    guard numbers.count == 2 else { return nil }
    if let size = blocks.compactMap({ $0 }).max() {
      let isLeft = blocks[0] != nil
      if blocks[0] == nil || blocks[1] == nil, numbers[isLeft ? 0 : 1] == StoredNumbers(.f32) {
        return .unfolded(size: size, left: isLeft ? nil : numbers[0], right: isLeft ? numbers[1] : nil)
      }
      // Beside the stored types, the Float an unfolded number is rounded to.
      return .blocks(size: size, share: numbers.reduce(0x1p-22) { $0 + StoredNumbers.share($1.type) })
    }
    if let scales { return scales.agrees ? .trits : .equal }
    if sides.contains(where: { $0.tensor.encoding.isTernary }) { return .trits }
    return RoundingRule(numbers[0], numbers[1])
  }
}

/// A matrix by the rule of its types, and of dense numbers by what those types may hold.
private struct FoundRounding {
  private let columns: Int
  private var first: MatrixRounding
  /// Trits times scales, where dense numbers are such on both sides.
  private var trits: MatrixRounding?
  /// Of numbers that another type had rounded before.
  private var other: MatrixRounding?
  private let rules: (first: RoundingRule, other: RoundingRule?)

  init(_ rule: RoundingRule, columns: Int, areDense: Bool) {
    self.columns = columns
    rules = (rule, areDense ? rule.ofOtherTypes : nil)
    first = MatrixRounding([], [], columns: columns, rule)
    trits = areDense ? MatrixRounding([], [], columns: columns, .trits) : nil
    other = rules.other.map { MatrixRounding([], [], columns: columns, $0) }
  }

  mutating func add(_ left: [Float], _ right: [Float], isOrdinary: Bool) {
    first.append(MatrixRounding(left, right, columns: columns, rules.first))
    if let rule = rules.other { other?.append(MatrixRounding(left, right, columns: columns, rule)) }
    if isOrdinary { trits = nil }
    trits?.append(MatrixRounding(left, right, columns: columns, .trits))
  }

  func result(_ scales: ScaleAgreement?) -> MatrixRounding {
    if let scales {
      // What the scales are decides, as where trits are stored as such.
      var result = trits.flatMap { $0.isExplained ? $0 : nil } ?? first
      result.note(scales)
      return result
    }
    // Few numbers that are others were not rounded with the rest.
    return other.flatMap { !first.isExplained && $0.isExplained && $0.isOfMost ? $0 : nil } ?? first.asAWhole
  }
}
