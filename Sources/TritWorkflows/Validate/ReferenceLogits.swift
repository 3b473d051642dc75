// Tritsmith: logits another engine left in a file.

import TritCore

/// A safetensors file with `prompt<i>.ids` and `prompt<i>.logits`, of every token or of those at `prompt<i>.positions`.
struct ReferenceLogits {
  struct Prompt {
    var ids: [Int]
    var logits: TensorDescriptor
    /// Places of the tokens that have logits, ascending.
    var positions: [Int]
  }

  let source: any TensorSource
  let prompts: [Prompt]
  let vocabulary: Int

  /// Whether a file is one of logits rather than a model.
  static func matches(_ source: any TensorSource) -> Bool {
    source.manifest.tensors.contains { number($0.name, ".logits") != nil || number($0.name, ".ids") != nil }
  }

  /// - Throws: `RunError` for a tensor that is missing or has another type or shape.
  init(_ source: any TensorSource) throws {
    self.source = source
    let path = source.manifest.path
    var ids: [Int: TensorDescriptor] = [:]
    var logits: [Int: TensorDescriptor] = [:]
    for tensor in source.manifest.tensors {
      if let index = ReferenceLogits.number(tensor.name, ".ids") { ids[index] = tensor }
      if let index = ReferenceLogits.number(tensor.name, ".logits") { logits[index] = tensor }
    }
    var prompts: [Prompt] = []
    var vocabulary: Int?
    for index in Set(ids.keys).union(logits.keys).sorted() {
      guard let idTensor = ids[index] else {
        throw RunError(
          .referenceTensor(expected: "this tensor", found: "none"), file: path, tensor: "prompt\(index).ids")
      }
      guard let logitTensor = logits[index] else {
        throw RunError(
          .referenceTensor(expected: "this tensor", found: "none"), file: path, tensor: "prompt\(index).logits")
      }
      let values = try ReferenceLogits.integers(idTensor, source)
      let places = try ReferenceLogits.positions(of: index, values.count, source)
      let width = logitTensor.shape.dimensions.last ?? 0
      guard logitTensor.encoding == .dense(.f32), logitTensor.shape.dimensions == [places.count, width],
        vocabulary ?? width == width
      else {
        let wanted = vocabulary.map(String.init) ?? "vocabulary"
        throw RunError(
          .referenceTensor(
            expected: "F32 of shape [\(places.count), \(wanted)]",
            found: "\(logitTensor.encoding.name) of shape \(logitTensor.shape)"), file: path, tensor: logitTensor.name)
      }
      vocabulary = width
      prompts.append(Prompt(ids: values, logits: logitTensor, positions: places))
    }
    self.prompts = prompts
    self.vocabulary = vocabulary ?? 0
  }

  /// Positions that have logits: all, where the file does not name them.
  private static func positions(of index: Int, _ count: Int, _ source: any TensorSource) throws -> [Int] {
    let name = "prompt\(index).positions"
    guard let tensor = source.manifest.tensor(named: name) else { return Array(0..<count) }
    let found = try integers(tensor, source)
    let isAscending = zip(found, found.dropFirst()).allSatisfy { $0 < $1 }
    guard let first = found.first, let last = found.last, isAscending, first >= 0, last < count else {
      throw RunError(
        .referenceTensor(expected: "ascending positions of \(count) tokens", found: "others"),
        file: source.manifest.path, tensor: name)
    }
    return found
  }

  /// One row of a prompt's logits: those after the token at `positions[index]`.
  func row(_ index: Int, of prompt: Prompt) throws -> [Float] {
    let width = vocabulary * 4
    return try source.withBytes(index * width..<(index + 1) * width, of: prompt.logits) { bytes in
      (0..<vocabulary).map {
        Float(
          bitPattern: UInt32(
            littleEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: 4 * $0, as: UInt32.self)))
      }
    }
  }

  private static func integers(_ tensor: TensorDescriptor, _ source: any TensorSource) throws -> [Int] {
    guard tensor.shape.rank == 1, !tensor.shape.hasLongRows,
      tensor.encoding == .dense(.i32) || tensor.encoding == .dense(.i64)
    else {
      throw RunError(
        .referenceTensor(
          expected: "a list of I32 or I64", found: "\(tensor.encoding.name) of shape \(tensor.shape)"),
        file: source.manifest.path, tensor: tensor.name)
    }
    let isWide = tensor.encoding == .dense(.i64)
    return try source.withBytes(0..<tensor.location.byteCount, of: tensor) { bytes in
      (0..<tensor.shape.elementCount).map { index in
        isWide
          ? Int(Int64(littleEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: 8 * index, as: Int64.self)))
          : Int(Int32(littleEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: 4 * index, as: Int32.self)))
      }
    }
  }

  /// The number in `prompt12.ids`.
  private static func number(_ name: String, _ ending: String) -> Int? {
    guard name.hasPrefix("prompt"), name.hasSuffix(ending) else { return nil }
    let digits = name.dropFirst(6).dropLast(ending.count)
    guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
    return Int(digits)
  }
}
