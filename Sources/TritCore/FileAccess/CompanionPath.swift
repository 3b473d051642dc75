// Tritsmith: where files beside weights may stand.

/// Names of files in a model's folder: flat, but for one folder that transformers has.
package enum CompanionPath {
  /// Holds chat templates beside the default one.
  ///
  /// Source: transformers 5.23, `utils/hub.py`, `CHAT_TEMPLATE_DIR`; files in it end in `.jinja`.
  package static let templates = "additional_chat_templates"
  private static let templateEnding = ".jinja"

  /// True for a plain name, and for that of a template in the folder of templates; nothing leads out of the model's.
  package static func isValid(_ name: String) -> Bool { FileSystem.isPlainName(name) || isTemplate(name) }

  /// True for a name such as `additional_chat_templates/tool_use.jinja`.
  package static func isTemplate(_ name: String) -> Bool {
    let prefix = FileSystem.join(templates, "")
    guard name.utf8.starts(with: prefix.utf8) else { return false }
    let inner = String(Substring(name.utf8.dropFirst(prefix.utf8.count)))
    return FileSystem.isPlainName(inner) && inner.hasSuffix(templateEnding)
  }

  /// Names of whatever stands in a model's folder, in byte order; of the folder of templates, what is in it.
  ///
  /// Without such files the folder of templates is a name like any other.
  package static func names(in folder: String) throws(TensorIOError) -> [String] {
    var result: [String] = []
    for name in try FileSystem.names(in: folder) {
      let inner = name == templates ? try innerTemplates(FileSystem.join(folder, name)) : []
      result += inner.isEmpty ? [name] : inner
    }
    return result
  }

  /// True for the folder of templates, when nothing but templates is in it.
  static func holdsTemplatesOnly(_ folder: String) -> Bool {
    guard FileSystem.name(of: folder) == templates, let inner = try? innerTemplates(folder) else { return false }
    return !inner.isEmpty
  }

  /// Names with the folder's in front; none where anything else is in it, or it is no folder itself.
  private static func innerTemplates(_ folder: String) throws(TensorIOError) -> [String] {
    guard FileSystem.kindWithoutFollowing(folder) == .folder else { return [] }
    let names = try FileSystem.names(in: folder).map { FileSystem.join(templates, $0) }
    let isFlat = names.allSatisfy { name in
      isTemplate(name) && FileSystem.kind(of: FileSystem.join(FileSystem.parent(of: folder), name)) != .folder
    }
    guard isFlat else { return [] }
    return try FileSystem.unusableNames(in: folder).isEmpty ? names : []
  }
}
