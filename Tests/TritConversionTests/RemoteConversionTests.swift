// Tritsmith: conversions of weights with scales of groups over a network, each byte fetched once.

import Synchronization
import Testing
import TritFormats
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritCore
@testable import TritSurvey
@testable import TritVerification

/// A folder of this machine as one that is read over a network; it counts the bytes that come.
private final class CountingFolder: RemoteFolder {
  let shownName = "counted"
  private let root: String
  private let fetched = Mutex(0)
  private let end = Mutex(UInt64.max)

  init(_ root: String) { self.root = root }

  private func path(_ inner: String) -> String { inner.isEmpty ? root : root + "/" + inner }

  func kind(of inner: String) -> FileKind? { FileSystem.kind(of: path(inner)) }
  func size(of inner: String) -> UInt64? { FileSystem.size(of: path(inner)) }
  func names(in inner: String) -> [String] { Disk.names(path(inner)).sorted() }
  func expect(_ inner: [String]) throws(TensorIOError) {}

  func open(_ inner: String) throws(TensorIOError) -> any RemoteFile {
    CountingFile(try InputFile(path: path(inner), mode: .buffered), of: self)
  }

  func count(_ bytes: Int) { fetched.withLock { $0 += bytes } }

  /// From now on nothing from this place on can be held.
  func breakOff(at offset: UInt64) { end.withLock { $0 = offset } }

  func breaks(at range: Range<UInt64>) -> Bool { end.withLock { range.upperBound > $0 } }

  /// Bytes since the last call.
  func take() -> Int {
    fetched.withLock { fetched in
      defer { fetched = 0 }
      return fetched
    }
  }
}

private final class CountingFile: RemoteFile {
  private let file: InputFile
  private let folder: CountingFolder
  private let known = Mutex<(held: [Range<UInt64>], samples: Set<Range<UInt64>>)>(([], []))

  init(_ file: InputFile, of folder: CountingFolder) {
    (self.file, self.folder) = (file, folder)
    namedDigest = file.path.hasSuffix(".safetensors") ? SHA256.digest(of: Disk.bytes(file.path)) : nil
  }

  var byteCount: UInt64 { file.byteCount }
  let namedDigest: Digest?
  func checkUnchanged() throws(TensorIOError) {}

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(TensorIOError) {
    let range = offset..<offset + UInt64(buffer.count)
    let isHere = known.withLock { known in
      known.samples.contains(range)
        || known.held.contains { $0.lowerBound <= range.lowerBound && range.upperBound <= $0.upperBound }
    }
    if !isHere { folder.count(range.count) }
    buffer.copyBytes(from: try file.bytes(range))
  }

  static func expect(_ ranges: [(file: any RemoteFile, range: Range<UInt64>)]) throws(TensorIOError) {
    for (file, range) in ranges {
      guard let file = file as? CountingFile else { continue }
      if file.known.withLock({ $0.samples.insert(range).inserted }) { file.folder.count(range.count) }
    }
  }

  func hold(_ range: Range<UInt64>, unless isUnwanted: CancellationFlag?) throws(TensorIOError) {
    if folder.breaks(at: range) { throw TensorIOError(.readFailed(errno: 5), path: file.path) }
    let isNew = known.withLock { known in
      defer { known.held.append(range) }
      return !known.held.contains(range)
    }
    if isNew { folder.count(range.count) }
  }

  func letGo(_ range: Range<UInt64>) {
    known.withLock { known in
      if let index = known.held.firstIndex(of: range) { known.held.remove(at: index) }
    }
  }
}

@Suite("Conversions over a network of models with scales of groups")
struct RemoteConversionTests {
  enum Form: String, CaseIterable, Sendable {
    case unpacked, mlx, gguf, tritpack

    var target: ConversionTarget? {
      switch self {
      case .unpacked: nil
      case .mlx: .mlx
      case .gguf: .gguf
      case .tritpack: .tritpack
      }
    }
  }

  /// A model in a form, on this machine.
  private static func make(_ form: Form, _ scratch: ScratchFolder) throws -> String {
    let unpacked = Bonsai.folder(scratch["unpacked"])
    guard let target = form.target else { return unpacked }
    let place = scratch["source"] + (form == .gguf ? ".gguf" : form == .tritpack ? ".tritpack" : "")
    try Workflow.convert(unpacked, place, to: target) {
      $0.gguf.weights = .pq2
      $0.gguf.hasTokenizer = false
    }
    return place
  }

  /// The same model under a path of the network.
  private static func mount(_ place: String) -> (path: String, folder: CountingFolder) {
    let isFile = FileSystem.kind(of: place) == .file
    let folder = CountingFolder(isFile ? FileSystem.parent(of: place) : place)
    let root = RemoteFolders.scheme + "counted" + place.replacing("/", with: "-")
    RemoteFolders.mount(folder, at: root)
    return (isFile ? root + "/" + FileSystem.name(of: place) : root, folder)
  }

  private static func weightBytes(_ place: String) -> Int {
    FileSystem.kind(of: place) == .file ? Disk.bytes(place).count : Disk.bytes(place + "/model.safetensors").count
  }

  /// Tensors by name with their stored bytes: a file's record names its source, which differs.
  private static func content(_ path: String) throws -> [String: [UInt8]] {
    let source = try FormatRegistry.open(path, OpenOptions())
    return try Dictionary(
      uniqueKeysWithValues: source.manifest.tensors.map { tensor in
        let bytes = try source.withBytes(0..<tensor.location.byteCount, of: tensor) { $0.copied }
        return (tensor.name, try bytes + source.scaleBytes(of: tensor))
      })
  }

  @Test(
    "the output is what it is from disk, and every byte comes once but for samples", arguments: Form.allCases,
    [ConversionTarget.tritpack, .mlx, .gguf, .dense])
  func once(_ form: Form, _ target: ConversionTarget) throws {
    // What is dense already is not made dense.
    if form == .unpacked, target == .dense { return }
    let scratch = ScratchFolder()
    let place = try Self.make(form, scratch)
    let (path, folder) = Self.mount(place)
    func change(_ request: inout ConversionRequest) {
      request.gguf.weights = form == .gguf ? .ptq1 : .pq2
      request.gguf.hasTokenizer = false
    }
    let outputs = ["local", "remote"].map {
      scratch[$0 + (target == .gguf ? ".gguf" : target == .tritpack ? ".tritpack" : "")]
    }
    let local = try Workflow.convert(place, outputs[0], to: target, change)
    let remote = try Workflow.convert(path, outputs[1], to: target, change)
    #expect(remote.audit.passed && remote.recognised == local.recognised)
    #expect(remote.audit.tensors.map(\.detail) == local.audit.tensors.map(\.detail))
    #expect(remote.audit.tensors.map(\.outcome) == local.audit.tensors.map(\.outcome))
    #expect(try Self.content(outputs[1]) == Self.content(outputs[0]))
    // Nine matrices of 256 × 256. The survey looks at 16 blocks of 8 kB and at 16 rows of dense ones, the plan at four
    // rows; opening an MLX model reads 512 scales and as many biases of each.
    let samples = form == .unpacked ? 9 * (16 * 8192 + 16 * 512 + 4 * 512) : 9 * (4 * 68 + 2 * 1024)
    let fetched = folder.take()
    // A file with a header of its own is read ahead by the reader of the Hub, which check_hub.py counts.
    guard form == .unpacked || form == .mlx else { return }
    let most = Self.weightBytes(place) + samples + 16384
    #expect(fetched <= most, "\(fetched) of \(Self.weightBytes(place))")
  }

  /// The model with a change in one row of a matrix that no sample has.
  private static func changed(
    _ scratch: ScratchFolder, _ change: (inout [UInt16]) -> Void
  ) throws -> (place: String, tensor: String) {
    let place = Bonsai.folder(scratch["unpacked"])
    let name = "model.layers.0.mlp.up_proj.weight"
    var tensors = RawModelFile(reading: place + "/model.safetensors").tensors
    let index = try #require(tensors.firstIndex { $0.name == name })
    let row = 512 * 37
    let bytes = tensors[index].bytes
    var numbers = (0..<256).map { UInt16(bytes[row + 2 * $0]) | UInt16(bytes[row + 2 * $0 + 1]) << 8 }
    change(&numbers)
    tensors[index].bytes.replaceSubrange(row..<row + 512, with: numbers.flatMap { LittleEndian.bytes($0) })
    Disk.write(RawModelFile(tensors).serialized, place + "/model.safetensors")
    return (place, name)
  }

  @Test("groups that are finer than samples say are an error that names both, and leave nothing")
  func misleadingSamples() throws {
    let scratch = ScratchFolder()
    // Half of a group with twice the scale: 1 more in an F16's exponent.
    let (place, tensor) = try Self.changed(scratch) { numbers in
      for index in 0..<64 where numbers[index] & 0x7FFF != 0 { numbers[index] += 0x0400 }
    }
    // On this machine all of it is read first.
    #expect(try Workflow.convert(place, scratch["local.tritpack"], to: .tritpack).audit.passed)
    let (path, _) = Self.mount(place)
    let before = FolderSnapshot(scratch.path)
    let error = #expect(throws: WorkflowError.self) {
      try Workflow.convert(path, scratch["remote.tritpack"], to: .tritpack)
    }
    guard case .samplesMislead(let sampled, let found) = error?.kind else {
      Issue.record("found \(String(describing: error))")
      return
    }
    #expect(sampled.contains("group of 128") && found.contains("group of 64"))
    #expect(error?.location.tensor == tensor && error?.remedy?.contains("hf download") == true)
    #expect(FolderSnapshot(scratch.path) == before, "nothing may be left")
  }

  @Test("a weight of another magnitude that no sample has is the error it is from disk")
  func partlyTernary() throws {
    let scratch = ScratchFolder()
    let (place, tensor) = try Self.changed(scratch) { numbers in
      for index in numbers.indices where numbers[index] & 0x7FFF != 0 { numbers[index] += UInt16(index) }
    }
    for target in [ConversionTarget.tritpack, .gguf] {
      let errors = [place, Self.mount(place).path].map { path in
        #expect(throws: WorkflowError.self) {
          try Workflow.convert(path, scratch["out"], to: target) {
            $0.gguf.weights = .pq2
            $0.gguf.hasTokenizer = false
          }
        }
      }
      #expect(errors[0]?.kind == errors[1]?.kind && errors[0]?.location.tensor == errors[1]?.location.tensor)
      guard target == .tritpack, case .partlyTernary(let found)? = errors[0]?.kind else {
        #expect(target == .gguf, "\(String(describing: errors[0]))")
        continue
      }
      #expect(errors[0]?.location.tensor == tensor)
      // Row 37 alone was changed; of 256 rows one is not ternary.
      #expect(found?.row == 37 && found?.brokenRows == 1 && found?.rows == 256)
    }
  }

  @Test("what cannot be fetched is the error, and nothing is left")
  func brokenTransfer() throws {
    let scratch = ScratchFolder()
    let (path, folder) = Self.mount(Bonsai.folder(scratch["unpacked"]))
    // The last byte is of a matrix.
    folder.breakOff(at: UInt64(Disk.bytes(scratch["unpacked"] + "/model.safetensors").count) - 1)
    let before = FolderSnapshot(scratch.path)
    let error = #expect(throws: TensorIOError.self) {
      try Workflow.convert(path, scratch["out.tritpack"], to: .tritpack)
    }
    #expect(error?.kind == .readFailed(errno: 5))
    #expect(FolderSnapshot(scratch.path) == before, "nothing may be left")
  }

  @Test(
    "an audit by fingerprints finds a scale or a trit that is not the source's",
    arguments: [Form.unpacked, .gguf, .mlx])
  func audit(_ form: Form) throws {
    let scratch = ScratchFolder()
    let (path, _) = Self.mount(try Self.make(form, scratch))
    for damage in [nil, 0, 2, 33] as [Int?] {
      var request = ConversionRequest(input: path, output: scratch["out.gguf"], target: .gguf)
      request.gguf.weights = .pq2
      request.gguf.hasTokenizer = false
      let workflow = ConvertWorkflow(request)
      let plan = try workflow.plan()
      let source = try ModelOpener.open(path, request.inputOptions)
      let writer = try OutputWriter(plan, source: source, work: WorkOptions())
      let streamed = try workflow.stream(plan, source, nil, to: writer)
      #expect(streamed.witnesses.ternary.count == 9)
      try writer.finish()
      if let damage {
        // PQ2_0: 34 bytes for 128 weights, the scale first. Bit 0 of a scale, of the codes' first and last byte.
        let written = try GGUFSource(path: writer.auditPath)
        let tensor = try #require(written.manifest.tensor(named: "blk.0.ffn_up.weight"))
        var bytes = Disk.bytes(writer.auditPath)
        bytes[Int(tensor.location.offset) + 34 * 300 + damage] ^= 1
        Disk.write(bytes, writer.auditPath)
      }
      let audit = try workflow.audit(plan, source, nil, writer, streamed.witnesses)
      #expect(audit.passed == (damage == nil), "byte \(String(describing: damage))")
    }
  }

  @Test("fingerprints tell every multiplier that matters, on any grid, and no other")
  func fingerprints() throws {
    let (rows, columns) = (3, 512)
    let units = ScaleUnits(.group(columns: 128), columns: columns)
    let band = try #require(TensorShape(rows: rows, columns: columns)).band(0..<rows)
    var trits = (0..<rows * columns).map { Int8($0 % 3 - 1) }
    for index in 512..<640 { trits[index] = 0 }
    func hash(_ numbers: [Float], _ granularity: ScaleGranularity) -> UInt64? {
      units.fingerprint(
        trits,
        TernaryScale(stored: numbers, storage: .f32, convention: .multiply, granularity: granularity)
          .grid(columns: columns), band)
    }
    let numbers = (0..<12).map { 0.5 + Float($0) / 8 }
    let base = try #require(hash(numbers, .group(columns: 128)))
    // Finer groups with the same numbers say the same.
    #expect(hash(numbers.flatMap { [$0, $0] }, .group(columns: 64)) == base)
    for index in numbers.indices {
      var other = numbers
      other[index] = other[index].nextUp
      // The weights of number 4 are all 0.
      #expect((hash(other, .group(columns: 128)) == base) == (index == 4), "\(index)")
      var halves = numbers.flatMap { [$0, $0] }
      halves[2 * index + 1] = halves[2 * index].nextUp
      #expect(hash(halves, .group(columns: 64)) == (index == 4 ? base : nil), "\(index)")
      other[index] = .infinity
      #expect(hash(other, .group(columns: 128)) == nil)
    }
    // Dense numbers of the same trits and multipliers have the same fingerprint.
    let values = TernaryScale(
      stored: numbers, storage: .f32, convention: .multiply, granularity: .group(columns: 128)
    ).grid(columns: columns).values(trits, firstRow: 0)
    var found: [Int8] = []
    #expect(units.fingerprint(of: values, band, trits: &found) == base && found == trits)
    var odd = values
    odd[2] = -odd[2].nextUp
    #expect(units.fingerprint(of: odd, band, trits: &found) != base)
    // One number for all is the same number for each unit.
    #expect(hash([0.75], .tensor) == hash([Float](repeating: 0.75, count: 12), .group(columns: 128)))
  }
}
