// Tritsmith: kernels and threads for a forward pass.

import TritCore

/// The arithmetic of a forward pass on matrices, spread over a team of threads.
///
/// Matrices are row-major. Every output element is computed by one thread in one order of operations, so results do
/// not depend on the number of threads. An engine may be shared; work that comes while it is busy runs on its own
/// caller's thread.
public final class InferenceEngine: Sendable {
  let kernels: any InferenceKernels
  let team: ThreadTeam

  /// - Parameters:
  ///   - threads: 0 means as many as there are processors.
  ///   - kernels: which implementation; `auto` takes the best this CPU has.
  /// - Throws: a `DiagnosticError`, `misuse`, when native kernels are demanded and this CPU has none.
  public convenience init(threads: Int = 0, kernels: KernelChoice = .auto) throws {
    self.init(threads: threads, try kernels.inferenceKernels())
  }

  /// An engine with kernels of a name in `kernelNames`; nil for another name. For tests and measurements.
  package convenience init?(threads: Int, kernelsNamed name: String) {
    guard let kernels = InferenceEngine.allKernels.first(where: { $0.name == name }) else { return nil }
    self.init(threads: threads, kernels)
  }

  /// Every implementation this CPU can run, best first, the scalar definition last.
  package static var allKernels: [any InferenceKernels] {
    var result: [any InferenceKernels] = []
    while let native = NativeInference(rank: result.count) { result.append(native) }
    return result + [ScalarInference()]
  }

  /// Names of the implementations this CPU can run, best first, `scalar` last.
  package static var kernelNames: [String] { allKernels.map(\.name) }

  init(threads: Int, _ kernels: any InferenceKernels) {
    self.kernels = kernels
    team = ThreadTeam(threads: threads > 0 ? min(threads, 256) : Platform.processorCount)
  }

  package var threads: Int { team.threads }

  /// `scalar`, `avx2`, `avx512-vnni`, `neon`, `neon-dotprod` or `neon-i8mm`.
  package var kernelName: String { kernels.name }

  /// Rows of a matrix whose work is about 32 kB of weights: long enough to share out, short enough to balance.
  func grain(rowBytes: Int) -> Int { max(1, 32768 / max(1, rowBytes)) }
}

/// How four trits share a byte, 2 bits each, place 0 lowest, code = trit + 1.
package enum PackedTritOrder: Sendable, Hashable {
  /// Byte [p, c] holds column c of rows p, p + R/4, p + R/2, p + 3R/4; R is a multiple of 4.
  case joinedRows
  /// Byte m of a row holds columns m, m + S, m + 2S, m + 3S, S = ⌈columns/4⌉; columns past the end have code 1.
  case splitRows

  /// Bytes of one row of bytes, and how many there are.
  func byteRows(rows: Int, columns: Int) -> (count: Int, width: Int) {
    switch self {
    case .joinedRows: (rows / 4, columns)
    case .splitRows: (rows, (columns + 3) / 4)
    }
  }

  /// Bytes of a matrix.
  package func byteCount(rows: Int, columns: Int) -> Int {
    let (count, width) = byteRows(rows: rows, columns: columns)
    return count * width
  }
}

/// Rows of activations quantized to int8, with what is needed to go back.
package struct QuantizedRows: Sendable {
  package private(set) var rows = 0
  package private(set) var columns = 0
  /// Bytes from one row to the next; zero from `columns` on.
  private(set) var stride = 0
  var values: [Int8] = []
  var scales: [ActivationScale] = []

  package init() {}

  /// The int8 values of a row.
  package func values(row: Int) -> [Int8] { Array(values[row * stride..<row * stride + columns]) }

  /// 127 / max |x| of a row: x ≈ value / scale.
  package func scale(row: Int) -> Float { scales[row].scale }

  mutating func reshape(rows: Int, columns: Int) {
    if columns != self.columns {
      self.columns = columns
      stride = paddedActivationWidth(columns)
      // The padding must be zero, so a new width starts afresh.
      values = []
    }
    self.rows = rows
    if values.count < rows * stride { values = [Int8](repeating: 0, count: rows * stride) }
    if scales.count < rows { scales = Array(repeating: ActivationScale(scale: 1, sum: 0), count: rows) }
  }
}
