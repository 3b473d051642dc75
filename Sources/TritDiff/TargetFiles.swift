// Tritsmith: the files of a patch's target.

import TritCore
import TritFormats
import TritLayouts
import TritSurvey

/// The files of a model that a patch must give again, byte for byte.
struct TargetFiles {
  let isFolder: Bool
  /// Weight files in the order of the manifest, then the index of shards where there is one.
  let paths: [String]
  let companions: [CompanionFile]

  /// - Throws: `DiffError` for a model whose tensors are compressed.
  init(_ source: any TensorSource) throws {
    let manifest = source.manifest
    if let tensor = manifest.tensors.first(where: TargetFiles.isCompressed) {
      throw DiffError(.compressedTarget, file: manifest.path, tensor: tensor.name)
    }
    var paths = manifest.files.map(\.path)
    let isNamedFolder = FileSystem.kind(of: manifest.path) == .folder
    let isIndex = !isNamedFolder && manifest.path.hasSuffix(".index.json")
    isFolder = isNamedFolder || isIndex || paths.count > 1
    if isIndex {
      paths.append(manifest.path)
    } else if isNamedFolder, !paths.contains(where: { FileSystem.name(of: $0) == "model.safetensors" }) {
      let index = FileSystem.join(manifest.path, ShardIndex.name)
      if FileSystem.kind(of: index) == .file { paths.append(index) }
    }
    self.paths = paths
    companions = isFolder ? manifest.companions : []
    for companion in companions where paths.contains(where: { FileSystem.name(of: $0) == companion.name }) {
      throw DiffError(.fileBesideModel(companion.name), file: manifest.path)
    }
  }

  private static func isCompressed(_ tensor: TensorDescriptor) -> Bool {
    tensor.location.storedByteCount != tensor.location.byteCount
      || tensor.scale.map { $0.location.storedByteCount != $0.location.byteCount } ?? false
  }

  /// A patch holds trits, and what a layout writes past the last column of a row is not among them. Readers skip it, so
  /// a file may have anything there.
  ///
  /// - Throws: `DiffError` for a tensor that packing its trits would not give again.
  static func checkPadding(_ source: any TensorSource, _ work: WorkOptions) throws {
    let padded = source.manifest.tensors.filter { tensor in
      guard case .ternary(let id) = tensor.encoding, let layout = LayoutRegistry.layout(id),
        layout.embeddedScale == nil, let square = TensorShape(rows: 20, columns: 20)
      else { return false }
      return layout.byteCount(tensor.shape) * (400 / layout.byteCount(square)) != tensor.shape.elementCount
    }
    try work.parallelism.forEachBand(padded.count) { index in
      let tensor = try DiffedTensor(padded[index], in: source, work.single)
      guard case .ternary(let id) = padded[index].encoding, let layout = LayoutRegistry.layout(id) else { return }
      let shape = padded[index].shape
      for band in layout.bands(shape, rowsPerBand: max(1, (1 << 18) / max(1, shape.columns))) {
        let trits = try band.parts(of: shape).flatMap { try tensor.trits($0) }
        var bytes = [UInt8](repeating: 0, count: band.bytes.count)
        var output = bytes.mutableSpan
        layout.pack(trits.span, band, shape, with: work.kernels, into: &output)
        guard try tensor.bytes(band.bytes) == bytes else {
          throw DiffError(.filledPadding, file: source.manifest.path, tensor: padded[index].name)
        }
      }
    }
  }

  /// What of a file lies between its tensors.
  static func gaps(_ extents: [TritDiffExtent], byteCount: UInt64) -> [Range<UInt64>] {
    var gaps: [Range<UInt64>] = []
    var position: UInt64 = 0
    for extent in extents.sorted(by: { ($0.place.offset, $0.byteCount) < ($1.place.offset, $1.byteCount) }) {
      if extent.place.offset > position { gaps.append(position..<extent.place.offset) }
      position = max(position, extent.place.offset + UInt64(extent.byteCount))
    }
    if byteCount > position { gaps.append(position..<byteCount) }
    return gaps
  }

  /// Reads and writes in bounded pieces.
  static func windows(_ range: Range<UInt64>) -> [Range<UInt64>] {
    let window: UInt64 = 4 << 20
    return stride(from: range.lowerBound, to: range.upperBound, by: Int(clamping: window)).map {
      $0..<min(range.upperBound, $0 + window)
    }
  }
}
