// Tritsmith: dense tensors compared by value.

import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritSurvey

/// Compares dense tensors, also where they are stored in different types.
///
/// A value agrees when it is the same number, or when nothing but the type it is stored in has changed it: a rounding is
/// counted apart. What rounding may do to a number in a block follows from the scales of that block.
package struct DenseComparison {
  let source: any TensorSource
  let converted: any TensorSource
  let work: WorkOptions
  /// Which side was made from the other.
  let origin: ScaleAgreement.Origin
  /// This program has just written the second: nothing but its own encoders' bytes will do.
  let isOwnOutput: Bool

  package init(
    source: any TensorSource, converted: any TensorSource, work: WorkOptions,
    origin: ScaleAgreement.Origin = .first, isOwnOutput: Bool = false
  ) {
    (self.source, self.converted, self.work) = (source, converted, work)
    (self.origin, self.isOwnOutput) = (origin, isOwnOutput)
  }

  func run(
    _ expected: TensorDescriptor, _ found: TensorDescriptor, _ blank: TensorVerification
  ) throws -> TensorVerification {
    var result = blank
    let difference = try compare(expected, found)
    switch difference {
    case .same(let rounding):
      result.outcome = rounding.changed == 0 ? .equal : .rounded
      result.rounding = rounding.changed == 0 ? nil : rounding
      let types = "\(name(expected, source)) and \(name(found, converted))"
      result.detail =
        rounding.changed == 0 ? "every value equal, stored as \(types)" : rounding.phrase("between \(types)")
    case .other(_, let places):
      result.outcome = .differs
      let columns = max(1, expected.shape.columns)
      result.detail =
        places.first.map {
          "row \($0.index / columns), column \($0.index % columns): \(Place.text($0.right)) "
            + "(\(name(found, converted))), expected \(Place.text($0.left)) (\(name(expected, source)))"
        } ?? "values differ"
    case .sameBytes(let type):
      result.outcome = .identical
      result.detail = "same bytes, stored as \(type), which is not decoded"
    case .lost(let detail), .unreadable(let detail):
      result.outcome = .differs
      result.detail = detail
    }
    return result
  }

  package enum Outcome {
    case same(RoundingReport)
    /// How many elements differ as far as was looked, and the first of them.
    case other(count: Int, first: [Place])
    /// A row of which a type kept too little.
    case lost(String)
    /// Of a type that is not decoded.
    case sameBytes(type: String)
    case unreadable(String)
  }

  /// An element and its two values.
  package struct Place {
    package var index: Int
    package var left: Double
    package var right: Double

    /// As few digits as tell the number from its neighbours of its own type.
    package static func text(_ value: Double) -> String {
      Double(Float(value)) == value ? "\(Float(value))" : "\(value)"
    }
  }

  /// - Parameters:
  ///   - limit: places that are told.
  ///   - countsAll: go on after the first difference.
  package func compare(
    _ left: TensorDescriptor, _ right: TensorDescriptor, limit: Int = 1, countsAll: Bool = false
  ) throws -> Outcome {
    guard let leftType = left.encoding.dtype, let rightType = right.encoding.dtype, leftType.isDecodable,
      rightType.isDecodable
    else { return try compareBytes(left, right) }
    let (leftForm, rightForm) = (form(left, source), form(right, converted))
    // Numbers that stand for others may be rounded on their way, whatever their type.
    let standIns = [self.standIns(left, source), self.standIns(right, converted)].first { $0 != .same }
    let roundTrip = standIns == nil ? self.roundTrip(left) : nil
    let isSameForm = leftForm == rightForm && standIns == nil && roundTrip == nil
    var tally = Tally(limit: limit, roundTrip: roundTrip)
    // Whole rows, which are whole blocks of every type; of a row that is too long, whole blocks.
    let columns = max(1, left.shape.columns)
    let step = columns > bandBytes / 8 ? bandBytes / 8 : bandBytes / 8 / columns * columns
    let coarsest = [leftForm, rightForm].compactMap { StoredRounding(of: $0) }.max()
    for start in stride(from: 0, to: left.shape.elementCount, by: step) {
      try work.parallelism.cancellation.check()
      let elements = start..<min(start + step, left.shape.elementCount)
      tally.report.count += elements.count
      if isSameForm, leftType == rightType, try areSameBytes(elements, left, right, leftType) { continue }
      let band = try Band(
        first: values(elements, left, leftType, source), second: values(elements, right, rightType, converted))
      guard band.first != band.second else { continue }
      // Of one type no rounding leads to another number.
      let roundings =
        isSameForm
        ? [] : try self.roundings(elements, band, (left, leftForm), (right, rightForm), standIns, roundTrip: roundTrip)
      for index in band.first.indices where band.first[index] != band.second[index] {
        let (a, b) = (band.first[index], band.second[index])
        if a.isNaN, b.isNaN { continue }
        if a.isFinite, b.isFinite, let rounding = roundings.lazy.compactMap({ $0(index) }).first {
          tally.add(rounding, a, b)
        } else {
          tally.add(Place(index: start + index, left: a, right: b))
          if !countsAll { return tally.outcome }
        }
      }
      if tally.differing == 0, !isSameForm, let bound = coarsest?.rowBound,
        let loss = RowLoss(
          band.first, band.second, columns: min(columns, band.first.count), firstRow: start / columns, bound: bound)
      {
        return .lost(loss.text("\(name(left, source)) and \(name(right, converted))"))
      }
    }
    return tally.outcome
  }

  /// Elements that are not the same number.
  private struct Tally {
    let limit: Int
    let roundTrip: ModuleTemplate.StoredValues?
    var report = RoundingReport()
    var differing = 0
    var places: [Place] = []

    var outcome: Outcome { differing > 0 ? .other(count: differing, first: places) : .same(report) }

    mutating func add(_ place: Place) {
      differing += 1
      if places.count < limit { places.append(place) }
    }

    /// Takes note of a number that rounding explains.
    mutating func add(_ rounding: Rounding, _ before: Double, _ after: Double) {
      report.changed += 1
      if after == 0 { report.vanished += 1 }
      report.largest = max(report.largest, abs(before - after))
      switch rounding {
      case .byType: break
      case .otherEncoder: report.otherEncoder += 1
      case .roundTrip:
        report.roundTripped += 1
        report.roundTripName = roundTrip == .minusExponential ? "A_log" : "1 + w"
      }
    }
  }

  // MARK: - Bytes

  private func compareBytes(_ left: TensorDescriptor, _ right: TensorDescriptor) throws -> Outcome {
    let (a, b) = (name(left, source), name(right, converted))
    guard form(left, source) == form(right, converted), left.encoding == right.encoding else {
      if let reason = MLXPacking.damageReason([left, right]) { return .unreadable(reason) }
      return .unreadable("stored as \(a) and \(b), which cannot be compared")
    }
    let isSame = try StoredBytes.areEqual(
      left, in: source, right, in: converted, cancellation: work.parallelism.cancellation)
    guard isSame else { return .unreadable("bytes differ, stored as \(a), which is not decoded") }
    guard try StoredBytes.ofScale(left, source) == StoredBytes.ofScale(right, converted) else {
      return .unreadable("codes equal, scales or biases differ, stored as \(a), which is not decoded")
    }
    return .sameBytes(type: a)
  }

  private func areSameBytes(
    _ elements: Range<Int>, _ left: TensorDescriptor, _ right: TensorDescriptor, _ dtype: DType
  ) throws -> Bool {
    let range = bytes(elements, dtype)
    return try source.withBytes(range, of: left) { left in
      try converted.withBytes(range, of: right) { left.isByteEqual(to: $0) }
    }
  }

  private func bytes(_ elements: Range<Int>, _ dtype: DType) -> Range<Int> {
    elements.lowerBound * (dtype.bits / 8)..<elements.upperBound * (dtype.bits / 8)
  }

  // MARK: - Values

  /// Elements of both sides, as numbers that hold every type.
  private struct Band {
    var first: [Double]
    var second: [Double]
  }

  private func values(
    _ elements: Range<Int>, _ tensor: TensorDescriptor, _ dtype: DType, _ source: any TensorSource
  ) throws -> [Double] {
    let range = bytes(elements, dtype)
    defer { source.release(range, of: tensor) }
    return try source.withBytes(range, of: tensor) { DenseValues.doubles($0, dtype) }
  }

  /// What a tensor is stored as in its file: the view shows blocks as Float.
  private func form(_ tensor: TensorDescriptor, _ source: any TensorSource) -> TensorEncoding {
    (source as? GGUFModelView)?.form(of: tensor) ?? tensor.encoding
  }

  private func name(_ tensor: TensorDescriptor, _ source: any TensorSource) -> String { form(tensor, source).name }

  private func standIns(_ tensor: TensorDescriptor, _ source: any TensorSource) -> ModuleTemplate.StoredValues {
    (source as? any ModelView)?.values(of: tensor) ?? .same
  }

  /// What GGUF files hold in the place of a tensor's numbers, where neither side shows it from one: each may have been
  /// through such a file, and does not say so. Nil where that leaves numbers alone.
  private func roundTrip(_ tensor: TensorDescriptor) -> ModuleTemplate.StoredValues? {
    // What this program has just copied is the number itself.
    guard !isOwnOutput, tensor.shape.rank == 1 else { return nil }
    let family = [source, converted].lazy.compactMap {
      ArchitectureRegistry.className(in: $0.manifest.configuration).flatMap(ArchitectureRegistry.architecture(named:))
    }.first
    let values = family?.place(of: tensor.name)?.template.values ?? .same
    return values == .same ? nil : values
  }

  // MARK: - Rounding

  /// How a number came to be another one.
  private enum Rounding {
    /// By the type, or by ggml's own encoder of it.
    case byType
    /// Not what ggml's own encoder gives, and no further off than the block's scales allow.
    case otherEncoder
    /// By a GGUF file that holds another number for it.
    case roundTrip
  }

  /// Asks of an element of a band whether rounding explains it; nil when not.
  private typealias Explanation = (Int) -> Rounding?

  private func roundings(
    _ elements: Range<Int>, _ band: Band, _ left: (TensorDescriptor, TensorEncoding),
    _ right: (TensorDescriptor, TensorEncoding), _ standIns: ModuleTemplate.StoredValues?,
    roundTrip: ModuleTemplate.StoredValues?
  ) throws -> [Explanation] {
    var result = [try explanation(elements, from: band.first, to: band.second, right, converted)]
    if origin == .either { result.append(try explanation(elements, from: band.second, to: band.first, left, source)) }
    if let standIns { result.append(explanation(from: band.first, to: band.second, standIns)) }
    if let roundTrip { result.append(explanation(from: band.first, to: band.second, roundTrip: roundTrip)) }
    return result
  }

  /// Of numbers that stand for others in a file: what is one number there.
  private func explanation(
    from before: [Double], to after: [Double], _ values: ModuleTemplate.StoredValues
  ) -> Explanation {
    { values.areOne(Float(before[$0]), Float(after[$0])) ? .byType : nil }
  }

  /// Of numbers that may have been made again from what a GGUF file held for them.
  private func explanation(
    from before: [Double], to after: [Double], roundTrip values: ModuleTemplate.StoredValues
  ) -> Explanation {
    { values.areOneStored(Float(before[$0]), Float(after[$0])) ? .roundTrip : nil }
  }

  private func explanation(
    _ elements: Range<Int>, from before: [Double], to after: [Double], _ tensor: (TensorDescriptor, TensorEncoding),
    _ holder: any TensorSource
  ) throws -> Explanation {
    let (descriptor, form) = tensor
    if case .dense(let dtype) = form {
      guard dtype.isFloatWeight else { return { _ in nil } }
      return { Double(TernaryScale.rounded(Float(before[$0]), to: dtype)) == after[$0] ? .byType : nil }
    }
    guard let codec = form.writableBlockCodec, before.count % codec.blockElements == 0 else { return { _ in nil } }
    let values = before.map { Float($0) }
    let encoded = codec.encode(values)
    let reference = codec.decode(encoded.span.bytes)
    let stored = isOwnOutput ? nil : try storedBlocks(elements, after, descriptor, codec, holder)
    return { index in
      if Double(reference[index]) == after[index] { return .byType }
      guard let stored else { return nil }
      let (block, place) = index.quotientAndRemainder(dividingBy: codec.blockElements)
      let bytes = stored.span.bytes.extracting(block * codec.blockBytes..<(block + 1) * codec.blockBytes)
      return abs(before[index] - after[index]) <= codec.bound(values[index], at: place, in: bytes)
        ? .otherEncoder : nil
    }
  }

  /// The blocks of a file behind elements; nil where rows stand in another order than the view shows.
  private func storedBlocks(
    _ elements: Range<Int>, _ values: [Double], _ tensor: TensorDescriptor, _ codec: any BlockCodec.Type,
    _ holder: any TensorSource
  ) throws -> [UInt8]? {
    let base = (holder as? GGUFModelView)?.base ?? holder
    let stored = holder.storedInGGUF(tensor)
    let blocks = elements.lowerBound / codec.blockElements..<elements.upperBound / codec.blockElements
    let range = blocks.lowerBound * codec.blockBytes..<blocks.upperBound * codec.blockBytes
    let bytes = try base.withBytes(range, of: stored) { $0.copied }
    return codec.decode(bytes.span.bytes).map { Double($0) } == values ? bytes : nil
  }
}
