// Tritsmith tests: which programs a plan says load its result.

import Testing
import TritCore
import TritLayouts
import TritModel
import TritReport
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritSurvey

@Suite("Programs that load the result")
struct RuntimeTests {
  @Test("no two rows say something of the same program, family and form, and each speaks of what there is")
  func rowsAreDistinct() {
    struct Key: Hashable {
      var runtime: Runtime
      var family: String
      var form: OutputForm
    }
    var keys: Set<Key> = []
    for row in RuntimeTable.rows {
      #expect(RuntimeTable.runtimes.contains(row.runtime), "\(row.runtime.name)")
      #expect(ArchitectureRegistry.all.contains { $0.className == row.family }, "\(row.family)")
      #expect(!row.forms.isEmpty)
      for form in row.forms {
        #expect(row.runtime.reads(form), "\(row.runtime.name) has no reader for \(form.name)")
        #expect(keys.insert(Key(runtime: row.runtime, family: row.family, form: form)).inserted, "\(row)")
      }
    }
    #expect(Set(OutputForm.all).count == OutputForm.all.count)
  }

  /// ggml reads its own types of numbers, whatever the family it knows.
  @Test("ordinary numbers in blocks load in llama.cpp, for families it knows")
  func numbers() {
    for name in ["LlamaForCausalLM", "Qwen3ForCausalLM", "Qwen3_5ForCausalLM"] {
      let rows = RuntimeTable.known(name, .numbers)
      #expect(rows.map(\.runtime.name) == ["llama.cpp"] && rows.allSatisfy { $0.outcome == .loads })
      #expect(RuntimeTable.known(name, .numbers, lacking: "x").allSatisfy { $0.outcome == .refuses("'x' is missing") })
    }
    #expect(RuntimeTable.known("BitNetForCausalLM", .numbers).isEmpty)
    #expect(OutputForm.numberTypes.contains("Q4_1") && !OutputForm.all.contains(.numbers))
  }

  // MARK: - What plans say

  // As the runs of check_engines.py, check_llama_cpp.py and check_transformers.py ended.
  private static let bitnetTried = "bitnet.cpp, bitnet.cpp built without ACT_PARALLEL (tried)"
  private static let bitnetAndLlama = bitnetTried + ", llama.cpp (source)"
  private static let bitnetAndIk = "bitnet.cpp, bitnet.cpp built without ACT_PARALLEL, ik_llama.cpp (tried)"
  private static let bitnetIkAndLlama = bitnetAndIk + ", llama.cpp (source)"
  private static let everyGGUF = "transformers, llama.cpp, " + bitnetTried
  private static let everyDense = "transformers, llama.cpp, " + bitnetAndIk
  private static let everyF16 = "transformers, " + bitnetAndIk + ", llama.cpp (source)"

  /// The conversion, as nothing would load its result.
  private static let refused = "refused"

  private static let forms: [(form: OutputForm, llama: String, bitnet: String, oneBit: String)] = [
    (.hfPacked, "transformers (tried)", "transformers (tried)", "tritsmith"),
    (.dense, "transformers (tried)", "transformers (tried)", "tritsmith"),
    (.trainable, "transformers (tried), onebitllms (source)", "transformers (tried)", "tritsmith"),
    (.tritpack, "tritsmith", "tritsmith", "tritsmith"),
    (.mlx, "mlx-lm (tried)", refused, refused),
    (.gguf(.tq1), everyGGUF, bitnetTried, bitnetAndLlama),
    (.gguf(.tq2), everyGGUF, bitnetTried, bitnetAndLlama),
    (.gguf(.q2), "llama.cpp (source)", "tritsmith", "llama.cpp (source)"),
    (.gguf(.pq2), "tritsmith", "tritsmith", "tritsmith"),
    (.gguf(.ptq1), "tritsmith", "tritsmith", "tritsmith"),
    (.i2s(.group128), bitnetTried, bitnetTried, bitnetTried),
    (.i2s(.group64), "bitnet.cpp on ARM (source)", "bitnet.cpp on ARM (source)", "bitnet.cpp on ARM (source)"),
    (.i2s(.rows4), "tritsmith", "tritsmith", "tritsmith"),
    (.gguf(.bf16), everyDense, bitnetAndIk, bitnetIkAndLlama),
    (.gguf(.f16), everyF16, bitnetAndIk, bitnetIkAndLlama),
    (.gguf(.f32), everyDense, bitnetAndIk, bitnetIkAndLlama),
  ]

  @Test("a plan names the programs that load its family in its form", arguments: MeaningModel.Family.bitNets)
  func plans(_ family: MeaningModel.Family) throws {
    let scratch = ScratchFolder()
    let latent = MeaningModel(family).write(scratch["latent"])
    try Workflow.convert(latent, scratch["packed"], to: .hfPacked)
    #expect(RuntimeTests.forms.map(\.form) == OutputForm.all)
    for (form, llama, bitnet, oneBit) in RuntimeTests.forms {
      let expected =
        switch family {
        case .llama: llama
        case .bitnet: bitnet
        case .oneBit: oneBit
        case .qwen3, .miniCPM: "tritsmith"
        }
      if expected == RuntimeTests.refused {
        #expect(throws: ModelError.self) { try Workflow.plan(scratch["packed"], to: RuntimeTests.target(form)) }
        continue
      }
      let plan = try Workflow.plan(scratch["packed"], to: RuntimeTests.target(form)) { request in
        switch form {
        case .gguf(let type): request.gguf.weights = type
        case .i2s(let order):
          request.gguf.weights = .i2s
          request.gguf.i2sOrder = order
        case .hfPacked, .dense, .trainable, .tritpack, .mlx, .numbers: break
        }
      }
      #expect(RuntimeTests.said(plan) == expected, "\(family.rawValue), \(form.name)")
      let fact = try #require(plan.facts.facts.first { $0.key == "loaded_by" })
      let names = expected.replacing(" (tried)", with: "").replacing(" (source)", with: "")
      #expect(fact.value == .text(names))
    }
  }

  @Test("a plan says who refuses the result, and who computes something else")
  func warnings() throws {
    let scratch = ScratchFolder()
    let bitnet = try Workflow.plan(MeaningModel(.bitnet).write(scratch["bitnet"]), to: .gguf)
    let refusal = try #require(bitnet.runtimes.first { $0.runtime.name == "llama.cpp" })
    #expect(refusal.outcome == .refuses("unknown model architecture") && refusal.evidence == .tried)
    let oneBit = try Workflow.plan(MeaningModel(.oneBit).write(scratch["one"]), to: .hfPacked)
    #expect(oneBit.runtimes.map(\.runtime.name) == ["transformers"])
    #expect(oneBit.runtimes.first?.outcome.name == "misreads")
    let table = try #require(bitnet.report.tables.first { $0.key == "loads_in" })
    #expect(table.rows.count == bitnet.runtimes.count && table.rows.count > 3)
    let llama = try Workflow.plan(MeaningModel(.llama).write(scratch["llama"]), to: .hfPacked)
    #expect(llama.runtimes.allSatisfy { $0.outcome == .loads })
  }

  /// The programs that load a plan's result, as the table of this test writes them.
  private static func said(_ plan: ConversionPlan) -> String {
    let known = plan.runtimes.filter { $0.outcome == .loads }
    guard !known.isEmpty else { return plan.loaders.joined() }
    return [RuntimeEvidence.tried, .source].compactMap { evidence in
      let names = known.filter { $0.evidence == evidence }.map(\.runtime.name)
      return names.isEmpty ? nil : names.joined(separator: ", ") + " (\(evidence.rawValue))"
    }.joined(separator: ", ")
  }

  private static func target(_ form: OutputForm) -> ConversionTarget {
    switch form {
    case .hfPacked: .hfPacked
    case .dense: .dense
    case .trainable: .trainable
    case .tritpack: .tritpack
    case .mlx: .mlx
    case .gguf, .i2s, .numbers: .gguf
    }
  }
}
