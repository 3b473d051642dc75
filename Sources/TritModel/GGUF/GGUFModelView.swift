// Tritsmith: a GGUF model as if it were a Hugging Face one.

import TritCore
import TritLayouts
import TritTokenizer

/// A GGUF source under Hugging Face's names, rows in Hugging Face's order, `config.json` and tokenizer rebuilt.
///
/// Everything that works on a model works on this view: conversion, verification, comparison and the forward pass
/// need not know what a file calls its tensors. Rows are put in order while they are read; blocks read as Float, and
/// rotated weights as those of the ordinary model, unless they are to be kept.
package final class GGUFModelView: TensorSource, ModelView {
  /// The file as it is.
  package let base: any TensorSource
  package let manifest: ModelManifest
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
  package let rotation: WeightRotation?
  /// Whether rotated weights are shown as they are stored.
  package let keepsRotation: Bool
  private let hasCompanions: Bool
  private let preTokenizer: String?

  /// How a tensor of the view comes from the file.
  struct Place {
    var index: Int
    var permutation: RowPermutation?
    /// The order of columns in the file.
    var columns: RowPermutation?
    var access: Access
    /// What the product with the tensor is multiplied by, from a tensor of its own.
    var factor: Float?
  }

  enum Access {
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
  package init(
    _ base: any TensorSource, hasCompanions: Bool, preTokenizer: String? = nil, keepsRotation: Bool = false
  ) throws {
    self.base = base
    self.hasCompanions = hasCompanions
    self.preTokenizer = preTokenizer
    self.keepsRotation = keepsRotation
    let rotation = try WeightRotation(base.manifest)
    self.rotation = rotation
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
    let table = try GGUFModelView.table(
      base, architecture, reading?.description, rotation, rotaryTensors, keepsRotation: keepsRotation)
    storedTensors = base.manifest.tensors
    places = table.places
    indexOfName = table.indexOfName
    manifest.tensors = table.tensors
    if let description = reading?.description {
      manifest.configuration = HuggingFaceDescription.write(
        description, weightType: GGUFModelView.embeddingType(base.manifest, description))
    }
    settingTensors = rotaryTensors.values.sorted { $0.key < $1.key }.map { (name: $0.key, values: $0.value) }
    if let rotation { manifest.notes += rotation.notes(keepsRotation: keepsRotation) }
    if table.setAside > 0 {
      manifest.notes.append(CheckpointView.note(table.setAside, for: "a head that drafts tokens"))
    }
    (content, unreadTokenizer) = hasCompanions ? GGUFModelView.rebuilt(&manifest, storedTensors) : ([], nil)
    self.manifest = manifest
  }

  /// The tensors of a view.
  private struct Table {
    var places: [Place] = []
    var indexOfName: [ExactString: Int] = [:]
    var tensors: [TensorDescriptor] = []
    /// How many stand behind the model's layers: they have names of its table, and no text needs them.
    var setAside = 0

    init(capacity: Int) {
      places.reserveCapacity(capacity)
      tensors.reserveCapacity(capacity)
      indexOfName.reserveCapacity(capacity)
    }

    mutating func add(_ shown: TensorDescriptor, _ place: Place) {
      indexOfName[ExactString(shown.name)] = places.count
      places.append(place)
      tensors.append(shown)
    }
  }

  private static func table(
    _ base: any TensorSource, _ architecture: (any Architecture)?, _ description: ModelDescription?,
    _ rotation: WeightRotation?, _ rotaryTensors: RotaryTensors, keepsRotation: Bool
  ) throws -> Table {
    let path = base.manifest.path
    let rotated = Set((rotation?.names ?? []).map { ExactString($0) })
    let factors = try GGUFFactors(base)
    let drafting = description.map { DraftingBlocks(base.manifest, $0) }
    var table = Table(capacity: base.manifest.tensors.count)
    for (index, stored) in base.manifest.tensors.enumerated()
    where !factors.isFactor(stored.name) && !rotaryTensors.holds(stored.name) {
      if drafting?.hold(stored.name) == true {
        table.setAside += 1
        continue
      }
      let module = architecture?.place(ofStored: stored.name)
      let permutation = try module.flatMap {
        try description?.permutation(
          $0, rows: stored.shape.rank == 1 ? stored.shape.elementCount : stored.shape.rows, in: path)
      }
      let isRotated = rotated.contains(ExactString(stored.name))
      // Rotated columns stand in an order of their own, which belongs to the rotation.
      let columns =
        isRotated
        ? nil : try module.flatMap { try description?.columnPermutation($0, columns: stored.shape.columns, in: path) }
      let unfolding =
        isRotated && !keepsRotation
        ? try GGUFModelView.rotation(rotation, of: stored, module, description, path)?.unfolding : nil
      var (shown, access) = GGUFModelView.shown(stored, permutation, columns, unfolding, module?.template)
      shown.name = module?.name ?? stored.name
      let factor = factors.factor(of: stored.name)
      if factor != nil {
        if stored.encoding.isTernary { shown.scale?.storage = .f32 } else { access = .refused(.factorOfDense) }
      }
      table.add(
        shown, Place(index: index, permutation: permutation, columns: columns, access: access, factor: factor))
    }
    return table
  }

  /// What the embeddings are stored in, which a configuration names.
  private static func embeddingType(_ manifest: ModelManifest, _ description: ModelDescription) -> DType {
    let embedding = description.architecture.module(.embedding).flatMap {
      manifest.tensor(named: ModulePlace($0, layer: nil, piece: .weight).storedName ?? "")
    }
    return embedding?.encoding.dtype ?? .bf16
  }

  /// The files of a folder that the file's keys stand for, and why a tokenizer could not be among them.
  private static func rebuilt(
    _ manifest: inout ModelManifest, _ tensors: [TensorDescriptor]
  ) -> (files: [(name: String, bytes: [UInt8])], problem: String?) {
    var files: [(name: String, bytes: [UInt8])] = []
    if let object = manifest.configuration {
      files.append(("config.json", JSONValue.object(object).serialized(.pretty)))
    }
    if let settings = GGUFSampling.file(manifest) {
      files.append(("generation_config.json", JSONValue.object(settings).serialized(.pretty)))
    }
    let tokenizer = GGUFTokenizerFile(manifest, engine: GGUFTokenizerFile.engine(of: tensors))
    files += tokenizer.files.map { ($0.name, JSONValue.object($0.json).serialized(.pretty)) }
    manifest.notes += tokenizer.notes
    manifest.companions = files.map { CompanionFile(name: $0.name, byteCount: $0.bytes.count) }
    return (files, tokenizer.problem)
  }

  /// Whether the file leaves open if text is brought into NFC before it is cut; it is read as if not.
  package var leavesNormalizationOpen: Bool {
    GGUFTokenizerFile.leavesNormalizationOpen(base.manifest, engine: engine)
  }

  /// The program the file was made for.
  package var engine: GGUFEngine { GGUFTokenizerFile.engine(of: storedTensors) }

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
  package func understoodDescription() throws(ModelError) -> ModelDescription {
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

  private func place(of tensor: TensorDescriptor) -> Place? {
    indexOfName[ExactString(tensor.name)].map { places[$0] }
  }

  func descriptor(_ place: Place) -> TensorDescriptor { storedTensors[place.index] }

  /// Whether a tensor is rotated in the file and shown as the ordinary matrix.
  package func isUnfolded(_ tensor: TensorDescriptor) -> Bool {
    guard let place = place(of: tensor), case .unfolded = place.access else { return false }
    return true
  }

  /// Whether the file has a tensor's columns in another order than the view.
  package func hasOwnColumns(_ tensor: TensorDescriptor) -> Bool { place(of: tensor)?.columns != nil }

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
    guard let place = place(of: tensor), case .numbers(let values) = place.access else { return .same }
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
  package func stored(_ tensor: TensorDescriptor) -> TensorDescriptor {
    place(of: tensor).map(descriptor) ?? tensor
  }

  // MARK: - TensorSource

  package func scale(of tensor: TensorDescriptor) throws -> TernaryScale {
    let place = try shownPlace(of: tensor)
    var scale = try base.scale(of: descriptor(place))
    if let factor = place.factor { scale = scale.multiplied(by: factor) }
    let shape = tensor.shape
    if let order = place.columns, case .repacked = place.access {
      scale = scale.reordered(rows: shape.rows, columns: shape.columns, order) { order.storedRow(of: $0) }
    }
    guard let permutation = place.permutation else { return scale }
    return scale.reordered(rows: tensor.shape.rows, columns: tensor.shape.columns) { permutation.storedRow(of: $0) }
  }

  package func companion(named name: String) throws -> [UInt8] {
    guard let file = content.first(where: { $0.name == name }) else { return try base.companion(named: name) }
    return file.bytes
  }

  package func checkUnchanged() throws { try base.checkUnchanged() }

  package func checkIntegrity(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws {
    try base.checkIntegrity(parallelism, progress)
  }

  package func checkIntegrity(
    of tensor: TensorDescriptor, _ parallelism: Parallelism, _ progress: any ProgressObserver
  ) throws {
    try base.checkIntegrity(of: stored(tensor), parallelism, progress)
  }

  package func readsInPlace(_ tensor: TensorDescriptor) -> Bool {
    guard let place = place(of: tensor), case .direct = place.access else { return false }
    return base.readsInPlace(descriptor(place))
  }

  package func remotePlaces(of tensor: TensorDescriptor) throws -> [FileRange] {
    try base.remotePlaces(of: stored(tensor))
  }

  package func remotePlace(of range: Range<Int>, of tensor: TensorDescriptor) -> FileRange? {
    guard let place = place(of: tensor), case .direct = place.access else { return nil }
    return base.remotePlace(of: range, of: descriptor(place))
  }

  package func release(_ range: Range<Int>, of tensor: TensorDescriptor) {
    guard let place = place(of: tensor) else { return }
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

  package func withBytes<Result>(
    _ range: Range<Int>, of tensor: TensorDescriptor, _ body: (RawSpan) throws -> Result
  ) throws -> Result {
    let place = try shownPlace(of: tensor)
    if case .direct = place.access { return try base.withBytes(range, of: descriptor(place), body) }
    let bytes = try gathered(range, place)
    return try body(bytes.span.bytes)
  }

  private func shownPlace(of tensor: TensorDescriptor) throws -> Place {
    guard let place = place(of: tensor) else {
      throw GGUFModelError(.noName, file: manifest.path, tensor: tensor.name)
    }
    return place
  }
}
