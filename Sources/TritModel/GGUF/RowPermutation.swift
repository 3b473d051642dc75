// Tritsmith: the order of rows and columns in GGUF.

import LibC
import TritCore

/// The order of rows in GGUF files: of queries and keys in family `llama`, and of value heads in family `qwen35`.
///
/// Hugging Face rotates column i of a head with column i + D/2; llama.cpp rotates 2i with 2i + 1. With D rows a head:
/// stored row h·D + 2i + p is Hugging Face row h·D + p·D/2 + i, for p in 0, 1 and i below D/2.
///
/// Value heads of a delta net share key heads: in Hugging Face those of one key head follow each other, in GGUF they take
/// turns. With G key heads and T value heads of each: stored head t·G + g is Hugging Face head g·T + t. Columns that
/// are multiplied with value heads stand in the same order.
package struct RowPermutation: Sendable, Hashable {
  private enum Order: Sendable, Hashable {
    case rotatedPairs
    case turns(groups: Int, turns: Int)
  }

  package let headRows: Int
  private let order: Order
  /// Rows before the heads, which stay where they are.
  private let first: Int

  /// Rows of rotated heads; nil when rows cannot be cut into heads of an even number of rows.
  package init?(rows: Int, heads: Int) {
    guard heads > 0, rows > 0, rows % heads == 0, rows / heads % 2 == 0 else { return nil }
    headRows = rows / heads
    (order, first) = (.rotatedPairs, 0)
  }

  /// Rows of value heads that take turns; nil when they cannot be cut into that many heads.
  package init?(rows: Int, behind first: Int, groups: Int, heads: Int) {
    guard groups > 0, heads > 0, heads % groups == 0, first >= 0, rows > first, (rows - first) % heads == 0 else {
      return nil
    }
    headRows = (rows - first) / heads
    (order, self.first) = (.turns(groups: groups, turns: heads / groups), first)
  }

  /// Whether rows stay inside of their heads.
  var staysInHeads: Bool { order == .rotatedPairs }

  /// The Hugging Face row that is stored at a row.
  package func row(ofStored stored: Int) -> Int {
    switch order {
    case .rotatedPairs:
      let place = stored % headRows
      return stored - place + place % 2 * (headRows / 2) + place / 2
    case .turns(let groups, let turns): return moved(stored) { $0 % groups * turns + $0 / groups }
    }
  }

  /// The row a Hugging Face row is stored at.
  package func storedRow(of row: Int) -> Int {
    switch order {
    case .rotatedPairs:
      let place = row % headRows
      let half = headRows / 2
      return row - place + 2 * (place % half) + place / half
    case .turns(let groups, let turns): return moved(row) { $0 % turns * groups + $0 / turns }
    }
  }

  private func moved(_ row: Int, _ head: (Int) -> Int) -> Int {
    guard row >= first else { return row }
    let (number, inside) = (row - first).quotientAndRemainder(dividingBy: headRows)
    return first + head(number) * headRows + inside
  }
}

extension RowPermutation {
  /// The elements of a row, which stand in this order in a file, in Hugging Face's.
  func ordered<Element>(_ stored: [Element]) -> [Element] { stored.indices.map { stored[storedRow(of: $0)] } }

  /// Puts the elements of rows into the order of a file.
  package func reorder<Element>(_ values: inout [Element], columns: Int) {
    guard columns > 0 else { return }
    let places = (0..<columns).map { row(ofStored: $0) }
    for index in 0..<values.count / columns {
      let start = index * columns
      let row = Array(values[start..<start + columns])
      for (stored, column) in places.enumerated() { values[start + stored] = row[column] }
    }
  }
}

extension TernaryScale {
  /// The scales of columns that stand in another order; groups are cut until none holds columns of two heads.
  ///
  /// - Parameter source: the column that comes to stand at one.
  package func reordered(
    rows: Int, columns: Int, _ permutation: RowPermutation, _ source: (Int) -> Int
  ) -> TernaryScale {
    guard case .group(let size) = granularity, size > 0, columns > 0 else { return self }
    let width = TernaryScale.commonDivisor(size, permutation.headRows)
    let (coarse, fine) = (granularity.groups(columns: columns), columns / width)
    var values: [Float] = []
    values.reserveCapacity(rows * fine)
    for row in 0..<rows {
      for group in 0..<fine { values.append(stored[row * coarse + source(group * width) / size]) }
    }
    return TernaryScale(
      stored: values, storage: storage, convention: convention, granularity: .group(columns: width))
  }

  package static func commonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : commonDivisor(b, a % b) }
}

extension ModuleTemplate.StoredValues {
  /// A number of a GGUF file as Hugging Face's files hold it.
  func model(_ stored: Float) -> Float {
    switch self {
    case .same: stored
    case .onePlus: stored - 1
    case .minusExponential: Float(log(Double(-stored)))
    }
  }

  /// A number of Hugging Face's as a GGUF file holds it.
  package func stored(_ value: Float) -> Float {
    switch self {
    case .same: value
    case .onePlus: 1 + value
    case .minusExponential: Float(-exp(Double(value)))
    }
  }
}

extension ModuleTemplate.StoredValues {
  /// Whether two numbers are one as far as a file holds them: a step or two apart there, as programs round e^x, or a sum
  /// 1 + w that was added up in F16.
  package func areOne(_ left: Float, _ right: Float) -> Bool {
    let (a, b) = (stored(left), stored(right))
    return switch self {
    case .same: a == b
    case .onePlus: Self.areOneSum(a, b)
    case .minusExponential: abs(a - b) <= 2 * max(abs(a), abs(b)).ulp
    }
  }

  /// Whether two numbers may be one that went through a GGUF file and back, which holds Float: of sums that were added
  /// up in F16 nothing is said here.
  package func areOneStored(_ left: Float, _ right: Float) -> Bool {
    self == .onePlus ? stored(left) == stored(right) : areOne(left, right)
  }

  /// Whether two sums 1 + w are one, or one of them is the other as F16: llama.cpp's converter adds in that type where
  /// the checkpoint has it, and stores F32. Source: llama.cpp `conversion/qwen.py`.
  package static func areOneSum(_ left: Float, _ right: Float) -> Bool {
    left == right || HalfFloat(left).float == right || HalfFloat(right).float == left
  }
}

extension ModelDescription {
  /// The row order of a tensor in GGUF; nil when it is Hugging Face's.
  ///
  /// - Parameters:
  ///   - rows: of the tensor, or its elements when it is a vector.
  ///   - file: for errors.
  /// - Throws: `GGUFModelError` when rows and heads do not fit.
  package func permutation(
    _ place: ModulePlace, rows: Int, in file: String
  ) throws(GGUFModelError) -> RowPermutation? {
    try permutation(place.template.rowOrder, count: rows, place, file)
  }

  /// The same of columns.
  package func columnPermutation(
    _ place: ModulePlace, columns: Int, in file: String
  ) throws(GGUFModelError) -> RowPermutation? {
    try permutation(place.template.columnOrder, count: columns, place, file)
  }

  /// How many columns stay together where a GGUF file has columns in another order; nil where it has none so.
  package var columnsMovedTogether: Int? {
    guard let net = deltaNet, net.valueHeads != net.keyHeads,
      architecture.modules.contains(where: { $0.columnOrder == .valueHeads })
    else { return nil }
    return net.valueDimension
  }

  private func permutation(
    _ order: ModuleTemplate.RowOrder, count: Int, _ place: ModulePlace, _ file: String
  ) throws(GGUFModelError) -> RowPermutation? {
    let expected: String
    let found: RowPermutation?
    switch order {
    case .asGiven: return nil
    case .rotatedPairs:
      let heads = place.template.rows == .keys ? attention.keyValueHeads : attention.heads
      expected = "\(heads) heads of an even size"
      found = RowPermutation(rows: count, heads: heads)
    case .valueHeads, .valueHeadsBehindKeys:
      // One value head for each key head is either order.
      guard let net = deltaNet, net.valueHeads != net.keyHeads else { return nil }
      let keys = order == .valueHeads ? 0 : 2 * net.keyWidth
      expected = (keys == 0 ? "" : "\(keys) rows of keys and ") + "\(net.valueHeads) value heads of one size"
      found = RowPermutation(rows: count, behind: keys, groups: net.keyHeads, heads: net.valueHeads)
    }
    guard let found else {
      throw GGUFModelError(
        .headsDoNotFit(expected: expected, found: count), file: file, tensor: place.storedName ?? place.name)
    }
    return found
  }
}
