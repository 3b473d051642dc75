// Tritsmith: folders as the hub and transformers lay them out.

import Testing
import TritCore
import TritTestSupport

@Suite("Folders of models")
struct FolderTests {
  private static let revision = "0123456789abcdef0123456789abcdef01234567"

  /// A model as the hub's cache keeps it: `models--org--Tiny-1B/{blobs, snapshots/REVISION}`, files as links.
  private func cached(_ scratch: ScratchFolder, under inner: String = "") -> String {
    let cache = scratch["models--org--Tiny-1B"]
    let revision = cache + "/snapshots/" + FolderTests.revision
    var folders = [cache, cache + "/blobs", cache + "/snapshots", revision]
    let model = inner.isEmpty ? revision : revision + "/" + inner
    if !inner.isEmpty { folders.append(model) }
    for folder in folders { Disk.makeFolder(folder) }
    for name in Disk.names(Model.bitnet) where FileSystem.kind(of: Model.bitnet + "/" + name) == .file {
      Disk.write(Disk.bytes(Model.bitnet + "/" + name), cache + "/blobs/digest-of-" + name)
      Disk.link(model + "/" + name, to: (inner.isEmpty ? "" : "../") + "../../blobs/digest-of-" + name)
    }
    return model
  }

  @Test(
    "a model in a download cache, or in a folder of one, is read without --follow-links", arguments: ["", "packed"])
  func cache(_ inner: String) {
    let scratch = ScratchFolder()
    let model = cached(scratch, under: inner)
    Tool.expect(0, ["convert", model, scratch["out"], "--to", "dense", "--quiet"])
    Tool.expect(0, ["verify", Model.bitnet, scratch["out"], "--quiet"])
    // Out of the repository it is refused as before.
    Disk.remove(model + "/config.json")
    Disk.write(Disk.bytes(Model.bitnet + "/config.json"), scratch["config.json"])
    Disk.link(model + "/config.json", to: scratch["config.json"])
    let result = Tool.expect(65, ["inspect", model, "--quiet"])
    #expect(result.errors.contains("config.json"), "\(result.errors)")
    Tool.expect(0, ["inspect", model, "--quiet", "--follow-links"])
  }

  @Test("a GGUF file of a cached model has the repository's name, not the revision's")
  func names() throws {
    let scratch = ScratchFolder()
    func name(_ input: String) throws -> String? {
      Tool.expect(0, ["convert", input, scratch["a.gguf"], "--to", "gguf", "--force", "--quiet"])
      let report = try Tool.report(
        ["inspect", scratch["a.gguf"], "--metadata", "general.name"], schema: "tritsmith.metadata")
      return report["metadata"]?.array?.first?.object?["value"]?.string
    }
    let model = cached(scratch, under: "packed")
    #expect(try name(model) == "Tiny-1B")
    Disk.link(scratch["latest"], to: model)
    #expect(try name(scratch["latest"]) == "Tiny-1B")
    // One file, which is a link to a blob.
    #expect(try name(model + "/model.safetensors") == "Tiny-1B")
    Disk.remove(scratch["models--org--Tiny-1B"])
    #expect(try name(cached(scratch)) == "Tiny-1B")
    // Elsewhere the folder's name is the model's.
    #expect(try name(Model.bitnet) == "bitnet")
    let copy = scratch[FolderTests.revision]
    Disk.copyFolder(Model.bitnet, to: copy)
    #expect(try name(copy) == FolderTests.revision)
    var object = try #require(try JSONValue.parse(Disk.bytes(copy + "/config.json")).object)
    object["_name_or_path"] = "org/Tiny-2B"
    Disk.write(JSONValue.object(object).serialized(), copy + "/config.json")
    #expect(try name(copy) == "Tiny-2B")
  }

  @Test("chat templates beside the default one come along, and adapter settings do not")
  func templates() throws {
    let scratch = ScratchFolder()
    let model = scratch["model"]
    Disk.copyFolder(Model.bitnet, to: model)
    let template = "additional_chat_templates/tool_use.jinja"
    Disk.makeFolder(model + "/additional_chat_templates")
    Disk.write("{{ tools }}", model + "/" + template)
    Disk.write("{}", model + "/adapter_config.json")
    Disk.makeFolder(model + "/original")
    Disk.write("x", model + "/original/params.json")
    let certificate = scratch["c.json"]
    Tool.expect(
      0, ["convert", model, scratch["packed"], "--to", "hf-packed", "--quiet", "--certificate", certificate])
    Tool.expect(0, ["convert", model, scratch["a.tritpack"], "--to", "tritpack", "--quiet"])
    Tool.expect(0, ["convert", scratch["a.tritpack"], scratch["dense"], "--to", "dense", "--quiet"])
    for output in [scratch["packed"], scratch["dense"]] {
      #expect(Disk.text(output + "/" + template) == "{{ tools }}")
      #expect(!Disk.exists(output + "/adapter_config.json") && !Disk.exists(output + "/original"))
    }
    // Verified as a part, certified as a file, patched, and replaced with --force.
    Tool.expect(0, ["verify", model, scratch["packed"], "--parts", "companions", "--quiet"])
    Tool.expect(0, ["certify", model, scratch["packed"], "--check", certificate, "--quiet"])
    Tool.expect(0, ["diff", Model.bitnet, scratch["packed"], "-o", scratch["p.tritdiff"], "--quiet"])
    Tool.expect(0, ["apply", Model.bitnet, scratch["p.tritdiff"], "-o", scratch["applied"], "--quiet"])
    #expect(Disk.text(scratch["applied"] + "/" + template) == "{{ tools }}")
    Tool.expect(0, ["convert", Model.bitnet, scratch["packed"], "--to", "hf-packed", "--force", "--quiet"])
    #expect(!Disk.exists(scratch["packed"] + "/additional_chat_templates"))
    #expect(scratch.staged.isEmpty)
    Disk.write("{{ other }}", scratch["dense"] + "/" + template)
    let result = Tool.expect(1, ["verify", model, scratch["dense"], "--parts", "companions", "--quiet"])
    #expect(result.output.contains("chat_template.tool_use"))
    // GGUF has one template, and the tool says so.
    let gguf = Tool.expect(0, ["convert", model, scratch["a.gguf"], "--to", "gguf"])
    #expect(gguf.output.contains("additional_chat_templates") || gguf.errors.contains("additional_chat_templates"))
  }

  @Test("a folder of templates with anything else in it is somebody's work")
  func templatesWithOthers() {
    let scratch = ScratchFolder()
    let output = scratch["out"]
    Tool.expect(0, ["convert", Model.bitnet, output, "--to", "hf-packed", "--quiet"])
    Disk.makeFolder(output + "/additional_chat_templates")
    Disk.write("x", output + "/additional_chat_templates/notes.txt")
    Tool.expect(73, ["convert", Model.bitnet, output, "--to", "hf-packed", "--force", "--quiet"])
    #expect(Disk.exists(output + "/additional_chat_templates/notes.txt"))
  }

  @Test("templates come along whatever stands beside them, and through a link that may be followed")
  func templatesBesideOthers() throws {
    let scratch = ScratchFolder()
    let model = scratch["model"]
    Disk.copyFolder(Model.bitnet, to: model)
    let templates = model + "/additional_chat_templates"
    let template = "/additional_chat_templates/tool_use.jinja"
    Disk.makeFolder(templates)
    Disk.makeFolder(templates + "/inner.jinja")
    Disk.write("{{ tools }}", model + template)
    for name in ["README.md", ".DS_Store", "a.jinja.bak"] { Disk.write("x", templates + "/" + name) }
    let result = Tool.expect(0, ["convert", model, scratch["packed"], "--to", "hf-packed", "-v"])
    #expect((result.output + result.errors).contains("README.md"))
    #expect(Disk.text(scratch["packed"] + template) == "{{ tools }}")
    let made = try FileSystem.names(in: scratch["packed"] + "/additional_chat_templates")
    #expect(made == ["tool_use.jinja"])
    Tool.expect(0, ["verify", model, scratch["packed"], "--parts", "companions", "--quiet"])

    let linked = scratch["linked"]
    Disk.copyFolder(Model.bitnet, to: linked)
    Disk.link(linked + "/additional_chat_templates", to: templates)
    Tool.expect(65, ["convert", linked, scratch["out"], "--to", "hf-packed", "--quiet"])
    Tool.expect(0, ["convert", linked, scratch["out"], "--to", "hf-packed", "--quiet", "--follow-links"])
    #expect(Disk.text(scratch["out"] + template) == "{{ tools }}")
    #expect(Disk.text(model + template) == "{{ tools }}")
  }

  @Test("no output replaces a template that is read")
  func templateIsAnInput() {
    let scratch = ScratchFolder()
    let model = scratch["model"]
    Disk.copyFolder(Model.bitnet, to: model)
    Disk.makeFolder(model + "/additional_chat_templates")
    let template = model + "/additional_chat_templates/a.jinja"
    Disk.write("{{ a }}", template)
    Disk.link(scratch["link.html"], to: template)
    for place in [template, scratch["link.html"]] {
      Tool.expect(64, ["inspect", model, "--html", place, "--force", "--quiet"])
      #expect(Disk.text(template) == "{{ a }}")
    }
  }
}
