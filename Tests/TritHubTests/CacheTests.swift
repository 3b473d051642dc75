// Tritsmith: models in the download cache of the Hub's tools.

import Testing
import TritCore
import TritHub
import TritTestSupport

/// A cache laid out as huggingface_hub leaves it: blobs by their digest, a link for each file of a snapshot, the commit of
/// a branch as text without a line end. `Tests/Interop/check_hub.py` tries one that huggingface_hub made.
private struct Cache {
  let scratch = ScratchFolder()
  static let commit = "0123456789abcdef0123456789abcdef01234567"

  var folder: String { scratch["hub"] }

  func resolver(offline: Bool = true) -> HubResolver {
    HubResolver(environment: HubEnvironment(["HF_HUB_CACHE": folder, "HOME": scratch.path]), isOffline: offline)
  }

  @discardableResult
  func add(
    _ repository: String, commit: String = Cache.commit, branch: String? = "main", _ files: [String: String]
  ) -> String {
    let root = FileSystem.join(folder, "models--" + repository.split(separator: "/").joined(separator: "--"))
    let snapshot = root + "/snapshots/" + commit
    for path in [folder, root, root + "/refs", root + "/blobs", root + "/snapshots", snapshot] {
      if !Disk.exists(path) { Disk.makeFolder(path) }
    }
    if let branch { Disk.write(commit, root + "/refs/" + branch) }
    for (name, text) in files {
      let digest = SHA256.digest(of: Array(text.utf8)).description
      Disk.write(text, root + "/blobs/" + digest)
      // Another branch may have been at the same commit.
      if !Disk.exists(snapshot + "/" + name) { Disk.link(snapshot + "/" + name, to: "../../blobs/" + digest) }
    }
    return snapshot
  }

  /// What resolving throws, in words.
  func failure(_ text: String) -> HubError? {
    do {
      _ = try resolver().path(of: text)
      return nil
    } catch {
      return error as? HubError
    }
  }
}

@Suite struct CacheTests {
  private let cache = Cache()
  private let files = ["config.json": "{}", "model.safetensors": "weights"]

  @Test func aBranchATagAndACommitAreFound() throws {
    let main = cache.add("a/b", files)
    let other = cache.add("a/b", commit: String(repeating: "c", count: 40), branch: "prequantized", files)
    let resolver = cache.resolver()
    #expect(try resolver.path(of: "a/b") == main)
    #expect(try resolver.path(of: "hf://a/b") == main)
    #expect(try resolver.path(of: "a/b@main") == main)
    #expect(try resolver.path(of: "a/b@prequantized") == other)
    #expect(try resolver.path(of: "a/b@" + Cache.commit) == main)
    #expect(try resolver.path(of: "hf://a/b/config.json") == main + "/config.json")
    #expect(try resolver.path(of: "a/b/model.safetensors") == main + "/model.safetensors")
  }

  @Test func aRepositorysFolderStandsForItsMainRevision() throws {
    let main = cache.add("a/b", files)
    cache.add("a/b", commit: String(repeating: "c", count: 40), branch: "v1", files)
    #expect(try cache.resolver().path(of: cache.folder + "/models--a--b") == main)
    let only = cache.add("c/d", branch: nil, files)
    #expect(try cache.resolver().path(of: cache.folder + "/models--c--d/") == only)
    cache.add("c/d", commit: String(repeating: "c", count: 40), branch: nil, files)
    let failure = cache.failure(cache.folder + "/models--c--d")
    #expect(failure?.summary.contains("2 snapshots") == true && failure?.category == .cannotOpen)
    #expect(failure?.remedy?.contains("snapshots/" + Cache.commit) == true)
  }

  @Test func aPathThatExistsWins() throws {
    cache.add("a/b", files)
    let inside = cache.scratch["model"]
    Disk.makeFolder(inside)
    #expect(try cache.resolver().path(of: inside) == inside)
    // What can only be a path is its reader's to refuse.
    #expect(try cache.resolver().path(of: cache.scratch["missing"]) == cache.scratch["missing"])
    #expect(try cache.resolver().path(of: "missing.gguf") == "missing.gguf")
  }

  @Test func withoutTheNetworkTheErrorSaysWhatWasLookedForAndWhatToDo() throws {
    let failure = try #require(cache.failure("a/b@v1"))
    #expect(failure.category == .cannotOpen && failure.location.file == "a/b@v1")
    #expect(failure.summary.contains("no file or folder has this name"))
    #expect(failure.summary.contains("models--a--b") && failure.summary.contains(cache.folder))
    #expect(failure.remedy?.contains("leave --offline out") == true)
    #expect(failure.advice?.contains("leave `tritsmith convert --offline` out") == true)
    #expect(failure.remedy?.contains("'hf download a/b --revision v1'") == true)
    #expect(cache.failure("a/b/x.gguf")?.remedy?.contains("hf download a/b x.gguf") == true)

    let variable = HubResolver(
      environment: HubEnvironment(["HF_HUB_CACHE": cache.folder, "HF_HUB_OFFLINE": "1"]), isOffline: false)
    #expect { try variable.path(of: "a/b") } throws: { ($0 as? HubError)?.summary.contains("HF_HUB_OFFLINE") == true }
  }

  @Test func aSnapshotWithoutItsWeightsIsNoModel() throws {
    let index = #"{"metadata": {}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#
    cache.add("a/tokens", ["config.json": "{}", "tokenizer.json": "{}"])
    #expect(cache.failure("a/tokens")?.summary.contains("holds no weights") == true)
    // The file itself is there.
    #expect(throws: Never.self) { try cache.resolver().path(of: "hf://a/tokens/tokenizer.json") }

    cache.add("a/half", ["config.json": "{}", "model.safetensors.index.json": index, "model-1.safetensors": "1"])
    #expect(cache.failure("a/half")?.summary.contains("lacks 1 of 2 shards, first 'model-2.safetensors'") == true)
    let whole = cache.add("a/half", ["model-2.safetensors": "2"])
    #expect(try cache.resolver().path(of: "a/half") == whole)

    let broken = cache.add("a/broken", ["config.json": "{}"])
    Disk.link(broken + "/model.gguf", to: "../../blobs/gone")
    #expect(cache.failure("a/broken")?.summary.contains("leads nowhere") == true)
    #expect(cache.failure("a/broken@v9")?.summary.contains("no snapshot of revision 'v9'") == true)
  }

  @Test func aNameStandsForTheFormsTheCacheHas() throws {
    for branch in ["main", "prequantized", "bfloat16", "experiment"] { cache.add("a/b", branch: branch, files) }
    let resolver = cache.resolver()
    #expect(try resolver.forms(of: "a/b") == ["a/b@main", "a/b@bfloat16", "a/b@prequantized"])
    #expect(try resolver.forms(of: "hf://a/b") == ["a/b@main", "a/b@bfloat16", "a/b@prequantized"])
    for one in ["a/b@main", "a/b/model.safetensors", "c/d", cache.folder, "model.gguf"] {
      #expect(try resolver.forms(of: one) == [one], "\(one)")
    }
  }

  /// A branch's file may hold anything: no name in it leads out of the folder of snapshots.
  @Test func aReferenceLeadsNowhereElse() {
    cache.add("a/b", files)
    for text in ["../..", "..", "", "a/b", "/etc"] {
      Disk.write(text, cache.folder + "/models--a--b/refs/evil")
      #expect(cache.failure("a/b@evil")?.summary.contains("no snapshot") == true, "\(text)")
    }
  }
}
