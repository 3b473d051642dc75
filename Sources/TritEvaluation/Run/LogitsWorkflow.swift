// Tritsmith: writing what a model computes.

import TritCore
import TritFormats
import TritModel
import TritSurvey
import TritTokenizer

/// Which logits to write where.
package struct LogitsRequest: Sendable {
  package var path: String
  /// Nothing means `TextInput.sampleOpening`.
  package var inputs: [TokenInput]
  /// What stands behind the last message of a conversation.
  package var ending = ChatEnding.answer
  /// A `.safetensors` file.
  package var output: String
  /// Also writes `hidden_prompt<i>.safetensors` beside the output.
  package var writesHiddenStates = false
  package var replaces = false
  package var options = RunOptions()

  package init(path: String, inputs: [TokenInput], output: String) {
    self.path = path
    self.inputs = inputs
    self.output = output
  }
}

/// What was written.
package struct LogitsResult: Sendable {
  /// What was computed for one prompt.
  package struct Prompt: Sendable, Hashable {
    package var tokens: Int
    /// The likeliest token after the prompt.
    package var next: Int?
    /// File of hidden states, if asked for.
    package var hiddenStates: String?
  }

  package var run: RunDescription
  package var vocabulary: Int
  package var prompts: [Prompt]
  package var output: String
  package var outputBytes: UInt64
  package var seconds: Double
}

/// Writes logits, and hidden states when asked, as reference files hold them.
///
/// `prompt<i>.ids` is I32 `[tokens]`, `prompt<i>.logits` F32 `[tokens, vocabulary]`. Logits go to the file row by row,
/// so a long text needs no memory for all of them. Every file is complete before the first one gets its name.
package struct LogitsWorkflow: Sendable {
  let request: LogitsRequest
  let progress: any ProgressObserver

  package init(_ request: LogitsRequest, progress: any ProgressObserver = SilentProgress()) {
    self.request = request
    self.progress = progress
  }

  /// - Throws: `ModelError` for ids the model cannot take and for logits that are not finite, `RunError`,
  ///   `TokenizerError`, `TensorIOError`. Nothing is written then.
  package func run() throws -> LogitsResult {
    let start = Platform.monotonicSeconds
    let source = try ModelOpener.toRun(request.path, request.options.open)
    let inputs = request.inputs.isEmpty ? [TokenInput.text(TextInput.sampleOpening)] : request.inputs
    // Before weights are loaded, which takes its time.
    let prompts = try TokenInput.prompts(inputs, of: source, ending: request.ending)
    let place = FileSystem.realTarget(request.output)
    if request.writesHiddenStates, prompts.indices.contains(where: { FileSystem.realTarget(hiddenPath($0)) == place }) {
      throw RunError(.twoOutputs(request.output))
    }
    let runnable = try RunnableModel(source, request.options, engine: request.options.engine())
    for ids in prompts { try runnable.check(ids) }
    let vocabulary = runnable.model.configuration.vocabularySize
    let staging = try StagedOutput(.file, at: request.output, replacing: request.replaces)
    var staged = [staging]
    var tensors: [OutputTensor] = []
    for (index, ids) in prompts.enumerated() {
      tensors.append(try output("prompt\(index).ids", .i32, [ids.count]))
      tensors.append(try output("prompt\(index).logits", .f32, [ids.count, vocabulary]))
    }
    let sink = try sink(tensors, staging, runnable)
    var results: [LogitsResult.Prompt] = []
    progress.began(ProgressPhase(name: "computing logits", totalTokens: prompts.reduce(0) { $0 + $1.count }))
    defer { progress.ended() }
    for (index, ids) in prompts.enumerated() {
      let (result, states) = try write(ids, index, to: sink, runnable)
      if let states { staged.append(states) }
      results.append(result)
    }
    try sink.finish()
    for output in staged { try output.commit() }
    return LogitsResult(
      run: runnable.description, vocabulary: vocabulary, prompts: results, output: request.output,
      outputBytes: FileSystem.size(of: request.output) ?? 0, seconds: Platform.monotonicSeconds - start)
  }

  /// Writes what one prompt gives; its hidden states, when asked for, to a file of their own.
  private func write(
    _ ids: [Int], _ index: Int, to sink: SafetensorsSink, _ runnable: RunnableModel
  ) throws -> (prompt: LogitsResult.Prompt, states: StagedOutput?) {
    let idBytes = ids.flatMap { littleEndianBytes(UInt32($0)) }
    try sink.write(idBytes.span.bytes, to: "prompt\(index).ids", at: 0)
    let blocks = runnable.model.firstLayersOfKinds
    let recorder =
      request.writesHiddenStates
      ? HiddenStateRecorder { HiddenStateRecorder.isInReferences($0, insideOf: blocks) } : nil
    var result = LogitsResult.Prompt(tokens: ids.count, next: nil)
    try runnable.session(for: ids.count).prefill(ids, logits: .all, observer: recorder) { position, row in
      try request.options.cancellation.check()
      try runnable.checkFinite(row, of: ids)
      let values = row.withUnsafeBufferPointer { Array($0) }
      try sink.write(values.span.bytes, to: "prompt\(index).logits", at: position * values.count * 4)
      if position == ids.count - 1 { result.next = values.largestIndex }
      progress.advanced(by: 1)
    }
    guard let recorder else { return (result, nil) }
    let path = hiddenPath(index)
    result.hiddenStates = path
    return (result, try write(recorder.states, tokens: ids.count, to: path, runnable))
  }

  private func hiddenPath(_ prompt: Int) -> String {
    FileSystem.join(FileSystem.parent(of: request.output), "hidden_prompt\(prompt).safetensors")
  }

  private func write(
    _ states: [HiddenStateRecorder.State], tokens: Int, to path: String, _ runnable: RunnableModel
  ) throws -> StagedOutput {
    let staging = try StagedOutput(.file, at: path, replacing: request.replaces)
    let sink = try sink(states.map { try output($0.name, .f32, [tokens, $0.width]) }, staging, runnable)
    for state in states { try sink.write(state.values.span.bytes, to: state.name, at: 0) }
    try sink.finish()
    return staging
  }

  private func sink(
    _ tensors: [OutputTensor], _ staging: StagedOutput, _ runnable: RunnableModel
  ) throws -> SafetensorsSink {
    let metadata = [
      (key: "format", value: "pt"), (key: "generator", value: Product.generator),
      (key: "arithmetic", value: runnable.mode.rawValue),
    ]
    return try SafetensorsSink(
      shards: [OutputShard(name: FileSystem.name(of: staging.target), tensors: tensors)], metadata: metadata,
      staging: staging)
  }

  private func output(_ name: String, _ dtype: DType, _ dimensions: [Int]) throws -> OutputTensor {
    guard let shape = TensorShape(dimensions), Checked.product(shape.elementCount, 4) != nil else {
      throw ModelError(
        .outOfRange(expected: "a shape whose bytes can be counted", found: "\(dimensions)"),
        file: request.path, tensor: name)
    }
    return OutputTensor(name: name, dtype: dtype, shape: shape)
  }
}

extension [Float] {
  /// Place of the largest number, the first among equals; nil when there is none.
  var largestIndex: Int? {
    var best: Int?
    for index in indices where !self[index].isNaN {
      if let current = best, self[index] <= self[current] { continue }
      best = index
    }
    return best
  }
}
