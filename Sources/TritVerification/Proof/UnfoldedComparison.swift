// Tritsmith: rotated weights held against ordinary ones.

import TritCore
import TritModel
import TritReport
import TritSurvey

/// Compares a tensor that is rotated in one model with the ordinary one of another.
///
/// A rotation keeps lengths, so that of a block the rounding of the stored numbers is as large after unfolding as before:
/// at most 2⁻¹¹ of the block's length in F16. Larger differences are no rounding.
package struct UnfoldedComparison {
  private let first: WeightRows
  private let second: WeightRows
  private let blockSize: Int
  /// The share of a block's length that rounding may take.
  private let share: Double
  /// Beyond that, what F16 loses of numbers below its smallest normal one.
  private let floor: Double
  /// Of an exact matrix beside an ordinary one of 16 bits: each number must be the unfolded one, rounded.
  private let rounding: Rounding?
  private let types: String
  private let work: WorkOptions

  private struct Rounding {
    let type: DType
    let isFirstUnfolded: Bool
  }

  package enum Outcome {
    case same(RoundingReport, detail: String)
    case other(blocks: Int, detail: String)
  }

  /// Nil where neither tensor was unfolded, or one is of a type that holds no numbers.
  package init?(
    _ first: any TensorSource, _ left: TensorDescriptor, _ second: any TensorSource, _ right: TensorDescriptor,
    _ work: WorkOptions
  ) throws {
    let sides = [(first, left), (second, right)]
    let sizes = sides.compactMap { source, tensor in
      (source as? any ModelView)?.unfoldedBlock(of: tensor)
    }
    guard let blockSize = sizes.max(), let a = try WeightRows(first, left, work),
      let b = try WeightRows(second, right, work)
    else { return nil }
    (self.first, self.second, self.blockSize, self.work) = (a, b, blockSize, work)
    let stored = sides.map { source, tensor in source.storedInGGUF(tensor) }
    // Beside the stored types, the Float an unfolded number is rounded to.
    share = stored.reduce(0x1p-22) { $0 + (StoredRounding(of: $1.encoding)?.share ?? 0) }
    floor = stored.contains { $0.encoding == .dense(.f16) } ? 0x1p-24 * Double(blockSize).squareRoot() : 0
    rounding = UnfoldedComparison.rounding(sides)
    types = stored.map(\.encoding.name).joined(separator: " and ")
  }

  /// Nil where the rotated matrix is no exact one of trits, or the other is none of 16 bits.
  private static func rounding(_ sides: [(any TensorSource, TensorDescriptor)]) -> Rounding? {
    let isUnfolded = sides.map { source, tensor in (source as? any ModelView)?.unfoldedBlock(of: tensor) != nil }
    guard isUnfolded[0] != isUnfolded[1] else { return nil }
    let stored = sides.map { source, tensor in source.storedInGGUF(tensor).encoding }
    let place = isUnfolded[0] ? 0 : 1
    guard stored[place].isTernary, case .dense(let type) = stored[1 - place], type == .f16 || type == .bf16 else {
      return nil
    }
    return Rounding(type: type, isFirstUnfolded: place == 0)
  }

  /// Whether numbers of a block are the unfolded ones, rounded once, or after F16. Sums in Float are off by a share of the
  /// block's mean number, in any order of them.
  private func areRounded(_ left: [Float], _ right: [Float], _ block: Range<Int>) -> Bool {
    guard let rounding else { return true }
    let (exact, stored) = rounding.isFirstUnfolded ? (left, right) : (right, left)
    let square = block.reduce(0.0) { $0 + Double(exact[$1]) * Double(exact[$1]) }
    let sums = 0x1p-20 * (square / Double(block.count)).squareRoot()
    return block.allSatisfy { index in
      let ends = [-sums, sums].map { Float(Double(exact[index]) + $0) }
      return [DType.f32, .f16].contains { way in
        let rounded = ends.map { TernaryScale.rounded(TernaryScale.rounded($0, to: way), to: rounding.type) }
        return rounded[0] <= stored[index] && stored[index] <= rounded[1]
      }
    }
  }

  /// - Throws: what reading throws, and `CancellationFailure`.
  package func run() throws -> Outcome {
    let columns = first.tensor.shape.columns
    var report = RoundingReport()
    var worst = (share: 0.0, row: 0, column: 0)
    var blocks = 0
    for band in first.tensor.shape.bands(elements: bandBytes / 8) {
      try work.parallelism.cancellation.check()
      let (left, right) = (try first.values(band), try second.values(band))
      report.count += left.count
      var place = 0
      while place < left.count {
        let block = place..<min(left.count, place + blockSize)
        let (error, size) = compare(left, right, block, &report)
        let own = size > 0 ? error / size : error > 0 ? .infinity : 0
        // What is no number is no rounding either.
        let isRounding = error <= share * size + floor && areRounded(left, right, block)
        if !isRounding { blocks += 1 }
        // Beside what rounding takes of others, the share of a wrong block may be small.
        if blocks == 0 ? own > worst.share : !isRounding && (blocks == 1 || !(own <= worst.share)) {
          let (row, column) = (band.elements.lowerBound + place).quotientAndRemainder(dividingBy: columns)
          worst = (own, row, column)
        }
        place = block.upperBound
      }
    }
    func percent(_ share: Double) -> String { RoundingReport.text(share * 100) + " %" }
    guard blocks == 0 else {
      let bound =
        rounding == nil ? "explains \(percent(share))" : "explains \(percent(share)), and no other number beside each"
      return .other(
        blocks: blocks,
        detail: "differs once unfolded: \(blocks) blocks of \(blockSize), that of row \(worst.row), column "
          + "\(worst.column) by \(percent(worst.share)) of its size; rounding of \(types) \(bound)")
    }
    return .same(
      report,
      detail: report.changed == 0
        ? "every value equal once unfolded"
        : "equal once unfolded but for the rounding of \(types): \(grouped(report.changed)) of \(grouped(report.count)) values, by at most "
          + "\(RoundingReport.text(report.largest)), \(percent(worst.share)) of their block")
  }

  private func compare(
    _ left: [Float], _ right: [Float], _ block: Range<Int>, _ report: inout RoundingReport
  ) -> (error: Double, size: Double) {
    var (error, a, b) = (0.0, 0.0, 0.0)
    for index in block {
      let (x, y) = (Double(left[index]), Double(right[index]))
      a += x * x
      b += y * y
      guard x != y else { continue }
      report.add(left[index], right[index])
      error += (x - y) * (x - y)
    }
    return (error.squareRoot(), max(a, b).squareRoot())
  }
}
