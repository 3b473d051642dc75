// Tritsmith: finding a model's tensors and holding them to the configuration.

import TritCore
import TritFormats
import TritKernels
import TritLayouts
import TritModel

/// Looks tensors up by name, checks shape and encoding, and remembers which were used.
struct TensorBinder {
  let source: any TensorSource
  let engine: InferenceEngine
  private let residency: WeightResidency
  private var tensors: [ExactString: TensorDescriptor] = [:]
  private var used: Set<ExactString> = []
  /// Things done to the weights that a user should know.
  private(set) var notes: [String] = []
  private var bases: [RowRotation: WeightBasis] = [:]

  init(_ source: any TensorSource, _ engine: InferenceEngine, _ residency: WeightResidency) {
    self.source = source
    self.engine = engine
    self.residency = residency
    for tensor in source.manifest.tensors { tensors[ExactString(tensor.name)] = tensor }
  }

  func location(_ name: String) -> ErrorLocation { ErrorLocation(file: source.manifest.path, tensor: name) }

  func has(_ name: String) -> Bool { tensors[ExactString(name)] != nil }

  mutating func note(_ text: String) {
    if !notes.contains(text) { notes.append(text) }
  }

  /// A tensor of exactly this shape.
  mutating func tensor(_ name: String, _ dimensions: [Int]) throws -> TensorDescriptor {
    guard let shape = TensorShape(dimensions) else {
      throw ModelError(
        .contradiction(expected: "a shape whose product fits", found: "\(dimensions)"), location: location(name))
    }
    // What is computed takes memory for rows; no model has such ones.
    guard !shape.hasLongRows else {
      throw ModelError(
        .contradiction(expected: "rows of at most \(TensorShape.longestRow) numbers", found: "\(shape)"),
        location: location(name))
    }
    guard let tensor = tensors[ExactString(name)] else {
      throw ModelError(.missingTensor(shape: shape), location: location(name))
    }
    guard tensor.shape == shape else {
      throw ModelError(.tensorShape(expected: shape, found: tensor.shape), location: location(name))
    }
    used.insert(ExactString(name))
    return tensor
  }

  /// A bfloat16, float16 or float32 matrix, left where it is.
  mutating func matrix(_ name: String, rows: Int, columns: Int) throws -> FloatWeights {
    let tensor = try tensor(name, [rows, columns])
    return try FloatWeights(bytes: bytes(of: tensor), element: element(of: tensor), rows: rows, columns: columns)
  }

  /// A matrix of which a token reads one row: left in the source, whatever a read costs there.
  mutating func table(_ name: String, rows: Int, columns: Int) throws -> FloatWeights {
    let tensor = try tensor(name, [rows, columns])
    return try FloatWeights(
      bytes: .source(source, tensor), element: element(of: tensor), rows: rows, columns: columns)
  }

  /// A float vector, widened.
  mutating func vector(_ name: String, count: Int) throws -> [Float] { try numbers(name, [count]) }

  /// All numbers of a small float tensor, widened.
  mutating func numbers(_ name: String, _ dimensions: [Int]) throws -> [Float] {
    let tensor = try tensor(name, dimensions)
    let element = try element(of: tensor)
    let count = tensor.shape.elementCount
    return try source.withBytes(0..<count * element.byteCount, of: tensor) { engine.widen($0, element, 0..<count) }
  }

  /// The basis a tensor is stored in; nil for the ordinary one. Equal ones are one object.
  mutating func basis(of name: String) throws -> WeightBasis? {
    guard let source = source as? any ModelView, let tensor = tensors[ExactString(name)],
      let rotation = source.rotation(of: tensor)
    else { return nil }
    guard tensor.shape.columns == rotation.columns else {
      throw ModelError(
        .contradiction(expected: "rows of \(rotation.columns)", found: "\(tensor.shape)"), location: location(name))
    }
    if let known = bases[rotation] { return known }
    let basis = WeightBasis(rotation)
    bases[rotation] = basis
    note("weights are stored rotated and stay so: their inputs are rotated")
    return basis
  }

  mutating func norm(_ name: String, count: Int, epsilon: Float) throws -> NormWeights {
    NormWeights(values: try vector(name, count: count), epsilon: epsilon)
  }

  func element(of tensor: TensorDescriptor) throws(ModelError) -> FloatElement {
    switch tensor.encoding {
    case .dense(.bf16): .bf16
    case .dense(.f16): .f16
    case .dense(.f32): .f32
    default:
      let name = tensor.encoding.name
      let unsaid = MLXPacking.isUnsaid(tensor, source.manifest) ? MLXFault.noEntry.summary : nil
      throw ModelError(
        (unsaid ?? tensor.unreadReason).map { .unreadType(name, reason: $0) }
          ?? .tensorEncoding(expected: "BF16, F16 or F32", found: name), location: location(tensor.name))
    }
  }

  /// A weight that every token reads: in place where the source can, or else in memory once, for a source that reads,
  /// decompresses or reorders would do so again for every token.
  func bytes(of tensor: TensorDescriptor) throws -> WeightBytes {
    guard residency == .copied || !source.readsInPlace(tensor) else { return .source(source, tensor) }
    let all = 0..<tensor.location.byteCount
    let bytes = try source.withBytes(all, of: tensor) { engine.copy($0) }
    source.release(all, of: tensor)
    return .memory(bytes)
  }

  /// Throws for the first tensor nobody asked for, unless it is one transformers leaves aside too.
  func finish() throws(ModelError) {
    for tensor in source.manifest.tensors where !used.contains(ExactString(tensor.name)) {
      // Old checkpoints store what is computed from the configuration.
      if TensorInventory.isDerivedBuffer(tensor.name) { continue }
      throw ModelError(.unusedTensor, location: location(tensor.name))
    }
  }

  mutating func markUsed(_ name: String) {
    used.insert(ExactString(name))
  }

  // MARK: - Ternary tensors

  /// Packed trits with the arithmetic their scale convention stands for.
  mutating func ternary(
    _ tensor: TensorDescriptor, _ layout: LayoutID, rows: Int, columns: Int, bias: [Float]?
  ) throws -> (WeightBytes, TernaryOperand, ProjectionClass) {
    let scale = try checkedScale(tensor, rows: rows)
    let epilogue = try epilogue(scale, tensor, hasBias: bias != nil)
    let projectionClass: ProjectionClass = scale.convention == .divide ? .bitLinear : .autoBitLinearOffline
    func operand(_ order: PackedTritOrder) -> TernaryOperand {
      TernaryOperand(rows: rows, columns: columns, order: order, epilogue: epilogue, bias: bias)
    }
    switch layout {
    case HFPacked.id where rows % 4 == 0:
      return (try checkedBytes(of: tensor, .joinedRows), operand(.joinedRows), projectionClass)
    case SplitRow.twoBitID:
      return (try checkedBytes(of: tensor, .splitRows), operand(.splitRows), projectionClass)
    default:
      return (.memory(try repacked(tensor, layout)), operand(.splitRows), projectionClass)
    }
  }

  private func epilogue(
    _ scale: TernaryScale, _ tensor: TensorDescriptor, hasBias: Bool
  ) throws(ModelError) -> ProductEpilogue {
    guard scale.convention == .multiply else { return .divide(by: scale.stored) }
    // Graphs of GGUF add the bias to the finished product; AutoBitLinear multiplies it with the scale as well.
    guard source is GGUFModelView, hasBias else { return .multiply(by: scale.stored) }
    guard scale.stored.count == 1 else {
      throw ModelError(
        .scale(expected: "one scale for a projection with a bias", found: "\(scale.stored.count)"),
        location: location(tensor.name))
    }
    return .weights(of: scale.stored[0])
  }

  private func checkedScale(_ tensor: TensorDescriptor, rows: Int) throws -> TernaryScale {
    let scale = try source.scale(of: tensor)
    let expected: String
    switch scale.granularity {
    case .tensor: expected = scale.stored.count == 1 ? "" : "1 scale"
    case .row: expected = scale.stored.count == rows ? "" : "\(rows) scales, one a row"
    case .group: expected = "one scale for the tensor or one a row"
    }
    guard expected.isEmpty else {
      throw ModelError(
        .scale(expected: expected, found: "\(scale.stored.count) scales, \(scale.granularity)"),
        location: location(tensor.name))
    }
    for value in scale.stored where !value.isFinite {
      throw ModelError(
        .scale(expected: "a finite number to \(scale.convention.rawValue) by", found: "\(value)"),
        location: location(tensor.name))
    }
    guard scale.convention == .divide, scale.stored.contains(0) else { return scale }
    // Even zeros divided by 0 are no numbers.
    throw ModelError(
      .scale(expected: "a number to divide by that is not 0", found: "0"), location: location(tensor.name))
  }

  /// Packed bytes used as they are, after a look at every code.
  private func checkedBytes(of tensor: TensorDescriptor, _ order: PackedTritOrder) throws -> WeightBytes {
    let expected = order.byteCount(rows: tensor.shape.rows, columns: tensor.shape.columns)
    guard tensor.location.byteCount == expected else {
      throw ModelError(
        .tensorEncoding(
          expected: "\(expected) bytes of \(tensor.encoding.name)", found: "\(tensor.location.byteCount) bytes"),
        location: location(tensor.name))
    }
    let bytes = try bytes(of: tensor)
    let invalid = try bytes.withBytes(0..<expected) { engine.invalidCodes($0) }
    guard invalid == 0 else {
      throw try ModelError.invalidCodes(invalid, of: tensor, 0..<tensor.shape.rows, in: source)
    }
    return bytes
  }

  /// Any other layout, repacked to two bits a trit: products read two-bit codes only.
  private mutating func repacked(_ tensor: TensorDescriptor, _ id: LayoutID) throws -> [UInt8] {
    let trits = try PackedTrits(tensor, in: source)
    note("\(id) weights are repacked to 2 bits a trit in memory")
    let shape = tensor.shape
    let target = SplitRow(.twoBit)
    let bands = target.bands(shape, rowsPerBand: max(1, repackedTrits / max(1, shape.columns)))
    let result = try parallelism.filled(
      bands.map(\.bytes), workspace: [Int8](repeating: 0, count: (bands.first?.rowCount ?? 0) * shape.columns)
    ) { index, unpacked, bytes in
      // Rows of a band of this layout follow each other.
      let rows = bands[index].rows[0]
      var span = unpacked.mutableSpan
      try trits.read(rows, into: &span)
      target.pack(
        unpacked.span.extracting(0..<rows.count * shape.columns), bands[index], shape, with: KernelChoice.best,
        into: &bytes)
    }
    // The copy stands in for the file from now on.
    source.release(0..<tensor.location.byteCount, of: tensor)
    return result
  }

  var parallelism: Parallelism { Parallelism(threads: engine.threads) }
}
