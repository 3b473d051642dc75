// Tritsmith: the audit's own arithmetic finds faults of the conversion's.

import Testing
import TritConversion
import TritCore
import TritFormats
import TritKernels
import TritSurvey
import TritTestSupport
import TritVerification
import WorkflowTestSupport

/// Kernels with one fault in what happens before packing, where packer and unpacker agree with each other.
private struct FaultyKernels: Kernels {
  enum Fault: String, CaseIterable, CustomTestStringConvertible {
    case firstTrit, lastTrit, thresholdOneHigher, signs, sumWithoutLastBlock, sumTwice
    var testDescription: String { rawValue }
  }

  let fault: Fault
  let right = ScalarKernels()
  var name: String { "faulty" }

  func summarize(bf16: RawSpan, blockSums: inout MutableSpan<Double>) -> MagnitudeSummary {
    let summary = right.summarize(bf16: bf16, blockSums: &blockSums)
    if fault == .sumWithoutLastBlock { blockSums[blockSums.count - 1] = 0 }
    if fault == .sumTwice { blockSums[0] *= 2 }
    return summary
  }

  func quantize(
    bf16: RawSpan, _ thresholds: TritThresholds, into trits: inout MutableSpan<Int8>, _ range: Range<Int>
  ) {
    var thresholds = thresholds
    if fault == .thresholdOneHigher { thresholds.positive += 1 }
    right.quantize(bf16: bf16, thresholds, into: &trits, range)
    switch fault {
    case .firstTrit: trits[range.lowerBound] = trits[range.lowerBound] == 0 ? 1 : 0
    case .lastTrit: trits[range.upperBound - 1] = trits[range.upperBound - 1] == 0 ? 1 : 0
    case .signs: for index in range { trits[index] = -trits[index] }
    default: break
    }
  }

  func snap(bf16: RawSpan, _ thresholds: TritThresholds, to value: BFloat16, into output: inout MutableSpan<UInt16>) {
    right.snap(bf16: bf16, thresholds, to: value, into: &output)
  }

  func packFour(_ planes: [Int], from trits: Span<Int8>, into bytes: inout MutableSpan<UInt8>, _ range: Range<Int>) {
    right.packFour(planes, from: trits, into: &bytes, range)
  }

  func packFive(_ planes: [Int], from trits: Span<Int8>, into bytes: inout MutableSpan<UInt8>, _ range: Range<Int>) {
    right.packFive(planes, from: trits, into: &bytes, range)
  }

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

@Suite("The audit's own quantization")
struct WitnessTests {
  @Test(
    "finds kernels that sum or quantize wrong, which a second run of the same kernels would not",
    arguments: FaultyKernels.Fault.allCases, [ConversionTarget.hfPacked, .tritpack])
  private func faults(_ fault: FaultyKernels.Fault, _ target: ConversionTarget) {
    let scratch = ScratchFolder()
    GoldenCut.builder("llama_prequantized").write(scratch["latent"])
    let before = FolderSnapshot(scratch.path)
    let work = WorkOptions(parallelism: Parallelism(threads: 2), kernels: FaultyKernels(fault: fault))
    let error = #expect(throws: WorkflowError.self) {
      try Workflow.convert(scratch["latent"], scratch["out"], to: target, work: work)
    }
    guard case .auditFailed = error?.kind else {
      Issue.record("found \(String(describing: error))")
      return
    }
    #expect(FolderSnapshot(scratch.path) == before, "nothing may be left")
  }

  @Test("memory held between passes, all or none, changes no byte", arguments: Quantizers.all)
  func heldBytes(_ arithmetic: String) throws {
    let scratch = ScratchFolder()
    let latent = GoldenCut.builder("llama_prequantized").write(scratch["latent"])
    for target in [ConversionTarget.hfPacked, .tritpack] {
      var reference: Digest?
      for (index, held) in [0, 50_000, WorkOptions.defaultHeldBytes].enumerated() {
        let output = scratch["\(target.rawValue)\(index)"]
        let result = try Workflow.convert(
          latent, output, to: target, work: WorkOptions(parallelism: Parallelism(), heldBytes: held)
        ) {
          $0.quantizer = .init(rawValue: arithmetic)
        }
        #expect(result.audit.passed)
        let digest = SHA256.digest(of: Disk.bytes(target == .tritpack ? output : output + "/model.safetensors"))
        #expect(digest == reference ?? digest, "\(held) bytes held")
        reference = digest
      }
    }
  }

  enum Quantizers { static let all = ["absmean-bf16", "absmean-float32", "absmean-kernel"] }
}
