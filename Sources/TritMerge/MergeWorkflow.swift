// Tritsmith: merging an adapter into latent weights.

import TritConversion
import TritCore
import TritFormats
import TritModel
import TritQuantizers
import TritSurvey
import TritVerification

/// What a user asks of a merge.
package struct MergeRequest: Sendable {
  package var base: String
  package var adapter: String
  package var output: String
  /// The quantizer whose trits are counted; nil takes the family's default.
  package var quantizer: QuantizerID?
  package var maximumShardBytes: UInt64?
  package var replaces = false
  package var open = OpenOptions()

  package init(base: String, adapter: String, output: String) {
    self.base = base
    self.adapter = adapter
    self.output = output
  }
}

/// What a merge did to one matrix.
package struct MergedTensor: Sendable {
  package var name: String
  package var shape: TensorShape
  package var rank: Int
  package var scaling: Double
  /// ‖scaling · B·A‖ / ‖W‖; nil when W is all zero.
  package var relativeChange: Double?
  /// Trits a conversion of the merged model has that one of the base has not.
  package var flips: Int
  /// What trits are multiplied by, before and after.
  package var scales: (before: Float, after: Float)
}

/// What a merge did.
package struct MergeResult: Sendable {
  package var request: MergeRequest
  package var quantizer: String
  package var tensors: [MergedTensor]
  package var copied: Int
  package var warnings: [String]
  package var writtenBytes: UInt64
  package var seconds: Double
}

/// W + scaling · B·A in Float, rounded once to the type W is stored in, for every matrix of an adapter.
///
/// All else is copied. The output is built under a temporary name, reopened, and every merged element held against the
/// same sum in Double before it is put in place.
package struct MergeWorkflow: Sendable {
  package let request: MergeRequest
  let work: WorkOptions

  package init(_ request: MergeRequest, work: WorkOptions = WorkOptions()) {
    self.request = request
    self.work = work
  }

  /// Merges the adapter and puts the checkpoint in place.
  package func run() throws -> MergeResult {
    let start = Platform.monotonicSeconds
    var conversion = ConversionRequest(input: request.base, output: request.output, target: .dense)
    conversion.replaces = request.replaces
    conversion.open = request.open
    conversion.maximumShardBytes = request.maximumShardBytes
    // The adapter is an input as well, all files of its folder.
    let adapterFolder = LoRAAdapter.folder(request.adapter)
    for input in [request.base, adapterFolder] {
      conversion.input = input
      try OutputPlace.check(conversion)
    }
    conversion.input = request.base
    let source = try ModelOpener.open(request.base, request.open, hasCompanions: true)
    let adapter = try LoRAAdapter(adapterFolder, work: work)
    let survey = try ModelSurvey(of: source)
    let plan = try plan(conversion, source, survey, adapter)
    try OutputPlace.checkSpace(for: plan)
    try source.checkIntegrity(work.parallelism, work.progress)
    let writer = try OutputWriter(plan, source: source, work: work)
    try stream(plan, source, adapter, to: writer)
    try writer.finish()
    try source.checkUnchanged()
    let output = try ModelOpener.open(writer.auditPath, conversion.reopening(nil))
    let tensors = try audit(plan, source, adapter, output)
    try work.parallelism.cancellation.check()
    try writer.staging.commit()
    return MergeResult(
      request: request, quantizer: plan.quantizer.id.rawValue, tensors: tensors,
      copied: plan.tensors.count - tensors.count, warnings: plan.warnings, writtenBytes: writer.writtenBytes,
      seconds: Platform.monotonicSeconds - start)
  }

  private func plan(
    _ conversion: ConversionRequest, _ source: any TensorSource, _ survey: ModelSurvey, _ adapter: LoRAAdapter
  ) throws -> ConversionPlan {
    let path = source.manifest.path
    for update in adapter.updates.values.sorted(by: { ExactString($0.tensor) < ExactString($1.tensor) }) {
      guard let tensor = source.manifest.tensor(named: update.tensor) else {
        throw MergeError(.noModule(update.tensor), file: path)
      }
      guard tensor.encoding == .dense(.bf16) || tensor.encoding == .dense(.f16) || tensor.encoding == .dense(.f32)
      else { throw MergeError(.base(found: tensor.encoding.name), file: path, tensor: tensor.name) }
      guard tensor.shape.dimensions == [update.rows, update.columns] else {
        throw MergeError(
          .shape(expected: "[\(update.rows), \(update.columns)]", found: "\(tensor.shape)"), file: path,
          tensor: tensor.name)
      }
    }
    let modules = source.manifest.tensors.filter { $0.shape.isMatrix && $0.name.hasSuffix(".weight") }
    for tensor in modules where adapter.updates[ExactString(tensor.name)] == nil {
      let module = String(tensor.name.dropLast(".weight".count))
      guard adapter.configuration.expects(module) else { continue }
      throw MergeError(.missing(module: module), file: FileSystem.join(adapter.path, LoRAAdapter.weightsName))
    }
    if let packed = source.manifest.tensors.first(where: { $0.encoding.dtype == nil }) {
      throw MergeError(.base(found: packed.encoding.name), file: path, tensor: packed.name)
    }
    let name = request.quantizer?.rawValue ?? survey.defaultQuantizer.name
    let quantizer = try QuantizerRegistry.known(QuantizerID(rawValue: name))
    var warnings = source.manifest.notes + adapter.notes
    if survey.kind == .ternaryDense {
      warnings.append(
        "the base is ternary already: the adapter is added to trit × scale, not to the latents it was trained beside")
    }
    let companions = try OutputCompanions.kept(of: source, &warnings)
    var plan = ConversionPlan(
      keepingTensorsOf: source, conversion, survey, quantizer: quantizer, quantizerReason: "to count trits",
      companions: companions, warnings: warnings)
    plan.remarks["merged_adapter"] = .object([
      "sha256": .string(adapter.digest.description), "matrices": .number(JSONNumber(adapter.updates.count)),
    ])
    return plan
  }

  private func bands(_ shape: TensorShape) -> [Range<Int>] {
    let step = max(1, bandBytes / 4 / max(1, shape.columns))
    return stride(from: 0, to: shape.rows, by: step).map { $0..<min(shape.rows, $0 + step) }
  }

  private func values(_ rows: Range<Int>, _ tensor: TensorDescriptor, _ source: any TensorSource) throws -> [Float] {
    let dtype = tensor.encoding.dtype ?? .f32
    let width = tensor.shape.columns * (dtype.bits / 8)
    let range = rows.lowerBound * width..<rows.upperBound * width
    defer { source.release(range, of: tensor) }
    return try source.withBytes(range, of: tensor) { DenseValues.floats($0, dtype) }
  }

  private func stream(
    _ plan: ConversionPlan, _ source: any TensorSource, _ adapter: LoRAAdapter, to writer: OutputWriter
  ) throws {
    work.progress.began(ProgressPhase(name: "merging", totalBytes: UInt64(plan.inputBytes)))
    defer { work.progress.ended() }
    for (index, planned) in plan.tensors.enumerated() {
      let tensor = planned.source
      work.progress.reached(tensor.name, number: index + 1, of: plan.tensors.count)
      guard let update = adapter.updates[ExactString(tensor.name)] else {
        let count = tensor.location.byteCount
        try work.parallelism.forEachBand((count + bandBytes - 1) / bandBytes) { band in
          let range = band * bandBytes..<min(count, (band + 1) * bandBytes)
          try source.withBytes(range, of: tensor) { bytes in
            try refuseNonFinite(bytes, tensor, source, from: range.lowerBound)
            try writer.write(bytes, to: tensor.name, at: range.lowerBound)
          }
          source.release(range, of: tensor)
          work.progress.advanced(by: range.count)
        }
        continue
      }
      let bands = bands(tensor.shape)
      let width = tensor.shape.columns * ((tensor.encoding.dtype ?? .f32).bits / 8)
      try work.parallelism.forEachBand(bands.count) { band in
        let rows = bands[band]
        let start = rows.lowerBound * width
        try source.withBytes(start..<rows.upperBound * width, of: tensor) {
          try refuseNonFinite($0, tensor, source, from: start)
        }
        var merged = try values(rows, tensor, source)
        let delta = update.delta(rows)
        for index in merged.indices { merged[index] += delta[index] }
        let bytes = DenseRecoder.encode(merged, to: tensor.encoding).bytes
        // The base is finite here, so what is not comes of the adapter.
        if let dtype = tensor.encoding.dtype, let found = NonFinite.first(in: bytes.span.bytes, dtype) {
          throw MergeError(
            .notFinite(index: rows.lowerBound * tensor.shape.columns + found.index),
            file: FileSystem.join(adapter.path, LoRAAdapter.weightsName), tensor: tensor.name)
        }
        try writer.write(bytes.span.bytes, to: tensor.name, at: rows.lowerBound * width)
        work.progress.advanced(by: bytes.count)
      }
    }
  }

  private func refuseNonFinite(
    _ bytes: RawSpan, _ tensor: TensorDescriptor, _ source: any TensorSource, from start: Int
  ) throws(MergeError) {
    guard let dtype = tensor.encoding.dtype, let found = NonFinite.first(in: bytes, dtype) else { return }
    throw MergeError(
      .baseNotFinite(index: start / (dtype.bits / 8) + found.index, value: found.value),
      file: source.manifest.files[tensor.location.file].path, tensor: tensor.name)
  }

  // MARK: - Audit

  private func audit(
    _ plan: ConversionPlan, _ source: any TensorSource, _ adapter: LoRAAdapter, _ output: any TensorSource
  ) throws -> [MergedTensor] {
    let results = LockedArray<MergedTensor?>(count: plan.tensors.count, filler: nil)
    let single = work.silentSingle
    work.progress.began(ProgressPhase(name: "auditing", totalBytes: UInt64(plan.inputBytes)))
    defer { work.progress.ended() }
    try work.parallelism.forEachBand(plan.tensors.count) { index in
      let tensor = plan.tensors[index].source
      defer { work.progress.advanced(by: tensor.location.byteCount) }
      guard let found = output.manifest.tensor(named: tensor.name), found.shape == tensor.shape,
        found.encoding == tensor.encoding
      else { throw MergeError(.auditFailed("'\(tensor.name)' is missing or of another kind"), file: request.output) }
      if let update = adapter.updates[ExactString(tensor.name)] {
        results.set(index, try check(tensor, found, update, source, output, plan, single))
      } else {
        guard try TensorComparison.findsSameBytes(tensor, source, found, output, single) else {
          throw MergeError(.auditFailed("bytes of '\(tensor.name)' differ"), file: request.output)
        }
      }
    }
    return results.all.compactMap { $0 }
  }

  /// Holds a merged matrix against W + scaling · B·A in Double, and counts what its trits become.
  private func check(
    _ tensor: TensorDescriptor, _ found: TensorDescriptor, _ update: LoRAUpdate, _ source: any TensorSource,
    _ output: any TensorSource, _ plan: ConversionPlan, _ work: WorkOptions
  ) throws -> MergedTensor {
    let dtype = tensor.encoding.dtype ?? .f32
    let columns = tensor.shape.columns
    // A Float sum of rank + 2 terms is off by no more than that many halves of its last place, on the sum of magnitudes.
    let unit = Double(update.rank + 4) * 0x1p-24
    var (squares, changes) = (0.0, 0.0)
    for rows in bands(tensor.shape) {
      let (before, after) = (try values(rows, tensor, source), try values(rows, found, output))
      for row in 0..<rows.count {
        let (sums, magnitudes) = MergeWorkflow.change(update, row: rows.lowerBound + row, columns: columns)
        for column in 0..<columns {
          let index = row * columns + column
          let old = Double(before[index])
          let exact = old + sums[column]
          let slack = unit * (abs(old) + magnitudes[column])
          guard after[index].isFinite else {
            throw MergeError(.notFinite(index: rows.lowerBound * columns + index), tensor: tensor.name)
          }
          let low = TernaryScale.rounded(Float(exact - slack), to: dtype)
          let high = TernaryScale.rounded(Float(exact + slack), to: dtype)
          guard low <= after[index], after[index] <= high else {
            let place = "row \(rows.lowerBound + row), column \(column) of '\(tensor.name)'"
            throw MergeError(.auditFailed("\(place) is \(after[index]), expected \(exact)"), file: request.output)
          }
          squares += old * old
          changes += sums[column] * sums[column]
        }
      }
    }
    let (flips, scales) = try flips(tensor, found, source, output, plan.quantizer, work)
    return MergedTensor(
      name: tensor.name, shape: tensor.shape, rank: update.rank, scaling: update.scaling,
      relativeChange: squares > 0 ? (changes / squares).squareRoot() : nil, flips: flips, scales: scales)
  }

  /// A row of scaling · B·A, and the sums of magnitudes of its terms.
  private static func change(
    _ update: LoRAUpdate, row: Int, columns: Int
  ) -> (sums: [Double], magnitudes: [Double]) {
    var sums = [Double](repeating: 0, count: columns)
    var magnitudes = sums
    for k in 0..<update.rank {
      let weight = Double(update.b[row * update.rank + k]) * update.scaling
      for column in 0..<columns {
        let product = weight * Double(update.a[k * columns + column])
        sums[column] += product
        magnitudes[column] += abs(product)
      }
    }
    return (sums, magnitudes)
  }

  private func flips(
    _ tensor: TensorDescriptor, _ found: TensorDescriptor, _ source: any TensorSource, _ output: any TensorSource,
    _ quantizer: any Quantizer, _ work: WorkOptions
  ) throws -> (Int, (Float, Float)) {
    let before = try TernaryWeight(source, tensor, quantizer: quantizer, work: work)
    let after = try TernaryWeight(output, found, quantizer: quantizer, work: work)
    var flips = 0
    for rows in bands(tensor.shape) {
      var left = [Int8](repeating: 0, count: rows.count * tensor.shape.columns)
      var right = left
      try before.read(tensor.shape.band(rows), into: &left, at: 0)
      try after.read(tensor.shape.band(rows), into: &right, at: 0)
      for index in left.indices where left[index] != right[index] { flips += 1 }
    }
    return (flips, (try before.scale(.multiply).multiplier(), try after.scale(.multiply).multiplier()))
  }
}
