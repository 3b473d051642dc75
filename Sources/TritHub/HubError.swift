// Tritsmith: what can be wrong with a name of the Hub.

import TritCore

/// A model of the Hub that cannot be found or asked for.
package typealias HubError = Diagnostic<HubErrorKind>

package enum HubErrorKind: PlacedDiagnosticKind {
  /// Neither a path nor in the cache, and the network is not to be asked; what the cache has of it, if anything.
  case offline(HubName, cache: String, reason: OfflineReason, cached: String? = nil)
  /// A repository's folder in a cache without a main revision.
  case severalSnapshots([String])
  /// The first part of a name is a folder of this machine, and does not hold the rest.
  case notInFolder(NearestEntry, HubName)
  /// The network cannot be asked.
  case noLibrary(String)
  case badEndpoint(String)
  /// The Hub has the repository, and not this in it.
  case noFile(String, names: [String])
  /// A model to be kept that is on this machine.
  case notRemote
  /// An answer that is none.
  case badAnswer(String)

  /// Why the network was not asked.
  package enum OfflineReason: Sendable, Equatable {
    case option
    case variable
    /// Built without it.
    case build
  }

  package var summary: String {
    switch self {
    case .offline(let name, let cache, let reason, let cached):
      let why =
        switch reason {
        case .option: "the Hub is not to be asked"
        case .variable: "HF_HUB_OFFLINE is set, so the Hub is not asked"
        case .build: "this program was built without the network"
        }
      let place = cached ?? "there is no '\(name.cacheFolder)' in the cache \(printable(cache))"
      return "no file or folder has this name, \(place), and \(why)"
    case .severalSnapshots(let names):
      return names.isEmpty
        ? "this folder of a download cache holds no snapshot"
        : "this folder of a download cache holds \(names.count) snapshots, and none is its main revision"
    case .notInFolder(let entry, _):
      return "the folder '\(printable(entry.folder))' has no '\(printable(entry.missing))', and the Hub was not asked"
    case .noLibrary(let detail): return "the library that asks the network cannot be loaded: \(printable(detail))"
    case .badEndpoint(let text): return "HF_ENDPOINT is no address: '\(printable(text))'"
    case .noFile(let file, _): return "the repository has no '\(printable(file))'"
    case .notRemote: return "it is on this machine, so there is nothing to save"
    case .badAnswer(let detail): return "the Hub's answer is not understood: \(detail)"
    }
  }

  package func remedy(at location: ErrorLocation) -> String? {
    switch self {
    case .offline(let name, _, let reason, _):
      let other =
        switch reason {
        case .option: ", or ask the Hub: leave --offline out"
        case .variable: ", or ask the Hub: unset HF_HUB_OFFLINE"
        case .build: ""
        }
      return HubName.advice(on: location.file ?? "") + "fetch it first: \(name.quotedDownload)\(other)"
    case .severalSnapshots(let names):
      return names.isEmpty
        ? "download it again"
        : "name one: \(names.prefix(4).map { "snapshots/" + printable($0) }.joined(separator: ", "))"
    case .notInFolder(let entry, let name):
      let question = entry.suggestion.map { "did you mean '\(printable($0))'? Else " } ?? ""
      return question + HubName.listed(entry.names, in: entry.folder) + "ask the Hub with '\(printable("\(name)"))'"
    case .noLibrary: return "install it: sudo apt install libcurl4; or download the model with 'hf download' first"
    case .badEndpoint: return "give one such as https://huggingface.co, or unset it"
    case .noFile(_, let names):
      return names.isEmpty
        ? "check the name" : "name one of \(names.prefix(6).map { printable($0) }.joined(separator: ", "))"
    case .notRemote: return "leave out --save, or copy the files"
    case .badAnswer: return "check HF_ENDPOINT, and whether the Hub is in order; then run again"
    }
  }

  package func category(at _: ErrorLocation) -> ErrorCategory {
    switch self {
    case .offline, .severalSnapshots, .notInFolder, .noLibrary, .noFile: .cannotOpen
    case .badEndpoint, .notRemote: .misuse
    case .badAnswer: .inputOutput
    }
  }
}
