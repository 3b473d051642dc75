// Tritsmith: a file of another kind than the one that was asked for.

import TritCore

/// What a file is instead, for whoever opens one of a certain kind.
package enum ForeignFile {
  /// As many first bytes as decide.
  static let prefixLength = UInt64(StandIn.prefixLength)

  /// The error about a file that was never fetched, is empty, or is of a kind with marks of its own; nil for any other.
  ///
  /// - Parameter expected: the kind that was asked for, as in "a patch".
  package static func error(_ path: String, _ firstBytes: [UInt8], expected: String) -> FormatError? {
    if firstBytes.isEmpty { return FormatError(.emptyFile, file: path) }
    if let standIn = StandIn(firstBytes: firstBytes) {
      return FormatError(.standIn(standIn), file: path, byteOffset: 0)
    }
    return name(path, firstBytes).map {
      FormatError(.otherFile(expected: expected, found: $0), file: path, byteOffset: 0)
    }
  }

  private static func name(_ path: String, _ firstBytes: [UInt8]) -> String? {
    if firstBytes.starts(with: TritPackPreamble.Kind.tritdiff.magic) { return "a patch (TritDiff)" }
    // The name is not asked: it promised what the file is not.
    if let format = FormatRegistry.all.first(where: { $0.matches("", kind: .file, firstBytes: firstBytes) }) {
      return "a model (\(format.id))"
    }
    if ModelPlace.isPyTorch(path, firstBytes) { return "weights saved by PyTorch" }
    if firstBytes.first == UInt8(ascii: "{") { return "JSON" }
    // Words, and spaces between them: a damaged header is not made of these.
    let isText = firstBytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F || [0x09, 0x0A, 0x0D].contains($0) }
    return isText && firstBytes.contains(0x20) ? "text" : nil
  }
}
