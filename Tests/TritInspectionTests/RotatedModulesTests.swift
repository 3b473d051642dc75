// Tritsmith tests: folders for MLX with rotated weights, looked at.

import Testing
import TritCore
import TritFormats
import TritModel
import TritReport
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Rotated weights for MLX")
struct RotatedModulesTests {
  private static func json(_ path: String) throws -> JSONObject {
    try #require(try JSONValue.parse(Disk.bytes(path)).object)
  }

  private static func write(_ object: JSONObject, _ path: String) {
    Disk.write(JSONValue.object(object).serialized(), path)
  }

  @Test("inspect names the blocks, and no program that does not know them")
  func inspected() throws {
    let scratch = ScratchFolder()
    let result = try Workflow.inspect(TernaryHybrid.wide.writeForMLX(scratch["mlx"]))
    #expect(result.overview.facts.first { $0.key == "loaded_by" }?.value == "tritsmith")
    #expect(result.manifest.notes.contains { $0.contains("15 modules are rotated in blocks of 512, and stay so") })
    let report = try JSONValue.parse(Array(JSONRenderer().text(of: result.report).utf8)).object
    let rotation = report?["rotation"]?.object
    #expect(rotation?["block_size"]?.number?.integer == 512 && rotation?["rotated"]?.number?.integer == 15)
    #expect(result.report.verdict?.headline.contains("whose weights are rotated") == true)
    // What to do next is the last of what is shown first.
    let text = TextRenderer(width: 120, showsDetails: false).text(of: result.report).split(separator: "\n").map(
      String.init)
    let (size, next) = (text.firstIndex { $0.hasPrefix("Block size") }, text.firstIndex { $0.hasPrefix("Next") })
    #expect(size != nil && next != nil && size ?? 0 < next ?? 0, "\(text)")
    // The ordinary model for MLX is loaded.
    try Workflow.convert(TernaryHybrid.wide.write(scratch["source"]), scratch["ordinary"], to: .mlx)
    let ordinary = try Workflow.inspect(scratch["ordinary"])
    #expect(ordinary.overview.facts.contains { $0.key == "loaded_by" })
  }

  @Test("a hadamard.json that says otherwise than config.json is refused, and one that says the same is not")
  func repetition() throws {
    let scratch = ScratchFolder()
    let path = try TernaryHybrid.wide.writeForMLX(scratch["mlx"])
    let (own, file) = (try Self.json(path + "/config.json"), path + "/hadamard.json")
    Self.write(own, file)
    #expect(throws: Never.self) { try ModelOpener.open(path) }
    var blocks = own
    var modules = try #require(own["modules"]?.array)
    var module = try #require(modules[4].object)
    module["block"] = 1024
    modules[4] = .object(module)
    blocks["modules"] = .array(modules)
    var fewer = own
    fewer["modules"] = .array(Array(try #require(own["modules"]?.array).dropLast()))
    var version = own
    version["schema_version"] = 1
    for (lie, key) in [(blocks, "modules"), (fewer, "modules"), (version, "schema_version")] {
      Self.write(lie, file)
      let error = #expect(throws: ModelError.self) { _ = try ModelOpener.open(path) }
      #expect(error?.location.file == file && error?.location.field == key, "\(error?.description ?? "")")
      #expect(error?.summary.contains("config.json") == true)
      #expect(try !Workflow.check(path).passed)
      #expect(try Workflow.inspect(path).manifest.notes.contains { $0.contains("as config.json says") })
    }
  }

  @Test("rotated modules that hadamard.json alone lists are refused: config.json has lost its words")
  func silence() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(TernaryHybrid.wide.write(scratch["source"]), scratch["mlx"], to: .mlx)
    let rotated = try Self.json(TernaryHybrid.wide.writeForMLX(scratch["rotated"]) + "/config.json")
    let file = scratch["mlx"] + "/hadamard.json"
    Self.write(["modules": try #require(rotated["modules"])], file)
    let error = #expect(throws: ModelError.self) { _ = try ModelOpener.open(scratch["mlx"]) }
    #expect(error?.location.file == scratch["mlx"] + "/config.json" && error?.location.field == "model_type")
    #expect(error?.summary.contains("hadamard.json") == true)
    // Another program's file of that name says nothing.
    for text in ["{\"seed\": 7}", "[]", "no JSON"] {
      Disk.write(text, file)
      #expect(throws: Never.self) { try ModelOpener.open(scratch["mlx"]) }
    }
  }

  @Test("signs of another shape are refused with both shapes, and inspect says so too")
  func signs() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(try TernaryHybrid.wide.writeForMLX(scratch["mlx"]))
    let name = "language_model.model.layers.0.mlp.up_proj.signs"
    model.file[name].shape = [256]
    model.file[name].bytes.removeLast(4 * 256)
    let path = model.write(scratch["short"])
    let error = #expect(throws: ModelError.self) { _ = try ModelOpener.open(path) }
    #expect(error?.location.tensor == name)
    #expect(error?.summary.contains("shape [512]") == true && error?.summary.contains("shape [256]") == true)
    #expect(try Workflow.inspect(path).manifest.notes.contains { $0.contains("shape [256]") })
  }

  @Test("a list of modules of which none is rotated, and that is wrong, is not said to rotate 0 modules")
  func none() throws {
    let scratch = ScratchFolder()
    let path = try TernaryHybrid.wide.writeForMLX(scratch["mlx"])
    var whole = try Self.json(path + "/config.json")
    whole["modules"] = .array(
      try #require(whole["modules"]?.array).map { value in
        guard var module = value.object else { return value }
        module["block"] = 0
        return .object(module)
      })
    Self.write(whole, path + "/config.json")
    let notes = try Workflow.inspect(path).manifest.notes
    #expect(!notes.contains { $0.contains("0 modules") })
    #expect(notes.contains { $0.contains("whose signs are there") })
  }
}
