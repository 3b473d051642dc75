// Tritsmith: checkpoints that others tell, made where they are missing.

import TritCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What `Fixtures/make-variants.py` makes, and as it does: the latent weights of falcon-e-tiny in three shards. Their
/// SHA-256 is that of the files as their program wrote them.
enum FixtureVariants {
  private static let folder = "Checkpoints/falcon-e-tiny/"

  /// Makes what is missing, once a process; several processes may at a time.
  static let areThere: Bool = {
    for line in Disk.text(Fixtures.root + "/VARIANTS.sha256").split(separator: "\n") {
      let words = line.split(separator: " ").map(String.init)
      let (digest, path) = (words[0], Fixtures.root + "/" + words[1])
      guard access(path, F_OK) != 0 else { continue }
      let bytes = shard(FileSystem.name(of: path))
      let found = SHA256.digest(of: bytes).description
      precondition(found == digest, "\(path) was made with SHA-256 \(found), expected \(digest)")
      // In place whole or not at all.
      let staged = Fixtures.root + "/.variant-\(getpid())"
      RawFile.write(bytes, to: staged)
      precondition(rename(staged, path) == 0, "cannot rename \(staged), errno \(errno)")
    }
    return true
  }()

  private static func path(_ name: String) -> String { Fixtures.root + "/" + folder + name }

  /// Tensors that the index puts in a shard, in the order of the unsharded file; the header ends at a multiple of 8.
  private static func shard(_ name: String) -> [UInt8] {
    let index = try? JSONValue.parse(Disk.bytes(path("prequantized-sharded/model.safetensors.index.json")))
    let shards = index?.object?["weight_map"]?.object
    var file = RawModelFile(reading: path("prequantized/model.safetensors"))
    file.tensors.removeAll { shards?[$0.name]?.string != name }
    let json = file.serialized
    let length = Int(LittleEndian.u64(json))
    let padding = [UInt8](repeating: UInt8(ascii: " "), count: (8 - length % 8) % 8)
    return LittleEndian.bytes(UInt64(length + padding.count)) + Array(json[8..<8 + length]) + padding
      + Array(json[(8 + length)...])
  }
}
