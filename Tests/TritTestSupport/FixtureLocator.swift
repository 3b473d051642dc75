// Tritsmith: paths of the test fixtures.

import CZstd

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where the files of the Fixtures folder are on this machine, for tests of any target.
///
///     let weights = Fixtures.checkpoint("falcon-e-tiny/prequantized/model.safetensors")
///     let vectors = Fixtures.golden("absmean_bf16.safetensors")
///
/// The folder is found from the path of this source file as the compiler saw it, so tests run from any working
/// directory and need no resource bundle. They do need the source tree they were built from.
package enum Fixtures {
  /// The trained Qwen3.5, which is too large to lie here: the folder that TRITSMITH_QWEN35 names, with `mlx-2bit`,
  /// `gguf` and `reference` in it; nil where it names none.
  package static let trainedQwen35 = getenv("TRITSMITH_QWEN35").map { String(cString: $0) }

  /// The absolute path of the Fixtures folder, without a slash at the end.
  package static let root = repositoryRoot(ofFile: #filePath) + "/Fixtures"

  /// The path of a file or folder given relative to the Fixtures folder.
  package static func path(_ relative: String) -> String {
    precondition(!relative.hasPrefix("/"), "fixture paths are relative to \(root), got \(relative)")
    if relative.hasPrefix("Checkpoints") { precondition(FixtureVariants.areThere) }
    return root + "/" + relative
  }

  /// The path of a vector or file made by another implementation, relative to `Fixtures/Golden`.
  package static func golden(_ relative: String) -> String { path("Golden/" + relative) }

  /// The path of a trained checkpoint, or of a file in it, relative to `Fixtures/Checkpoints`.
  package static func checkpoint(_ relative: String) -> String { path("Checkpoints/" + relative) }

  /// The bytes of a file. One that is stored as a zstd frame is found under its name without `.zst`.
  package static func contents(_ relative: String) -> [UInt8]? {
    if let bytes = RawFile.read(path(relative)) { return bytes }
    guard let frame = RawFile.read(path(relative) + ".zst") else { return nil }
    return ZstandardFrame.content(frame)
  }

  /// Drops `Tests/TritTestSupport/FixtureLocator.swift`, three components, from the path of this file.
  private static func repositoryRoot(ofFile file: String) -> String {
    file.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
  }
}
