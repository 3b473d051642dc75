// Tritsmith: `trit-bench kernels`.

import CommandLineKit
import TritCore
import TritKernels
import TritReport

extension ReportFormat: ExpressibleByArgument {}

struct KernelSpeed: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels",
    abstract: "Time every kernel on one thread, native beside scalar.",
    discussion:
      "A native kernel below twice the scalar one, or a figure far below its neighbours, is a cliff to look at.")

  @Option(help: ArgumentHelp("Measured runs of each.", valueName: "count"))
  var runs = 7

  @Option(help: "How to print the result.")
  var format = ReportFormat.table

  func run() throws {
    var report = ReportDocument(title: "Kernels", schema: ReportSchema("tritsmith.bench.kernels", version: 1))
    // 32 MB of weights: larger than the caches of most machines, small enough to repeat.
    var random = SplitMix64(state: 7)
    let weights = NormalTable().values(1 << 24, deviation: 0.02, &random)
    for kernels in [NativeKernels() as (any Kernels)?, ScalarKernels()].compactMap({ $0 }) {
      report.append(
        Timing.table(time(kernels, weights), key: kernels.name, title: "\(kernels.name), GB/s of what is read"))
    }
    var output = StandardOutput.shared
    format.renderer.render(report, to: &output)
  }

  private func time(_ kernels: any Kernels, _ weights: [UInt16]) -> [Timing] {
    let count = weights.count
    let thresholds = TritThresholds(positive: 0x3C00, negative: 0x3C00)
    var sums = [Double](repeating: 0, count: count / sumBlock)
    var trits = [Int8](repeating: 0, count: count)
    var dense = [UInt16](repeating: 0, count: count)
    var packed = [UInt8](repeating: 0, count: count / 4)
    var counts = [UInt32](repeating: 0, count: 4 * 65536)
    var timings: [Timing] = []
    func measure(_ name: String, bytes: Int, _ body: () -> Void) {
      timings.append(Timing(name, bytes: bytes, runs: runs, body))
    }
    measure("summarize bf16", bytes: 2 * count) {
      var span = sums.mutableSpan
      _ = kernels.summarize(bf16: weights.span.bytes, blockSums: &span)
    }
    measure("quantize bf16", bytes: 2 * count) {
      var span = trits.mutableSpan
      kernels.quantize(bf16: weights.span.bytes, thresholds, into: &span)
    }
    measure("snap bf16", bytes: 2 * count) {
      var span = dense.mutableSpan
      kernels.snap(bf16: weights.span.bytes, thresholds, to: BFloat16(0.02), into: &span)
    }
    measure("histogram 16-bit", bytes: 2 * count) {
      var span = counts.mutableSpan
      kernels.histogram(weights.span.bytes, into: &span)
    }
    let quarter = count / 4
    measure("pack four", bytes: count) {
      var span = packed.mutableSpan
      kernels.packFour((0..<4).map { $0 * quarter }, from: trits.span, into: &span, 0..<quarter)
    }
    measure("unpack four", bytes: quarter) {
      var span = trits.mutableSpan
      _ = kernels.unpackFour(packed.span.bytes, plane: 2, into: &span, at: 0)
    }
    let fifth = count / 5
    measure("pack five", bytes: 5 * fifth) {
      var span = packed.mutableSpan
      kernels.packFive((0..<5).map { $0 * fifth }, from: trits.span, into: &span, 0..<fifth)
    }
    measure("unpack five", bytes: quarter) {
      var span = trits.mutableSpan
      _ = kernels.unpackFive(packed.span.bytes, plane: 3, into: &span, at: 0)
    }
    return timings
  }
}
