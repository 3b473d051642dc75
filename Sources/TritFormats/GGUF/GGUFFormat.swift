// Tritsmith: GGUF as a format.

import TritCore

/// GGUF: what llama.cpp and the programs that came of it load.
package enum GGUFFormat: ModelFormat {
  package static let id = FormatID(rawValue: "gguf")
  package static let summary = "GGUF of llama.cpp, bitnet.cpp and ik_llama.cpp: one file, or numbered parts"

  /// How a note says that a file goes on behind its tensors.
  package static let surplus = "follow the last tensor"

  package static func matches(_ path: String, kind: FileKind, firstBytes: [UInt8]) -> Bool {
    guard kind == .file else { return false }
    return firstBytes.starts(with: GGUFHeader.magic) || path.hasSuffix(".gguf")
  }

  package static func open(_ path: String, _ options: OpenOptions) throws -> any TensorSource {
    try GGUFSource(path: path, options: options)
  }
}
