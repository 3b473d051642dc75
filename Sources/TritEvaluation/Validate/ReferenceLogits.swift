// Tritsmith: logits another engine left in a file.

import TritCore
import TritSurvey

/// A safetensors file with `prompt<i>.ids` and `prompt<i>.logits`, of every token or of those at `prompt<i>.positions`,
/// and perhaps hidden states as `prompt<i>.<state>`.
struct ReferenceLogits {
  struct Prompt {
    var index: Int
    var ids: [Int]
    var logits: TensorDescriptor
    /// Places of the tokens that have logits, ascending.
    var positions: [Int]
  }

  let source: any TensorSource
  let prompts: [Prompt]
  let vocabulary: Int
  /// By prompt and name.
  let states: [Int: [String: TensorDescriptor]]
  /// Tensors that are of no prompt.
  let unread: [String]

  /// Whether a file is one of logits rather than a model.
  static func matches(_ source: any TensorSource) -> Bool {
    source.manifest.tensors.contains { ["logits", "ids"].contains(part($0.name)?.name) }
  }

  /// - Throws: `RunError` for a tensor that is missing or has another type or shape.
  init(_ source: any TensorSource) throws {
    self.source = source
    var ids: [Int: TensorDescriptor] = [:]
    var logits: [Int: TensorDescriptor] = [:]
    var others: [(prompt: Int?, name: String, tensor: TensorDescriptor)] = []
    for tensor in source.manifest.tensors {
      switch ReferenceLogits.part(tensor.name) {
      case (let index, "ids")?: ids[index] = tensor
      case (let index, "logits")?: logits[index] = tensor
      case (let index, let name)?: others.append((index, name, tensor))
      case nil: others.append((nil, tensor.name, tensor))
      }
    }
    var (prompts, vocabulary) = ([Prompt](), Int?.none)
    for index in Set(ids.keys).union(logits.keys).sorted() {
      let prompt = try ReferenceLogits.prompt(index, ids[index], logits[index], vocabulary, source)
      vocabulary = prompt.logits.shape.dimensions.last
      prompts.append(prompt)
    }
    self.prompts = prompts
    self.vocabulary = vocabulary ?? 0
    var (states, unread) = ([Int: [String: TensorDescriptor]](), [String]())
    for (prompt, name, tensor) in others {
      guard let prompt, ids[prompt] != nil else {
        unread.append(tensor.name)
        continue
      }
      if name != "positions" { states[prompt, default: [:]][name] = tensor }
    }
    (self.states, self.unread) = (states, unread)
  }

  private static func prompt(
    _ index: Int, _ ids: TensorDescriptor?, _ logits: TensorDescriptor?, _ vocabulary: Int?, _ source: any TensorSource
  ) throws -> Prompt {
    func error(_ expected: String, _ found: String, _ name: String) -> RunError {
      RunError(
        .referenceTensor(expected: expected, found: found), file: source.manifest.path, tensor: "prompt\(index).\(name)"
      )
    }
    guard let ids else { throw error("this tensor", "none", "ids") }
    guard let logits else { throw error("this tensor", "none", "logits") }
    let values = try integers(ids, source)
    let places = try positions(of: index, values.count, source)
    let width = logits.shape.dimensions.last ?? 0
    guard logits.encoding == .dense(.f32), logits.shape.dimensions == [places.count, width],
      vocabulary ?? width == width
    else {
      let wanted = vocabulary.map(String.init) ?? "vocabulary"
      throw error(
        "F32 of shape [\(places.count), \(wanted)]", "\(logits.encoding.name) of shape \(logits.shape)", "logits")
    }
    return Prompt(index: index, ids: values, logits: logits, positions: places)
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
    try source.floats(index * vocabulary..<(index + 1) * vocabulary, of: prompt.logits)
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

  /// `prompt12.ids` is `ids` of prompt 12; nil for other names.
  private static func part(_ name: String) -> (prompt: Int, name: String)? {
    guard name.hasPrefix("prompt"), let dot = name.firstIndex(of: ".") else { return nil }
    let digits = name[..<dot].dropFirst(6)
    // One spelling of each number, so that no two names mean the same.
    guard let prompt = Int(digits), String(prompt) == digits, prompt >= 0 else { return nil }
    return (prompt, String(name[dot...].dropFirst()))
  }
}
