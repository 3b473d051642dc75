// Tritsmith: model.safetensors.index.json.

import TritCore

/// Which shard holds which tensor.
package struct ShardIndex: Sendable {
  /// Shard names in order of first mention; each a plain name beside the index.
  package let shards: [String]
  /// Shard of each tensor.
  package let shardOfTensor: [ExactString: String]
  package let totalSize: UInt64?

  /// The file's name in a folder.
  package static let name = "model.safetensors.index.json"

  /// Reads an index.
  ///
  /// - Throws: `FormatError` for text that is no index, or that names anything but a file beside it.
  package init(json: [UInt8], path: String) throws(FormatError) {
    let object = try ConfigurationText.object(json, path: path, dialect: .strict)
    guard let value = object["weight_map"] else {
      throw FormatError(.missingField, file: path, field: "weight_map")
    }
    guard let map = value.object else {
      let kind = FormatError.Kind.wrongType(expected: "an object of tensor names", found: value.kindName)
      throw FormatError(kind, file: path, field: "weight_map")
    }
    var shards: [String] = []
    var known: Set<ExactString> = []
    var result: [ExactString: String] = [:]
    for entry in map.entries {
      let offset = UInt64(entry.offset)
      guard let shard = entry.value.string else {
        let kind = FormatError.Kind.wrongType(expected: "a file name", found: entry.value.kindName)
        throw FormatError(kind, file: path, tensor: entry.key, byteOffset: offset, field: "weight_map")
      }
      guard FileSystem.isPlainName(shard) else {
        throw FormatError(.unsafeName(shard), file: path, tensor: entry.key, byteOffset: offset, field: "weight_map")
      }
      if known.insert(ExactString(shard)).inserted { shards.append(shard) }
      if let first = result.updateValue(shard, forKey: ExactString(entry.key)) {
        let kind = FormatError.Kind.tensorInTwoShards(first: first, second: shard)
        throw FormatError(kind, file: path, tensor: entry.key, byteOffset: offset, field: "weight_map")
      }
    }
    self.shards = shards
    shardOfTensor = result
    totalSize = object["metadata"]?.object?["total_size"]?.number?.unsigned
  }
}

extension ShardIndex {
  /// Whether a folder's index names `model.safetensors` alone, as mlx-lm writes one beside every single file.
  package static func namesSingleFile(in folder: String) -> Bool {
    let path = FileSystem.join(folder, name)
    guard let file = try? InputFile(path: path, mode: .buffered),
      let json = try? file.contents(limit: SafetensorsHeader.lengthLimit),
      let index = try? ShardIndex(json: json, path: path)
    else { return false }
    return index.shards == ["model.safetensors"]
  }
}
