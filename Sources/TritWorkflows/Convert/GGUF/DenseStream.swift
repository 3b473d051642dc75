// Tritsmith: dense tensors on their way into another type.

import Synchronization
import TritCore
import TritModel

/// Reads a dense tensor and writes it in another type, rows in the output's order.
struct DenseStream {
  let source: any TensorSource
  let work: WorkOptions
  let nonFinite: NonFinitePolicy
  let zeros: ZeroWatch
  let large: LargeNumbers

  /// - Returns: what rounding did.
  func recode(_ planned: PlannedTensor, to writer: OutputWriter) throws -> RoundingReport {
    let tensor = planned.source
    guard let dtype = tensor.encoding.dtype else { preconditionFailure("only dense tensors are recoded") }
    // A vector's elements move like rows.
    let isVector = tensor.shape.rank < 2
    let columns = isVector ? 1 : tensor.shape.columns
    let rows = isVector ? tensor.shape.elementCount : tensor.shape.rows
    let inputRow = columns * (dtype.bits / 8)
    let outputRow = rows == 0 ? 0 : planned.byteCount / rows
    let rowsPerBand = max(1, bandBytes / 4 / max(1, columns))
    let total = Mutex(RoundingReport())
    let check = FiniteCheck(tensor, of: source, nonFinite, role: planned.role, large: large)
    try work.parallelism.forEachBand((rows + rowsPerBand - 1) / rowsPerBand) { band in
      let range = band * rowsPerBand..<min(rows, (band + 1) * rowsPerBand)
      var values = try values(range, planned, dtype, inputRow, check)
      if !isVector { planned.columnOrder?.reorder(&values, columns: columns) }
      if planned.storedValues != .same { values = values.map { planned.storedValues.stored($0) } }
      zeros.look(at: values)
      let (bytes, rounding) = DenseRecoder.encode(values, to: planned.encoding)
      guard rounding.largest.isFinite else {
        throw WorkflowError(
          .valuesOverflow(type: planned.encoding.name), file: source.manifest.files[tensor.location.file].path,
          tensor: tensor.name)
      }
      if rounding.vanished > 0 || rounding.changed > 0 && planned.encoding.blockCodec != nil,
        let bound = StoredRounding(of: planned.encoding)?.stepBound,
        let loss = RowLoss(
          values.lazy.map { Double($0) }, DenseRecoder.decode(bytes, planned.encoding).lazy.map { Double($0) },
          columns: isVector ? values.count : columns, firstRow: range.lowerBound, bound: bound)
      {
        throw WorkflowError(
          .roundingLoses(detail: loss.text(planned.encoding.name)),
          file: source.manifest.files[tensor.location.file].path, tensor: tensor.name)
      }
      try writer.write(bytes.span.bytes, to: planned.name, at: range.lowerBound * outputRow)
      let input = range.lowerBound * inputRow..<range.upperBound * inputRow
      source.release(input, of: tensor)
      work.progress.advanced(by: input.count)
      total.withLock { $0.add(rounding) }
    }
    return total.withLock { $0 }
  }

  private func values(
    _ rows: Range<Int>, _ planned: PlannedTensor, _ dtype: DType, _ rowBytes: Int, _ check: FiniteCheck?
  ) throws -> [Float] {
    func read(_ range: Range<Int>) throws -> [Float] {
      let start = range.lowerBound * rowBytes
      return try source.withBytes(start..<range.upperBound * rowBytes, of: planned.source) { bytes in
        try check?.look(at: bytes, from: start)
        return DenseValues.floats(bytes, dtype)
      }
    }
    guard let order = planned.rowOrder else { return try read(rows) }
    return try rows.flatMap { stored in
      let row = order.row(ofStored: stored)
      return try read(row..<row + 1)
    }
  }
}
