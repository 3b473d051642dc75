// Tritsmith: a screen is enough for every answer.

import Testing
import TritCore
import TritTestSupport

@Suite("Screens")
struct ScreenTests {
  private static let falcon = Fixtures.checkpoint("falcon-e-tiny")
  private static let bitnet = Fixtures.checkpoint("bitnet-b158-tiny")

  /// Default output of a success on a model of 32 layers.
  @Test("no answer is longer than a screen of 24 lines and 80 columns, whatever the model's depth")
  func fitsAScreen() throws {
    let scratch = ScratchFolder()
    let latent = ModelFolderBuilder.deep(layers: 32, scratch["latent"])
    let (packed, gguf) = (scratch["packed"], scratch["m.gguf"])
    let calls = [
      ["inspect", latent], ["convert", latent, packed, "--to", "hf-packed"], ["convert", latent, gguf, "--to", "q2_0"],
      ["convert", latent, scratch["none"], "--to", "hf-packed", "--dry-run"],
      ["inspect", packed], ["inspect", gguf], ["check", packed], ["check", gguf], ["verify", latent, packed],
      ["verify", latent, gguf], ["compare", packed, gguf], ["family", latent, packed, gguf],
      ["diff", packed, packed, "-o", scratch["d.tritdiff"]], ["inspect", scratch["d.tritdiff"]],
      ["apply", packed, scratch["d.tritdiff"], "-o", scratch["again"]],
      ["certify", latent, packed, "-o", scratch["c.json"]], ["certify", latent, packed, "--check", scratch["c.json"]],
      ["validate", gguf, "--against", packed], ["gap", latent, packed, "--tokens", "40", "--context", "32"],
      ["perplexity", packed, "--text", "In the beginning God created the heaven and the earth.", "--context", "16"],
      ["tokenize", packed, "--text", "In the beginning"], ["logits", packed, "--ids", "1 2", "-o", scratch["l"]],
      ["inspect", packed, "--stats"], ["tokenize", packed, "--text-file", packed + "/config.json"],
      ["gap", latent, packed, "--tokens", "40", "--context", "32", "--attribute"], ["-h"], ["help"],
    ]
    for call in calls {
      let lines = try Screen.show(80, call).lines
      #expect(!lines.isEmpty, "\(call)")
      #expect(lines.count <= 24, "\(call): \(lines.count) lines\n\(lines.joined(separator: "\n"))")
      // A command to paste is one line, however long.
      for line in lines where !line.hasPrefix("tritsmith ") { #expect(line.count <= 80, "\(call): \(line)") }
    }
  }

  @Test("a failure names the worst and counts the rest, within a screen")
  func failures() throws {
    let scratch = ScratchFolder()
    let latent = ModelFolderBuilder.deep(layers: 32, scratch["latent"])
    for call in [
      ["compare", latent, Model.falcon], ["compare", Model.falcon, Model.bitnet],
      ["compare", Model.plain, Model.falcon], ["compare", Model.bitnet, Self.bitnet + "/packed"],
      ["verify", Model.plain, Model.bitnet], ["family", Model.plain, Model.falcon, Model.bitnet],
      ["validate", Model.plain, "--against", Model.falcon],
    ] {
      let lines = try Screen.show(80, call, code: 1).lines
      #expect(lines.first?.hasPrefix("FAIL") == true, "\(call)")
      #expect(lines.count <= 24, "\(call): \(lines.count) lines\n\(lines.joined(separator: "\n"))")
      for line in lines { #expect(line.count <= 80 && !line.contains("* "), "\(call): \(line)") }
    }
  }

  @Test("a screen of what went wrong says what is to be done and hides nothing behind one remark")
  func wholeRemarks() throws {
    let (folder, scratch) = (Fixtures.checkpoint(""), ScratchFolder())
    func look(_ call: String...) throws -> String {
      let lines = try Screen.look(80, 24, in: folder, call)
      #expect(lines.count <= 24, "\(call): \(lines.count) lines")
      return lines.map { String($0.drop { $0 == " " }) }.joined(separator: " ")
    }
    let check = try look("check", "bitnet-b158-tiny/packed", "--sibling", "falcon-e-tiny/bitnet")
    for told in [
      "24 tensors are in one of the two alone", "nothing of layers 2 to 3 is in the first",
      "19 of 19 tensors do not hold the weights of", "have nothing in common",
    ] { #expect(check.contains(told), "\(check)") }
    let (latent, made) = (Model.falcon, scratch["made.tritpack"])
    Tool.expect(0, ["convert", latent, made, "--to", "tritpack", "--quantize", "*embed*"])
    let verify = try look("verify", latent, made)
    #expect(verify.contains("made ternary of ordinary numbers; if that was meant: --quantize"), "\(verify)")
  }

  @Test("a conversion says one line, its table with -v, and nothing with -q")
  func conversion() throws {
    let scratch = ScratchFolder()
    let call = ["convert", Model.falcon, "out", "--to", "hf-packed", "--force"].map {
      $0 == "out" ? scratch["out"] : $0
    }
    let lines = try Screen.show(200, call).lines
    #expect(lines.count == 1 && lines[0].hasPrefix("✓ \(scratch["out"])  3.0 MB  28 ternary + 11 dense  audited  "))
    #expect(try Screen.show(80, call + ["-q"]).lines == [])
    let long = try Screen.show(80, call + ["-v"]).lines
    #expect(long.contains { $0.hasPrefix("Loads in") } && long.contains { $0.hasPrefix("transformers ") })
    // What was asked for as data is printed.
    #expect(Tool.expect(0, call + ["-q", "--format", "json"]).output.contains("tritsmith.convert"))
    let rounded = try Screen.show(200, ["convert", Model.falcon, scratch["m.gguf"]]).lines
    #expect(rounded.count == 1 && rounded[0].contains("  audited, 28 scales ±282.2 ppm  "))
    // With all its words it takes 82 columns, times of six letters counted.
    let short = try Screen.show(80, ["convert", Model.falcon, scratch["model.gguf"]]).lines
    let beginning = "✓ model.gguf  3.0 MB  28 ternary + 11 dense  audited, "
    #expect(short.count == 1 && short[0].hasPrefix(beginning), "\(short)")
    let narrow = try Screen.show(72, ["convert", Model.falcon, scratch["narrow.gguf"]]).lines
    #expect(narrow.count == 1 && narrow[0].contains("  audited, rounded  "), "\(narrow)")
    let named = try Screen.show(72, ["convert", Model.falcon, scratch["a-name-that-takes-half-a-line.gguf"]]).lines
    #expect(named.count == 1 && named[0].hasPrefix("✓ a-name-t"), "\(named)")
    for text in ["line.gguf  3.0 MB  ", "  28 + 11 tensors  audited, rounded  "] {
      #expect(named[0].contains(text), "\(named)")
    }
    let planned = try Screen.show(80, call + ["--plan", scratch["plan.json"]]).lines
    #expect(planned.first?.hasPrefix("Nothing is converted yet: ") == true, "\(planned)")
  }

  @Test(
    "-q prints nothing on success, but a failure and what was asked for",
    arguments: [
      (["check", Model.bitnet], 0), (["compare", Model.bitnet, Model.bitnet], 0),
      (["verify", Model.falcon, Model.bitnet], 0),
      (["compare", Model.bitnet, Model.falcon], 1),
    ] as [([String], Int32)])
  func quiet(_ call: [String], _ code: Int32) {
    let result = Tool.expect(code, call + ["-q"])
    #expect(result.output.isEmpty == (code == 0) && result.errors.isEmpty)
  }

  @Test("a sentence that has room on the screen is not cut")
  func wholeSentence() throws {
    let other = Fixtures.checkpoint("bitnet-b158-tiny/packed")
    let lines = try Screen.look(80, 24, in: "/", ["verify", Model.falcon, other])
    #expect(lines.count <= 24 && !lines.contains { $0.hasSuffix("…") }, "\(lines)")
    // The end of a line that is one line too long.
    #expect(lines.contains { $0.hasSuffix("found 0") }, "\(lines)")
  }

  @Test("--verbose is told what does it here")
  func verbose() {
    #expect(Tool.expect(64, ["inspect", Model.bitnet, "--verbose"]).errors.contains("did you mean '--all'?"))
  }

  @Test("a quiet inspect prints data that was asked for alone, and --tensors lists them all")
  func quietInspect() throws {
    let scratch = ScratchFolder()
    let call = ["inspect", Model.bitnet]
    #expect(Tool.expect(0, call + ["-q"]).output.isEmpty)
    for options in [["--format", "csv"], ["--tensor", "model.norm.weight"], ["--tensors"]] {
      #expect(!Tool.expect(0, call + ["-q"] + options).output.isEmpty, "\(options)")
    }
    // 28 projections, two norms in each of four layers, the last norm, embeddings and head.
    let list = try Screen.show(80, call + ["--tensors"]).lines
    #expect(list.count { $0.contains("norm") } == 9 && list.count { $0.contains("_proj") } == 28, "\(list)")
    #expect(!list.contains { $0.hasPrefix("Next") || $0.hasPrefix("--all") })
    #expect(list.first?.hasPrefix("A packed ternary model") == true, "\(list)")
    let quiet = try Screen.show(80, call + ["--tensors", "-q"]).lines
    #expect(quiet.first { !$0.isEmpty } == "Tensors", "\(quiet)")
    let patch = scratch["p.tritdiff"]
    Tool.expect(0, ["diff", Model.bitnet, Model.bitnet, "-o", patch, "-q"])
    let first = try #require(try Screen.show(200, ["inspect", patch]).lines.first)
    #expect(first.hasPrefix("A patch of ") && first.contains(" that makes a model of 3.0 MB: "), "\(first)")
    #expect(first.hasSuffix(": 0 of 3,145,728 trits change, and no scale"), "\(first)")
    #expect(Tool.expect(0, ["inspect", patch, "-q"]).output.isEmpty)
    // Without trits on both sides nothing is said of scales either.
    let dense = scratch["dense.tritdiff"]
    Tool.expect(0, ["diff", Model.plain, Model.plain, "-o", dense, "-q"])
    let none = try #require(try Screen.show(200, ["inspect", dense]).lines.first)
    #expect(none.hasSuffix(": no tensor holds trits on both sides"), "\(none)")
  }

  @Test("tensors that were asked for are listed, those of many layers together, with how many there are")
  func chosenTensors() throws {
    let scratch = ScratchFolder()
    let latent = ModelFolderBuilder.deep(layers: 32, scratch["latent"])
    for options in [[], ["--stats"]] {
      let lines = try Screen.show(80, ["inspect", latent, "--tensor", "*q_proj*"] + options).lines
      #expect(lines.contains { $0.hasPrefix("model.layers.0–31.self_attn.q_proj.weight ") }, "\(lines)")
      // Nine tensors a layer, embeddings, a norm and the head.
      #expect(lines.contains { $0.hasPrefix("Tensors  291  (32 of them shown)") }, "\(lines)")
      #expect(!lines.contains { $0.contains("rows of Tensors") }, "\(lines)")
    }
    let few = try Screen.show(80, ["inspect", latent, "--tensor", "model.layers.1?.self_attn.q_proj.weight"]).lines
    let rows = few.filter { $0.contains("[64, 64]") }
    #expect(rows.count == 10 && (10..<20).allSatisfy { layer in rows.contains { $0.contains("\(layer)") } }, "\(few)")
  }

  @Test("-q leaves the number of a perplexity, and of a plan and a page nothing")
  func quietData() throws {
    let scratch = ScratchFolder()
    let text = ["perplexity", Model.bitnet, "--text", "In the beginning God created the heaven and the earth."]
    let report = try Tool.report(text, schema: "tritsmith.perplexity")
    let expected = report["perplexity"]?.object?["perplexity"]?.number?.double
    let number = Tool.expect(0, text + ["-q"])
    #expect(expected != nil && Double(number.output.dropLast()) == expected && number.errors.isEmpty)
    for call in [
      ["convert", Model.bitnet, scratch["m.gguf"], "--dry-run"], ["inspect", Model.bitnet, "--html", scratch["page"]],
    ] {
      let result = Tool.expect(0, call + ["-q"])
      #expect(result.output.isEmpty && result.errors.isEmpty, "\(result.summary)")
    }
  }

  @Test("a quiet tokenize prints ids, or text, and nothing else")
  func quietTokenize() throws {
    let text = "And Ruth said, Intreat me not to leave thee: 1 2 3"
    let report = try Tool.report(["tokenize", Model.bitnet, "--text", text], schema: "tritsmith.tokenize")
    let ids = report["tokenization"]?.object?["ids"]?.array?.compactMap { $0.number?.integer.map(String.init) } ?? []
    let quiet = Tool.expect(0, ["tokenize", Model.bitnet, "--text", text, "-q"])
    #expect(!ids.isEmpty && quiet.output == ids.joined(separator: " ") + "\n" && quiet.errors.isEmpty)
    let back = Tool.expect(0, ["tokenize", Model.bitnet, "--ids", quiet.output, "--no-special", "-q"])
    #expect(back.output == text + "\n")
  }

  /// As the program lists them: a word behind two spaces, and what it does.
  private static var commands: [String] {
    Tool.expect(0, ["-h"]).output.split(separator: "\n").compactMap { line in
      line.firstMatch(of: /^(?:[A-Z][a-z]+|    ) +([a-z]+) +[A-Z]/).map { String($0.1) }
    }
  }

  @Test("short help of every command is a screen, names what long help has, and long help has examples")
  func shortHelp() throws {
    let commands = Self.commands
    #expect(commands.count == 18 && commands.contains("completions"), "\(commands)")
    for command in commands where command != "help" {
      for columns in [80, 100, 200] {
        let lines = try Screen.show(columns, [command, "-h"]).lines
        #expect(lines.count <= 24, "\(command): \(lines.count) lines at \(columns) columns")
        for line in lines { #expect(line.count <= columns, "\(command): \(line)") }
        #expect(lines.contains { $0.hasPrefix("usage: tritsmith \(command) ") })
        #expect(lines.last?.hasPrefix("'tritsmith \(command) --help' shows ") == true, "\(lines.last ?? "")")
      }
      let (short, long) = (Tool.expect(0, [command, "-h"]).output, Tool.expect(0, [command, "--help"]).output)
      #expect(long.contains("Examples:"), "\(command)")
      // An option starts in column 3 or 7; what stands in neither is a text about one.
      func options(_ text: String) -> Int { text.matches(of: /(?m)^ {2}(?:-[a-zA-Z], | {4})--/).count }
      let more = short.firstMatch(of: /shows ([0-9]+) more options?/).flatMap { Int($0.1) } ?? 0
      // Help itself is in long help alone, and no more to be found there.
      #expect(options(short) + more + 1 == options(long), "\(command)")
    }
  }

  @Test("help groups the commands")
  func groups() {
    let lines = Tool.expect(0, ["-h"]).output.split(separator: "\n")
    for (group, command) in [
      ("Look", "inspect"), ("Make", "convert"), ("Prove", "verify"), ("Run", "run"), ("Share", "diff"),
    ] {
      #expect(lines.contains { $0.split(separator: " ").prefix(2) == [group[...], command[...]] }, "\(group)")
    }
    let short = Tool.expect(0, ["convert", "-h"]).output
    let long = Tool.expect(0, ["convert", "--help"]).output
    #expect(!short.contains("Examples:") && long.contains("Examples:") && short.count < long.count / 2)
    #expect(long.contains("--to <format>") && long.contains("--output-scale <meaning>"))
    let options = Self.commands.filter { $0 != "help" }.map { Tool.expect(0, [$0, "--help"]).output }
    #expect(options.allSatisfy { $0.contains("  -h, --help") })
    for command in ["verify", "compare", "family"] {
      let help = Tool.expect(0, ["help", command]).output
      for part in ["Weights", "Description", "Tokenizer", "Companions", "PASS"] { #expect(help.contains(part)) }
    }
  }

  @Test("options and commands that errors of the library put in other words are the program's")
  func wordsOfErrors() {
    let help = ["convert", "run", "gap", "validate", "check", "certify", "inspect"].map {
      Tool.expect(0, [$0, "--help"]).output
    }
    func isOption(_ word: String) -> Bool {
      help.contains { $0.split { " ,=\n".contains($0) }.contains(word[...]) }
    }
    for option in LibraryWords.members.keys.sorted() + LibraryWords.calls.keys.sorted() {
      #expect(isOption(option), "\(option)")
    }
    for (option, command) in LibraryWords.programs {
      #expect(Tool.expect(0, [command, "--help"]).output.contains(option), "\(command) \(option)")
    }
    for command in LibraryWords.verbs.keys.sorted() { Tool.expect(0, ["help", command]) }
  }

  // MARK: - What people type

  @Test("the output's name and a layout say what to write")
  func targets() throws {
    let scratch = ScratchFolder()
    func target(_ output: String, _ options: [String]) throws -> (String?, String?) {
      let report = try Tool.report(
        ["convert", Model.bitnet, scratch[output], "--dry-run", "-q"] + options, schema: "tritsmith.plan")
      let rows = report["tensors"]?.array ?? []
      let ternary = rows.first { $0.object?["name"]?.string?.contains("q") == true }
      return (report["plan"]?.object?["target"]?.string, ternary?.object?["to"]?.string)
    }
    #expect(try target("m.gguf", []) == ("gguf", "TQ2_0"))
    #expect(try target("m.GGUF", ["--layout", "i2_s"]) == ("gguf", "I2_S-group128"))
    #expect(try target("m.tritpack", []) == ("tritpack", "base3"))
    #expect(try target("m", ["--to", "tq1_0"]) == ("gguf", "TQ1_0"))
    #expect(try target("m", ["--to", "GGUF"]) == ("gguf", "TQ2_0"))
    #expect(try target("m", ["--layout", "TQ1_0"]) == ("gguf", "TQ1_0"))
    let two = Tool.expect(64, ["convert", Model.bitnet, scratch["m"], "--to", "tq1_0", "--layout", "tq2_0"])
    #expect(two.errors.contains("two layouts"))
    for (output, options) in [
      ("m.gguf", ["--recipe", "convert_to_bf16"]), ("m.gguf", ["--to", "dense"]), ("m.gguf", ["--to", "tritpack"]),
      ("m.GGUF", ["--to", "mlx"]), ("m.tritpack", ["--to", "tq2_0"]), ("m.tritpack", ["--to", "trainable"]),
      ("m.safetensors", ["--to", "gguf"]), ("m.safetensors", ["--to", "tritpack"]),
    ] {
      let refused = Tool.expect(64, ["convert", Model.bitnet, scratch[output]] + options)
      #expect(refused.errors.contains("is the name of something else") && !Disk.exists(scratch[output]))
    }
    #expect(try target("m.safetensors", ["--to", "dense"]).0 == "dense")
    #expect(Tool.expect(64, ["convert", Model.bitnet, scratch["m"]]).errors.contains("hf-packed"))
  }

  @Test("a folder around one file, a configuration, and folders of several models")
  func places() throws {
    let scratch = ScratchFolder()
    Tool.expect(0, ["convert", Model.bitnet, scratch["a.gguf"], "-q"])
    for folder in ["one", "two", "beside", "pickle", "variants"] { Disk.makeFolder(scratch[folder]) }
    let gguf = Disk.bytes(scratch["a.gguf"])
    for place in ["one/m.gguf", "two/m.gguf", "two/n.gguf", "beside/m.gguf"] { Disk.write(gguf, scratch[place]) }
    #expect(Tool.expect(0, ["inspect", scratch["one"]]).output.contains("gguf"))
    Tool.expect(0, ["compare", scratch["one"], scratch["a.gguf"], "-q"])
    Tool.expect(0, ["convert", scratch["one"], scratch["back"], "--to", "hf-packed", "-q"])
    let several = Tool.expect(65, ["inspect", scratch["two"]]).errors
    #expect(several.contains("m.gguf, n.gguf") && several.contains("name one"))
    for name in Disk.names(Model.bitnet) {
      Disk.write(Disk.bytes(Model.bitnet + "/" + name), scratch["beside/" + name])
    }
    #expect(Tool.expect(65, ["inspect", scratch["beside"]]).errors.contains("model.safetensors, m.gguf"))
    Tool.expect(0, ["inspect", scratch["beside/model.safetensors"]])
    // The folder of a configuration is meant.
    #expect(
      Tool.expect(0, ["inspect", Model.bitnet + "/config.json", "--format", "json"]).output.contains("\"tensors\": 39"))
    Tool.expect(0, ["compare", Model.bitnet + "/config.json", Model.bitnet, "-q"])
    let variants = Tool.expect(65, ["inspect", Self.falcon]).errors
    #expect(variants.contains("bfloat16, bitnet, prequantized") && variants.contains("tritsmith family"))
    Disk.write("{}", scratch["pickle/config.json"])
    Disk.write([0x50, 0x4B, 3, 4, 0], scratch["pickle/pytorch_model.bin"])
    for path in ["pickle", "pickle/pytorch_model.bin"] {
      let pickle = Tool.expect(65, ["inspect", scratch[path]]).errors
      #expect(pickle.contains("pytorch_model.bin") && pickle.contains("save_pretrained"))
      // Pasted as a line, it is a program.
      let line = pickle.split(separator: "\n").first { $0.hasPrefix("python -c \"") }
      #expect(line?.hasSuffix("-safetensors')\"") == true, "\(pickle)")
    }
    let hub = Tool.expect(66, ["inspect", "nobody/no-such-model"]).errors
    #expect(hub.contains("hf download nobody/no-such-model") && !hub.contains("permission"))
    // A name that begins with a folder that is here is a path mistyped.
    Disk.makeFolder(scratch["variants/bitnet"])
    let near = ProcessRunner().run(
      "/bin/sh", ["-c", "cd '\(scratch.path)' && \(BuiltProducts.tritsmith) inspect variants/bitnt"])
    #expect(near.exitCode == 66 && near.errors.contains("did you mean 'variants/bitnet'?"), "\(near.summary)")
    #expect(near.errors.contains("the Hub was not asked") && near.errors.contains("hf://variants/bitnt"))
    let file = Tool.expect(66, ["inspect", Model.bitnet + "/model.safetensor"]).errors
    #expect(file.contains("did you mean '\(Model.bitnet)/model.safetensors'?"), "\(file)")
    // The end of a file's name tells a path mistyped from a repository.
    let mistyped = Tool.expect(66, ["inspect", "nobody/no-such-model.gguf"]).errors
    #expect(!mistyped.contains("hf download"))
  }

  @Test("a stream is no model, and where it can be a text it is read")
  func streams() {
    for call in [
      ["inspect", "-"], ["convert", Model.bitnet, "-", "--to", "gguf"],
      ["diff", Model.bitnet, Model.bitnet, "-o", "-"],
      ["validate", Model.bitnet, "--against", "-"], ["logits", Model.bitnet, "--ids", "1", "-o", "-"],
    ] {
      let result = Tool.expect(64, call)
      #expect(result.errors.contains("standard input or output"), "\(call)")
    }
    let scratch = ScratchFolder()
    Disk.write("In the beginning", scratch["t"])
    let result = ProcessRunner().run(
      "/bin/sh",
      [
        "-c", "\"$0\" tokenize \"$1\" --text-file - --format json <\"$2\"", BuiltProducts.tritsmith, Model.bitnet,
        scratch["t"],
      ])
    let named = Tool.run("tokenize", Model.bitnet, "--text-file", scratch["t"], "--format", "json")
    #expect(result.exitCode == 0 && result.output == named.output, "\(result.summary)")
  }

  @Test("--text is a text and --text-file a file, in every command; earlier spellings are read with a note")
  func texts() throws {
    let scratch = ScratchFolder()
    let text = "In the beginning God created the heaven and the earth."
    Disk.write(text, scratch["t"])
    for command in [
      ["perplexity", Model.bitnet, "--context", "16"], ["gap", Model.bitnet, Model.bitnet, "--context", "16"],
    ] {
      func score(_ options: [String]) throws -> (JSONValue?, String) {
        let result = Tool.expect(0, command + options + ["--format", "json"])
        let object = try JSONValue.parse(Array(result.output.utf8)).object
        let number = object?["perplexity"]?.object?["perplexity"] ?? object?["model"]?.object?["reference_perplexity"]
        return (number, result.errors)
      }
      let spoken = try score(["--text", text])
      let prompt = try score(["--prompt", text])
      let file = try score(["--text-file", scratch["t"]])
      let named = try score(["--text", scratch["t"]])
      #expect(spoken.0 != nil && spoken.1.isEmpty && file.1.isEmpty && named.1.contains("--text-file"))
      #expect(prompt.0 == spoken.0 && spoken.0 == file.0 && named.0 != spoken.0)
      Tool.expect(64, command + ["--text", text, "--text-file", scratch["t"]])
      Tool.expect(64, command + ["--text", text, "--prompt", text])
    }
    func ids(_ options: String...) throws -> JSONValue? {
      let result = Tool.expect(0, ["tokenize", Model.bitnet, "--format", "json"] + options)
      return try JSONValue.parse(Array(result.output.utf8)).object?["tokenization"]?.object?["ids"]
    }
    #expect(try ids("--text", scratch["t"]) != ids("--text-file", scratch["t"]))
    #expect(try ids("--prompt", text) == ids("--text-file", scratch["t"]))
    Tool.expect(0, ["logits", Model.bitnet, "-o", scratch["default"]])
    let old = Tool.expect(0, ["tokenize", Model.bitnet, "--file", scratch["t"]])
    #expect(old.errors.contains("--text-file"))
    for call in [
      ["logits", Model.bitnet, "-o", scratch["l"]], ["validate", Model.bitnet, "--against", Model.bitnet],
      ["run", Model.bitnet, "--max-tokens", "1"],
    ] {
      for options in [["--text-file", scratch["t"]], ["--text", text], ["--prompt", text]] {
        Tool.expect(0, call + options + (call[0] == "logits" ? ["--force"] : []))
      }
    }
  }

  @Test("mistakes that people make are named")
  func mistakes() {
    let scratch = ScratchFolder()
    let parts = Tool.expect(64, ["compare", Model.bitnet, Model.bitnet, "--parts", "weights,foo"]).errors
    #expect(parts.contains("weights, description, tokenizer, companions"))
    // What is known and not written is not taken for another type.
    for option in ["--to", "--layout"] {
      let known = Tool.expect(64, ["convert", Model.bitnet, scratch["m.gguf"], option, "q4_1"]).errors
      #expect(known.contains("Q4_1 is read, and trits are not written so") && !known.contains("did you mean"))
      let unread = Tool.expect(64, ["convert", Model.bitnet, scratch["m.gguf"], option, "q3_k"]).errors
      #expect(unread.contains("Q3_K is a type of GGUF that is not written"))
    }
    #expect(Tool.expect(64, ["completions", "fsh"]).errors.contains("did you mean 'fish'?"))
    Disk.write("", scratch["file"])
    for target in ["gguf", "hf-packed"] {
      let result = Tool.expect(73, ["convert", Model.bitnet, scratch["file/x"], "--to", target])
      #expect(result.errors.contains("is a file") && !result.errors.contains("mkdir"))
    }
    let swapped = Tool.expect(1, ["verify", Model.bitnet, Model.falcon]).output
    #expect(swapped.contains("the source goes first") && swapped.contains("verify \(Model.falcon) \(Model.bitnet)"))
  }
}
