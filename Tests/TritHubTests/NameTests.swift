// Tritsmith: names of the Hub.

import Testing
import TritCore
import TritTestSupport

@testable import TritHub

@Suite struct NameTests {
  @Test func namesAreTakenApart() throws {
    let cases: [(String, repository: String, revision: String?, file: String?)] = [
      ("tiiuae/Falcon-E-1B-Base", "tiiuae/Falcon-E-1B-Base", nil, nil),
      ("tiiuae/Falcon-E-1B-Base@prequantized", "tiiuae/Falcon-E-1B-Base", "prequantized", nil),
      ("hf://a/b", "a/b", nil, nil),
      ("hf://a/b@v1.0", "a/b", "v1.0", nil),
      ("hf://a/b@refs%2Fpr%2F1", "a/b", "refs/pr/1", nil),
      ("hf://a/b/folder/config.json", "a/b", nil, "folder/config.json"),
      ("hf://a/b@main/model.gguf", "a/b", "main", "model.gguf"),
      ("a/b/model-Q2_0.gguf", "a/b", nil, "model-Q2_0.gguf"),
      ("a/b@main/gguf/model.gguf", "a/b", "main", "gguf/model.gguf"),
      ("a/b/model.safetensors.index.json", "a/b", nil, "model.safetensors.index.json"),
      ("https://huggingface.co/a/b", "a/b", nil, nil), ("https://huggingface.co/a/b/", "a/b", nil, nil),
      ("https://huggingface.co/a/b/tree/v1.0?x=1#files", "a/b", "v1.0", nil),
      ("huggingface.co/a/b/blob/main/gguf/model.gguf", "a/b", "main", "gguf/model.gguf"),
      ("https://hf.co/a/b/resolve/refs%2Fpr%2F1/config.json", "a/b", "refs/pr/1", "config.json"),
    ]
    for (text, repository, revision, file) in cases {
      let name = try #require(HubName(text), "\(text)")
      #expect(name.repository == repository && name.revision == revision && name.file == file, "\(text)")
      #expect(HubName(name.description) == name, "\(name)")
    }
  }

  /// The rules of `validate_repo_id` in huggingface_hub, and what can only be a path.
  @Test func pathsAreNoNames() {
    for text in [
      "", "model", "/a/b", "./a/b", "../a", "a/", "/b", "a//b", "a/b/", "a/b/c", "a/b c", "-a/b", "a/b.", "a/b--c",
      "a/b..c", "é/b", "a/b@", "a/b@-x", "a/b@x..y", "hf://", "hf://a", "hf://a/b/", "hf://a/b//c", "hf://a/b/../c",
      "hf:///a/b", "https://huggingface.co/a", "https://huggingface.co/datasets/a/b", "https://other.co/a/b",
      "models/falcon.gguf", "models/model.safetensors", "out/report.json",
      "a/b\u{301}", "a/" + String(repeating: "b", count: 97), "a\\b/c", "hf://a/b/c\\d", "a/b@\u{301}",
    ] { #expect(HubName(text) == nil, "\(text)") }
  }
}

@Suite struct AdviceTests {
  @Test func aFolderCalledAsTheOwnerIsNamed() {
    let scratch = ScratchFolder()
    for name in ["falcon", "falcon/bitnet", "falcon/bfloat16", "falcon/.cache", "empty"] {
      Disk.makeFolder(scratch[name])
    }
    let advice = HubName.advice(on: scratch["falcon/bitnt"])
    #expect(advice == "the folder '\(scratch["falcon"])' holds bfloat16, bitnet: name one; or ")
    for name in ["empty/bitnt", "nowhere/bitnt"] { #expect(HubName.advice(on: scratch[name]).isEmpty) }
    #expect(HubName.advice(on: "bitnt").isEmpty)
  }
}

@Suite struct NearestEntryTests {
  @Test func theLastFolderOnTheWayIsLookedInto() throws {
    let scratch = ScratchFolder()
    for name in ["falcon", "falcon/bitnet", "falcon/bfloat16"] { Disk.makeFolder(scratch[name]) }
    Disk.write("", scratch["falcon/bitnet/model.safetensors"])
    func entry(_ path: String) throws -> NearestEntry { try #require(NearestEntry(of: scratch[path])) }
    #expect(try entry("falcon/bitnt").suggestion == scratch["falcon/bitnet"])
    #expect(try entry("falcon/bitnt").names == ["bfloat16", "bitnet"])
    #expect(try entry("falcon/bitnt/model.safetensors").suggestion == scratch["falcon/bitnet"])
    #expect(try entry("falcon/bitnet/model.safetensor").suggestion == scratch["falcon/bitnet/model.safetensors"])
    #expect(try entry("falcon/elsewhere").suggestion == nil)
    #expect(NearestEntry(of: scratch["falcon"]) == nil && NearestEntry(of: "hf://a/b") == nil)
  }
}

@Suite struct EnvironmentTests {
  /// huggingface_hub: HF_HUB_CACHE, then HF_HOME/hub, then XDG_CACHE_HOME/huggingface/hub, then ~/.cache/….
  @Test func cacheIsWhereTheHubsToolsHaveIt() {
    let home = ["HOME": "/home/me"]
    let cases: [([String: String], String)] = [
      (home, "/home/me/.cache/huggingface/hub"),
      (["XDG_CACHE_HOME": "/cache"], "/cache/huggingface/hub"),
      (["HF_HOME": "~/hf", "XDG_CACHE_HOME": "/cache"], "/home/me/hf/hub"),
      (["HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/hf"], "/old"),
      (["HF_HUB_CACHE": "/models", "HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/hf"], "/models"),
      (["HF_HUB_CACHE": "", "HF_HOME": "/hf"], "/hf/hub"),
    ]
    for (values, expected) in cases {
      #expect(HubEnvironment(values.merging(home) { first, _ in first }).cache == expected, "\(values)")
    }
  }

  @Test func offlineIsSaidAsToTheHubsTools() {
    for text in ["1", "true", "YES", "On"] { #expect(HubEnvironment(["HF_HUB_OFFLINE": text]).isOffline) }
    for text in ["", "0", "false", "no"] { #expect(!HubEnvironment(["HF_HUB_OFFLINE": text]).isOffline) }
    #expect(HubEnvironment(["TRANSFORMERS_OFFLINE": "1"]).isOffline)
    #expect(!HubEnvironment(["HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "1"]).isOffline)
  }
}
