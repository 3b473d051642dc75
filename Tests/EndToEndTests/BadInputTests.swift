// Tritsmith: inputs that are wrong, and outputs that may not be written.

import Testing
import TritCore
import TritTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("Bad input")
struct BadInputTests {
  /// A safetensors file with something wrong in it.
  struct BadFile: Sendable, CustomTestStringConvertible {
    var name: String
    var bytes: [UInt8]
    /// What the message must say.
    var words: [String]
    var testDescription: String { name }

    init(_ name: String, _ bytes: [UInt8], _ words: String...) {
      self.name = name
      self.bytes = bytes
      self.words = words
    }
  }

  static let files: [BadFile] = {
    let good = Model.tiny().file.serialized
    func header(_ json: String, _ data: [UInt8] = []) -> [UInt8] {
      let text = Array(json.utf8)
      return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text + data
    }
    let one = #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}"#
    return [
      BadFile("empty", [], "empty"),
      BadFile("seven bytes", Array(good[..<7]), "8"),
      BadFile("cut in the header", Array(good[..<60]), "header"),
      BadFile("cut in the data", Array(good.dropLast()), "file ends at \(good.count - 1)"),
      BadFile("trailing bytes", good + [0], "\(good.count + 1)"),
      BadFile("wrong magic", Array("PICKL".utf8) + good.dropFirst(5), "header claims"),
      BadFile("huge length", [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F] + good.dropFirst(8), "header claims"),
      BadFile(
        "overlapping", header(one + #","b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#, [1, 2, 3, 4, 5, 6]), "b",
        "inside another tensor"),
      BadFile(
        "a hole", header(one + #","b":{"dtype":"U8","shape":[1],"data_offsets":[5,6]}}"#, [1, 2, 3, 4, 5, 6]), "hole"),
      BadFile("not UTF-8", header(one + "}").map { $0 == UInt8(ascii: "a") ? 0xFF : $0 } + [1, 2, 3, 4], "JSON"),
      BadFile("not JSON", header("{\"a\": }"), "JSON"),
      BadFile("unknown type", header(#"{"a":{"dtype":"Q4","shape":[4],"data_offsets":[0,4]}}"#, [0, 0, 0, 0]), "Q4"),
      BadFile(
        "overflowing shape",
        header(#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,4]}}"#, [0, 0, 0, 0]), "a",
        "64 bits"
      ),
      BadFile(
        "a name twice", header(one + #","a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, [1, 2, 3, 4]), "twice"),
    ]
  }()

  @Test("a malformed file exits with 65, names the file, says what is wrong", arguments: files)
  func malformed(_ bad: BadFile) {
    let scratch = ScratchFolder()
    let input = Model.tiny().write(scratch["model"])
    Disk.write(bad.bytes, input + "/model.safetensors")
    let before = FolderSnapshot(scratch.path)
    for arguments in [
      ["inspect", input], ["inspect", input + "/model.safetensors", "--stats", "--no-mmap"],
      ["convert", input, scratch["out"], "--to", "hf-packed"], ["verify", input, Model.goldenPacked],
    ] {
      let result = Tool.expect(65, arguments)
      #expect(result.output.isEmpty)
      #expect(result.errors.contains("model.safetensors"))
      for word in bad.words { #expect(result.errors.contains(word), "\(result.errors)") }
    }
    #expect(FolderSnapshot(scratch.path) == before)
  }

  @Test("a file of no known format is named with its first bytes")
  func unknownFormat() {
    let scratch = ScratchFolder()
    Disk.write("PK\u{3}\u{4} this is an archive", scratch["model.zip"])
    let result = Tool.expect(65, ["inspect", scratch["model.zip"]])
    #expect(result.errors.contains("50 4b 03 04"))
  }

  @Test("a damaged TritPack file exits with 65 and names the section", arguments: [64, 3, 40, -1])
  func damagedPack(_ offset: Int) {
    let scratch = ScratchFolder()
    let pack = scratch["model.tritpack"]
    Tool.expect(0, ["convert", Model.tiny().write(scratch["m"]), pack, "--to", "tritpack", "--quiet"])
    var bytes = Disk.bytes(pack)
    let index = offset < 0 ? bytes.count + offset : offset
    bytes[index] ^= 4
    Disk.write(bytes, pack)
    let result = Tool.expect(65, ["convert", pack, scratch["out"], "--to", "dense"])
    #expect(result.errors.contains("model.tritpack"))
    if offset == 64 { #expect(result.errors.contains("model.embed_tokens.weight")) }
    Disk.write(Array(bytes.dropLast(10)), pack)
    Tool.expect(65, ["inspect", pack])
  }

  @Test("a NaN exits with 65 and names tensor and index")
  func notANumber() {
    let scratch = ScratchFolder()
    let input = Model.tiny { builder in
      builder.file[Model.query].bytes.replaceSubrange(2 * 77..<2 * 78, with: [0xC0, 0x7F])
    }.write(scratch["model"])
    let result = Tool.expect(65, ["convert", input, scratch["out"], "--to", "hf-packed"])
    #expect(result.errors.contains(Model.query) && result.errors.contains("element 77 is nan"), "\(result.errors)")
    #expect(Disk.names(scratch.path) == ["model"])
  }

  @Test("what cannot be opened exits with 66")
  func cannotOpen() {
    let scratch = ScratchFolder()
    let model = Model.tiny().write(scratch["model"])
    let folder = Model.tiny().write(scratch["folder"])
    Disk.remove(folder + "/model.safetensors")
    Disk.makeFolder(folder + "/model.safetensors")
    for path in [scratch["nowhere"], model + "/nowhere.safetensors", folder, "/dev/null"] {
      let commands = [
        ["inspect", path], ["convert", path, scratch["out"], "--to", "dense"], ["verify", path, model],
        ["verify", model, path],
      ]
      for arguments in commands {
        let result = Tool.expect(66, arguments)
        #expect(result.errors.contains(path), "\(result.errors)")
      }
    }
    #expect(Disk.names(scratch.path) == ["folder", "model"])
  }

  @Test("a folder without a model exits with 65")
  func noModel() {
    let scratch = ScratchFolder()
    Disk.makeFolder(scratch["empty"])
    #expect(Tool.expect(65, ["inspect", scratch["empty"]]).errors.contains("no safetensors, GGUF or TritPack file"))
  }

  @Test("a file without read permission exits with 66")
  func unreadable() {
    let scratch = ScratchFolder()
    let input = Model.tiny().write(scratch["model"])
    Disk.setMode(0o000, input + "/model.safetensors")
    Disk.setMode(0o755, scratch.path)
    guard geteuid() == 0 else {
      let result = Tool.expect(66, ["inspect", input])
      #expect(result.errors.contains("Permission denied"))
      return
    }
    // Permissions do not bind root; the child gives its rights away where the system has a tool for that.
    let setpriv = "/usr/bin/setpriv"
    guard Disk.exists(setpriv) else { return }
    let identity = ["--reuid=65534", "--regid=65534", "--clear-groups"]
    let probe = ProcessRunner().run(setpriv, identity + [BuiltProducts.tritsmith, "--version"])
    guard probe.exitCode == 0 else { return }
    let result = ProcessRunner().run(setpriv, identity + [BuiltProducts.tritsmith, "inspect", input])
    #expect(result.exitCode == 66, "\(result.summary)")
    #expect(result.errors.contains("Permission denied"))
  }

  @Test("broken shards exit with 65 and name the shard or the tensor")
  func shards() throws {
    let scratch = ScratchFolder()
    let (first, second) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    let tensors = Model.tiny().file.tensors
    func model(_ name: String, _ map: [(String, String)], shards: [String: [RawTensor]]) -> String {
      let folder = scratch[name]
      Disk.makeFolder(folder)
      Disk.write(ModelFolderBuilder.llama, folder + "/config.json")
      for (shard, tensors) in shards { Disk.write(RawModelFile(tensors).serialized, folder + "/" + shard) }
      let entries = map.map { JSONObject.Entry(key: $0.0, value: .string($0.1)) }
      let index: JSONObject = ["metadata": .object([:]), "weight_map": .object(JSONObject(entries: entries))]
      Disk.write(JSONValue.object(index).serialized(), folder + "/model.safetensors.index.json")
      return folder
    }
    let map = [(tensors[0].name, first), (tensors[1].name, second), (tensors[2].name, second)]
    let parts = [first: [tensors[0]], second: [tensors[1], tensors[2]]]
    Tool.expect(0, ["inspect", model("good", map, shards: parts)])
    let outside = [(tensors[0].name, "../good/" + first)] + map.dropFirst()
    let absolute = [(tensors[0].name, scratch["good"] + "/" + first)] + map.dropFirst()
    let cases: [(folder: String, words: [String])] = [
      (model("missing", map, shards: [first: parts[first] ?? []]), [second]),
      (model("outside", outside, shards: parts), ["../good/" + first]),
      (model("absolute", absolute, shards: parts), [first]),
      (model("parent", [(tensors[0].name, "..")] + map.dropFirst(), shards: parts), ["'..'"]),
      (
        model("twice", map, shards: [first: [tensors[0], tensors[1]], second: parts[second] ?? []]), [tensors[1].name]
      ),
      (model("none", map, shards: [first: [], second: parts[second] ?? []]), [tensors[0].name, first]),
      (model("unnamed", Array(map.dropLast()), shards: parts), [tensors[2].name]),
    ]
    for (folder, words) in cases {
      for arguments in [["inspect", folder], ["convert", folder, scratch["out"], "--to", "hf-packed"]] {
        let result = Tool.expect(65, arguments)
        for word in words { #expect(result.errors.contains(word), "\(folder): \(result.errors)") }
      }
    }
    #expect(!Disk.exists(scratch["out"]))
  }

  @Test("a configuration that is wrong: unknown class with the nearest known one, foreign quantization, no JSON")
  func configurations() {
    let scratch = ScratchFolder()
    let cases: [(String, String)] = [
      (#"{"architectures": ["BitNetForCausalLLM"]}"#, "nearest known one is 'BitNetForCausalLM'"),
      (#"{"architectures": ["LlamaForCausalLM"], "quantization_config": {"quant_method": "gptq"}}"#, "gptq"),
      (#"{"architectures": ["LlamaForCausalLM"],"#, "JSON"),
      (
        #"{"architectures": ["LlamaForCausalLM"], "quantization_config": {"quant_method": "bitnet", "linear_class": "x"}}"#,
        "linear_class"
      ),
    ]
    for (index, (configuration, word)) in cases.enumerated() {
      let input = Model.tiny { $0.configuration = configuration }.write(scratch["model\(index)"])
      let result = Tool.expect(65, ["convert", input, scratch["out"], "--to", "hf-packed"])
      #expect(result.errors.contains(word) && result.errors.contains("model\(index)"), "\(result.errors)")
    }
    // Whoever knows better may say so.
    Tool.expect(
      0,
      [
        "convert", scratch["model0"], scratch["out"], "--to", "hf-packed", "--architecture", "BitNetForCausalLM",
        "--quiet",
      ])
  }

  @Test("an argument that is no UTF-8 is refused with 64, and names no other file")
  func argumentsThatAreNoText() {
    let scratch = ScratchFolder()
    // Repaired to text, the arguments would name these.
    Model.tiny().write(scratch["m\u{FFFD}"])
    func shell(_ words: String) -> ProcessResult {
      ProcessRunner().run("/bin/sh", ["-c", "cd \(scratch.path) && \(words)"])
    }
    #expect(shell("cp -r \(Model.bitnet) $(printf 'm\\377')").exitCode == 0)
    for command in [
      "inspect $(printf 'm\\377')", "convert \(Model.bitnet) $(printf 'out\\377') --to dense",
      "inspect \(Model.bitnet) --tensor $(printf '*\\377')",
    ] {
      let result = shell("\(BuiltProducts.tritsmith) \(command)")
      #expect(result.exitCode == 64 && result.output.isEmpty, "\(command): \(result.summary)")
      #expect(result.errors.contains("not UTF-8") && result.errors.contains("argument "))
    }
    #expect(!Disk.exists(scratch["out\u{FFFD}"]))
  }

  @Test("in a folder whose name is no UTF-8, relative paths work, and what lies in the input is still refused")
  func workingFolderThatIsNoText() {
    let scratch = ScratchFolder()
    let commands = "mkdir $(printf 'd\\377') && cd $(printf 'd\\377') && cp -r \(Model.bitnet) in && "
    for (code, words) in [
      (Int32(0), "convert in out --to dense -q"), (64, "convert in in/out --to dense -q"),
      (64, "convert in . --to dense -q --force"), (0, "convert in out.gguf --to gguf -q"),
      (0, "convert in out --to dense -q --certificate c.json && \(BuiltProducts.tritsmith) certify --check c.json -q"),
      (64, "convert in out --to dense -q --certificate in/c.json"),
    ] {
      let result = ProcessRunner().run(
        "/bin/sh", ["-c", "cd \(scratch.path) && rm -rf d* && " + commands + BuiltProducts.tritsmith + " " + words])
      #expect(result.exitCode == code, "\(words): \(result.summary)")
    }
  }

  @Test("names with terminal controls are shown, not obeyed")
  func hostileNames() {
    let scratch = ScratchFolder()
    let name = "\u{1B}]0;owned\u{7}\u{1B}[2J../../etc"
    let input = Model.tiny { $0.file.tensors.append(RawTensor(name, "U8", [1], [1])) }.write(scratch["model"])
    for format in ["table", "json"] {
      let result = Tool.expect(0, ["inspect", input, "--format", format])
      #expect(!result.output.unicodeScalars.contains { $0.value == 0x1B || $0.value == 7 })
    }
    Tool.expect(0, ["convert", input, scratch["out"], "--to", "hf-packed", "--quiet"])
    #expect(Disk.names(scratch.path) == ["model", "out"])
  }
}

@Suite("Places of outputs")
struct OutputPlaceTests {
  private func convert(_ input: String, _ output: String, _ target: String, _ more: String...) -> [String] {
    ["convert", input, output, "--to", target, "--quiet"] + more
  }

  @Test("what exists is not touched without --force, exit 73", arguments: ["hf-packed", "tritpack"])
  func existing(_ target: String) {
    let scratch = ScratchFolder()
    let input = Model.tiny().write(scratch["model"])
    Disk.makeFolder(scratch["folder"])
    Disk.write("precious", scratch["folder"] + "/notes.txt")
    Disk.write("precious", scratch["file"])
    Disk.link(scratch["link"], to: scratch["nowhere"])
    let before = FolderSnapshot(scratch.path)
    for name in ["folder", "file", "link"] {
      let result = Tool.expect(73, convert(input, scratch[name], target))
      #expect(result.errors.contains("--force"))
    }
    #expect(FolderSnapshot(scratch.path) == before)
  }

  @Test("--force replaces the whole output, a folder or a file")
  func forced() {
    let scratch = ScratchFolder()
    let input = Model.tiny().write(scratch["model"])
    Disk.makeFolder(scratch["folder"])
    Disk.write("stale", scratch["folder"] + "/model-00001-of-00002.safetensors")
    Disk.write("stale", scratch["file"])
    Tool.expect(0, convert(input, scratch["folder"], "hf-packed", "--force"))
    #expect(Disk.names(scratch["folder"]) == ["config.json", "model.safetensors", "tokenizer.json"])
    Tool.expect(0, convert(input, scratch["file"], "tritpack", "--force"))
    #expect(Disk.bytes(scratch["file"]).starts(with: Array("TRITPACK".utf8)))
    #expect(Disk.names(scratch.path) == ["file", "folder", "model"])
  }

  @Test("--force does not replace a file by a folder, a folder by a file, or somebody's work")
  func refused() {
    let scratch = ScratchFolder()
    let input = Model.tiny().write(scratch["model"])
    Disk.makeFolder(scratch["folder"])
    Disk.makeFolder(scratch["work"])
    Disk.makeFolder(scratch["work"] + "/src")
    Disk.write("text", scratch["file"])
    let before = FolderSnapshot(scratch.path)
    Tool.expect(73, convert(input, scratch["file"], "hf-packed", "--force"))
    Tool.expect(73, convert(input, scratch["folder"], "tritpack", "--force"))
    Tool.expect(73, convert(input, scratch["work"], "hf-packed", "--force"))
    Tool.expect(73, convert(input, scratch["nowhere"] + "/out", "hf-packed", "--force"))
    #expect(FolderSnapshot(scratch.path) == before)
  }

  @Test("an output that is the input, lies in it or holds it is refused with 64, by whatever path")
  func overlapping() {
    let scratch = ScratchFolder()
    Disk.makeFolder(scratch["models"])
    let input = Model.tiny().write(scratch["models/model"])
    Disk.link(scratch["alias"], to: input)
    let before = FolderSnapshot(scratch.path)
    let outputs = [
      input, input + "/", input + "/out", input + "/../model", scratch["models"], scratch["alias"],
      scratch["alias"] + "/out", scratch["models"] + "/./model/x.safetensors",
    ]
    for output in outputs {
      for source in [input, scratch["alias"]] {
        let result = Tool.expect(64, convert(source, output, "hf-packed", "--force"))
        #expect(result.errors.contains("inputs are never modified"), "\(output): \(result.errors)")
      }
    }
    Tool.expect(64, convert(input + "/model.safetensors", input + "/model.safetensors", "hf-packed", "--force"))
    Tool.expect(64, convert(input + "/model.safetensors", input, "hf-packed", "--force"))
    Tool.expect(64, convert(input, input + "/model.tritpack", "tritpack"))
    #expect(FolderSnapshot(scratch.path) == before)
    // A neighbour whose name begins alike is not inside.
    Tool.expect(0, convert(input, input + "-packed", "hf-packed"))
  }

  @Test("no operation modifies its input")
  func inputsUnmodified() {
    let scratch = ScratchFolder()
    let input = Model.tiny().write(scratch["model"])
    Tool.expect(0, convert(input, scratch["packed"], "hf-packed"))
    Tool.expect(0, convert(input, scratch["pack"], "tritpack"))
    let before = FolderSnapshot(scratch.path)
    for source in ["model", "packed", "pack"] {
      Tool.expect(0, ["inspect", scratch[source], "--stats"])
      // A master is no conversion of itself: nothing in it became ternary.
      Tool.expect(source == "model" ? 1 : 0, ["verify", scratch["model"], scratch[source]])
      for target in ["hf-packed", "tritpack", "dense"] {
        Tool.expect(0, convert(scratch[source], scratch["out"], target))
        Disk.remove(scratch["out"])
      }
    }
    #expect(FolderSnapshot(scratch.path) == before)
  }
}
