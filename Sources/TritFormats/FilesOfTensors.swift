// Tritsmith: tensors that stand in files byte for byte.

import Synchronization
import TritCore

/// A source whose tensors are ranges of bytes of some files.
protocol FilesOfTensors: TensorSource {
  /// As `TensorLocation.file` counts them.
  var files: [InputFile] { get }
}

extension FilesOfTensors {
  package func withBytes<Result>(
    _ range: Range<Int>, of tensor: TensorDescriptor, _ body: (RawSpan) throws -> Result
  ) throws -> Result {
    try files[tensor.location.file].withBytes(absolute(range, tensor), body)
  }

  package func readsInPlace(_ tensor: TensorDescriptor) -> Bool { files[tensor.location.file].isMapped }

  package func read(_ range: Range<Int>, of tensor: TensorDescriptor, into bytes: inout MutableRawSpan) throws {
    try files[tensor.location.file].read(absolute(range, tensor), into: &bytes)
  }

  package func expect(_ ranges: [ExpectedRange]) throws {
    try InputFile.expect(ranges.map { (files[$0.tensor.location.file], absolute($0.range, $0.tensor)) })
  }

  package func remotePlace(of range: Range<Int>, of tensor: TensorDescriptor) -> FileRange? {
    FileRange(files[tensor.location.file], absolute(range, tensor)).ifRemote.first
  }

  package func release(_ range: Range<Int>, of tensor: TensorDescriptor) {
    files[tensor.location.file].release(absolute(range, tensor))
  }

  package func checkUnchanged() throws {
    for file in files { try file.checkUnchanged() }
  }

  /// A range of a tensor, from the file's first byte.
  func absolute(_ range: Range<Int>, _ tensor: TensorDescriptor) -> Range<UInt64> {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= tensor.location.byteCount,
      "bytes \(range) of a tensor of \(tensor.location.byteCount)")
    return tensor.location.offset + UInt64(range.lowerBound)..<tensor.location.offset + UInt64(range.upperBound)
  }
}

/// Output files whose tensors have their places: writes them in any order, and counts the bytes.
final class PlacedTensors: Sendable {
  /// Where a tensor goes.
  struct Place {
    var file: Int
    var offset: UInt64
    var byteCount: Int
  }

  private let files: [OutputFile]
  private let places: [ExactString: Place]
  private let expected: UInt64
  private let written = Atomic<UInt64>(0)
  private let path: String

  /// - Parameter path: of the output, for errors.
  init(_ places: [ExactString: Place], in files: [OutputFile], path: String) {
    self.files = files
    self.places = places
    expected = places.values.reduce(0) { $0 + UInt64($1.byteCount) }
    self.path = path
  }

  func write(_ bytes: RawSpan, to tensor: String, at offset: Int) throws {
    guard let place = places[ExactString(tensor)] else { preconditionFailure("tensor '\(tensor)' is not in the plan") }
    precondition(offset >= 0 && offset + bytes.byteCount <= place.byteCount, "write inside tensor '\(tensor)'")
    try files[place.file].write(bytes, at: place.offset + UInt64(offset))
    written.wrappingAdd(UInt64(bytes.byteCount), ordering: .relaxed)
  }

  func complete() throws {
    let total = written.load(ordering: .relaxed)
    guard total == expected else { throw TensorIOError(.incomplete(written: total, expected: expected), path: path) }
  }

  func sync() throws {
    for file in files { try file.sync() }
  }
}
