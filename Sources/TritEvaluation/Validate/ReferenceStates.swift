// Tritsmith: hidden states another engine left in files.

import TritCore
import TritFormats
import TritInference
import TritModel
import TritSurvey

/// Hidden states of prompts: `prompt<i>.<state>` in a file of logits, or `<state>` in `hidden_prompt<i>.safetensors`.
///
/// Names are those of `ForwardObserver`; `<projection>.input` is what a projection multiplies.
struct ReferenceStates {
  struct State {
    var source: any TensorSource
    var tensor: TensorDescriptor
  }

  private var prompts: [Int: [String: State]] = [:]

  /// - Throws: `RunError` for a file whose name tells no prompt, and for a state that comes twice; what opening throws.
  init(_ logits: ReferenceLogits, files: [String], _ options: OpenOptions) throws {
    for (prompt, states) in logits.states {
      prompts[prompt] = states.mapValues { State(source: logits.source, tensor: $0) }
    }
    for path in files {
      let prompt = try ReferenceStates.prompt(of: path, logits)
      let source = try ModelOpener.open(path, options)
      for tensor in source.manifest.tensors {
        guard prompts[prompt]?[tensor.name] == nil else {
          throw RunError(
            .referenceTensor(expected: "each state of prompt \(prompt) once", found: "another one of this name"),
            file: path, tensor: tensor.name)
        }
        prompts[prompt, default: [:]][tensor.name] = State(source: source, tensor: tensor)
      }
    }
  }

  /// Whether a file holds hidden states, and nothing a model could be made of.
  static func matches(_ source: any TensorSource) -> Bool {
    source.manifest.tensors.contains { $0.name == "block0" }
  }

  /// States of a prompt by their names.
  subscript(prompt: Int) -> [String: State] { prompts[prompt] ?? [:] }

  /// `hidden_prompt3.safetensors` is of prompt 3, any other name of the only one.
  private static func prompt(of path: String, _ logits: ReferenceLogits) throws -> Int {
    let (known, name) = (logits.prompts.map(\.index), FileSystem.name(of: path))
    if let prompt = known.first(where: { name == "hidden_prompt\($0).safetensors" }) { return prompt }
    if let only = known.first, known.count == 1, !name.hasPrefix("hidden_prompt") { return only }
    throw RunError(.statesOfNoPrompt(prompts: known), file: path)
  }
}

/// Compares states of a forward pass with those of files, prompt by prompt.
final class StoredStateComparison: ForwardObserver {
  private var states: [String: ReferenceStates.State] = [:]
  private var tokens = 0
  private var prompt = 0
  private var seen: Set<String> = []
  /// States as the forward pass comes by them; those that are compared have sums.
  private var places: [String: Int] = [:]
  private var sums: [String: HiddenStateSums] = [:]
  /// States of files that the model does not have, each with its prompt.
  private(set) var unread: [String] = []

  /// Starts a prompt, of which every state has a row for each token.
  func begin(_ prompt: Int, _ states: [String: ReferenceStates.State], tokens: Int) {
    (self.prompt, self.states, self.tokens, seen) = (prompt, states, tokens, [])
  }

  /// Call after each prompt: what the model did not come by was not compared.
  func finish() {
    unread += states.keys.filter { !seen.contains($0) }.sorted().map { "prompt\(prompt).\($0)" }
  }

  func observe(_ name: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws {
    try compare(name, tokens, width, values)
  }

  func observeInput(_ projection: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws {
    try compare(projection + ".input", tokens, width, values)
  }

  private func compare(_ name: String, _ rows: Range<Int>, _ width: Int, _ values: Span<Float>) throws {
    if places[name] == nil { places[name] = places.count }
    guard let state = states[name] else { return }
    let tensor = state.tensor
    guard tensor.encoding == .dense(.f32), tensor.shape.dimensions == [tokens, width] else {
      throw RunError(
        .referenceTensor(
          expected: "F32 of shape [\(tokens), \(width)]", found: "\(tensor.encoding.name) of shape \(tensor.shape)"),
        file: state.source.manifest.path, tensor: tensor.name)
    }
    seen.insert(name)
    let expected = try state.source.floats(rows.lowerBound * width..<rows.upperBound * width, of: tensor)
    var total = sums.removeValue(forKey: name) ?? HiddenStateSums(name: name)
    for index in 0..<min(values.count, expected.count) { total.add(expected[index], values[index]) }
    sums[name] = total
  }

  /// In order of the forward pass.
  var result: [HiddenStateAgreement] {
    sums.values.sorted { places[$0.name] ?? 0 < places[$1.name] ?? 0 }.map(\.agreement)
  }
}

extension TensorSource {
  /// Some numbers of an F32 tensor.
  func floats(_ range: Range<Int>, of tensor: TensorDescriptor) throws -> [Float] {
    try withBytes(4 * range.lowerBound..<4 * range.upperBound, of: tensor) { DenseValues.floats($0, .f32) }
  }
}
