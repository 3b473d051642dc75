// Tritsmith: TritPack files that were damaged, and files made to do damage.

import Testing
import TritCore
import TritFormats
import TritTestSupport

@Suite struct TritPackDamageTests {
  /// What opening and checking a file says; nil when both find nothing wrong.
  static func verdict(_ path: String) -> (any Error)? {
    do {
      let source = try FormatRegistry.open(path)
      try source.checkIntegrity(Parallelism(threads: 1), SilentProgress())
      return nil
    } catch {
      return error
    }
  }

  /// What the section a byte lies in is called in messages.
  static func place(of index: Int, in raw: RawTritPack, headerOffset: Int) -> String {
    if index < 64 || index >= headerOffset { return "preamble and header" }
    let section = (0..<raw.sectionCount).last { raw.section($0).offset <= index } ?? 0
    for tensor in raw.header["tensors"]?.array ?? [] {
      let object = tensor.object ?? JSONObject()
      let name = printable(object["name"]?.string ?? "")
      if object["section"]?.number?.integer == section {
        return (object["ternary"] == nil ? "the values of " : "the codes of ") + "'\(name)'"
      }
      if object["scale"]?.object?["section"]?.number?.integer == section { return "the scales of '\(name)'" }
    }
    for file in raw.header["files"]?.array ?? [] where file.object?["section"]?.number?.integer == section {
      return "the embedded file '\(file.object?["name"]?.string ?? "")'"
    }
    return "nothing"
  }

  /// One bit of every byte of the file, and all eight of the preamble's.
  @Test(arguments: [Storage.plain, .zstd1])
  func everyFlippedBitIsReportedWithItsSection(_ storage: Storage) throws {
    var model = SampleModel()
    // With compression, something that does compress.
    if storage != .plain { model = try TritPackRoundTripTests.oneTensor((0..<400).map { UInt8($0 / 40) }) }
    model.files = [("config.json", Array(#"{"model_type": "llama"}"#.utf8))]
    try TemporaryFolder.with { folder in
      let path = folder.path("m.tritpack")
      try model.write(to: path, storage.compression)
      let good = try #require(RawFile.read(path))
      #expect(Self.verdict(path) == nil)
      let raw = try RawTritPack(good)
      let headerOffset = Int(LittleEndian.u64(good, at: 16))
      #expect((storage == .plain) == (0..<raw.sectionCount).allSatisfy { raw.section($0).compression == "none" })
      var generator = SeededGenerator(seed: 64)
      for index in good.indices {
        let bits = index < 64 ? Array(0..<8) : [Int(generator.next() % 8)]
        for bit in bits {
          RawFile.write(ByteMutator.flipping(bit: bit, of: index, in: good), to: path)
          guard let error = Self.verdict(path) as? FormatError else {
            Issue.record("bit \(bit) of byte \(index) went unseen")
            continue
          }
          let expected = Self.place(of: index, in: raw, headerOffset: headerOffset)
          switch error.kind {
          case .checksum(let section):
            if section != expected, section != "the padding after \(expected)" {
              Issue.record("byte \(index) lies in \(expected), reported was \(section)")
            }
          // Magic, version, flags, offset and length are looked at before their checksum.
          case .badPreamble, .unsupportedVersion, .headerTooLarge: #expect(index < 32, "\(error)")
          // The configuration is parsed at opening.
          case .jsonFile, .decompression: #expect(expected == "the embedded file 'config.json'", "\(error)")
          default: Issue.record("byte \(index) (\(expected)): \(error)")
          }
        }
      }
    }
  }

  @Test(arguments: [Storage.plain, .zstd1])
  func everyTruncationIsRefusedAtOpening(_ storage: Storage) throws {
    let good = try TritPackRoundTripTests.oneTensor((0..<400).map { UInt8($0 / 40) }).file(storage.compression)
    TemporaryFolder.with { folder in
      let path = folder.path("m.tritpack")
      for length in 0..<good.count {
        RawFile.write(Array(good[..<length]), to: path)
        let error = #expect(throws: FormatError.self, "\(length) bytes") { try FormatRegistry.open(path) }
        switch error?.kind {
        case .emptyFile: #expect(length == 0)
        case .badPreamble: #expect(length > 0)
        default: Issue.record("\(length) bytes: \(String(describing: error))")
        }
      }
      RawFile.write(good + [0], to: path)
      let error = #expect(throws: FormatError.self) { try FormatRegistry.open(path) }
      guard case .badPreamble? = error?.kind else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
  }

  @Test func preamblesAreChecked() throws {
    let raw = try RawTritPack(SampleModel().file(.none))
    let header = JSONValue.object(raw.header).serialized()
    func error(_ file: [UInt8]) -> FormatError? {
      TemporaryFolder.with { folder in
        let path = folder.write(file, to: "m.tritpack")
        return #expect(throws: FormatError.self) { try FormatRegistry.open(path) }
      }
    }
    func isBadPreamble(_ file: [UInt8]) -> Bool {
      if case .badPreamble? = error(file)?.kind { true } else { false }
    }
    let future = error(RawTritPack.file(sections: raw.sections, header: header, version: (2, 7)))
    #expect(future?.kind == .unsupportedVersion(found: "2.7", supported: "1.x"))
    #expect(future?.location.byteOffset == 8)
    #expect(isBadPreamble(RawTritPack.file(sections: raw.sections, header: header, flags: 1)))
    #expect(isBadPreamble(RawTritPack.file(sections: raw.sections, header: header, offset: UInt64.max)))
    #expect(isBadPreamble(RawTritPack.file(sections: raw.sections, header: header, offset: 0)))
    #expect(isBadPreamble(RawTritPack.file(sections: raw.sections, header: header, length: 1)))
    // Offset and length whose sum wraps around to the file's size.
    let size = UInt64(64 + raw.sections.count + header.count)
    let wrapping = RawTritPack.file(sections: raw.sections, header: header, offset: UInt64.max - 63, length: size + 64)
    #expect(isBadPreamble(wrapping))
    let huge = error(RawTritPack.file(sections: raw.sections, header: header, length: 100_000_001))
    #expect(huge?.kind == .headerTooLarge(length: 100_000_001, limit: 100_000_000))
    // A header that does not begin on a multiple of 64.
    #expect(isBadPreamble(RawTritPack.file(sections: raw.sections + [0], header: header)))
    // Newer minor versions only add what an older reader may ignore.
    try TemporaryFolder.with { folder in
      let path = folder.write(RawTritPack.file(sections: raw.sections, header: header, version: (1, 9)), to: "m")
      let tensors = try FormatRegistry.open(path).manifest.tensors
      #expect(tensors.count == SampleModel().tensors.count)
    }
  }
}

// MARK: - Headers with right checksums and wrong content

@Suite struct TritPackHostileHeaderTests {
  /// A change to the sample's header, and how the error begins.
  struct Attack: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var path: @Sendable () -> [RawTritPack.PathStep]
    var value: JSONValue?
    var isExpected: @Sendable (FormatError.Kind) -> Bool

    init(
      _ name: String, _ path: @autoclosure @escaping @Sendable () -> [RawTritPack.PathStep], _ value: JSONValue?,
      _ isExpected: @escaping @Sendable (FormatError.Kind) -> Bool
    ) {
      testDescription = name
      self.path = path
      self.value = value
      self.isExpected = isExpected
    }
  }

  static let wrongType: @Sendable (FormatError.Kind) -> Bool = { if case .wrongType = $0 { true } else { false } }
  static let badSection: @Sendable (FormatError.Kind) -> Bool = { if case .badSection = $0 { true } else { false } }
  static let sizeMismatch: @Sendable (FormatError.Kind) -> Bool = { if case .sizeMismatch = $0 { true } else { false } }

  static func number(_ text: String) -> JSONValue { .number(JSONNumber(text: text)) }

  // Tensor 0 has codes in section 0 and its scale in 1, tensor 1 in 2 and 3, tensor 2 in 4 and 5; 3… are dense from 6.
  static let attacks: [Attack] =
    [
      Attack("no sections", ["sections"], nil, wrongType),
      Attack("sections is an object", ["sections"], .object([:]), wrongType),
      Attack("a section is a number", ["sections", 0], 1, wrongType),
      Attack("no tensors", ["tensors"], nil, wrongType),
      Attack("no files", ["files"], nil, wrongType),
      Attack("sections overlap", ["sections", 2, "offset"], 64, badSection),
      Attack("a section in the preamble", ["sections", 0, "offset"], 0, badSection),
      Attack("a gap between sections", ["sections", 2, "offset"], 256, badSection),
      Attack("an unaligned section", ["sections", 2, "offset"], 193, badSection),
      Attack("an offset past 2^63", ["sections", 2, "offset"], number("18446744073709551552"), badSection),
      Attack("an offset past 2^64", ["sections", 2, "offset"], number("18446744073709551616"), wrongType),
      Attack("a negative offset", ["sections", 2, "offset"], -64, wrongType),
      Attack("an offset with a point", ["sections", 0, "offset"], number("64.0"), wrongType),
      Attack("an uncompressed section of another size", ["sections", 0, "stored_bytes"], 14, badSection),
      Attack("a section with bytes past 2^63", ["sections", 0, "bytes"], number("9223372036854775808"), wrongType),
      Attack("an unknown compression", ["sections", 0, "compression"], "lzma", wrongType),
      Attack(
        "a compressed section of impossible size", ["sections", 0, "compression"], "zstd",
        { kind in
          // 15 bytes that claim to be a chunk: opening may pass, reading must not; see the tests of chunks.
          if case .decompression = kind { true } else { false }
        }),
      Attack("a digest of the wrong length", ["sections", 0, "sha256"], "abc", wrongType),
      Attack("a digest that is no text", ["sections", 0, "sha256"], 1, wrongType),
      Attack(
        "another section's digest", ["sections", 0, "sha256"], .string(String(repeating: "0", count: 64)),
        {
          $0 == .checksum(section: "the codes of 'base3.weight'")
        }),
      Attack("a section used twice", ["tensors", 4, "section"], 6, { $0 == .badSection("section 6 is used twice") }),
      Attack("codes that are their own scale", ["tensors", 1, "scale", "section"], 2, badSection),
      Attack("a section that is not there", ["tensors", 0, "section"], 99, badSection),
      Attack("a section of negative number", ["tensors", 0, "section"], -1, wrongType),
      Attack("a section nobody uses", ["files", 2], nil, badSection),
      Attack("no name", ["tensors", 0, "name"], nil, wrongType),
      Attack("two tensors of one name", ["tensors", 1, "name"], "base3.weight", { $0 == .duplicateTensor }),
      Attack("two files of one name", ["files", 1, "name"], "tokenizer.json", badSection),
      Attack("a larger shape", ["tensors", 0, "shape"], .array([6, 13]), sizeMismatch),
      Attack("a smaller shape", ["tensors", 3, "shape"], .array([2]), sizeMismatch),
      Attack(
        "a shape beyond 64 bits", ["tensors", 0, "shape"], .array([number("4294967296"), number("4294967296")]),
        {
          if case .overflow = $0 { true } else { false }
        }),
      Attack(
        "a dense shape whose bits do not fit", ["tensors", 3, "shape"], .array([number("2305843009213693952")]),
        sizeMismatch),
      Attack("a dimension past 2^63", ["tensors", 0, "shape", 0], number("9223372036854775808"), wrongType),
      Attack("a negative dimension", ["tensors", 0, "shape", 0], -5, wrongType),
      Attack("a dimension with a point", ["tensors", 0, "shape", 0], number("5.0"), wrongType),
      Attack("half a byte", ["tensors", 7, "shape"], .array([5]), sizeMismatch),
      Attack("an unknown layout", ["tensors", 0, "ternary"], "base4", { $0 == .unknownLayout("base4") }),
      Attack("an unknown dtype", ["tensors", 3, "dense"], "F33", { $0 == .unknownDType("F33") }),
      Attack("no encoding", ["tensors", 3, "dense"], nil, wrongType),
      Attack("no scale", ["tensors", 0, "scale"], nil, wrongType),
      Attack("an unknown convention", ["tensors", 0, "scale", "convention"], "maybe", wrongType),
      Attack("no convention", ["tensors", 0, "scale", "convention"], nil, wrongType),
      Attack("an unknown granularity", ["tensors", 0, "scale", "granularity"], "column", wrongType),
      Attack("more scales than stored", ["tensors", 0, "scale", "granularity"], "row", badSection),
      Attack("a scale of another type", ["tensors", 0, "scale", "dtype"], "F32", badSection),
      Attack("a scale of a type that is none", ["tensors", 0, "scale", "dtype"], "I8", wrongType),
      Attack("groups of no columns", ["tensors", 2, "scale", "group_columns"], 0, wrongType),
      Attack("groups of unknown size", ["tensors", 2, "scale", "group_columns"], nil, wrongType),
      Attack(
        "groups of 2^63 − 1 columns", ["tensors", 2, "scale", "group_columns"], number("9223372036854775807"),
        badSection),
      Attack("metadata that is no text", ["metadata", "format"], 1, wrongType),
    ]
    + ["../x", "/abs", "a/b", "", ".", "..", "a\u{0}b"].map { name in
      Attack("a file named '\(printable(name))'", ["files", 0, "name"], .string(name), { $0 == .unsafeName(name) })
    }

  @Test(arguments: attacks)
  func isATypedError(_ attack: Attack) throws {
    var raw = try RawTritPack(SampleModel().file(.none))
    raw.set(attack.path(), attack.value)
    TemporaryFolder.with { folder in
      let path = folder.write(raw.file, to: "m.tritpack")
      let error = #expect(throws: FormatError.self) {
        let source = try FormatRegistry.open(path)
        try source.checkIntegrity(Parallelism(threads: 1), SilentProgress())
        // Nothing noticed so far: reading must.
        for tensor in source.manifest.tensors { _ = try source.allBytes(tensor.name) }
      }
      guard let error else { return }
      #expect(attack.isExpected(error.kind), "\(error)")
      #expect(error.location.file == path)
      #expect(error.category == .malformedInput)
    }
  }

  /// The hf-packed layout's own rule, told with file and tensor.
  @Test func rowsThatDoNotFitTheLayout() throws {
    var raw = try RawTritPack(SampleModel().file(.none))
    raw.set(["tensors", 2, "shape"], .array([7, 8]))
    TemporaryFolder.with { folder in
      let path = folder.write(raw.file, to: "m.tritpack")
      let error = #expect(throws: (any Error).self) { try FormatRegistry.open(path) } as? any DiagnosticError
      #expect(error?.location.file == path)
      #expect(error?.location.tensor == "hf.weight")
      #expect(error?.category == .malformedInput)
    }
  }

  @Test func headersThatAreNoObject() throws {
    let raw = try RawTritPack(SampleModel().file(.none))
    let deep = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
    let duplicate = Array(#"{"sections":[],"sections":[]}"#.utf8)
    for header in [[], Array("[]".utf8), Array("null".utf8), Array("{".utf8), [0xFF], deep, duplicate] {
      TemporaryFolder.with { folder in
        let path = folder.write(RawTritPack.file(sections: raw.sections, header: header), to: "m.tritpack")
        let error = #expect(throws: FormatError.self) { try FormatRegistry.open(path) }
        #expect(error?.location.file == path)
      }
    }
  }

  /// Scales that are no numbers are refused when they are asked for.
  @Test func scalesMustBeUsable() throws {
    // Tensor 0 has one BF16 scale in section 1 and divides: −4, ∞, NaN.
    for bits in [0xC080, 0x7F80, 0x7FC0] as [UInt16] {
      var raw = try RawTritPack(SampleModel().file(.none))
      raw.replaceStored(1, with: LittleEndian.bytes(bits))
      try TemporaryFolder.with { folder in
        let source = try FormatRegistry.open(folder.write(raw.file, to: "m.tritpack"))
        let tensor = try #require(source.manifest.tensor(named: "base3.weight"))
        let error = #expect(throws: FormatError.self) { try source.scale(of: tensor) }
        guard case .badScale? = error?.kind else {
          Issue.record("\(bits): \(String(describing: error))")
          return
        }
        #expect(error?.location.tensor == "base3.weight")
      }
    }
  }

  @Test func aDamagedConfigurationIsATypedError() throws {
    var model = SampleModel()
    model.files = [("config.json", Array("{\"a\":1,}".utf8))]
    let file = try model.file(.none)
    TemporaryFolder.with { folder in
      let path = folder.write(file, to: "m.tritpack")
      let error = #expect(throws: FormatError.self) { try FormatRegistry.open(path) }
      guard case .jsonFile? = error?.kind else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
  }

  /// The files of one model may not disagree on names that only look alike.
  @Test func namesAreComparedByBytes() throws {
    var raw = try RawTritPack(SampleModel().file(.none))
    // Tensors 4 and 5 are "é" composed and decomposed already; files too may differ so.
    raw.set(["files", 0, "name"], "\u{E9}")
    raw.set(["files", 2, "name"], "e\u{301}")
    try TemporaryFolder.with { folder in
      let source = try FormatRegistry.open(folder.write(raw.file, to: "m.tritpack"))
      let composed = try source.companion(named: "\u{E9}")
      let decomposed = try source.companion(named: "e\u{301}")
      #expect(composed.count == 100 && decomposed.isEmpty)
    }
  }
}

// MARK: - Compressed sections that lie

@Suite struct TritPackChunkTests {
  /// One dense U8 tensor in one compressed section of two chunks: u32 2, u32 sizes, frames.
  static func twoChunks() throws -> RawTritPack {
    var model = try TritPackRoundTripTests.oneTensor([UInt8](repeating: 7, count: (1 << 20) + 500))
    model.files = []
    let raw = try RawTritPack(model.file(.zstd(level: 1)))
    #expect(raw.section(0).compression == "zstd")
    return raw
  }

  static func stored(_ raw: RawTritPack) -> [UInt8] { Array(raw.sections[..<raw.section(0).stored]) }

  /// The error of reading the whole tensor; the checksums are all right.
  static func error(_ raw: RawTritPack) throws -> FormatError? {
    try TemporaryFolder.with { folder in
      let source = try FormatRegistry.open(folder.write(raw.file, to: "m.tritpack"))
      try source.checkIntegrity(Parallelism(threads: 1), SilentProgress())
      return #expect(throws: FormatError.self) { _ = try source.allBytes("big") }
    }
  }

  static func isDecompression(_ error: FormatError?) -> Bool {
    if case .decompression? = error?.kind { true } else { false }
  }

  @Test func theTableIsWhatTheSpecificationSays() throws {
    let stored = Self.stored(try Self.twoChunks())
    #expect(LittleEndian.u32(stored) == 2)
    let sizes = [Int(LittleEndian.u32(stored, at: 4)), Int(LittleEndian.u32(stored, at: 8))]
    #expect(12 + sizes[0] + sizes[1] == stored.count)
    // Each chunk is a zstd frame of its own, by its magic number.
    #expect(LittleEndian.u32(stored, at: 12) == 0xFD2F_B528)
    #expect(LittleEndian.u32(stored, at: 12 + sizes[0]) == 0xFD2F_B528)
  }

  @Test func liesInTheTableAreFound() throws {
    let good = try Self.twoChunks()
    let stored = Self.stored(good)
    let first = LittleEndian.u32(stored, at: 4)
    let second = LittleEndian.u32(stored, at: 8)
    let lies: [(String, Int, UInt32)] = [
      ("one chunk", 0, 1), ("three chunks", 0, 3), ("no chunks", 0, 0), ("2^32 − 1 chunks", 0, UInt32.max),
      ("a first chunk past the section", 4, UInt32.max), ("a second chunk past the section", 8, second + 1),
      ("a short second chunk", 8, second - 1), ("an empty first chunk", 4, 0), ("sizes exchanged", 4, first - 1),
    ]
    for (name, offset, value) in lies {
      var raw = good
      raw.replaceStored(0, with: ByteMutator.replacing(at: offset, with: LittleEndian.bytes(value), in: stored))
      let error = try Self.error(raw)
      #expect(Self.isDecompression(error), "\(name): \(String(describing: error))")
    }
  }

  @Test func bytesAfterTheLastChunkAreFound() throws {
    var raw = try Self.twoChunks()
    let stored = Self.stored(raw) + [1, 2, 3]
    raw.sections = stored + [UInt8](repeating: 0, count: (64 - stored.count % 64) % 64)
    raw.set(["sections", 0, "stored_bytes"], .number(JSONNumber(stored.count)))
    raw.set(["sections", 0, "sha256"], .string(SHA256.digest(of: stored).description))
    let error = try Self.error(raw)
    #expect(error?.kind == .decompression("3 bytes follow its last chunk"))
  }

  @Test func damagedFramesAreFound() throws {
    let good = try Self.twoChunks()
    let stored = Self.stored(good)
    // The magic of each frame, and a block header inside.
    for index in [12, 12 + Int(LittleEndian.u32(stored, at: 4)), 18] {
      var raw = good
      raw.replaceStored(0, with: ByteMutator.flipping(bit: 5, of: index, in: stored))
      let error = try Self.error(raw)
      #expect(Self.isDecompression(error), "byte \(index)")
    }
  }

  /// A frame must hold exactly what was declared, neither less nor more.
  @Test(arguments: [-1, 1, 100, -500])
  func declaredSizesMustHold(_ difference: Int) throws {
    var raw = try Self.twoChunks()
    let bytes = raw.section(0).bytes + difference
    raw.set(["sections", 0, "bytes"], .number(JSONNumber(bytes)))
    raw.set(["tensors", 0, "shape"], .array([.number(JSONNumber(bytes))]))
    let error = try Self.error(raw)
    #expect(Self.isDecompression(error), "\(String(describing: error))")
  }

  /// Two limits: what a section may gain (1024 times, and 1 MiB), and what its table of chunks could at best name.
  @Test func aSectionMustHoldWhatItClaims() throws {
    var raw = try Self.twoChunks()
    let stored = raw.section(0).stored
    let gain = 1024 * stored + 1 << 20
    let cases: [(bytes: Int, refusal: String?)] = [
      (gain, nil), (gain + 1, "unpack to"), ((stored / 4) << 20, "unpack to"),
      ((stored / 4 + 1) << 20, "cannot hold"), (1 << 60, "cannot hold"),
    ]
    for (bytes, refusal) in cases {
      raw.set(["sections", 0, "bytes"], .number(JSONNumber(bytes)))
      raw.set(["tensors", 0, "shape"], .array([.number(JSONNumber(bytes))]))
      try TemporaryFolder.with { folder in
        let path = folder.write(raw.file, to: "m.tritpack")
        if let refusal {
          let error = #expect(throws: FormatError.self) { try FormatRegistry.open(path) }
          guard case .badSection(let detail)? = error?.kind else {
            Issue.record("\(bytes): \(String(describing: error))")
            return
          }
          #expect(detail.contains(refusal), "\(bytes): \(detail)")
        } else {
          let source = try FormatRegistry.open(path)
          let error = #expect(throws: FormatError.self) { _ = try source.allBytes("big") }
          #expect(Self.isDecompression(error), "\(bytes)")
        }
      }
    }
  }

  /// Two chunks are within both limits of eight stored bytes, but their table of twelve is not.
  @Test func aTableMayNotReachPastItsSection() throws {
    let stored: [UInt8] = LittleEndian.bytes(UInt32(2)) + LittleEndian.bytes(UInt32(0))
    var raw = try Self.twoChunks()
    let bytes = 1 << 20 + 8
    raw.sections = stored + [UInt8](repeating: 0, count: 64 - stored.count)
    raw.set(["sections", 0, "stored_bytes"], .number(JSONNumber(stored.count)))
    raw.set(["sections", 0, "bytes"], .number(JSONNumber(bytes)))
    raw.set(["sections", 0, "sha256"], .string(SHA256.digest(of: stored).description))
    raw.set(["tensors", 0, "shape"], .array([.number(JSONNumber(bytes))]))
    let error = try Self.error(raw)
    #expect(error?.kind == .decompression("its chunk table is cut off"))
  }

  /// A megabyte that claims to be a configuration of 256 GiB must not be believed before it is unpacked.
  @Test(arguments: ["config.json", "tokenizer.json"])
  func aHugeEmbeddedFileIsRefusedBeforeMemoryIsAsked(_ name: String) throws {
    let count = (1 << 18) - 1
    // A table with the right count, and no frames.
    let stored = LittleEndian.bytes(UInt32(count)) + [UInt8](repeating: 0, count: 4 * count)
    let header: JSONObject = [
      "tensors": .array([]), "files": .array([.object(["name": .string(name), "section": 0])]),
      "sections": .array([
        .object([
          "offset": 64, "stored_bytes": .number(JSONNumber(stored.count)), "bytes": .number(JSONNumber(count << 20)),
          "compression": "zstd", "sha256": .string(SHA256.digest(of: stored).description),
        ])
      ]),
    ]
    let raw = RawTritPack(sections: stored, header: header)
    TemporaryFolder.with { folder in
      let path = folder.write(raw.file, to: "m.tritpack")
      let error = #expect(throws: FormatError.self) { try FormatRegistry.open(path).companion(named: name) }
      #expect(error?.category == .malformedInput)
      #expect(error?.location.file == path)
    }
  }

  /// The same for scales, one a row of a matrix whose rows are only claimed: at the limit of eight times the stored
  /// bytes and 64 KiB nothing is believed before it is unpacked, and far past it nothing is opened.
  @Test(arguments: [(1 << 20, 253_952, true), (1 << 20, 253_951, false), (1 << 36, 4 << 17 + 4, false)])
  func hugeScalesAreRefusedBeforeMemoryIsAsked(_ rows: Int, _ storedScales: Int, _ opens: Bool) throws {
    func section(_ offset: Int, _ bytes: Int, _ count: Int) -> (bytes: [UInt8], entry: JSONValue) {
      // A table with the right count, and no frames.
      var stored = LittleEndian.bytes(UInt32(bytes >> 20))
      stored += [UInt8](repeating: 0, count: count - stored.count)
      let digest = SHA256.digest(of: stored).description
      stored += [UInt8](repeating: 0, count: (64 - count % 64) % 64)
      return (
        stored,
        .object([
          "offset": .number(JSONNumber(offset)), "stored_bytes": .number(JSONNumber(count)),
          "bytes": .number(JSONNumber(bytes)), "compression": "zstd", "sha256": .string(digest),
        ])
      )
    }
    // 2^36 rows are within what 64 MiB of codes may unpack to.
    let codes = section(64, rows, max(8, rows >> 10))
    let scales = section(64 + codes.bytes.count, 2 * rows, storedScales)
    let header: JSONObject = [
      "tensors": .array([
        .object([
          "name": "w", "shape": .array([.number(JSONNumber(rows)), 1]), "ternary": "base3", "section": 0,
          "scale": .object(["convention": "multiply", "dtype": "BF16", "granularity": "row", "section": 1]),
        ])
      ]), "files": .array([]), "sections": .array([codes.entry, scales.entry]),
    ]
    let raw = RawTritPack(sections: codes.bytes + scales.bytes, header: header)
    try TemporaryFolder.with { folder in
      let path = folder.write(raw.file, to: "m.tritpack")
      if opens {
        let source = try FormatRegistry.open(path)
        let tensor = try #require(source.manifest.tensor(named: "w"))
        let error = #expect(throws: FormatError.self) { try source.scale(of: tensor) }
        #expect(Self.isDecompression(error))
      } else {
        let error = #expect(throws: FormatError.self) { try FormatRegistry.open(path) }
        guard case .badSection(let detail)? = error?.kind else {
          Issue.record("\(String(describing: error))")
          return
        }
        #expect(detail.contains("unpack to \(2 * rows)"), "\(detail)")
      }
    }
  }
}
