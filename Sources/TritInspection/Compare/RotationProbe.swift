// Tritsmith: telling that weights are rotated from a second model.

import TritCore
import TritModel
import TritReport
import TritSurvey
import TritVerification

/// Asks of tensors that differ whether one of two models holds the weights of the other rotated, and does not say so.
///
/// A rotated file without its keys is a sound file of another model: no header tells. Beside the ordinary weights W the
/// rotated ones W′ give them away: W′·H is W but for a sign for each column, in blocks of one size.
struct RotationProbe {
  let first: any TensorSource
  let second: any TensorSource
  let work: WorkOptions
  /// What tells in which order GGUF files have columns; nil where no family is known.
  private let description: ModelDescription?

  init(first: any TensorSource, second: any TensorSource, work: WorkOptions) {
    (self.first, self.second, self.work) = (first, second, work)
    description =
      [first, second].lazy.compactMap { source in
        (source as? GGUFModelView)?.statedDescription ?? (try? ModelDescription.read(source))
      }.first
  }

  static var sizesText: String { "\(sizes[0]) to \(sizes.last ?? 0)" }
  private static let tensorLimit = 6
  private static let rowLimit = 32
  /// Numbers of a matrix that are looked at; rows of more are left alone.
  static let numberLimit = 1 << 20
  /// Sizes of blocks that are tried; published ones are 512 to 4096.
  private static let sizes = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192]
  /// What may be left of the weights' length: storage types take up to 2⁻⁸ on each side. Of unrelated weights more than
  /// all of it is left.
  static let explained = 0x1p-7
  private static let unrelated = 0.9
  /// What rounding to trits leaves at most: 0.43 to 0.51 of Gaussian numbers. A size half or twice the right one leaves
  /// 0.77, and signs that fit a few rows by chance as much.
  static let rounded = 0.6
  private static let rowsForRounded = 16
  /// How far the nearest multiple of rounded numbers may be from once: below it what rounding to many bits leaves, above
  /// it in parts of the sine², of which trits whose scale is the mean leave 1.3 to 1.6.
  private static let multiples = (slack: 0x1p-5, perSine: 2.0)

  /// A way one model may be the other's, rotated.
  struct Guess: Hashable {
    var firstIsRotated: Bool
    var size: Int
  }

  /// How well a guess explains a matrix.
  struct Match {
    /// What is left of the ordinary weights' length.
    var share: Double
    var hasSigns: Bool
    /// By what the unfolded weights are to be multiplied to come nearest to the ordinary ones.
    var multiple = 1.0
    /// What is left of the ordinary weights' length then.
    var shareOfMultiple = Double.infinity

    /// How the guess explains the ordinary weights; nil where it does not.
    ///
    /// - Parameter isUnlike: whether the weights have nothing in common as they stand, in rows enough.
    func kind(isUnlike: Bool) -> Kind? {
      if share < RotationProbe.explained { return .exact }
      guard isUnlike else { return nil }
      if shareOfMultiple < RotationProbe.explained { return .scaled }
      let (slack, perSine) = RotationProbe.multiples
      let highest = 1 + slack + perSine * shareOfMultiple * shareOfMultiple
      return share < RotationProbe.rounded && (1 - slack...highest).contains(multiple) ? .rounded : nil
    }
  }

  /// What a guess leaves of a difference.
  enum Kind: CaseIterable {
    /// What storing takes.
    case exact
    /// One factor for the whole matrix.
    case scaled
    /// What rounding to trits does.
    case rounded
  }

  /// What rows of one matrix show.
  struct Look {
    /// ‖first − second‖ ÷ ‖second‖.
    var distance: Double
    /// Whether all rows were looked at.
    var isWhole: Bool
    var matches: [Kind: [Guess: Match]] = [:]

    var isUnlike: Bool { distance > RotationProbe.unrelated }
  }

  struct Vote {
    var tensors = 0
    var hasSigns = false
    var left = 0.0
    /// Whether all rows of all of them were looked at.
    var isWhole = true
    /// What the rotated weights are the ordinary ones' times.
    var factors: ClosedRange<Double>?

    mutating func add(_ found: Match, _ look: Look) {
      tensors += 1
      hasSigns = hasSigns || found.hasSigns
      left = max(left, found.share)
      isWhole = isWhole && look.isWhole
      let factor = 1 / found.multiple
      factors = min(factors?.lowerBound ?? factor, factor)...max(factors?.upperBound ?? factor, factor)
    }

    /// How much was looked at, behind "of 3 of 4 tensors"; nothing for all of it.
    var extent: String { isWhole ? "" : ", as far as \(RotationProbe.rowLimit) rows of each show" }

    /// "times 1.5".
    var factorText: String {
      let bounds = factors.map { [$0.lowerBound, $0.upperBound] } ?? []
      let texts = bounds.map { NumberText.significant($0, digits: 3) }
      return "times " + (texts.first == texts.last ? texts.prefix(1).joined() : texts.joined(separator: " to "))
    }
  }

  /// What unfolding was found to explain.
  struct Finding {
    enum Side {
      case first, second
      /// Without signs each is the other's, rotated.
      case either
    }

    /// The model whose weights are rotated; nil where unfolding does not explain the difference.
    var rotated: Side?
    /// A sentence.
    var text: String
  }

  /// Whether unfolding explains the differences; nil where they look like something else.
  ///
  /// - Parameter names: of matrices that differ and that not both models say to be rotated.
  func finding(_ names: [String]) throws -> Finding? {
    let looks = try RotationProbe.spread(names).compactMap { try look($0) }
    guard !looks.isEmpty else { return nil }
    for kind in Kind.allCases {
      let votes = RotationProbe.votes(looks, kind)
      guard let guess = RotationProbe.best(votes), let vote = votes[guess] else { continue }
      return finding(guess, vote, votes, kind, of: "\(plural(looks.count, "tensor")) looked at")
    }
    guard looks.allSatisfy(\.isUnlike) else { return nil }
    return Finding(
      text:
        "the weights of \(plural(looks.count, "tensor")) looked at have nothing in common, and unfolding, in blocks "
        + "of \(RotationProbe.sizesText), does not explain that")
  }

  /// A few of many, from the first on.
  static func spread<Element>(_ all: [Element]) -> [Element] {
    let step = max(1, Checked.parts(all.count, of: tensorLimit))
    return stride(from: 0, to: all.count, by: step).map { all[$0] }
  }

  static func votes(_ looks: [Look], _ kind: Kind) -> [Guess: Vote] {
    var result: [Guess: Vote] = [:]
    for look in looks {
      for (guess, match) in look.matches[kind] ?? [:] { result[guess, default: Vote()].add(match, look) }
    }
    return result
  }

  /// The guess that most tensors speak for.
  static func best(_ votes: [Guess: Vote]) -> Guess? {
    // Blocks of one matrix are told exactly; of several sizes that fit, which only zeros have, the smallest.
    let sorted = votes.sorted {
      ($0.key.size, $0.key.firstIsRotated ? 0 : 1) < ($1.key.size, $1.key.firstIsRotated ? 0 : 1)
    }
    return sorted.max { $0.value.tensors < $1.value.tensors }?.key
  }

  /// What a guess explains, in words.
  ///
  /// - Parameter whole: how many tensors it was asked of.
  func finding(_ guess: Guess, _ vote: Vote, _ votes: [Guess: Vote], _ kind: Kind, of whole: String) -> Finding {
    let left =
      switch kind {
      case .exact: ""
      case .scaled: " but for a factor"
      case .rounded: " but for \(NumberText.percent(vote.left)) of their length, as rounding does"
      }
    let start = "unfolding explains the difference of \(vote.tensors) of \(whole)\(vote.extent)\(left): "
    let end = " and does not say so; programs load it and compute nonsense"
    // H is its own inverse: without signs each is the other's, rotated.
    if kind != .rounded, votes[Guess(firstIsRotated: !guess.firstIsRotated, size: guess.size)]?.tensors == vote.tensors
    {
      return Finding(
        rotated: .either,
        text: start + "one of the two holds the other's weights rotated, in blocks of \(guess.size) without signs,"
          + end)
    }
    let (rotated, ordinary) = guess.firstIsRotated ? (first, second) : (second, first)
    let rest =
      switch kind {
      case .exact: ""
      case .scaled: " \(vote.factorText),"
      case .rounded: " and rounded then,"
      }
    return Finding(
      rotated: guess.firstIsRotated ? .first : .second,
      text: start + "\(printable(rotated.manifest.path)) holds the weights of \(printable(ordinary.manifest.path)) "
        + "rotated, in blocks of \(guess.size) \(vote.hasSigns ? "with" : "without") signs,\(rest)\(end)")
  }

  /// Matrices that one guess explains.
  struct Group {
    var guess: Guess
    var vote: Vote
    var votes: [Guess: Vote]
    var kind: Kind
    /// Their places in the list that was looked at.
    var places: [Int]
  }

  /// The guesses that explain anything, each with its matrices; the one that explains most comes first.
  static func groups(_ looks: [Look?]) -> [Group] {
    var rest = Array(looks.indices)
    var groups: [Group] = []
    for kind in Kind.allCases {
      func matches(_ place: Int) -> [Guess: Match]? { looks[place]?.matches[kind] }
      while true {
        let votes = votes(rest.compactMap { looks[$0] }, kind)
        guard let guess = best(votes), let vote = votes[guess] else { break }
        let places = rest.filter { matches($0)?[guess] != nil }
        rest.removeAll { matches($0)?[guess] != nil }
        groups.append(Group(guess: guess, vote: vote, votes: votes, kind: kind, places: places))
      }
    }
    return groups
  }

  /// What rows of a matrix show; nil where there is nothing to learn.
  ///
  /// - Parameter takesPlain: guess as well that nothing but signs of columns stands between the two.
  func look(_ name: String, takesPlain: Bool = false) throws -> Look? {
    guard let sample = try sample(name) else { return nil }
    var look = Look(distance: sample.distance, isWhole: sample.isWhole)
    let isUnlike = look.isUnlike && sample.first[0].count / sample.columns >= RotationProbe.rowsForRounded
    for guess in RotationProbe.guesses(sample.columns, takesPlain: takesPlain) {
      let (ordinary, rotated) = guess.firstIsRotated ? (sample.second, sample.first) : (sample.first, sample.second)
      let match = RotationProbe.match(rotated, ordinary, columns: sample.columns, size: guess.size)
      if let kind = match.kind(isUnlike: isUnlike) { look.matches[kind, default: [:]][guess] = match }
    }
    return look
  }

  /// How far a matrix of the first is from the second's, neither unfolded, columns in the order that fits best:
  /// ‖first − second‖ ÷ ‖second‖.
  func distance(_ name: String) throws -> Double? {
    guard let sample = try sample(name) else { return nil }
    return sample.first.flatMap { ours in sample.second.compactMap { RotationProbe.distance(ours, $0) } }.min()
  }

  /// The same of a row that half of those looked at are no further off than; columns as they stand.
  func middleDistance(_ name: String) throws -> Double? {
    guard let sample = try sample(name) else { return nil }
    let (ours, theirs, width) = (sample.first[0], sample.second[0], sample.columns)
    let distances = stride(from: 0, to: ours.count, by: width).compactMap { start in
      let row = start..<start + width
      return RotationProbe.distance(Array(ours[row]), Array(theirs[row]))
    }.sorted()
    return distances.isEmpty ? nil : distances[distances.count / 2]
  }

  private static func distance(_ ours: [Float], _ theirs: [Float]) -> Double? {
    var (difference, size) = (0.0, 0.0)
    for (x, y) in zip(ours, theirs) {
      difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
      size += Double(y) * Double(y)
    }
    guard size > 0, size.isFinite, difference.isFinite else { return nil }
    return (difference / size).squareRoot()
  }

  private static func guesses(_ columns: Int, takesPlain: Bool) -> [Guess] {
    (takesPlain ? [1] : []).map { Guess(firstIsRotated: true, size: $0) }
      + sizes.filter { columns % $0 == 0 }.flatMap { size in
        [true, false].map { Guess(firstIsRotated: $0, size: size) }
      }
  }

  private struct Sample {
    var columns: Int
    var isWhole: Bool
    /// Rows, as they are read and in every other order of columns that they may have been rotated in.
    var first: [[Float]]
    var second: [[Float]]
    /// ‖first − second‖ ÷ ‖second‖.
    var distance: Double
  }

  /// A matrix of both models.
  struct RowPair {
    let shape: TensorShape
    fileprivate let readers: (first: WeightRows, second: WeightRows)

    func values(_ rows: Range<Int>) throws -> (first: [Float], second: [Float]) {
      let band = shape.band(rows)
      return try (readers.first.values(band), readers.second.values(band))
    }
  }

  /// Nil where one of the two has no such numbers, none at all, or rows that are too long.
  func rows(_ name: String) throws -> RowPair? {
    guard let left = first.manifest.tensor(named: name), let right = second.manifest.tensor(named: name),
      left.shape == right.shape, left.shape.rows > 0,
      (1...RotationProbe.numberLimit).contains(left.shape.columns),
      let a = try WeightRows(first, left, work), let b = try WeightRows(second, right, work)
    else { return nil }
    return RowPair(shape: left.shape, readers: (a, b))
  }

  /// Rows spread over a matrix, of both models; nil where there is nothing to learn.
  private func sample(_ name: String) throws -> Sample? {
    guard let pair = try self.rows(name), pair.shape.columns >= RotationProbe.sizes[0] else { return nil }
    let (rows, columns) = (pair.shape.rows, pair.shape.columns)
    let limit = min(RotationProbe.rowLimit, RotationProbe.numberLimit / columns)
    let step = max(1, rows / limit)
    var (ours, theirs): ([Float], [Float]) = ([], [])
    for row in stride(from: 0, to: rows, by: step).prefix(limit) {
      let values = try pair.values(row..<row + 1)
      ours += values.first
      theirs += values.second
    }
    // Zeros are rotated nothing, on either side.
    guard ours.contains(where: { $0 != 0 }), let distance = RotationProbe.distance(ours, theirs) else { return nil }
    var sample = Sample(
      columns: columns, isWhole: rows <= limit, first: [ours], second: [theirs], distance: distance)
    if let order = storedOrder(name, columns) {
      sample.first.append(RotationProbe.ordered(ours, order))
      sample.second.append(RotationProbe.ordered(theirs, order))
    }
    return sample
  }

  /// For each column of a GGUF file the one of Hugging Face, where the two orders differ; rows may have been rotated in
  /// either.
  private func storedOrder(_ name: String, _ columns: Int) -> [Int]? {
    guard let description, let place = description.architecture.place(of: name),
      let order = try? description.columnPermutation(place, columns: columns, in: first.manifest.path)
    else { return nil }
    return (0..<columns).map { order.row(ofStored: $0) }
  }

  private static func ordered(_ rows: [Float], _ order: [Int]) -> [Float] {
    let width = order.count
    return stride(from: 0, to: rows.count, by: width).flatMap { start in order.map { rows[start + $0] } }
  }

  /// What is left of the ordinary weights' length once the rotated ones are unfolded, columns in the order that fits
  /// best.
  private static func match(_ rotated: [[Float]], _ ordinary: [[Float]], columns: Int, size: Int) -> Match {
    var best = Match(share: .infinity, hasSigns: false)
    for rows in rotated {
      var values = rows.map { Double($0) }
      Hadamard.transform(&values, size: size)
      for other in ordinary {
        let match = match(unfolded: values, other, columns: columns)
        if match.share < best.share { best = match }
      }
    }
    return best
  }

  /// The same with the signs that fit best.
  private static func match(unfolded values: [Double], _ ordinary: [Float], columns width: Int) -> Match {
    var agreement = [Double](repeating: 0, count: width)
    for start in stride(from: 0, to: values.count, by: width) {
      for column in 0..<width {
        agreement[column] += values[start + column] * Double(ordinary[start + column])
      }
    }
    var (left, length, product, square) = (0.0, 0.0, 0.0, 0.0)
    for start in stride(from: 0, to: values.count, by: width) {
      for column in 0..<width {
        let (value, weight) = (values[start + column], Double(ordinary[start + column]))
        let signed = agreement[column] < 0 ? -value : value
        left += (signed - weight) * (signed - weight)
        length += weight * weight
        product += signed * weight
        square += value * value
      }
    }
    var match = Match(share: (left / length).squareRoot(), hasSigns: agreement.contains { $0 < 0 })
    guard square > 0, product > 0 else { return match }
    match.multiple = product / square
    match.shareOfMultiple = max(0, 1 - product / square * (product / length)).squareRoot()
    return match
  }
}
