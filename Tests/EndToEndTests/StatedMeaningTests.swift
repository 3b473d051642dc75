// Tritsmith: options held against what files state, and the names of outputs.

import Testing
import TritCore
import TritTestSupport

@Suite("What files state, and what options say")
struct StatedMeaningTests {
  /// The packed model, whose scales are above 1 and divide.
  private static let packed = Model.bitnet

  /// The packed model, of which nothing states what its scales mean.
  private func unstated(_ folder: String) throws -> String {
    Disk.copyFolder(Self.packed, to: folder)
    var object = try #require(try JSONValue.parse(Disk.bytes(folder + "/config.json")).object)
    object["quantization_config"] = nil
    Disk.write(JSONValue.object(object).serialized(.pretty), folder + "/config.json")
    return folder
  }

  @Test("a meaning of scales that the files contradict is refused wherever it can be said")
  func refused() {
    let scratch = ScratchFolder()
    let calls = [
      ["convert", Self.packed, scratch["o.gguf"], "--scale-convention"],
      ["convert", Self.packed, scratch["o"], "--to", "hf-packed", "--scale-convention"],
      ["check", Self.packed, "--scale-convention"], ["inspect", Self.packed, "--scale-convention"],
      ["perplexity", Self.packed, "--scale-convention"],
      ["compare", Self.packed, Self.packed, "--second-scale"],
      ["verify", Self.packed, Self.packed, "--source-scale"],
      ["diff", Self.packed, Self.packed, "-o", scratch["o.tritdiff"], "--target-scale"],
    ]
    for call in calls {
      let errors = Tool.expect(64, call + ["multiply"]).errors
      let option = call.last ?? ""
      for part in [
        "config.json", "linear_class", "means divide", "all above 1", "multiply was asked for", "leave \(option) out",
      ] {
        #expect(errors.contains(part), "\(call): \(errors)")
      }
      // What they state may be said.
      if call[0] != "convert" { Tool.expect(0, call + ["divide"]) }
    }
    #expect(Disk.names(scratch.path) == ["o.tritdiff"])
  }

  @Test("one that the numbers alone speak against is warned of, and a folder is not written with it")
  func warned() throws {
    let scratch = ScratchFolder()
    let model = try unstated(scratch["model"])
    let (saying, dividing) = (["--scale-convention", "multiply"], ["--scale-convention", "divide"])
    let converted = Tool.expect(0, ["convert", model, scratch["o.tritpack"]] + saying)
    #expect((converted.output + converted.errors).contains("the option says multiply"), "\(converted.summary)")
    let checked = Tool.expect(1, ["check", model] + saying).output
    #expect(checked.contains("ternary.convention-unknown") && checked.contains("all above 1"), "\(checked)")
    #expect(Tool.expect(0, ["inspect", model] + saying).output.contains("meaning of stored scales is doubtful"))
    let errors = Tool.expect(64, ["convert", model, scratch["o"], "--to", "hf-packed"] + saying).errors
    #expect(errors.contains("all above 1") && errors.contains("--scale-convention"), "\(errors)")
    #expect(!errors.contains("report this") && !Disk.exists(scratch["o"]))
    // The right one is not warned of: what is missing is what this conversion writes.
    let right = Tool.expect(0, ["convert", model, scratch["right"], "--to", "hf-packed"] + dividing)
    #expect(!(right.output + right.errors).contains("warning"), "\(right.summary)")
    Tool.expect(0, ["compare", scratch["right"], Self.packed])
    // A file that a wrong option left behind is told from a fault of the program.
    Tool.expect(0, ["convert", model, scratch["o.gguf"], "-q"] + saying)
    let found = Tool.expect(0, ["check", scratch["o.gguf"]]).output
    #expect(found.contains("ternary.convention-unknown") && found.contains("inverse of a scale"), "\(found)")
    let inverted = Tool.expect(65, ["convert", scratch["o.gguf"], scratch["o"], "--to", "hf-packed"]).errors
    #expect(inverted.contains("inverse") && !inverted.contains("report this"), "\(inverted)")
    #expect(!Disk.exists(scratch["o"]))
  }

  @Test("the remedy for an unknown meaning names the option of the command, on the side that lacks it")
  func options() throws {
    let scratch = ScratchFolder()
    let model = try unstated(scratch["model"])
    let patch = scratch["p.tritdiff"]
    Tool.expect(0, ["diff", Self.packed, Self.packed, "-o", patch])
    let calls: [(call: [String], option: String)] = [
      (["compare", model, Self.packed], "--first-scale"), (["compare", Self.packed, model], "--second-scale"),
      (["verify", model, Self.packed], "--source-scale"), (["verify", Self.packed, model], "--converted-scale"),
      (["diff", model, Self.packed, "-o", scratch["d.tritdiff"]], "--base-scale"),
      (["diff", Self.packed, model, "-o", scratch["e.tritdiff"]], "--target-scale"),
      (["apply", model, patch, "-o", scratch["a"]], "--base-scale"),
      (["convert", model, scratch["c.gguf"]], "--scale-convention"),
      (["perplexity", model], "--scale-convention"),
    ]
    for (call, option) in calls {
      let errors = Tool.expect(65, call).errors
      #expect(errors.contains("say which it is: \(option) divide"), "\(call): \(errors)")
      // What the remedy names, typed.
      Tool.expect(0, call + [option, "divide"])
    }
    // A command without an option names one that has it, and what that writes is taken.
    let remedy = "tritsmith convert MODEL model.tritpack --scale-convention divide"
    let family = Tool.run(["family", Self.packed, model])
    #expect(family.exitCode != 0 && (family.errors + family.output).contains(remedy), "\(family.summary)")
    let file = scratch["model.tritpack"]
    Tool.expect(0, ["convert", model, file, "--scale-convention", "divide"])
    Tool.expect(0, ["family", Self.packed, file])
  }

  @Test("no command writes something else under the name of a model or a patch")
  func names() {
    let scratch = ScratchFolder()
    let adapter = Model.adapter(scratch["adapter"])
    for call in [
      ["merge", Model.falcon, adapter, scratch["o.gguf"]], ["merge", Model.falcon, adapter, scratch["o.TritPack"]],
      ["merge", Model.falcon, adapter, scratch["o.tritdiff"]],
      ["diff", Self.packed, Self.packed, "-o", scratch["o.gguf"]],
      ["diff", Self.packed, Self.packed, "-o", scratch["o.safetensors"]],
      ["logits", Self.packed, "--ids", "1", "-o", scratch["o.gguf"]],
      ["convert", Self.packed, scratch["o.tritdiff"], "--to", "gguf"],
      ["convert", Self.packed, scratch["o.onnx"], "--to", "dense"],
    ] {
      let errors = Tool.expect(64, call).errors
      #expect(errors.contains("is the name of something else; choose another name"), "\(call): \(errors)")
    }
    #expect(Disk.names(scratch.path) == ["adapter"])
    Tool.expect(0, ["merge", Model.falcon, adapter, scratch["o.safetensors"], "-q"])
    Tool.expect(0, ["compare", scratch["o.safetensors"], scratch["o.safetensors"]])
  }
}
