// Tritsmith: a GGUF model as if it were a Hugging Face one.

import TritCore
import TritKernels
import TritLayouts
import TritTokenizer

/// A GGUF source under Hugging Face's names, rows in Hugging Face's order, `config.json` and tokenizer rebuilt.
///
/// Everything that works on a model works on this view: conversion, verification, comparison and the forward pass
/// need not know what a file calls its tensors. Rows are put in order while they are read; blocks read as Float, and
/// rotated weights as those of the ordinary model, unless they are to be kept.
public final class GGUFModelView: TensorSource, ModelView {
  /// The file as it is.
  public let base: any TensorSource
  public let manifest: ModelManifest
  /// Nil when `general.architecture` is missing or not known; names are then the file's.
  private let reading: ModelDescription.Reading?
  private let places: [Place]
  /// The file's table, which places name by number: copies would double its memory.
  private let storedTensors: [TensorDescriptor]
  /// Where each name of the view is in `places`; a table of the places themselves would be mostly empty slots.
  private let indexOfName: [ExactString: Int]
  private let content: [(name: String, bytes: [UInt8])]
  /// Why the tokenizer that is there could not be rebuilt; nil when it could, was not asked for, or there is none.
  package let unreadTokenizer: String?
  /// Tensors of the file that are settings, not weights: rotary factors. The view does not show them.
  package let settingTensors: [(name: String, values: [Float])]
  /// How the file's weights are rotated; nil where its keys do not say that they are.
  public let rotation: WeightRotation?
  /// Whether rotated weights are shown as they are stored.
  public let keepsRotation: Bool
  private let hasCompanions: Bool
  private let preTokenizer: String?

  /// How a tensor of the view comes from the file.
  private struct Place {
    var index: Int
    var permutation: RowPermutation?
    /// The order of columns in the file.
    var columns: RowPermutation?
    var access: Access
    /// What the product with the tensor is multiplied by, from a tensor of its own.
    var factor: Float?
  }

  private enum Access {
    /// The file's bytes.
    case direct
    /// The file's rows, each a run of bytes, in another order.
    case rows(byteCount: Int)
    /// Numbers in blocks, decoded to Float.
    case decoded(any BlockCodec.Type)
    /// Rows that share bytes with others, unpacked and packed again as `SplitRow.twoBit`.
    case repacked(any TernaryLayout)
    /// Rotated rows, unfolded to Float.
    case unfolded(RowUnfolding)
    /// Numbers of that many bytes each, the columns in another order.
    case columns(byteCount: Int)
    /// Numbers in blocks, decoded to Float, the columns in another order.
    case ordered
    /// A list of numbers that stand for others.
    case numbers(ModuleTemplate.StoredValues)
    /// Numbers that nothing here makes weights of.
    case refused(GGUFModelError.Kind)

    /// Whether any range is made of whole rows.
    var takesWholeRows: Bool {
      switch self {
      case .repacked, .unfolded, .columns, .ordered, .numbers: true
      case .direct, .rows, .decoded, .refused: false
      }
    }
  }

  /// - Parameters:
  ///   - base: the file under its own names.
  ///   - hasCompanions: also rebuild the tokenizer's files, which takes time for a large vocabulary.
  ///   - preTokenizer: the pre-tokenizer's name, where the user says it; the file's is not looked at then.
  ///   - keepsRotation: show rotated weights as they are stored.
  /// - Throws: `GGUFModelError` when a family is known but its metadata does not describe the tensors, or weights are
  ///   rotated and the keys do not say how.
  public init(
    _ base: any TensorSource, hasCompanions: Bool, preTokenizer: String? = nil, keepsRotation: Bool = false
  ) throws {
    self.base = base
    self.hasCompanions = hasCompanions
    self.preTokenizer = preTokenizer
    self.keepsRotation = keepsRotation
    let rotation = try WeightRotation(base.manifest)
    self.rotation = rotation
    let rotated = Set((rotation?.names ?? []).map { ExactString($0) })
    let unfolded = keepsRotation ? [] : rotated
    var manifest = base.manifest
    if let preTokenizer { GGUFTokenizer.setName(preTokenizer, in: &manifest.entries) }
    let architecture = GGUFDescription.architecture(manifest)
    // A file of a vocabulary alone describes no model.
    let rotaryTensors = try RotaryTensors(base, architecture?.gguf)
    var reading =
      base.manifest.tensors.isEmpty
      ? nil : try architecture.map { try GGUFDescription.read(manifest, $0, rotaryTensors) }
    if keepsRotation { reading?.description.rotation = rotation }
    self.reading = reading
    var places: [Place] = []
    var indexOfName: [ExactString: Int] = [:]
    var tensors: [TensorDescriptor] = []
    let factors = try GGUFFactors(base)
    let drafting = reading.map { DraftingBlocks(base.manifest, $0.description) }
    var setAside = 0
    storedTensors = base.manifest.tensors
    places.reserveCapacity(storedTensors.count)
    tensors.reserveCapacity(storedTensors.count)
    indexOfName.reserveCapacity(storedTensors.count)
    for (index, stored) in storedTensors.enumerated()
    where !factors.isFactor(stored.name) && !rotaryTensors.holds(stored.name) {
      let place = architecture?.place(ofStored: stored.name)
      // Layers behind the model's have names of its table, and no text needs them.
      if drafting?.hold(stored.name) == true {
        setAside += 1
        continue
      }
      let permutation = try place.flatMap {
        try reading?.description.permutation(
          $0, rows: stored.shape.rank == 1 ? stored.shape.elementCount : stored.shape.rows, in: base.manifest.path)
      }
      let isUnfolded = unfolded.contains(ExactString(stored.name))
      let isRotated = rotated.contains(ExactString(stored.name))
      // Rotated columns stand in an order of their own, which belongs to the rotation.
      let columns =
        isRotated
        ? nil
        : try place.flatMap {
          try reading?.description.columnPermutation($0, columns: stored.shape.columns, in: base.manifest.path)
        }
      let unfolding =
        isUnfolded
        ? try GGUFModelView.rotation(rotation, of: stored, place, reading?.description, base.manifest.path)?.unfolding
        : nil
      var (shown, access) = GGUFModelView.shown(stored, permutation, columns, unfolding, place?.template)
      shown.name = place?.name ?? stored.name
      let factor = factors.factor(of: stored.name)
      if factor != nil {
        if stored.encoding.isTernary { shown.scale?.storage = .f32 } else { access = .refused(.factorOfDense) }
      }
      indexOfName[ExactString(shown.name)] = places.count
      places.append(
        Place(index: index, permutation: permutation, columns: columns, access: access, factor: factor))
      tensors.append(shown)
    }
    manifest.tensors = tensors
    self.places = places
    self.indexOfName = indexOfName
    if let description = reading?.description {
      let embedding = description.architecture.module(.embedding).flatMap {
        base.manifest.tensor(named: ModulePlace($0, layer: nil, piece: .weight).storedName ?? "")
      }
      let type = embedding?.encoding.dtype ?? .bf16
      manifest.configuration = HuggingFaceDescription.write(description, weightType: type)
    }
    settingTensors = rotaryTensors.values.sorted { $0.key < $1.key }.map { (name: $0.key, values: $0.value) }
    if let rotation { manifest.notes += rotation.notes(keepsRotation: keepsRotation) }
    if setAside > 0 { manifest.notes.append(CheckpointView.note(setAside, for: "a head that drafts tokens")) }
    var content: [(name: String, bytes: [UInt8])] = []
    var unread: String?
    if hasCompanions {
      if let object = manifest.configuration {
        content.append(("config.json", JSONValue.object(object).serialized(.pretty)))
      }
      if let settings = GGUFSampling.file(manifest) {
        content.append(("generation_config.json", JSONValue.object(settings).serialized(.pretty)))
      }
      let tokenizer = GGUFTokenizerFile(manifest, engine: GGUFTokenizerFile.engine(of: storedTensors))
      content += tokenizer.files.map { ($0.name, JSONValue.object($0.json).serialized(.pretty)) }
      manifest.notes += tokenizer.notes
      unread = tokenizer.problem
      manifest.companions = content.map { CompanionFile(name: $0.name, byteCount: $0.bytes.count) }
    }
    self.content = content
    unreadTokenizer = unread
    self.manifest = manifest
  }

  /// The program the file was made for.
  public var engine: GGUFEngine { GGUFTokenizerFile.engine(of: storedTensors) }

  /// What a stored tensor looks like in the view, and how it is read.
  private static func shown(
    _ stored: TensorDescriptor, _ permutation: RowPermutation?, _ columns: RowPermutation?,
    _ unfolding: RowUnfolding?, _ module: ModuleTemplate?
  ) -> (TensorDescriptor, Access) {
    var shown = stored
    func asFloats() -> Bool {
      guard StoredRows.isRead(stored.encoding), let byteCount = Checked.product(4, stored.shape.elementCount) else {
        return false
      }
      shown.encoding = .dense(.f32)
      shown.scale = nil
      shown.location.byteCount = byteCount
      return true
    }
    if let unfolding {
      return asFloats() ? (shown, .unfolded(unfolding)) : (shown, .refused(.cannotUnfold(type: stored.encoding.name)))
    }
    if let values = module?.values, values != .same, stored.shape.rank == 1 {
      guard stored.encoding.dtype?.isFloatWeight == true, asFloats() else { return (shown, .direct) }
      return (shown, .numbers(values))
    }
    if module?.form == .convolution, stored.shape.rank == 2,
      let shape = TensorShape([stored.shape.rows, 1, stored.shape.columns])
    {
      shown.shape = shape
    }
    if let columns {
      if let bits = stored.encoding.dtype?.bits, bits % 8 == 0 { return (shown, .columns(byteCount: bits / 8)) }
      guard case .ternary(let id) = stored.encoding, let layout = LayoutRegistry.layout(id) else {
        return asFloats() ? (shown, .ordered) : (shown, .direct)
      }
      let packed = SplitRow(.twoBit)
      shown.encoding = .ternary(packed.id)
      shown.location.byteCount = packed.byteCount(stored.shape)
      if case .group(let size) = shown.scale?.granularity {
        shown.scale?.granularity = .group(columns: TernaryScale.commonDivisor(size, columns.headRows))
      }
      return (shown, .repacked(layout))
    }
    if let codec = stored.encoding.blockCodec, let byteCount = Checked.product(4, stored.shape.elementCount) {
      shown.encoding = .dense(.f32)
      shown.location.byteCount = byteCount
      return (shown, .decoded(codec))
    }
    guard permutation != nil else { return (shown, .direct) }
    switch stored.encoding {
    case .dense(let dtype):
      let columns = stored.shape.rank == 1 ? 1 : stored.shape.columns
      return (shown, .rows(byteCount: columns * dtype.bits / 8))
    case .ternary(let id):
      guard let layout = LayoutRegistry.layout(id) else { return (shown, .direct) }
      if let count = layout.contiguousRowBytes(stored.shape) { return (shown, .rows(byteCount: count)) }
      let packed = SplitRow(.twoBit)
      shown.encoding = .ternary(packed.id)
      shown.location.byteCount = packed.byteCount(stored.shape)
      return (shown, .repacked(layout))
    case .opaque: return (shown, .direct)
    }
  }

  /// How a tensor is rotated, as the view names its columns.
  private static func rotation(
    _ rotation: WeightRotation?, of stored: TensorDescriptor, _ place: ModulePlace?, _ description: ModelDescription?,
    _ file: String
  ) throws(GGUFModelError) -> RowRotation? {
    guard let rotation, rotation.names.contains(stored.name) else { return nil }
    let columns = stored.shape.columns
    guard let place, let description else {
      // Of a family that is not known the file's own order is kept, in which columns are multiplied.
      return rotation.asMultiplied(stored)
    }
    var result = RowRotation(
      columns: columns, blockSize: rotation.blockSize, signs: rotation.signs?[columns])
    // Value heads are rotated in Hugging Face's order, or in the file's.
    if rotation.valueHeads == nil, let order = try description.columnPermutation(place, columns: columns, in: file) {
      result.order = (0..<columns).map { order.row(ofStored: $0) }
    }
    return result
  }

  package func rotation(of tensor: TensorDescriptor) -> RowRotation? {
    keepsRotation ? rowRotation(of: tensor) : nil
  }

  private func rowRotation(of tensor: TensorDescriptor) -> RowRotation? {
    try? GGUFModelView.rotation(
      rotation, of: stored(tensor), reading?.description.architecture.place(of: tensor.name), reading?.description,
      base.manifest.path)
  }

  /// The description as far as it is understood; nil for a family that is not known. Its tensors' names and row order
  /// go by it.
  package var statedDescription: ModelDescription? { reading?.description }

  /// What the file says the model is.
  ///
  /// - Throws: `ModelError` for a setting that is not understood: conversion would leave it out, and a forward pass
  ///   compute other logits.
  public func understoodDescription() throws(ModelError) -> ModelDescription {
    let reading = try descriptionReading()
    if let problem = reading.problem { throw problem }
    return reading.description
  }

  func descriptionReading() throws(ModelError) -> ModelDescription.Reading {
    try checkHasTensors()
    guard let reading else {
      let found = base.manifest.entry(GGUFDescription.architectureKey)?.string
      let location = ErrorLocation(file: manifest.path, field: GGUFDescription.architectureKey)
      guard let found else { throw ModelError(.noArchitecture, location: location) }
      throw ModelError(
        .unknownArchitecture(found, nearest: ArchitectureRegistry.nearest(to: found)), location: location)
    }
    return reading
  }

  /// - Throws: `ModelError` for a file that holds a vocabulary alone.
  package func checkHasTensors() throws(ModelError) {
    guard storedTensors.isEmpty else { return }
    throw ModelError(.vocabularyOnly, location: ErrorLocation(file: manifest.path))
  }

  private func knownPlace(of tensor: TensorDescriptor) -> Place? {
    indexOfName[ExactString(tensor.name)].map { places[$0] }
  }

  private func descriptor(_ place: Place) -> TensorDescriptor { storedTensors[place.index] }

  /// Whether a tensor is rotated in the file and shown as the ordinary matrix.
  package func isUnfolded(_ tensor: TensorDescriptor) -> Bool {
    guard let place = knownPlace(of: tensor), case .unfolded = place.access else { return false }
    return true
  }

  /// What the numbers of a tensor stand in: blocks, which the view shows as Float, too. What is unfolded is in Float.
  package func form(of tensor: TensorDescriptor) -> TensorEncoding {
    isUnfolded(tensor) ? tensor.encoding : stored(tensor).encoding
  }

  /// The name of a tensor's type, for people.
  package func typeName(of tensor: TensorDescriptor) -> String {
    stored(tensor).encoding.name + (isUnfolded(tensor) ? ", unfolded" : "")
  }

  package func name(ofStored name: String) -> String? {
    zip(places, manifest.tensors).first { storedTensors[$0.0.index].name == name }?.1.name
  }

  package func values(of tensor: TensorDescriptor) -> ModuleTemplate.StoredValues {
    guard let place = knownPlace(of: tensor), case .numbers(let values) = place.access else { return .same }
    return values
  }

  package func unfoldedBlock(of tensor: TensorDescriptor) -> Int? { isUnfolded(tensor) ? rotation?.blockSize : nil }

  package var storedRotation: StoredRotation? {
    guard let rotation else { return nil }
    var rows: [ExactString: RowRotation] = [:]
    for tensor in manifest.tensors {
      let name = stored(tensor).name
      guard rotation.names.contains(name) else { continue }
      rows[ExactString(tensor.name)] = rowRotation(of: tensor)
    }
    return StoredRotation(text: rotation.text, rows: rows)
  }

  /// The same file with rotated weights as those of the ordinary model.
  package func unfolded() throws -> GGUFModelView {
    guard rotation != nil, keepsRotation else { return self }
    return try GGUFModelView(base, hasCompanions: hasCompanions, preTokenizer: preTokenizer)
  }

  package func asOrdinary() throws -> any TensorSource { try unfolded() }

  /// The tensor of the file behind one of the view.
  public func stored(_ tensor: TensorDescriptor) -> TensorDescriptor {
    knownPlace(of: tensor).map(descriptor) ?? tensor
  }

  // MARK: - TensorSource

  public func scale(of tensor: TensorDescriptor) throws -> TernaryScale {
    let place = try place(of: tensor)
    var scale = try base.scale(of: descriptor(place))
    if let factor = place.factor { scale = scale.multiplied(by: factor) }
    let shape = tensor.shape
    if let order = place.columns, case .repacked = place.access {
      scale = scale.reordered(rows: shape.rows, columns: shape.columns, order) { order.storedRow(of: $0) }
    }
    guard let permutation = place.permutation else { return scale }
    return scale.reordered(rows: tensor.shape.rows, columns: tensor.shape.columns) { permutation.storedRow(of: $0) }
  }

  public func companion(named name: String) throws -> [UInt8] {
    guard let file = content.first(where: { $0.name == name }) else { return try base.companion(named: name) }
    return file.bytes
  }

  public func checkUnchanged() throws { try base.checkUnchanged() }

  public func checkIntegrity(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws {
    try base.checkIntegrity(parallelism, progress)
  }

  public func checkIntegrity(
    of tensor: TensorDescriptor, _ parallelism: Parallelism, _ progress: any ProgressObserver
  ) throws {
    try base.checkIntegrity(of: stored(tensor), parallelism, progress)
  }

  public func readsInPlace(_ tensor: TensorDescriptor) -> Bool {
    guard let place = knownPlace(of: tensor), case .direct = place.access else { return false }
    return base.readsInPlace(descriptor(place))
  }

  public func remotePlaces(of tensor: TensorDescriptor) throws -> [FileRange] {
    try base.remotePlaces(of: stored(tensor))
  }

  public func remotePlace(of range: Range<Int>, of tensor: TensorDescriptor) -> FileRange? {
    guard let place = knownPlace(of: tensor), case .direct = place.access else { return nil }
    return base.remotePlace(of: range, of: descriptor(place))
  }

  public func release(_ range: Range<Int>, of tensor: TensorDescriptor) {
    guard let place = knownPlace(of: tensor) else { return }
    switch place.access {
    case .direct: base.release(range, of: descriptor(place))
    case .rows where place.permutation?.staysInHeads == false:
      base.release(0..<descriptor(place).location.byteCount, of: descriptor(place))
    case .rows(let count):
      // Rows move inside their head only.
      let unit = max(1, count * (place.permutation?.headRows ?? 1))
      let end = min(descriptor(place).location.byteCount, (range.upperBound + unit - 1) / unit * unit)
      let start = range.lowerBound / unit * unit
      if start < end { base.release(start..<end, of: descriptor(place)) }
    case .decoded, .repacked, .unfolded, .columns, .ordered, .numbers, .refused:
      base.release(0..<descriptor(place).location.byteCount, of: descriptor(place))
    }
  }

  public func withBytes<Result>(
    _ range: Range<Int>, of tensor: TensorDescriptor, _ body: (RawSpan) throws -> Result
  ) throws -> Result {
    let place = try place(of: tensor)
    if case .direct = place.access { return try base.withBytes(range, of: descriptor(place), body) }
    let bytes = try gathered(range, place)
    return try body(bytes.span.bytes)
  }

  /// Bytes of the view that are not the file's own.
  private func gathered(_ range: Range<Int>, _ place: Place) throws -> [UInt8] {
    if place.access.takesWholeRows, descriptor(place).shape.hasLongRows {
      throw GGUFModelError(
        .badValue(expected: "rows of at most \(TensorShape.longestRow) numbers", found: "\(descriptor(place).shape)"),
        file: manifest.path, tensor: descriptor(place).name)
    }
    return switch place.access {
    case .direct: try base.withBytes(range, of: descriptor(place)) { $0.array }
    case .rows(let count): try ordered(range, place, rowBytes: count)
    case .decoded(let codec): try decoded(range, place, codec)
    case .repacked(let layout): try repacked(range, place, layout)
    case .unfolded(let unfolding): try floats(range, place) { unfolding.row($0) }
    case .columns(let count): try columnsOrdered(range, place, byteCount: count)
    case .ordered: try floats(range, place) { place.columns?.ordered($0) ?? $0 }
    case .numbers(let values): try numbers(range, place, values)
    case .refused(let kind): throw GGUFModelError(kind, file: manifest.path, tensor: descriptor(place).name)
    }
  }

  private func place(of tensor: TensorDescriptor) throws -> Place {
    guard let place = knownPlace(of: tensor) else {
      throw GGUFModelError(.noName, file: manifest.path, tensor: tensor.name)
    }
    return place
  }

  // MARK: - Reading rows in order

  private func ordered(_ range: Range<Int>, _ place: Place, rowBytes: Int) throws -> [UInt8] {
    var result = [UInt8](repeating: 0, count: range.count)
    guard let permutation = place.permutation, rowBytes > 0 else { return result }
    let shape = descriptor(place).shape
    let rows = shape.rank == 1 ? shape.elementCount : shape.rows
    var position = range.lowerBound
    while position < range.upperBound {
      let (row, inside) = position.quotientAndRemainder(dividingBy: rowBytes)
      // What follows the rows, such as the scale of I2_S, stays where it is.
      let isRow = row < rows
      let count = isRow ? min(rowBytes - inside, range.upperBound - position) : range.upperBound - position
      let start = isRow ? permutation.storedRow(of: row) * rowBytes + inside : position
      try copy(start..<start + count, of: descriptor(place), to: &result, at: position - range.lowerBound)
      position += count
    }
    return result
  }

  private func copy(_ range: Range<Int>, of stored: TensorDescriptor, to result: inout [UInt8], at start: Int) throws {
    try base.withBytes(range, of: stored) { copy($0, to: &result, at: start) }
  }

  private func copy(_ bytes: RawSpan, to result: inout [UInt8], at start: Int) {
    precondition(start >= 0 && start + bytes.byteCount <= result.count, "output inside the buffer")
    bytes.withUnsafeBytes { source in
      result.withUnsafeMutableBytes { target in
        UnsafeMutableRawBufferPointer(rebasing: target[start..<start + source.count]).copyMemory(from: source)
      }
    }
  }

  /// Float bytes of values in blocks; the range is one of Float bytes.
  private func decoded(_ range: Range<Int>, _ place: Place, _ codec: any BlockCodec.Type) throws -> [UInt8] {
    let stored = descriptor(place)
    let columns = max(1, stored.shape.columns)
    let size = codec.blockElements
    var result = [UInt8](repeating: 0, count: range.count)
    var position = range.lowerBound
    while position < range.upperBound {
      // Rows that stand as they are asked for are decoded together. A row is a whole number of blocks, the reader has
      // checked it.
      let (row, column) = (position / 4).quotientAndRemainder(dividingBy: columns)
      let first = (place.permutation?.storedRow(of: row) ?? row) * columns + column
      let most = place.permutation == nil ? GGUFModelView.decodedAtOnce : columns - column
      let count = min(most, (range.upperBound + 3) / 4 - position / 4)
      let blocks = first / size..<(first + count + size - 1) / size
      let bytes = blocks.lowerBound * codec.blockBytes..<blocks.upperBound * codec.blockBytes
      let values = try base.withBytes(bytes, of: stored) { codec.decode($0) }
      let start = (first % size) * 4 + position % 4
      let end = min(position + count * 4 - position % 4, range.upperBound)
      copy(
        values.span.bytes.extracting(start..<start + end - position), to: &result, at: position - range.lowerBound)
      position = end
    }
    return result
  }

  /// Numbers that are decoded before they are copied: little beside a band.
  private static let decodedAtOnce = 1 << 16

  /// Bytes of `SplitRow.twoBit` made of rows that share bytes with others in the file.
  private func repacked(_ range: Range<Int>, _ place: Place, _ layout: any TernaryLayout) throws -> [UInt8] {
    let shape = descriptor(place).shape
    let stored = StoredRows(source: base, tensor: descriptor(place))
    let packed = SplitRow(.twoBit)
    let kernels = ScalarKernels()
    let rowBytes = packed.byteCount(shape) / max(1, shape.rows)
    guard rowBytes > 0, !range.isEmpty else { return [] }
    let rows = range.lowerBound / rowBytes..<(range.upperBound + rowBytes - 1) / rowBytes
    var result = [UInt8](repeating: 0, count: rows.count * rowBytes)
    var trits = [Int8](repeating: 0, count: shape.columns)
    var bytes = [UInt8](repeating: 0, count: rowBytes)
    for row in rows {
      try stored.unpack(place.permutation?.storedRow(of: row) ?? row, layout, kernels, into: &trits)
      if let columns = place.columns { trits = columns.ordered(trits) }
      var output = bytes.mutableSpan
      packed.pack(
        trits.span, LayoutBand(bytes: 0..<rowBytes, rows: [0..<1]), shape, with: kernels, into: &output)
      let start = (row - rows.lowerBound) * rowBytes
      result.replaceSubrange(start..<start + rowBytes, with: bytes)
    }
    let first = range.lowerBound - rows.lowerBound * rowBytes
    return Array(result[first..<first + range.count])
  }

  // MARK: - Rows made anew

  /// Float bytes of rows that `change` makes of the file's; the range is one of Float bytes.
  private func floats(
    _ range: Range<Int>, _ place: Place, _ change: ([Float]) -> [Float]
  ) throws -> [UInt8] {
    let stored = descriptor(place)
    let reader = try StoredRows(source: base, tensor: stored, factor: place.factor).reader()
    return try StoredRows.floatBytes(range, columns: stored.shape.columns) { row in
      change(try reader(place.permutation?.storedRow(of: row) ?? row))
    }
  }

  /// Bytes of rows whose numbers stand in another order.
  private func columnsOrdered(_ range: Range<Int>, _ place: Place, byteCount: Int) throws -> [UInt8] {
    let stored = descriptor(place)
    guard let order = place.columns else { return [] }
    let rowBytes = stored.shape.columns * byteCount
    return try StoredRows.bytes(range, rowBytes: rowBytes) { row in
      let start = (place.permutation?.storedRow(of: row) ?? row) * rowBytes
      return try base.withBytes(start..<start + rowBytes, of: stored) { bytes in
        var result: [UInt8] = []
        result.reserveCapacity(rowBytes)
        for column in 0..<stored.shape.columns {
          let first = order.storedRow(of: column) * byteCount
          for index in first..<first + byteCount {
            result.append(bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self))
          }
        }
        return result
      }
    }
  }

  /// Float bytes of a list of numbers that stand for others.
  private func numbers(
    _ range: Range<Int>, _ place: Place, _ values: ModuleTemplate.StoredValues
  ) throws -> [UInt8] {
    let stored = descriptor(place)
    guard let dtype = stored.encoding.dtype else { return [] }
    let numbers = try base.withBytes(0..<stored.location.byteCount, of: stored) { DenseValues.floats($0, dtype) }
    return try StoredRows.floatBytes(range, columns: numbers.count) { _ in
      numbers.indices.map { values.model(numbers[place.permutation?.storedRow(of: $0) ?? $0]) }
    }
  }
}

extension RawSpan {
  /// A copy of the bytes.
  fileprivate var array: [UInt8] {
    (0..<byteCount).map { unsafeLoad(fromUncheckedByteOffset: $0, as: UInt8.self) }
  }
}
