// Tritsmith: a checkpoint of other names as if it were one of its class alone.

import TritCore
import TritFormats
import TritKernels

/// A safetensors source under the names of the text model's own class, in Hugging Face's form.
///
/// Files of a class with more parts, and files for MLX, put words before the names, hold parts no text needs, and say
/// norms as 1 + w. Their configuration becomes that of the text model. Rotated weights are read as those of the ordinary
/// model, unless they are to be kept.
package final class CheckpointView: ModelView {
  /// The files as they are.
  package let base: any TensorSource
  package let manifest: ModelManifest
  /// Whether rotated weights are shown as they are stored.
  package let keepsRotation: Bool
  /// Whether the files say that weights are rotated.
  package let isRotated: Bool
  /// Whether `config.json` is shown as its text model's part alone: what stands outside does not come along.
  package let isPartOfConfiguration: Bool
  private let reading: ModelDescription.Reading
  private let places: [Place]
  private let indexOfName: [ExactString: Int]
  private let storedNames: [ExactString: String]
  private let configuration: [UInt8]

  private struct Place {
    /// In the table of the files.
    var stored: TensorDescriptor
    var access: Access
    /// How the file's rows are rotated.
    var rotation: RowRotation?
  }

  private enum Access {
    case direct
    /// A list of numbers that stand for others, as Float.
    case numbers(ModuleTemplate.StoredValues)
    /// Rotated rows, unfolded to Float.
    case unfolded(RowUnfolding)
  }

  /// Nil for a source that needs no other view.
  ///
  /// - Throws: `ModelError` for a configuration that is not understood as far as names go by it, or signs of rotation
  ///   that are no signs.
  package init?(_ base: any TensorSource, keepsRotation: Bool = false) throws {
    guard let whole = base.manifest.configuration else { return nil }
    let file = FileSystem.join(base.manifest.path, "config.json")
    guard let family = CheckpointView.family(of: whole), case let names = family.otherNames, !names.prefixes.isEmpty
    else { return nil }
    let rotation = try MLXRotation(whole, file: file)
    try MLXRotation.checkRepetition(in: base, of: whole, rotation)
    let compound = try CompoundConfiguration(whole, file: file)
    let isForMLX = CheckpointView.isForMLX(base.manifest, family)
    let hasOthers = base.manifest.tensors.contains {
      names.ours($0.name) != $0.name || names.purpose(ofSetAside: $0.name) != nil
    }
    guard compound != nil || isForMLX || hasOthers || rotation != nil else { return nil }

    self.base = base
    self.keepsRotation = keepsRotation
    reading = try HuggingFaceDescription.reading(whole, file: file, architecture: nil)
    var blocks: [ExactString: Int] = [:]
    for module in rotation?.modules ?? [] where module.blockSize > 0 {
      blocks[ExactString(names.ours(module.path))] = module.blockSize
    }
    isRotated = !blocks.isEmpty
    try CheckpointView.check(rotation, Set(blocks.keys), names, family, base, file: file)
    let table = try Table(
      base, family, blocks, file: file, isForMLX: isForMLX, hasSigns: rotation != nil, keepsRotation: keepsRotation)
    var manifest = base.manifest
    manifest.tensors = table.tensors
    isPartOfConfiguration = compound != nil
    let object = compound?.object ?? whole
    manifest.configuration = object
    configuration = JSONValue.object(object).serialized(.pretty)
    if let index = manifest.companions.firstIndex(where: { $0.name == "config.json" }) {
      manifest.companions[index].byteCount = configuration.count
    }
    manifest.notes += table.setAside.map { CheckpointView.note($0.count, for: $0.what) }
    if isRotated { manifest.notes.append(CheckpointView.note(ofRotated: blocks.values, staysSo: keepsRotation)) }
    storedNames = Dictionary(
      zip(table.places, table.tensors).map { (ExactString($0.stored.name), $1.name) },
      uniquingKeysWith: { first, _ in first })
    places = table.places
    indexOfName = table.indexOfName
    self.manifest = manifest
  }

  private static func family(of configuration: JSONObject) -> (any Architecture)? {
    CompoundConfiguration.architecture(of: configuration)
      ?? ArchitectureRegistry.className(in: configuration).flatMap(ArchitectureRegistry.architecture(named:))
  }

  /// The tensors of a view.
  private struct Table {
    var places: [Place] = []
    var tensors: [TensorDescriptor] = []
    var indexOfName: [ExactString: Int] = [:]
    /// How many tensors stand aside, and what for.
    var setAside: [(what: String, count: Int)] = []

    /// - Parameter blocks: how many columns are rotated together, by the names of the modules that are.
    init(
      _ base: any TensorSource, _ family: any Architecture, _ blocks: [ExactString: Int], file: String,
      isForMLX: Bool, hasSigns: Bool, keepsRotation: Bool
    ) throws {
      let names = family.otherNames
      var missing = blocks
      for stored in base.manifest.tensors {
        if let what = names.purpose(ofSetAside: stored.name) {
          setAside(for: what)
          continue
        }
        let name = names.ours(stored.name)
        if hasSigns, name.hasSuffix(CheckpointView.signs) { continue }
        var turned: RowRotation?
        if let size = missing.removeValue(forKey: ExactString(HFQuantization.module(of: name))) {
          turned = try CheckpointView.rotation(of: stored, size, base)
        }
        var (shown, access) = CheckpointView.shown(
          stored, keepsRotation ? nil : turned, isForMLX ? family.place(of: name)?.template : nil)
        shown.name = name
        guard indexOfName.updateValue(places.count, forKey: ExactString(name)) == nil else {
          throw ModelError(
            .contradiction(expected: "one tensor '\(printable(name))'", found: "another under other words before it"),
            location: ErrorLocation(file: base.manifest.path, tensor: stored.name))
        }
        places.append(Place(stored: stored, access: access, rotation: turned))
        tensors.append(shown)
      }
      if let missing = missing.keys.sorted().first {
        throw ModelError(
          .contradiction(
            expected: "weights of every module that is said to be rotated", found: "none of '\(missing.string)'"),
          location: ErrorLocation(file: file, field: MLXRotation.modulesKey))
      }
    }

    private mutating func setAside(for what: String) {
      if let index = setAside.firstIndex(where: { $0.what == what }) {
        setAside[index].count += 1
      } else {
        setAside.append((what, 1))
      }
    }
  }

  private static let signs = ".signs"

  /// Throws where the list of modules is not that of the tensors beside it: what it leaves out would be taken for
  /// ordinary weights. mlx-lm refuses the same.
  private static func check(
    _ rotation: MLXRotation?, _ rotated: Set<ExactString>, _ names: OtherNames, _ family: any Architecture,
    _ base: any TensorSource, file: String
  ) throws(ModelError) {
    guard let rotation else { return }
    func refuse(_ expected: String, _ found: String, tensor: String? = nil) -> ModelError {
      ModelError(
        .contradiction(expected: expected, found: found),
        location: ErrorLocation(file: file, tensor: tensor, field: MLXRotation.modulesKey))
    }
    for tensor in base.manifest.tensors where tensor.name.hasSuffix(signs) {
      let module = String(names.ours(tensor.name).dropLast(signs.count))
      guard !rotated.contains(ExactString(module)) else { continue }
      let isListed = rotation.modules.contains { names.ours($0.path) == module }
      throw refuse(
        "a block of 512 or more for '\(printable(module))', whose signs are there",
        isListed ? "block 0" : "no such module", tensor: tensor.name)
    }
    for module in rotation.modules {
      let isEmbedding = family.place(of: names.ours(module.path) + ".weight")?.template.part == .embedding
      guard module.isEmbedding != isEmbedding else { continue }
      throw refuse(
        "embedding \(isEmbedding) for '\(printable(module.path))'", "\(module.isEmbedding)")
    }
  }

  /// What is said of tensors that no text needs.
  static func note(_ count: Int, for what: String) -> String {
    count == 1
      ? "1 tensor of \(what) is no part of the text model and left out"
      : "\(count) tensors of \(what) are no part of the text model and left out"
  }

  private static func note(ofRotated blocks: some Collection<Int>, staysSo: Bool) -> String {
    "the weights of \(blocks.count) \(blocks.count == 1 ? "module" : "modules") are rotated in "
      + "\(StoredRotation.text(blocks: blocks)), "
      + (staysSo ? "and stay so: their inputs are rotated" : "and unfolded while they are read")
  }

  /// Whether numbers are as MLX's tools leave them: mlx-lm goes by the axes of convolutions, and so do its readers.
  private static func isForMLX(_ manifest: ModelManifest, _ family: any Architecture) -> Bool {
    guard let module = family.module(.convolution) else { return false }
    let end = module.path + "." + module.piece.rawValue
    return manifest.tensors.contains {
      $0.name.hasSuffix(end) && $0.shape.rank == 3 && $0.shape.dimensions[2] == 1 && $0.shape.dimensions[1] > 1
    }
  }

  private static func shown(
    _ stored: TensorDescriptor, _ rotation: RowRotation?, _ module: ModuleTemplate?
  ) -> (TensorDescriptor, Access) {
    if let rotation, StoredRows.isRead(stored.encoding), let floats = stored.asFloats {
      return (floats, .unfolded(rotation.unfolding))
    }
    guard let module else { return (stored, .direct) }
    var shown = stored
    if module.form == .convolution, stored.shape.rank == 3,
      // One of the two dimensions is 1: the numbers stand where they stood.
      let shape = TensorShape([stored.shape.dimensions[0], stored.shape.dimensions[2], stored.shape.dimensions[1]])
    {
      shown.shape = shape
    }
    guard module.values == .onePlus, stored.shape.rank == 1, stored.encoding.dtype?.isFloatWeight == true,
      let floats = stored.asFloats
    else { return (shown, .direct) }
    return (floats, .numbers(module.values))
  }

  /// How the rows of a module's weights are rotated, whose signs stand beside them.
  private static func rotation(
    of stored: TensorDescriptor, _ size: Int, _ base: any TensorSource
  ) throws -> RowRotation {
    let name = HFQuantization.module(of: stored.name) + signs
    let location = ErrorLocation(file: base.manifest.path, tensor: name)
    let columns = stored.shape.columns
    guard let tensor = base.manifest.tensor(named: name) else {
      throw ModelError(.missingTensor(shape: stored.shape), location: location)
    }
    guard columns % size == 0, !stored.shape.hasLongRows else {
      throw ModelError(
        .tensorEncoding(
          expected: "rows of whole blocks of \(size), \(TensorShape.longestRow) numbers at most",
          found: "shape \(stored.shape)"),
        location: ErrorLocation(file: base.manifest.path, tensor: stored.name))
    }
    guard tensor.shape.dimensions == [columns], let dtype = tensor.encoding.dtype, dtype.isFloatWeight else {
      throw ModelError(
        .tensorEncoding(
          expected: "numbers of shape [\(columns)], a sign for each column of the weights",
          found: "\(tensor.encoding.name) of shape \(tensor.shape)"),
        location: location)
    }
    let values = try base.withBytes(0..<tensor.location.byteCount, of: tensor) { DenseValues.floats($0, dtype) }
    if let other = values.first(where: { $0 != 1 && $0 != -1 }) {
      throw ModelError(.unsupportedValue(expected: "1 and -1", found: "\(other)"), location: location)
    }
    return RowRotation(columns: columns, blockSize: size, signs: values.map { $0 < 0 ? -1 : 1 })
  }

  func descriptionReading(
    architecture chosen: (any Architecture)?
  ) throws(ModelError) -> ModelDescription.Reading {
    // Of the class that is named anyway: with what the whole file says, outside of a part that is shown alone too.
    guard let chosen, chosen.className != reading.description.architecture.className,
      let object = manifest.configuration
    else { return reading }
    return try HuggingFaceDescription.reading(
      object, file: FileSystem.join(manifest.path, "config.json"), architecture: chosen)
  }

  /// Whether a tensor is rotated in the file and shown as the ordinary matrix.
  package func isUnfolded(_ tensor: TensorDescriptor) -> Bool {
    guard let place = place(of: tensor), case .unfolded = place.access else { return false }
    return true
  }

  package func rotation(of tensor: TensorDescriptor) -> RowRotation? {
    keepsRotation ? place(of: tensor)?.rotation : nil
  }

  /// What a tensor of the files is called here; nil for one that is not shown.
  package func name(ofStored name: String) -> String? {
    storedNames[ExactString(name)]
  }

  package func values(of tensor: TensorDescriptor) -> ModuleTemplate.StoredValues {
    guard let place = place(of: tensor), case .numbers(let values) = place.access else { return .same }
    return values
  }

  package func unfoldedBlock(of tensor: TensorDescriptor) -> Int? {
    isUnfolded(tensor) ? place(of: tensor)?.rotation?.blockSize : nil
  }

  package var storedRotation: StoredRotation? {
    guard isRotated else { return nil }
    var rows: [ExactString: RowRotation] = [:]
    for (tensor, place) in zip(manifest.tensors, places) { rows[ExactString(tensor.name)] = place.rotation }
    let blocks = StoredRotation.text(blocks: rows.values.map(\.blockSize))
    return StoredRotation(
      text: "\(blocks), explicit signs, \(rows.count) \(rows.count == 1 ? "tensor" : "tensors")", rows: rows)
  }

  /// The same files with rotated weights as those of the ordinary model.
  package func unfolded() throws -> CheckpointView {
    guard isRotated, keepsRotation else { return self }
    return try CheckpointView(base) ?? self
  }

  package func asOrdinary() throws -> any TensorSource { try unfolded() }

  /// The tensor of the files behind one of the view.
  package func stored(_ tensor: TensorDescriptor) -> TensorDescriptor { place(of: tensor)?.stored ?? tensor }

  private func place(of tensor: TensorDescriptor) -> Place? {
    indexOfName[ExactString(tensor.name)].map { places[$0] }
  }

  private func shownPlace(of tensor: TensorDescriptor) throws(ModelError) -> Place {
    guard let place = place(of: tensor) else {
      throw ModelError(
        .missingTensor(shape: tensor.shape), location: ErrorLocation(file: manifest.path, tensor: tensor.name))
    }
    return place
  }

  // MARK: - TensorSource

  package func withBytes<Result>(
    _ range: Range<Int>, of tensor: TensorDescriptor, _ body: (RawSpan) throws -> Result
  ) throws -> Result {
    let place = try shownPlace(of: tensor)
    guard let bytes = try made(range, place) else { return try base.withBytes(range, of: place.stored, body) }
    return try body(bytes.span.bytes)
  }

  /// Bytes that are not the files' own; nil for those that are.
  private func made(_ range: Range<Int>, _ place: Place) throws -> [UInt8]? {
    if case .direct = place.access { return nil }
    guard !place.stored.shape.hasLongRows else {
      throw ModelError(
        .contradiction(
          expected: "rows of at most \(TensorShape.longestRow) numbers", found: "\(place.stored.shape)"),
        location: ErrorLocation(file: manifest.path, tensor: place.stored.name))
    }
    switch place.access {
    case .direct: return nil
    case .numbers(let values):
      guard let dtype = place.stored.encoding.dtype else { return nil }
      let numbers = try base.withBytes(0..<place.stored.location.byteCount, of: place.stored) {
        DenseValues.floats($0, dtype)
      }
      return try StoredRows.floatBytes(range, columns: numbers.count) { _ in numbers.map { values.model($0) } }
    case .unfolded(let unfolding):
      let reader = try StoredRows(source: base, tensor: place.stored).reader()
      return try StoredRows.floatBytes(range, columns: place.stored.shape.columns) { unfolding.row(try reader($0)) }
    }
  }

  package func readsInPlace(_ tensor: TensorDescriptor) -> Bool {
    guard let place = place(of: tensor), case .direct = place.access else { return false }
    return base.readsInPlace(place.stored)
  }

  package func expect(_ ranges: [ExpectedRange]) throws {
    try base.expect(
      ranges.compactMap { range -> ExpectedRange? in
        guard let place = place(of: range.tensor) else { return nil }
        if case .direct = place.access { return ExpectedRange(place.stored, range.range) }
        return ExpectedRange(place.stored, 0..<place.stored.location.byteCount)
      })
  }

  package func remotePlaces(of tensor: TensorDescriptor) throws -> [FileRange] {
    try base.remotePlaces(of: shownPlace(of: tensor).stored)
  }

  package func remotePlace(of range: Range<Int>, of tensor: TensorDescriptor) -> FileRange? {
    guard let place = place(of: tensor), case .direct = place.access else { return nil }
    return base.remotePlace(of: range, of: place.stored)
  }

  package func release(_ range: Range<Int>, of tensor: TensorDescriptor) {
    guard let place = place(of: tensor) else { return }
    guard case .direct = place.access else {
      return base.release(0..<place.stored.location.byteCount, of: place.stored)
    }
    base.release(range, of: place.stored)
  }

  package func scale(of tensor: TensorDescriptor) throws -> TernaryScale {
    try base.scale(of: shownPlace(of: tensor).stored)
  }

  package func scaleBytes(of tensor: TensorDescriptor) throws -> [UInt8] {
    try base.scaleBytes(of: shownPlace(of: tensor).stored)
  }

  package func companion(named name: String) throws -> [UInt8] {
    let isHere = manifest.companions.contains { $0.name == name }
    return name == "config.json" && isHere ? configuration : try base.companion(named: name)
  }

  package func checkUnchanged() throws { try base.checkUnchanged() }

  package func checkIntegrity(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws {
    try base.checkIntegrity(parallelism, progress)
  }

  package func checkIntegrity(
    of tensor: TensorDescriptor, _ parallelism: Parallelism, _ progress: any ProgressObserver
  ) throws {
    try base.checkIntegrity(of: shownPlace(of: tensor).stored, parallelism, progress)
  }
}
