// Tritsmith: where packed weights hold codes that are no trit.

import TritCore
import TritKernels
import TritLayouts
import TritModel

extension ModelError {
  /// Of packed weights with codes that are no trit, the first of them looked for.
  ///
  /// - Parameter count: as they were counted.
  static func invalidCodes(
    _ count: Int, of tensor: TensorDescriptor, _ rows: Range<Int>, in source: any TensorSource
  ) throws -> ModelError {
    let location = ErrorLocation(file: source.manifest.path, tensor: tensor.name)
    let shape = tensor.shape
    guard case .ternary(let id) = tensor.encoding, let layout = LayoutRegistry.layout(id) else {
      return ModelError(.invalidCodes(count: count, row: nil, column: nil), location: location)
    }
    var trits = [Int8](repeating: 0, count: shape.columns)
    for row in rows {
      for run in layout.runs(row..<row + 1, shape) {
        let invalid = try source.withBytes(run.bytes, of: tensor) { bytes in
          var output = trits.mutableSpan
          return layout.unpack(bytes, run, shape, with: ScalarKernels(), into: &output)
        }
        guard invalid > 0 else { continue }
        // Code 3 reads as 2. A byte of base 3 reads as trits whatever it is, and its row alone is known.
        let column = trits.firstIndex { !(-1...1).contains($0) }
        return ModelError(.invalidCodes(count: count, row: row, column: column), location: location)
      }
    }
    return ModelError(.invalidCodes(count: count, row: nil, column: nil), location: location)
  }
}
