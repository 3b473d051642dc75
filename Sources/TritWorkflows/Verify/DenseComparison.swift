// Tritsmith: dense tensors compared by value.

import TritCore
import TritLayouts
import TritModel

/// Compares dense tensors that are stored in different types.
///
/// A value agrees when one type's rounding of it is the other: nothing but the type may have changed it.
struct DenseComparison {
  let source: any TensorSource
  let converted: any TensorSource
  let work: WorkOptions

  func run(
    _ expected: TensorDescriptor, _ found: TensorDescriptor, _ blank: TensorVerification
  ) throws -> TensorVerification {
    var result = blank
    let difference = try compare(expected, found)
    switch difference {
    case .same(let rounding):
      result.outcome = .equal
      let types = "\(name(expected, source)) and \(name(found, converted))"
      result.detail =
        rounding.changed == 0
        ? "every value equal, stored as \(types)"
        : "\(rounding.changed) of \(rounding.count) values rounded between \(types), by at most \(rounding.largest)"
    case .other(_, let places):
      result.outcome = .differs
      let columns = max(1, expected.shape.columns)
      result.detail =
        places.first.map {
          "row \($0.index / columns), column \($0.index % columns): \($0.right) (\(name(found, converted))), "
            + "expected \($0.left) (\(name(expected, source)))"
        } ?? "values differ"
    case .unreadable(let detail):
      result.outcome = .differs
      result.detail = detail
    }
    return result
  }

  enum Outcome {
    case same(RoundingReport)
    /// How many elements differ as far as was looked, and the first of them.
    case other(count: Int, first: [Place])
    case unreadable(String)
  }

  /// An element and its two values.
  struct Place {
    var index: Int
    var left: Float
    var right: Float
  }

  /// - Parameters:
  ///   - limit: places that are told.
  ///   - countsAll: go on after the first difference.
  func compare(
    _ left: TensorDescriptor, _ right: TensorDescriptor, limit: Int = 1, countsAll: Bool = false
  ) throws -> Outcome {
    guard let leftType = left.encoding.dtype, let rightType = right.encoding.dtype, leftType.isDecodable,
      rightType.isDecodable
    else { return .unreadable("stored as \(left.encoding.name) and \(right.encoding.name), which cannot be compared") }
    let leftForm = form(left, source)
    let rightForm = form(right, converted)
    var report = RoundingReport()
    var differing = 0
    var places: [Place] = []
    let step = bandBytes / 8
    for start in stride(from: 0, to: left.shape.elementCount, by: step) {
      try work.parallelism.cancellation.check()
      let elements = start..<min(start + step, left.shape.elementCount)
      let a = try values(elements, left, leftType, source)
      let b = try values(elements, right, rightType, converted)
      report.count += elements.count
      guard a != b else { continue }
      // Rounded to the other's type each way; Q8_0 rounds by blocks, so whole blocks are needed, and bands are.
      let aRounded = DenseComparison.rounded(a, rightForm)
      let bRounded = DenseComparison.rounded(b, leftForm)
      for index in a.indices where a[index].bitPattern != b[index].bitPattern && a[index] != b[index] {
        guard aRounded[index] == b[index] || bRounded[index] == a[index] || a[index].isNaN && b[index].isNaN else {
          differing += 1
          if places.count < limit { places.append(Place(index: start + index, left: a[index], right: b[index])) }
          if !countsAll { return .other(count: 1, first: places) }
          continue
        }
        report.changed += 1
        report.largest = max(report.largest, abs(Double(a[index]) - Double(b[index])))
      }
    }
    return differing > 0 ? .other(count: differing, first: places) : .same(report)
  }

  private func values(
    _ elements: Range<Int>, _ tensor: TensorDescriptor, _ dtype: DType, _ source: any TensorSource
  ) throws -> [Float] {
    let width = dtype.bits / 8
    let range = elements.lowerBound * width..<elements.upperBound * width
    defer { source.release(range, of: tensor) }
    return try source.withBytes(range, of: tensor) { DenseValues.floats($0, dtype) }
  }

  /// What a tensor is stored as in its file: the view shows Q8_0 as Float.
  private func form(_ tensor: TensorDescriptor, _ source: any TensorSource) -> TensorEncoding {
    (source as? GGUFModelView)?.stored(tensor).encoding ?? tensor.encoding
  }

  private func name(_ tensor: TensorDescriptor, _ source: any TensorSource) -> String { form(tensor, source).name }

  private static func rounded(_ values: [Float], _ form: TensorEncoding) -> [Float] {
    switch form {
    case .dense(let dtype): return values.map { TernaryScale.rounded($0, to: dtype) }
    case .opaque:
      guard values.count % Q8_0.blockElements == 0 else { return values }
      let blocks = Q8_0.encode(values)
      return Q8_0.decode(blocks.span.bytes)
    case .ternary: return values
    }
  }
}
