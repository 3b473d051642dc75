// Tritsmith: a model that is not what it says, or not one we know.

import TritCore

/// A configuration or its tensors do not describe a model this package can handle.
public struct ModelError: DiagnosticError, Equatable {
  public enum Kind: Sendable, Equatable {
    case noArchitecture
    case unknownArchitecture(String, nearest: String)
  }

  public var kind: Kind
  public var location: ErrorLocation

  public init(_ kind: Kind, location: ErrorLocation = ErrorLocation()) {
    self.kind = kind
    self.location = location
  }

  public var summary: String {
    switch kind {
    case .noArchitecture: "the configuration names no model class"
    case .unknownArchitecture(let name, let nearest):
      "model class '\(printable(name))' is not known; the nearest known one is '\(nearest)'"
    }
  }

  public var remedy: String? {
    switch kind {
    case .noArchitecture: "add \"architectures\": [\"LlamaForCausalLM\"], or name the tensors with --quantize"
    case .unknownArchitecture: "if the tensors are named alike, choose the class with --architecture"
    }
  }

  public var category: ErrorCategory { .malformedInput }
}
