// Tritsmith: sums behind the round-trip errors.

import TritSurvey

/// Running sums over pairs of a source value w and a dequantized value q.
package struct ErrorSums: Sendable {
  var count = 0
  var maximum = 0.0
  var squaredError = 0.0
  var squaredSource = 0.0
  var squaredResult = 0.0
  var product = 0.0

  /// Adds a run of rows.
  mutating func add(_ source: [Float], _ trits: [Int8], multiplier: (Int) -> Float) {
    add(source) { Float(trits[$0]) * multiplier($0) }
  }

  /// Adds values and what stands for them.
  @inline(__always)
  mutating func add(_ source: [Float], result: (Int) -> Float) {
    count += source.count
    var (largest, error, sourceSquares, resultSquares, products) = (0.0, 0.0, 0.0, 0.0, 0.0)
    for index in source.indices {
      let w = Double(source[index])
      let q = Double(result(index))
      let difference = w - q
      largest = max(largest, abs(difference))
      error += difference * difference
      sourceSquares += w * w
      resultSquares += q * q
      products += w * q
    }
    maximum = max(maximum, largest)
    squaredError += error
    squaredSource += sourceSquares
    squaredResult += resultSquares
    product += products
  }

  mutating func add(_ other: ErrorSums) {
    count += other.count
    maximum = max(maximum, other.maximum)
    squaredError += other.squaredError
    squaredSource += other.squaredSource
    squaredResult += other.squaredResult
    product += other.product
  }

  var result: RoundTripError {
    var result = RoundTripError(maximum: maximum)
    result.rmse = count == 0 ? 0 : (squaredError / Double(count)).squareRoot()
    if squaredSource > 0 { result.relative = (squaredError / squaredSource).squareRoot() }
    if squaredSource > 0, squaredResult > 0 { result.cosine = product / (squaredSource * squaredResult).squareRoot() }
    if squaredSource > 0, squaredError > 0 { result.sqnr = 10 * Logarithm.base10(squaredSource / squaredError) }
    return result
  }
}
