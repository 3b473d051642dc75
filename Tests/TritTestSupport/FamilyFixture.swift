// Tritsmith: tiny random models of whole families, and what other programs compute of them.

import TritCore

/// The models of `Fixtures/Golden/families`.
package enum FamilyFixture {
  /// With `cases.json` and `reference.safetensors` in it, whose tensors have the name of a case before a slash.
  package static let folder = Fixtures.golden("families")

  /// Writes the model of a case as a folder and returns its path; a case there is none of ends the test run.
  @discardableResult
  package static func write(_ name: String, to path: String) -> String {
    guard let cases = try? JSONValue.parse(Disk.bytes(folder + "/cases.json")).object,
      let entry = cases[name]?.object, let weights = entry["weights"]?.string, let configuration = entry["config"]
    else { preconditionFailure("\(folder)/cases.json has no case '\(name)'") }
    Disk.makeFolder(path)
    Disk.write(configuration.serialized(), path + "/config.json")
    var file = RawModelFile(reading: folder + "/\(weights).safetensors")
    // The reference ties its head, whatever the weights, which are several cases'.
    if name.hasSuffix("-tied") { file.tensors.removeAll { $0.name.hasSuffix("lm_head.weight") } }
    Disk.write(file.serialized, path + "/model.safetensors")
    return path
  }
}
