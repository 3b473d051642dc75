// Tritsmith: safetensors headers against the reference reader and writer.

import Testing
import TritCore
import TritFormats
import TritTestSupport

// MARK: - Verdicts of the reference reader

@Suite struct ReferenceVerdictTests {
  /// What the reference accepts and this reader refuses, each on purpose. Nothing goes the other way.
  static let deliberatelyRefused: [String: FormatError.Kind] = [
    // The format forbids duplicate names; the reference keeps the last, other readers the first.
    "duplicate_tensor_same": .duplicateTensor,
    "duplicate_tensor_last_valid": .duplicateTensor,
    // Artefacts of the reference's deserializer that no writer produces.
    "tensor_as_array": .wrongType(expected: "an object with dtype, shape, data_offsets", found: "an array"),
    "dtype_as_object": .wrongType(expected: "the name of a dtype", found: "an object"),
  ]

  static let verdicts: JSONObject = {
    let bytes = RawFile.read(Fixtures.golden("safetensors_headers/verdicts.json")) ?? []
    return (try? JSONValue.parse(bytes).object) ?? JSONObject()
  }()
  static let names = verdicts.entries.map(\.key)

  @Test func theFixtureIsWhole() {
    #expect(Self.names.count == 133)
    #expect(Set(Self.deliberatelyRefused.keys).isSubset(of: Self.names))
    for name in Self.deliberatelyRefused.keys {
      #expect(Self.verdicts[name]?.object?["deserialize"]?.string == "accept", "\(name) is a difference at all")
    }
  }

  @Test(arguments: names)
  func followsTheReference(_ name: String) throws {
    let path = Fixtures.golden("safetensors_headers/\(name).safetensors")
    let verdict = try #require(Self.verdicts[name]?.object)
    let file = try InputFile(path: path, mode: .buffered)
    #expect(file.byteCount == verdict["bytes"]?.number?.unsigned)
    if let kind = Self.deliberatelyRefused[name] {
      let error = #expect(throws: FormatError.self) { try SafetensorsHeader(of: file) }
      #expect(error?.kind == kind && error?.remedy != nil)
      return
    }
    guard verdict["deserialize"]?.string == "accept" else {
      let error = #expect(throws: FormatError.self) { try SafetensorsHeader(of: file) }
      #expect(error?.location.file == path)
      #expect(error?.category == .malformedInput)
      #expect(error?.remedy?.isEmpty == false, "every error says what to do")
      return
    }
    let header = try SafetensorsHeader(of: file)
    let found = header.entries.map { entry in
      "\(entry.name) \(entry.dtype.rawValue) \(entry.shape.dimensions) \(entry.end - entry.begin)"
    }
    let expected = try #require(verdict["tensors"]?.array).map { row -> String in
      let items = try #require(row.array)
      let name = try #require(items[0].string)
      let dtype = try #require(items[1].string)
      let shape = try #require(items[2].array).compactMap { $0.number?.integer }
      return "\(name) \(dtype) \(shape) \(items[3].number?.text ?? "")"
    }
    #expect(found.sorted() == expected.sorted())
    switch verdict["metadata"] {
    case .object(let object)?:
      let metadata = try #require(header.metadata)
      #expect(metadata.map(\.key).sorted() == object.entries.map(\.key).sorted())
      for (key, value) in metadata { #expect(object[key]?.string == value, "\(key)") }
    default: #expect(header.metadata == nil)
    }
  }

  /// The verdict is on a whole model too, whatever the way bytes are read.
  @Test(arguments: FileAccessMode.allCases)
  func openingGivesTheSameVerdict(_ mode: FileAccessMode) {
    for name in Self.names {
      let path = Fixtures.golden("safetensors_headers/\(name).safetensors")
      let isAccepted =
        Self.verdicts[name]?.object?["deserialize"]?.string == "accept" && Self.deliberatelyRefused[name] == nil
      let opened = try? FormatRegistry.open(path, OpenOptions(access: mode))
      #expect((opened != nil) == isAccepted, "\(name)")
    }
  }
}

// MARK: - What is said about a bad header

@Suite struct SafetensorsHeaderErrorTests {
  static func error(header: String, data: Int = 0) -> FormatError? {
    let json = Array(header.utf8)
    return #expect(throws: FormatError.self) {
      try SafetensorsHeader(json: json, fileSize: UInt64(8 + json.count + data), path: "m")
    }
  }

  @Test func errorsNamePlaceAndCause() {
    let overflow = Self.error(header: #"{"a":{"dtype":"F32","shape":[9223372036854775807,4,0],"data_offsets":[0,0]}}"#)
    #expect(overflow?.kind == .overflow(shape: "[9223372036854775807, 4, 0]"))
    #expect(overflow?.location == ErrorLocation(file: "m", tensor: "a", byteOffset: 9, field: "shape"))

    let bits = Self.error(header: #"{"a":{"dtype":"F64","shape":[1152921504606846976],"data_offsets":[0,0]}}"#)
    #expect(bits?.kind == .overflow(shape: "[1152921504606846976]"))

    let odd = Self.error(header: #"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}"#, data: 2)
    #expect(odd?.kind == .fractionalBytes(bits: 12))

    let hole = Self.error(
      header:
        #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}"#,
      data: 4)
    #expect(hole?.kind == .hole(expectedBegin: 2, begin: 3))
    #expect(hole?.location.tensor == "b")
    #expect(hole?.summary == "data begins at 3, which leaves a hole after 2")

    let overlap = Self.error(
      header:
        #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#,
      data: 3)
    #expect(overlap?.kind == .hole(expectedBegin: 2, begin: 1))
    #expect(overlap?.summary == "data begins at 1, inside another tensor that ends at 2")

    let twice = Self.error(
      header:
        #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#
    )
    #expect(twice?.kind == .duplicateTensor)
    #expect(twice?.location.byteOffset == 8 + 53, "the second of the two")

    let json = Self.error(header: #"{"a":1,}"#)
    #expect(json?.location.byteOffset == 8 + 7, "offsets count from the start of the file")

    let far = Self.error(
      header: #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[18446744073709551615,18446744073709551615]}}"#)
    #expect(far?.kind == .hole(expectedBegin: 0, begin: UInt64.max))
  }

  @Test func everyFieldIsNeededOnce() {
    let fields = [
      ("dtype", #""dtype":"U8""#), ("shape", #""shape":[1]"#), ("data_offsets", #""data_offsets":[0,1]"#),
    ]
    for (name, text) in fields {
      let others = fields.map(\.1).filter { $0 != text }
      let missing = Self.error(header: "{\"a\":{" + others.joined(separator: ",") + "}}", data: 1)
      #expect(missing?.kind == .missingField, "\(name)")
      #expect(missing?.location.field == name)
      let twice = Self.error(header: "{\"a\":{" + (others + [text, text]).joined(separator: ",") + "}}", data: 1)
      #expect(twice?.kind == .duplicateField, "\(name)")
      #expect(twice?.location.field == name)
    }
  }

  @Test func sizesAreCompared() {
    TemporaryFolder.with { folder in
      let good = SampleSafetensors.file([SampleTensor("a", "U8", [4], [1, 2, 3, 4])])
      let path = folder.path("m.safetensors")
      for length in 0..<good.count {
        RawFile.write(Array(good[..<length]), to: path)
        #expect(throws: FormatError.self, "\(length) bytes") { try SafetensorsHeader(of: InputFile(path: path)) }
      }
      RawFile.write(good + [0], to: path)
      let error = #expect(throws: FormatError.self) { try SafetensorsHeader(of: InputFile(path: path)) }
      #expect(error?.kind == .notCovered(dataEnd: UInt64(good.count), fileSize: UInt64(good.count) + 1))
      RawFile.write([], to: path)
      #expect(throws: FormatError(.emptyFile, file: path)) { try SafetensorsHeader(of: InputFile(path: path)) }
      RawFile.write(LittleEndian.bytes(UInt64(100_000_001)), to: path)
      #expect(throws: FormatError(.headerTooLarge(length: 100_000_001, limit: 100_000_000), file: path, byteOffset: 0))
      {
        try SafetensorsHeader(of: InputFile(path: path))
      }
    }
  }

  /// Damage anywhere in a header gives a header or a typed error, and never more bytes than the file has.
  @Test func flippedBitsAreReadOrRefused() throws {
    let good = SampleSafetensors.file(
      [
        SampleTensor("a.weight", "BF16", [2, 3], [UInt8](repeating: 1, count: 12)),
        SampleTensor("b", "U8", [5], [1, 2, 3, 4, 5]),
      ],
      metadata: #"{"format":"pt"}"#)
    let size = UInt64(good.count)
    let json = Array(good[8..<(good.count - 17)])
    var refused = 0
    for index in json.indices {
      for bit in 0..<8 {
        let damaged = ByteMutator.flipping(bit: bit, of: index, in: json)
        do throws(FormatError) {
          let header = try SafetensorsHeader(json: damaged, fileSize: size, path: "m")
          let total = header.entries.reduce(UInt64(0)) { $0 + ($1.end - $1.begin) }
          #expect(total == 17)
        } catch {
          refused += 1
        }
      }
    }
    // Only bits of names, of metadata, and of white space can go unseen.
    #expect(refused > json.count * 4)
  }

  /// Time must grow with the header, not with its square: this took minutes when each key was compared with all others.
  @Test(.timeLimit(.minutes(Sanitizer.isOn ? 10 : 1)))
  func manyMetadataKeysDoNotStall() throws {
    let pairs = (0..<30_000).map { "\"k\($0)\":\"v\"" }.joined(separator: ",")
    let file = SampleSafetensors.file([], metadata: "{\(pairs),\"k7\":\"last\"}")
    try TemporaryFolder.with { folder in
      let manifest = try FormatRegistry.open(folder.write(file, to: "m.safetensors")).manifest
      #expect(manifest.metadata.count == 30_000)
      #expect(manifest.metadata.filter { $0.key == "k7" }.map(\.value) == ["last"])
    }
  }

  @Test func namesAreComparedByBytes() throws {
    let file = SampleSafetensors.file([
      SampleTensor("\u{E9}", "U8", [1], [1]), SampleTensor("e\u{301}", "U8", [1], [2]),
    ])
    try TemporaryFolder.with { folder in
      let source = try FormatRegistry.open(folder.write(file, to: "m.safetensors"))
      let composed = try source.allBytes("\u{E9}")
      let decomposed = try source.allBytes("e\u{301}")
      #expect(composed == [1])
      #expect(decomposed == [2])
    }
  }
}

// MARK: - The writer

@Suite struct SafetensorsHeaderWriterTests {
  /// Files the reference writer made: several dtypes, one and many tensors, with metadata and without.
  static let files: [String] =
    [
      "falcon-e-tiny/bitnet/model", "falcon-e-tiny/bfloat16/model", "falcon-e-tiny/prequantized/model",
      "falcon-e-tiny/prequantized-sharded/model-00001-of-00003",
      "falcon-e-tiny/prequantized-sharded/model-00002-of-00003",
      "bitnet-b158-tiny/packed/model", "bitnet-b158-tiny/bf16-master/model", "plain-tiny/model",
    ].map { Fixtures.checkpoint($0 + ".safetensors") }
    + [
      "absmean_bf16", "absmean_f32", "hf_packing", "rounding", "activation_quant", "i2s", "iq_bn", "linear", "logits",
      "models/llama_packed/model", "models/bitnet_packed/model",
    ].map { Fixtures.golden($0 + ".safetensors") }

  @Test(arguments: files)
  func emitsTheBytesOfTheReferenceWriter(_ path: String) throws {
    let file = try InputFile(path: path, mode: .buffered)
    let header = try SafetensorsHeader(of: file)
    // Handed over in an order of its own: the writer must find the reference's.
    var generator = SeededGenerator(seed: 5)
    let tensors = header.entries.map { OutputTensor(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
      .shuffled(using: &generator)
    let shard = OutputShard(name: FileSystem.name(of: path), tensors: tensors)
    let metadata = header.metadata ?? []
    let original = try file.bytes(0..<header.byteCount)
    #expect(shard.header(metadata: metadata) == original)
    #expect(shard.byteCount(metadata: metadata) == file.byteCount)
  }

  @Test func paddingMakesDataAligned() throws {
    let shape = try #require(TensorShape([1]))
    for length in 0..<20 {
      let tensor = OutputTensor(name: String(repeating: "n", count: length), dtype: .u8, shape: shape)
      let header = OutputShard(name: "m", tensors: [tensor]).header(metadata: [])
      #expect(header.count % 8 == 0)
      #expect(Int(LittleEndian.u64(header)) == header.count - 8)
      #expect(header[8] == UInt8(ascii: "{"))
    }
  }
}
