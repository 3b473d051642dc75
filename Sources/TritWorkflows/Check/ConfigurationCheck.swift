// Tritsmith: a configuration held against the tensors.

import TritCore
import TritFormats
import TritModel

/// Checks that `config.json` describes the tensors that are there.
struct ConfigurationCheck {
  let source: any TensorSource
  let survey: ModelSurvey

  private var manifest: ModelManifest { source.manifest }

  /// Missing tensors named one by one; a hostile file can ask for ten times as many as it has.
  private static let listedMissing = 1000

  func run() -> [CheckFinding] {
    guard let object = manifest.configuration else {
      return [CheckFinding(.noConfiguration, "config.json", "there is none; sizes and class cannot be checked")]
    }
    if let foreign = ForeignQuantization(configuration: object) {
      let weights = manifest.tensors.count { ForeignPacking.hasScales($0) }
      let held = weights > 0 ? ": \(weights) weights are bytes with scales of their own" : ""
      return [
        CheckFinding(
          .quantization, "quantization_config",
          "the model is quantized with \(foreign.text), which is not BitNet\(held); nothing here can read it")
      ]
    }
    let configuration: TransformerConfiguration
    do {
      configuration = try TransformerConfiguration(object, file: manifest.path)
    } catch {
      return quantizationFindings(object) + [CheckWorkflow.finding(.badConfiguration, error)]
    }
    return quantizationFindings(object) + tensorFindings(configuration) + typeFindings(object)
  }

  // MARK: - Tensors

  private func tensorFindings(_ configuration: TransformerConfiguration) -> [CheckFinding] {
    var findings: [CheckFinding] = []
    var rest = Set(manifest.tensors.map { ExactString($0.name) })
    var missing = 0
    func look(_ expected: [ExpectedTensor]) {
      for tensor in expected {
        guard let stored = manifest.tensor(named: tensor.name) else {
          guard tensor.isNeeded else { continue }
          missing += 1
          if missing <= ConfigurationCheck.listedMissing {
            findings.append(
              CheckFinding(.missingTensor, tensor.name, "needed with shape \(tensor.shape), and not there"))
          }
          continue
        }
        rest.remove(ExactString(tensor.name))
        // What shape bytes with scales of their own stand for cannot be known.
        if stored.shape.dimensions != tensor.shape, !ForeignPacking.hasScales(stored) {
          let detail = "has shape \(stored.shape), the configuration gives \(tensor.shape)"
          findings.append(CheckFinding(.shape, tensor.name, detail))
        }
      }
    }
    look(configuration.tensorsOutsideLayers)
    // Only layers of which something is there are looked at one by one: their number is the word of a file.
    var next = 0
    for layer in storedLayers(below: configuration.layers) {
      findings += missingLayers(next..<layer)
      look(configuration.tensors(ofLayer: layer))
      next = layer + 1
    }
    findings += missingLayers(next..<configuration.layers)
    if missing > ConfigurationCheck.listedMissing {
      findings.append(
        CheckFinding(.missingTensor, "model", "\(missing - ConfigurationCheck.listedMissing) more are not there"))
    }
    for tensor in manifest.tensors where rest.contains(ExactString(tensor.name)) {
      // Scales without weights have a rule of their own; old checkpoints store what is computed.
      if tensor.name.hasSuffix("weight_scale") || tensor.name.hasSuffix("rotary_emb.inv_freq") { continue }
      // The second plane of a matrix the model uses.
      if tensor.encoding.isTernary, let first = TritPlanes.matrix(ofSecond: tensor.name),
        let matrix = manifest.tensor(named: first), matrix.encoding.isTernary, matrix.shape == tensor.shape,
        !rest.contains(ExactString(first))
      {
        continue
      }
      findings.append(CheckFinding(.unusedTensor, tensor.name, "no part of the configured model uses it"))
    }
    return findings
  }

  /// Numbers of layers, in order, that a tensor's name holds.
  private func storedLayers(below count: Int) -> [Int] {
    let prefix = TransformerConfiguration.layerPrefix
    let numbers = manifest.tensors.lazy.filter { $0.name.hasPrefix(prefix) }
      .compactMap { Int($0.name.dropFirst(prefix.count).prefix { $0 != "." }) }
    return Set(numbers.filter { 0..<count ~= $0 }).sorted()
  }

  /// Layers of which nothing is there, in one finding.
  private func missingLayers(_ layers: Range<Int>) -> [CheckFinding] {
    guard let last = layers.last else { return [] }
    let prefix = TransformerConfiguration.layerPrefix
    let (name, text) =
      layers.count == 1
      ? ("\(prefix)\(last)", "nothing of this layer is there")
      : ("\(prefix)\(layers.lowerBound) to \(last)", "nothing of these \(layers.count) layers is there")
    return [CheckFinding(.missingTensor, name, text)]
  }

  // MARK: - Keys

  private func quantizationFindings(_ object: JSONObject) -> [CheckFinding] {
    let key = "quantization_config"
    let packed = manifest.tensors.count { $0.encoding.isTernary }
    guard let quantization = survey.quantization else {
      guard packed > 0, manifest.format == SafetensorsFormat.id else { return [] }
      return [CheckFinding(.quantization, key, "\(packed) tensors are packed, and the configuration does not say so")]
    }
    let hasProjections = survey.roles.contains { $0.isProjection }
    if quantization.mode == .online, packed > 0 {
      return [
        CheckFinding(.quantization, key, "says online, which means latent weights, and \(packed) tensors are packed")
      ]
    }
    if quantization.mode == .offline, packed == 0, hasProjections,
      !manifest.tensors.contains(where: ForeignPacking.hasScales)
    {
      return [
        CheckFinding(.quantization, key, "says \(quantization.linearClass.rawValue), and no projection is packed")
      ]
    }
    return []
  }

  private func typeFindings(_ object: JSONObject) -> [CheckFinding] {
    let key = object["dtype"] != nil ? "dtype" : "torch_dtype"
    guard let name = object[key]?.string else { return [] }
    let types: [String: DType] = ["bfloat16": .bf16, "float16": .f16, "float32": .f32]
    guard let stated = types[name] else { return [] }
    let embedding = zip(manifest.tensors, survey.roles).first { $0.1 == .embedding }?.0
    guard let embedding, let found = embedding.encoding.dtype, found != stated else { return [] }
    return [
      CheckFinding(.dtype, key, "says \(name), '\(printable(embedding.name))' is \(found.rawValue)")
    ]
  }
}
