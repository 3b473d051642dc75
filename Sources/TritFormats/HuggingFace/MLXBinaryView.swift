// Tritsmith: binary weights of MLX as the numbers they are.

import TritCore

/// A source whose weights of 1 bit are shown as dense numbers, in the type of their scales.
///
/// A bit stands for bias or scale + bias. Of binary weights, whose bias is −scale ÷ 2, these are −s and +s: both are in the
/// file's own type, so nothing is rounded. There is no zero, so they are no trits.
package final class MLXBinaryView: TensorSource {
  /// The files as they are.
  package let base: any TensorSource
  package let manifest: ModelManifest
  private let stored: [ExactString: TensorDescriptor]

  /// Nil for a model without such weights.
  package init?(_ base: any TensorSource) {
    var manifest = base.manifest
    var stored: [ExactString: TensorDescriptor] = [:]
    for (index, tensor) in manifest.tensors.enumerated() {
      guard MLXPacking.isBinary(tensor.encoding), let type = tensor.scale?.storage,
        let byteCount = Checked.product(type.bits / 8, tensor.shape.elementCount)
      else { continue }
      stored[ExactString(tensor.name)] = tensor
      manifest.tensors[index].encoding = .dense(type)
      manifest.tensors[index].scale = nil
      manifest.tensors[index].location.byteCount = byteCount
    }
    guard !stored.isEmpty else { return nil }
    self.base = base
    self.manifest = manifest
    self.stored = stored
  }

  /// The tensor of the files behind one of the view.
  package func stored(_ tensor: TensorDescriptor) -> TensorDescriptor { binary(tensor) ?? tensor }

  private func binary(_ tensor: TensorDescriptor) -> TensorDescriptor? { stored[ExactString(tensor.name)] }

  package func withBytes<Result>(
    _ range: Range<Int>, of tensor: TensorDescriptor, _ body: (RawSpan) throws -> Result
  ) throws -> Result {
    guard let stored = binary(tensor) else { return try base.withBytes(range, of: tensor, body) }
    let bytes = try made(range, stored)
    return try body(bytes.span.bytes)
  }

  /// Some bytes of the numbers.
  private func made(_ range: Range<Int>, _ stored: TensorDescriptor) throws -> [UInt8] {
    guard !range.isEmpty, let scale = stored.scale, let biases = scale.biases,
      case .group(let size) = scale.granularity
    else { return [] }
    // Groups are made whole: a range may begin and end anywhere in them.
    let groupBytes = size * (scale.storage.bits / 8)
    let groups = range.lowerBound / groupBytes..<(range.upperBound - 1) / groupBytes + 1
    let pairs = MLXScales.pairs(
      try numbers(at: scale.location, scale.storage, groups, stored.name),
      try numbers(at: biases, scale.storage, groups, stored.name), scale.storage)
    if let bad = pairs.firstIndex(where: { $0.isFinite && !$0.isBinary }) {
      let perRow = max(1, stored.shape.columns / size)
      let (row, group) = (groups.lowerBound + bad).quotientAndRemainder(dividingBy: perRow)
      throw FormatError(
        .mlx(.binary(row: row, group: group, scale: pairs[bad].scale, bias: pairs[bad].bias)),
        file: manifest.files[stored.location.file].path, tensor: stored.name)
    }
    let start = groups.lowerBound * groupBytes
    let wanted = range.lowerBound - start..<range.upperBound - start
    return try base.withBytes(groups.lowerBound * size / 8..<groups.upperBound * size / 8, of: stored) { codes in
      switch scale.storage {
      case .f16: MLXBinaryView.bytes(codes, pairs, size, wanted) { HalfFloat($0).bits.littleEndian }
      case .bf16: MLXBinaryView.bytes(codes, pairs, size, wanted) { BFloat16($0).bits.littleEndian }
      default: MLXBinaryView.bytes(codes, pairs, size, wanted) { $0.bitPattern.littleEndian }
      }
    }
  }

  /// What the bits of groups stand for, lowest bit of each byte first.
  private static func bytes<Bits: FixedWidthInteger>(
    _ codes: RawSpan, _ pairs: [MLXScales.Pair], _ size: Int, _ wanted: Range<Int>, _ bits: (Float) -> Bits
  ) -> [UInt8] {
    precondition(codes.byteCount * 8 == pairs.count * size, "a bit for every weight")
    var values = [Bits](repeating: 0, count: pairs.count * size)
    var output = values.mutableSpan
    fill(&output, codes, pairs, size, bits)
    return values.withUnsafeBytes { Array($0[wanted]) }
  }

  private static func fill<Bits: FixedWidthInteger>(
    _ output: inout MutableSpan<Bits>, _ codes: RawSpan, _ pairs: [MLXScales.Pair], _ size: Int, _ bits: (Float) -> Bits
  ) {
    for (group, pair) in pairs.enumerated() {
      let (low, high) = (bits(pair.bias), bits(pair.scale + pair.bias))
      for byte in group * size / 8..<(group + 1) * size / 8 {
        let code = codes.unsafeLoad(fromUncheckedByteOffset: byte, as: UInt8.self)
        for place in 0..<8 { output[unchecked: 8 * byte + place] = code >> UInt8(place) & 1 == 1 ? high : low }
      }
    }
  }

  /// The bytes of some scales or biases.
  private func numbers(
    at location: TensorLocation, _ type: DType, _ range: Range<Int>, _ name: String
  ) throws -> [UInt8] {
    let count = location.byteCount / (type.bits / 8)
    guard let shape = TensorShape([count]), range.upperBound <= count else {
      preconditionFailure("a scale and a bias of every group was proved when the model was opened")
    }
    let part = TensorDescriptor(name: name, shape: shape, encoding: .dense(type), location: location)
    let width = type.bits / 8
    return try base.withBytes(range.lowerBound * width..<range.upperBound * width, of: part) { bytes in
      bytes.withUnsafeBytes { Array($0) }
    }
  }

  package func readsInPlace(_ tensor: TensorDescriptor) -> Bool { binary(tensor) == nil && base.readsInPlace(tensor) }

  package func expect(_ ranges: [ExpectedRange]) throws {
    try base.expect(
      ranges.map { range in
        binary(range.tensor).map { ExpectedRange($0, 0..<$0.location.byteCount) } ?? range
      })
  }

  package func remotePlaces(of tensor: TensorDescriptor) throws -> [FileRange] {
    try base.remotePlaces(of: stored(tensor))
  }

  package func remotePlace(of range: Range<Int>, of tensor: TensorDescriptor) -> FileRange? {
    binary(tensor) == nil ? base.remotePlace(of: range, of: tensor) : nil
  }

  package func release(_ range: Range<Int>, of tensor: TensorDescriptor) {
    guard let stored = binary(tensor), let type = tensor.encoding.dtype else { return base.release(range, of: tensor) }
    // A bit for each number.
    base.release(range.lowerBound / type.bits..<range.upperBound / type.bits, of: stored)
  }

  package func scale(of tensor: TensorDescriptor) throws -> TernaryScale { try base.scale(of: tensor) }

  package func scaleBytes(of tensor: TensorDescriptor) throws -> [UInt8] { try base.scaleBytes(of: tensor) }

  package func companion(named name: String) throws -> [UInt8] { try base.companion(named: name) }

  package func checkUnchanged() throws { try base.checkUnchanged() }

  package func checkIntegrity(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws {
    try base.checkIntegrity(parallelism, progress)
  }

  package func checkIntegrity(
    of tensor: TensorDescriptor, _ parallelism: Parallelism, _ progress: any ProgressObserver
  ) throws {
    try base.checkIntegrity(of: stored(tensor), parallelism, progress)
  }
}
