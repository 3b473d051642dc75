// Tritsmith: writing GGUF.

import TritCore

/// A tensor to be written to a GGUF file.
package struct GGUFTensor: Sendable, Hashable {
  package var name: String
  /// Outermost first.
  package var shape: TensorShape
  package var type: UInt32
  package var byteCount: Int

  package init(name: String, shape: TensorShape, type: UInt32, byteCount: Int) {
    self.name = name
    self.shape = shape
    self.type = type
    self.byteCount = byteCount
  }
}

/// Everything about a GGUF file but its tensor bytes.
package struct GGUFPlan: Sendable {
  package var entries: [MetadataEntry]
  package var tensors: [GGUFTensor]

  /// Alignment of every tensor; the default of the format, so that no key has to say it.
  package static let alignment = 32

  package init(entries: [MetadataEntry], tensors: [GGUFTensor]) {
    self.entries = entries
    self.tensors = tensors
  }

  /// Header bytes, padded to the alignment.
  package var header: [UInt8] {
    var bytes = GGUFHeader.magic + littleEndianBytes(UInt32(3))
    bytes += littleEndianBytes(UInt64(tensors.count)) + littleEndianBytes(UInt64(entries.count))
    for entry in entries {
      GGUFPlan.append(entry.key, to: &bytes)
      GGUFPlan.append(entry.value, to: &bytes)
    }
    var offset = 0
    for tensor in tensors {
      GGUFPlan.append(tensor.name, to: &bytes)
      bytes += littleEndianBytes(UInt32(tensor.shape.rank))
      for dimension in tensor.shape.dimensions.reversed() { bytes += littleEndianBytes(UInt64(dimension)) }
      bytes += littleEndianBytes(tensor.type) + littleEndianBytes(UInt64(offset))
      offset += GGUFPlan.padded(tensor.byteCount)
    }
    bytes += [UInt8](repeating: 0, count: GGUFPlan.padded(bytes.count) - bytes.count)
    return bytes
  }

  /// Bytes of all tensors with their padding; the last one is padded too, as gguf-py and llama.cpp write it.
  package var dataByteCount: Int { tensors.reduce(0) { $0 + GGUFPlan.padded($1.byteCount) } }

  static func padded(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }

  private static func append(_ text: String, to bytes: inout [UInt8]) {
    bytes += littleEndianBytes(UInt64(text.utf8.count))
    bytes.append(contentsOf: text.utf8)
  }

  private static func append(_ value: MetadataValue, to bytes: inout [UInt8]) {
    func put(_ type: UInt32, _ payload: [UInt8]) { bytes += littleEndianBytes(type) + payload }
    switch value {
    case .uint8(let value): put(0, [value])
    case .int8(let value): put(1, littleEndianBytes(value))
    case .uint16(let value): put(2, littleEndianBytes(value))
    case .int16(let value): put(3, littleEndianBytes(value))
    case .uint32(let value): put(4, littleEndianBytes(value))
    case .int32(let value): put(5, littleEndianBytes(value))
    case .float32(let value): put(6, littleEndianBytes(value.bitPattern))
    case .bool(let value): put(7, [value ? 1 : 0])
    case .string(let value):
      put(8, [])
      append(value, to: &bytes)
    case .array(let array):
      put(9, [])
      append(array, to: &bytes)
    case .uint64(let value): put(10, littleEndianBytes(value))
    case .int64(let value): put(11, littleEndianBytes(value))
    case .float64(let value): put(12, littleEndianBytes(value.bitPattern))
    }
  }

  private static func append(_ array: MetadataArray, to bytes: inout [UInt8]) {
    func list<Element>(_ type: UInt32, _ values: [Element], _ element: (Element) -> [UInt8]) {
      bytes += littleEndianBytes(type) + littleEndianBytes(UInt64(values.count))
      for value in values { bytes += element(value) }
    }
    switch array {
    case .uint8(let values): list(0, values) { [$0] }
    case .int8(let values): list(1, values) { littleEndianBytes($0) }
    case .uint16(let values): list(2, values) { littleEndianBytes($0) }
    case .int16(let values): list(3, values) { littleEndianBytes($0) }
    case .uint32(let values): list(4, values) { littleEndianBytes($0) }
    case .int32(let values): list(5, values) { littleEndianBytes($0) }
    case .float32(let values): list(6, values) { littleEndianBytes($0.bitPattern) }
    case .bool(let values): list(7, values) { [$0 ? 1 : 0] }
    case .uint64(let values): list(10, values) { littleEndianBytes($0) }
    case .int64(let values): list(11, values) { littleEndianBytes($0) }
    case .float64(let values): list(12, values) { littleEndianBytes($0.bitPattern) }
    case .string(let values):
      bytes += littleEndianBytes(UInt32(8)) + littleEndianBytes(UInt64(values.count))
      for value in values { append(value, to: &bytes) }
    }
  }
}

/// Writes one GGUF file of version 3 into a staged output: header first, tensors by position.
package final class GGUFSink: TensorSink {
  private let tensors: PlacedTensors

  /// Makes the file, writes its header and sets its size; padding reads as zero.
  package init(plan: GGUFPlan, staging: StagedOutput) throws {
    let file = try staging.createFile()
    let header = plan.header
    try file.resize(to: UInt64(header.count) + UInt64(plan.dataByteCount))
    try file.write(header, at: 0)
    var places: [ExactString: PlacedTensors.Place] = [:]
    var offset = UInt64(header.count)
    for tensor in plan.tensors {
      places[ExactString(tensor.name)] = PlacedTensors.Place(file: 0, offset: offset, byteCount: tensor.byteCount)
      offset += UInt64(GGUFPlan.padded(tensor.byteCount))
    }
    tensors = PlacedTensors(places, in: [file], path: staging.target)
  }

  package func write(_ bytes: RawSpan, to tensor: String, at offset: Int) throws {
    try tensors.write(bytes, to: tensor, at: offset)
  }

  package func complete() throws { try tensors.complete() }
  package func sync() throws { try tensors.sync() }
}
