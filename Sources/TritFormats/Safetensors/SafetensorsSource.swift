// Tritsmith: reading safetensors models.

import TritCore

/// A model in one or several safetensors files, with what stands beside them in its folder.
package final class SafetensorsSource: FilesOfTensors {
  package let manifest: ModelManifest
  let files: [InputFile]
  private let folder: ModelFolder?
  private let scales: [ExactString: Float]
  private let scaleOption: String?

  /// Opens a file, a folder, or an index.
  package convenience init(path: String, options: OpenOptions = OpenOptions()) throws {
    try self.init(path: path, options: options, isAdapter: false)
  }

  /// - Parameter isAdapter: true for the weights of an adapter, which are refused as a model.
  package init(path: String, options: OpenOptions = OpenOptions(), isAdapter: Bool) throws {
    let layout = try SafetensorsSource.locate(path)
    if !options.followsLinks, layout.single == nil {
      try ModelFolder.checkLinks(layout.files + (layout.index == nil ? [] : [ShardIndex.name]), in: layout.folder)
    }
    try RemoteFolders.expect(layout.files, in: layout.folder)
    let shards = try Shards(layout, options)
    let stored = shards.tensors
    if !isAdapter, let partial = PartialModel(tensorNames: stored.map(\.name)) {
      throw FormatError(.partialModel(partial), file: path)
    }
    let notes = try layout.notes + shards.notes(comparedWith: layout)
    var folder = try ModelFolder(
      path: layout.folder, wholeFolder: layout.single == nil, followsLinks: options.followsLinks)
    if let choice = options.modelClass { folder.configuration = folder.configuration.map(choice.named) }
    let configurationFile = FileSystem.join(layout.folder, ModelFolder.configurationName)
    let mlx = try MLXInterpretation(
      stored, MLXQuantization(configuration: folder.configuration, file: configurationFile),
      files: shards.manifestFiles,
      read: shards.bytes)
    let interpretation = try PackedInterpretation(
      stored: mlx.weights.isEmpty
        ? stored
        : stored.filter { mlx.weights[ExactString($0.name)] == nil && !mlx.parts.contains(ExactString($0.name)) },
      configuration: folder.configuration, configurationFile: configurationFile,
      recorded: SafetensorsSource.recordedConvention(shards.metadata), options: options,
      files: shards.manifestFiles
    ) { tensor in try shards.bytes(of: tensor, 0..<tensor.location.byteCount) }
    files = shards.files
    self.folder = folder
    scales = interpretation.scales
    scaleOption = options.scaleOption
    manifest = ModelManifest(
      format: SafetensorsFormat.id, path: path, files: shards.manifestFiles,
      tensors: SafetensorsSource.joined(stored, mlx, interpretation), metadata: shards.metadata,
      configuration: folder.configuration, companions: folder.companions,
      scaleFinding: mlx.finding ?? interpretation.finding,
      notes: notes + folder.notes + mlx.notes + interpretation.notes)
  }

  /// The files of a model as their headers say, one after the other.
  private struct Shards {
    var files: [InputFile] = []
    var manifestFiles: [ManifestFile] = []
    var tensors: [TensorDescriptor] = []
    /// Of a key that stands in several files, the first value.
    var metadata: [(key: String, value: String)] = []
    private var metadataKeys: Set<ExactString> = []
    private var shardOfTensor: [ExactString: String] = [:]

    init(_ layout: FileLayout, _ options: OpenOptions) throws {
      for name in layout.files {
        let shardPath = FileSystem.join(layout.folder, name)
        guard layout.index == nil || FileSystem.kind(of: shardPath) != nil else {
          throw FormatError(.missingShard(name), file: FileSystem.join(layout.folder, ShardIndex.name))
        }
        let file = try InputFile(path: layout.index == nil ? layout.path(of: name) : shardPath, mode: options.access)
        try add(file, named: name)
      }
    }

    private mutating func add(_ file: InputFile, named name: String) throws {
      let header = try SafetensorsHeader(of: file)
      for entry in header.entries {
        if let first = shardOfTensor.updateValue(name, forKey: ExactString(entry.name)) {
          throw FormatError(.tensorInTwoShards(first: first, second: name), file: file.path, tensor: entry.name)
        }
        let location = TensorLocation(
          file: files.count, offset: header.byteCount + entry.begin, byteCount: Int(clamping: entry.end - entry.begin))
        tensors.append(
          TensorDescriptor(name: entry.name, shape: entry.shape, encoding: .dense(entry.dtype), location: location))
      }
      for pair in header.metadata ?? [] where metadataKeys.insert(ExactString(pair.key)).inserted {
        metadata.append(pair)
      }
      manifestFiles.append(
        ManifestFile(path: file.path, byteCount: file.byteCount, headerByteCount: header.byteCount))
      files.append(file)
    }

    /// Notes on an index that is not exact; one that names other tensors is an error.
    func notes(comparedWith layout: FileLayout) throws -> [String] {
      guard let index = layout.index else { return [] }
      try SafetensorsSource.compare(index, shardOfTensor, path: FileSystem.join(layout.folder, ShardIndex.name))
      let total = tensors.reduce(UInt64(0)) { $0 + UInt64($1.location.byteCount) }
      guard let claimed = index.totalSize, claimed != total else { return [] }
      return ["the index claims total_size \(claimed), its tensors have \(total) bytes"]
    }

    /// A range of a tensor's bytes.
    func bytes(of tensor: TensorDescriptor, _ range: Range<Int>) throws -> [UInt8] {
      let start = tensor.location.offset
      return try files[tensor.location.file].bytes(start + UInt64(range.lowerBound)..<start + UInt64(range.upperBound))
    }
  }

  /// Tensors of both ways to pack, in file order.
  private static func joined(
    _ stored: [TensorDescriptor], _ mlx: MLXInterpretation, _ packed: PackedInterpretation
  ) -> [TensorDescriptor] {
    guard !mlx.weights.isEmpty else { return packed.tensors }
    let others = Dictionary(
      packed.tensors.map { (ExactString($0.name), $0) }, uniquingKeysWith: { first, _ in first })
    return stored.compactMap { mlx.weights[ExactString($0.name)] ?? others[ExactString($0.name)] }
  }

  /// The convention this program recorded in a file it wrote, which may travel without its config.json.
  private static func recordedConvention(_ metadata: [(key: String, value: String)]) -> ScaleConvention? {
    guard let text = metadata.first(where: { $0.key == "tritsmith_recipe" })?.value,
      let recipe = try? JSONValue.parse(Array(text.utf8)).object
    else { return nil }
    return recipe["scale_convention"]?.string.flatMap { ScaleConvention(rawValue: $0) }
  }

  package func remotePlaces(of tensor: TensorDescriptor) throws -> [FileRange] {
    places(of: tensor).flatMap { FileRange(files[$0.file], $0.bytes).ifRemote }
  }

  /// Where a tensor is, and its scales unless they are in memory since the file was opened.
  private func places(of tensor: TensorDescriptor) -> [TensorLocation] {
    guard let scale = tensor.scale, let biases = scale.biases else { return [tensor.location] }
    return [tensor.location, scale.location, biases]
  }

  package func scale(of tensor: TensorDescriptor) throws -> TernaryScale {
    let file = manifest.files[tensor.location.file].path
    if let descriptor = tensor.scale, let biases = descriptor.biases {
      return try MLXScales.scale(
        tensor, descriptor, scales: try bytes(at: descriptor.location), biases: try bytes(at: biases), file: file)
    }
    guard let descriptor = tensor.scale, let stored = scales[ExactString(tensor.name)] else {
      throw FormatError(.badScale("the tensor has none"), file: file, tensor: tensor.name)
    }
    guard let convention = descriptor.convention else {
      let finding = manifest.scaleFinding
      let detail = finding.evidence.map(\.detail).joined(separator: "; ")
      throw FormatError(
        finding.isConflicting
          ? .conflictingScaleConvention(detail: detail, option: scaleOption)
          : .unknownScaleConvention(hint: detail, option: scaleOption),
        file: file, tensor: descriptor.name)
    }
    return TernaryScale(stored: stored, storage: descriptor.storage, convention: convention)
  }

  package func scaleBytes(of tensor: TensorDescriptor) throws -> [UInt8] {
    guard let scale = tensor.scale else { return [] }
    return try bytes(at: scale.location) + (scale.biases.map { try bytes(at: $0) } ?? [])
  }

  private func bytes(at place: TensorLocation) throws -> [UInt8] {
    try files[place.file].bytes(place.offset..<place.offset + UInt64(place.byteCount))
  }

  package func companion(named name: String) throws -> [UInt8] {
    guard let folder, manifest.companions.contains(where: { $0.name == name }) else {
      throw FormatError(.noModel("there is no companion file '\(printable(name))'"), file: manifest.path)
    }
    return try folder.companion(named: name)
  }

  /// Index and shards must name the same tensors in the same places: converters fail on either difference.
  private static func compare(
    _ index: ShardIndex, _ shardOfTensor: [ExactString: String], path: String
  ) throws(FormatError) {
    for (name, shard) in index.shardOfTensor.sorted(by: { $0.key < $1.key }) where shardOfTensor[name] != shard {
      throw FormatError(.tensorNotInShard(shard: shard), file: path, tensor: name.string)
    }
    for name in shardOfTensor.keys.sorted() where index.shardOfTensor[name] == nil {
      throw FormatError(.tensorNotInIndex, file: path, tensor: name.string)
    }
  }
}

// MARK: - Finding the files

extension SafetensorsSource {
  /// The files a path stands for.
  private struct FileLayout {
    var folder: String
    var files: [String]
    var index: ShardIndex?
    /// The single file as the user named it.
    var single: String?
    var notes: [String] = []

    func path(of name: String) -> String { single ?? FileSystem.join(folder, name) }
  }

  private static func locate(_ path: String) throws -> FileLayout {
    guard FileSystem.kind(of: path) == .folder else {
      let folder = FileSystem.parent(of: path)
      if path.hasSuffix(".index.json") { return try shards(of: path, in: folder) }
      return FileLayout(folder: folder, files: [FileSystem.name(of: path)], single: path)
    }
    let names = try FileSystem.names(in: path)
    let hasIndex = names.contains(ShardIndex.name)
    if names.contains("model.safetensors") {
      var layout = FileLayout(folder: path, files: ["model.safetensors"])
      if hasIndex, !ShardIndex.namesSingleFile(in: path) {
        layout.notes.append("model.safetensors and an index both exist; the single file is used")
      }
      return layout
    }
    if hasIndex { return try shards(of: FileSystem.join(path, ShardIndex.name), in: path) }
    if let partial = PartialModel(folder: path, names: names) {
      throw FormatError(.partialModel(partial), file: path)
    }
    let candidates = names.filter { $0.hasSuffix(".safetensors") }
    if candidates.count == 1 { return FileLayout(folder: path, files: candidates) }
    throw FormatError(
      candidates.isEmpty
        ? .noModel("the folder holds no model: no safetensors, GGUF or TritPack file")
        : .noIndex(files: candidates.count, names: ModelPlace.listed(candidates)), file: path)
  }

  private static func shards(of indexPath: String, in folder: String) throws -> FileLayout {
    let json = try InputFile(path: indexPath, mode: .buffered).contents(limit: SafetensorsHeader.lengthLimit)
    let index = try ShardIndex(json: json, path: indexPath)
    return FileLayout(folder: folder, files: index.shards, index: index)
  }
}
