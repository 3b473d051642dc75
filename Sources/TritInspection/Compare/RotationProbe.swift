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
  private static let numberLimit = 1 << 20
  /// Sizes of blocks that are tried; published ones are 512 to 4096.
  private static let sizes = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192]
  /// What may be left of the weights' length: storage types take up to 2⁻⁸ on each side. Of unrelated weights more than
  /// all of it is left.
  private static let explained = 0x1p-7
  private static let unrelated = 0.9
  /// What rounding to trits leaves at most: 0.43 to 0.51 of Gaussian numbers. A size half or twice the right one leaves
  /// 0.77, and signs that fit a few rows by chance as much.
  private static let rounded = 0.6
  private static let rowsForRounded = 16

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
  }

  /// What rows of one matrix show.
  struct Look {
    /// ‖first − second‖ ÷ ‖second‖.
    var distance: Double
    /// Guesses that leave what storing takes.
    var exact: [Guess: Match] = [:]
    /// Guesses that leave what rounding to trits does.
    var rough: [Guess: Match] = [:]

    var isUnlike: Bool { distance > RotationProbe.unrelated }
  }

  struct Vote {
    var tensors = 0
    var hasSigns = false
    var left = 0.0

    mutating func add(_ found: Match) {
      tensors += 1
      hasSigns = hasSigns || found.hasSigns
      left = max(left, found.share)
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
    let step = max(1, Checked.parts(names.count, of: RotationProbe.tensorLimit))
    var looks: [Look] = []
    for index in stride(from: 0, to: names.count, by: step) {
      if let look = try look(names[index]) { looks.append(look) }
    }
    guard !looks.isEmpty else { return nil }
    for isRounded in [false, true] {
      let votes = RotationProbe.votes(looks, isRounded)
      guard let guess = RotationProbe.best(votes), let vote = votes[guess] else { continue }
      return finding(guess, vote, votes, isRounded, of: "\(looks.count) tensors looked at")
    }
    guard looks.allSatisfy(\.isUnlike) else { return nil }
    return Finding(
      text: "the weights of \(looks.count) tensors looked at have nothing in common, and unfolding, in blocks of "
        + "\(RotationProbe.sizesText), does not explain that")
  }

  static func votes(_ looks: [Look], _ isRounded: Bool) -> [Guess: Vote] {
    var result: [Guess: Vote] = [:]
    for look in looks {
      for (guess, match) in isRounded ? look.rough : look.exact { result[guess, default: Vote()].add(match) }
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
  func finding(_ guess: Guess, _ vote: Vote, _ votes: [Guess: Vote], _ isRounded: Bool, of whole: String) -> Finding {
    let start =
      "unfolding explains the difference of \(vote.tensors) of \(whole)"
      + (isRounded ? " but for \(NumberText.percent(vote.left)) of their length, as rounding does: " : ": ")
    let end = " and does not say so; programs load it and compute nonsense"
    // H is its own inverse: without signs each is the other's, rotated.
    if !isRounded, votes[Guess(firstIsRotated: !guess.firstIsRotated, size: guess.size)]?.tensors == vote.tensors {
      return Finding(
        rotated: .either,
        text: start + "one of the two holds the other's weights rotated, in blocks of \(guess.size) without signs,"
          + end)
    }
    let (rotated, ordinary) = guess.firstIsRotated ? (first, second) : (second, first)
    return Finding(
      rotated: guess.firstIsRotated ? .first : .second,
      text: start + "\(printable(rotated.manifest.path)) holds the weights of \(printable(ordinary.manifest.path)) "
        + "rotated, in blocks of \(guess.size) \(vote.hasSigns ? "with" : "without") signs,"
        + (isRounded ? " and rounded then," : "") + end)
  }

  /// Matrices that one guess explains.
  struct Group {
    var guess: Guess
    var vote: Vote
    var votes: [Guess: Vote]
    var isRounded: Bool
    /// Their places in the list that was looked at.
    var places: [Int]
  }

  /// The guesses that explain anything, each with its matrices; the one that explains most comes first.
  static func groups(_ looks: [Look?]) -> [Group] {
    var rest = Array(looks.indices)
    var groups: [Group] = []
    for isRounded in [false, true] {
      func matches(_ place: Int) -> [Guess: Match]? { isRounded ? looks[place]?.rough : looks[place]?.exact }
      while true {
        let votes = votes(rest.compactMap { looks[$0] }, isRounded)
        guard let guess = best(votes), let vote = votes[guess] else { break }
        let places = rest.filter { matches($0)?[guess] != nil }
        rest.removeAll { matches($0)?[guess] != nil }
        groups.append(Group(guess: guess, vote: vote, votes: votes, isRounded: isRounded, places: places))
      }
    }
    return groups
  }

  /// How alike the rows of a matrix are in the two, whatever their scales.
  struct Likeness {
    /// The cosine between all rows, one behind the other.
    var cosine: Double
    /// The least of a row's own. Rows shorter than half of what is usual are left out: quantized with a scale for several
    /// rows they have few trits, if any.
    var least: Double
  }

  /// Nil where there are no numbers to compare.
  ///
  /// - Parameter numbersAreFirst: which of the two trits were made of; its rows tell how long is usual.
  func likeness(_ name: String, numbersAreFirst: Bool) throws -> Likeness? {
    guard let left = first.manifest.tensor(named: name), let right = second.manifest.tensor(named: name),
      left.shape == right.shape, let a = try WeightRows(first, left, work), let b = try WeightRows(second, right, work)
    else { return nil }
    let (rows, columns) = (left.shape.rows, left.shape.columns)
    guard columns > 0, columns <= RotationProbe.numberLimit else { return nil }
    var sums: [(product: Double, numbers: Double, trits: Double)] = []
    sums.reserveCapacity(rows)
    let step = max(1, RotationProbe.numberLimit / columns)
    for start in stride(from: 0, to: rows, by: step) {
      let band = left.shape.band(start..<min(rows, start + step))
      let (ours, theirs) = (try a.values(band), try b.values(band))
      for row in 0..<band.rows.count {
        var sum = (product: 0.0, numbers: 0.0, trits: 0.0)
        for place in row * columns..<(row + 1) * columns {
          let (x, y) = (Double(ours[place]), Double(theirs[place]))
          sum.product += x * y
          sum.numbers += numbersAreFirst ? x * x : y * y
          sum.trits += numbersAreFirst ? y * y : x * x
        }
        sums.append(sum)
      }
    }
    let all = sums.reduce((product: 0.0, numbers: 0.0, trits: 0.0)) {
      ($0.product + $1.product, $0.numbers + $1.numbers, $0.trits + $1.trits)
    }
    guard all.numbers > 0, all.trits > 0 else { return nil }
    let usual = all.numbers / Double(rows)
    let least = sums.filter { $0.numbers * 4 >= usual }
      .map { $0.trits > 0 ? $0.product / ($0.numbers * $0.trits).squareRoot() : 0 }.min()
    return Likeness(cosine: all.product / (all.numbers * all.trits).squareRoot(), least: least ?? 0)
  }

  /// What rows of a matrix show; nil where there is nothing to learn.
  ///
  /// - Parameter takesPlain: guess as well that nothing but signs of columns stands between the two.
  func look(_ name: String, takesPlain: Bool = false) throws -> Look? {
    guard let sample = try sample(name) else { return nil }
    var look = Look(distance: sample.distance)
    for guess in RotationProbe.guesses(sample.columns, takesPlain: takesPlain) {
      let (ordinary, rotated) = guess.firstIsRotated ? (sample.second, sample.first) : (sample.first, sample.second)
      let match = RotationProbe.match(rotated, ordinary, columns: sample.columns, size: guess.size)
      if match.share < RotationProbe.explained {
        look.exact[guess] = match
      } else if look.isUnlike, match.share < RotationProbe.rounded,
        sample.first[0].count / sample.columns >= RotationProbe.rowsForRounded
      {
        look.rough[guess] = match
      }
    }
    return look
  }

  private static func guesses(_ columns: Int, takesPlain: Bool) -> [Guess] {
    (takesPlain ? [1] : []).map { Guess(firstIsRotated: true, size: $0) }
      + sizes.filter { columns % $0 == 0 }.flatMap { size in
        [true, false].map { Guess(firstIsRotated: $0, size: size) }
      }
  }

  private struct Sample {
    var columns: Int
    /// Rows, as they are read and in every other order of columns that they may have been rotated in.
    var first: [[Float]]
    var second: [[Float]]
    /// ‖first − second‖ ÷ ‖second‖.
    var distance: Double
  }

  /// Rows spread over a matrix, of both models; nil where there is nothing to learn.
  private func sample(_ name: String) throws -> Sample? {
    guard let left = first.manifest.tensor(named: name), let right = second.manifest.tensor(named: name),
      left.shape == right.shape, left.shape.rows > 0,
      (RotationProbe.sizes[0]...RotationProbe.numberLimit).contains(left.shape.columns),
      let a = try WeightRows(first, left, work), let b = try WeightRows(second, right, work)
    else { return nil }
    let (rows, columns) = (left.shape.rows, left.shape.columns)
    let limit = min(RotationProbe.rowLimit, RotationProbe.numberLimit / columns)
    let step = max(1, rows / limit)
    var (ours, theirs): ([Float], [Float]) = ([], [])
    for row in stride(from: 0, to: rows, by: step).prefix(limit) {
      let band = left.shape.band(row..<row + 1)
      ours += try a.values(band)
      theirs += try b.values(band)
    }
    var sample = Sample(columns: columns, first: [ours], second: [theirs], distance: 0)
    if let order = storedOrder(name, columns) {
      sample.first.append(RotationProbe.ordered(ours, order))
      sample.second.append(RotationProbe.ordered(theirs, order))
    }
    var (difference, size) = (0.0, 0.0)
    for (x, y) in zip(ours, theirs) {
      difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
      size += Double(y) * Double(y)
    }
    guard size > 0, size.isFinite, difference.isFinite else { return nil }
    sample.distance = (difference / size).squareRoot()
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
    var (left, length) = (0.0, 0.0)
    for start in stride(from: 0, to: values.count, by: width) {
      for column in 0..<width {
        let (value, weight) = (values[start + column], Double(ordinary[start + column]))
        let difference = (agreement[column] < 0 ? -value : value) - weight
        left += difference * difference
        length += weight * weight
      }
    }
    return Match(share: (left / length).squareRoot(), hasSigns: agreement.contains { $0 < 0 })
  }
}
