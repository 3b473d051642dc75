// Tritsmith: recipes of onebitllms, against files that onebitllms wrote.

import Testing
import TritCore
import TritFormats
import TritModel
import TritQuantizers
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

/// `Fixtures/Golden/onebitllms`: masters in F32 and F16, and dense weights that are ternary already.
@Suite("Recipes of onebitllms")
struct RecipeGoldenTests {
  private static func golden(_ name: String) -> String { Fixtures.golden("onebitllms/" + name) }

  private func convert(
    _ input: String, _ output: String, _ recipe: ConversionRecipe,
    _ change: (inout ConversionRequest) -> Void = { _ in }
  ) throws -> ConversionResult {
    try Workflow.convert(input, output, to: recipe.target) {
      $0.follow(recipe)
      change(&$0)
    }
  }

  @Test("every tensor byte for byte", arguments: ["f32", "f16", "ternary"], ConversionRecipe.allCases)
  func bytes(_ master: String, _ recipe: ConversionRecipe) throws {
    let scratch = ScratchFolder()
    let result = try convert(Self.golden(master), scratch["out"], recipe)
    let expected = RawModelFile(reading: Self.golden("\(master).\(recipe.rawValue).safetensors")).tensors
    #expect(differences(RawModelFile.tensors(ofFolder: scratch["out"]), expected) == [])
    // What stands in the file is bfloat16 (onebitllms leaves the master's word in one of the two).
    let configuration = try #require(try meaning(scratch["out"] + "/config.json").object)
    #expect(configuration["torch_dtype"]?.string == "bfloat16")
    #expect(result.plan.warnings.contains { $0.contains("quantizes them again") } == (master == "ternary"))
    // Rounded embeddings, head and norms are told, and nothing else is.
    let rounded = Set(result.rounded.map(\.name))
    #expect(rounded.isEmpty == (master == "ternary") && !rounded.contains { $0.contains("_proj") })
    let verified = try Workflow.verify(Self.golden(master), scratch["out"])
    #expect(verified.passed, "\(verified.firstProblem ?? "")")
    #expect(Set(verified.tensors.filter { $0.outcome == .rounded }.map(\.name)) == rounded)
    #expect(try Workflow.check(scratch["out"]).findings.filter { $0.rule == .dtype }.isEmpty)
  }

  @Test("ternary weights quantized again are another model, which a verification without the recipe says")
  func again() throws {
    let scratch = ScratchFolder()
    Disk.makeFolder(scratch["theirs"])
    let file = RawModelFile(reading: Self.golden("ternary.quantize_to_1bit.safetensors"))
    Disk.write(file.serialized, scratch["theirs"] + "/model.safetensors")
    _ = try convert(Self.golden("ternary"), scratch["out"], .quantizeTo1Bit)
    Disk.write(Disk.bytes(scratch["out"] + "/config.json"), scratch["theirs"] + "/config.json")
    let result = try Workflow.verify(Self.golden("ternary"), scratch["theirs"])
    #expect(!result.passed && result.tensors.allSatisfy { $0.mismatches == 0 }, "scales alone")
    // As they are, they keep their weights.
    try Workflow.convert(Self.golden("ternary"), scratch["kept"], to: .hfPacked)
    #expect(try Workflow.compare(Self.golden("ternary"), scratch["kept"]).isSame)
    #expect(try !Workflow.compare(Self.golden("ternary"), scratch["out"]).isSame)
  }

  @Test("what onebitllms would ruin, or cannot read, is refused by name")
  func refused() throws {
    let scratch = ScratchFolder()
    var biased = ModelFolderBuilder(
      RawModelFile.tensors(ofFolder: Self.golden("f32")), configuration: Disk.text(Self.golden("f32/config.json")))
    let bias = "model.layers.0.self_attn.q_proj.bias"
    biased.file.tensors.append(RawTensor(bias, "F32", [32], FloatBytes.f32([Float](repeating: 1, count: 32))))
    try Workflow.gguf(Checkpoint.bitnet, scratch["a.gguf"])
    let cases = [
      (biased.write(scratch["biased"]), bias), (Checkpoint.master, "sub_norm"), (Checkpoint.bitnet, "_proj"),
      (scratch["a.gguf"], ""),
    ]
    for (source, name) in cases {
      for recipe in ConversionRecipe.allCases {
        let error = #expect(throws: WorkflowError.self) { try convert(source, scratch["out"], recipe) }
        #expect(error?.location.tensor?.contains(name) == true || name.isEmpty, "\(error?.description ?? "")")
        #expect(error?.category == .misuse && error?.remedy != nil)
      }
    }
    #expect(!Disk.exists(scratch["out"]))
  }

  @Test("a recipe is part of the record, and does not go with another target")
  func recorded() throws {
    var request = ConversionRequest(input: "i", output: "o", target: .dense)
    request.follow(.quantizeTo1Bit)
    let again = try RequestRecord.request(RequestRecord.json(request), input: "i", output: "o", file: "f")
    #expect(again.recipe == .quantizeTo1Bit && again.target == .hfPacked && again.quantizer == AbsMean.bf16.id)
    for text in [
      #"{"target":"dense","recipe":"quantize_to_1bit"}"#, #"{"target":"hf-packed","recipe":"quantize_to_2bit"}"#,
    ] {
      let record = try #require(try JSONValue.parse(Array(text.utf8)).object)
      #expect(throws: RecordError.self) { try RequestRecord.request(record, input: "i", output: "o", file: "f") }
    }
  }
}
