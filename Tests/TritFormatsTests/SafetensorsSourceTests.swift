// Tritsmith: folders, shards and indices.

import Testing
import TritCore
import TritFormats
import TritTestSupport

@Suite struct FormatRegistryTests {
  static func error(_ path: String) -> FormatError? {
    #expect(throws: FormatError.self) { try FormatRegistry.open(path) }
  }

  @Test func whatIsNoModelSaysSo() {
    TemporaryFolder.with { folder in
      #expect(throws: TensorIOError(.cannotOpen(errno: 2), path: folder.path("absent"))) {
        try FormatRegistry.open(folder.path("absent"))
      }
      #expect(throws: TensorIOError(.notAFile(found: "a device, pipe or socket"), path: "/dev/null")) {
        try FormatRegistry.open("/dev/null")
      }
      for name in ["empty", "empty.safetensors", "empty.tritpack"] {
        #expect(Self.error(folder.write([], to: name))?.kind == .emptyFile, "\(name)")
      }
      let image = Self.error(folder.write([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0], to: "image.png"))
      #expect(image?.kind == .notRecognised(found: "it begins with bytes 89 50 4e 47 0d 0a 1a 0a"))
      let short = Self.error(folder.write([0x7B], to: "short"))
      #expect(short?.kind == .notRecognised(found: "it begins with bytes 7b"))
      // A name that promises a format, and a content that breaks the promise.
      let text = Self.error(
        folder.write("once upon a time, long enough to be read as a header", to: "story.safetensors"))
      #expect(text?.category == .malformedInput)
      let magic = Self.error(folder.write([UInt8](repeating: 0x54, count: 200), to: "x.tritpack"))
      #expect(magic?.kind == .badPreamble("it does not begin with TRITPACK"))
      let folderWithEnding = folder.makeFolder("folder.safetensors")
      let nothing = FormatError.Kind.noModel("the folder holds no model: no safetensors, GGUF or TritPack file")
      #expect(Self.error(folderWithEnding)?.kind == nothing)
    }
  }

  @Test func contentDecidesWithoutAName() throws {
    try TemporaryFolder.with { folder in
      let file = SampleSafetensors.file([SampleTensor("a", "U8", [1], [7])])
      let source = try FormatRegistry.open(folder.write(file, to: "weights"))
      #expect(source.manifest.format == SafetensorsFormat.id)
      #expect(source.manifest.tensors.map(\.name) == ["a"])
    }
  }

  @Test func formatsAreUnique() {
    let ids = FormatRegistry.all.map { $0.id }
    #expect(Set(ids).count == ids.count)
  }
}

@Suite struct SafetensorsSourceTests {
  static let sample: [SampleTensor] = [
    SampleTensor("a", "BF16", [2, 3], (0..<12).map { UInt8($0) }), SampleTensor("b", "U8", [5], [9, 8, 7, 6, 5]),
    SampleTensor("empty", "F32", [0, 4], []), SampleTensor("scalar", "F64", [], [0, 0, 0, 0, 0, 0, 0xF0, 0x3F]),
  ]

  // MARK: One file

  @Test(arguments: FileAccessMode.allCases)
  func readsAFileAndItsRanges(_ mode: FileAccessMode) throws {
    try TemporaryFolder.with { folder in
      let file = SampleSafetensors.file(Self.sample, metadata: #"{"format":"pt","z":"1","a":"2"}"#)
      let path = folder.write(file, to: "m.safetensors")
      let source = try FormatRegistry.open(path, OpenOptions(access: mode))
      let manifest = source.manifest
      #expect(manifest.tensors.map(\.name) == ["a", "b", "empty", "scalar"])
      #expect(manifest.tensors.map(\.encoding) == [.dense(.bf16), .dense(.u8), .dense(.f32), .dense(.f64)])
      #expect(manifest.tensors.map(\.shape.dimensions) == [[2, 3], [5], [0, 4], []])
      #expect(manifest.metadata.map { "\($0.key)=\($0.value)" } == ["format=pt", "z=1", "a=2"], "file order")
      #expect(
        manifest.files == [
          ManifestFile(path: path, byteCount: UInt64(file.count), headerByteCount: UInt64(file.count - 25))
        ])
      for tensor in Self.sample {
        let bytes = try source.allBytes(tensor.name)
        #expect(bytes == tensor.bytes, "\(tensor.name)")
      }
      let a = try #require(manifest.tensor(named: "a"))
      let part = try source.withBytes(3..<7, of: a) { span in span.withUnsafeBytes { Array($0) } }
      #expect(part == [3, 4, 5, 6])
      source.release(0..<12, of: a)
      try source.checkUnchanged()
      #expect(throws: FormatError(.badScale("the tensor has none"), file: path, tensor: "a")) {
        try source.scale(of: a)
      }
      #expect(manifest.scaleFinding == ScaleFinding(convention: nil, evidence: []))
    }
  }

  @Test func aFileThatShrinksIsATypedErrorWhenBuffered() throws {
    try TemporaryFolder.with { folder in
      let file = SampleSafetensors.file(Self.sample)
      let path = folder.write(file, to: "m.safetensors")
      let source = try FormatRegistry.open(path, OpenOptions(access: .buffered))
      RawFile.setSize(file.count - 10, of: path)
      let error = #expect(throws: TensorIOError.self) { try source.allBytes("scalar") }
      guard case .endsEarly? = error?.kind else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(throws: TensorIOError.self) { try source.checkUnchanged() }
    }
  }

  // MARK: Folders

  @Test func aFolderIsItsWeightsAndCompanions() throws {
    let path = Fixtures.checkpoint("falcon-e-tiny/bitnet")
    let source = try FormatRegistry.open(path)
    let names = [
      "config.json", "generation_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
    ]
    #expect(source.manifest.companions.map(\.name) == names)
    for companion in source.manifest.companions {
      let bytes = try source.companion(named: companion.name)
      #expect(bytes == RawFile.read(path + "/" + companion.name), "\(companion.name)")
      #expect(bytes.count == companion.byteCount)
    }
    #expect(source.manifest.configuration?["model_type"]?.string == "llama")
    #expect(source.manifest.notes == [])
    #expect(throws: FormatError.self) { try source.companion(named: "model.safetensors") }
    #expect(throws: FormatError.self) { try source.companion(named: "../bitnet/config.json") }
  }

  @Test func companionsAreFlatVisibleAndNoWeights() throws {
    try TemporaryFolder.with { folder in
      folder.write(SampleSafetensors.file(Self.sample), to: "model.safetensors")
      for name in ["README.md", "vocab.json", "é.txt", "Z"] { folder.write(name, to: name) }
      for name in [".gitattributes", "pytorch_model.bin", "other.safetensors", "a.pth"] {
        folder.write("x", to: name)
      }
      folder.makeFolder("onnx")
      folder.makePipe("pipe")
      folder.makeLink("dangling", to: "nowhere")
      folder.makeLink("linked.json", to: "vocab.json")
      let source = try FormatRegistry.open(folder.path)
      #expect(source.manifest.companions.map(\.name) == ["README.md", "Z", "linked.json", "vocab.json", "é.txt"])
    }
  }

  @Test func aFolderWithOneOtherFileIsThatModel() throws {
    try TemporaryFolder.with { folder in
      folder.write(SampleSafetensors.file(Self.sample), to: "weights.safetensors")
      let first = try FormatRegistry.open(folder.path).manifest.tensors.count
      #expect(first == 4)
      folder.write(SampleSafetensors.file(Self.sample), to: "more.safetensors")
      let error = FormatRegistryTests.error(folder.path)
      #expect(error?.kind == .noIndex(files: 2, names: "more.safetensors, weights.safetensors"))
      #expect(error?.description.contains("more.safetensors, weights.safetensors") == true)
      #expect(error?.remedy?.hasPrefix("fetch the index") == true)
    }
  }

  @Test func badConfigurationsAreTypedErrors() {
    TemporaryFolder.with { folder in
      folder.write(SampleSafetensors.file(Self.sample), to: "model.safetensors")
      let path = folder.write("{\"a\":1,}", to: "config.json")
      let error = FormatRegistryTests.error(folder.path)
      #expect(error?.location == ErrorLocation(file: path, byteOffset: 7))
      folder.write("[]", to: "config.json")
      #expect(FormatRegistryTests.error(folder.path)?.kind == .wrongType(expected: "an object", found: "an array"))
      folder.write("", to: "config.json")
      #expect(FormatRegistryTests.error(folder.path)?.location.file == path)
    }
  }

  @Test func everyCheckpointOpens() throws {
    for name in [
      "falcon-e-tiny/bfloat16", "falcon-e-tiny/prequantized", "falcon-e-tiny/prequantized-sharded", "plain-tiny",
      "bitnet-b158-tiny/bf16-master", "bitnet-b158-tiny/packed",
    ] {
      let manifest = try FormatRegistry.open(Fixtures.checkpoint(name)).manifest
      #expect(!manifest.tensors.isEmpty && manifest.configuration != nil, "\(name)")
      // Every data byte belongs to a tensor or its scale.
      let stored = manifest.tensors.reduce(0) { $0 + $1.storedBytes }
      let data = manifest.files.reduce(0) { $0 + Int($1.byteCount - $1.headerByteCount) }
      #expect(stored == data, "\(name)")
    }
  }
}

// MARK: - Shards

@Suite struct ShardTests {
  static let a = SampleTensor("a", "U8", [2], [1, 2])
  static let b = SampleTensor("b", "U8", [3], [3, 4, 5])
  static let c = SampleTensor("c", "U8", [1], [6])

  /// A folder with two shards, `a` in one.safetensors, `b` and `c` in two.safetensors, and an index.
  static func write(_ folder: TemporaryFolder, map: String, metadata: String? = "{\"total_size\": 6}") {
    folder.write(SampleSafetensors.file([a]), to: "one.safetensors")
    folder.write(SampleSafetensors.file([b, c]), to: "two.safetensors")
    let first = metadata.map { "\"metadata\": \($0), " } ?? ""
    folder.write("{\(first)\"weight_map\": \(map)}", to: "model.safetensors.index.json")
  }

  static let goodMap = #"{"a": "one.safetensors", "b": "two.safetensors", "c": "two.safetensors"}"#

  @Test func readsShardsAsOneModel() throws {
    try TemporaryFolder.with { folder in
      Self.write(folder, map: Self.goodMap)
      for path in [folder.path, folder.path("model.safetensors.index.json")] {
        let source = try FormatRegistry.open(path)
        #expect(source.manifest.tensors.map(\.name) == ["a", "b", "c"])
        #expect(source.manifest.files.map { FileSystem.name(of: $0.path) } == ["one.safetensors", "two.safetensors"])
        #expect(source.manifest.tensors.map(\.location.file) == [0, 1, 1])
        for tensor in [Self.a, Self.b, Self.c] {
          let bytes = try source.allBytes(tensor.name)
          #expect(bytes == tensor.bytes)
        }
        #expect(source.manifest.notes == [])
      }
    }
  }

  @Test func theShardedCheckpointIsTheSingleOne() throws {
    let single = try FormatRegistry.open(Fixtures.checkpoint("falcon-e-tiny/prequantized"))
    let sharded = try FormatRegistry.open(Fixtures.checkpoint("falcon-e-tiny/prequantized-sharded"))
    let names = single.manifest.tensors.map(\.name).sorted()
    #expect(sharded.manifest.tensors.map(\.name).sorted() == names)
    #expect(sharded.manifest.files.count == 3)
    for name in names {
      let left = try single.allBytes(name)
      let right = try sharded.allBytes(name)
      #expect(left == right, "\(name)")
    }
  }

  /// What an index says wrongly, and the error it gets.
  struct BadIndex: Sendable, CustomTestStringConvertible {
    var map: String
    var kind: FormatError.Kind
    var tensor: String?
    var testDescription: String { map }
  }

  static let badIndices: [BadIndex] =
    ["../x", "/abs", "a/b", "..", ".", "", "one.safetensors/", "x\\u0000y"].map { name in
      BadIndex(
        map: "{\"a\": \"one.safetensors\", \"b\": \"\(name)\"}",
        kind: .unsafeName(name == "x\\u0000y" ? "x\u{0}y" : name), tensor: "b")
    } + [
      BadIndex(
        map: #"{"a": "one.safetensors", "b": "three.safetensors"}"#, kind: .missingShard("three.safetensors")),
      BadIndex(
        map: #"{"a": "one.safetensors", "b": "two.safetensors"}"#, kind: .tensorNotInIndex, tensor: "c"),
      BadIndex(
        map: #"{"a": "one.safetensors", "b": "two.safetensors", "c": "two.safetensors", "d": "two.safetensors"}"#,
        kind: .tensorNotInShard(shard: "two.safetensors"), tensor: "d"),
      BadIndex(
        map: #"{"a": "two.safetensors", "b": "two.safetensors", "c": "one.safetensors"}"#,
        kind: .tensorNotInShard(shard: "two.safetensors"), tensor: "a"),
      BadIndex(
        map: #"{"a": "one.safetensors", "a": "two.safetensors", "b": "two.safetensors", "c": "two.safetensors"}"#,
        kind: .tensorInTwoShards(first: "one.safetensors", second: "two.safetensors"), tensor: "a"),
      BadIndex(map: #"{"a": 1}"#, kind: .wrongType(expected: "a file name", found: "a number"), tensor: "a"),
      BadIndex(map: "[]", kind: .wrongType(expected: "an object of tensor names", found: "an array")),
    ]

  @Test(arguments: badIndices)
  func badIndicesAreRefused(_ bad: BadIndex) {
    TemporaryFolder.with { folder in
      Self.write(folder, map: bad.map)
      let error = FormatRegistryTests.error(folder.path)
      #expect(error?.kind == bad.kind)
      #expect(error?.location.tensor == bad.tensor)
      #expect(error?.location.file == folder.path("model.safetensors.index.json"))
    }
  }

  @Test func aTensorInTwoShardsIsRefused() {
    TemporaryFolder.with { folder in
      Self.write(folder, map: Self.goodMap)
      folder.write(SampleSafetensors.file([Self.b, Self.c, Self.a]), to: "two.safetensors")
      let error = FormatRegistryTests.error(folder.path)
      #expect(error?.kind == .tensorInTwoShards(first: "one.safetensors", second: "two.safetensors"))
      #expect(error?.location.tensor == "a")
    }
  }

  @Test func anIndexMustBeAnIndex() {
    TemporaryFolder.with { folder in
      let path = folder.write("{}", to: "model.safetensors.index.json")
      #expect(throws: FormatError(.missingField, file: path, field: "weight_map")) { try FormatRegistry.open(path) }
      folder.write("{\"weight_map\": {}", to: "model.safetensors.index.json")
      #expect(FormatRegistryTests.error(path)?.location == ErrorLocation(file: path, byteOffset: 17))
      // A shard that is there and is no file.
      Self.write(folder, map: Self.goodMap)
      _ = folder.write([], to: "unrelated")
      folder.write("{\"weight_map\": {\"a\": \"dir\"}}", to: "model.safetensors.index.json")
      folder.makeFolder("dir")
      #expect(throws: TensorIOError(.notAFile(found: "a folder"), path: folder.path("dir"))) {
        try FormatRegistry.open(folder.path)
      }
    }
  }

  @Test func aWrongTotalIsANoteAndAMissingOneIsNot() throws {
    try TemporaryFolder.with { folder in
      Self.write(folder, map: Self.goodMap, metadata: "{\"total_size\": 7}")
      let notes = try FormatRegistry.open(folder.path).manifest.notes
      #expect(notes == ["the index claims total_size 7, its tensors have 6 bytes"])
      for metadata in [nil, "{}", "{\"total_parameters\": 6}"] as [String?] {
        Self.write(folder, map: Self.goodMap, metadata: metadata)
        let none = try FormatRegistry.open(folder.path).manifest.notes
        #expect(none == [], "\(metadata ?? "no metadata")")
      }
    }
  }

  /// As in transformers, the single file wins; the user hears of the other.
  @Test func aSingleFileWinsOverAnIndex() throws {
    try TemporaryFolder.with { folder in
      Self.write(folder, map: Self.goodMap)
      folder.write(SampleSafetensors.file([Self.c]), to: "model.safetensors")
      let manifest = try FormatRegistry.open(folder.path).manifest
      #expect(manifest.tensors.map(\.name) == ["c"])
      #expect(manifest.notes == ["model.safetensors and an index both exist; the single file is used"])
    }
  }
}
