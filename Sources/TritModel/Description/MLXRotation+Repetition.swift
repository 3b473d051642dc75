// Tritsmith: a second file that says how weights for MLX are rotated.

import TritCore
import TritFormats

extension MLXRotation {
  /// Published folders repeat in it what `config.json` says of rotation.
  package static let repetitionName = "hadamard.json"

  /// Refuses a folder whose two files say different things: whichever is taken, the weights may be another model's.
  ///
  /// - Parameters:
  ///   - configuration: what `config.json` says.
  ///   - rotation: the same, understood; nil where it does not speak of rotation.
  static func checkRepetition(
    in source: any TensorSource, of configuration: JSONObject, _ rotation: MLXRotation?
  ) throws {
    guard source.manifest.companions.contains(where: { $0.name == repetitionName }) else { return }
    let file = FileSystem.join(source.manifest.path, repetitionName)
    let other: JSONObject
    do {
      other = try ConfigurationText.object(try source.companion(named: repetitionName), path: file)
    } catch let error as FormatError {
      // Beside a model that is not rotated it may be any program's file.
      guard rotation != nil else { return }
      throw error
    }
    guard let rotation else { return try checkSilence(other, configuration, source.manifest.path) }
    for key in keys.sorted() where key != modulesKey {
      guard let theirs = other[key], theirs != configuration[key] else { continue }
      throw contradiction(key, "\(text(configuration[key])), as config.json says", text(theirs), file)
    }
    try checkModules(rotation, other, file)
  }

  /// A configuration without a word of rotation, beside a list of rotated modules.
  private static func checkSilence(_ other: JSONObject, _ configuration: JSONObject, _ folder: String)
    throws(ModelError)
  {
    guard let rotated = blocks(other)?.first(where: { $0.block > 0 }) else { return }
    throw contradiction(
      "model_type",
      "\"\(modelType)\", as \(repetitionName) says that '\(printable(rotated.path))' is rotated in blocks of "
        + "\(rotated.block)",
      text(configuration["model_type"]), FileSystem.join(folder, "config.json"))
  }

  private static func checkModules(_ rotation: MLXRotation, _ other: JSONObject, _ file: String) throws(ModelError) {
    guard other[modulesKey] != nil else { return }
    guard let blocks = blocks(other) else {
      throw contradiction(
        modulesKey, "a list of objects with 'path' and 'block', as in config.json", "something else", file)
    }
    let theirs = Dictionary(blocks.map { (ExactString($0.path), $0.block) }, uniquingKeysWith: { first, _ in first })
    for module in rotation.modules {
      let found = theirs[ExactString(module.path)]
      guard found != module.blockSize else { continue }
      throw contradiction(
        modulesKey, "block \(module.blockSize) for '\(printable(module.path))', as config.json says",
        found.map { "block \($0)" } ?? "no such module", file)
    }
    let ours = Set(rotation.modules.map { ExactString($0.path) })
    guard let surplus = blocks.first(where: { !ours.contains(ExactString($0.path)) }) else { return }
    throw contradiction(
      modulesKey, "the modules that config.json lists", "'\(printable(surplus.path))' as well", file)
  }

  /// Nil where the list is none of modules.
  private static func blocks(_ object: JSONObject) -> [(path: String, block: Int)]? {
    guard let list = object[modulesKey]?.array else { return nil }
    var blocks: [(path: String, block: Int)] = []
    blocks.reserveCapacity(list.count)
    for value in list {
      guard let module = value.object, let path = module["path"]?.string,
        let block = module["block"]?.number?.integer
      else { return nil }
      blocks.append((path, block))
    }
    return blocks
  }

  private static func text(_ value: JSONValue?) -> String {
    value.map { String(decoding: $0.serialized(), as: UTF8.self) } ?? "nothing"
  }

  private static func contradiction(
    _ key: String, _ expected: String, _ found: String, _ file: String
  ) -> ModelError {
    ModelError(.contradiction(expected: expected, found: found), file: file, field: key)
  }
}
