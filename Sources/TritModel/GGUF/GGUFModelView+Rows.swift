// Tritsmith: rows of a GGUF file in the order and form a view shows them.

import TritCore
import TritKernels
import TritLayouts

extension GGUFModelView {
  /// Bytes of the view that are not the file's own.
  func gathered(_ range: Range<Int>, _ place: Place) throws -> [UInt8] {
    if place.access.takesWholeRows, descriptor(place).shape.hasLongRows {
      throw GGUFModelError(
        .badValue(expected: "rows of at most \(TensorShape.longestRow) numbers", found: "\(descriptor(place).shape)"),
        file: manifest.path, tensor: descriptor(place).name)
    }
    return switch place.access {
    case .direct: try base.withBytes(range, of: descriptor(place)) { $0.array }
    case .rows(let count): try ordered(range, place, rowBytes: count)
    case .decoded(let codec): try decoded(range, place, codec)
    case .repacked(let layout): try repacked(range, place, layout)
    case .unfolded(let unfolding): try floats(range, place) { unfolding.row($0) }
    case .columns(let count): try columnsOrdered(range, place, byteCount: count)
    case .ordered: try floats(range, place) { place.columns?.ordered($0) ?? $0 }
    case .numbers(let values): try numbers(range, place, values)
    case .refused(let kind): throw GGUFModelError(kind, file: manifest.path, tensor: descriptor(place).name)
    }
  }

  // MARK: - Reading rows in order

  private func ordered(_ range: Range<Int>, _ place: Place, rowBytes: Int) throws -> [UInt8] {
    var result = [UInt8](repeating: 0, count: range.count)
    guard let permutation = place.permutation, rowBytes > 0 else { return result }
    let shape = descriptor(place).shape
    let rows = shape.rank == 1 ? shape.elementCount : shape.rows
    var position = range.lowerBound
    while position < range.upperBound {
      let (row, inside) = position.quotientAndRemainder(dividingBy: rowBytes)
      // What follows the rows, such as the scale of I2_S, stays where it is.
      let isRow = row < rows
      let count = isRow ? min(rowBytes - inside, range.upperBound - position) : range.upperBound - position
      let start = isRow ? permutation.storedRow(of: row) * rowBytes + inside : position
      try copy(start..<start + count, of: descriptor(place), to: &result, at: position - range.lowerBound)
      position += count
    }
    return result
  }

  private func copy(_ range: Range<Int>, of stored: TensorDescriptor, to result: inout [UInt8], at start: Int) throws {
    try base.withBytes(range, of: stored) { copy($0, to: &result, at: start) }
  }

  private func copy(_ bytes: RawSpan, to result: inout [UInt8], at start: Int) {
    precondition(start >= 0 && start + bytes.byteCount <= result.count, "output inside the buffer")
    bytes.withUnsafeBytes { source in
      result.withUnsafeMutableBytes { target in
        UnsafeMutableRawBufferPointer(rebasing: target[start..<start + source.count]).copyMemory(from: source)
      }
    }
  }

  /// Float bytes of values in blocks; the range is one of Float bytes.
  private func decoded(_ range: Range<Int>, _ place: Place, _ codec: any BlockCodec.Type) throws -> [UInt8] {
    let stored = descriptor(place)
    let columns = max(1, stored.shape.columns)
    let size = codec.blockElements
    var result = [UInt8](repeating: 0, count: range.count)
    var position = range.lowerBound
    while position < range.upperBound {
      // Rows that stand as they are asked for are decoded together. A row is a whole number of blocks, the reader has
      // checked it.
      let (row, column) = (position / 4).quotientAndRemainder(dividingBy: columns)
      let first = (place.permutation?.storedRow(of: row) ?? row) * columns + column
      let most = place.permutation == nil ? GGUFModelView.decodedAtOnce : columns - column
      let count = min(most, (range.upperBound + 3) / 4 - position / 4)
      let blocks = first / size..<(first + count + size - 1) / size
      let bytes = blocks.lowerBound * codec.blockBytes..<blocks.upperBound * codec.blockBytes
      let values = try base.withBytes(bytes, of: stored) { codec.decode($0) }
      let start = (first % size) * 4 + position % 4
      let end = min(position + count * 4 - position % 4, range.upperBound)
      copy(
        values.span.bytes.extracting(start..<start + end - position), to: &result, at: position - range.lowerBound)
      position = end
    }
    return result
  }

  /// Numbers that are decoded before they are copied: little beside a band.
  private static let decodedAtOnce = 1 << 16

  /// Bytes of `SplitRow.twoBit` made of rows that share bytes with others in the file.
  private func repacked(_ range: Range<Int>, _ place: Place, _ layout: any TernaryLayout) throws -> [UInt8] {
    let shape = descriptor(place).shape
    let stored = StoredRows(source: base, tensor: descriptor(place))
    let packed = SplitRow(.twoBit)
    let kernels = ScalarKernels()
    let rowBytes = packed.byteCount(shape) / max(1, shape.rows)
    guard rowBytes > 0, !range.isEmpty else { return [] }
    let rows = range.lowerBound / rowBytes..<(range.upperBound + rowBytes - 1) / rowBytes
    var result = [UInt8](repeating: 0, count: rows.count * rowBytes)
    var trits = [Int8](repeating: 0, count: shape.columns)
    var bytes = [UInt8](repeating: 0, count: rowBytes)
    for row in rows {
      try stored.unpack(place.permutation?.storedRow(of: row) ?? row, layout, kernels, into: &trits)
      if let columns = place.columns { trits = columns.ordered(trits) }
      var output = bytes.mutableSpan
      packed.pack(
        trits.span, LayoutBand(bytes: 0..<rowBytes, rows: [0..<1]), shape, with: kernels, into: &output)
      let start = (row - rows.lowerBound) * rowBytes
      result.replaceSubrange(start..<start + rowBytes, with: bytes)
    }
    let first = range.lowerBound - rows.lowerBound * rowBytes
    return Array(result[first..<first + range.count])
  }

  // MARK: - Rows made anew

  /// Float bytes of rows that `change` makes of the file's; the range is one of Float bytes.
  private func floats(
    _ range: Range<Int>, _ place: Place, _ change: ([Float]) -> [Float]
  ) throws -> [UInt8] {
    let stored = descriptor(place)
    let reader = try StoredRows(source: base, tensor: stored, factor: place.factor).reader()
    return try StoredRows.floatBytes(range, columns: stored.shape.columns) { row in
      change(try reader(place.permutation?.storedRow(of: row) ?? row))
    }
  }

  /// Bytes of rows whose numbers stand in another order.
  private func columnsOrdered(_ range: Range<Int>, _ place: Place, byteCount: Int) throws -> [UInt8] {
    let stored = descriptor(place)
    guard let order = place.columns else { return [] }
    let rowBytes = stored.shape.columns * byteCount
    return try StoredRows.bytes(range, rowBytes: rowBytes) { row in
      let start = (place.permutation?.storedRow(of: row) ?? row) * rowBytes
      return try base.withBytes(start..<start + rowBytes, of: stored) { bytes in
        var result: [UInt8] = []
        result.reserveCapacity(rowBytes)
        for column in 0..<stored.shape.columns {
          let first = order.storedRow(of: column) * byteCount
          for index in first..<first + byteCount {
            result.append(bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self))
          }
        }
        return result
      }
    }
  }

  /// Float bytes of a list of numbers that stand for others.
  private func numbers(
    _ range: Range<Int>, _ place: Place, _ values: ModuleTemplate.StoredValues
  ) throws -> [UInt8] {
    let stored = descriptor(place)
    guard let dtype = stored.encoding.dtype else { return [] }
    let numbers = try base.withBytes(0..<stored.location.byteCount, of: stored) { DenseValues.floats($0, dtype) }
    return try StoredRows.floatBytes(range, columns: numbers.count) { _ in
      numbers.indices.map { values.model(numbers[place.permutation?.storedRow(of: $0) ?? $0]) }
    }
  }
}

extension RawSpan {
  /// A copy of the bytes.
  fileprivate var array: [UInt8] {
    (0..<byteCount).map { unsafeLoad(fromUncheckedByteOffset: $0, as: UInt8.self) }
  }
}
