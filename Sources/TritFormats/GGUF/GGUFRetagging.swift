// Tritsmith: a newer name for the same blocks, in a GGUF header alone.

import TritCore
import TritLayouts

/// Turns the older `Q2_0` of 128 weights, type 42, into `PQ2_0`, type 142: the blocks are the same bytes.
///
/// A type number has four bytes wherever it stands, so that nothing moves. Source: PrismML-Eng/llama.cpp, `gguf.cpp`;
/// Docs/Formats/GGUF.md.
package struct GGUFRetagging: Sendable {
  /// Four bytes of the header that change.
  package struct Patch: Sendable, Hashable {
    package var offset: UInt64
    package var bytes: [UInt8]
  }

  private static let older: UInt32 = 42
  /// `general.file_type` of PQ2_0 files.
  private static let fileType: UInt32 = 141

  package let file: InputFile
  /// In order of their offsets.
  package let patches: [Patch]
  /// Names of the tensors that get the newer number.
  package let tensors: [String]
  /// Where the tensors' data begin.
  package let dataOffset: UInt64
  /// How it was told that type 42 means blocks of 128.
  package let evidence: String

  /// - Throws: `FormatError` for a file that holds no such tensors, is one of several parts, or breaks the format's rules.
  package init(path: String, _ options: OpenOptions) throws {
    guard try GGUFSplit.parts(of: path).count == 1 else {
      throw FormatError(.gguf(.retagsOneFile), file: path)
    }
    // Everything a reader would refuse is refused here.
    _ = try GGUFSource(path: path, options: options)
    file = try InputFile(path: path, mode: options.access)
    let header = try GGUFHeader(of: file)
    let part = [(header: header, file: file)]
    // What the offsets say counts; a choice, only where they do not tell.
    let meanings = try (try? GGUFTypeMeanings(part, choices: [])) ?? GGUFTypeMeanings(part, choices: options.ggmlTypes)
    let older = header.tensors.filter { $0.type == GGUFRetagging.older }
    guard let meaning = meanings.byID[GGUFRetagging.older], meaning.layout == Q2_0.prismID,
      let type = Q2_0(.of128).ggmlType
    else {
      throw FormatError(.gguf(.nothingToRetag(found: meanings.byID[GGUFRetagging.older]?.name)), file: path)
    }
    var patches = older.map { Patch(offset: $0.typeOffset, bytes: littleEndianBytes(type)) }
    if let offset = header.fileTypeOffset {
      patches.append(Patch(offset: offset, bytes: littleEndianBytes(GGUFRetagging.fileType)))
    }
    self.patches = patches.sorted { $0.offset < $1.offset }
    tensors = older.map(\.name)
    dataOffset = min(header.dataOffset, file.byteCount)
    evidence = meanings.findings.first { $0.id == GGUFRetagging.older }?.detail ?? ""
  }

  /// Puts the new numbers into bytes of the file that begin at `start`.
  package func apply(to bytes: inout [UInt8], at start: UInt64) {
    for patch in patches {
      for (index, byte) in patch.bytes.enumerated() {
        let place = patch.offset + UInt64(index)
        guard place >= start, let inside = Int(exactly: place - start), inside < bytes.count else { continue }
        bytes[inside] = byte
      }
    }
  }
}
