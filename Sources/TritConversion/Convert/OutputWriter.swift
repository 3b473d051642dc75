// Tritsmith: where a conversion's bytes go.

import TritCore
import TritFormats
import TritLayouts
import TritSurvey
import TritVerification

/// Checks on the place an output is to appear at.
package enum OutputPlace {
  /// The form that the end of a name promises: gguf, tritpack or safetensors; nil for any other name.
  package static func form(named path: String) -> String? {
    let name = path.lowercased()
    return ["gguf", "tritpack", "safetensors"].first { name.hasSuffix("." + $0) }
  }

  /// Refuses an output that is the input, lies in it, or would replace a folder the input lies in.
  package static func check(_ request: ConversionRequest) throws(TensorIOError) {
    try check(request.output, input: request.input, replaces: request.replaces)
  }

  package static func check(_ place: String, input source: String, replaces: Bool) throws(TensorIOError) {
    guard let input = FileSystem.realPath(source) else {
      throw TensorIOError(.cannotOpen(errno: 2), path: source)
    }
    let parent = FileSystem.parent(of: place)
    guard let output = FileSystem.realTarget(place) else {
      throw TensorIOError(.parentMissing(parent), path: place)
    }
    let real = FileSystem.realPath(place) ?? output
    for path in [output, real] {
      if path == input {
        throw TensorIOError(.overlapsInput(input: source, detail: "is the same as"), path: place)
      }
      if FileSystem.kind(of: source) == .folder,
        FileSystem.isInside(path, of: input) || FileSystem.isInside(place, ofFolder: source)
      {
        throw TensorIOError(.overlapsInput(input: source, detail: "lies inside"), path: place)
      }
      if FileSystem.isInside(input, of: path) {
        let detail = "would replace the folder of"
        throw TensorIOError(.overlapsInput(input: source, detail: detail), path: place)
      }
    }
    if let kind = FileSystem.kindWithoutFollowing(place), !replaces {
      throw StagedOutput.taken(place, by: kind)
    }
  }

  /// Refuses early when the file system says that the output will not fit.
  package static func checkSpace(for plan: ConversionPlan) throws(TensorIOError) {
    try checkSpace(
      UInt64(plan.outputBytes + plan.companions.reduce(0) { $0 + $1.bytes }), for: plan.request.output)
  }

  package static func checkSpace(_ needed: UInt64, for output: String) throws(TensorIOError) {
    if let free = FileSystem.freeBytes(at: FileSystem.parent(of: output)), free < needed {
      throw TensorIOError(.noSpace(needed: needed, free: free), path: output)
    }
  }
}

/// Writes the tensors and companions of a plan into a staged output.
package final class OutputWriter: Sendable {
  package let staging: StagedOutput
  private let sink: any TensorSink
  private let plan: ConversionPlan
  private let isSingleSafetensors: Bool

  /// - Parameters:
  ///   - digests: hashes of the source's files, where they are known already.
  ///   - rehearsal: true for an output that is never put in place.
  package init(
    _ plan: ConversionPlan, source: any TensorSource, work: WorkOptions, digests: [Digest]? = nil,
    rehearsal: Bool = false
  ) throws {
    self.plan = plan
    let request = plan.request
    let isContainer = request.target == .tritpack || request.target == .gguf
    isSingleSafetensors = request.isBareFile
    let isFile = isContainer || isSingleSafetensors
    staging = try StagedOutput(
      isFile ? .file : .folder, at: request.output, replacing: request.replaces, rehearsal: rehearsal)
    sink =
      switch request.target {
      case .gguf: try OutputWriter.ggufSink(plan, source, staging)
      case .tritpack: try OutputWriter.tritpackSink(plan, source, staging, work, known: digests)
      case .hfPacked, .dense, .trainable, .mlx: try OutputWriter.safetensorsSink(plan, source, staging)
      }
  }

  private static func ggufSink(
    _ plan: ConversionPlan, _ source: any TensorSource, _ staging: StagedOutput
  ) throws -> any TensorSink {
    let sink = try GGUFSink(plan: ggufPlan(plan, source.manifest.files), staging: staging)
    for (name, values) in plan.ggufTensors {
      let bytes = values.flatMap { littleEndianBytes($0.bitPattern) }
      try sink.write(bytes.span.bytes, to: name, at: 0)
    }
    return sink
  }

  private static func tritpackSink(
    _ plan: ConversionPlan, _ source: any TensorSource, _ staging: StagedOutput, _ work: WorkOptions,
    known digests: [Digest]?
  ) throws -> any TensorSink {
    let sources = try hash(source.manifest.files, work, known: digests)
    let files = try plan.companions.map { (name: $0.name, bytes: try companion($0.name, plan, source)) }
    let pack = TritPackPlan(
      generator: Product.generator, recipe: Recipe.record(plan, sources: sources),
      metadata: source.manifest.format == GGUFFormat.id
        ? [] : source.manifest.metadata.filter { $0.key != Recipe.metadataKey },
      tensors: plan.tensors.map(tritpackTensor), files: files, compression: plan.request.compression)
    return try TritPackSink(plan: pack, staging: staging, parallelism: work.parallelism)
  }

  /// A sink of tensors, and beside them the files of a folder.
  private static func safetensorsSink(
    _ plan: ConversionPlan, _ source: any TensorSource, _ staging: StagedOutput
  ) throws -> any TensorSink {
    let request = plan.request
    let sources = source.manifest.files.map {
      (name: FileSystem.name(of: $0.path), bytes: $0.byteCount, digest: Digest?.none)
    }
    let recipe = JSONValue.object(Recipe.record(plan, sources: sources)).serialized()
    // Older Hugging Face loaders insist on the format entry; it names the program tensors are for.
    let metadata = [
      (key: "format", value: request.target == .mlx ? "mlx" : "pt"),
      (key: Recipe.metadataKey, value: String(decoding: recipe, as: UTF8.self)),
    ]
    let groups = plan.tensors.map(safetensorsGroup)
    let limit = request.isBareFile ? UInt64.max : request.maximumShardBytes ?? UInt64.max
    let sink = try SafetensorsSink(
      shards: ShardIndex.shards(groups, limit: limit), metadata: metadata, staging: staging)
    for companion in request.isBareFile ? [] : plan.companions {
      let file = try staging.createFile(companion.name)
      try file.write(self.companion(companion.name, plan, source), at: 0)
      try file.sync()
    }
    return sink
  }

  package func write(_ bytes: RawSpan, to tensor: String, at offset: Int) throws {
    try sink.write(bytes, to: tensor, at: offset)
  }

  /// Writes a scale that stands beside its codes.
  func writeScale(_ scale: TernaryScale, of tensor: String) throws {
    guard plan.request.target == .mlx else { return try writeScale(scale.storedBytes, of: tensor) }
    let biases = TernaryScale(
      stored: scale.stored.map { -$0 }, storage: scale.storage, convention: scale.convention,
      granularity: scale.granularity)
    for (name, numbers) in [(MLXPacking.scales(of: tensor), scale), (MLXPacking.biases(of: tensor), biases)] {
      guard let name else { preconditionFailure("names that cannot be packed are refused by the planner") }
      let bytes = numbers.storedBytes
      try sink.write(bytes.span.bytes, to: name, at: 0)
    }
  }

  /// The same with the bytes of a scale, for containers that store nothing else.
  package func writeScale(_ bytes: [UInt8], of tensor: String) throws {
    let name =
      plan.request.target == .tritpack ? TritPackTensor.scaleName(of: tensor) : OutputWriter.scaleName(of: tensor)
    try sink.write(bytes.span.bytes, to: name, at: 0)
  }

  func complete() throws { try sink.complete() }
  func sync() throws { try sink.sync() }

  /// For callers with nothing to do while the disk writes.
  package func finish() throws {
    try complete()
    try sync()
  }

  /// Header of a GGUF output: the planned metadata, and the record of the conversion.
  private static func ggufPlan(_ plan: ConversionPlan, _ files: [ManifestFile]) -> GGUFPlan {
    let sources = files.map { (name: FileSystem.name(of: $0.path), bytes: $0.byteCount, digest: Digest?.none) }
    let recipe = JSONValue.object(Recipe.record(plan, sources: sources)).serialized()
    let record = MetadataEntry(Recipe.ggufKey, .string(String(decoding: recipe, as: UTF8.self)))
    return GGUFPlan(
      entries: plan.ggufEntries + [record],
      tensors: plan.tensors.map { tensor in
        let type: UInt32? =
          switch tensor.encoding {
          case .dense(let dtype): GGMLType.id(of: dtype)
          case .ternary(let id): LayoutRegistry.layout(id)?.ggmlType
          case .opaque: tensor.encoding.blockCodec?.ggmlType
          }
        guard let type else { preconditionFailure("the planner chooses types that GGUF has") }
        return GGUFTensor(
          name: tensor.name, shape: tensor.outputShape ?? tensor.source.shape, type: type,
          byteCount: tensor.byteCount)
      }
        + plan.ggufTensors.map { name, values in
          guard let type = GGMLType.id(of: .f32), let shape = TensorShape([values.count]) else {
            preconditionFailure("a list has a shape, and GGUF has F32")
          }
          return GGUFTensor(name: name, shape: shape, type: type, byteCount: 4 * values.count)
        })
  }

  /// What the audit opens.
  package var auditPath: String { staging.stagingPath }

  /// A single file has no configuration of its own to say what its scales mean.
  package var auditConvention: ScaleConvention? {
    isSingleSafetensors || plan.configuration == nil ? plan.convention : nil
  }

  package var writtenBytes: UInt64 {
    if staging.kind == .file { return FileSystem.size(of: plan.request.output) ?? 0 }
    let names = (try? CompanionPath.names(in: plan.request.output)) ?? []
    return names.reduce(0) { $0 + (FileSystem.size(of: FileSystem.join(plan.request.output, $1)) ?? 0) }
  }

  // MARK: - Pieces

  private static func scaleName(of weight: String) -> String {
    guard let name = PackedName.scale(of: weight) else {
      preconditionFailure("names that cannot be packed are refused by the planner")
    }
    return name
  }

  private static func safetensorsGroup(_ tensor: PlannedTensor) -> [OutputTensor] {
    let shape = tensor.source.shape
    switch tensor.encoding {
    case .dense(let dtype): return [OutputTensor(name: tensor.source.name, dtype: dtype, shape: shape)]
    case .opaque: preconditionFailure("opaque tensors are refused by the planner")
    case .ternary(MLXTwoBit.id): return mlxGroup(tensor)
    case .ternary:
      // Of the dimension itself: rows without columns count as none.
      let quarter = (shape.dimensions.first ?? 0) / 4
      guard let packed = TensorShape(rows: quarter, columns: shape.columns), let one = TensorShape([1]) else {
        preconditionFailure("a quarter of a valid shape is valid")
      }
      let storage = tensor.outputScale?.storage ?? tensor.source.scale?.storage ?? .bf16
      return [
        OutputTensor(name: tensor.source.name, dtype: .u8, shape: packed),
        OutputTensor(name: scaleName(of: tensor.source.name), dtype: storage, shape: one),
      ]
    }
  }

  /// Words of codes, and scales and biases of the same shape.
  private static func mlxGroup(_ tensor: PlannedTensor) -> [OutputTensor] {
    let dimensions = tensor.source.shape.dimensions
    guard let size = tensor.mlxGroup, let storage = tensor.scaleStorage,
      let scales = MLXPacking.scales(of: tensor.name), let biases = MLXPacking.biases(of: tensor.name),
      let words = TensorShape(rows: dimensions[0], columns: dimensions[1] / 16),
      let groups = TensorShape(rows: dimensions[0], columns: dimensions[1] / size)
    else { preconditionFailure("the planner gives every packed tensor its groups and names") }
    return [
      OutputTensor(name: tensor.name, dtype: .u32, shape: words),
      OutputTensor(name: scales, dtype: storage, shape: groups),
      OutputTensor(name: biases, dtype: storage, shape: groups),
    ]
  }

  private static func tritpackTensor(_ tensor: PlannedTensor) -> TritPackTensor {
    guard case .ternary(let id) = tensor.encoding, let layout = LayoutRegistry.layout(id) else {
      return TritPackTensor(
        name: tensor.name, shape: tensor.source.shape, encoding: tensor.encoding, byteCount: tensor.byteCount)
    }
    let scale = tensor.source.scale
    if let planned = tensor.outputScale {
      return TritPackTensor(
        name: tensor.name, shape: tensor.source.shape, encoding: tensor.encoding,
        byteCount: layout.byteCount(tensor.source.shape),
        scale: (planned.storage, planned.granularity, planned.convention))
    }
    return TritPackTensor(
      name: tensor.name, shape: tensor.source.shape, encoding: tensor.encoding,
      byteCount: layout.byteCount(tensor.source.shape),
      scale: (
        tensor.scaleStorage ?? scale?.storage ?? .bf16, tensor.scaleGranularity ?? scale?.granularity ?? .tensor,
        tensor.scaleConvention ?? .multiply
      ))
  }

  private static func companion(_ name: String, _ plan: ConversionPlan, _ source: any TensorSource) throws -> [UInt8] {
    if name == "config.json", let configuration = plan.configuration {
      return JSONValue.object(configuration).serialized(.pretty)
    }
    return try source.companion(named: name)
  }

  /// SHA-256 of every source file.
  private static func hash(
    _ files: [ManifestFile], _ work: WorkOptions, known: [Digest]?
  ) throws -> [(name: String, bytes: UInt64, digest: Digest?)] {
    if let known, known.count == files.count {
      return zip(files, known).map { (FileSystem.name(of: $0.path), $0.byteCount, $1) }
    }
    work.progress.began(
      ProgressPhase(name: "hashing source", totalBytes: files.reduce(0) { $0 + $1.byteCount }))
    defer { work.progress.ended() }
    let hasher = FileHasher(work)
    let digests = try hasher.digests(files.map(\.path), areReadLater: true)
    return zip(files, digests).map { (FileSystem.name(of: $0.path), $0.byteCount, $1) }
  }
}
