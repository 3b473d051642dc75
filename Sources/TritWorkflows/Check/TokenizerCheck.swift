// Tritsmith: a tokenizer held against the model.

import TritCore
import TritFormats
import TritModel
import TritTokenizer

/// Checks that every token has an embedding, and that files agree on BOS and EOS.
struct TokenizerCheck {
  let source: any TensorSource

  func run() throws -> [CheckFinding] {
    let manifest = source.manifest
    guard let file = manifest.tokenizerFile else {
      return [CheckFinding(.noTokenizer, "tokenizer.json", "there is none; the model takes token ids only")]
    }
    let tokenizer: Tokenizer
    do {
      tokenizer = try Tokenizer(of: source)
    } catch let error as any DiagnosticError where error.category == .malformedInput {
      return [CheckWorkflow.finding(.badTokenizer, error)]
    }
    var findings: [CheckFinding] = []
    let embedding = manifest.tensors.first { ArchitectureRegistry.role(of: $0.name) == .embedding }
    let stated = try? ModelDescription.read(source).vocabularySize
    if let rows = embedding?.shape.rows, tokenizer.endID > rows {
      findings.append(
        CheckFinding(.vocabulary, file, "ids go to \(tokenizer.endID - 1), there are \(rows) embeddings"))
    } else if let stated, tokenizer.endID > stated {
      findings.append(
        CheckFinding(.vocabulary, file, "ids go to \(tokenizer.endID - 1), vocab_size is \(stated)"))
    }
    findings += specialTokens("config.json", manifest.configuration, tokenizer, embedding?.shape.rows ?? stated)
    if manifest.companions.contains(where: { $0.name == "generation_config.json" }) {
      let object = try? JSONValue.parse(source.companion(named: "generation_config.json"), dialect: .python).object
      findings += specialTokens("generation_config.json", object, tokenizer, embedding?.shape.rows ?? stated)
    }
    return findings
  }

  private func specialTokens(
    _ file: String, _ object: JSONObject?, _ tokenizer: Tokenizer, _ vocabulary: Int?
  ) -> [CheckFinding] {
    var findings: [CheckFinding] = []
    for (key, own) in [("bos_token_id", tokenizer.bosTokenID), ("eos_token_id", tokenizer.eosTokenID)] {
      guard let value = object?[key], !value.isNull else { continue }
      let ids = (value.array ?? [value]).compactMap { $0.number?.integer }
      for id in ids where id < 0 || vocabulary.map({ id >= $0 }) == true {
        findings.append(
          CheckFinding(.specialToken, "\(file), \(key)", "\(id) is outside of \(vocabulary ?? 0) embeddings"))
      }
      if let own, !ids.isEmpty, !ids.contains(own) {
        findings.append(
          CheckFinding(
            .specialToken, "\(file), \(key)",
            "is \(ids.map(String.init).joined(separator: ", ")), the tokenizer's is \(own)", severity: .warning))
      }
    }
    return findings
  }
}
