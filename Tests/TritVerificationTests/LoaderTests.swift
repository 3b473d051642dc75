// Tritsmith tests: what loaders make of files beside the weights.

import Testing
import TritCore
import TritFormats
import TritInference
import TritKernels
import TritModel
import TritTestSupport
import TritTokenizer
import WorkflowTestSupport

@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

/// Expected values: what transformers 5.23 does with each folder.
@Suite("What loaders make of a folder")
struct LoaderTests {
  /// transformers 4.57 leaves a head aside that is tied; 5.23 computes with one of other numbers.
  @Test func headBesideTie() throws {
    let scratch = ScratchFolder()
    var other = ChangedModel(Checkpoint.bitnet)
    other.replace("\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true")
    var same = other
    same.file["lm_head.weight"].bytes = same.file["model.embed_tokens.weight"].bytes
    var without = other
    without.remove { $0 == "lm_head.weight" }
    // A last byte is enough.
    var nearly = same
    nearly.file["lm_head.weight"].bytes[nearly.file["lm_head.weight"].bytes.count - 1] ^= 1
    let (one, two) = (same.write(scratch["same"]), without.write(scratch["without"]))
    #expect(try Workflow.compare(one, two).isSame)
    try Workflow.gguf(one, scratch["same.gguf"])
    #expect(try !GGUFSource(path: scratch["same.gguf"]).manifest.tensors.contains { $0.name == "output.weight" })
    for (name, model) in [("other", other), ("nearly", nearly)] {
      let folder = model.write(scratch[name])
      for side in [one, two] {
        #expect(try !Workflow.compare(folder, side).isSame)
        #expect(try !Workflow.compare(side, folder).isSame)
      }
      #expect(throws: ModelError.self) {
        _ = try LanguageModel(ModelOpener.open(folder), engine: InferenceEngine(threads: 1))
      }
      #expect(throws: (any Error).self) { try Workflow.gguf(folder, scratch["\(name).gguf"]) }
      #expect(!Disk.exists(scratch["\(name).gguf"]))
    }
  }

  /// Vocabulary and merges without `tokenizer.json`, and other forms that are not read.
  @Test(arguments: [["vocab.json", "merges.txt"], ["tekken.json"], ["qwen.tiktoken"], ["spiece.model"]])
  func foreignTokenizers(_ names: [String]) throws {
    let scratch = ScratchFolder()
    func model(_ name: String, _ text: String?) -> String {
      var model = ChangedModel(Checkpoint.bitnet)
      model.without = ["tokenizer.json"]
      for name in names { model.files[name] = text.map { Array($0.utf8) } }
      return model.write(scratch[name])
    }
    let (first, second, third) = (model("first", "{}"), model("second", "{ }"), model("third", "{}"))
    func tokenizer(_ one: String, _ two: String) throws -> PartFinding? {
      try Workflow.compare(one, two).parts[.tokenizer]
    }
    #expect(try tokenizer(first, third)?.outcome == .equal)
    #expect(try tokenizer(first, second)?.outcome == .notCompared)
    #expect(try !Workflow.compare(first, second).isSame)
    #expect(try tokenizer(first, model("none", nil))?.outcome == .differs)
    #expect(try tokenizer(Checkpoint.bitnet, first)?.outcome == .notCompared)
  }

  /// Ids of transformers 5.23: an ordinary token named in `tokenizer_config.json` cuts a text.
  @Test func namedTokens() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    let name = "tokenizer_config.json"
    var settings = try #require(JSONValue.parse(Array(Disk.text(Checkpoint.bitnet + "/" + name).utf8)).object)
    settings["additional_special_tokens"] = .array(["the"])
    model.files[name] = JSONValue.object(settings).serialized()
    let folder = model.write(scratch["named"])
    #expect(try Workflow.compare(Checkpoint.bitnet, folder).parts[.tokenizer]?.outcome == .differs)
    try Workflow.gguf(folder, scratch["named.gguf"])
    #expect(try Workflow.compare(folder, scratch["named.gguf"]).parts[.tokenizer]?.outcome == .equal)
    for path in [folder, scratch["named.gguf"]] {
      let tokenizer = try Tokenizer(of: ModelOpener.open(path))
      #expect(
        try tokenizer.encode("In the beginning was the word", addSpecialTokens: false)
          == [46, 83, 226, 1557, 1966, 1134, 389, 226, 1557, 621])
    }
  }
}
