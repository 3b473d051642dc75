// Tritsmith: writing down what changed.

import TritCore
import TritFormats
import TritSurvey

/// Encodes tensors as their analyses say.
struct TensorEncoder: Sendable {
  let base: any TensorSource
  let target: any TensorSource
  let spill: TritDiffSpill
  let work: WorkOptions

  /// What goes into the tensor's section; nil when nothing does.
  func content(_ analysis: DiffAnalysis, _ tensor: TensorDescriptor) throws -> FinishedContent? {
    guard analysis.coding != .same else {
      work.progress.advanced(by: tensor.location.byteCount)
      return nil
    }
    let new = try DiffedTensor(tensor, in: target, work)
    let old = try analysis.coding.needsBase ? baseTensor(analysis) : nil
    let expansion = TritDiffLimits.expansion(of: analysis.coding, isTernary: new.isTernary)
    return try spill.content(expansion) { content in
      switch analysis.coding {
      case .same: break
      case .gaps: try gaps(old, new, shift: analysis.shift, to: content)
      case .whole where new.isTernary: try fives(new, to: content)
      case .xor, .whole: try pieces(old, new, to: content)
      }
    }
  }

  /// The entry of the header, its section not yet known.
  func tensor(_ analysis: DiffAnalysis, _ tensor: TensorDescriptor) throws -> TritDiffTensor {
    var result = TritDiffTensor(
      identity: analysis.target, place: TritDiffPlace(file: tensor.location.file, offset: tensor.location.offset),
      coding: analysis.coding)
    result.from = analysis.from
    result.change = analysis.change
    guard analysis.target.isTernary, case .ternary(let layout) = tensor.encoding, let scale = tensor.scale else {
      return result
    }
    result.layout = layout
    result.scalePlace = TritDiffPlace(file: scale.location.file, offset: scale.location.offset)
    let bytes = try target.scale(of: tensor).storedBytes
    if analysis.hasSameScale {
      result.scale = .same
    } else {
      result.scale = bytes.count <= TritDiffTensor.ScaleCoding.inlineLimit ? .inline(bytes) : .section(0)
    }
    return result
  }

  private func baseTensor(_ analysis: DiffAnalysis) throws -> DiffedTensor? {
    guard let name = analysis.from, let tensor = base.manifest.tensor(named: name) else { return nil }
    return try DiffedTensor(tensor, in: base, work)
  }

  private func gaps(_ old: DiffedTensor?, _ new: DiffedTensor, shift: Int, to content: TritDiffContent) throws {
    var encoder = TritGapEncoder(shift: shift)
    for band in DiffedTensor.bands(new.tensor.shape) {
      guard let before = try old?.trits(band) else { preconditionFailure("gaps have a base") }
      let after = try new.trits(band)
      encoder.append(before.span, after.span)
      advance(new, band)
    }
    try content.append(encoder.finish())
  }

  private func fives(_ new: DiffedTensor, to content: TritDiffContent) throws {
    var rest: [UInt8] = []
    for band in DiffedTensor.bands(new.tensor.shape) {
      rest += DiffAnalysis.codes(try new.trits(band))
      let whole = rest.count / 5 * 5
      try content.append(TritCode.pack(rest.span.extracting(0..<whole)))
      rest.removeFirst(whole)
      advance(new, band)
    }
    try content.append(TritCode.pack(rest.span))
  }

  private func pieces(_ old: DiffedTensor?, _ new: DiffedTensor, to content: TritDiffContent) throws {
    let width = TritDiffIdentity.width(new.encoding)
    for range in DiffedTensor.pieces(new.byteCount) {
      let after = try new.bytes(range)
      if let before = try old?.bytes(range) {
        try content.append(BytePlanes.split(after.span, xor: before.span, width: width))
      } else {
        try content.append(BytePlanes.split(after.span, width: width))
      }
      work.progress.advanced(by: range.count)
    }
  }

  private func advance(_ tensor: DiffedTensor, _ band: MatrixBand) {
    work.progress.advanced(by: tensor.tensor.shape.byteShare(band, of: tensor.byteCount))
  }
}
