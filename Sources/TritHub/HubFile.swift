// Tritsmith: a file of the Hub, read by range.

#if !TRITSMITH_NO_NETWORK
  import Synchronization
  import TritCore

  /// A file of a repository at one commit.
  ///
  /// Its beginning is kept as far as it was read piece by piece, so that a header is fetched once; a file beside the
  /// weights is kept whole.
  final class HubFile: RemoteFile {
    /// As readers name it.
    let path: String
    let byteCount: UInt64
    /// On the Hub.
    let address: String
    let name: HubName
    private let client: HubClient
    /// What the list says: SHA-256 of a large file, the blob of a small one.
    private let digest: Digest?
    private let blob: String?
    private let isWeights: Bool
    /// Where its bytes go as well.
    private let copy: HubCopy?

    /// Headers and tensors are all that a safetensors file has; other files have bytes that nobody reads.
    var namedDigest: Digest? { path.hasSuffix(".safetensors") ? digest : nil }

    private struct State {
      /// Where the last answer came from, when that is a storage host; such addresses are good for minutes.
      var place: String?
      /// Of the storage host and of the Hub, which name the same file differently.
      var storageTag: String?
      var hubTag: String?
    }

    private let state = Mutex(State())
    /// From the start of the file.
    private let beginning = Mutex<[UInt8]>([])
    /// Nil where no digest is listed.
    private let follower: DigestFollower?
    /// Small ranges that were said to be read: samples, which several steps of a command look at.
    private let samples = Mutex(Samples())

    private struct Samples {
      var bytes: [Range<UInt64>: [UInt8]] = [:]
      var byteCount = 0
    }

    private let holdings = HubHoldings()

    /// A file beside the weights is fetched whole up to this size.
    private static let wholeLimit: UInt64 = 64 << 20
    /// What is kept of a file of weights; headers have 100 MB at most.
    private static let beginningLimit = 128 << 20
    /// The largest sample, and what a file keeps of them.
    private static let (sampleBytes, sampleLimit) = (1 << 16, 16 << 20)
    /// A piece of a header; larger ones are weights.
    private static let headerPiece = 1 << 20

    init(_ entry: HubRepository.Entry, in name: HubName, _ client: HubClient, _ copy: HubCopy? = nil) {
      self.copy = copy
      var name = name
      name.file = entry.name
      self.name = name
      path = name.description
      byteCount = entry.byteCount
      digest = entry.digest
      follower = entry.digest.map { DigestFollower($0, of: entry.byteCount) }
      blob = entry.blob
      self.client = client
      address =
        client.endpoint + "/" + name.repository + "/resolve/" + name.wantedRevision + "/" + HubFile.escaped(entry.name)
      isWeights = [".safetensors", ".gguf", ".tritpack", ".bin", ".pt", ".pth", ".onnx", ".h5"]
        .contains { entry.name.hasSuffix($0) }
    }

    /// Everything but letters, digits and a few signs as `%XX`; slashes stay.
    static func escaped(_ path: String) -> String {
      let digits = Array("0123456789ABCDEF".utf8)
      var result: [UInt8] = []
      for byte in path.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
          UInt8(ascii: "~"), UInt8(ascii: "/"):
          result.append(byte)
        default: result += [UInt8(ascii: "%"), digits[Int(clamping: byte >> 4)], digits[Int(clamping: byte & 15)]]
        }
      }
      return String(decoding: result, as: UTF8.self)
    }

    // MARK: - Keeping a copy

    /// Keeps bytes that came.
    func keepCopy(of bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(TensorIOError) {
      try copy?.add(bytes, at: offset)
    }

    /// Fetches what nobody has read, and puts the copy in place.
    func completeCopy() throws {
      guard let copy else { return }
      let step: UInt64 = 32 << 20
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(clamping: min(byteCount, step)), alignment: 64)
      defer { buffer.deallocate() }
      for range in copy.missing(upTo: byteCount) {
        for start in stride(from: range.lowerBound, to: range.upperBound, by: Int(clamping: step)) {
          let part = start..<min(range.upperBound, start + step)
          try fetch(part, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<part.count]))
        }
      }
      try copy.finish(client.cancellation)
    }

    var place: String? {
      get { state.withLock { $0.place } }
      set { state.withLock { $0.place = newValue } }
    }

    // MARK: - Is it the same file?

    /// Holds what the Hub says of the file behind a redirect against the list.
    func check(linkedTag: String?, linkedSize: String?) throws(TensorIOError) {
      if let digest, let linkedTag, linkedTag != digest.description {
        throw HubFault.changed(
          "the Hub names SHA-256 \(digest) and \(printable(linkedTag, limit: 80)) for it", path: path)
      }
      if let linkedSize, UInt64(linkedSize) != byteCount {
        throw HubFault.changed("the Hub lists \(byteCount) bytes and leads to \(printable(linkedSize))", path: path)
      }
    }

    /// Holds the tag of an answer against those of the answers before.
    func check(_ answer: HubAnswer, isStorage: Bool, from address: String) throws(TensorIOError) {
      guard let tag = answer.entityTag else { return }
      if !isStorage, digest == nil, let blob, tag.utf8.count == 40, HubName.isCommit(tag), tag != blob {
        throw HubFault.changed("the Hub lists it as \(blob) and sends \(tag)", path: path)
      }
      let known = state.withLock { state -> String? in
        if isStorage {
          if let known = state.storageTag { return known }
          state.storageTag = tag
        } else {
          if let known = state.hubTag { return known }
          state.hubTag = tag
        }
        return nil
      }
      guard let known, known != tag else { return }
      throw HubFault.changed(
        "its ETag was \(printable(known, limit: 80)) and is \(printable(tag, limit: 80)) now", path: path)
    }

    /// Every answer was held against the first, and a commit does not change; what is left is the digest.
    func checkUnchanged() throws(TensorIOError) { try refuse(follower?.outcome) }

    // MARK: - Reading

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(TensorIOError) {
      guard !buffer.isEmpty else { return }
      let end = offset + UInt64(buffer.count)
      if !isWeights, byteCount <= HubFile.wholeLimit {
        return try readFromBeginning(into: buffer, at: offset, upTo: byteCount)
      }
      // What is held may follow the header, which is not fetched on into it.
      if holdings.copy(offset..<end, into: buffer) { return }
      if isOfBeginning(offset..<end) { return try readFromBeginning(into: buffer, at: offset, upTo: end) }
      let sample = buffer.count <= HubFile.sampleBytes ? samples.withLock { $0.bytes[offset..<end] } : nil
      if let sample {
        buffer.copyBytes(from: sample)
      } else {
        try fetch(offset..<end, into: buffer)
      }
      try refuse(follower?.add(UnsafeRawBufferPointer(buffer), at: offset))
    }

    func hold(_ range: Range<UInt64>, unless isUnwanted: CancellationFlag?) throws(TensorIOError) {
      guard !range.isEmpty, !holdings.addAgain(range) else { return }
      let new = HubHeld(range)
      try fetch(range, into: new.memory, unless: isUnwanted)
      try refuse(follower?.add(new))
      holdings.add(new)
    }

    func letGo(_ range: Range<UInt64>) { holdings.letGo(range) }

    func withHeld<Result>(_ range: Range<UInt64>, _ body: (RawSpan) throws -> Result) throws -> Result? {
      try holdings.with(range, body)
    }

    /// What is kept, or goes on from there and may be of a header.
    private func isOfBeginning(_ range: Range<UInt64>) -> Bool {
      beginning.withLock { kept in
        let known = UInt64(kept.count)
        if range.upperBound <= known { return true }
        guard range.lowerBound <= known, range.count <= HubFile.headerPiece else { return false }
        return range.upperBound <= (headerEnd(kept) ?? UInt64(HubFile.beginningLimit))
      }
    }

    /// - Parameter found: the digest of the whole file, where it is not the Hub's.
    private func refuse(_ found: Digest?) throws(TensorIOError) {
      guard let digest, let found else { return }
      throw HubFault.changed("the Hub lists SHA-256 \(digest), what came has \(found)", path: path)
    }

    /// Copies from what is kept, after fetching what is missing of it.
    private func readFromBeginning(
      into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, upTo end: UInt64
    ) throws(TensorIOError) {
      let failure = beginning.withLock { kept -> TensorIOError? in
        do throws(TensorIOError) {
          try extend(&kept, to: end)
        } catch {
          return error
        }
        kept.withUnsafeBytes { bytes in
          let start = Int(clamping: offset)
          buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + buffer.count]))
        }
        return nil
      }
      if let failure { throw failure }
    }

    private func extend(_ kept: inout [UInt8], to end: UInt64) throws(TensorIOError) {
      guard UInt64(kept.count) < end else { return }
      let range = UInt64(kept.count)..<end
      var more = [UInt8](repeating: 0, count: range.count)
      let failure = more.withUnsafeMutableBytes { memory -> TensorIOError? in
        do throws(TensorIOError) {
          try fetch(range, into: memory)
          return nil
        } catch {
          return error
        }
      }
      if let failure { throw failure }
      kept += more
      do throws(TensorIOError) {
        try refuse(more.withUnsafeBytes { follower?.add($0, at: range.lowerBound) })
      } catch {
        kept = []
        throw error
      }
    }

    /// Fetches a range, in parts side by side where it is large.
    private func fetch(
      _ range: Range<UInt64>, into memory: UnsafeMutableRawBufferPointer, unless isUnwanted: CancellationFlag? = nil
    ) throws(TensorIOError) {
      var pieces = HubFile.parts(of: range.count).map { part in
        HubPiece(
          self, range.lowerBound + UInt64(part.lowerBound)..<range.lowerBound + UInt64(part.upperBound),
          UnsafeMutableRawBufferPointer(rebasing: memory[part]))
      }
      // One request finds the storage host for all.
      if place == nil, pieces.count > 1 {
        var first = [pieces.removeFirst()]
        try client.fetch(&first, unless: isUnwanted)
      }
      try client.fetch(&pieces, unless: isUnwanted)
      try refuse(differingSample(in: range, UnsafeRawBufferPointer(memory)))
    }

    /// The sample that these bytes differ from.
    ///
    /// What a sample decides is no part of the digest: of bytes that came twice, the digest has one.
    private func differingSample(in range: Range<UInt64>, _ bytes: UnsafeRawBufferPointer) -> Range<UInt64>? {
      samples.withLock { samples in
        samples.bytes.first { (place, sample) in
          guard place.overlaps(range) else { return false }
          let common = place.clamped(to: range)
          let first = sample.dropFirst(Int(clamping: common.lowerBound - place.lowerBound))
          let second = bytes.dropFirst(Int(clamping: common.lowerBound - range.lowerBound))
          return !first.prefix(common.count).elementsEqual(second.prefix(common.count))
        }?.key
      }
    }

    private func refuse(_ sample: Range<UInt64>?) throws(TensorIOError) {
      guard let sample else { return }
      throw HubFault.changed(
        "bytes \(sample.lowerBound) to \(sample.upperBound) came twice and were not the same", path: path)
    }

    /// Ranges of at least four megabytes, no more than can be under way at once: a request costs both sides as much as
    /// some hundred kilobytes.
    static func parts(of count: Int) -> [Range<Int>] {
      let number = max(1, min(HubClient.width, count >> 22))
      let size = (count + number - 1) / number
      return stride(from: 0, to: count, by: max(1, size)).map { $0..<min(count, $0 + size) }
    }

    // MARK: - Headers ahead

    /// What of the beginning will surely be read next; nil when nothing is known to be missing.
    ///
    /// A safetensors file begins with the length of its header.
    fileprivate var nextOfHeader: Range<UInt64>? {
      beginning.withLock { kept in
        if !isWeights { return byteCount <= HubFile.wholeLimit && kept.isEmpty && byteCount > 0 ? 0..<byteCount : nil }
        guard path.hasSuffix(".safetensors"), byteCount >= 8 else { return nil }
        if kept.isEmpty { return 0..<8 }
        guard kept.count == 8, let end = headerEnd(kept), end > 8, end <= 100_000_008, end <= byteCount else {
          return nil
        }
        return 8..<end
      }
    }

    /// Where the header of a safetensors file ends, which its first bytes say; nil as long as that is not known.
    private func headerEnd(_ kept: [UInt8]) -> UInt64? {
      guard path.hasSuffix(".safetensors"), kept.count >= 8 else { return nil }
      let length = kept[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      return Checked.sum(8, length)
    }

    /// Fetches samples side by side, but for what is there.
    static func expect(_ ranges: [(file: any RemoteFile, range: Range<UInt64>)]) throws(TensorIOError) {
      var wanted: [(file: HubFile, range: Range<UInt64>)] = []
      for (file, range) in ranges {
        guard let file = file as? HubFile, file.wants(range) else { continue }
        wanted.append((file, range))
      }
      guard let client = wanted.first?.file.client else { return }
      try fetch(wanted, client) { (file, range, bytes) throws(TensorIOError) in
        try file.refuse(bytes.withUnsafeBytes { file.differingSample(in: range, $0) })
        file.samples.withLock { samples in
          samples.byteCount += bytes.count - (samples.bytes[range]?.count ?? 0)
          samples.bytes[range] = bytes
        }
      }
    }

    private func wants(_ range: Range<UInt64>) -> Bool {
      guard !range.isEmpty, range.count <= HubFile.sampleBytes, beginning.withLock({ range.upperBound > $0.count })
      else {
        return false
      }
      return samples.withLock { $0.bytes[range] == nil && $0.byteCount < HubFile.sampleLimit }
    }

    fileprivate func keep(_ bytes: [UInt8], at offset: UInt64) throws(TensorIOError) {
      let isNew = beginning.withLock { kept in
        guard UInt64(kept.count) == offset else { return false }
        kept += bytes
        return true
      }
      guard isNew else { return }
      try refuse(bytes.withUnsafeBytes { follower?.add($0, at: offset) })
    }

    /// Fetches what readers of these files will ask for first, of all files at once.
    static func fetchBeginnings(of files: [HubFile], _ client: HubClient) throws(TensorIOError) {
      // Length, then header.
      for _ in 0..<2 {
        let wanted = files.compactMap { file in file.nextOfHeader.map { (file: file, range: $0) } }
        guard !wanted.isEmpty else { return }
        try fetch(wanted, client) { (file, range, bytes) throws(TensorIOError) in
          try file.keep(bytes, at: range.lowerBound)
        }
      }
    }

    /// Fetches ranges of many files, the storage host of each found on the way.
    private static func fetch(
      _ wanted: [(file: HubFile, range: Range<UInt64>)], _ client: HubClient,
      _ take: (HubFile, Range<UInt64>, [UInt8]) throws(TensorIOError) -> Void
    ) throws(TensorIOError) {
      let count = wanted.reduce(0) { $0 + $1.range.count }
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, count), alignment: 64)
      defer { memory.deallocate() }
      var position = 0
      var pieces: [HubPiece] = []
      for (file, range) in wanted {
        let part = memory[position..<position + range.count]
        pieces.append(HubPiece(file, range, UnsafeMutableRawBufferPointer(rebasing: part)))
        position += range.count
      }
      try client.fetch(&pieces)
      for piece in pieces { try take(piece.file, piece.range, Array(piece.memory)) }
    }
  }
#endif
