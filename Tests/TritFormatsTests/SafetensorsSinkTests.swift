// Tritsmith: writing safetensors.

import Testing
import TritCore
import TritFormats
import TritTestSupport

@Suite struct SafetensorsSinkTests {
  /// A checkpoint the reference wrote, written again tensor by tensor, must be the same files.
  @Test(arguments: ["falcon-e-tiny/prequantized-sharded", "bitnet-b158-tiny/packed"])
  func rewritesACheckpointByteForByte(_ name: String) throws {
    let original = Fixtures.checkpoint(name)
    let files = try FileSystem.names(in: original).filter { $0.contains("model") && $0.contains(".safetensors") }
    let shardNames = files.filter { $0.hasSuffix(".safetensors") }
    var shards: [OutputShard] = []
    for file in shardNames {
      let header = try SafetensorsHeader(of: InputFile(path: original + "/" + file))
      shards.append(
        OutputShard(
          name: file, tensors: header.entries.map { OutputTensor(name: $0.name, dtype: $0.dtype, shape: $0.shape) }))
    }
    try TemporaryFolder.with { folder in
      let staging = try StagedOutput(.folder, at: folder.path("copy"), replacing: false)
      let sink = try SafetensorsSink(
        shards: shards, metadata: [("format", "pt")], indexMetadata: ["total_parameters": 4_196_608], staging: staging)
      for (file, shard) in zip(shardNames, shards) {
        let source = GoldenVectors(original + "/" + file)
        // Last tensor first, and each in two pieces, the second one first.
        for tensor in shard.tensors.reversed() {
          let bytes = source[tensor.name].bytes
          let half = bytes.count / 2
          try sink.write(bytes.span.bytes.extracting(half..<bytes.count), to: tensor.name, at: half)
          try sink.write(bytes.span.bytes.extracting(0..<half), to: tensor.name, at: 0)
        }
      }
      try sink.finish()
      try staging.commit()
      let written = try FileSystem.names(in: folder.path("copy"))
      #expect(written == files)
      for file in files {
        #expect(RawFile.read(folder.path("copy/" + file)) == RawFile.read(original + "/" + file), "\(file)")
      }
    }
  }

  @Test func aMissingByteStopsTheCommit() throws {
    try TemporaryFolder.with { folder in
      do {
        let staging = try StagedOutput(.file, at: folder.path("m.safetensors"), replacing: false)
        let shape = try #require(TensorShape([4]))
        let shard = OutputShard(name: "m.safetensors", tensors: [OutputTensor(name: "a", dtype: .u8, shape: shape)])
        let sink = try SafetensorsSink(shards: [shard], metadata: [], staging: staging)
        let bytes: [UInt8] = [1, 2, 3]
        try sink.write(bytes.span.bytes, to: "a", at: 0)
        let error = TensorIOError(.incomplete(written: 3, expected: 4), path: folder.path("m.safetensors"))
        #expect(throws: error) { try sink.finish() }
      }
      #expect(folder.names == [])
    }
  }

  @Test func aModelWithoutTensorsIsAFile() throws {
    try TemporaryFolder.with { folder in
      let path = folder.path("m.safetensors")
      let staging = try StagedOutput(.file, at: path, replacing: false)
      let sink = try SafetensorsSink(
        shards: [OutputShard(name: "m.safetensors", tensors: [])], metadata: [], staging: staging)
      try sink.finish()
      try staging.commit()
      #expect(RawFile.read(path) == SampleSafetensors.file(header: "{}      ", data: []))
      let tensors = try FormatRegistry.open(path).manifest.tensors
      #expect(tensors.isEmpty)
    }
  }

  // MARK: Cutting into shards

  static func tensor(_ name: String, _ bytes: Int) -> OutputTensor {
    OutputTensor(name: name, dtype: .u8, shape: TensorShape([bytes]) ?? { preconditionFailure() }())
  }

  @Test func shardsStayBelowTheLimit() {
    let groups = [
      [Self.tensor("a", 40)], [Self.tensor("b", 50), Self.tensor("b_scale", 10)], [Self.tensor("c", 1)],
      [Self.tensor("huge", 500)], [Self.tensor("d", 100)],
    ]
    let shards = ShardIndex.shards(groups, limit: 100)
    #expect(
      shards.map { $0.tensors.map(\.name) } == [["a", "b", "b_scale"], ["c"], ["huge"], ["d"]],
      "a larger tensor has a shard of its own")
    #expect(
      shards.map(\.name) == (1...4).map { "model-0000\($0)-of-00004.safetensors" }, "as save_pretrained numbers them")
    let split = ShardIndex.shards(groups, limit: 99)
    #expect(split[1].tensors.map(\.name) == ["b", "b_scale", "c"], "a weight and its scale stay together")
    let one = ShardIndex.shards(groups, limit: 1000)
    #expect(one.map(\.name) == ["model.safetensors"])
    #expect(ShardIndex.shards([], limit: 10).map(\.tensors.count) == [0])
  }
}
