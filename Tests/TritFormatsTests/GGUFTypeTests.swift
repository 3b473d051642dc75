// Tritsmith: type numbers that programs use for different things, told by tensor offsets.

import Testing
import TritCore
import TritKernels
import TritLayouts
import TritTestSupport

@testable import TritFormats

@Suite("GGUF: type numbers with several meanings")
struct GGUFTypeTests {
  typealias Bytes = GGUFBytes

  /// A file of matrices [rows, 512] of one type number, laid out as one of its meanings has it.
  private func file(
    _ id: UInt32, columns: Int, bytes: Int, rows: [Int] = [3, 5, 8], width: Int = 512, keys: [[UInt8]] = [],
    tail: Int = 0
  ) -> GGUFBytes {
    var file = GGUFBytes()
    file.keys = [Bytes.key("general.architecture", 8, Bytes.string("none"))] + keys
    var offset = 0
    for (index, count) in rows.enumerated() {
      file.tensors.append(Bytes.tensor("t\(index).weight", [UInt64(width), UInt64(count)], id, UInt64(offset)))
      // Every byte is a valid code of every type, and no scale is NaN.
      let size = count * (width / columns) * bytes
      let isLast = index == rows.count - 1
      let padded = isLast ? size + tail : (size + 31) / 32 * 32
      file.data += [UInt8](repeating: 0x25, count: padded)
      offset += padded
    }
    return file
  }

  private func open(_ file: GGUFBytes, _ choices: [GGMLTypeChoice] = [], name: String = "model.gguf") throws
    -> GGUFSource
  {
    let folder = try ScratchFolder()
    return try GGUFSource(
      path: try folder.write(file.bytes, name), options: OpenOptions(access: .buffered, ggmlTypes: choices))
  }

  private func fault(_ file: GGUFBytes, _ choices: [GGMLTypeChoice] = []) -> GGUFFault? {
    do {
      _ = try open(file, choices)
      return nil
    } catch let error as FormatError {
      #expect(error.location.tensor != nil && error.remedy != nil)
      if case .gguf(let fault) = error.kind { return fault }
    } catch {}
    Issue.record("no fault of the format")
    return nil
  }

  /// Sizes are those of the format description (formats.md §1), not of the table under test.
  private static let meanings: [(id: UInt32, name: String, columns: Int, bytes: Int, layout: String?)] = [
    (40, "NVFP4", 64, 36, nil), (40, "Q1_0-g32", 32, 6, nil), (40, "STQ1_0-i16", 256, 42, nil),
    (41, "Q1_0", 128, 18, nil), (41, "SEQ", 512, 130, nil), (42, "Q2_0", 64, 18, "Q2_0"),
    (42, "Q2_0-g128", 128, 34, "PQ2_0"), (42, "STQ1_0", 256, 42, nil), (43, "STQ1_0", 256, 42, nil),
    (142, "PQ2_0", 128, 34, "PQ2_0"), (142, "IQ2_TN", 256, 66, nil), (143, "PTQ1_0", 128, 28, "PTQ1_0"),
    (143, "IQ1_TN", 256, 54, nil),
  ]

  @Test("every meaning of every number is found from where its tensors lie, with and without padding at the end")
  func everyMeaning() throws {
    #expect(GGMLMeaning.all.count == Self.meanings.count)
    for (id, name, columns, bytes, layout) in Self.meanings {
      for tail in [0, 1, 31, 4096] {
        let source = try open(file(id, columns: columns, bytes: bytes, tail: tail))
        let finding = try #require(source.manifest.typeFindings.first)
        #expect(source.manifest.typeFindings.count == 1)
        #expect(source.manifest.notes.contains { $0.hasPrefix("\(tail) bytes follow") } == (tail >= 32))
        #expect(finding.id == id && finding.name == name && finding.tensors == 3 && finding.origin == .offsets)
        #expect(finding.detail.hasPrefix("3 tensors, spans of \(bytes) B per \(columns)"), "\(finding.detail)")
        for (tensor, rows) in zip(source.manifest.tensors, [3, 5, 8]) {
          #expect(tensor.location.byteCount == rows * 512 / columns * bytes)
          #expect(tensor.encoding == (layout.map { .ternary(LayoutID(rawValue: $0)) } ?? .opaque(name)))
          // Binary numbers are decoded; all that is no layout is named with a reason.
          #expect((tensor.unreadReason == nil) == (layout != nil || name == "Q1_0"), "\(name)")
        }
        #expect(
          (source.manifest.notes.contains { $0.contains("cannot be read") })
            == (GGMLMeaning.candidates(id).first { $0.name == name }?.refusal != nil))
      }
    }
  }

  /// A block of 64 in 18 bytes and one of 128 in 34 differ by 2 bytes in 128 weights: 32 bytes hide them.
  @Test("what padding hides is asked for, and the answer decides")
  func ambiguous() throws {
    let small = file(42, columns: 64, bytes: 18, rows: [1], width: 128)
    var hidden = small
    hidden.tensors.append(Bytes.tensor("norm", [8], 0, 64))
    hidden.data = [UInt8](repeating: 0x25, count: 64 + 32)
    #expect(fault(hidden) == .ambiguousType(id: 42, names: ["Q2_0", "Q2_0-g128"], tensors: 1))
    for (text, layout, bytes) in [("42=Q2_0", "Q2_0", 36), ("42=Q2_0-g128", "PQ2_0", 34)] {
      let source = try open(hidden, [try #require(GGMLTypeChoice(text))])
      #expect(source.manifest.tensors[0].encoding == .ternary(LayoutID(rawValue: layout)))
      #expect(source.manifest.tensors[0].location.byteCount == bytes)
      #expect(source.manifest.typeFindings.first?.origin == .option)
    }
    // The end of the file tells where nothing follows.
    #expect(try open(small).manifest.typeFindings.first?.name == "Q2_0")
    #expect(
      try open(file(42, columns: 128, bytes: 34, rows: [1], width: 128)).manifest.typeFindings.first?.name
        == "Q2_0-g128")
    // One tensor large enough tells for all.
    let mixed = file(42, columns: 128, bytes: 34, rows: [1, 64], width: 128)
    #expect(try open(mixed).manifest.typeFindings.first?.name == "Q2_0-g128")
  }

  @Test("spans that no meaning explains are refused, naming the tensor and what each would need")
  func unexplained() throws {
    // Three, five and eight rows of eight blocks of 18 bytes begin at 0, 448 and 1184: the last one is moved.
    var odd = file(42, columns: 64, bytes: 18)
    odd.tensors[2] = Bytes.tensor("t2.weight", [512, 8], 42, 1184 + 32)
    odd.data += [UInt8](repeating: 0, count: 32)
    #expect(
      fault(odd)
        == .unexplainedType(
          id: 42, bytes: 768, wanted: ["Q2_0 736", "Q2_0-g128 704", "STQ1_0 448"], dimensions: [5, 512]))
    // Blocks of 64 in the first tensor and of 128 in the second.
    var mixed = GGUFBytes()
    mixed.tensors = [
      Bytes.tensor("a", [512, 8], 42, 0), Bytes.tensor("b", [512, 8], 42, 1152), Bytes.tensor("c", [512, 8], 42, 2240),
    ]
    mixed.data = [UInt8](repeating: 0x25, count: 4000)
    guard case .unexplainedType(42, _, let names, let shape) = fault(mixed) else {
      Issue.record("blocks of two sizes under one number")
      return
    }
    #expect(names == ["Q2_0 1152", "Q2_0-g128 1088", "STQ1_0 672"] && shape == [8, 512])
    // A row that fits no block.
    let narrow = file(42, columns: 32, bytes: 9, rows: [8], width: 96)
    guard case .unexplainedType(42, 216, let misfits, _) = fault(narrow) else {
      Issue.record("rows of 96")
      return
    }
    #expect(misfits.allSatisfy { $0.contains("needs rows of a multiple of") })
  }

  @Test("a chosen meaning that reaches past the file or into the next tensor is refused like any other tensor")
  func wrongChoice() throws {
    let choice = try #require(GGMLTypeChoice("42=Q2_0"))
    let legacy = file(42, columns: 128, bytes: 34)
    #expect(fault(legacy, [choice]) == .choiceFitsNone(choice: "42=Q2_0", tensors: 3))
    // The last one ends where the file allows it; the others lie one in the other.
    let padded = file(42, columns: 128, bytes: 34, tail: 4096)
    #expect(fault(padded, [choice]) == .overlap(with: "t0.weight"))
    for text in ["", "42", "42=", "=Q2_0", "42=Q4_0", "41=Q2_0", "42=q2_0", "42=Q2_0=", "-1=Q2_0", "4294967296=Q2_0"] {
      #expect(GGMLTypeChoice(text) == nil, "\(text)")
    }
    #expect(GGMLTypeChoice.known.allSatisfy { GGMLTypeChoice($0)?.description == $0 })
  }

  @Test("file type and file name are only ever remarked on")
  func hints() throws {
    func fileType(_ value: UInt32) -> [[UInt8]] { [Bytes.key("general.file_type", 4, littleEndianBytes(value))] }
    func notes(_ id: UInt32, _ columns: Int, _ bytes: Int, _ type: UInt32, _ name: String) throws -> [String] {
      let source = try open(file(id, columns: columns, bytes: bytes, keys: fileType(type)), name: name)
      #expect(source.manifest.typeFindings.first?.origin == .offsets)
      return source.manifest.notes.filter { $0.contains("the tensors count") }
    }
    #expect(try notes(42, 64, 18, 41, "model-Q2_0.gguf").isEmpty)
    #expect(try notes(42, 128, 34, 41, "Bonsai-Q2_0.gguf").isEmpty)
    #expect(try notes(142, 128, 34, 141, "Bonsai-PQ2_0.gguf").isEmpty)
    #expect(try notes(142, 128, 34, 1, "model.gguf").isEmpty)
    #expect(try notes(143, 128, 28, 141, "model.gguf").count == 1)
    #expect(try notes(142, 128, 34, 36, "model.gguf").first?.contains("36 (TQ1_0)") == true)
    #expect(try notes(42, 64, 18, 41, "Hy-MT2-STQ1_0.gguf").first?.contains("says STQ1_0") == true)
    #expect(try notes(143, 128, 28, 143, "Bonsai-TQ2_0.gguf").first?.contains("says TQ2_0") == true)
  }

  @Test("shapes and offsets of any size do not trap")
  func extremes() throws {
    for dimensions in [[UInt64.max, 2], [1 << 63, 1], [1 << 40, 1 << 40, 64], [64, UInt64.max], [0, 64], [64, 0]] {
      for offset in [0, 32, 1 << 62, UInt64.max - 31] {
        var file = GGUFBytes()
        file.tensors = [Bytes.tensor("a", dimensions, 42, offset), Bytes.tensor("b", [64], 42, 64)]
        file.data = [UInt8](repeating: 0, count: 96)
        _ = try? open(file)
        _ = try? open(file, [try #require(GGMLTypeChoice("42=STQ1_0"))])
      }
    }
  }

  /// Cut from files that llama.cpp's own quantizer (Q2_0, TQ2_0) and a second program (blocks of 128) wrote; the F16
  /// numbers are those all of them were made from.
  @Test(
    "trits and scales of real files are those of the unpacked checkpoint, to the bit",
    arguments: [
      ("q2_0", "Q2_0", "Q2_0"), ("q2_0_legacy", "PQ2_0", "Q2_0-g128"), ("pq2_0", "PQ2_0", "PQ2_0"),
      ("ptq1_0", "PTQ1_0", "PTQ1_0"),
    ])
  func realFiles(_ file: String, _ layout: String, _ meaning: String) throws {
    let unpacked = GoldenVectors(Fixtures.golden("bonsai_unpacked.safetensors"))
    let source = try GGUFSource(path: Fixtures.golden("gguf/bonsai_\(file).gguf"))
    #expect(source.manifest.typeFindings.map(\.name) == [meaning])
    for (stored, name) in [("attn_k", "k_proj"), ("attn_v", "v_proj")] {
      let tensor = try #require(source.manifest.tensor(named: "blk.0.\(stored).weight"))
      #expect(tensor.encoding == .ternary(LayoutID(rawValue: layout)))
      let registered = try #require(LayoutRegistry.layout(LayoutID(rawValue: layout)))
      let scale = try source.scale(of: tensor)
      #expect(scale.granularity == .group(columns: 128) && scale.storage == .f16)
      var trits = [Int8](repeating: 7, count: tensor.shape.elementCount)
      for run in registered.runs(0..<tensor.shape.rows, tensor.shape) {
        let invalid = try source.withBytes(run.bytes, of: tensor) { bytes in
          var output = trits.mutableSpan
          return registered.unpack(
            bytes, run, tensor.shape, with: ScalarKernels(), into: &output,
            at: run.rows.lowerBound * tensor.shape.columns)
        }
        #expect(invalid == 0)
      }
      let expected = unpacked["model.layers.0.self_attn.\(name).weight"].u16.map { HalfFloat(bits: $0).float }
      #expect(scale.grid(columns: tensor.shape.columns).values(trits, firstRow: 0) == expected, "\(stored)")
    }
  }
}
