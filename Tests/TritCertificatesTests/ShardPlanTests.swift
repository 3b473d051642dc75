// Tritsmith tests: conversions in parts.

import Testing
import TritConversion
import TritSurvey
import TritTestSupport
import WorkflowTestSupport

@testable import TritCertificates

@Suite("Conversions in parts")
struct ShardPlanTests {
  @Test("a folder for MLX is not made in parts")
  func refused() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    let parts = #expect(throws: WorkflowError.self) {
      _ = try ShardPlan.make(
        ConversionRequest(input: source, output: scratch["out"], target: .mlx), at: scratch["plan.json"],
        work: WorkOptions())
    }
    #expect(parts?.kind == .notInParts("mlx"))
  }

  @Test("work is shared out completely, once, and evenly", arguments: [1, 2, 3, 7, 40])
  func shares(_ count: Int) throws {
    let plan = try Workflow.plan(Checkpoint.prequantized, to: .hfPacked)
    let shares = (1...count).map { ShardPlan.share($0, of: count, plan) }
    #expect(shares.flatMap { $0 }.sorted() == Array(plan.tensors.indices))
    let loads = shares.map { $0.reduce(0) { $0 + plan.tensors[$1].source.location.byteCount } }
    let largest = plan.tensors.map(\.source.location.byteCount).max() ?? 0
    // Greedy sharing, largest first, ends within one tensor of even.
    #expect((loads.max() ?? 0) - (loads.min() ?? 0) <= largest)
  }
}
