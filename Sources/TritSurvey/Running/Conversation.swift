// Tritsmith: conversations for a model.

import TritCore
import TritFormats
import TritModel
import TritTokenizer

extension ChatTemplate {
  /// The chat template that comes with a model, wherever its files keep it.
  package static func text(of source: any TensorSource) throws -> String? {
    // A GGUF file has a key, whether or not its tokenizer can be rebuilt.
    if let text = source.manifest.entry("tokenizer.chat_template")?.string { return text.isEmpty ? nil : text }
    let names = source.manifest.companions.map(\.name)
    if names.contains("chat_template.jinja") {
      return String(decoding: try source.companion(named: "chat_template.jinja"), as: UTF8.self)
    }
    guard names.contains("tokenizer_config.json"),
      let object = try? JSONValue.parse(try source.companion(named: "tokenizer_config.json"), dialect: .python).object
    else { return nil }
    if let text = object["chat_template"]?.string { return text.isEmpty ? nil : text }
    // Several templates by name: the default one is what programs take.
    return object["chat_template"]?.array?.compactMap(\.object)
      .first { $0["name"]?.string == "default" }?["template"]?.string
  }

  /// Templates beside the default one, by their names: keys of GGUF, a list in `tokenizer_config.json`, or files, which
  /// stand in for that list as transformers 5.23 reads them.
  package static func named(of source: any TensorSource) throws -> [ExactString: String] {
    var result: [ExactString: String] = [:]
    guard !(source is GGUFModelView) else {
      let prefix = GGUFTokenizerFiles.namedTemplate
      for entry in source.manifest.entries where entry.key.utf8.starts(with: prefix.utf8) {
        result[ExactString(String(Substring(entry.key.utf8.dropFirst(prefix.utf8.count))))] = entry.value.string
      }
      return result
    }
    let names = source.manifest.companions.map(\.name)
    for file in names where CompanionPath.isTemplate(file) {
      let name = FileSystem.name(of: file).utf8.dropLast(".jinja".utf8.count)
      result[ExactString(String(Substring(name)))] = String(
        decoding: try source.companion(named: file), as: UTF8.self)
    }
    guard result.isEmpty, !names.contains("chat_template.jinja"), names.contains("tokenizer_config.json"),
      let object = try? JSONValue.parse(try source.companion(named: "tokenizer_config.json"), dialect: .python).object
    else { return result }
    for item in object["chat_template"]?.array?.compactMap(\.object) ?? [] {
      guard let name = item["name"]?.string, name != "default", let text = item["template"]?.string, !text.isEmpty
      else { continue }
      result[ExactString(name)] = text
    }
    return result
  }

  /// The template of a model.
  /// - Throws: `ChatError` when there is none, or it is of another shape.
  package init(of source: any TensorSource) throws {
    let path = source.manifest.path
    guard let text = try ChatTemplate.text(of: source) else { throw ChatError(.noTemplate, file: path) }
    do {
      try self.init(text)
    } catch {
      throw error.placed(file: path)
    }
  }
}

/// A model's chat template, by what `run --chat` makes of it.
package enum ChatTemplateFinding: Sendable, Hashable {
  case shape(ChatTemplate.Shape)
  /// Why it is not used.
  case unknown(String)

  /// nil for a model without a template.
  package init?(of source: any TensorSource) throws {
    guard let text = try ChatTemplate.text(of: source) else { return nil }
    do {
      self = .shape(try ChatTemplate(text).shape)
    } catch {
      self = .unknown(error.summary)
    }
  }
}

extension Tokenizer {
  /// The ids of a conversation: the template says which tokens stand where, and no BOS is put in front beside it.
  ///
  /// - Parameters:
  ///   - ending: what stands behind the last message.
  ///   - file: where the messages are from, for errors.
  package func ids(
    of messages: [ChatMessage], _ template: ChatTemplate, _ ending: ChatEnding = .answer, file: String? = nil
  ) throws -> [Int] {
    try encode(try text(of: messages, template, ending, file: file), addSpecialTokens: false)
  }

  /// The text of a conversation.
  package func text(
    of messages: [ChatMessage], _ template: ChatTemplate, _ ending: ChatEnding = .answer, file: String? = nil
  ) throws(ChatError) -> String {
    func spelling(_ id: Int?) -> String { id.flatMap { token(forID: $0) } ?? "" }
    do {
      return try template.render(messages, ending: ending, bos: spelling(bosTokenID), eos: spelling(eosTokenID))
    } catch {
      throw error.placed(file: file)
    }
  }
}
