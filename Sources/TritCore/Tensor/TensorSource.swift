// Tritsmith: where tensors come from and go to.

/// Tensors and companions of one model, read by byte range.
///
/// A source proves its headers before it exists; reading weights can still fail, with a `TensorIOError`.
package protocol TensorSource: Sendable {
  var manifest: ModelManifest { get }

  /// Gives `body` the stored bytes of a range of a tensor, counted from the tensor's first byte.
  ///
  /// The bytes are valid during the call only. Any number of threads may read at once.
  func withBytes<Result>(
    _ range: Range<Int>, of tensor: TensorDescriptor, _ body: (RawSpan) throws -> Result
  ) throws -> Result

  /// Whether `withBytes` hands out the file's own bytes: mapped, nothing read, decoded or put in order for the call.
  func readsInPlace(_ tensor: TensorDescriptor) -> Bool

  /// Reads the stored bytes of a range of a tensor into memory of the caller's, which has the size of the range.
  func read(_ range: Range<Int>, of tensor: TensorDescriptor, into bytes: inout MutableRawSpan) throws

  /// Says which small ranges will be read next, so that a network is asked for them side by side.
  func expect(_ ranges: [ExpectedRange]) throws

  /// Where the stored bytes of a tensor and its scales are, in files that come over a network; none for other files.
  func remotePlaces(of tensor: TensorDescriptor) throws -> [FileRange]

  /// Where a range of a tensor is in such a file; nil for another file, and for bytes that are not the file's own.
  func remotePlace(of range: Range<Int>, of tensor: TensorDescriptor) -> FileRange?

  /// Says that a range will not be needed soon, so that its memory can be given back.
  func release(_ range: Range<Int>, of tensor: TensorDescriptor)

  /// The scales of a ternary tensor; throws when their convention is not known.
  func scale(of tensor: TensorDescriptor) throws -> TernaryScale

  /// The stored bytes of scales that stand beside a tensor's codes, and of MLX's biases after them; none for scales among
  /// the codes.
  func scaleBytes(of tensor: TensorDescriptor) throws -> [UInt8]

  /// The whole content of a companion file.
  func companion(named name: String) throws -> [UInt8]

  /// Throws when a file is no longer the one that was opened, by size or modification time.
  func checkUnchanged() throws

  /// Checks the container's own checksums, where it has any.
  func checkIntegrity(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws

  /// The same of one tensor and its scales, for those who read no other.
  func checkIntegrity(of tensor: TensorDescriptor, _ parallelism: Parallelism, _ progress: any ProgressObserver) throws

  /// The same of all that is no tensor, for those who check each tensor when they read it.
  func checkIntegrityBesideTensors(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws
}

/// Bytes of a tensor that will be read.
package struct ExpectedRange: Sendable {
  package var tensor: TensorDescriptor
  /// From the tensor's first byte.
  package var range: Range<Int>

  package init(_ tensor: TensorDescriptor, _ range: Range<Int>) {
    self.tensor = tensor
    self.range = range
  }
}

/// Bytes of a file.
package struct FileRange: Sendable {
  package var file: InputFile
  package var range: Range<UInt64>

  package init(_ file: InputFile, _ range: Range<UInt64>) {
    self.file = file
    self.range = range
  }

  /// As a list of one, where the file comes over a network.
  package var ifRemote: [FileRange] { file.isRemote ? [self] : [] }
}

extension TensorSource {
  /// Whether its bytes come over a network: each shall come once.
  package var isRemote: Bool { RemoteFolders.contains(manifest.path) }

  package func expect(_ ranges: [ExpectedRange]) throws {}
  package func remotePlaces(of tensor: TensorDescriptor) throws -> [FileRange] { [] }
  package func remotePlace(of range: Range<Int>, of tensor: TensorDescriptor) -> FileRange? { nil }

  /// Does what reads a tensor more than once: over a network its bytes come once meanwhile.
  package func holding<Result>(_ tensor: TensorDescriptor, _ body: () throws -> Result) throws -> Result {
    var held: [FileRange] = []
    defer { for place in held { place.file.letGo(place.range) } }
    for place in try remotePlaces(of: tensor) {
      try place.file.hold(place.range)
      held.append(place)
    }
    return try body()
  }

  package func read(_ range: Range<Int>, of tensor: TensorDescriptor, into bytes: inout MutableRawSpan) throws {
    try withBytes(range, of: tensor) { found in
      bytes.withUnsafeMutableBytes { target in found.withUnsafeBytes { target.copyMemory(from: $0) } }
    }
  }

  package func checkIntegrity(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws {}

  package func checkIntegrity(
    of tensor: TensorDescriptor, _ parallelism: Parallelism, _ progress: any ProgressObserver
  ) throws {
    try checkIntegrity(parallelism, progress)
  }

  package func checkIntegrityBesideTensors(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws {}

  package func scaleBytes(of tensor: TensorDescriptor) throws -> [UInt8] { [] }
}

/// Tensors of one model being written by byte range; made with a complete plan, so headers come first.
///
/// Nothing appears under the final name before `commit`; a sink that is dropped removes what it wrote.
package protocol TensorSink: AnyObject, Sendable {
  /// Writes bytes of an output tensor at an offset inside it. Any order, any thread, each byte once.
  func write(_ bytes: RawSpan, to tensor: String, at offset: Int) throws

  /// Checks that every byte was written, and writes what stands at the end; the output can then be opened and read.
  func complete() throws

  /// Brings a complete output to the disk. It may be read meanwhile.
  func sync() throws
}

extension TensorSink {
  /// Completes and syncs; the output may then be put in place.
  package func finish() throws {
    try complete()
    try sync()
  }
}
