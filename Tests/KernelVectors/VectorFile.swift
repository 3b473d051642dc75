// Tritsmith: inputs of kernels and what the definition makes of them, as bytes for a program in C.

import TritTestSupport

/// The file `Tests/KernelConformance/conformance.c` reads. Everything is little-endian.
///
/// After eight bytes of magic, one vector after the other: the name of a table entry (`u32` length, bytes), its
/// parameters (`u32` count, `u64` each), its inputs and its outputs (`u32` count, then each as below).
struct VectorFile {
  /// What an output is made of, which says how two of them are compared: NaN equals NaN in floats.
  enum Element: UInt8 {
    case bytes = 1
    case u16 = 2
    case u32 = 4
    case u64 = 8
    case float = 0x14
    case double = 0x18
  }

  struct Input {
    fileprivate var encoded: [UInt8]

    /// `u64` length, 0, the bytes.
    static func raw(_ bytes: [UInt8]) -> Input { Input(encoded: LittleEndian.bytes(UInt64(bytes.count)) + [0] + bytes) }

    /// `u64` length, 1, the one byte all of them are.
    static func filled(_ count: Int, _ byte: UInt8) -> Input {
      Input(encoded: LittleEndian.bytes(UInt64(count)) + [1, byte])
    }

    static func trits(_ values: [Int8]) -> Input { raw(values.map { UInt8(bitPattern: $0) }) }
    static func floats(_ values: [Float]) -> Input { raw(values.flatMap { LittleEndian.bytes($0.bitPattern) }) }
  }

  struct Output {
    fileprivate var encoded: [UInt8]

    /// `u64` length, the element, the bytes.
    private init(_ element: Element, _ bytes: [UInt8]) {
      encoded = LittleEndian.bytes(UInt64(bytes.count)) + [element.rawValue] + bytes
    }

    static func bytes(_ values: [UInt8]) -> Output { Output(.bytes, values) }
    static func trits(_ values: [Int8]) -> Output { Output(.bytes, values.map { UInt8(bitPattern: $0) }) }
    static func u16(_ values: [UInt16]) -> Output { Output(.u16, values.flatMap { LittleEndian.bytes($0) }) }
    static func u32(_ values: [UInt32]) -> Output { Output(.u32, values.flatMap { LittleEndian.bytes($0) }) }
    static func sums(_ values: [Int32]) -> Output { u32(values.map { UInt32(bitPattern: $0) }) }
    static func count(_ value: Int) -> Output { Output(.u64, LittleEndian.bytes(UInt64(value))) }
    static func floats(_ values: [Float]) -> Output {
      Output(.float, values.flatMap { LittleEndian.bytes($0.bitPattern) })
    }
    static func doubles(_ values: [Double]) -> Output {
      Output(.double, values.flatMap { LittleEndian.bytes($0.bitPattern) })
    }
  }

  /// What outputs hold before a kernel runs, in every byte: places it must not write still hold it afterwards.
  static let untouched: UInt8 = 0x5A
  static let untouchedTrit = Int8(bitPattern: untouched)
  static let untouchedSum: Int32 = 0x5A5A_5A5A
  static let untouchedFloat = Float(bitPattern: 0x5A5A_5A5A)

  private(set) var bytes = Array("TRITVEC1".utf8)
  private(set) var count = 0

  mutating func add(_ entry: String, _ parameters: [Int], _ inputs: [Input], _ outputs: [Output]) {
    let name = Array(entry.utf8)
    bytes += LittleEndian.bytes(UInt32(name.count)) + name
    bytes += LittleEndian.bytes(UInt32(parameters.count))
    for parameter in parameters { bytes += LittleEndian.bytes(UInt64(parameter)) }
    bytes += LittleEndian.bytes(UInt32(inputs.count))
    for input in inputs { bytes += input.encoded }
    bytes += LittleEndian.bytes(UInt32(outputs.count))
    for output in outputs { bytes += output.encoded }
    count += 1
  }
}
