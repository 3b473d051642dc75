// Tritsmith: weights as MLX packs them: which are ternary, which are not, and what is wrong with them.

import Testing
import TritCore
import TritLayouts
import TritTestSupport

@testable import TritFormats

@Suite("MLX: reading")
struct MLXTests {
  private static let golden = GoldenVectors(Fixtures.golden("grouped.safetensors"))
  private static let module = "model.layers.0.self_attn.q_proj"

  private static func configuration(_ quantization: String) -> String {
    #"{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "quantization": \#(quantization)}"#
  }

  /// A folder with a matrix of the golden file, changed by the test.
  private func open(
    _ item: String, _ quantization: String, kind: String = "mlx", _ change: (inout RawModelFile) -> Void = { _ in }
  ) throws -> any TensorSource {
    var file = RawModelFile(
      [("weight", "words"), ("scales", "scales"), ("biases", "biases")].map { ending, field in
        let tensor = Self.golden["\(item).\(kind)_\(field)"]
        return RawTensor("\(Self.module).\(ending)", tensor.dtype, tensor.shape, tensor.bytes)
      })
    change(&file)
    var folder = ModelFolderBuilder(file.tensors, configuration: Self.configuration(quantization))
    folder.file.metadata = [(key: "format", value: "mlx")]
    let scratch = TritTestSupport.ScratchFolder()
    return try FormatRegistry.open(folder.write(scratch["model"]))
  }

  private func fault(
    _ item: String, _ quantization: String, _ change: (inout RawModelFile) -> Void = { _ in }
  ) throws -> MLXFault? {
    let error = #expect(throws: FormatError.self) { _ = try open(item, quantization, change) }
    guard case .mlx(let fault) = error?.kind else { return nil }
    #expect(error?.summary.isEmpty == false && error?.remedy != nil)
    return fault
  }

  private static let two = #"{"group_size": 128, "bits": 2, "mode": "affine"}"#
  private static let two64 = #"{"group_size": 64, "bits": 2}"#

  @Test("biases of −scale are trits, with the scales and the shape they stand for")
  func ternary() throws {
    for item in ["g128_normal", "g128_mixed", "g128_zero_groups", "g128_subnormal", "g64_normal", "g64_zero_groups"] {
      let size = item.hasPrefix("g64") ? 64 : 128
      let source = try open(item, size == 64 ? Self.two64 : Self.two)
      let tensor = try #require(source.manifest.tensor(named: Self.module + ".weight"))
      #expect(source.manifest.tensors.count == 1 && source.manifest.notes.isEmpty, "\(item)")
      #expect(tensor.encoding == .ternary(MLXTwoBit.id))
      #expect(tensor.shape.dimensions == Self.golden[item + ".trits"].shape)
      let scale = try source.scale(of: tensor)
      #expect(scale.granularity == .group(columns: size) && scale.convention == .multiply && scale.storage == .f16)
      #expect(scale.stored == Self.golden[item + ".scales"].u16.map { HalfFloat(bits: $0).float }, "\(item)")
      let groups = tensor.shape.elementCount / size
      #expect(tensor.contentBytes == tensor.shape.elementCount / 4 + 4 * groups)
    }
  }

  @Test("an entry of a module replaces the model's, and leaves out what it does not say")
  func overrides() throws {
    for entry in [#"{"bits": 2}"#, #"{"bits": 2, "group_size": 64}"#] {
      let source = try open("g64_normal", #"{"group_size": 128, "bits": 4, "\#(Self.module)": \#(entry)}"#)
      #expect(source.manifest.tensors.map(\.encoding) == [.ternary(MLXTwoBit.id)])
    }
    // mlx-lm names modules with the words its class puts before them, and files may leave these out.
    let text = #"{"group_size": 128, "bits": 2, "language_model.\#(Self.module)": {"bits": 2, "group_size": 64}}"#
    #expect(try open("g64_normal", text).manifest.tensors.map(\.encoding) == [.ternary(MLXTwoBit.id)])
    #expect(try fault("g64_normal", #"{"group_size": 64, "bits": 2, "\#(Self.module)": false}"#) == .excluded)
  }

  private static let one = #"{"group_size": 128, "bits": 1}"#

  /// Words, scales and biases of mlx, of the signs and scales in the golden file.
  @Test("1 bit is −s and +s, listed as binary and read as numbers", arguments: ["q1_0", "q1_0_one_block"])
  func binary(_ item: String) throws {
    let source = try open(item, Self.one)
    let tensor = try #require(source.manifest.tensors.first)
    #expect(tensor.encoding == .opaque("MLX 1-bit by 128 (binary)") && !MLXPacking.isPlain(tensor.encoding))
    #expect(source.manifest.notes.isEmpty && tensor.unreadReason == nil)
    let view = try #require(MLXBinaryView(source))
    let shown = try #require(view.manifest.tensors.first)
    #expect(shown.encoding == .dense(.f16) && shown.scale == nil && view.stored(shown) == tensor)
    let signs = Self.golden[item + ".signs"]
    #expect(shown.shape.dimensions == signs.shape)
    let scales = Self.golden[item + ".stored_scales"].u16
    let wanted = signs.i8.indices.map { scales[$0 / 128] ^ (signs.i8[$0] < 0 ? 0x8000 : 0) }
    func numbers(_ range: Range<Int>) throws -> [UInt16] {
      try view.withBytes(2 * range.lowerBound..<2 * range.upperBound, of: shown) { bytes in
        LittleEndian.u16s(bytes.withUnsafeBytes { Array($0) })
      }
    }
    #expect(try numbers(0..<wanted.count) == wanted)
    // Ranges that begin and end inside groups.
    for range in [0..<1, 3..<5, 100..<128, 127..<128, wanted.count - 1..<wanted.count]
    where range.upperBound <= wanted.count {
      #expect(try numbers(range) == Array(wanted[range]), "\(range)")
    }
    if wanted.count > 300 { #expect(try numbers(120..<300) == Array(wanted[120..<300])) }
  }

  @Test("1 bit with another bias is no binary weight, and the group is named")
  func otherBias() throws {
    let source = try open("q1_0", Self.one) { file in file[Self.module + ".biases"].bytes[2 * 4] ^= 1 }
    let tensor = try #require(source.manifest.tensors.first)
    #expect(tensor.encoding == .opaque("MLX 1-bit by 128") && MLXPacking.isPlain(tensor.encoding))
    #expect(source.manifest.notes.contains { $0.contains("row 1, group 1") && $0.contains("−scale ÷ 2") })
    #expect(MLXBinaryView(source) == nil)
  }

  @Test("a wrong bias of binary weights behind the groups that are looked at is an error when they are read")
  func lateBinary() throws {
    let rows = 1200
    let scales = (0..<rows).flatMap { _ in [0x00, 0x3C] as [UInt8] }
    var biases = (0..<rows).flatMap { _ in [0x00, 0xB8] as [UInt8] }
    biases[2 * 1150 + 1] = 0x38
    let folder = ModelFolderBuilder(
      [
        RawTensor(Self.module + ".weight", "U32", [rows, 1], [UInt8](repeating: 0x55, count: 4 * rows)),
        RawTensor(Self.module + ".scales", "F16", [rows, 1], scales),
        RawTensor(Self.module + ".biases", "F16", [rows, 1], biases),
      ], configuration: Self.configuration(#"{"group_size": 32, "bits": 1}"#))
    let scratch = TritTestSupport.ScratchFolder()
    let view = try #require(MLXBinaryView(FormatRegistry.open(folder.write(scratch["model"]))))
    let shown = try #require(view.manifest.tensors.first)
    // 0x55 is 1, 0, 1, 0, … from the lowest bit on; 1 is 1 − 0.5.
    let first = try view.withBytes(0..<8, of: shown) { LittleEndian.u16s($0.withUnsafeBytes { Array($0) }) }
    #expect(first == [0x3800, 0xB800, 0x3800, 0xB800])
    let error = #expect(throws: FormatError.self) {
      try view.withBytes(0..<shown.location.byteCount, of: shown) { _ in }
    }
    #expect(error?.kind == .mlx(.binary(row: 1150, group: 0, scale: 1, bias: 0.5)))
  }

  /// What `mx.quantize` itself makes of ternary weights, in the golden file.
  @Test("the damage of mx.quantize is recognised", arguments: [("g128_normal", two), ("g64_normal", two64)])
  func damaged(_ item: String, _ quantization: String) throws {
    let source = try open(item, quantization, kind: "mlx_quantize")
    let tensor = try #require(source.manifest.tensors.first)
    #expect(MLXPacking.isDamaged(tensor.encoding) && MLXPacking.isPlain(tensor.encoding))
    #expect(source.manifest.notes.contains { $0.contains("mx.quantize") && $0.contains("--to mlx") })
  }

  @Test("one bias that is not −scale makes plain numbers of 2 bits, and names the group")
  func plain() throws {
    let source = try open("g128_normal", Self.two) { file in
      file[Self.module + ".biases"].bytes[2 * 5] ^= 1
    }
    let tensor = try #require(source.manifest.tensors.first)
    #expect(tensor.encoding == .opaque("MLX 2-bit by 128") && !MLXPacking.isDamaged(tensor.encoding))
    #expect(source.manifest.notes.contains { $0.contains("row 1, group 1") })
  }

  @Test("a wrong bias behind the groups that are looked at is an error of the scale")
  func late() throws {
    let module = Self.module
    let rows = 1200
    let numbers = (0..<rows).flatMap { _ in [0x00, 0x38] as [UInt8] }
    var biases = (0..<rows).flatMap { _ in [0x00, 0xB8] as [UInt8] }
    biases[2 * 1150 + 1] = 0x38
    let folder = ModelFolderBuilder(
      [
        RawTensor(module + ".weight", "U32", [rows, 2], [UInt8](repeating: 0x55, count: 8 * rows)),
        RawTensor(module + ".scales", "F16", [rows, 1], numbers),
        RawTensor(module + ".biases", "F16", [rows, 1], biases),
      ], configuration: Self.configuration(#"{"group_size": 32, "bits": 2}"#))
    let scratch = TritTestSupport.ScratchFolder()
    let source = try FormatRegistry.open(folder.write(scratch["model"]))
    let tensor = try #require(source.manifest.tensors.first)
    let error = #expect(throws: FormatError.self) { _ = try source.scale(of: tensor) }
    #expect(error?.kind == .mlx(.scale(row: 1150, group: 0, scale: 0.5, bias: 0.5)))
  }

  @Test("a scale that is no number is an error of the scale, with its row and group")
  func notFinite() throws {
    let source = try open("g128_normal", Self.two) { file in
      file[Self.module + ".scales"].bytes.replaceSubrange(14..<16, with: [0x00, 0x7E])
    }
    let tensor = try #require(source.manifest.tensors.first)
    let error = #expect(throws: FormatError.self) { _ = try source.scale(of: tensor) }
    guard case .mlx(.scale(let row, let group, _, _)) = error?.kind else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(row == 1 && group == 3)
  }

  @Test("sizes MLX does not have", arguments: ["9223372036854775807", "9223372036854775808", "0", "-64", "256", "1.5"])
  func sizes(_ size: String) throws {
    let quantization = #"{"group_size": \#(size), "bits": 2}"#
    #expect(try fault("g128_normal", quantization) == .size(known: [32, 64, 128], found: size))
    let bits = #"{"group_size": 128, "bits": 7}"#
    #expect(try fault("g128_normal", bits) == .size(known: [1, 2, 3, 4, 5, 6, 8], found: "7"))
  }

  @Test("parts that are missing, of another shape or of another type")
  func parts() throws {
    let module = Self.module
    #expect(
      try fault("g128_normal", Self.two) { $0.tensors.removeAll { $0.name == module + ".biases" } }
        == .missing(module + ".biases"))
    let turned = try fault("g128_normal", Self.two) { $0[module + ".scales"].shape.reverse() }
    let found = try #require(TensorShape([4, 6]))
    #expect(turned == .shape(module + ".scales", expected: [6, 4], found: found))
    // Groups of another size than the scales have.
    #expect(try fault("g128_normal", Self.two64) != nil)
    #expect(
      try fault("g128_normal", Self.two) { $0[module + ".biases"].dtype = "BF16" }
        == .type(module + ".biases", expected: "F16 as the scales are", found: "BF16"))
  }
}
