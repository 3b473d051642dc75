// Tritsmith: what errors advise, in words of the library.

/// In whose words an error says what to do.
package enum ErrorWording: Sendable, Hashable {
  /// Options and subcommands: `--keep`, `'tritsmith check'`.
  case commandLine
  /// Members of requests, and calls: `keep`, `Model.check()`.
  case library
}

/// Options and subcommands as a program that imports the library knows them.
///
/// Remedies are written once, in words of the command line; a word of this table is replaced where it stands alone.
package enum LibraryWords {
  /// The member of a request, or the parameter of a call, that does what an option does. Tests hold both sides against the
  /// program and the public declarations.
  package static let members = [
    "--against-mode": "referenceOptions.mode", "--against-projections": "referenceOptions.projections",
    "--architecture": "architecture", "--chat": "conversation", "--follow-links": "OpenOptions.followsLinks",
    "--force": "replaces", "--gguf-pre": "gguf.preTokenizer", "--i2s-order": "OpenOptions.i2sOrder", "--keep": "keep",
    "--kernels": "RunOptions.kernels", "--layout": "gguf.weights", "--messages": "conversation",
    "--output-scale": "outputConvention",
    "--quantize": "quantize", "--quantizer": "quantizer", "--run": "scoresText",
    "--scale-convention": "OpenOptions.scaleConvention", "--unfold": "unfolds",
  ]

  /// The subcommand of options that only the program has: they are named as its own.
  package static let programs = [
    "--against-hidden": "validate", "--allow-nonfinite": "convert", "--allow-scale-loss": "convert",
    "--calibration": "convert", "--calibration-tokens": "convert", "--check": "certify", "--context": "perplexity",
    "--dense-type": "convert", "--embeddings": "convert", "--force-quantizer": "convert", "--gguf-type": "convert",
    "--misfits": "convert", "--no-think": "run", "--no-tokenizer": "convert", "--offline": "convert",
    "--plan": "convert", "--require-native": "convert", "--resume": "convert", "--save": "convert",
  ]

  /// What is a call or a type of its own in the library.
  package static let calls = [
    "--against": "against", "--certificate": "certificate", "--ids-file": "TokenInput.idsFile",
    "--metadata": "Model.metadata", "--tensors": "Model.tensors",
  ]

  /// What a subcommand is in the library; those it has no call for stay the program's.
  package static let verbs = [
    "apply": "tritsmith apply", "certify": "tritsmith certify", "check": "Model.check()",
    "compare": "Model.compare(with:)",
    "convert": "Model.convert(to:at:)", "diff": "tritsmith diff", "family": "tritsmith family",
    "help": "tritsmith help convert",
    "inspect": "Model.inspect()", "merge": "tritsmith merge", "tokenize": "Model.tokenizer()",
    "verify": "Model.verify(against:)",
  ]

  /// Targets whose case is not called as the command line calls them.
  private static let targets = ["hf-packed": "hfPacked"]

  /// What is true of a shell only.
  private static let shellOnly = ["; quote the pattern for the shell"]

  /// A remedy in words of the library; what is no word of this program, such as `hf download --revision`, stays.
  package static func spoken(_ remedy: String) -> String {
    var rest = remedy
    for phrase in shellOnly where rest.hasSuffix(phrase) { rest.removeLast(phrase.count) }
    var words = rest.split(separator: " ", omittingEmptySubsequences: false).map { Word($0) }[...]
    var result: [String] = []
    while let word = words.popFirst() {
      if word.opening.hasSuffix("'"), word.core == "tritsmith" {
        result.append(word.opening.dropLast() + call(&words))
      } else if word.core == "--to", let target = words.popFirst() {
        result.append(word.opening + quoted("to: ." + (targets[target.core] ?? target.core)) + target.closing)
      } else if let name = members[word.core] ?? calls[word.core]
        ?? programs[word.core].map({ "tritsmith \($0) \(word.core)" })
      {
        result.append(word.opening + quoted(name) + word.closing)
      } else {
        result.append(word.text)
      }
    }
    return result.joined(separator: " ")
  }

  /// The rest of `'tritsmith VERB …'` up to its closing quote, as a call and what to set for it.
  private static func call(_ words: inout ArraySlice<Word>) -> String {
    var name: String?
    var settings = ""
    while let word = words.popFirst() {
      if name == nil { name = verbs[word.core] ?? word.core }
      if word.core == "--to", let target = words.first?.core {
        name = "Model.convert(to: .\(targets[target] ?? target), at:)"
      } else if let member = members[word.core] {
        let value = word.closing.first == "'" ? nil : words.first
        settings += " with " + quoted(member) + (value.map { " " + $0.core } ?? "")
      }
      guard word.closing.first != "'" else { return quoted(name ?? "") + settings + word.closing.dropFirst() }
    }
    return quoted(name ?? "") + settings
  }

  private static func quoted(_ name: String) -> String { "`\(name)`" }

  /// A word of a remedy, between what is no part of it.
  private struct Word {
    let text: String
    let opening: String
    let core: String
    let closing: String

    init(_ text: Substring) {
      let opening = text.prefix { "('".contains($0) }
      let closing = text.dropFirst(opening.count).reversed().prefix { ",;.:)'".contains($0) }
      self.text = String(text)
      self.opening = String(opening)
      self.closing = String(closing.reversed())
      core = String(text.dropFirst(opening.count).dropLast(closing.count))
    }
  }
}
