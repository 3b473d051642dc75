// Tritsmith: the matrices of a PEFT LoRA adapter.

import TritCore
import TritFormats
import TritSurvey

/// The update of one matrix: scaling · B·A.
struct LoRAUpdate: Sendable {
  /// The tensor of the base it is added to.
  var tensor: String
  var rank: Int
  var scaling: Double
  /// `[rank, columns]`
  var a: [Float]
  /// `[rows, rank]`
  var b: [Float]
  var rows: Int
  var columns: Int

  /// Rows of scaling · B·A in Float: products are added in order of rank, then scaled, as PEFT scales the product.
  func delta(_ range: Range<Int>) -> [Float] {
    var result = [Float](repeating: 0, count: range.count * columns)
    let factor = Float(scaling)
    var output = result.mutableSpan
    let (a, b) = (a.span, b.span)
    for row in 0..<range.count {
      for k in 0..<rank {
        let weight = b[(range.lowerBound + row) * rank + k]
        for column in 0..<columns {
          output[unchecked: row * columns + column] += weight * a[unchecked: k * columns + column]
        }
      }
      for column in 0..<columns { output[unchecked: row * columns + column] *= factor }
    }
    return result
  }
}

/// A PEFT LoRA adapter: a folder with `adapter_config.json` and `adapter_model.safetensors`.
struct LoRAAdapter: Sendable {
  static let weightsName = "adapter_model.safetensors"

  let path: String
  let configuration: LoRAConfiguration
  let digest: Digest
  /// By the name of the tensor they are added to.
  let updates: [ExactString: LoRAUpdate]
  /// What a user should know of its configuration.
  let notes: [String]

  /// The folder that is meant: a file of an adapter stands for it, as config.json stands for a model's.
  static func folder(_ path: String) -> String {
    let isPart = [weightsName, LoRAConfiguration.name].contains(FileSystem.name(of: path))
    return isPart && FileSystem.kind(of: path) == .file ? FileSystem.parent(of: path) : path
  }

  init(_ path: String, work: WorkOptions) throws {
    let file = FileSystem.join(path, LoRAConfiguration.name)
    let weights = FileSystem.join(path, LoRAAdapter.weightsName)
    let missing = [file, weights].filter { FileSystem.kind(of: $0) != .file }.map { FileSystem.name(of: $0) }
    guard missing.isEmpty else {
      let hasPickle =
        missing == [LoRAAdapter.weightsName]
        && FileSystem.kind(of: FileSystem.join(path, "adapter_model.bin")) == .file
      throw MergeError(.notAnAdapter(missing: missing, hasPickle: hasPickle), file: path)
    }
    let text = try InputFile(path: file, mode: .buffered).contents(limit: 64 << 20)
    let settings = try ConfigurationText.object(text, path: file)
    let configuration = try LoRAConfiguration(settings, file: file)
    notes = ConfigurationText.notes(on: settings, text, name: LoRAConfiguration.name)
    let source = try SafetensorsSource(path: weights, isAdapter: true)
    self.path = path
    self.configuration = configuration
    digest = try FileHasher(work).digests([weights])[0]
    updates = try LoRAAdapter.updates(source, configuration, weights)
  }

  private static func updates(
    _ source: any TensorSource, _ configuration: LoRAConfiguration, _ file: String
  ) throws -> [ExactString: LoRAUpdate] {
    let ending = (a: ".lora_A.weight", b: ".lora_B.weight")
    var result: [ExactString: LoRAUpdate] = [:]
    for tensor in source.manifest.tensors {
      if tensor.name.hasSuffix(ending.b) {
        let other = tensor.name.dropLast(ending.b.count) + ending.a
        guard source.manifest.tensor(named: String(other)) != nil else {
          throw MergeError(.halfPair(missing: String(other)), file: file, tensor: tensor.name)
        }
        continue
      }
      guard tensor.name.hasSuffix(ending.a) else {
        throw MergeError(.unknownTensor(tensor.name), file: file, tensor: tensor.name)
      }
      let stem = String(tensor.name.dropLast(ending.a.count))
      let prefix = "base_model.model."
      let module = stem.hasPrefix(prefix) ? String(stem.dropFirst(prefix.count)) : stem
      guard let second = source.manifest.tensor(named: stem + ending.b) else {
        throw MergeError(.halfPair(missing: stem + ending.b), file: file, tensor: tensor.name)
      }
      guard configuration.isTarget(module) else { throw MergeError(.notTargeted, file: file, tensor: tensor.name) }
      guard tensor.shape.isMatrix, second.shape.isMatrix, tensor.shape.rows == second.shape.columns else {
        throw MergeError(
          .shape(expected: "[out, \(tensor.shape.rows)]", found: "\(second.shape)"), file: file, tensor: second.name)
      }
      let rank = configuration.rank(of: module)
      guard tensor.shape.rows == rank else {
        throw MergeError(.rank(expected: rank, found: tensor.shape.rows), file: file, tensor: tensor.name)
      }
      result[ExactString(module + ".weight")] = LoRAUpdate(
        tensor: module + ".weight", rank: rank, scaling: configuration.scaling(of: module),
        a: try values(tensor, source, file), b: try values(second, source, file), rows: second.shape.rows,
        columns: tensor.shape.columns)
    }
    guard !result.isEmpty else { throw MergeError(.empty, file: file) }
    return result
  }

  private static func values(_ tensor: TensorDescriptor, _ source: any TensorSource, _ file: String) throws -> [Float] {
    guard let dtype = tensor.encoding.dtype, dtype.isFloatWeight else {
      throw MergeError(.base(found: tensor.encoding.name), file: file, tensor: tensor.name)
    }
    // Products of rows are made of whole rows.
    guard !tensor.shape.hasLongRows else {
      throw WorkflowError(.rowTooLong(columns: tensor.shape.columns), file: file, tensor: tensor.name)
    }
    let values = try source.withBytes(0..<tensor.location.byteCount, of: tensor) { DenseValues.floats($0, dtype) }
    if let index = values.firstIndex(where: { !$0.isFinite }) {
      throw MergeError(.adapterNotFinite(index: index, value: "\(values[index])"), file: file, tensor: tensor.name)
    }
    return values
  }
}
