// Tritsmith: readers pointed at bytes that nobody vouches for.

import TritCore
import TritTestSupport

/// A reader to be attacked. libFuzzer drives the same code as the replay in `swift test`.
package enum HostileTarget: String, CaseIterable, Sendable {
  /// A safetensors file: header, tensors, conversion of what opens.
  case safetensors
  /// A safetensors file of weights packed for MLX, beside its configuration.
  case mlx
  /// `model.safetensors.index.json` beside two good shards.
  case shardIndex = "shard-index"
  /// A TritPack file, as given and with its digest put right.
  case tritpack
  case gguf
  /// A patch, as given and with its digest put right, applied to the model it may have been made for.
  case tritdiff
  /// `tokenizer.json`: loading, encoding, decoding.
  case tokenizer
  /// `tokenizer.model`, or (bytes that begin with a brace) the files beside a good one.
  case sentencepiece
  /// A chat template, or (bytes that begin with a bracket) a list of messages.
  case chat
  /// `config.json` beside good weights: roles, settings, a step of the forward pass.
  case config
  /// A LoRA adapter: `adapter_config.json` when the bytes begin with a brace, its weights else.
  case adapter
  /// A certificate, a plan of a conversion in parts or a receipt of one, as given and with its seal put right.
  case record
  /// An answer of the Hub: status, headers and a body, as it stands on the wire.
  case hub
  /// The bytes are a list of edits to a valid file; lengths and digests are put right afterwards.
  case structured

  /// Files of the corpus are in `Fixtures/Hostile/NAME`.
  package var folder: String { Fixtures.path("Hostile/" + rawValue) }
}

/// How a reader took what it was given.
package enum HostileVerdict: Sendable {
  /// Some reader took it.
  case accepted
  /// Every reader refused it, with the first reason.
  case refused(String)
  /// An error that is no answer: untyped, or one that blames the program.
  case broken(String)
}

/// Collects how the steps of a probe ended; the first bad ending counts.
struct HostileLog {
  private(set) var accepted = 0
  private(set) var refusal: String?
  private(set) var fault: String?
  /// Whether errors are put into words.
  var spellsErrors = true

  /// Runs a step; an error of the project is an answer, any other error and a fault of the program are not.
  @discardableResult
  mutating func attempt<Result>(_ step: String, _ body: () throws -> Result) -> Result? {
    do {
      let result = try body()
      accepted += 1
      return result
    } catch let error as any DiagnosticError {
      if error.category == .internalFault { blame("\(step): \(error)") }
      let text = spellsErrors ? error.description : "not put into words"
      if text.utf8.isEmpty { blame("\(step): an error of no words") }
      if refusal == nil { refusal = "\(step): \(text)" }
    } catch {
      blame("\(step): \(type(of: error)) is not a DiagnosticError: \(error)")
    }
    return nil
  }

  mutating func blame(_ text: String) {
    if fault == nil { fault = text }
  }

  var verdict: HostileVerdict {
    if let fault { return .broken(fault) }
    return accepted > 0 ? .accepted : .refused(refusal ?? "nothing was tried")
  }
}
