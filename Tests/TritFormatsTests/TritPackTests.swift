// Tritsmith: TritPack written and read back.

import Testing
import TritCore
import TritFormats
import TritTestSupport

/// How the sample is stored.
enum Storage: String, Sendable, CaseIterable {
  case plain, zstd1, zstd19

  var compression: TritPackCompression {
    switch self {
    case .plain: .none
    case .zstd1: .zstd(level: 1)
    case .zstd19: .zstd(level: 19)
    }
  }
}

@Suite struct TritPackRoundTripTests {
  @Test(arguments: Storage.allCases, FileAccessMode.allCases)
  func everythingComesBack(_ storage: Storage, _ access: FileAccessMode) throws {
    let model = SampleModel()
    try TemporaryFolder.with { folder in
      let path = folder.path("m.tritpack")
      try model.write(to: path, storage.compression)
      #expect(folder.names == ["m.tritpack"], "no spill file is left")
      let source = try FormatRegistry.open(path, OpenOptions(access: access))
      let manifest = source.manifest
      #expect(manifest.format == TritPackFormat.id)
      #expect(manifest.tensors.map { ExactString($0.name) } == model.tensors.map { ExactString($0.plan.name) })
      #expect(manifest.metadata.map { "\($0.key)=\($0.value)" } == model.metadata.map { "\($0.key)=\($0.value)" })
      #expect(manifest.configuration?["model_type"]?.string == "llama")
      for (descriptor, tensor) in zip(manifest.tensors, model.tensors) {
        #expect(descriptor.shape == tensor.plan.shape)
        #expect(descriptor.encoding == tensor.plan.encoding)
        let bytes = try source.allBytes(descriptor.name)
        #expect(bytes == tensor.bytes, "\(descriptor.name)")
        guard let expected = tensor.plan.scale else {
          #expect(descriptor.scale == nil)
          continue
        }
        let scale = try source.scale(of: descriptor)
        #expect(scale.stored == tensor.scales, "\(descriptor.name)")
        #expect(scale.storage == expected.storage)
        #expect(scale.granularity == expected.granularity)
        #expect(scale.convention == .divide)
        #expect(scale.storedBytes == tensor.scaleBytes)
        #expect(descriptor.scale?.convention == .divide)
      }
      #expect(manifest.companions.map(\.name) == ["config.json", "empty.txt", "tokenizer.json"], "in byte order")
      for file in model.files {
        let bytes = try source.companion(named: file.name)
        #expect(bytes == file.bytes, "\(file.name)")
      }
      #expect(throws: FormatError.self) { try source.companion(named: "absent") }
      #expect(manifest.scaleFinding.convention == .divide)
      #expect(manifest.scaleFinding.evidence.map(\.origin) == [.container])
      try source.checkIntegrity(Parallelism(threads: 2), SilentProgress())
      try source.checkUnchanged()
      let pack = try #require(source as? TritPackSource)
      #expect(pack.generator == "tritsmith test")
      #expect(JSONValue.object(pack.recipe).serialized() == JSONValue.object(model.recipe).serialized())
    }
  }

  @Test func anyRangeOfATensorCanBeRead() throws {
    // Several chunks of 1 MiB, compressible, and no multiple of a chunk.
    let count = 2 * (1 << 20) + 12_345
    var generator = SeededGenerator(seed: 7)
    var bytes: [UInt8] = []
    while bytes.count < count {
      bytes += repeatElement(UInt8(truncatingIfNeeded: generator.next()), count: min(64, count - bytes.count))
    }
    let model = try Self.oneTensor(bytes)
    try TemporaryFolder.with { folder in
      let path = folder.path("m.tritpack")
      try model.write(to: path, .zstd(level: 1))
      #expect(FileSystem.size(of: path).map { $0 < UInt64(count / 10) } == true, "it was compressed")
      let source = try FormatRegistry.open(path)
      let tensor = try #require(source.manifest.tensor(named: "big"))
      let chunk = 1 << 20
      for range in [
        0..<0, 0..<1, chunk - 1..<chunk + 1, chunk..<2 * chunk, 5..<count, 2 * chunk..<count, count - 1..<count,
        count..<count,
      ] {
        let part = try source.withBytes(range, of: tensor) { span in span.withUnsafeBytes { Array($0) } }
        #expect(part == Array(bytes[range]), "\(range)")
      }
      source.release(0..<count, of: tensor)
      try source.checkIntegrity(Parallelism(threads: 2), SilentProgress())
    }
  }

  /// Readers take a section that shrinks more than a thousand times for a bomb, so the writer stores it as it is.
  @Test func whatShrinksTooMuchIsStoredAsItIs() throws {
    let bytes = (0..<3 << 20).map { UInt8($0 % 251) }
    let model = try Self.oneTensor(bytes)
    try TemporaryFolder.with { folder in
      let path = folder.path("m.tritpack")
      try model.write(to: path, .zstd(level: 1))
      #expect(FileSystem.size(of: path).map { $0 > UInt64(bytes.count) } == true)
      let source = try FormatRegistry.open(path)
      let tensor = try #require(source.manifest.tensor(named: "big"))
      let part = try source.withBytes(0..<bytes.count, of: tensor) { span in span.withUnsafeBytes { Array($0) } }
      #expect(part == bytes)
    }
  }

  static func oneTensor(_ bytes: [UInt8]) throws -> SampleModel {
    var model = SampleModel()
    let shape = try #require(TensorShape([bytes.count]))
    model.tensors = [
      SampleModel.Tensor(
        plan: TritPackTensor(name: "big", shape: shape, encoding: .dense(.u8), byteCount: bytes.count), bytes: bytes)
    ]
    return model
  }

  @Test func sectionsAreAlignedForUseInPlace() throws {
    for storage in Storage.allCases {
      let file = try SampleModel().file(storage.compression)
      let raw = try RawTritPack(file)
      var end = 64
      for index in 0..<raw.sectionCount {
        let section = raw.section(index)
        #expect(section.offset % 64 == 0)
        #expect(section.offset >= end && section.offset < end + 64, "no gap but padding")
        end = section.offset + section.stored
        #expect(file[end..<(end + 63) / 64 * 64].allSatisfy { $0 == 0 }, "padding is zero")
      }
      #expect(LittleEndian.u64(file, at: 16) % 64 == 0)
    }
    // In memory too: mapped pages begin at addresses that are multiples of more.
    try TemporaryFolder.with { folder in
      let path = folder.path("m.tritpack")
      try SampleModel().write(to: path, .none)
      let source = try FormatRegistry.open(path, OpenOptions(access: .mapped))
      for tensor in source.manifest.tensors where tensor.location.byteCount > 0 {
        let address = try source.withBytes(0..<1, of: tensor) { span in
          span.withUnsafeBytes { Int(bitPattern: $0.baseAddress) }
        }
        #expect(address % 64 == 0, "\(tensor.name)")
      }
    }
  }

  @Test(arguments: Storage.allCases)
  func anyNumberOfThreadsAndAnyOrderGiveTheSameBytes(_ storage: Storage) throws {
    var generator = SeededGenerator(seed: 12)
    // Three chunks that differ, so that a mix-up would show.
    let part = generator.bytes(4096)
    let bytes = (0..<600).flatMap { index in part.map { $0 ^ UInt8(truncatingIfNeeded: index / 37) } }
    var model = try Self.oneTensor(bytes)
    model.tensors += SampleModel().tensors
    try TemporaryFolder.with { folder in
      let path = folder.path("m.tritpack")
      try model.write(to: path, storage.compression, threads: 1)
      let expected = RawFile.read(path)
      for threads in 2...8 {
        try model.write(to: path, storage.compression, threads: threads, isReversed: threads % 2 == 0)
        #expect(RawFile.read(path) == expected, "\(threads) threads")
      }
    }
  }

  @Test func theFileIsWhatTheSpecificationSays() throws {
    let model = SampleModel()
    let file = try model.file(.none)
    let raw = try RawTritPack(file)
    // Put together again from its parts by other code, digest included.
    #expect(raw.file == file)
    #expect(
      raw.header.entries.map(\.key) == [
        "format", "version", "generator", "recipe", "metadata", "tensors", "files", "sections",
      ])
    #expect(raw.header["format"]?.string == "tritpack")
    #expect(raw.header["version"]?.string == "1.0")
    // Codes, then their scales, tensor by tensor; embedded files last.
    let contents =
      model.tensors.flatMap { $0.plan.scale == nil ? [$0.bytes] : [$0.bytes, $0.scaleBytes] } + model.files.map(\.bytes)
    #expect(raw.sectionCount == contents.count)
    for (index, content) in contents.enumerated() {
      let section = raw.section(index)
      #expect(Array(file[section.offset..<section.offset + section.stored]) == content, "section \(index)")
      #expect(section.bytes == content.count && section.compression == "none")
      let digest = raw.header["sections"]?.array?[index].object?["sha256"]?.string
      #expect(digest == SHA256.digest(of: content).description)
    }
  }

  @Test func sectionsThatWouldGrowAreStoredPlain() throws {
    let raw = try RawTritPack(SampleModel().file(.zstd(level: 3)))
    for index in 0..<raw.sectionCount {
      let section = raw.section(index)
      // Random bytes, and too few to gain anything.
      #expect(section.compression == "none" && section.stored == section.bytes, "section \(index)")
    }
    let model = try Self.oneTensor([UInt8](repeating: 7, count: 5000))
    let shrunk = try RawTritPack(model.file(.zstd(level: 3))).section(0)
    #expect(shrunk.compression == "zstd" && shrunk.stored < 100 && shrunk.bytes == 5000)
  }

  @Test func aMissingByteStopsTheCommit() throws {
    for storage in Storage.allCases {
      try TemporaryFolder.with { folder in
        do {
          let model = SampleModel()
          let staging = try StagedOutput(.file, at: folder.path("m.tritpack"), replacing: false)
          let sink = try TritPackSink(
            plan: model.plan(storage.compression), staging: staging, parallelism: Parallelism(threads: 2))
          let first = model.tensors[0].bytes
          try sink.write(first.span.bytes, to: model.tensors[0].plan.name, at: 0)
          let error = #expect(throws: TensorIOError.self) { try sink.finish() }
          guard case .incomplete? = error?.kind else {
            Issue.record("\(String(describing: error))")
            return
          }
        }
        #expect(folder.names == [])
      }
    }
  }

  @Test func aModelOfNothingIsAFile() throws {
    try TemporaryFolder.with { folder in
      let path = folder.path("m.tritpack")
      var model = SampleModel()
      model.tensors = []
      model.files = []
      for storage in Storage.allCases {
        try model.write(to: path, storage.compression)
        let source = try FormatRegistry.open(path)
        #expect(source.manifest.tensors.isEmpty && source.manifest.companions.isEmpty)
        #expect(source.manifest.configuration == nil)
        try source.checkIntegrity(Parallelism(threads: 2), SilentProgress())
      }
    }
  }

  @Test func mixedConventionsAreKeptTensorByTensor() throws {
    var model = SampleModel()
    model.tensors[1].plan.scale?.convention = .multiply
    try TemporaryFolder.with { folder in
      let path = folder.path("m.tritpack")
      try model.write(to: path, .none)
      let source = try FormatRegistry.open(path)
      let conventions = try source.manifest.tensors.prefix(3).map { try source.scale(of: $0).convention }
      #expect(conventions == [.divide, .multiply, .divide])
      #expect(source.manifest.scaleFinding.convention == nil)
    }
  }

  @Test func progressAddsUp() throws {
    let observer = CountingProgress()
    try TemporaryFolder.with { folder in
      let path = folder.path("m.tritpack")
      try SampleModel().write(to: path, .none)
      let source = try FormatRegistry.open(path)
      try source.checkIntegrity(Parallelism(threads: 3), observer)
    }
    #expect(observer.total > 0)
    #expect(observer.advanced == observer.total)
    #expect(observer.hasEnded)
  }

  @Test func checkingCanBeCancelled() throws {
    try TemporaryFolder.with { folder in
      let path = folder.path("m.tritpack")
      try SampleModel().write(to: path, .none)
      let source = try FormatRegistry.open(path)
      let flag = CancellationFlag()
      flag.cancel()
      #expect(throws: CancellationFailure()) {
        try source.checkIntegrity(Parallelism(threads: 2, cancellation: flag), SilentProgress())
      }
    }
  }
}
