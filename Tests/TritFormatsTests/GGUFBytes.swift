// Tritsmith: GGUF files built byte by byte, for tests.

import TritCore

@testable import TritFormats

/// Builds GGUF bytes without the writer, so that anything can be wrong with them.
struct GGUFBytes {
  var magic: [UInt8] = Array("GGUF".utf8)
  var version: UInt32 = 3
  var tensorCount: UInt64?
  var keyCount: UInt64?
  /// Encoded keys and tensor entries.
  var keys: [[UInt8]] = []
  var tensors: [[UInt8]] = []
  var data: [UInt8] = []
  var alignment = 32

  static func string(_ text: String) -> [UInt8] { littleEndianBytes(UInt64(text.utf8.count)) + Array(text.utf8) }

  static func key(_ name: String, _ type: UInt32, _ payload: [UInt8]) -> [UInt8] {
    string(name) + littleEndianBytes(type) + payload
  }

  static func tensor(_ name: String, _ dimensions: [UInt64], _ type: UInt32, _ offset: UInt64) -> [UInt8] {
    string(name) + littleEndianBytes(UInt32(dimensions.count)) + dimensions.flatMap { littleEndianBytes($0) }
      + littleEndianBytes(type) + littleEndianBytes(offset)
  }

  var bytes: [UInt8] {
    var result = magic + littleEndianBytes(version)
    result += littleEndianBytes(tensorCount ?? UInt64(tensors.count))
    result += littleEndianBytes(keyCount ?? UInt64(keys.count))
    result += keys.flatMap { $0 } + tensors.flatMap { $0 }
    result += [UInt8](repeating: 0, count: (result.count + alignment - 1) / alignment * alignment - result.count)
    return result + data
  }
}

/// A folder that is removed with its files.
final class ScratchFolder {
  let path: String
  private var files: [String] = []

  init() throws {
    path = "/tmp/tritsmith-gguf-tests-\(UInt64.random(in: 0...UInt64.max))"
    guard mkdir(path, 0o700) == 0 else { throw TensorIOError(.cannotCreate(errno: errno), path: path) }
  }

  deinit {
    for name in (try? FileSystem.names(in: path)) ?? [] { unlink(FileSystem.join(path, name)) }
    rmdir(path)
  }

  func write(_ bytes: [UInt8], _ name: String = "model.gguf") throws -> String {
    let file = FileSystem.join(path, name)
    unlink(file)
    try OutputFile(creating: file).write(bytes, at: 0)
    return file
  }
}

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif
