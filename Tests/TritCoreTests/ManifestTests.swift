// Tritsmith: tensors found by their names.

import Testing
import TritCore

@Suite struct ManifestTests {
  @Test func tensorsAreFoundByTheirBytes() throws {
    func tensor(_ name: String, _ columns: Int) throws -> TensorDescriptor {
      TensorDescriptor(
        name: name, shape: try #require(TensorShape([columns])), encoding: .dense(.f32),
        location: TensorLocation(file: 0, offset: 0, byteCount: 4 * columns))
    }
    // Two spellings of é are two names; of two equal names the first counts.
    let names = ["b", "e\u{301}", "", "a.10", "a.9", "\u{E9}", "b", "a"]
    let tensors = try names.enumerated().map { try tensor($1, $0) }
    var manifest = ModelManifest(format: FormatID(rawValue: "x"), path: "x", files: [], tensors: tensors)
    for name in names {
      let place = names.firstIndex { ExactString($0) == ExactString(name) }
      #expect(manifest.position(ofTensor: name) == place)
      #expect(manifest.tensor(named: name)?.shape.elementCount == place)
    }
    #expect(manifest.tensor(named: "c") == nil && manifest.tensor(named: "a.") == nil)
    // A copy that changes does not see the order of the other.
    let before = manifest
    manifest.tensors.removeFirst()
    manifest.tensors.append(try tensor("c", 9))
    #expect(manifest.position(ofTensor: "c") == 7 && manifest.position(ofTensor: "b") == 5)
    #expect(before.position(ofTensor: "c") == nil && before.position(ofTensor: "b") == 0)
    #expect(ModelManifest(format: FormatID(rawValue: "x"), path: "x", files: [], tensors: []).tensor(named: "a") == nil)
  }
}
