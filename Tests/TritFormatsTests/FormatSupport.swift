// Tritsmith: small files built without the code under test.

import TritCore
import TritTestSupport

/// A tensor of a file made for a test.
struct SampleTensor: Sendable {
  var name: String
  var dtype: String
  var shape: [Int]
  var bytes: [UInt8]

  init(_ name: String, _ dtype: String, _ shape: [Int], _ bytes: [UInt8]) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
  }
}

/// Safetensors files put together from text, in the order given.
enum SampleSafetensors {
  static func file(_ tensors: [SampleTensor], metadata: String? = nil) -> [UInt8] {
    var position = 0
    var items = metadata.map { ["\"__metadata__\":" + $0] } ?? []
    for tensor in tensors {
      let end = position + tensor.bytes.count
      items.append(
        "\"\(tensor.name)\":{\"dtype\":\"\(tensor.dtype)\",\"shape\":\(tensor.shape),"
          + "\"data_offsets\":[\(position),\(end)]}")
      position = end
    }
    return file(header: "{" + items.joined(separator: ",") + "}", data: tensors.flatMap(\.bytes))
  }

  static func file(header: String, data: [UInt8]) -> [UInt8] { file(header: Array(header.utf8), data: data) }

  static func file(header: [UInt8], data: [UInt8]) -> [UInt8] {
    LittleEndian.bytes(UInt64(header.count)) + header + data
  }
}

extension TensorSource {
  /// All stored bytes of a tensor.
  func allBytes(_ name: String) throws -> [UInt8] {
    guard let tensor = manifest.tensor(named: name) else { preconditionFailure("no tensor '\(name)'") }
    return try withBytes(0..<byteCount(of: tensor), of: tensor) { span in span.withUnsafeBytes { Array($0) } }
  }

  /// Bytes before any compression, from shape and type alone.
  private func byteCount(of tensor: TensorDescriptor) -> Int {
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    switch tensor.encoding.name {
    case "hf-packed": return rows / 4 * columns
    case "two-bit": return rows * ((columns + 3) / 4)
    case "base3": return rows * ((columns + 4) / 5)
    default: return tensor.shape.elementCount * (tensor.encoding.dtype?.bits ?? 0) / 8
    }
  }
}
