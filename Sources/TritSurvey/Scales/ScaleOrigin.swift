// Tritsmith: where scales come from whose numbers speak against their meaning.

import TritCore

/// Who gave scales the meaning that their numbers speak against.
package enum ScaleOrigin: Sendable, Hashable {
  /// The user, by --scale-convention.
  case option
  /// The file they are in.
  case file
  /// They were computed from weights.
  case weights

  var remedy: String {
    let holders = "--to tritpack or --to gguf writes them as they are"
    return switch self {
    case .option: "say the other meaning by --scale-convention; \(holders)"
    case .file:
      "they look like the inverse of scales, which a wrong --scale-convention leaves: convert the model they come from "
        + "again; --to tritpack or --to dense writes them as they are"
    case .weights: holders
    }
  }
}
