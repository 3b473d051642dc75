// Tritsmith: hostile tokenizers and configurations.

import TritConversion
import TritCore
import TritFormats
import TritKernels
import TritModel
import TritQuantizers
import TritSurvey
import TritTestSupport
import TritTokenizer

extension HostileLab {
  /// Texts that meet every class of characters, long words and repeated parts of words.
  private static let texts: [[UInt8]] = [
    Array("In the beginning  it's 1984,\r\n\tHELLO na\u{EF}ve \u{4F60}\u{597D} e\u{301} \u{1F600}<|bos|> x".utf8),
    Array(repeating: UInt8(ascii: "a"), count: 3000),
    Array((0..<1500).map { UInt8(ascii: $0 % 2 == 0 ? "a" : " ") }),
    Array(String(repeating: "ab\u{4E2D}1 \n'", count: 150).utf8),
  ]

  func probeTokenizer(_ bytes: [UInt8], _ log: inout HostileLog) {
    let files = TokenizerFiles(
      tokenizer: .init(name: "tokenizer.json", bytes: bytes),
      tokenizerConfiguration: .init(name: "tokenizer_config.json", bytes: Array(#"{"bos_token": "<|bos|>"}"#.utf8)))
    if let tokenizer = log.attempt("tokenizer", { try Tokenizer(files) }) {
      use(tokenizer, HostileLab.hash(bytes), &log)
    }
    // The same bytes as a part of the other files a tokenizer is made from.
    let other = TokenizerFiles(
      tokenizer: .init(name: "tokenizer.json", bytes: TinyModel.tokenizer),
      tokenizerConfiguration: .init(name: "tokenizer_config.json", bytes: bytes),
      specialTokensMap: .init(name: "special_tokens_map.json", bytes: bytes),
      generationConfiguration: .init(name: "generation_config.json", bytes: bytes),
      modelConfiguration: .init(name: "config.json", bytes: bytes))
    log.attempt("tokenizer settings") { try Tokenizer(other) }
    if let object = try? JSONValue.parse(bytes).object {
      let files = GGUFTokenizerFiles(tokenizer: object, settings: object, configuration: object, chatTemplate: nil)
      log.attempt("gguf tokenizer") { try GGUFTokenizer(files, vocabulary: 300, pre: nil, file: "tokenizer.json") }
    }
  }

  /// A model of SentencePiece, as it is opened in a folder and as it goes into a GGUF file.
  func probePieces(_ bytes: [UInt8], _ log: inout HostileLog) {
    func named(_ name: String, _ bytes: [UInt8]) -> TokenizerFiles.File { .init(name: name, bytes: bytes) }
    let isSetting = bytes.first == UInt8(ascii: "{")
    let seed = HostileLab.hash(bytes)
    let model = !isSetting ? bytes : takes(.allBytes, seed) ? pieces.all : pieces.few
    let settings = isSetting ? bytes : Array(#"{"add_bos_token": true, "bos_token": "<s>"}"#.utf8)
    let tokenizer = log.attempt("pieces") {
      try Tokenizer(
        TokenizerFiles(
          sentencePiece: named("tokenizer.model", model),
          tokenizerConfiguration: named("tokenizer_config.json", settings),
          specialTokensMap: isSetting ? named("special_tokens_map.json", bytes) : nil,
          addedTokens: isSetting ? named("added_tokens.json", bytes) : nil))
    }
    if let tokenizer { use(tokenizer, seed, &log) }
    guard takes(.gguf, seed) else { return }
    log.attempt("gguf pieces") {
      var files = GGUFTokenizerFiles(
        tokenizer: JSONObject(), settings: (try? JSONValue.parse(settings))?.object, configuration: nil,
        chatTemplate: nil)
      try files.read(sentencePiece: model, file: "tokenizer.model")
      return try GGUFTokenizer(files, vocabulary: 300, pre: nil, file: "tokenizer.model")
    }
  }

  func probeChat(_ bytes: [UInt8], _ log: inout HostileLog) {
    let isList = bytes.first == UInt8(ascii: "[")
    let talk = [
      ChatMessage(.system, "Be brief."), ChatMessage(.user, "a\u{301} <|im_end|>"), ChatMessage(.assistant, ""),
      ChatMessage(.user, " x "),
    ]
    guard let messages = isList ? log.attempt("messages", { try ChatMessage.list(bytes) }) : talk else { return }
    let template = isList ? nil : log.attempt("template") { try ChatTemplate(String(decoding: bytes, as: UTF8.self)) }
    for chat in isList ? templates : template.map({ [$0] }) ?? [] {
      for ending in [ChatEnding.answer, .answerWithoutThinking, .lastMessage] {
        log.attempt("render") { try chat.render(messages, ending: ending, bos: "<s>", eos: "</s>") }
      }
    }
  }

  /// Encodes and decodes; text that a tokenizer of bytes takes must come back when nothing normalizes it.
  func use(_ tokenizer: Tokenizer, _ seed: UInt64, _ log: inout HostileLog) {
    for text in HostileLab.texts.prefix(takes(.longTexts, seed) ? HostileLab.texts.count : 1) {
      guard let ids = log.attempt("encode", { try tokenizer.encode(utf8: text) }) else { continue }
      if let id = ids.first(where: { tokenizer.token(forID: $0) == nil }) { log.blame("id \(id) has no token") }
      _ = try? tokenizer.decode(ids)
    }
    _ = try? tokenizer.decode(Array(0..<min(tokenizer.endID, 64)))
    _ = tokenizer.bytes(forID: -1)
    _ = tokenizer.bytes(forID: Int.max)
  }

  func probeConfiguration(_ bytes: [UInt8], _ log: inout HostileLog) {
    for folder in modelFolders {
      Disk.write(bytes, folder + "/config.json")
      probeModel(folder, seed: HostileLab.hash(bytes), &log)
    }
    calibrate(modelFolders[0], &log)
    guard let object = try? JSONValue.parse(bytes).object else { return }
    log.attempt("configuration") {
      let description = try HuggingFaceDescription.read(object, file: "config.json")
      _ = try GGUFDescription.entries(description, name: "config.json")
      _ = description.differences(from: description)
    }
  }

  /// A conversion that runs the model over a text first.
  private func calibrate(_ model: String, _ log: inout HostileLog) {
    let text = folder + "/text"
    if !Disk.exists(text) { Disk.write(String(repeating: "abcdefgh", count: 40), text) }
    Disk.write(TinyModel.letters, model + "/tokenizer.json")
    Disk.write(#"{"bos_token": "<|bos|>"}"#, model + "/tokenizer_config.json")
    defer { for name in ["tokenizer.json", "tokenizer_config.json"] { Disk.remove(model + "/" + name) } }
    var request = ConversionRequest(input: model, output: folder + "/calibrated", target: .tritpack)
    request.quantizer = QuantizerID(rawValue: "gptq-row")
    request.calibration = CalibrationRequest(text: text, tokens: 256)
    request.replaces = true
    log.attempt("calibrate") { try ConvertWorkflow(request, work: work).run() }
    Disk.remove(folder + "/calibrated")
  }
}
