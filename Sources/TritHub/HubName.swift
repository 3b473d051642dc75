// Tritsmith: names of models on the Hugging Face Hub.

import TritCore
import VisibleText

/// `OWNER/NAME`, `OWNER/NAME@REVISION`, or `hf://OWNER/NAME[@REVISION][/FILE]`; an address of a browser stands for these.
///
/// Without `hf://` a file may be named too, by the endings of files that hold a model: `OWNER/NAME/model.gguf`.
package struct HubName: Sendable, Hashable, CustomStringConvertible {
  package var owner: String
  package var name: String
  /// A branch, a tag or a commit; nil means the main branch.
  package var revision: String?
  /// A file of the repository, slashes between the parts of its name; nil means all of it.
  package var file: String?

  /// What a revision is where none is given.
  package static let mainRevision = "main"
  /// Endings of files that are a model, or list one.
  private static let modelEndings = [".safetensors", ".safetensors.index.json", ".gguf", ".tritpack"]
  /// Endings that tell a path from a repository.
  private static let fileEndings =
    modelEndings + [
      ".tritdiff", ".json", ".jsonl", ".txt", ".bin", ".pt", ".pth", ".ckpt",
    ]

  init(owner: String, name: String, revision: String? = nil, file: String? = nil) {
    self.owner = owner
    self.name = name
    self.revision = revision
    self.file = file
  }

  /// Nil for a text that can only be a path.
  package init?(_ text: String) {
    let text = HubName.fromBrowser(text) ?? text
    let isAddress = text.utf8.starts(with: RemoteFolders.scheme.utf8)
    let rest = isAddress ? Substring(text.utf8.dropFirst(RemoteFolders.scheme.utf8.count)) : text[...]
    let parts = rest.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      .map { String(Substring($0)) }
    guard parts.count >= 2, HubName.isSegment(parts[0]) else { return nil }
    // A revision has no slash here: `refs%2Fpr%2F1`, as in addresses of the Hub.
    let named = parts[1].utf8.split(separator: UInt8(ascii: "@"), maxSplits: 1, omittingEmptySubsequences: false)
      .map { String(Substring($0)) }
    guard HubName.isSegment(named[0]) else { return nil }
    var revision: String?
    if named.count == 2 {
      let decoded = named[1].replacing(text: "%2F", with: "/")
      guard HubName.isRevision(decoded) else { return nil }
      revision = decoded
    }
    let inner = parts.dropFirst(2)
    let file = inner.isEmpty ? nil : inner.joined(separator: "/")
    if let file {
      guard HubName.isInnerPath(file) else { return nil }
      guard isAddress || HubName.modelEndings.contains(where: file.hasSuffix) else { return nil }
    } else if !isAddress, revision == nil, HubName.fileEndings.contains(where: named[0].hasSuffix) {
      // `models/falcon.gguf` that is not there is a path mistyped, no repository to ask the network for.
      return nil
    }
    self.init(owner: parts[0], name: named[0], revision: revision, file: file)
  }

  /// What an address of a page or file of the Hub names; nil for any other text.
  private static func fromBrowser(_ text: String) -> String? {
    let hosts = ["https://huggingface.co/", "http://huggingface.co/", "huggingface.co/", "https://hf.co/"]
    guard let host = hosts.first(where: { text.utf8.starts(with: $0.utf8) }) else { return nil }
    let path = text.utf8.dropFirst(host.utf8.count).prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
    var parts = path.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
    // Pages of other things have one word more in front.
    guard parts.count >= 2, !["datasets", "spaces", "collections", "docs", "papers"].contains(parts[0]) else {
      return nil
    }
    if parts.count >= 4, ["tree", "blob", "resolve", "raw"].contains(parts[2]) {
      parts.replaceSubrange(1...3, with: [parts[1] + "@" + parts[3]])
    }
    return RemoteFolders.scheme + parts.joined(separator: "/")
  }

  /// What to look at first where a name is nowhere: a folder of this machine that is called as its owner. Empty where
  /// there is none.
  static func advice(on given: String) -> String {
    let parent = FileSystem.parent(of: given)
    guard parent != ".", FileSystem.kind(of: parent) == .folder, let found = try? FileSystem.names(in: parent) else {
      return ""
    }
    return listed(found.filter { !$0.hasPrefix(".") }.sorted(), in: parent)
  }

  /// What a folder holds; empty where that is nothing.
  static func listed(_ names: [String], in folder: String) -> String {
    guard !names.isEmpty else { return "" }
    let shown = names.prefix(8).map { printable($0) }.joined(separator: ", ") + (names.count > 8 ? ", …" : "")
    return "the folder '\(printable(folder))' holds \(shown): name one; or "
  }

  /// The rules of the Hub for both parts: letters, digits, `-`, `_`, `.`; none of the signs first, last or doubled.
  static func isSegment(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard (1...96).contains(bytes.count), bytes.allSatisfy(isNameByte) else { return false }
    let outer = [UInt8(ascii: "-"), UInt8(ascii: ".")]
    return !outer.contains(bytes[0]) && !outer.contains(bytes[bytes.count - 1]) && !text.contains(text: "--")
      && !text.contains(text: "..")
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
      true
    default: false
    }
  }

  static func isRevision(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    let others = [UInt8(ascii: "/"), UInt8(ascii: "+")]
    return (1...255).contains(bytes.count) && bytes.allSatisfy { isNameByte($0) || others.contains($0) }
      && bytes.first != UInt8(ascii: "/") && bytes.first != UInt8(ascii: "-") && bytes.last != UInt8(ascii: "/")
      && !text.contains(text: "..") && !text.contains(text: "//")
  }

  /// True for a name that stays in its repository.
  static func isInnerPath(_ text: String) -> Bool {
    text.utf8.count <= 1024
      && text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        .allSatisfy { FileSystem.isPlainName(String(Substring($0))) }
      && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\\") }
  }

  /// True for the 40 digits of a commit.
  static func isCommit(_ text: String) -> Bool {
    text.utf8.count == 40
      && text.utf8.allSatisfy {
        UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0
      }
  }

  /// `OWNER/NAME`.
  package var repository: String { owner + "/" + name }

  /// The revision asked for.
  package var wantedRevision: String { revision ?? HubName.mainRevision }

  /// As it can be given again.
  package var description: String { address(revision: revision) }

  private func address(revision: String?) -> String {
    let escaped = revision.map { "@" + $0.split(separator: "/").joined(separator: "%2F") } ?? ""
    return RemoteFolders.scheme + repository + escaped + (file.map { "/" + $0 } ?? "")
  }

  /// The same at one commit, whatever happens to the branch.
  func at(commit: String) -> HubName { HubName(owner: owner, name: name, revision: commit, file: file) }

  /// The folder of this repository in a cache.
  var cacheFolder: String { "models--" + owner + "--" + name }

  /// The same in quotes, which keep a command on one line; a name in quotes of its own needs none.
  var quotedDownload: String {
    let command = downloadCommand
    return command.contains("'") ? command : "'\(command)'"
  }

  /// What fetches it, for messages.
  var downloadCommand: String {
    var command = "hf download " + repository
    if let file { command += " " + (file.utf8.allSatisfy(HubName.isPathByte) ? file : "'" + printable(file) + "'") }
    if let revision { command += " --revision " + revision }
    return command
  }

  private static func isPathByte(_ byte: UInt8) -> Bool { isNameByte(byte) || byte == UInt8(ascii: "/") }
}
