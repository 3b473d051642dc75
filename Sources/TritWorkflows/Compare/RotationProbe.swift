// Tritsmith: telling that weights are rotated from a second model.

import TritCore
import TritModel
import TritReport

/// Asks of tensors that differ whether one of two models holds the weights of the other rotated, and does not say so.
///
/// A rotated file without its keys is a sound file of another model: no header tells. Beside the ordinary weights W the
/// rotated ones W′ give them away: W′·H is W but for a sign for each column, in blocks of one size.
struct RotationProbe {
  let first: any TensorSource
  let second: any TensorSource
  let work: WorkOptions

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
  private struct Guess: Hashable {
    var firstIsRotated: Bool
    var size: Int
  }

  private struct Vote {
    var tensors = 0
    var hasSigns = false
    var left = 0.0

    mutating func add(_ found: (share: Double, hasSigns: Bool)) {
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
    var (looked, unlike) = (0, 0)
    var (exact, rough): ([Guess: Vote], [Guess: Vote]) = ([:], [:])
    for index in stride(from: 0, to: names.count, by: step) {
      guard let sample = try sample(names[index]) else { continue }
      looked += 1
      let isUnlike = sample.distance > RotationProbe.unrelated
      if isUnlike { unlike += 1 }
      for guess in RotationProbe.guesses(sample.columns) {
        let (ordinary, rotated) =
          guess.firstIsRotated ? (sample.second, sample.first) : (sample.first, sample.second)
        let left = RotationProbe.left(rotated, ordinary, columns: sample.columns, size: guess.size)
        if left.share < RotationProbe.explained {
          exact[guess, default: Vote()].add(left)
        } else if isUnlike, left.share < RotationProbe.rounded,
          sample.first.count / sample.columns >= RotationProbe.rowsForRounded
        {
          rough[guess, default: Vote()].add(left)
        }
      }
    }
    guard looked > 0 else { return nil }
    if let found = explanation(exact, looked) ?? explanation(rough, looked) { return found }
    guard unlike == looked else { return nil }
    return Finding(
      text: "the weights of \(looked) tensors looked at have nothing in common, and unfolding, in blocks of "
        + "\(RotationProbe.sizes[0]) to \(RotationProbe.sizes.last ?? 0), does not explain that")
  }

  /// The guess that most tensors speak for.
  private func explanation(_ votes: [Guess: Vote], _ looked: Int) -> Finding? {
    // Blocks of one matrix are told exactly; of several sizes that fit, which only zeros have, the smallest.
    let sorted = votes.sorted {
      ($0.key.size, $0.key.firstIsRotated ? 0 : 1) < ($1.key.size, $1.key.firstIsRotated ? 0 : 1)
    }
    guard let (guess, vote) = sorted.max(by: { $0.value.tensors < $1.value.tensors }) else { return nil }
    let isRounded = vote.left >= RotationProbe.explained
    let start =
      "unfolding explains the difference of \(vote.tensors) of \(looked) tensors looked at"
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

  private static func guesses(_ columns: Int) -> [Guess] {
    sizes.filter { columns % $0 == 0 }.flatMap { size in
      [true, false].map { Guess(firstIsRotated: $0, size: size) }
    }
  }

  private struct Sample {
    var columns: Int
    var first: [Float]
    var second: [Float]
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
    var sample = Sample(columns: columns, first: [], second: [], distance: 0)
    for row in stride(from: 0, to: rows, by: step).prefix(limit) {
      let band = left.shape.band(row..<row + 1)
      sample.first += try a.values(band)
      sample.second += try b.values(band)
    }
    var (difference, size) = (0.0, 0.0)
    for (x, y) in zip(sample.first, sample.second) {
      difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
      size += Double(y) * Double(y)
    }
    guard size > 0, size.isFinite, difference.isFinite else { return nil }
    sample.distance = (difference / size).squareRoot()
    return sample
  }

  /// What is left of the ordinary weights' length once the rotated ones are unfolded with the signs that fit best.
  private static func left(
    _ rotated: [Float], _ ordinary: [Float], columns: Int, size: Int
  ) -> (share: Double, hasSigns: Bool) {
    var values = rotated.map { Double($0) }
    Hadamard.transform(&values, size: size)
    var agreement = [Double](repeating: 0, count: columns)
    for index in values.indices { agreement[index % columns] += values[index] * Double(ordinary[index]) }
    var (left, length) = (0.0, 0.0)
    for index in values.indices {
      let weight = Double(ordinary[index])
      let difference = (agreement[index % columns] < 0 ? -values[index] : values[index]) - weight
      left += difference * difference
      length += weight * weight
    }
    return ((left / length).squareRoot(), agreement.contains { $0 < 0 })
  }
}
