// Tritsmith: reading GGUF models.

import Synchronization
import TritCore
import TritLayouts

/// A model in a GGUF file, or in the parts of a split one, under the names the file has.
package final class GGUFSource: FilesOfTensors {
  package let manifest: ModelManifest
  let files: [InputFile]
  /// Scales are spread over all bytes of a tensor in some layouts: they are read once, when first asked for.
  private let scales = Mutex<[ExactString: TernaryScale]>([:])

  /// Opens a file, or all parts when it is part of a split model.
  package init(path: String, options: OpenOptions = OpenOptions()) throws {
    let paths = try GGUFSplit.parts(of: path)
    var inputs: [InputFile] = []
    var headers: [GGUFHeader] = []
    for part in paths {
      let file = try InputFile(path: part, mode: options.access)
      let header = try GGUFHeader(of: file)
      if let partial = PartialModel(header) { throw FormatError(.partialModel(partial), file: part) }
      headers.append(header)
      inputs.append(file)
    }
    try GGUFSplit.check(headers, paths)
    let (stated, order) = GGUFSource.order(headers[0], options)
    let meanings = try GGUFTypeMeanings(
      zip(headers, inputs).map { (header: $0, file: $1) }, choices: options.ggmlTypes)
    var tensors: [TensorDescriptor] = []
    var notes = meanings.notes
    var seen: Set<ExactString> = []
    for (index, header) in headers.enumerated() {
      let table = GGUFTensorTable(
        header, file: inputs[index], index: index, i2sOrder: order ?? .group128, meanings: meanings.byID)
      let own = try table.tensors()
      for tensor in own where !seen.insert(ExactString(tensor.name)).inserted {
        throw FormatError(.duplicateTensor, file: paths[index], tensor: tensor.name)
      }
      notes += table.notes(own)
      // The table of a whole file is taken over as it is; one that grows takes up to twice its size.
      if tensors.isEmpty { tensors = own } else { tensors += own }
    }
    try I2SOrder.check(options, stated: stated, tensors, file: paths[0])
    files = inputs
    let entries = headers[0].entries
    for key in headers.flatMap(\.repaired) { notes.append("the text of '\(printable(key))' is not UTF-8 throughout") }
    var manifest = ModelManifest(
      format: GGUFFormat.id, path: path,
      files: zip(inputs, headers).map {
        ManifestFile(path: $0.path, byteCount: $0.byteCount, headerByteCount: min($1.dataOffset, $0.byteCount))
      },
      tensors: tensors, metadata: entries.map { ($0.key, $0.value.text()) },
      scaleFinding: GGUFSource.scaleFinding(tensors, options, headers[0]), notes: notes)
    manifest.entries = entries
    manifest.typeFindings = meanings.findings
    self.manifest = manifest
  }

  package func remotePlaces(of tensor: TensorDescriptor) throws -> [FileRange] {
    FileRange(files[tensor.location.file], tensor.location.bytes).ifRemote
  }

  /// Scales are forgotten with the whole tensor: there may be one for each few dozen bytes of it.
  package func release(_ range: Range<Int>, of tensor: TensorDescriptor) {
    if range == 0..<tensor.location.byteCount {
      scales.withLock { _ = $0.removeValue(forKey: ExactString(tensor.name)) }
    }
    files[tensor.location.file].release(absolute(range, tensor))
  }

  package func companion(named name: String) throws -> [UInt8] {
    throw FormatError(.noModel("there is no companion file '\(printable(name))'"), file: manifest.path)
  }

  // MARK: - Scales

  /// The scales among a tensor's codes; one for the tensor when all that matter are equal.
  package func scale(of tensor: TensorDescriptor) throws -> TernaryScale {
    if let known = scales.withLock({ $0[ExactString(tensor.name)] }) { return known }
    guard case .ternary(let id) = tensor.encoding, let layout = LayoutRegistry.layout(id),
      let (storage, granularity) = layout.embeddedScale
    else {
      throw FormatError(.badScale("the tensor has none"), file: files[tensor.location.file].path, tensor: tensor.name)
    }
    let path = files[tensor.location.file].path
    let scale = try EmbeddedScaleReader(source: self, tensor: tensor, layout: layout, file: path)
      .read(storage, granularity)
    scales.withLock { $0[ExactString(tensor.name)] = scale }
    return scale
  }

  private static func scaleFinding(
    _ tensors: [TensorDescriptor], _ options: OpenOptions, _ header: GGUFHeader
  ) -> ScaleFinding {
    let ternary = tensors.filter { $0.encoding.isTernary }
    guard !ternary.isEmpty else { return ScaleFinding(convention: nil, evidence: []) }
    var evidence = [
      ScaleEvidence(
        origin: .container, convention: .multiply, detail: "ggml types store multipliers of trits")
    ]
    if ternary.contains(where: { $0.encoding.name.hasPrefix("I2_S") }) {
      let detail: String
      if let order = options.i2sOrder, !options.orderIsOfOutput || recordedOrder(header) == nil {
        detail = "I2_S byte order \(order.rawValue): chosen on the command line"
      } else if let order = recordedOrder(header) {
        detail = "I2_S byte order \(order.rawValue): recorded in the file by the program that wrote it"
      } else {
        detail = "I2_S byte order group128: assumed, as in all published files; the file carries no tag (--i2s-order)"
      }
      evidence.append(ScaleEvidence(origin: .container, convention: nil, detail: detail))
    }
    return ScaleFinding(convention: .multiply, evidence: evidence)
  }

  /// Key under which this program records the byte order it wrote.
  package static let i2sOrderKey = "tritsmith.i2s_order"

  /// The byte order a file states, and the one it is read in; nil where nothing says one.
  private static func order(_ header: GGUFHeader, _ options: OpenOptions) -> (stated: I2SOrder?, read: I2SOrder?) {
    let stated = recordedOrder(header)
    return (stated, options.orderIsOfOutput ? stated ?? options.i2sOrder : options.i2sOrder ?? stated)
  }

  private static func recordedOrder(_ header: GGUFHeader) -> I2SOrder? {
    header.value(i2sOrderKey)?.string.flatMap(I2SOrder.init(rawValue:))
  }
}
