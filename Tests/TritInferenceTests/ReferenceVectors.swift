// Tritsmith tests: vectors other implementations left in safetensors files.

import TritCore
import TritFormats
import TritKernels
import TritModel
import TritTestSupport

@testable import TritInference

/// A safetensors file of reference vectors.
struct ReferenceFile {
  let source: any TensorSource

  init(_ path: String) throws {
    source = try FormatRegistry.open(path)
  }

  var names: [String] { source.manifest.tensors.map(\.name) }

  func shape(_ name: String) throws -> [Int] { try tensor(name).shape.dimensions }

  /// The values of a F32, BF16, I8, I32 or I64 tensor.
  func floats(_ name: String) throws -> [Float] {
    let tensor = try tensor(name)
    let bytes = try bytes(name)
    return switch tensor.encoding {
    case .dense(.f32): words(bytes, 4).map { Float(bitPattern: UInt32($0)) }
    case .dense(.bf16): words(bytes, 2).map { BFloat16(bits: UInt16($0)).float }
    default: throw Missing(name: name + " as floats")
    }
  }

  func integers(_ name: String) throws -> [Int] {
    let bytes = try bytes(name)
    return switch try tensor(name).encoding {
    case .dense(.i8): bytes.map { Int(Int8(bitPattern: $0)) }
    case .dense(.i32): words(bytes, 4).map { Int(Int32(bitPattern: UInt32($0))) }
    case .dense(.i64): words(bytes, 8).map { Int(Int64(bitPattern: $0)) }
    default: throw Missing(name: name + " as integers")
    }
  }

  func bytes(_ name: String) throws -> [UInt8] {
    let tensor = try tensor(name)
    return try source.withBytes(0..<tensor.location.byteCount, of: tensor) { bytes in
      bytes.withUnsafeBytes { Array($0) }
    }
  }

  private func tensor(_ name: String) throws -> TensorDescriptor {
    guard let tensor = source.manifest.tensor(named: name) else { throw Missing(name: name) }
    return tensor
  }

  private func words(_ bytes: [UInt8], _ size: Int) -> [UInt64] {
    stride(from: 0, to: bytes.count, by: size).map { start in
      bytes[start..<start + size].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }
  }

  struct Missing: Error {
    var name: String
  }
}

/// How far two lists of numbers are apart.
struct Difference {
  var largest: Float = 0
  var mean: Double = 0

  init(_ left: [Float], _ right: [Float]) {
    guard left.count == right.count, !left.isEmpty else {
      largest = .infinity
      mean = .infinity
      return
    }
    var sum = 0.0
    for (a, b) in zip(left, right) {
      let distance = abs(a - b)
      largest = distance.isNaN ? .infinity : max(largest, distance)
      sum += Double(distance)
    }
    mean = sum / Double(left.count)
  }
}

/// Rows whose largest value stands at the same place.
func topOneAgreement(_ left: [Float], _ right: [Float], width: Int) -> Double {
  guard left.count == right.count, !left.isEmpty else { return 0 }
  let rows = left.count / width
  let equal = (0..<rows).count { row in
    let range = row * width..<(row + 1) * width
    return argmax(left[range]) == argmax(right[range])
  }
  return Double(equal) / Double(rows)
}

func argmax(_ values: ArraySlice<Float>) -> Int {
  var best = values.startIndex
  for index in values.indices where values[index] > values[best] { best = index }
  return best - values.startIndex
}

/// Keeps every state it sees, chunks joined.
final class Recorder: ForwardObserver {
  var states: [String: [Float]] = [:]
  var widths: [String: Int] = [:]
  var order: [String] = []

  func observe(_ name: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws {
    if states[name] == nil { order.append(name) }
    widths[name] = width
    states[name, default: []] += values.withUnsafeBufferPointer { Array($0) }
  }
}

/// A model of the fixtures, with an engine to run it.
struct LoadedModel {
  let engine: InferenceEngine
  let model: LanguageModel

  init(
    _ path: String, _ options: LoadOptions = LoadOptions(), threads: Int = 2, kernels: KernelChoice = .auto
  ) throws {
    engine = try InferenceEngine(threads: threads, kernels: kernels)
    let source = try FormatRegistry.open(path)
    model = try LanguageModel(CheckpointView(source) ?? source, options: options, engine: engine)
  }

  func session(_ mode: ArithmeticMode) throws -> Session { try Session(model, mode: mode, engine: engine) }
}

func json(_ path: String) throws -> JSONValue {
  try JSONValue.parse(InputFile(path: path).contents(limit: 1 << 24))
}

extension JSONValue {
  /// The whole numbers of a list; nil when it is no list.
  var integers: [Int]? { array?.compactMap { $0.number?.integer } }
  var doubles: [Double]? { array?.compactMap { $0.number?.double } }
}
