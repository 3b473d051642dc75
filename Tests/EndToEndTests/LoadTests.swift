// Tritsmith: models of uncommon size, in sparse files that take no space.

import Testing
import TritCore
import TritTestSupport

@Suite("Large models")
struct LoadTests {
  @Test("offsets past 4 GiB and more than 2^31 elements in one tensor")
  func offsets() throws {
    let scratch = ScratchFolder()
    // 2,293,760,000 elements, 4.6 GB of zeros that are nowhere, and a matrix behind them.
    let shapes = [("model.embed_tokens.weight", [70_000, 32_768]), (Model.query, [8, 16])]
    let tensors = shapes.map { name, shape in
      (name: name, dtype: "BF16", shape: shape, byteCount: 2 * shape[0] * shape[1])
    }
    Disk.makeFolder(scratch["model"])
    Disk.write(ModelFolderBuilder.llama, scratch["model"] + "/config.json")
    let path = scratch["model"] + "/model.safetensors"
    let header = RawModelFile.header(tensors)
    Disk.write(header, path)
    let total = header.count + tensors.reduce(0) { $0 + $1.byteCount }
    Disk.resize(path, to: total)
    let values = (0..<128).map { Float($0 % 7 - 3) }
    Disk.patch(path, at: total - 256, FloatBytes.bf16(values))
    let report = try Tool.report(
      ["inspect", scratch["model"], "--stats", "--tensor", "*q_proj*"], schema: "tritsmith.inspect")
    let tensor = try #require(report["tensors"]?.array?.first?.object)
    #expect(tensor["max"]?.number?.double == 3 && tensor["min"]?.number?.double == -3)
    let parameters = report["size"]?.object?["logical_parameters"]?.number?.integer
    #expect(parameters == 70_000 * 32_768 + 128)
  }

  @Test("50,000 tensors in 200 shards, with names of 10 kB among them")
  func manyTensors() throws {
    let scratch = ScratchFolder()
    let folder = scratch["model"]
    Disk.makeFolder(folder)
    Disk.write(ModelFolderBuilder.llama, folder + "/config.json")
    var map: [String] = []
    for shard in 0..<200 {
      let name = "model-\(shard).safetensors"
      let tensors = (0..<250).map { index in
        let long = index == 0 && shard % 20 == 0 ? String(repeating: "x", count: 10_000) : ""
        return (name: "layers.\(shard).\(index)\(long).weight", dtype: "BF16", shape: [8, 16], byteCount: 256)
      }
      map += tensors.map { "\"\($0.name)\":\"\(name)\"" }
      let header = RawModelFile.header(tensors)
      Disk.write(header, folder + "/" + name)
      Disk.resize(folder + "/" + name, to: header.count + 250 * 256)
    }
    Disk.write(
      "{\"metadata\":{},\"weight_map\":{" + map.joined(separator: ",") + "}}", folder + "/model.safetensors.index.json")
    let report = try Tool.report(["inspect", folder], schema: "tritsmith.inspect")
    #expect(report["tensors"]?.array?.count == 50_000)
    Tool.expect(
      0, ["convert", folder, scratch["out"], "--to", "tritpack", "--quantize", "layers.1.1.weight", "--quiet"])
    Tool.expect(0, ["verify", folder, scratch["out"]])
  }
}
