// Tritsmith: vectors made by other programs.

import TritCore

/// The tensors of a small safetensors file, read without the format code that is under test.
///
/// It trusts the file: what is wrong in it ends the test run.
package struct GoldenVectors: Sendable {
  package struct Tensor: Sendable {
    package var dtype: String
    package var shape: [Int]
    package var bytes: [UInt8]

    package var u16: [UInt16] { LittleEndian.u16s(bytes) }
    package var u32: [UInt32] { LittleEndian.u32s(bytes) }
    package var f32: [Float] { u32.map(Float.init(bitPattern:)) }
    /// bfloat16 values widened by hand.
    package var bf16: [Float] { u16.map { Float(bitPattern: UInt32($0) << 16) } }
    package var i8: [Int8] { bytes.map { Int8(bitPattern: $0) } }
    package var f64: [Double] {
      stride(from: 0, to: bytes.count, by: 8).map { Double(bitPattern: LittleEndian.u64(bytes, at: $0)) }
    }
  }

  package let path: String
  private let tensors: [String: Tensor]

  package init(_ path: String) {
    guard let file = RawFile.read(path) else { preconditionFailure("fixture \(path) is missing") }
    let length = Int(LittleEndian.u64(file))
    let data = 8 + length
    guard let header = try? JSONValue.parse(Array(file[8..<data])).object else {
      preconditionFailure("fixture \(path) has no header")
    }
    var tensors: [String: Tensor] = [:]
    for entry in header.entries where entry.key != "__metadata__" {
      guard let object = entry.value.object, let dtype = object["dtype"]?.string,
        let shape = object["shape"]?.array?.compactMap({ $0.number?.integer }),
        let offsets = object["data_offsets"]?.array?.compactMap({ $0.number?.integer }), offsets.count == 2
      else { preconditionFailure("fixture \(path): entry \(entry.key)") }
      tensors[entry.key] = Tensor(
        dtype: dtype, shape: shape, bytes: Array(file[data + offsets[0]..<data + offsets[1]]))
    }
    self.path = path
    self.tensors = tensors
  }

  package subscript(name: String) -> Tensor {
    guard let tensor = tensors[name] else { preconditionFailure("fixture \(path) holds no '\(name)'") }
    return tensor
  }

  package func contains(_ name: String) -> Bool { tensors[name] != nil }

  package var names: [String] { tensors.keys.sorted() }

  /// The parts before the last dot of all names: `zeros` of `zeros.w`.
  package var cases: [String] {
    Set(names.compactMap { name in name.lastIndex(of: ".").map { String(name[..<$0]) } }).sorted()
  }
}
