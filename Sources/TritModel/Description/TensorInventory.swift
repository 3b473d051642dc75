// Tritsmith: the tensors of a model held against its description.

import TritCore
import TritFormats
import VisibleText

/// A model's tensors, each accounted for by the table of its family or not.
package struct TensorInventory: Sendable {
  /// Something that is not as the description asks.
  package enum Finding: Sendable, Hashable {
    case missing(ExpectedTensor)
    /// Layers of which nothing is there.
    case missingLayers(Range<Int>)
    /// More that are missing, beyond those that are named.
    case moreMissing(Int)
    case shape(name: String, expected: [Int], found: TensorShape)
    /// Stored in a type that holds no numbers a forward pass reads.
    case type(name: String, found: String)
    /// No part of the model uses it.
    case unused(String)
    /// All names begin with words that a wrapper left, or lack those a loader looks for.
    case wrapped(prefix: String, example: String)
    /// An adapter is still attached to the weights.
    case adapter(String)
  }

  package private(set) var findings: [Finding] = []
  /// Tensors no forward pass reads, by their names: what is computed from the configuration, a head that a tied one
  /// stands in for. An output leaves them out.
  package private(set) var setAside: [String] = []

  /// Missing tensors named one by one; a hostile file can ask for ten times as many as it has.
  private static let listed = 1000

  /// What wrappers put before names: torch.compile, data parallel, multimodal models.
  private static let wrappers = [
    "_orig_mod.", "module.", "language_model.", "model.language_model.", "base_model.model.",
  ]

  /// Looks at the names and shapes of a manifest.
  package init(_ manifest: ModelManifest, _ description: ModelDescription) {
    let architecture = description.architecture
    var unasked = Set(manifest.tensors.map { ExactString($0.name) })
    if let name = manifest.tensors.first(where: { TensorInventory.isAdapter($0.name) })?.name {
      findings.append(.adapter(name))
    }
    if let wrapped = TensorInventory.wrapped(manifest, architecture) {
      findings.append(wrapped)
      return
    }
    var missing = 0
    func look(_ expected: [ExpectedTensor]) {
      for tensor in expected {
        guard let stored = manifest.tensor(named: tensor.name) else {
          guard tensor.isNeeded else { continue }
          missing += 1
          if missing <= TensorInventory.listed { findings.append(.missing(tensor)) }
          continue
        }
        unasked.remove(ExactString(tensor.name))
        if !tensor.isNeeded { setAside.append(tensor.name) }
        check(stored, against: tensor)
      }
    }
    look(description.tensorsOutsideLayers)
    // Only layers of which something is there are looked at one by one: their number is the word of a file.
    var next = 0
    func lack(_ layers: Range<Int>) { if !layers.isEmpty { findings.append(.missingLayers(layers)) } }
    for layer in TensorInventory.storedLayers(manifest, below: description.layers) {
      lack(next..<layer)
      look(description.tensors(ofLayer: layer))
      next = layer + 1
    }
    lack(next..<description.layers)
    if missing > TensorInventory.listed { findings.append(.moreMissing(missing - TensorInventory.listed)) }
    sort(manifest, unasked: unasked)
  }

  /// Notes a tensor that is not of the type and shape that are expected.
  private mutating func check(_ stored: TensorDescriptor, against expected: ExpectedTensor) {
    // What shape bytes with scales of their own stand for cannot be known.
    if ForeignPacking.hasScales(stored) { return }
    // Projections have forms of their own, which other rules look at.
    if !expected.place.role.isProjection, let dtype = stored.encoding.dtype, !dtype.isFloatWeight {
      findings.append(.type(name: expected.name, found: dtype.rawValue))
    }
    if stored.shape.dimensions != expected.shape {
      findings.append(.shape(name: expected.name, expected: expected.shape, found: stored.shape))
    }
  }

  /// Sets those tensors aside that no description asks for and every reader can do without; notes the others.
  private mutating func sort(_ manifest: ModelManifest, unasked: Set<ExactString>) {
    for tensor in manifest.tensors where unasked.contains(ExactString(tensor.name)) {
      if TensorInventory.isDerivedBuffer(tensor.name) {
        setAside.append(tensor.name)
      } else if !isSecondPlane(tensor, manifest, unasked), !tensor.name.hasSuffix("weight_scale") {
        // Scales without packed weights have a rule of their own.
        findings.append(.unused(tensor.name))
      }
    }
  }

  /// Tensors of a source that no forward pass reads; none when it is not known what it reads.
  package static func setAside(_ source: any TensorSource) throws -> Set<ExactString> {
    guard let description = try? ModelDescription.read(source) else {
      return Set(source.manifest.tensors.lazy.map(\.name).filter(isDerivedBuffer).map { ExactString($0) })
    }
    // A head that is not the embeddings is read by some.
    let head = try TiedHead.differing(source, description)?.name
    return Set(
      TensorInventory(source.manifest, description).setAside.lazy.filter { $0 != head }.map { ExactString($0) })
  }

  /// Buffers that old checkpoints store and every reader computes from the configuration.
  package static func isDerivedBuffer(_ name: String) -> Bool {
    ["rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached", "self_attn.masked_bias"]
      .contains(where: name.hasSuffix)
  }

  /// Throws for names no loader looks for whatever the class: an adapter that is still attached, what a wrapper left.
  package static func checkNames(_ manifest: ModelManifest) throws(ModelError) {
    func error(_ kind: ModelError.Kind, _ tensor: TensorDescriptor) -> ModelError {
      ModelError(kind, location: ErrorLocation(file: manifest.path, tensor: tensor.name))
    }
    for tensor in manifest.tensors {
      if isAdapter(tensor.name) { throw error(.adapterAttached, tensor) }
      // Words that are no part of any model; others of the list can be.
      if let prefix = wrappers.prefix(2).first(where: tensor.name.hasPrefix) {
        throw error(.wrappedNames(prefix: prefix), tensor)
      }
    }
  }

  static func isAdapter(_ name: String) -> Bool {
    name.contains(text: ".lora_A.") || name.contains(text: ".lora_B.") || name.contains(text: ".base_layer.")
      || name.contains(text: ".lora_embedding_")
  }

  /// A finding when no name is one of the family, and all would be with a prefix less, or with `model.` before.
  private static func wrapped(_ manifest: ModelManifest, _ architecture: any Architecture) -> Finding? {
    guard !manifest.tensors.contains(where: { isInLayers($0.name, architecture) }) else { return nil }
    for prefix in wrappers {
      let found = manifest.tensors.first {
        $0.name.hasPrefix(prefix) && isInLayers(String($0.name.dropFirst(prefix.count)), architecture)
      }
      if let found { return .wrapped(prefix: prefix, example: found.name) }
    }
    return manifest.tensors.first { isInLayers("model." + $0.name, architecture) }
      .map { .wrapped(prefix: "", example: $0.name) }
  }

  private static func isInLayers(_ name: String, _ architecture: any Architecture) -> Bool {
    architecture.place(of: name)?.layer != nil
  }

  /// Numbers of layers, in order, that a tensor's name holds.
  private static func storedLayers(_ manifest: ModelManifest, below count: Int) -> [Int] {
    let prefix = ModulePlace.layerPrefix
    let numbers = manifest.tensors.lazy.filter { $0.name.hasPrefix(prefix) }
      .compactMap { UInt32($0.name.dropFirst(prefix.count).prefix { $0 != "." }).flatMap { Int(exactly: $0) } }
    return Set(numbers.filter { 0..<count ~= $0 }).sorted()
  }

  /// The second plane of a matrix the model uses.
  private func isSecondPlane(_ tensor: TensorDescriptor, _ manifest: ModelManifest, _ unasked: Set<ExactString>) -> Bool
  {
    guard tensor.encoding.isTernary, let first = TritPlanes.matrix(ofSecond: tensor.name),
      let matrix = manifest.tensor(named: first)
    else { return false }
    return matrix.encoding.isTernary && matrix.shape == tensor.shape && !unasked.contains(ExactString(first))
  }

}

extension TensorInventory {
  /// Throws the first finding.
  ///
  /// - Throws: `ModelError` naming the tensor, or the prefix of all names.
  package func check(file: String) throws(ModelError) {
    for finding in findings {
      if let error = finding.error(file: file) { throw error }
    }
  }
}

extension TensorInventory.Finding {
  /// The finding as an error; nil for one that only counts others.
  package func error(file: String) -> ModelError? {
    func error(_ kind: ModelError.Kind, _ tensor: String) -> ModelError {
      ModelError(kind, location: ErrorLocation(file: file, tensor: tensor))
    }
    func sizes(_ shape: [Int], _ tensor: String, _ kind: (TensorShape) -> ModelError.Kind) -> ModelError {
      let fits = TensorShape(shape)
      return error(fits.map(kind) ?? .contradiction(expected: "a shape whose product fits", found: "\(shape)"), tensor)
    }
    switch self {
    case .missing(let tensor): return sizes(tensor.shape, tensor.name) { .missingTensor(shape: $0) }
    case .missingLayers(let layers):
      return error(.missingLayers(layers), ModulePlace.layerPrefix + "\(layers.lowerBound)")
    case .moreMissing: return nil
    case .shape(let name, let expected, let found):
      return sizes(expected, name) { .tensorShape(expected: $0, found: found) }
    case .type(let name, let found):
      return error(.tensorEncoding(expected: "BF16, F16 or F32", found: found), name)
    case .unused(let name): return error(.unusedTensor, name)
    case .wrapped(let prefix, let example): return error(.wrappedNames(prefix: prefix), example)
    case .adapter(let name): return error(.adapterAttached, name)
    }
  }
}
