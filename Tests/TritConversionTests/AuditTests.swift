// Tritsmith: outputs that go wrong on the way are never put in place.

import Testing
import TritConversion
import TritCore
import TritFormats
import TritInspection
import TritKernels
import TritSurvey
import TritTestSupport
import WorkflowTestSupport

/// Kernels that pack one trit wrong, as a broken processor or a mistake in packing would.
private struct WrongPacking: Kernels {
  let right = ScalarKernels()
  var name: String { "wrong" }

  func summarize(bf16: RawSpan, blockSums: inout MutableSpan<Double>) -> MagnitudeSummary {
    right.summarize(bf16: bf16, blockSums: &blockSums)
  }

  func quantize(
    bf16: RawSpan, _ thresholds: TritThresholds, into trits: inout MutableSpan<Int8>, _ range: Range<Int>
  ) {
    right.quantize(bf16: bf16, thresholds, into: &trits, range)
  }

  func snap(bf16: RawSpan, _ thresholds: TritThresholds, to value: BFloat16, into output: inout MutableSpan<UInt16>) {
    right.snap(bf16: bf16, thresholds, to: value, into: &output)
    output[3] ^= 0x8000
  }

  func packFour(_ planes: [Int], from trits: Span<Int8>, into bytes: inout MutableSpan<UInt8>, _ range: Range<Int>) {
    right.packFour(planes, from: trits, into: &bytes, range)
    // Code 0 becomes 1 and code 1 becomes 0: a valid code either way.
    let index = range.lowerBound
    bytes[index] = bytes[index] & 3 == 2 ? bytes[index] ^ 2 : bytes[index] ^ 1
  }

  func packFive(_ planes: [Int], from trits: Span<Int8>, into bytes: inout MutableSpan<UInt8>, _ range: Range<Int>) {
    right.packFive(planes, from: trits, into: &bytes, range)
    let index = range.lowerBound
    bytes[index] = bytes[index] % 3 == 2 ? bytes[index] - 1 : bytes[index] + 1
  }

  /// Wrong in the same way, so that a round trip would look right.
  func unpackFour(_ bytes: RawSpan, plane: Int, into trits: inout MutableSpan<Int8>, at start: Int) -> Int {
    right.unpackFour(bytes, plane: plane, into: &trits, at: start)
  }

  func unpackFive(_ bytes: RawSpan, plane: Int, into trits: inout MutableSpan<Int8>, at start: Int) -> Int {
    right.unpackFive(bytes, plane: plane, into: &trits, at: start)
  }

  func histogram(_ values: RawSpan, into counts: inout MutableSpan<UInt32>) {
    right.histogram(values, into: &counts)
  }
}

/// Changes the half-finished output when its last tensor has been written.
private struct Tamperer: ProgressObserver {
  /// The folder the output is made in.
  var folder: String
  var change: @Sendable (_ staging: String) -> Void
  private let isConverting = Flag()

  init(folder: String, change: @escaping @Sendable (_ staging: String) -> Void) {
    self.folder = folder
    self.change = change
  }

  func began(_ phase: ProgressPhase) { isConverting.value = phase.name == "converting" }
  func advanced(by amount: Int) {}

  func ended() {
    guard isConverting.value, let staging = Disk.names(folder).first(where: { $0.hasSuffix(".partial") }) else {
      return
    }
    change(folder + "/" + staging)
  }

  /// Phases begin and end on one thread.
  private final class Flag: @unchecked Sendable {
    var value = false
  }
}

@Suite("The audit before an output is put in place")
struct AuditTests {
  private func expectRefusal(
    _ scratch: ScratchFolder, _ target: ConversionTarget, _ work: WorkOptions, naming tensor: String?,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let before = FolderSnapshot(scratch.path)
    let error = #expect(throws: WorkflowError.self, sourceLocation: sourceLocation) {
      try Workflow.convert(scratch["latent"], scratch["out"], to: target, work: work)
    }
    guard case .auditFailed(let detail) = error?.kind else {
      Issue.record("found \(String(describing: error))", sourceLocation: sourceLocation)
      return
    }
    if let tensor { #expect(detail.contains(tensor), "\(detail)", sourceLocation: sourceLocation) }
    #expect(error?.category == .checkFailed, sourceLocation: sourceLocation)
    #expect(FolderSnapshot(scratch.path) == before, "nothing may be left", sourceLocation: sourceLocation)
  }

  @Test("wrong packing is found by the independent decoder", arguments: ConversionTarget.ofAnyShape)
  func wrongKernels(_ target: ConversionTarget) {
    let scratch = ScratchFolder()
    GoldenCut.builder("llama_prequantized").write(scratch["latent"])
    let work = WorkOptions(parallelism: Parallelism(threads: 1), kernels: WrongPacking())
    expectRefusal(scratch, target, work, naming: "row 0, column")
  }

  @Test(
    "one byte that changes on disk is found, in trits, in a scale and in what is copied",
    arguments: [GoldenCut.query, GoldenCut.query + "_scale", GoldenCut.norm])
  func changedByte(_ tensor: String) throws {
    let scratch = ScratchFolder()
    GoldenCut.builder("llama_prequantized").write(scratch["latent"])
    let work = WorkOptions(
      progress: Tamperer(folder: scratch.path) { staging in
        let path = staging + "/model.safetensors"
        var file = RawModelFile(reading: path)
        file[tensor].bytes[0] ^= 1
        // The whole file again, with the same header text: only that byte is another one.
        Disk.patch(
          path, at: Disk.bytes(path).count - file.tensors.reduce(0) { $0 + $1.bytes.count },
          file.tensors.flatMap(\.bytes))
      })
    let weight = tensor.hasSuffix("_scale") ? GoldenCut.query : tensor
    expectRefusal(scratch, .hfPacked, work, naming: weight)
  }

  @Test("a byte that changes in a TritPack file before its checksums are made is found as well")
  func changedPack() throws {
    let scratch = ScratchFolder()
    GoldenCut.builder("llama_prequantized").write(scratch["latent"])
    let work = WorkOptions(
      progress: Tamperer(folder: scratch.path) { staging in
        // The first section begins after the 64 bytes of the preamble.
        Disk.patch(staging, at: 64, [Disk.bytes(staging)[64] ^ 1])
      })
    expectRefusal(scratch, .tritpack, work, naming: nil)
  }

  @Test("a source that changes during a conversion stops it")
  func changedSource() throws {
    let scratch = ScratchFolder()
    let latent = GoldenCut.builder("llama_prequantized").write(scratch["latent"])
    let length = Disk.bytes(latent + "/model.safetensors").count
    let work = WorkOptions(
      progress: Tamperer(folder: scratch.path) { _ in
        Disk.patch(latent + "/model.safetensors", at: length - 1, [0x3C])
      })
    let error = #expect(throws: TensorIOError.self) {
      try Workflow.convert(latent, scratch["out"], to: .hfPacked, work: work)
    }
    guard case .changedWhileRead = error?.kind else {
      Issue.record("found \(String(describing: error))")
      return
    }
    #expect(Disk.names(scratch.path) == ["latent"])
  }

  @Test("a conversion that is cancelled leaves nothing, and what stood there stays", arguments: [1, 2])
  func cancelled(_ threads: Int) throws {
    let scratch = ScratchFolder()
    let latent = GoldenCut.builder("llama_prequantized").write(scratch["latent"])
    Disk.makeFolder(scratch["out"])
    Disk.write("mine", scratch["out"] + "/config.json")
    let before = FolderSnapshot(scratch.path)
    let flag = CancellationFlag()
    let work = WorkOptions(
      parallelism: Parallelism(threads: threads, cancellation: flag),
      progress: Tamperer(folder: scratch.path) { _ in flag.cancel() })
    let error = #expect(throws: CancellationFailure.self) {
      try Workflow.convert(latent, scratch["out"], to: .hfPacked, work: work) { $0.replaces = true }
    }
    #expect(error?.category == .interrupted)
    #expect(FolderSnapshot(scratch.path) == before)
  }
}

@Suite("The machine does not change the result")
struct DeterminismTests {
  /// Large enough for several bands of 2 MB in either pass, and for several workers.
  private static let rows = 2304
  private static let columns = 1024

  @Test("threads, kernels and file access give the same bytes")
  func sameBytes() throws {
    let scratch = ScratchFolder()
    // A period that divides neither rows nor bands, so that every band holds other values.
    let values = FloatBytes.bf16(TinyModel.values(10_007, seed: 7))
    var bytes: [UInt8] = []
    bytes.reserveCapacity(2 * Self.rows * Self.columns)
    while bytes.count < 2 * Self.rows * Self.columns { bytes += values }
    bytes.removeLast(bytes.count - 2 * Self.rows * Self.columns)
    let tensor = RawTensor(TinyModel.query, "BF16", [Self.rows, Self.columns], bytes)
    let input = ModelFolderBuilder([tensor]).write(scratch["latent"])
    struct Run {
      var threads: Int
      var kernels: any Kernels = KernelChoice.best
      var access = FileAccessMode.mapped
    }
    let runs =
      (1...8).map { Run(threads: $0) } + [
        Run(threads: 2, kernels: ScalarKernels()), Run(threads: 3, access: .buffered),
      ]
    var reference: Digest?
    for (index, run) in runs.enumerated() {
      let work = WorkOptions(parallelism: Parallelism(threads: run.threads), kernels: run.kernels)
      let output = scratch["out\(index)"]
      try Workflow.convert(input, output, to: .hfPacked, work: work) { $0.open.access = run.access }
      let digest = SHA256.digest(of: Disk.bytes(output + "/model.safetensors"))
      #expect(digest == reference ?? digest, "\(run)")
      reference = digest
    }
  }

  @Test("every target, on a model of several tensors", arguments: ConversionTarget.ofAnyShape)
  func targets(_ target: ConversionTarget) throws {
    let scratch = ScratchFolder()
    let latent = GoldenCut.builder("llama_prequantized").write(scratch["latent"])
    var reference: [Digest]?
    for (index, threads) in [1, 3, 8].enumerated() {
      let kernels: any Kernels = index == 2 ? ScalarKernels() : KernelChoice.best
      let output = scratch["out\(index)"]
      try Workflow.convert(
        latent, output, to: target, work: WorkOptions(parallelism: Parallelism(threads: threads), kernels: kernels)
      ) {
        $0.open.access = index == 1 ? .buffered : .mapped
        $0.compression = target == .tritpack ? .zstd(level: 1) : .none
      }
      let files = target == .tritpack ? [output] : Disk.names(output).map { output + "/" + $0 }
      let digests = files.map { SHA256.digest(of: Disk.bytes($0)) }
      #expect(digests == reference ?? digests)
      reference = digests
    }
  }

  @Test("statistics are the same with any number of threads")
  func statistics() throws {
    func results(_ threads: Int, _ kernels: any Kernels) throws -> [TensorStatistics?] {
      var request = InspectRequest(path: Fixtures.golden("models/llama256_packed"))
      request.statistics = true
      let work = WorkOptions(parallelism: Parallelism(threads: threads), kernels: kernels)
      return try InspectWorkflow(request, work: work).run().tensors.map(\.statistics)
    }
    let reference = try results(1, ScalarKernels())
    #expect(try results(5, KernelChoice.best) == reference)
  }
}
