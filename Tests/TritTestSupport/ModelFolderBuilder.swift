// Tritsmith: small models written and read by hand.

import TritCore

/// A tensor as a safetensors file holds it.
package struct RawTensor: Equatable, Sendable {
  package var name: String
  package var dtype: String
  package var shape: [Int]
  package var bytes: [UInt8]

  package init(_ name: String, _ dtype: String, _ shape: [Int], _ bytes: [UInt8]) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
  }
}

/// A safetensors file taken apart, or to be written, without the format code that is under test.
package struct RawModelFile: Sendable {
  /// In the order of their data.
  package var tensors: [RawTensor]
  package var metadata: [(key: String, value: String)] = [(key: "format", value: "pt")]

  package init(_ tensors: [RawTensor]) {
    self.tensors = tensors
  }

  /// Reads a file it trusts; what is wrong in it ends the test run.
  package init(reading path: String) {
    let file = Disk.bytes(path)
    let length = Int(file[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    let data = 8 + length
    guard let header = try? JSONValue.parse(Array(file[8..<data])).object else {
      preconditionFailure("\(path) has no header")
    }
    var found: [(begin: Int, tensor: RawTensor)] = []
    metadata = []
    for entry in header.entries {
      guard let object = entry.value.object else { preconditionFailure("\(path): \(entry.key)") }
      if entry.key == "__metadata__" {
        metadata = object.entries.map { (key: $0.key, value: $0.value.string ?? "") }
        continue
      }
      guard let dtype = object["dtype"]?.string,
        let shape = object["shape"]?.array?.compactMap({ $0.number?.integer }),
        let offsets = object["data_offsets"]?.array?.compactMap({ $0.number?.integer }), offsets.count == 2
      else { preconditionFailure("\(path): \(entry.key)") }
      let bytes = Array(file[data + offsets[0]..<data + offsets[1]])
      found.append((offsets[0], RawTensor(entry.key, dtype, shape, bytes)))
    }
    tensors = found.sorted { $0.begin < $1.begin }.map(\.tensor)
  }

  /// All tensors of a model folder, from one file or from every shard, sorted by name.
  package static func tensors(ofFolder folder: String) -> [RawTensor] {
    let files = Disk.names(folder).filter { $0.hasSuffix(".safetensors") }
    return files.flatMap { RawModelFile(reading: folder + "/" + $0).tensors }.sorted { $0.name < $1.name }
  }

  package subscript(name: String) -> RawTensor {
    get {
      guard let tensor = tensors.first(where: { $0.name == name }) else { preconditionFailure("no tensor '\(name)'") }
      return tensor
    }
    set {
      guard let index = tensors.firstIndex(where: { $0.name == name }) else {
        preconditionFailure("no tensor '\(name)'")
      }
      tensors[index] = newValue
    }
  }

  /// The bytes of the file.
  package var serialized: [UInt8] {
    let header = RawModelFile.header(tensors.map { ($0.name, $0.dtype, $0.shape, $0.bytes.count) }, metadata)
    return header + tensors.flatMap(\.bytes)
  }

  /// The length and JSON before the data.
  package static func header(
    _ tensors: [(name: String, dtype: String, shape: [Int], byteCount: Int)],
    _ metadata: [(key: String, value: String)] = []
  ) -> [UInt8] {
    var root = JSONObject()
    if !metadata.isEmpty {
      let pairs = metadata.map { JSONObject.Entry(key: $0.key, value: .string($0.value)) }
      root.entries.append(.init(key: "__metadata__", value: .object(JSONObject(entries: pairs))))
    }
    var position = 0
    for tensor in tensors {
      let end = position + tensor.byteCount
      root.entries.append(
        .init(
          key: tensor.name,
          value: .object([
            "dtype": .string(tensor.dtype),
            "shape": .array(tensor.shape.map { .number(JSONNumber($0)) }),
            "data_offsets": .array([.number(JSONNumber(position)), .number(JSONNumber(end))]),
          ])))
      position = end
    }
    let json = JSONValue.object(root).serialized()
    let count = UInt64(json.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * UInt64($0))) } + json
  }
}

/// Writes a model folder as a user would have it.
package struct ModelFolderBuilder: Sendable {
  package var configuration: String
  package var file: RawModelFile
  /// Further files by name.
  package var companions: [String: String] = [:]

  package init(_ tensors: [RawTensor], configuration: String = ModelFolderBuilder.llama) {
    file = RawModelFile(tensors)
    self.configuration = configuration
  }

  package static let llama = """
    {
      "architectures": ["LlamaForCausalLM"],
      "model_type": "llama",
      "torch_dtype": "bfloat16"
    }

    """

  /// Makes the folder; returns its path.
  @discardableResult
  package func write(_ folder: String) -> String {
    Disk.makeFolder(folder)
    Disk.write(configuration, folder + "/config.json")
    for (name, text) in companions { Disk.write(text, folder + "/" + name) }
    Disk.write(file.serialized, folder + "/model.safetensors")
    return folder
  }
}

/// Little-endian bytes of floats, by the rules of each type and nothing else.
package enum FloatBytes {
  /// The upper half of each Float; the values must be bfloat16 already.
  package static func bf16(_ values: [Float]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 2 * values.count) { bytes, count in
      for (index, value) in values.enumerated() {
        precondition(value.bitPattern & 0xFFFF == 0, "\(value) is no bfloat16")
        bytes[2 * index] = UInt8(value.bitPattern >> 16 & 0xFF)
        bytes[2 * index + 1] = UInt8(value.bitPattern >> 24)
      }
      count = 2 * values.count
    }
  }

  package static func f32(_ values: [Float]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 4 * values.count) { bytes, count in
      for (index, value) in values.enumerated() {
        for byte in 0..<4 { bytes[4 * index + byte] = UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(8 * byte)) }
      }
      count = 4 * values.count
    }
  }

  package static func f64(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in
      let bits = Double(value).bitPattern
      return (0..<8).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt64($0))) }
    }
  }

  /// The values must be half-precision numbers in the normal range, or zero.
  package static func f16(_ values: [Float]) -> [UInt8] {
    values.flatMap { value -> [UInt8] in
      let bits = value.bitPattern
      let sign = UInt16(bits >> 16) & 0x8000
      guard value != 0 else { return [0, UInt8(sign >> 8)] }
      let exponent = Int(bits >> 23 & 0xFF) - 127
      precondition((-14...15).contains(exponent) && bits & 0x1FFF == 0, "\(value) is no normal half")
      let half = sign | UInt16(exponent + 15) << 10 | UInt16(bits >> 13 & 0x3FF)
      return [UInt8(half & 0xFF), UInt8(half >> 8)]
    }
  }

  package static func bf16Values(_ bytes: [UInt8]) -> [Float] {
    stride(from: 0, to: bytes.count, by: 2).map {
      Float(bitPattern: UInt32(bytes[$0]) << 16 | UInt32(bytes[$0 + 1]) << 24)
    }
  }
}
