// Tritsmith: a tensor made of its base and a patch.

import TritCore
import TritFormats
import TritSurvey

/// A tensor of a patch's target, made piece by piece in order.
struct PatchedTensor {
  let patch: TritDiffPatch
  let tensor: TritDiffTensor
  /// What it comes from; nil when the coding needs none.
  let base: DiffedTensor?

  init(_ tensor: TritDiffTensor, of patch: TritDiffPatch, base source: any TensorSource, _ work: WorkOptions) throws {
    self.patch = patch
    self.tensor = tensor
    guard tensor.coding.needsBase || tensor.scale == .same else {
      base = nil
      return
    }
    let name = tensor.from ?? tensor.identity.name
    guard let found = source.manifest.tensor(named: name) else {
      throw DiffError(.missingTensor, file: source.manifest.path, tensor: name)
    }
    base = try DiffedTensor(found, in: source, work)
  }

  /// Bands of trits, from the first to the last.
  func forEachBand(_ body: (MatrixBand, [Int8]) throws -> Void) throws {
    let shape = tensor.identity.shape
    guard let section = tensor.section else {
      for band in DiffedTensor.bands(shape) { try body(band, try baseTrits(band)) }
      return
    }
    if tensor.coding == .gaps {
      let code = try patch.content(section)
      var decoder = try checked { () throws(TritDiffFault) in try TritGapDecoder(code, count: shape.elementCount) }
      for band in DiffedTensor.bands(shape) {
        var trits = try baseTrits(band)
        try checked { () throws(TritDiffFault) in try decoder.apply(to: &trits) }
        try body(band, trits)
      }
      return
    }
    var stream = try patch.stream(section)
    var rest: [UInt8] = []
    var left = shape.elementCount
    for band in DiffedTensor.bands(shape) {
      let count = band.count
      // Five trits of a byte may belong to two bands.
      let wanted = min(left, (count - rest.count + 4) / 5 * 5)
      let bytes = try stream.read((wanted + 4) / 5)
      guard let unpacked = TritCode.unpack(bytes.span, count: wanted) else {
        throw fault("one of its bytes is no code of five trits")
      }
      left -= wanted
      let codes = rest + unpacked
      rest = Array(codes[count...])
      try body(band, codes[..<count].map { Int8($0) - 1 })
    }
  }

  /// Pieces of bytes, from the first to the last.
  func forEachPiece(_ body: (Range<Int>, [UInt8]) throws -> Void) throws {
    let width = tensor.identity.elementWidth
    var stream = try tensor.section.map { try patch.stream($0) }
    for range in DiffedTensor.pieces(tensor.storedByteCount) {
      let before = tensor.coding.needsBase ? try baseBytes(range) : []
      guard let content = try stream?.read(range.count) else {
        try body(range, before)
        continue
      }
      let bytes =
        tensor.coding.needsBase
        ? BytePlanes.join(content.span, xor: before.span, width: width) : BytePlanes.join(content.span, width: width)
      try body(range, bytes)
    }
  }

  /// The scales as the target stores them.
  func scale() throws -> TernaryScale {
    guard case .trits(_, let scale) = tensor.identity.content else { preconditionFailure("dense tensors have none") }
    let bytes: [UInt8]
    switch tensor.scale {
    case .inline(let stored): bytes = stored
    case .section(let index): bytes = try patch.content(index)
    case .same, nil:
      guard let base else { throw fault("it has no base to take scales from") }
      bytes = try base.scale().storedBytes
    }
    guard SHA256.digest(of: bytes) == scale.digest else { throw fault("its scales do not have the hash it states") }
    return try TernaryScale(stored: bytes, as: scale, fault: fault)
  }

  /// The hash of what is made, as the patch's identities have it.
  func digest(_ progress: any ProgressObserver) throws -> Digest {
    let hash = SHA256()
    let total = tensor.storedByteCount
    if tensor.identity.isTernary {
      try forEachBand { band, trits in
        hash.update(trits.span.bytes)
        progress.advanced(by: tensor.identity.shape.byteShare(band, of: total))
      }
    } else {
      try forEachPiece { range, bytes in
        hash.update(bytes)
        progress.advanced(by: range.count)
      }
    }
    return hash.finalize()
  }

  private func baseTrits(_ band: MatrixBand) throws -> [Int8] {
    guard let base, base.isTernary, base.tensor.shape == tensor.identity.shape else {
      throw DiffError(.missingTensor, file: patch.path, tensor: tensor.identity.name)
    }
    return try base.trits(band)
  }

  private func baseBytes(_ range: Range<Int>) throws -> [UInt8] {
    guard let base, !base.isTernary, base.byteCount == tensor.storedByteCount else {
      throw DiffError(.missingTensor, file: patch.path, tensor: tensor.identity.name)
    }
    return try base.bytes(range)
  }

  private func checked<Result>(_ body: () throws(TritDiffFault) -> Result) throws -> Result {
    do throws(TritDiffFault) { return try body() } catch { throw fault(error.detail) }
  }

  func fault(_ detail: String) -> FormatError {
    FormatError(
      .badSection(detail), file: patch.path, tensor: tensor.identity.name, byteOffset: patch.offset(tensor.section),
      field: tensor.coding.rawValue)
  }
}

extension TernaryScale {
  /// Scales from their stored bytes.
  init(stored bytes: [UInt8], as scale: TritDiffScale, fault: (String) -> FormatError) throws {
    let values = DenseValues.floats(bytes.span.bytes, scale.storage)
    guard values.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
      throw fault("its scales are no \(scale.convention == .divide ? "divisors" : "factors")")
    }
    self.init(
      stored: values, storage: scale.storage, convention: scale.convention, granularity: scale.granularity)
  }
}
