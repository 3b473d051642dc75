// Tritsmith: numbers of files that no sum or product may overflow with.

import Testing
import TritCore
import TritTestSupport

#if canImport(Glibc)
  import Glibc
#endif

@Suite("Numbers of files at their limits")
struct ArithmeticTests {
  /// A TritPack file with one scale a row, whose header says groups of so many columns instead: the same numbers.
  private func grouped(_ scratch: ScratchFolder, columns: Int) throws -> String {
    let (rows, groups) = (scratch["rows.tritpack"], scratch["groups.tritpack"])
    Tool.expect(
      0, ["convert", Model.plain, rows, "--to", "tritpack", "--quantizer", "optimal-row", "--force", "--quiet"])
    let bytes = Disk.bytes(rows)
    let (place, length) = (Int(LittleEndian.u64(bytes, at: 16)), Int(LittleEndian.u64(bytes, at: 24)))
    var header = try #require(try JSONValue.parse(Array(bytes[place..<place + length])).object)
    var count = 0
    let tensors = try #require(header["tensors"]?.array).map { value -> JSONValue in
      guard var tensor = value.object, tensor["scale"] != nil else { return value }
      count += 1
      try tensor.edit("scale") { scale in
        scale["granularity"] = "group"
        scale.add("group_columns", .number(JSONNumber(columns)))
      }
      return .object(tensor)
    }
    #expect(count == 28)
    header["tensors"] = .array(tensors)
    let text = JSONValue.object(header).serialized()
    let start = Array(bytes[..<24]) + LittleEndian.bytes(UInt64(text.count))
    Disk.write(start + SHA256.digest(of: start + text).bytes + Array(bytes[64..<place]) + text, groups)
    return groups
  }

  @Test("groups of up to 2^63 − 1 columns are rows to every command", arguments: [Int.max, 1 << 62, 4096])
  func groupColumns(_ columns: Int) throws {
    let scratch = ScratchFolder()
    let groups = try grouped(scratch, columns: columns)
    let rows = scratch["rows.tritpack"]
    let text = Model.plain + "/reference/calibration_text.txt"
    for command in [
      ["inspect", groups, "--stats"], ["check", groups], ["compare", rows, groups], ["compare", groups, rows],
      ["verify", Model.plain, groups], ["family", rows, groups],
      ["convert", groups, scratch["dense"], "--to", "dense"],
      ["diff", groups, rows, "-o", scratch["a.tritdiff"]], ["diff", rows, groups, "-o", scratch["b.tritdiff"]],
      ["validate", groups, "--against", rows, "--ids", "1 2 3"],
      ["logits", groups, "--ids", "1 2 3", "-o", scratch["l"]],
      ["gap", Model.plain, groups, "--text-file", text, "--tokens", "64", "--context", "32"],
      ["convert", groups, scratch["again.tritpack"], "--to", "tritpack"], ["tokenize", groups, "--text", "a"],
      ["apply", groups, scratch["a.tritdiff"], "-o", scratch["applied.tritpack"]],
      ["verify", groups, scratch["dense"]], ["inspect", groups, "--html", scratch["page.html"]],
      ["convert", groups, scratch["g.gguf"], "--to", "gguf"],
    ] {
      let result = Tool.run(command + ["--quiet"])
      #expect([0, 1, 64, 65].contains(result.exitCode), "\(command): \(result.summary)")
    }
    // What a weight is worth is the same, whatever the header calls the runs that share a scale.
    Tool.expect(0, ["convert", rows, scratch["dense-rows"], "--to", "dense", "--quiet"])
    #expect(
      RawModelFile.tensors(ofFolder: scratch["dense-rows"]) == RawModelFile.tensors(ofFolder: scratch["dense"]))
  }

  @Test(
    "a context of one token, and of none, with --calibration", arguments: [(1, "context of 2"), (0, "1…2147483648")])
  func context(_ length: Int, _ words: String) throws {
    let scratch = ScratchFolder()
    let model = scratch["model"]
    Disk.makeFolder(model)
    for name in Disk.names(Model.plain) where FileSystem.kind(of: Model.plain + "/" + name) == .file {
      Disk.write(Disk.bytes(Model.plain + "/" + name), model + "/" + name)
    }
    var object = try #require(try JSONValue.parse(Disk.bytes(model + "/config.json")).object)
    object["max_position_embeddings"] = .number(JSONNumber(length))
    Disk.write(JSONValue.object(object).serialized(), model + "/config.json")
    let text = Model.plain + "/reference/calibration_text.txt"
    let result = Tool.expect(
      65,
      [
        "convert", model, scratch["out.tritpack"], "--to", "tritpack", "--quantizer", "gptq-row", "--calibration", text,
        "--quiet",
      ])
    #expect(result.errors.contains("max_position_embeddings") && result.errors.contains(words), "\(result.errors)")
    for command in [
      ["perplexity", model, "--text-file", text], ["gap", model, model, "--text-file", text, "--context", "8"],
    ] {
      let result = Tool.run(command + ["--quiet"])
      #expect([0, 1, 64, 65].contains(result.exitCode), "\(command): \(result.summary)")
    }
  }

  @Test("--calibration maps files when --mmap asks for it, and only then", arguments: [false, true])
  func calibrationIsMappedOnDemand(_ maps: Bool) throws {
    let scratch = ScratchFolder()
    let text = Model.plain + "/reference/calibration_text.txt"
    var wasMapped = false
    let result = ProcessRunner().run(
      BuiltProducts.tritsmith,
      [
        "convert", Model.plain, scratch["out.tritpack"], "--to", "tritpack", "--quantizer", "gptq-row", "--calibration",
        text, "--calibration-tokens", "256", "--quiet",
      ] + (maps ? ["--mmap"] : [])
    ) { child in
      wasMapped = wasMapped || mappings(of: child).contains("plain-tiny/model.safetensors")
      return false
    }
    #expect(result.exitCode == 0, "\(result.summary)")
    #expect(wasMapped == maps)
  }

  /// What a process has mapped; nothing when it is gone. A file of /proc has no size to go by.
  private func mappings(of child: RunningProcess) -> String {
    let descriptor = open("/proc/\(child.id)/maps", O_RDONLY)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var (bytes, piece) = ([UInt8](), [UInt8](repeating: 0, count: 1 << 16))
    while case let count = read(descriptor, &piece, piece.count), count > 0 { bytes += piece[..<count] }
    return String(decoding: bytes, as: UTF8.self)
  }
}
