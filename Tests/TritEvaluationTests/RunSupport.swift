// Tritsmith tests: models made wrong on purpose, and temporary folders.

import Synchronization
import TritCore
import TritFormats
import TritTestSupport

/// A folder that goes when the value does.
final class RunFolder {
  let path: String
  private static let count = Atomic<Int>(0)

  init() throws {
    let number = RunFolder.count.add(1, ordering: .relaxed).newValue
    path = "/tmp/tritsmith-run-tests-\(UInt32.random(in: 0...UInt32.max))-\(number)"
    let staging = try StagedOutput(.folder, at: path, replacing: false)
    try staging.commit()
  }

  deinit { StagedOutput.discard(path) }

  func file(_ name: String) -> String { FileSystem.join(path, name) }
}

/// The bytes of a checkpoint's folder, to be changed and written elsewhere.
struct EditableModel {
  var files: [String: [UInt8]] = [:]
  let manifest: ModelManifest

  init(_ path: String) throws {
    for name in try FileSystem.names(in: path) where FileSystem.kind(of: FileSystem.join(path, name)) == .file {
      files[name] = try InputFile(path: FileSystem.join(path, name), mode: .buffered).contents(limit: 1 << 26)
    }
    manifest = try FormatRegistry.open(path).manifest
  }

  /// Changes the stored bytes of a tensor of the single weight file.
  mutating func edit(_ location: TensorLocation, _ body: (inout [UInt8]) -> Void) {
    let range = Int(location.offset)..<Int(location.offset) + location.byteCount
    var bytes = Array(files["model.safetensors", default: []][range])
    body(&bytes)
    files["model.safetensors"]?.replaceSubrange(range, with: bytes)
  }

  func write(to folder: RunFolder) throws {
    let staging = try StagedOutput(.folder, at: folder.path, replacing: true)
    for (name, bytes) in files {
      let file = try staging.createFile(name)
      try file.write(bytes, at: 0)
      try file.sync()
    }
    try staging.commit()
  }
}
