// Tritsmith: the plan of a conversion in parts.

import Synchronization
import TritConversion
import TritCore
import TritFormats
import TritSurvey
import TritVerification

/// A conversion cut into independent work: schema `tritsmith.shards` 1 (`Docs/Cluster.md`).
///
/// It binds the source (sizes, headers, companions and every tensor, by hash), the options and the version of this
/// program. A worker that finds anything else refuses to work.
package struct ShardPlan: Sendable {
  static let schema = "tritsmith.shards"
  static let version = 1
  private static let (outputKey, replacesKey) = ("output", "replaces")
  /// Most workers a conversion is cut for.
  package static let workerLimit = 100_000

  /// Options, with the absolute paths of input and output.
  package internal(set) var request: ConversionRequest
  package let path: String
  /// Of the plan's bytes; parts carry it.
  let digest: Digest
  private let content: JSONObject

  /// Hashes a source and writes the plan of its conversion; nothing is converted.
  ///
  /// A model that is read over a network is not fetched for its hashes: its path names the commit.
  package static func make(_ request: ConversionRequest, at path: String, work: WorkOptions) throws -> ShardPlan {
    if request.target == .mlx { throw WorkflowError(.notInParts(request.target.rawValue)) }
    var request = request
    request.input = try ModelPlace.lasting(request.input)
    try OutputPlace.check(request)
    try RequestRecord.checkRecordable(request)
    request = absolute(request)
    let source = try ModelOpener.open(request.input, request.inputOptions, hasCompanions: true)
    let plan = try Planner(source, request).plan()
    try ConvertWorkflow.checkIntegrity(source, work)
    var content = try ShardPlan.description(of: plan, source)
    if !RemoteFolders.contains(request.input) {
      let digests = try TensorDigest.all(plan.tensors.map(\.source), in: source, work, phase: "hashing tensors")
      content.add("tensor_sha256", .array(digests.map { .string($0.description) }))
    }
    if request.target == .tritpack {
      let files = try FileHasher(work).digests(source.manifest.files.map(\.path), areReadLater: true)
      content.add("file_sha256", .array(files.map { .string($0.description) }))
    }
    try source.checkUnchanged()
    try SealedRecord.write(
      SealedRecord.bytes(schema, version: version, content), to: path, replacing: request.replaces)
    return try ShardPlan(reading: path, open: request.open)
  }

  /// The same request whatever the current folder is.
  static func absolute(_ request: ConversionRequest) -> ConversionRequest {
    var request = request
    request.input = FileSystem.resolved(request.input) ?? request.input
    request.output = FileSystem.resolvedTarget(request.output) ?? request.output
    return request
  }

  /// Reads a plan.
  ///
  /// - Parameters:
  ///   - path: the file `convert --plan` wrote.
  ///   - open: how files are got at; what their numbers mean is in the plan.
  ///   - replaces: also replace an output that the plan would leave.
  /// - Throws: `RecordError` for a file that is no plan, was changed, or was made by another version.
  package init(reading path: String, open: OpenOptions = OpenOptions(), replaces: Bool = false) throws {
    let (content, digest) = try SealedRecord.read(path, schema: ShardPlan.schema, version: ShardPlan.version)
    func text(_ key: String) throws(RecordError) -> String {
      guard let text = content[key]?.string else { throw RecordError(.missing, file: path, field: key) }
      return text
    }
    guard let record = content["request"]?.object else { throw RecordError(.missing, file: path, field: "request") }
    var request = try RequestRecord.request(record, input: text("input"), output: text(Self.outputKey), file: path)
    request.replaces = replaces || content[Self.replacesKey]?.bool ?? false
    request.open = request.open.reading(like: open)
    self.content = content
    self.digest = digest
    self.request = request
    self.path = path
  }

  /// What is known of a conversion before any weight is read.
  private static func description(of plan: ConversionPlan, _ source: any TensorSource) throws -> JSONObject {
    var content: JSONObject = [
      "input": .string(plan.request.input), outputKey: .string(plan.request.output),
      replacesKey: plan.request.replaces ? true : false,
      "request": .object(RequestRecord.json(plan.request)), "recipe": .object(Recipe.record(plan, sources: [])),
    ]
    content.add(
      "files",
      .array(
        try source.manifest.files.map { file in
          let header = try InputFile(path: file.path, mode: .buffered).bytes(
            0..<min(file.headerByteCount, file.byteCount))
          return .object([
            "name": .string(FileSystem.name(of: file.path)), "bytes": .number(JSONNumber(file.byteCount)),
            "header_sha256": .string(SHA256.digest(of: header).description),
          ])
        }))
    content.add(
      "companions",
      .array(
        try source.manifest.companions.map { companion in
          let bytes = try source.companion(named: companion.name)
          return RecordedFile(
            name: companion.name, bytes: UInt64(bytes.count), digest: SHA256.digest(of: bytes)
          ).json
        }))
    content.add(
      "tensors",
      .array(
        plan.tensors.map { tensor in
          .object([
            "name": .string(tensor.source.name), "output": .string(tensor.name), "step": .string(tensor.step.name),
            "encoding": .string(tensor.encoding.name), "source_bytes": .number(JSONNumber(tensor.source.contentBytes)),
            "output_bytes": .number(JSONNumber(tensor.byteCount)),
          ])
        }))
    return content
  }

  /// Opens the source and proves that it is the one that was planned, but for its weights.
  ///
  /// - Throws: `ShardError.sourceChanged`, or `noInput` where it is gone.
  func open() throws -> (source: any TensorSource, plan: ConversionPlan) {
    guard RemoteFolders.contains(request.input) || FileSystem.kind(of: request.input) != nil else {
      throw ShardError(.noInput(request.input), file: path)
    }
    let source = try ModelOpener.open(request.input, request.inputOptions, hasCompanions: true)
    let plan = try Planner(source, request).plan()
    let found = try ShardPlan.description(of: plan, source)
    // By their text: parsed values also know where they stood. The output's place is none of what
    // is in it.
    for entry in found.entries where ![Self.outputKey, Self.replacesKey].contains(entry.key) {
      if content[entry.key]?.serialized() == entry.value.serialized() { continue }
      throw ShardError(.sourceChanged("'\(entry.key)' differs from the plan"), file: request.input)
    }
    guard isOfCommit || tensorDigests.count == plan.tensors.count else {
      throw RecordError(.missing, file: path, field: "tensor_sha256")
    }
    return (source, plan)
  }

  /// Proves that tensors hold what was planned.
  func checkWeights(_ indices: [Int], _ plan: ConversionPlan, _ source: any TensorSource, _ work: WorkOptions) throws {
    if isOfCommit { return }
    let expected = tensorDigests
    let tensors = indices.map { plan.tensors[$0].source }
    let input = request.input
    try TensorDigest.each(tensors, in: source, work, phase: "checking source") { index, digest in
      guard expected[indices[index]] == digest else {
        throw ShardError(.sourceChanged("its bytes differ"), file: input, tensor: tensors[index].name)
      }
    }
  }

  /// True for a source whose path says which bytes it has.
  private var isOfCommit: Bool { content["tensor_sha256"] == nil && RemoteFolders.contains(request.input) }

  private var tensorDigests: [Digest] { digests("tensor_sha256") }

  /// Hashes of the source's files, where the output records them.
  var fileDigests: [Digest] { digests("file_sha256") }

  private func digests(_ key: String) -> [Digest] {
    content[key]?.array?.compactMap { $0.string.flatMap { Digest(hex: $0) } } ?? []
  }

  /// Which tensors a worker has, by their places in the conversion: the largest first, each to the worker that has
  /// least so far. Planes of one matrix stay together. Every worker comes to the same answer.
  static func share(_ worker: Int, of count: Int, _ plan: ConversionPlan) -> [Int] {
    var loads = [Int](repeating: 0, count: count)
    var mine: [Int] = []
    let sizes = plan.tensors.map { $0.source.location.byteCount }
    let firsts = sizes.indices.filter { plan.tensors[$0].plane == 0 }
    for index in firsts.sorted(by: { sizes[$0] != sizes[$1] ? sizes[$0] > sizes[$1] : $0 < $1 }) {
      var lightest = 0
      for candidate in loads.indices where loads[candidate] < loads[lightest] { lightest = candidate }
      loads[lightest] += max(1, sizes[index])
      guard lightest == worker - 1 else { continue }
      mine.append(index)
      var next = index + 1
      while next < sizes.count, plan.tensors[next].plane > 0 {
        mine.append(next)
        next += 1
      }
    }
    return mine.sorted()
  }

  /// Tensors in the order they are read, in runs of some size: what one worker does part by part. A run ends behind
  /// the tensor with which it has a 64th of the source; it has a megabyte at least, and needs no more than 256.
  static func runs(_ plan: ConversionPlan) -> [[Int]] {
    let sizes = plan.tensors.map { $0.source.location.byteCount }
    let enough = min(256 << 20, max(1 << 20, sizes.reduce(0, +) / 64))
    var runs: [[Int]] = []
    var size = enough
    for index in sizes.indices {
      // Planes of one matrix stay together.
      if size >= enough, plan.tensors[index].plane == 0 {
        runs.append([])
        size = 0
      }
      runs[runs.count - 1].append(index)
      size += sizes[index]
    }
    return runs
  }

  /// Where a worker's part stands: beside the plan.
  func partPath(_ worker: Int, of count: Int) -> String {
    let ending =
      switch request.target {
      case .tritpack: "tritpack"
      case .gguf: "gguf"
      default: "safetensors"
      }
    return "\(path).part-\(worker)-of-\(count).\(ending)"
  }

  /// Says that the part is complete, and what is in it.
  func receiptPath(_ worker: Int, of count: Int) -> String { "\(path).part-\(worker)-of-\(count).json" }
}
