// Tritsmith tests: shipped checkpoints with something changed in them.

import Testing
import TritCore
import TritTestSupport

/// A copy of a checkpoint folder of one weight file, to be changed and written.
package struct ChangedModel {
  package var folder: String
  package var file: RawModelFile
  package var configuration: String
  /// Companions that are left out.
  package var without: Set<String> = []
  /// Companions written in place of the folder's, and other files beside them.
  package var files: [String: [UInt8]] = [:]

  package init(_ folder: String) {
    self.folder = folder
    file = RawModelFile(reading: folder + "/model.safetensors")
    configuration = Disk.text(folder + "/config.json")
  }

  package mutating func replace(_ text: String, _ other: String) {
    guard configuration.contains(text) else {
      Issue.record("config.json has no '\(text)'")
      return
    }
    configuration = configuration.split(separator: text, omittingEmptySubsequences: false).joined(separator: other)
  }

  package mutating func remove(_ isRemoved: (String) -> Bool) { file.tensors.removeAll { isRemoved($0.name) } }

  @discardableResult
  package func write(_ path: String) -> String {
    Disk.copyFolder(folder, to: path)
    for name in without { Disk.remove(path + "/" + name) }
    Disk.write(file.serialized, path + "/model.safetensors")
    if !without.contains("config.json") { Disk.write(configuration, path + "/config.json") }
    for (name, bytes) in files { Disk.write(bytes, path + "/" + name) }
    return path
  }
}
