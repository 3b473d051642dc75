// Tritsmith: writing safetensors.

import TritCore

/// A tensor to be written: name, type, shape.
package struct OutputTensor: Sendable, Hashable {
  package var name: String
  package var dtype: DType
  package var shape: TensorShape

  package init(name: String, dtype: DType, shape: TensorShape) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
  }

  package var byteCount: Int { shape.elementCount * dtype.bits / 8 }
}

/// One safetensors file to be written.
package struct OutputShard: Sendable {
  package var name: String
  package var tensors: [OutputTensor]

  package init(name: String, tensors: [OutputTensor]) {
    self.name = name
    self.tensors = tensors
  }

  /// The reference writer's order: highest dtype rank first, then by name in byte order.
  var ordered: [OutputTensor] {
    tensors.sorted {
      $0.dtype.rank != $1.dtype.rank ? $0.dtype.rank > $1.dtype.rank : ExactString($0.name) < ExactString($1.name)
    }
  }

  /// Header bytes as the reference writer emits them: compact, metadata first, padded with spaces to a multiple of 8.
  package func header(metadata: [(key: String, value: String)]) -> [UInt8] {
    var root = JSONObject()
    if !metadata.isEmpty {
      let pairs = metadata.map { JSONObject.Entry(key: $0.key, value: .string($0.value)) }
      root.entries.append(.init(key: "__metadata__", value: .object(JSONObject(entries: pairs))))
    }
    var position = 0
    for tensor in ordered {
      let end = position + tensor.byteCount
      root.entries.append(
        .init(
          key: tensor.name,
          value: .object([
            "dtype": .string(tensor.dtype.rawValue),
            "shape": .array(tensor.shape.dimensions.map { .number(JSONNumber($0)) }),
            "data_offsets": .array([.number(JSONNumber(position)), .number(JSONNumber(end))]),
          ])))
      position = end
    }
    var json = JSONValue.object(root).serialized()
    while json.count % 8 != 0 { json.append(UInt8(ascii: " ")) }
    return littleEndianBytes(UInt64(json.count)) + json
  }

  /// Size of the whole file.
  package func byteCount(metadata: [(key: String, value: String)]) -> UInt64 {
    tensors.reduce(UInt64(header(metadata: metadata).count)) { $0 + UInt64($1.byteCount) }
  }
}

/// Writes one or several safetensors files into a staged output, headers first, tensors by position.
package final class SafetensorsSink: TensorSink {
  private let tensors: PlacedTensors

  /// Makes the files and writes their headers; with more than one shard, the index too.
  package init(
    shards: [OutputShard], metadata: [(key: String, value: String)], indexMetadata: JSONObject = JSONObject(),
    staging: StagedOutput
  ) throws {
    var files: [OutputFile] = []
    var places: [ExactString: PlacedTensors.Place] = [:]
    for (index, shard) in shards.enumerated() {
      let file = try staging.createFile(shard.name)
      let header = shard.header(metadata: metadata)
      try file.resize(to: shard.byteCount(metadata: metadata))
      try file.write(header, at: 0)
      var offset = UInt64(header.count)
      for tensor in shard.ordered {
        places[ExactString(tensor.name)] = PlacedTensors.Place(
          file: index, offset: offset, byteCount: tensor.byteCount)
        offset += UInt64(tensor.byteCount)
      }
      files.append(file)
    }
    if shards.count > 1 {
      let index = try staging.createFile(ShardIndex.name)
      try index.write(ShardIndex.json(of: shards, metadata: indexMetadata), at: 0)
      try index.sync()
    }
    tensors = PlacedTensors(places, in: files, path: staging.target)
  }

  package func write(_ bytes: RawSpan, to tensor: String, at offset: Int) throws {
    try tensors.write(bytes, to: tensor, at: offset)
  }

  package func complete() throws { try tensors.complete() }
  package func sync() throws { try tensors.sync() }
}

extension ShardIndex {
  /// The index of shards to be written, as `save_pretrained` writes it: sorted names, total size.
  static func json(of shards: [OutputShard], metadata: JSONObject) -> [UInt8] {
    var metadata = metadata
    let total = shards.flatMap(\.tensors).reduce(0) { $0 + $1.byteCount }
    metadata["total_size"] = .number(JSONNumber(total))
    let map = shards.flatMap { shard in shard.tensors.map { (ExactString($0.name), shard.name) } }
      .sorted { $0.0 < $1.0 }
      .map { JSONObject.Entry(key: $0.0.string, value: .string($0.1)) }
    return JSONValue.object([
      "metadata": .object(metadata), "weight_map": .object(JSONObject(entries: map)),
    ]).serialized(.pretty)
  }

  /// Cuts tensors into shards of at most `limit` bytes, in the order given; a larger tensor has a shard of its own.
  ///
  /// Groups are kept whole, so that a packed weight and its scale are found in one file.
  package static func shards(_ groups: [[OutputTensor]], limit: UInt64) -> [OutputShard] {
    var parts: [[OutputTensor]] = [[]]
    var size: UInt64 = 0
    for group in groups {
      let bytes = group.reduce(UInt64(0)) { $0 + UInt64($1.byteCount) }
      if size > 0, size + bytes > limit {
        parts.append([])
        size = 0
      }
      parts[parts.count - 1].append(contentsOf: group)
      size += bytes
    }
    if parts.count == 1 { return [OutputShard(name: "model.safetensors", tensors: parts[0])] }
    func number(_ value: Int) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, 5 - text.count)) + text
    }
    return parts.enumerated().map { index, tensors in
      OutputShard(name: "model-\(number(index + 1))-of-\(number(parts.count)).safetensors", tensors: tensors)
    }
  }
}
