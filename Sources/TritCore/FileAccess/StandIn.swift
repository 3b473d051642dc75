// Tritsmith: what a download leaves where a file should be.

/// Something small or foreign that was saved in place of a model's file.
///
/// Sources: the Git LFS specification (docs/spec.md of git-lfs), the internals page of git-annex, and the bodies that
/// huggingface.co and raw.githubusercontent.com send with status 401, 403 and 404.
package enum StandIn: Sendable, Hashable {
  /// What a clone without git-lfs leaves.
  case gitLFSPointer
  /// What a clone of a git-annex repository leaves.
  case gitAnnexPointer
  /// HTML.
  case webPage
  /// A server's words in place of the file.
  case serverMessage(String)

  /// As many first bytes as are worth looking at.
  package static let prefixLength = 128

  /// What a file is, by its first bytes; nil for anything that may be the file itself.
  package init?(firstBytes: [UInt8]) {
    var text = firstBytes.prefix(StandIn.prefixLength)
    if JSONValue.hasByteOrderMark(firstBytes) { text = text.dropFirst(3) }
    text = text.drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
    func begins(_ words: [String]) -> Bool {
      words.contains { word in
        text.count >= word.utf8.count && zip(text, word.utf8).allSatisfy { $0 | 0x20 == $1 | 0x20 }
      }
    }
    if begins(["version https://git-lfs.github.com/spec/", "version https://hawser.github.com/spec/"]) {
      self = .gitLFSPointer
    } else if begins(["/annex/objects/"]) {
      self = .gitAnnexPointer
    } else if begins(["<!doctype html", "<html", "<head", "<?xml", "<error>"]) {
      self = .webPage
    } else if begins(StandIn.messages) {
      let line = text.prefix { $0 != 0x0A && $0 != 0x0D }
      self = .serverMessage(String(decoding: line, as: UTF8.self))
    } else {
      return nil
    }
  }

  private static let messages = [
    "entry not found", "repository not found", "revision not found", "not found", "404: not found", "404 not found",
    "invalid username or password", "invalid credentials", "access to model", "forbidden", "unauthorized",
    "{\"error\":", "{ \"error\":",
  ]

  /// Whether a tool left it that fetches the file; a page may be the file that is meant.
  package var isPointer: Bool { self == .gitLFSPointer || self == .gitAnnexPointer }

  /// One clause for messages.
  package var summary: String {
    switch self {
    case .gitLFSPointer: "this is a Git LFS pointer, which stands for the file and is not the file"
    case .gitAnnexPointer: "this is a git-annex pointer, which stands for the file and is not the file"
    case .webPage: "this is a web page or a server's answer in XML, saved in place of the file"
    case .serverMessage(let text):
      "this is a server's message, saved in place of the file: '\(printable(text, limit: 80))'"
    }
  }

  /// What to do.
  package var remedy: String {
    switch self {
    case .gitLFSPointer: "fetch the file itself: 'git lfs pull' in the clone, or download it from the hub"
    case .gitAnnexPointer: "fetch the file itself: 'git annex get' in the clone"
    case .webPage, .serverMessage:
      "download the file again; on the hub a link with /resolve/ gives it (/blob/ gives a page), and a gated model needs a "
        + "token"
    }
  }
}

extension InputFile {
  /// What was saved in this file's place; nil for anything that may be the file itself.
  ///
  /// Nothing was saved of a file that is read over a network: its server has the file or an error.
  package func standIn() throws(TensorIOError) -> StandIn? {
    isRemote ? nil : StandIn(firstBytes: try bytes(0..<min(UInt64(StandIn.prefixLength), byteCount)))
  }
}
