// Tritsmith tests: rotated weights that are stored as dense numbers, in every conversion.

import Testing
import TritCore
import TritFormats
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritSurvey
@testable import TritVerification

@Suite("Conversions of rotated weights that are dense")
struct RotatedConversionTests {
  /// A rotated file of F32: of trits times scales, or of numbers that are no trits and F16 holds, as an ordinary model has.
  private static func file(_ scratch: ScratchFolder, isTernary: Bool) throws -> String {
    let path = try TernaryHybrid.small.writeKeyed(scratch, .f32, stripped: "plain.gguf", keyed: "rotated.gguf")
    guard !isTernary else { return path }
    var generator = SeededGenerator(seed: 11)
    for tensor in try matrices(path) {
      let values = (0..<tensor.shape.elementCount).map { _ in
        Float(Int.random(in: -2047...2047, using: &generator)) / 16384
      }
      Disk.patch(path, at: Int(tensor.location.offset), FloatBytes.f32(values))
    }
    return path
  }

  /// Rotated projections of a file.
  private static func matrices(_ path: String) throws -> [TensorDescriptor] {
    let manifest = try FormatRegistry.open(path).manifest
    let names = Set(try #require(try WeightRotation(manifest)).products).subtracting(["output.weight"])
    let found = manifest.tensors.filter { names.contains($0.name) }
    #expect(found.count == 13)
    return found
  }

  private static func values(_ path: String, _ name: String) throws -> [Float] {
    let file = try FormatRegistry.open(path)
    let tensor = try #require(file.manifest.tensor(named: name))
    let dtype = try #require(tensor.encoding.dtype, "\(name) is \(tensor.encoding.name)")
    return try file.withBytes(0..<tensor.location.byteCount, of: tensor) { DenseValues.floats($0, dtype) }
  }

  private static func logits(_ path: String) throws -> [Float] {
    let options = RunOptions(threads: 1)
    let source = try ModelOpener.toRun(path, OpenOptions())
    return try RunnableModel(source, options, engine: options.engine()).session(for: 6).logits([1, 5, 17, 3, 20, 9])
  }

  private static func distance(_ left: [Float], _ right: [Float]) -> Float {
    let largest = left.reduce(0) { max($0, abs($1)) }
    return zip(left, right).reduce(0) { max($0, abs($1.0 - $1.1)) } / largest
  }

  private static func saysOrdinary(_ warnings: [String]) -> Bool { warnings.contains { $0.contains("ordinary model") } }

  @Test("as dense numbers they stay dense, rotated, with their keys", arguments: [GGUFWeightType.f16, .f32, .bf16])
  func staysDense(_ weights: GGUFWeightType) throws {
    let scratch = ScratchFolder()
    let path = try Self.file(scratch, isTernary: false)
    let output = scratch["out.gguf"]
    let result = try Workflow.convert(path, output, to: .gguf) { $0.gguf.weights = weights }
    #expect(result.audit.passed && result.plan.keepsRotation)
    #expect(result.plan.tensors.allSatisfy { !$0.becomesTernary })
    #expect(!Self.saysOrdinary(result.plan.warnings), "\(result.plan.warnings)")
    let made = try FormatRegistry.open(output).manifest
    for key in TernaryHybrid.small.keys(block: 64, isGrouped: false) { #expect(made.entry(key.key) == key.value) }
    for tensor in try Self.matrices(path) {
      #expect(made.tensor(named: tensor.name)?.encoding.dtype == weights.dtype, "\(tensor.name)")
      let given = try Self.values(path, tensor.name)
      // Eight bits of eleven are left in bfloat16; the other types hold all of them.
      let wanted = weights == .bf16 ? given.map { BFloat16.rounded($0) } : given
      #expect(try Self.values(output, tensor.name) == wanted, "\(tensor.name)")
    }
    guard weights != .bf16 else { return }
    #expect(try Self.distance(Self.logits(path), Self.logits(output)) < 1e-5)
    let models = try ModelOpener.alike([(path, OpenOptions()), (output, OpenOptions())])
    let verified = try VerifyWorkflow(source: models[0], converted: models[1], request: VerifyRequest()).run()
    let differing = verified.tensors.filter { $0.outcome == .differs }
    #expect(differing.isEmpty, "\(differing.map { ($0.name, $0.detail) })")
  }

  @Test("trits of the rotated basis stay trits, and are not called an ordinary model's")
  func staysTernary() throws {
    let scratch = ScratchFolder()
    let path = try Self.file(scratch, isTernary: true)
    let expected = try Self.logits(path)
    try Workflow.convert(path, scratch["f16.gguf"], to: .gguf) { $0.gguf.weights = .f16 }
    for input in [path, scratch["f16.gguf"]] {
      let result = try Workflow.convert(input, scratch["q2.gguf"], to: .gguf) {
        $0.gguf.weights = .q2
        $0.requiresNative = true
        $0.replaces = true
      }
      #expect(result.audit.passed && !Self.saysOrdinary(result.plan.warnings), "\(result.plan.warnings)")
      let made = try FormatRegistry.open(scratch["q2.gguf"]).manifest
      for tensor in try Self.matrices(path) {
        #expect(made.tensor(named: tensor.name)?.encoding.isTernary == true, "\(tensor.name)")
      }
      #expect(try Self.distance(expected, Self.logits(scratch["q2.gguf"])) < 1e-5, "\(input)")
    }
  }

  @Test("numbers that are no trits become so on demand alone, with a warning")
  func madeTernary() throws {
    let scratch = ScratchFolder()
    let path = try Self.file(scratch, isTernary: false)
    let plan = try Workflow.plan(path, to: .gguf) { $0.gguf.weights = .q2 }
    #expect(plan.usesQuantizer && Self.saysOrdinary(plan.warnings))
    let name = try #require(try ModelOpener.open(path).manifest.tensors.first { $0.name.hasSuffix("up_proj.weight") })
      .name
    let asked = try Workflow.plan(path, to: .gguf) {
      $0.gguf.weights = .f16
      $0.quantize = [Glob(name)]
    }
    #expect(asked.tensors.filter(\.becomesTernary).map(\.source.name) == [name] && Self.saysOrdinary(asked.warnings))
    let strict = #expect(throws: WorkflowError.self) {
      try Workflow.plan(path, to: .gguf) {
        $0.gguf.weights = .q2
        $0.requiresNative = true
      }
    }
    #expect(strict?.category == .checkFailed)
  }

  @Test("other forms cannot say that they are rotated, and what the error names instead works")
  func otherForms() throws {
    let scratch = ScratchFolder()
    let path = try Self.file(scratch, isTernary: false)
    for target in ConversionTarget.allCases where target != .gguf {
      let error = #expect(throws: WorkflowError.self) { try Workflow.convert(path, scratch["out"], to: target) }
      guard case .rotatedWeights? = error?.kind else {
        Issue.record("\(target): \(String(describing: error))")
        continue
      }
      #expect(error?.remedy?.contains("--unfold") == true && error?.remedy?.contains("own --layout") == true)
    }
    #expect(Disk.names(scratch[""]).allSatisfy { !$0.hasPrefix("out") })
    let unfolded = try Workflow.convert(path, scratch["dense"], to: .dense) { $0.unfolds = true }
    #expect(unfolded.audit.passed)
    for (name, unfolds, weights) in [("u.gguf", true, GGUFWeightType.f16), ("own.gguf", false, .f32)] {
      let result = try Workflow.convert(path, scratch[name], to: .gguf) {
        $0.unfolds = unfolds
        $0.gguf.weights = weights
      }
      #expect(result.audit.passed && result.plan.keepsRotation == !unfolds)
    }
  }
}
