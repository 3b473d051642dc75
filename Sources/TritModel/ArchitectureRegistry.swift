// Tritsmith: every model family.

import TritCore
import VisibleText

/// Every model family this package knows; one line each.
package enum ArchitectureRegistry {
  /// Every family, in the order they are asked.
  package static let all: [any Architecture] = [
    Llama(),
    BitNet(),
    Bitnet1bitLLM(),
    Qwen3(),
    MiniCPM(),
    Qwen35(),
  ]

  /// The family of a class name, aliases included. Names are compared exactly: two families differ by one capital.
  package static func architecture(named name: String) -> (any Architecture)? {
    all.first { $0.className == name } ?? all.first { $0.aliases.contains(name) }
      ?? all.first { $0.compound?.className == name }
  }

  /// The family of a class name that was typed: in any case, where that leaves one family.
  package static func architecture(typed name: String) -> (any Architecture)? {
    if let exact = architecture(named: name) { return exact }
    let alike = all.filter { family in
      ([family.className] + family.aliases + [family.compound?.className].compactMap { $0 }).contains {
        $0.lowercased() == name.lowercased()
      }
    }
    return alike.count == 1 ? alike[0] : nil
  }

  /// The class name a configuration gives, known or not.
  package static func className(in configuration: JSONObject?) -> String? {
    configuration?["architectures"]?.array?.first?.string
  }

  /// The family a configuration names.
  ///
  /// - Throws: `ModelError` when `architectures` is missing, or names a class that is not known.
  package static func architecture(of configuration: JSONObject, file: String) throws(ModelError) -> any Architecture {
    guard let name = className(in: configuration) else {
      throw ModelError(.noArchitecture, file: file, field: "architectures")
    }
    guard let architecture = architecture(named: name) else {
      throw ModelError(.unknownArchitecture(name, nearest: nearest(to: name)), file: file, field: "architectures")
    }
    return architecture
  }

  /// The role of a tensor by the tables of all families, for a model whose class is not known.
  package static func role(of name: String) -> TensorRole {
    all.lazy.map { $0.role(of: name) }.first { $0 != .other } ?? .other
  }

  /// The known class name with the smallest edit distance, case ignored; empty where none is alike: BertModel is no
  /// misspelled BitNet.
  static func nearest(to name: String) -> String {
    // No class name is half as long, and the distance takes quadratic time.
    guard name.unicodeScalars.count <= 64 else { return "" }
    let distances = all.map { ($0.className, editDistance($0.className.lowercased(), name.lowercased())) }
    guard let (nearest, least) = distances.min(by: { $0.1 < $1.1 }), least <= nearest.count / 4 else { return "" }
    return nearest
  }
}
