// Tritsmith: gap, family and check as a user runs them, with good and bad input.

import Testing
import TritCore
import TritTestSupport

@Suite("Gap command")
struct GapCommandTests {
  static let bfloat16 = Fixtures.checkpoint("falcon-e-tiny/bfloat16")
  static let b158 = Fixtures.checkpoint("bitnet-b158-tiny/packed")

  static func gap(_ reference: String, _ candidate: String, _ options: String...) -> [String] {
    ["gap", reference, candidate, "--quiet"] + options
  }

  /// A copy of a checkpoint with its weight file and configuration changed.
  static func changed(
    _ folder: String, to path: String, _ change: (inout RawModelFile, inout String) -> Void
  ) -> String {
    Disk.copyFolder(folder, to: path)
    var file = RawModelFile(reading: path + "/model.safetensors")
    var configuration = Disk.text(path + "/config.json")
    change(&file, &configuration)
    Disk.write(file.serialized, path + "/model.safetensors")
    Disk.write(configuration, path + "/config.json")
    return path
  }

  @Test("keys, verdict and exit codes of budgets")
  func report() throws {
    let arguments = GapCommandTests.gap(GapCommandTests.bfloat16, Model.bitnet, "--tokens", "120", "--attribute")
    let report = try Tool.report(arguments + ["--max-mean-kl", "0.01", "--min-top1", "0.9"], schema: "tritsmith.gap")
    let model = try #require(report["model"]?.object)
    for key in ["perplexity", "mean_kld", "same_top_1", "mean_reverse_kld", "rms_delta_p", "logit_nmse"] {
      #expect(model[key]?.number != nil, "\(key)")
    }
    #expect(model["tokens"]?.number?.integer == 120)
    // Shares are fractions.
    #expect(try #require(model["same_top_1"]?.number?.double) <= 1)
    #expect(report["gates"]?.array?.count == 3 && report["attribution"]?.array?.count == 12)
    #expect(report["worst_tokens"]?.array?.count == 10 && report["layers"]?.array?.count == 14)
    #expect(report["tensors"]?.array?.count == 39 && report["plots"]?.array?.isEmpty == false)
    #expect(report["summary"]?.object?["conversion_fidelity"]?.string == "exact")
    let failed = try Tool.report(arguments + ["--max-ppl-ratio", "0.5"], schema: "tritsmith.gap", exitCode: 1)
    #expect(failed["summary"]?.object?["passed"]?.bool == false)
    // -q keeps a report of success back.
    #expect(Tool.expect(0, arguments).output.isEmpty)
    let text = Tool.expect(0, arguments.filter { $0 != "--quiet" }).output
    #expect(text.hasPrefix("PASS") && text.contains("- Fidelity, exact: "))
    for format in ["csv", "markdown"] { Tool.expect(0, arguments + ["--format", format]) }
  }

  @Test("models that cannot be compared")
  func mismatches() throws {
    let scratch = ScratchFolder()
    let vocabulary = Tool.expect(64, GapCommandTests.gap(GapCommandTests.b158, Model.bitnet))
    #expect(vocabulary.errors.contains("vocabulary of 1536"))
    // Two tokens exchanged: the same sizes, other ids.
    Disk.copyFolder(Model.bitnet, to: scratch["other"])
    let path = scratch["other"] + "/tokenizer.json"
    var tokenizer = Disk.text(path)
    for (old, new) in [("\"Ġthe\": 265", "\"Ġthe\": 9265"), ("\"Ġand\": 276", "\"Ġand\": 265"), ("9265", "276")] {
      #expect(tokenizer.contains(old), "\(old)")
      tokenizer = tokenizer.split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
    }
    Disk.write(tokenizer, path)
    let tokens = Tool.expect(64, GapCommandTests.gap(Model.bitnet, scratch["other"]))
    #expect(tokens.errors.contains("different tokenizers") && tokens.errors.contains("token 265"), "\(tokens.errors)")
    // Ids mean the same to both weights, whatever they are called; a model is its tokenizer as well.
    Disk.write("1 47 287 420 226 22 531", scratch["ids"])
    let ids = try Tool.report(
      GapCommandTests.gap(Model.bitnet, scratch["other"], "--ids-file", scratch["ids"]), schema: "tritsmith.gap",
      exitCode: 1)
    #expect(ids["model"]?.object?["tokens"]?.number?.integer == 6)
    #expect(ids["model"]?.object?["mean_kld"]?.number?.double == 0)
  }

  @Test("no tokenizer: ids only")
  func noTokenizer() throws {
    let scratch = ScratchFolder()
    for (name, source) in [("p", GapCommandTests.bfloat16), ("q", Model.bitnet)] {
      Disk.copyFolder(source, to: scratch[name])
      Disk.remove(scratch[name] + "/tokenizer.json")
    }
    let text = Tool.expect(65, GapCommandTests.gap(scratch["p"], scratch["q"]))
    #expect(text.errors.contains("tokenizer.json"))
    Disk.write("[[1, 47, 287], [5], [1, 2, 3, 4]]", scratch["ids.json"])
    let report = try Tool.report(
      GapCommandTests.gap(scratch["p"], scratch["q"], "--ids-file", scratch["ids.json"]), schema: "tritsmith.gap")
    // An id alone predicts nothing.
    #expect(report["model"]?.object?["tokens"]?.number?.integer == 2 + 3)
    #expect(report["worst_tokens"]?.array?.first?.object?["token"]?.string?.hasPrefix("#") == true)
    // One of the two has a tokenizer: used for both, and said; the conversion lost or gained it.
    let mixed = try Tool.report(
      GapCommandTests.gap(scratch["p"], Model.bitnet, "--tokens", "20"), schema: "tritsmith.gap", exitCode: 1)
    let notes = mixed["notes"]?.array?.compactMap { $0.object?["text"]?.string } ?? []
    #expect(notes.contains { $0.contains("only") && $0.contains("tokenizer") })
    Disk.write("1 99999", scratch["ids.json"])
    Tool.expect(64, GapCommandTests.gap(scratch["p"], scratch["q"], "--ids-file", scratch["ids.json"]))
  }

  @Test("empty text, a text that is not there, contradictory options")
  func emptyText() {
    let scratch = ScratchFolder()
    Disk.write("", scratch["empty"])
    for options in [["--text-file", scratch["empty"]], ["--ids-file", scratch["empty"]]] {
      Tool.expect(64, ["gap", GapCommandTests.bfloat16, Model.bitnet, "--quiet"] + options)
    }
    Tool.expect(66, GapCommandTests.gap(GapCommandTests.bfloat16, Model.bitnet, "--text-file", scratch["nowhere"]))
    Tool.expect(64, GapCommandTests.gap(GapCommandTests.bfloat16, Model.bitnet, "--context", "1"))
    Tool.expect(64, GapCommandTests.gap(GapCommandTests.bfloat16, Model.bitnet, "--context", "4096"))
    Tool.expect(64, GapCommandTests.gap(GapCommandTests.bfloat16, Model.bitnet, "--min-top1", "95"))
    Tool.expect(
      64,
      GapCommandTests.gap(Model.bitnet, Model.bitnet, "--text-file", scratch["empty"], "--ids-file", scratch["empty"]))
  }

  @Test("logits that are no numbers are counted, left out, and fail")
  func nonFinite() throws {
    let scratch = ScratchFolder()
    let everywhere = GapCommandTests.changed(Model.bitnet, to: scratch["all"]) { file, _ in
      file["model.norm.weight"].bytes.replaceSubrange(0..<2, with: [0xC0, 0x7F])
    }
    let all = try Tool.report(
      GapCommandTests.gap(GapCommandTests.bfloat16, everywhere, "--tokens", "30"), schema: "tritsmith.gap", exitCode: 1)
    let model = try #require(all["model"]?.object)
    #expect(model["nonfinite_tokens"]?.number?.integer == 30 && model["tokens"]?.number?.integer == 0)
    #expect(model["mean_kld"]?.isNull == true && model["perplexity"]?.isNull == true)
    // One embedding of a token that stands second: what comes before it is finite.
    let some = GapCommandTests.changed(Model.bitnet, to: scratch["some"]) { file, _ in
      file["model.embed_tokens.weight"].bytes.replaceSubrange(47 * 512..<47 * 512 + 2, with: [0xC0, 0x7F])
    }
    Disk.write("1 5 47 287\n1 5 6 7", scratch["ids"])
    let part = try Tool.report(
      GapCommandTests.gap(GapCommandTests.bfloat16, some, "--ids-file", scratch["ids"]), schema: "tritsmith.gap",
      exitCode: 1)
    #expect(part["model"]?.object?["nonfinite_tokens"]?.number?.integer == 1)
    #expect(part["model"]?.object?["tokens"]?.number?.integer == 5)
    #expect(part["model"]?.object?["mean_kld"]?.number != nil)
  }

  @Test("models of different depth: a partial report that says so")
  func depth() throws {
    let scratch = ScratchFolder()
    let shallow = GapCommandTests.changed(Model.bitnet, to: scratch["shallow"]) { file, configuration in
      file.tensors.removeAll { $0.name.hasPrefix("model.layers.3.") }
      configuration = configuration.split(separator: "\"num_hidden_layers\": 4").joined(
        separator: "\"num_hidden_layers\": 3")
    }
    for (reference, candidate) in [(GapCommandTests.bfloat16, shallow), (shallow, GapCommandTests.bfloat16)] {
      let report = try Tool.report(
        GapCommandTests.gap(reference, candidate, "--tokens", "40", "--attribute", "--no-fidelity"),
        schema: "tritsmith.gap")
      #expect(report["model"]?.object?["tokens"]?.number?.integer == 40)
      #expect(report["layers"] == nil && report["attribution"] == nil)
      let notes = report["notes"]?.array?.compactMap { $0.object?["text"]?.string } ?? []
      #expect(notes.contains { $0.contains("layers are not compared") })
      #expect(notes.contains { $0.contains("not attributed") })
    }
    // Such a candidate is no conversion of the reference.
    Tool.expect(1, GapCommandTests.gap(GapCommandTests.bfloat16, shallow, "--tokens", "40"))
  }

  @Test("a dense family without ternary siblings is compared all the same")
  func dense() throws {
    let report = try Tool.report(
      GapCommandTests.gap(Model.plain, Model.plain, "--tokens", "40"), schema: "tritsmith.gap")
    #expect(report["summary"]?.object?["conversion_fidelity"]?.string == "not_applicable")
    #expect(report["model"]?.object?["mean_kld"]?.number?.double == 0)
  }

  @Test("family and check: exit codes and keys")
  func familyAndCheck() throws {
    let scratch = ScratchFolder()
    let family = try Tool.report(
      ["family", Fixtures.checkpoint("falcon-e-tiny"), "--quiet"], schema: "tritsmith.family")
    #expect(family["family"]?.object?["families"]?.number?.integer == 1)
    _ = try Tool.report(["family", Model.plain, Model.bitnet, "--quiet"], schema: "tritsmith.family", exitCode: 1)
    Tool.expect(64, ["family", Model.plain, "--quiet"])
    Tool.expect(66, ["family", Model.plain, scratch["nowhere"], "--quiet"])
    let check = try Tool.report(["check", Model.bitnet, "--strict", "--quiet"], schema: "tritsmith.check")
    #expect(check["check"]?.object?["errors"]?.number?.integer == 0 && check["findings"]?.array?.isEmpty == true)
    let beside = try Tool.report(
      ["check", Model.bitnet, "--sibling", Model.bitnet, "--quiet"], schema: "tritsmith.check")["check"]?.object
    #expect(beside?["sibling_equal"] == beside?["tensors"] && beside?["sibling_different"]?.number?.integer == 0)
    _ = try Tool.report(
      ["check", Model.plain, "--sibling", Model.bitnet, "--quiet"], schema: "tritsmith.check", exitCode: 1)
    Disk.copyFolder(Model.bitnet, to: scratch["model"])
    Disk.remove(scratch["model"] + "/tokenizer.json")
    Tool.expect(0, ["check", scratch["model"], "--quiet"])
    Tool.expect(1, ["check", scratch["model"], "--quiet", "--strict"])
    Disk.resize(scratch["model"] + "/model.safetensors", to: 1000)
    #expect(Tool.expect(1, ["check", scratch["model"], "--quiet"]).output.contains("file.unreadable"))
    Tool.expect(66, ["check", scratch["nowhere"], "--quiet"])
  }
}
