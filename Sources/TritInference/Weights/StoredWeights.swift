// Tritsmith: where a model's weights are while it runs.

import TritCore
import TritKernels
import TritModel

/// Bytes of a weight: in the file, used where they are, or in memory when they had to be made.
enum WeightBytes: Sendable {
  case source(any TensorSource, TensorDescriptor)
  case memory([UInt8])

  /// Gives `body` a range of the bytes; they are valid during the call only.
  func withBytes<Result>(_ range: Range<Int>, _ body: (RawSpan) throws -> Result) throws -> Result {
    switch self {
    case .source(let source, let tensor): try source.withBytes(range, of: tensor, body)
    case .memory(let bytes): try body(bytes.span.bytes.extracting(range))
    }
  }

  /// Gives the memory of mapped bytes back: something made of them is used from now on.
  func release() {
    if case .source(let source, let tensor) = self { source.release(0..<tensor.location.byteCount, of: tensor) }
  }
}

/// A float matrix or vector used in the type it is stored in.
struct FloatWeights: Sendable {
  var bytes: WeightBytes
  var element: FloatElement
  var rows: Int
  var columns: Int

  var byteCount: Int { rows * columns * element.byteCount }

  func withBytes<Result>(_ body: (RawSpan) throws -> Result) throws -> Result {
    try bytes.withBytes(0..<byteCount, body)
  }

  /// One row, widened.
  func row(_ index: Int, _ engine: InferenceEngine) throws -> [Float] {
    let rowBytes = columns * element.byteCount
    return try bytes.withBytes(index * rowBytes..<(index + 1) * rowBytes) { bytes in
      engine.widen(bytes, element, 0..<columns)
    }
  }
}

/// A matrix whose rows stand for tokens: the embedding, or the head.
enum TokenWeights: Sendable {
  case dense(FloatWeights)
  /// Packed trits; a row is unpacked when it is looked up.
  case grouped(GroupedMatrix)

  var rows: Int {
    switch self {
    case .dense(let weights): weights.rows
    case .grouped(let matrix): matrix.rows
    }
  }

  var byteCount: Int {
    switch self {
    case .dense(let weights): weights.byteCount
    case .grouped(let matrix): matrix.byteCount
    }
  }

  /// One row as Floats.
  func row(_ index: Int, _ engine: InferenceEngine) throws -> [Float] {
    switch self {
    case .dense(let weights): try weights.row(index, engine)
    case .grouped(let matrix): matrix.row(index, engine)
    }
  }
}

/// Weights of an RMS norm, widened: norms are small and used whole.
struct NormWeights: Sendable {
  var values: [Float]
  var epsilon: Float
}

/// A projection: y = x · Wᵀ in the arithmetic of its class.
struct Projection: Sendable {
  enum Weights: Sendable {
    /// A matrix of floats; outputs, bias included, are multiplied by `scale`.
    case dense(FloatWeights, scale: Float = 1, bias: [Float]?)
    /// Packed trits with one scale, or one a row.
    case ternary(WeightBytes, TernaryOperand)
    /// Packed trits with a scale for each group of columns.
    case grouped(GroupedMatrix, bias: [Float]?)
  }

  /// The module's path inside its layer, `self_attn.q_proj`.
  var name: String
  var rows: Int
  var columns: Int
  /// A norm of its own in front of the input quantization (`use_rms_norm`).
  var inputNorm: NormWeights?
  var weights: Weights
  var inputs: InputRounding
  var projectionClass: ProjectionClass
  /// The basis its weights are stored in; nil for the ordinary one.
  var basis: WeightBasis?
}

/// What becomes of an input before it is multiplied.
enum InputRounding: Sendable {
  case none
  /// Rounded to int8 by the largest magnitude of its token, and back.
  case int8
}
