// Tritsmith: settings of the Hub's own tools, which count here too.

import LibC
import TritCore

/// Variables that say where the cache is, whom to ask, and whether to.
///
/// Source: huggingface_hub 2.4, `constants.py` and `utils/_auth.py`.
package struct HubEnvironment: Sendable {
  private let values: [String: String]

  static let names = [
    "HOME", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_DISABLE_IMPLICIT_TOKEN",
  ]

  /// - Parameter values: variables by name; an empty one counts as missing.
  package init(_ values: [String: String]) { self.values = values.filter { !$0.value.isEmpty } }

  /// Of this process.
  package static var process: HubEnvironment {
    var values: [String: String] = [:]
    for name in names {
      guard let text = getenv(name) else { continue }
      values[name] = String(cString: text)
    }
    return HubEnvironment(values)
  }

  private func expanded(_ path: String) -> String {
    guard path == "~" || path.hasPrefix("~/") else { return path }
    return home + path.dropFirst()
  }

  private var home: String { values["HOME"] ?? "/" }

  /// Where tools of the Hub keep what they keep.
  private var hubHome: String {
    if let path = values["HF_HOME"] { return expanded(path) }
    let cache = values["XDG_CACHE_HOME"].map(expanded) ?? FileSystem.join(home, ".cache")
    return FileSystem.join(cache, "huggingface")
  }

  /// The folder of downloaded repositories.
  package var cache: String {
    (values["HF_HUB_CACHE"] ?? values["HUGGINGFACE_HUB_CACHE"]).map(expanded) ?? FileSystem.join(hubHome, "hub")
  }

  /// True when the network is not to be asked.
  package var isOffline: Bool {
    isSet("HF_HUB_OFFLINE") || values["HF_HUB_OFFLINE"] == nil && isSet("TRANSFORMERS_OFFLINE")
  }

  private func isSet(_ name: String) -> Bool {
    values[name].map { ["1", "ON", "YES", "TRUE"].contains($0.uppercased()) } ?? false
  }

  /// Whom to ask, without a slash at the end.
  var endpoint: String {
    var text = (values["HF_ENDPOINT"] ?? "https://huggingface.co")[...]
    while text.utf8.last == UInt8(ascii: "/") { text.removeLast() }
    return String(text)
  }

  /// What proves to the Hub who asks; nil when there is none. It goes nowhere but into a header of a request to the Hub.
  var token: String? {
    if let text = values["HF_TOKEN"] ?? values["HUGGING_FACE_HUB_TOKEN"] { return HubEnvironment.cleaned(text) }
    guard !isSet("HF_HUB_DISABLE_IMPLICIT_TOKEN") else { return nil }
    let path = values["HF_TOKEN_PATH"].map(expanded) ?? FileSystem.join(hubHome, "token")
    guard FileSystem.kind(of: path) == .file,
      let bytes = try? InputFile(path: path, mode: .buffered).contents(limit: 4096)
    else { return nil }
    return HubEnvironment.cleaned(String(decoding: bytes, as: UTF8.self))
  }

  /// Without white space around; nil for nothing, and for what would end a header's line or begin another.
  private static func cleaned(_ text: String) -> String? {
    let bytes = text.utf8.drop { $0 <= 0x20 }
    let count = bytes.reversed().drop { $0 <= 0x20 }.count
    let inner = bytes.prefix(count)
    return inner.isEmpty || inner.contains { $0 <= 0x20 || $0 >= 0x7F } ? nil : String(Substring(inner))
  }
}
