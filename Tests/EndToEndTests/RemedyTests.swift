// Tritsmith: what remedies say, typed.

import Testing
import TritCore
import TritTestSupport

@Suite("Remedies that can be followed")
struct RemedyTests {
  @Test("without sizes GGUF asks for the configuration, and not for names of tensors")
  func configuration() {
    let scratch = ScratchFolder()
    Disk.copyFolder(Model.bitnet, to: scratch["model"])
    Disk.remove(scratch["model/config.json"])
    let call = ["convert", scratch["model"], scratch["o.gguf"], "--scale-convention", "divide"]
    for more in [[], ["--quantize", "*proj*"], ["--architecture", "LlamaForCausalLM"]] {
      let errors = Tool.expect(65, call + more).errors
      #expect(errors.contains("put the config.json of the model") && !errors.contains("--quantize"), "\(errors)")
    }
  }

  @Test("a class that was typed is taken in any case, listed where it is unknown, and blamed where it does not fit")
  func architecture() {
    let scratch = ScratchFolder()
    let call = ["convert", Model.falcon, scratch["o.tritpack"], "--architecture"]
    for name in ["Foo", "bitnetforcausallm"] {
      // Two classes differ by one capital.
      let errors = Tool.expect(64, call + [name]).errors
      #expect(errors.contains("'\(name)' is not known; known are LlamaForCausalLM, BitNetForCausalLM"), "\(errors)")
    }
    let other = Tool.expect(64, call + ["Qwen3ForCausalLM"]).errors
    #expect(other.contains("not the tensors of Qwen3ForCausalLM") && !other.contains("incomplete"), "\(other)")
    Tool.expect(0, call + ["llamaforcausallm", "-q"])
  }

  @Test("a model of a class that is not run is called one, whatever its tokenizer is")
  func strangers() {
    let scratch = ScratchFolder()
    Disk.copyFolder(Model.bitnet, to: scratch["model"])
    let configuration = Disk.text(scratch["model"] + "/config.json")
    Disk.write(configuration.replacing("LlamaForCausalLM", with: "BertModel"), scratch["model"] + "/config.json")
    Disk.write(#"{"model": {"type": "WordPiece", "vocab": {}}}"#, scratch["model"] + "/tokenizer.json")
    for call in [["run", scratch["model"], "x"], ["perplexity", scratch["model"]]] {
      let errors = Tool.expect(65, call).errors
      #expect(errors.contains("model class 'BertModel' is not known"), "\(errors)")
      #expect(!errors.contains("validate, logits and gap"), "\(errors)")
    }
  }

  @Test("one shard of several is called one, and its folder named")
  func shard() {
    let scratch = ScratchFolder()
    Disk.copyFolder(Fixtures.checkpoint("falcon-e-tiny/prequantized-sharded"), to: scratch["model"])
    let names = Disk.names(scratch["model"]).filter { $0.hasSuffix(".safetensors") }.sorted()
    let (first, count) = (scratch["model"] + "/" + (names.first ?? ""), names.count)
    let errors = Tool.expect(64, ["convert", first, scratch["o.gguf"]]).errors
    #expect(errors.contains("this is shard 1 of \(count) of a model, without the others"), "\(errors)")
    #expect(errors.contains("name the folder") && !errors.contains("incomplete"), "\(errors)")
    let checked = Tool.expect(1, ["check", first, "--format", "csv", "--all"]).output
    #expect(checked.contains("shard 1 of \(count)") && !checked.contains("not there"), "\(checked)")
    // The folder it names is taken.
    Tool.expect(0, ["check", scratch["model"]])
  }

  @Test("a vector is no matrix in any form of the model")
  func vectors() {
    let scratch = ScratchFolder()
    for name in ["o.gguf", "o.tritpack"] {
      let errors = Tool.expect(64, ["convert", Model.falcon, scratch[name], "--quantize", "*norm*"]).errors
      #expect(errors.contains("shape [256], and only matrices become ternary") && !errors.contains("BF16"), "\(errors)")
    }
  }

  @Test("a text is no damaged patch, and a base in the patch's place is named")
  func patches() {
    let scratch = ScratchFolder()
    Disk.write("# A page\n\nthat somebody named in the place of the patch, in words.\n", scratch["page.md"])
    let text = Tool.expect(65, ["apply", Model.bitnet, scratch["page.md"], "-o", scratch["o"]]).errors
    #expect(text.contains("expected a patch") && text.contains("found text") && !text.contains("damaged"), "\(text)")
    let patch = scratch["p.tritdiff"]
    Tool.expect(0, ["diff", Model.bitnet, Model.bitnet, "-o", patch])
    let swapped = Tool.expect(64, ["apply", patch, Model.bitnet, "-o", scratch["o"]]).errors
    #expect(swapped.contains("tritsmith apply BASE PATCH -o MODEL"), "\(swapped)")
  }

  @Test("what is missing of an adapter is named, and nothing that is there")
  func adapters() {
    let scratch = ScratchFolder()
    let adapter = Model.adapter(scratch["adapter"])
    func errors() -> String { Tool.expect(66, ["merge", Model.falcon, adapter, scratch["o"]]).errors }
    Disk.remove(adapter + "/adapter_model.safetensors")
    let weights = errors()
    #expect(weights.contains("no adapter_model.safetensors") && !weights.contains("adapter_config"), "\(weights)")
    Disk.write("pickle", adapter + "/adapter_model.bin")
    #expect(errors().contains("save adapter_model.bin as safetensors first"))
    Disk.remove(adapter + "/adapter_config.json")
    let both = errors()
    #expect(both.contains("no adapter_config.json and no adapter_model.safetensors"), "\(both)")
  }

  @Test("--force is not offered where it would be refused")
  func devices() {
    let errors = Tool.expect(73, ["convert", Model.bitnet, "/dev/null", "--to", "gguf"]).errors
    #expect(errors.contains("device") && !errors.contains("--force"), "\(errors)")
  }

  @Test("help of an option of the program, of two commands, and of a plan nobody carries out")
  func words() {
    #expect(Tool.expect(0, ["help", "--version"]).output == Tool.expect(0, ["help", "version"]).output)
    #expect(Tool.expect(64, ["help", "inspect", "check"]).errors.contains("'help' takes one command"))
    #expect(Tool.expect(64, ["convert", "--plan", "plan.json"]).errors.contains("--worker <i/n> or --finish"))
    let empty = Tool.expect(64, ["run", Model.bitnet, "--prompt", ""]).errors
    #expect(empty.contains("give a text that is not empty"), "\(empty)")
  }
}
