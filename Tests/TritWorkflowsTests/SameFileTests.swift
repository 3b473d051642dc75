// Tritsmith: every file is the same as itself.

import Testing
import TritCore
import TritFormats
import TritTestSupport

@testable import TritWorkflows

@Suite("A model and itself")
struct SameFileTests {
  /// Everything under the fixtures that may be a model: folders with weights, and files.
  static func candidates(_ folder: String) -> [String] {
    var result: [String] = []
    for name in Disk.names(folder) {
      let path = folder + "/" + name
      if FileSystem.kind(of: path) == .folder {
        if Disk.names(path).contains("config.json") { result.append(path) }
        result += candidates(path)
      } else if [".safetensors", ".gguf", ".tritpack"].contains(where: name.hasSuffix) {
        result.append(path)
      }
    }
    return result
  }

  @Test("is the same, whatever its tensors are stored as", arguments: candidates(Fixtures.root))
  func same(_ path: String) throws {
    // What cannot be opened is no model; why is other tests' business.
    guard let source = try? ModelOpener.open(path) else { return }
    let result = try CompareWorkflow(first: source, second: source, request: CompareRequest(isExact: true)).run()
    #expect(result.isSame, "\(result.structure) \(result.tensors.filter { $0.outcome != .equal }.map(\.detail))")
    #expect(result.tensors.count == source.manifest.tensors.count)
    // A copy is held against it byte by byte where it is not decoded.
    #expect(result.firstHash == result.secondHash)
  }

  @Test("types that are not decoded are compared by their bytes")
  func opaque() throws {
    let scratch = ScratchFolder()
    let path = Fixtures.golden("gguf/all_types_align32.gguf")
    let source = try ModelOpener.open(path)
    let opaque = source.manifest.tensors.filter { $0.encoding.dtype == nil && !$0.encoding.isTernary }
    let tensor = try #require(opaque.first)
    let same = try Workflow.compare(path, path)
    let found = try #require(same.tensors.first { $0.name == tensor.name })
    #expect(found.outcome == .equal && found.detail.contains("not decoded"))
    var bytes = Disk.bytes(path)
    let place = Int(tensor.location.offset) + tensor.location.byteCount - 1
    bytes[place] ^= 1
    Disk.write(bytes, scratch["other.gguf"])
    for (first, second) in [(path, scratch["other.gguf"]), (scratch["other.gguf"], path)] {
      let result = try Workflow.compare(first, second)
      #expect(!result.isSame && result.tensors.filter { $0.outcome == .different }.map(\.name) == [tensor.name])
    }
  }

  @Test("so is a packed file nobody knows the scales of, and another with one bit changed is not")
  func unknownScale() throws {
    let scratch = ScratchFolder()
    let bytes = Disk.bytes(Checkpoint.packed + "/model.safetensors")
    Disk.write(bytes, scratch["a.safetensors"])
    Disk.write(bytes, scratch["b.safetensors"])
    let result = try Workflow.compare(scratch["a.safetensors"], scratch["b.safetensors"])
    #expect(result.isSame && result.tensors.contains { $0.isTernary && $0.detail.contains("same bytes, not decoded") })
    let source = try ModelOpener.open(scratch["a.safetensors"])
    let scale = try #require(source.manifest.tensors.first { $0.encoding.isTernary }?.scale)
    Disk.write(
      ByteMutator.flipping(bit: 0, of: Int(scale.location.offset), in: bytes), scratch["b.safetensors"])
    #expect(throws: FormatError.self) { try Workflow.compare(scratch["a.safetensors"], scratch["b.safetensors"]) }
  }

  @Test("numbers that Float cannot hold are compared as they are")
  func wide() throws {
    let scratch = ScratchFolder()
    func model(_ folder: String, _ value: Double, _ whole: Int64) -> String {
      ModelFolderBuilder([
        RawTensor("a", "F64", [1], LittleEndian.bytes(value.bitPattern)),
        RawTensor("b", "I64", [1], LittleEndian.bytes(UInt64(bitPattern: whole))),
      ]).write(scratch[folder])
    }
    let first = model("a", 0.1, 1 << 60)
    #expect(try Workflow.compare(first, model("b", 0.1, 1 << 60)).isSame)
    #expect(try !Workflow.compare(first, model("c", (0.1).nextUp, 1 << 60)).isSame)
  }
}
