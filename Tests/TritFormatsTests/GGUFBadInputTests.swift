// Tritsmith: GGUF files that break the format's rules.

import Testing
import TritCore
import TritLayouts
import TritTestSupport

@testable import TritFormats

@Suite("GGUF: bad input")
struct GGUFBadInputTests {
  typealias Bytes = GGUFBytes

  /// One F32 vector of 8.
  private static var valid: GGUFBytes {
    var file = GGUFBytes()
    file.keys = [Bytes.key("general.architecture", 8, Bytes.string("llama"))]
    file.tensors = [Bytes.tensor("a", [8], 0, 0)]
    file.data = [UInt8](repeating: 1, count: 32)
    return file
  }

  private func fault(_ bytes: [UInt8]) throws -> GGUFFault? {
    let folder = try ScratchFolder()
    let path = try folder.write(bytes)
    do {
      _ = try GGUFSource(path: path)
      return nil
    } catch let error as FormatError {
      #expect(error.location.file == path)
      #expect(!error.description.isEmpty && error.remedy != nil)
      guard case .gguf(let fault) = error.kind else {
        if case .duplicateTensor = error.kind { return .duplicateKey }
        Issue.record("another error: \(error)")
        return nil
      }
      #expect(error.location.byteOffset != nil)
      return fault
    }
  }

  @Test("the file the cases are made of is fine, in versions 2 and 3")
  func validFile() throws {
    var file = Self.valid
    #expect(try fault(file.bytes) == nil)
    file.version = 2
    #expect(try fault(file.bytes) == nil)
  }

  @Test("a magic number or version that is not right")
  func preamble() throws {
    var file = Self.valid
    file.magic = Array("GGML".utf8)
    #expect(try fault(file.bytes) == .badMagic(found: "bytes 47 47 4d 4c"))
    for version: UInt32 in [0, 1, 4, 99] {
      file = Self.valid
      file.version = version
      #expect(try fault(file.bytes) == .unsupportedVersion(version))
    }
    file = Self.valid
    file.version = UInt32(3).byteSwapped
    #expect(try fault(file.bytes) == .bigEndian)
  }

  @Test("every truncation is an error with a place")
  func truncations() throws {
    let bytes = Self.valid.bytes
    for count in 1..<bytes.count { #expect(try fault(Array(bytes[..<count])) != nil, "\(count) bytes") }
  }

  @Test("counts and lengths near 2^64", arguments: [UInt64.max, UInt64.max - 7, 1 << 63, 1 << 40])
  func hugeCounts(_ count: UInt64) throws {
    var file = Self.valid
    file.tensorCount = count
    guard case .tooMany = try fault(file.bytes) else {
      Issue.record("tensor count")
      return
    }
    file = Self.valid
    file.keyCount = count
    guard case .tooMany = try fault(file.bytes) else {
      Issue.record("key count")
      return
    }
    file = Self.valid
    file.keys.append(littleEndianBytes(count) + Array("k".utf8))
    file.keyCount = 2
    guard case .endsEarly = try fault(file.bytes) else {
      Issue.record("key length")
      return
    }
    file = Self.valid
    file.keys.append(Bytes.key("k", 8, littleEndianBytes(count)))
    guard case .endsEarly = try fault(file.bytes) else {
      Issue.record("string length")
      return
    }
    for type: UInt32 in [0, 1, 2, 4, 6, 7, 8, 10, 12] {
      file = Self.valid
      file.keys.append(Bytes.key("k", 9, littleEndianBytes(type) + littleEndianBytes(count)))
      guard case .tooMany = try fault(file.bytes) else {
        Issue.record("array length of type \(type)")
        return
      }
    }
    file = Self.valid
    file.tensors = [Bytes.tensor("a", [count], 0, 0)]
    #expect(try fault(file.bytes) != nil)
    file.tensors = [Bytes.tensor("a", [count, count], 0, 0)]
    #expect(try fault(file.bytes) != nil)
    file.tensors = [Bytes.tensor("a", [8], 0, count / 32 * 32)]
    guard case .pastEnd = try fault(file.bytes) else {
      Issue.record("offset")
      return
    }
  }

  @Test("keys that are empty, doubled, of no type, nested or no text")
  func keys() throws {
    func with(_ key: [UInt8]) throws -> GGUFFault? {
      var file = Self.valid
      file.keys.append(key)
      return try fault(file.bytes)
    }
    #expect(try with(Bytes.key("", 4, littleEndianBytes(UInt32(1)))) == .emptyKey)
    #expect(try with(Bytes.key("general.architecture", 4, littleEndianBytes(UInt32(1)))) == .duplicateKey)
    #expect(try with(Bytes.key("k", 13, [])) == .unknownValueType(13))
    #expect(
      try with(Bytes.key("k", 9, littleEndianBytes(UInt32(9)) + littleEndianBytes(UInt64(0)))) == .nestedArray)
    #expect(
      try with(Bytes.key("k", 9, littleEndianBytes(UInt32(77)) + littleEndianBytes(UInt64(0))))
        == .unknownValueType(77))
    #expect(try with(Bytes.key("k", 7, [2])) == .badBoolean(2))
    #expect(
      try with(littleEndianBytes(UInt64(1)) + [0xFF] + littleEndianBytes(UInt32(0)) + [0])
        == .notUTF8(what: "a metadata key"))
  }

  @Test("alignments that are none")
  func alignment() throws {
    for payload in [
      (UInt32(4), littleEndianBytes(UInt32(0))), (4, littleEndianBytes(UInt32(24))),
      (10, littleEndianBytes(UInt64(32))),
    ] {
      var file = Self.valid
      file.keys.append(Bytes.key("general.alignment", payload.0, payload.1))
      guard case .badAlignment = try fault(file.bytes) else {
        Issue.record("alignment \(payload)")
        return
      }
    }
  }

  @Test("tensors that are doubled, unaligned, overlapping, past the end, of five dimensions or part of a block")
  func tensors() throws {
    func with(_ tensors: [[UInt8]], data: Int = 64) throws -> GGUFFault? {
      var file = Self.valid
      file.tensors = tensors
      file.data = [UInt8](repeating: 0, count: data)
      return try fault(file.bytes)
    }
    #expect(try with([Bytes.tensor("a", [8], 0, 0), Bytes.tensor("a", [8], 0, 32)]) == .duplicateKey)
    #expect(try with([Bytes.tensor("a", [8], 0, 8)]) == .misaligned(offset: 8, alignment: 32))
    #expect(try with([Bytes.tensor("a", [16], 0, 0), Bytes.tensor("b", [8], 0, 32)]) == .overlap(with: "a"))
    #expect(try with([Bytes.tensor("a", [8], 0, 0), Bytes.tensor("b", [8], 0, 0)]) == .overlap(with: "a"))
    #expect(try with([Bytes.tensor("a", [2, 2, 2, 1, 1], 0, 0)]) == .tooManyDimensions(5))
    #expect(
      try with([Bytes.tensor("a", [128, 2], 35, 0)], data: 132) == .blockMisfit(type: "TQ2_0", columns: 128, block: 256)
    )
    guard case .pastEnd = try with([Bytes.tensor("a", [256, 2], 35, 0)], data: 131) else {
      Issue.record("past the end")
      return
    }
  }

  @Test("types that are not known are listed with what they may cover, and never an error")
  func unknownTypes() throws {
    let folder = try ScratchFolder()
    var file = Self.valid
    file.tensors = [
      Bytes.tensor("a", [32, 2], 12345, 0), Bytes.tensor("b", [32], 8, 64), Bytes.tensor("c", [256], 137, 128),
    ]
    file.data = [UInt8](repeating: 0, count: 300)
    let source = try GGUFSource(path: folder.write(file.bytes))
    #expect(source.manifest.tensors.map(\.encoding.name) == ["type 12345", "Q8_0", "IQ2_K"])
    #expect(source.manifest.tensors.map(\.location.byteCount) == [64, 34, 172])
    #expect(source.manifest.notes.contains { $0.contains("12345") })
  }

  @Test("every single-byte change of a golden header is read or refused with a typed error")
  func mutations() throws {
    let golden = try InputFile(path: Fixtures.golden("gguf/all_types_align32.gguf")).contents(limit: 1 << 20)
    let folder = try ScratchFolder()
    for index in 0..<min(golden.count, 800) {
      for value: UInt8 in [0x00, 0x7F, 0xFF, golden[index] ^ 0x01, golden[index] ^ 0x80] {
        var bytes = golden
        bytes[index] = value
        do {
          let source = try GGUFSource(path: folder.write(bytes))
          for tensor in source.manifest.tensors {
            try source.withBytes(0..<tensor.location.byteCount, of: tensor) { _ in }
          }
        } catch {
          #expect(error is any DiagnosticError)
        }
      }
    }
  }

  @Test("I2_S reads in the order asked for, and a scale that is no number is refused")
  func i2s() throws {
    let folder = try ScratchFolder()
    var file = GGUFBytes()
    file.tensors = [Bytes.tensor("w", [128, 4], 36, 0)]
    file.data =
      (0..<128).map { _ in 0x55 } + littleEndianBytes(Float(0.5).bitPattern) + [UInt8](repeating: 9, count: 28)
    let path = try folder.write(file.bytes)
    for order in I2SOrder.allCases {
      let source = try GGUFSource(path: path, options: OpenOptions(i2sOrder: order))
      let tensor = try #require(source.manifest.tensors.first)
      #expect(tensor.encoding == .ternary(order.layout) && tensor.location.byteCount == 160)
      #expect(try source.scale(of: tensor).stored == [0.5])
    }
    #expect(try GGUFSource(path: path).manifest.scaleFinding.evidence.contains { $0.detail.contains("assumed") })
    for bad in [Float.nan, .infinity, -1] {
      file.data.replaceSubrange(128..<132, with: littleEndianBytes(bad.bitPattern))
      let source = try GGUFSource(path: folder.write(file.bytes))
      let tensor = try #require(source.manifest.tensors.first)
      #expect(throws: FormatError.self) { _ = try source.scale(of: tensor) }
    }
  }

  @Test("parts of a split model are read as one, and refused when one is missing or of another model")
  func split() throws {
    let folder = try ScratchFolder()
    func part(_ number: UInt16, count: UInt16 = 2, total: Int32 = 2) -> [UInt8] {
      var file = GGUFBytes()
      file.keys = [
        Bytes.key("split.no", 2, littleEndianBytes(number)), Bytes.key("split.count", 2, littleEndianBytes(count)),
        Bytes.key("split.tensors.count", 5, littleEndianBytes(total)),
      ]
      file.tensors = [Bytes.tensor("t\(number)", [8], 0, 0)]
      file.data = [UInt8](repeating: UInt8(number), count: 32)
      return file.bytes
    }
    let first = try folder.write(part(0), "m-00001-of-00002.gguf")
    #expect(throws: FormatError.self) { _ = try GGUFSource(path: first) }
    let second = try folder.write(part(1), "m-00002-of-00002.gguf")
    for path in [first, second] {
      let source = try GGUFSource(path: path)
      #expect(source.manifest.tensors.map(\.name) == ["t0", "t1"])
      let byte = try source.withBytes(0..<32, of: source.manifest.tensors[1]) {
        $0.unsafeLoad(fromByteOffset: 5, as: UInt8.self)
      }
      #expect(byte == 1)
    }
    for bad in [part(0), part(1, count: 3), part(1, total: 2)] where bad != part(1) {
      _ = try folder.write(bad, "m-00002-of-00002.gguf")
      #expect(throws: FormatError.self) { _ = try GGUFSource(path: first) }
    }
    _ = try folder.write(part(0, total: 7), "m-00001-of-00002.gguf")
    _ = try folder.write(part(1, total: 7), "m-00002-of-00002.gguf")
    #expect(throws: FormatError.self) { _ = try GGUFSource(path: first) }
  }
}
