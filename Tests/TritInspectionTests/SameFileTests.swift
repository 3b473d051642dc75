// Tritsmith: every file is the same as itself.

import Testing
import TritCore
import TritFormats
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey

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
    try Workflow.gguf(Fixtures.golden("models/llama256_packed"), scratch["a.gguf"]) {
      $0.gguf.embeddings = .q8
      $0.gguf.hasTokenizer = false
    }
    // The head is called IQ4_NL: blocks of as many numbers in fewer bytes, which are listed and not read.
    var bytes = Disk.bytes(scratch["a.gguf"])
    let name = LittleEndian.bytes(UInt64(13)) + Array("output.weight".utf8)
    let place = try #require((0..<bytes.count - name.count).first { Array(bytes[$0..<$0 + name.count]) == name })
    // Number of dimensions, two dimensions, type.
    let type = place + name.count + 4 + 16
    #expect(LittleEndian.u32(bytes, at: type) == 8)
    bytes.replaceSubrange(type..<type + 4, with: LittleEndian.bytes(UInt32(20)))
    let path = scratch["opaque.gguf"]
    Disk.write(bytes, path)
    let head = try #require(try ModelOpener.open(path).manifest.tensor(named: "lm_head.weight"))
    #expect(head.encoding == .opaque("IQ4_NL"))
    let found = try #require(try Workflow.compare(path, path).tensors.first { $0.name == "lm_head.weight" })
    #expect(found.outcome == .equal && found.detail.contains("not decoded"))
    let checked = try Workflow.check(path)
    let finding = try #require(checked.findings.first { $0.rule == .dtype })
    #expect(!checked.passed && finding.subject == "lm_head.weight")
    #expect(finding.detail.contains("IQ4_NL, which is not read"))
    let refused = #expect(throws: WorkflowError.self) { try Workflow.convert(path, scratch["no"], to: .tritpack) }
    guard case .unreadType("IQ4_NL", _)? = refused?.kind else {
      Issue.record("\(String(describing: refused))")
      return
    }
    bytes[Int(head.location.offset) + head.location.byteCount - 1] ^= 1
    Disk.write(bytes, scratch["other.gguf"])
    for (first, second) in [(path, scratch["other.gguf"]), (scratch["other.gguf"], path)] {
      let result = try Workflow.compare(first, second)
      #expect(!result.isSame && result.tensors.filter { $0.outcome == .different }.map(\.name) == ["lm_head.weight"])
    }
    #expect(try !Workflow.compare(path, scratch["a.gguf"]).isSame)
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
