// Tritsmith: the tokenizer's keys of a GGUF file, for another program.

import TritCore
import TritTokenizer

extension GGUFTokenizer {
  /// What is wrong with a name of the user's for an engine; nil for nothing.
  package static func warning(of name: String, in engine: GGUFEngine) -> String? {
    PreTokenizerName.named(name)?.meaning(in: engine) == nil ? unknownName(name, to: engine) : nil
  }

  static func unknownName(_ name: String, to engine: GGUFEngine) -> String {
    "pre-tokenizer '\(printable(name))' is not known to \(engine.rawValue) as read for this program: it refuses the file, "
      + "or does what this program cannot tell"
  }

  /// Names the pre-tokenizer as another engine does, where that refuses a file's name or cuts otherwise under it.
  ///
  /// Names that no engine knows stay: nothing can be told of them.
  ///
  /// - Returns: a note when something was changed.
  /// - Throws: when the other engine has no name for the rule.
  package static func rename(
    _ entries: inout [MetadataEntry], from source: GGUFEngine, to target: GGUFEngine, file: String
  ) throws(GGUFModelError) -> String? {
    func entry(_ key: String) -> MetadataValue? { entries.first { $0.key == key }?.value }
    guard source != target, entry("tokenizer.ggml.model")?.string == "gpt2", entry(preTokenizerKey) == nil,
      let name = entry("tokenizer.ggml.pre")?.string, let known = PreTokenizerName.named(name),
      let old = known.meaning(in: source) ?? known.usualMeaning
    else { return nil }
    let flag = "tokenizer.ggml.add_bos_token"
    let saysBegin = entry(flag)?.bool != nil
    func isSame(_ other: PreTokenizerMeaning?) -> Bool {
      guard let other else { return false }
      return other.rule === old.rule && other.ignoresMerges == old.ignoresMerges
        && (other.normalization == .usually) == (old.normalization == .usually)
    }
    let own = known.meaning(in: target)
    if isSame(own), saysBegin || own?.addsBOS == old.addsBOS { return nil }
    guard let other = isSame(own) ? known : PreTokenizerName.all.first(where: { isSame($0.meaning(in: target)) }) else {
      throw GGUFModelError(
        .unnamedPreTokenizer(found: "as under '\(name)' of \(source.rawValue)", engine: target.rawValue, elsewhere: []),
        file: file, field: "tokenizer.ggml.pre")
    }
    setName(other.name, in: &entries)
    if !saysBegin { entries.append(MetadataEntry(flag, .bool(old.addsBOS))) }
    return "pre-tokenizer '\(printable(name))' of \(source.rawValue) becomes '\(other.name)', under which "
      + "\(target.rawValue) does the same"
  }
}
