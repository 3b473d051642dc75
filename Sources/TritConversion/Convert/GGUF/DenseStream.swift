// Tritsmith: dense tensors on their way into another type.

import Synchronization
import TritCore
import TritModel
import TritSurvey
import TritVerification

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
    let width = dtype.bits / 8
    guard let shape = isVector ? TensorShape(rows: rows, columns: columns) : tensor.shape else {
      preconditionFailure("a vector is a matrix of one column")
    }
    let file = source.manifest.files[tensor.location.file].path
    if shape.hasLongRows, planned.columnOrder != nil {
      throw WorkflowError(.rowTooLong(columns: columns), file: file, tensor: tensor.name)
    }
    let bands = shape.bands(elements: bandBytes / 4)
    let total = Mutex(RoundingReport())
    let check = FiniteCheck(tensor, of: source, nonFinite, role: planned.role, large: large)
    try work.parallelism.forEachBand(bands.count) { index in
      let band = bands[index]
      var values = try values(band, shape, planned, dtype, check)
      if !isVector { planned.columnOrder?.reorder(&values, columns: columns) }
      if planned.storedValues != .same { values = values.map { planned.storedValues.stored($0) } }
      zeros.look(at: values)
      let (bytes, rounding) = DenseRecoder.encode(values, to: planned.encoding)
      guard rounding.largest.isFinite else {
        throw WorkflowError(.valuesOverflow(type: planned.encoding.name), file: file, tensor: tensor.name)
      }
      if rounding.vanished > 0 || rounding.changed > 0 && planned.encoding.blockCodec != nil,
        let loss = DenseStream.loss(
          of: values, in: bytes, planned.encoding, columns: isVector ? values.count : band.columns.count,
          firstRow: band.rows.lowerBound)
      {
        throw WorkflowError(
          .roundingLoses(detail: loss.text(planned.encoding.name)), file: file, tensor: tensor.name)
      }
      let start = planned.encoding.byteOffset(ofElement: band.elements.lowerBound)
      try writer.write(bytes.span.bytes, to: planned.name, at: start)
      let input = band.elements.lowerBound * width..<band.elements.upperBound * width
      source.release(input, of: tensor)
      work.progress.advanced(by: input.count)
      total.withLock { $0.add(rounding) }
    }
    return total.withLock { $0 }
  }

  /// The row of which a type keeps too little; nil where it keeps enough of each.
  private static func loss(
    of values: [Float], in bytes: [UInt8], _ encoding: TensorEncoding, columns: Int, firstRow: Int
  ) -> RowLoss? {
    StoredRounding(of: encoding).flatMap { rounding in
      RowLoss(
        values, DenseRecoder.decode(bytes, encoding), columns: columns, firstRow: firstRow, bound: rounding.rowBound)
    }
  }

  private func values(
    _ band: MatrixBand, _ shape: TensorShape, _ planned: PlannedTensor, _ dtype: DType, _ check: FiniteCheck?
  ) throws -> [Float] {
    func read(_ band: MatrixBand) throws -> [Float] {
      let width = dtype.bits / 8
      let start = band.elements.lowerBound * width
      return try source.withBytes(start..<band.elements.upperBound * width, of: planned.source) { bytes in
        try check?.look(at: bytes, from: start)
        return DenseValues.floats(bytes, dtype)
      }
    }
    guard let order = planned.rowOrder else { return try read(band) }
    return try band.rows.flatMap { try read(shape.band(band.columns, ofRow: order.row(ofStored: $0))) }
  }
}
